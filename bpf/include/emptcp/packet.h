/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the core knows about the packet, parsed once for all elements. Elements read it; only the edit helpers of the
 * SDK write it.
 */
#ifndef EMPTCP_PACKET_H
#define EMPTCP_PACKET_H

#include "kernel.h"

/* The flow record's live figures, copied for the chain if an element needs them (needs = ["flow_view"]). */
struct emptcp_flow_view {
	__u64 age_ns;
	__u64 idle_ns; /* before this packet */
	__u64 packets; /* both directions, this packet included */
	__u64 bytes;   /* payload, both directions */
	__u64 retransmissions;
	__u64 idsn;   /* of this packet's sender; 0: unknown */
	__u32 isn;    /* of this packet's sender */
	__u32 rtt_us; /* to the remote side and back; 0: not measured yet */
	__u32 local_token;
	__u32 remote_token;
	__u16 flags; /* enum emptcp_flow_flag */
	__u8 state;  /* enum emptcp_flow_state */
	__u8 version;
	__u8 address_id[2]; /* by enum emptcp_side */
	__u8 window_scale;  /* of this packet's sender, EMPTCP_SCALE_UNKNOWN */
	__u8 isn_known;
};

struct emptcp_connection_view {
	__u64 age_ns;
	__u64 idle_ns;
	__u64 packets;
	__u64 bytes;
	__u64 retransmissions;
	__u32 subflows;
	__u32 known; /* 0: this flow's connection is not known, the rest is void */
};

struct emptcp_packet {
	__u64 now_ns; /* CLOCK_MONOTONIC, to the tick: see emptcp_elapsed(); bpf_ktime_get_ns() for an exact one */
	__u64 flow_id;
	__u64 connection_id; /* 0: unknown */
	__u64 dsn;           /* of the mapping, widened to 64 bits where the packet has 32 */
	__u64 data_ack;      /* as in the packet: 32 or 64 bits */
	__u64 pending;       /* policies of this flow that have not run yet */
	struct emptcp_flow_key key;
	__u32 flow_slot; /* in emptcp_flows */
	__u32 types;     /* enum emptcp_packet_type */
	__u32 sequence;
	__u32 acknowledgement;
	__u32 timestamp_value;
	__u32 timestamp_echo;
	__u32 subflow_sequence; /* DSS mapping, relative */
	__u32 sack_edge;        /* highest right edge of the SACK blocks */
	__u32 payload_length;   /* TCP payload of the whole aggregate */
	__u32 segments;
	__u32 ifindex;
	__u32 generation;
	__u16 data_level_length; /* DSS mapping */
	__u16 window;            /* as in the header, not scaled */
	__u16 ip_offset;
	__u16 tcp_offset;
	__u16 tcp_length; /* header with options: 20..60 */
	__u16 dss_offset; /* from the start of the packet; 0: none */
	__u8 ip_version;
	__u8 direction; /* enum emptcp_direction; also enum emptcp_side of the sender */
	__u8 verdict;   /* enum emptcp_verdict */
	__u8 dss_flags; /* third byte of the DSS option: F m M a A */
	__u8 dscp;
	__u8 mptcp_version; /* 0, 1, 0xff */
	__u16 sack_offset;  /* of the SACK option from the start of the packet; 0: none */
	struct emptcp_flow_view flow;
	struct emptcp_connection_view connection;
};

enum emptcp_verdict {
	EMPTCP_CONTINUE, /* no decision: the packet passes */
	EMPTCP_DROP,     /* the packet ends here; policies that follow do not see it */
	EMPTCP_REFLECT,  /* send it back by this device: out of it at ingress, into it at egress */
	EMPTCP_AGAIN,    /* let it enter or leave the device again, as a new packet (tc) */
};

/* DSS flag bits, RFC 8684 section 3.3.1. */
#define EMPTCP_DSS_FLAG_ACK 0x01
#define EMPTCP_DSS_FLAG_ACK64 0x02
#define EMPTCP_DSS_FLAG_MAP 0x04
#define EMPTCP_DSS_FLAG_DSN64 0x08
#define EMPTCP_DSS_FLAG_DATA_FIN 0x10

static __always_inline struct tcphdr *emptcp_tcp(emptcp_context *ctx, const struct emptcp_packet *packet)
{
	return emptcp_at(ctx, packet->tcp_offset, sizeof(struct tcphdr));
}

/* True when sequence number a comes before b, modulo 2^32 (RFC 9293 section 3.4). */
static __always_inline bool emptcp_before(__u32 a, __u32 b)
{
	return (__s32)(b - a) > 0;
}

#endif
