/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every packet of a known subflow changes in its record. */
#ifndef EMPTCP_CORE_FLOW_H
#define EMPTCP_CORE_FLOW_H

#include "tables.h"

/* RFC 6298 section 2: the smoothed value moves by an eighth of the difference. */
static __always_inline void flow_rtt_sample(struct emptcp_sender *sender, __u64 nanoseconds)
{
	__u32 sample = nanoseconds / 1000;

	if (!sample)
		sample = 1; /* 0 means "not measured" */
	if (!sender->rtt_us)
		sender->rtt_us = sample;
	else
		sender->rtt_us += ((__s32)(sample - sender->rtt_us)) >> 3;
	if (!sender->rtt_min_us || sample < sender->rtt_min_us)
		sender->rtt_min_us = sample;
}

/*
 * Round trips: a side's segment starts the clock, the other side's echo of its timestamp stops it; without timestamps
 * the acknowledgement of its last byte does. A retransmission stops the clock unread (Karn). The exact clock is read
 * only here, about twice per round trip; everything else uses the coarse one (packet->now_ns).
 */
static __always_inline void flow_time(struct emptcp_sender *sender, struct emptcp_sender *peer,
				      const struct emptcp_packet *packet, __u32 sequence_end, bool retransmission)
{
	bool timestamps = packet->types & EMPTCP_TIMESTAMPS;

	if (timestamps) {
		if (peer->rtt_sent_ns && !emptcp_before(packet->timestamp_echo, peer->rtt_sequence)) {
			flow_rtt_sample(peer, bpf_ktime_get_ns() - peer->rtt_sent_ns);
			peer->rtt_sent_ns = 0;
		}
		/* Only the first segment of a clock tick: the echo cannot tell later ones from it. */
		if (!sender->rtt_sent_ns && packet->timestamp_value != sender->timestamp && !retransmission) {
			sender->rtt_sent_ns = bpf_ktime_get_ns();
			sender->rtt_sequence = packet->timestamp_value;
		}
		sender->timestamp = packet->timestamp_value;
		return;
	}
	if (peer->rtt_sent_ns && packet->types & EMPTCP_ACK &&
	    !emptcp_before(packet->acknowledgement, peer->rtt_sequence)) {
		flow_rtt_sample(peer, bpf_ktime_get_ns() - peer->rtt_sent_ns);
		peer->rtt_sent_ns = 0;
	}
	if (retransmission) {
		sender->rtt_sent_ns = 0;
	} else if (!sender->rtt_sent_ns && packet->payload_length) {
		sender->rtt_sent_ns = bpf_ktime_get_ns();
		sender->rtt_sequence = sequence_end;
	}
}

/* Widens a 32-bit DSN to the 64-bit one nearest to what this side has sent (RFC 8684 section 3.3.1), at first to the
 * start of the connection. Where neither is known the DSN stays as it is. */
static __always_inline __u64 flow_widen_dsn(const struct emptcp_sender *sender, const struct emptcp_packet *packet)
{
	__u64 near = sender->dsn_next ? sender->dsn_next : sender->idsn;

	if (packet->dss_flags & EMPTCP_DSS_FLAG_DSN64 || !near)
		return packet->dsn;
	return near + (__s32)((__u32)packet->dsn - (__u32)near);
}

/* Returns true when the segment only repeats sequence numbers that were sent before. */
static __always_inline bool flow_update(struct emptcp_flow *flow, struct emptcp_packet *packet, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side];
	struct emptcp_sender *peer = &flow->sender[!side];
	__u32 end = packet->sequence + packet->payload_length;
	bool retransmission = false;

	if (packet->types & (EMPTCP_SYN | EMPTCP_SYNACK | EMPTCP_FIN))
		end++;
	sender->packets += packet->segments;
	sender->bytes += packet->payload_length;
	if (!sender->started || emptcp_before(sender->sequence_next, end)) {
		sender->sequence_next = end;
		sender->started = 1;
	} else if (packet->payload_length) {
		sender->retransmissions += packet->segments;
		retransmission = true;
	}
	sender->acknowledgement = packet->acknowledgement;
	sender->window = packet->window;
	flow_time(sender, peer, packet, end, retransmission);
	if (packet->types & EMPTCP_DSS_MAP) {
		__u64 dsn = flow_widen_dsn(sender, packet);
		__u64 next = dsn + packet->data_level_length;

		packet->dsn = dsn;
		if (!sender->dsn_next || (__s64)(next - sender->dsn_next) > 0)
			sender->dsn_next = next;
		if (!sender->dsn_first || (__s64)(dsn - sender->dsn_first) < 0)
			sender->dsn_first = dsn;
	}
	return retransmission;
}

#endif
