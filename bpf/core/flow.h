/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an acceptable segment of a known subflow changes in its record (docs/flow-records.md). */
#ifndef EMPTCP_CORE_FLOW_H
#define EMPTCP_CORE_FLOW_H

#include "numbers.h"
#include "sequence.h"
#include "view.h"

/* The connection's highest DSN follows the subflows in steps of this: 2^24 bytes. */
#define DSN_STEP_BITS 24

/* The longest round trip that is reported, so that differences of two have a sign: 35 minutes. */
#define LONGEST_RTT_US 0x7fffffffu

/* RFC 6298 section 2: the smoothed value moves by an eighth of the difference. */
static __always_inline void flow_rtt_sample(struct emptcp_sender *sender, __u64 nanoseconds)
{
	__u64 microseconds = nanoseconds / 1000;
	__u32 sample = microseconds > LONGEST_RTT_US ? LONGEST_RTT_US : microseconds;

	if (!sample)
		sample = 1; /* 0 means "not measured" */
	if (!sender->rtt_us)
		sender->rtt_us = sample;
	else
		sender->rtt_us += ((__s32)(sample - sender->rtt_us)) >> 3;
	if (!sender->rtt_min_us || sample < sender->rtt_min_us)
		sender->rtt_min_us = sample;
	sender->rtt_samples++;
}

/* This segment's ACK, which is higher than those before it: does it end the sample of the other side? */
static __always_inline void flow_rtt_end(struct emptcp_sender *peer, const struct emptcp_packet *packet)
{
	if (!peer->rtt_sent_ns || emptcp_before(packet->acknowledgement, peer->rtt_end))
		return;
	/* A later echo: the ACK that answered the segment was lost, or waited for a gap to be filled. */
	if (!(packet->types & EMPTCP_TIMESTAMPS) || !peer->rtt_timestamp ||
	    !emptcp_before(peer->rtt_timestamp, packet->timestamp_echo))
		flow_rtt_sample(peer, bpf_ktime_get_ns() - peer->rtt_sent_ns);
	peer->rtt_sent_ns = 0;
}

/*
 * A segment that must be answered; `end` was the highest byte before it. Begins a sample, or cancels the present one.
 */
static __always_inline void flow_rtt_begin(struct emptcp_sender *sender, const struct emptcp_packet *packet, __u32 end)
{
	if (!sequence_length(packet))
		return;
	if (emptcp_before(packet->sequence, end)) {
		sender->rtt_sent_ns = 0; /* a retransmission, or a gap is filled: acknowledgements wait for it */
	} else if (packet->sequence == end && !sender->rtt_sent_ns) {
		sender->rtt_sent_ns = bpf_ktime_get_ns();
		sender->rtt_end = packet->sequence + sequence_length(packet);
		sender->rtt_timestamp = packet->types & EMPTCP_TIMESTAMPS ? packet->timestamp_value : 0;
	}
}

/* Widens a 32-bit DSN to the 64-bit one nearest to what is known (RFC 8684 section 3.3.1). */
static __always_inline __u64 flow_widen_dsn(const struct emptcp_packet *packet, __u64 near)
{
	if (packet->dss_flags & EMPTCP_DSS_FLAG_DSN64 || !(packet->types & EMPTCP_DSS_MAP))
		return packet->dsn;
	return near + (__s32)((__u32)packet->dsn - (__u32)near);
}

/* Can the fast path handle this segment's mapping: is it near known ones, with nothing to store in the connection? */
static __always_inline bool flow_data_plain(const struct emptcp_sender *sender, const struct emptcp_packet *packet)
{
	__u64 known = sender->dsn_next, dsn, next;

	if (!(packet->types & EMPTCP_MAPPED))
		return true;
	if (!known)
		return false;
	dsn = flow_widen_dsn(packet, known);
	next = dsn + packet->data_level_length;
	return data_near(dsn, known) && !((next ^ known) >> DSN_STEP_BITS);
}

/* The mapping of a segment, which is near what is known. */
static __always_inline void flow_map(struct emptcp_sender *sender, struct emptcp_packet *packet, __u64 near)
{
	__u64 dsn = flow_widen_dsn(packet, near), next = dsn + packet->data_level_length;

	packet->dsn = dsn;
	if (!sender->dsn_next || (__s64)(next - sender->dsn_next) > 0)
		sender->dsn_next = next;
	if (!sender->dsn_first || (__s64)(dsn - sender->dsn_first) < 0)
		sender->dsn_first = dsn;
}

/* RFC 9293 section 3.8.4: a byte that was already sent and acknowledged, with no other news. */
static __always_inline bool keep_alive(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
				       const struct emptcp_packet *packet)
{
	return packet->payload_length == 1 && packet->sequence == sender->end - 1 &&
	       peer->known & EMPTCP_KNOWN_ACKNOWLEDGING && peer->acknowledgement == sender->end &&
	       !(packet->types & (EMPTCP_PSH | EMPTCP_DSS_MAP | EMPTCP_MP_CAPABLE | EMPTCP_FIN));
}

/* Segments of which part was seen before, when `seen` bytes of the packet were. */
static __always_inline __u32 segments_of(const struct emptcp_packet *packet, __u32 seen)
{
	__u64 bytes = lesser(seen, packet->payload_length);

	if (packet->segments <= 1 || !packet->payload_length)
		return !!bytes;
	return (bytes * packet->segments + packet->payload_length - 1) / packet->payload_length;
}

/* Sequence numbers of a segment that occupies sequence space. Returns the retransmitted segments. */
static __always_inline __u32 flow_sequence(struct emptcp_sender *sender, const struct emptcp_sender *peer,
					   const struct emptcp_packet *packet, bool half_open)
{
	__u32 begin = packet->sequence + !!(packet->types & (EMPTCP_SYN | EMPTCP_SYNACK));
	__u32 end = packet->sequence + sequence_length(packet), retransmitted = 0;
	__u64 seen;

	if (!(sender->known & EMPTCP_KNOWN_STARTED)) {
		sender->known |= EMPTCP_KNOWN_STARTED;
		sender->end = packet->sequence; /* what follows begins here, a sample too */
		sender->base = begin;
		sender->contiguous = begin;
	}
	if (keep_alive(sender, peer, packet))
		return 0;
	flow_rtt_begin(sender, packet, sender->end);
	if (emptcp_likely(begin == sender->contiguous && !sender->range_count)) {
		sender->contiguous = end;
	} else if (begin != end) {
		seen = emptcp_sequence_add(begin, end, half_open);
		if (!(packet->payload_length == 1 && (__u32)seen && peer->known & EMPTCP_KNOWN_STARTED &&
		      !peer->window))
			retransmitted = segments_of(packet, seen);
		if (seen & SEQUENCE_UNCERTAIN)
			sender->uncertain += packet->segments;
	}
	if (emptcp_before(sender->end, end))
		sender->end = end;
	sender->retransmissions += retransmitted;
	return retransmitted;
}

/*
 * Full tables of connections evict the entry that was looked up longest ago. So a live subflow looks up those of its
 * connection from time to time: with its first packet in every step of 2^CONNECTION_STEP_BITS ns (0.27 s).
 */
#define CONNECTION_STEP_BITS 28

static __always_inline bool connection_unseen(__u64 last_ns, __u64 now_ns)
{
	return (last_ns ^ now_ns) >> CONNECTION_STEP_BITS;
}

/* The largest window of a side over all subflows of the connection. */
static __always_inline void connection_window(__u64 id, __u32 side, __u32 window)
{
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;

	if (connection && connection->window_max[side & 1] < window)
		connection->window_max[side & 1] = window;
}

/* Brings the record up to date with an acceptable segment. Returns the retransmitted segments. */
static __always_inline __u32 flow_update(struct emptcp_flow *flow, struct emptcp_packet *packet, __u32 side,
					 bool half_open)
{
	struct emptcp_sender *sender = &flow->sender[side];
	struct emptcp_sender *peer = &flow->sender[!side];
	__u32 retransmitted = 0, window;

	sender->packets += packet->segments;
	sender->bytes += packet->payload_length;
	sender->last_ns = packet->now_ns;
	sender->run_count = 0;
	if (packet->types & (EMPTCP_DATA | EMPTCP_SYN | EMPTCP_SYNACK | EMPTCP_FIN) ||
	    emptcp_unlikely(!(sender->known & EMPTCP_KNOWN_STARTED)))
		retransmitted = flow_sequence(sender, peer, packet, half_open);
	if (packet->types & EMPTCP_ACK) {
		bool first = !(sender->known & EMPTCP_KNOWN_ACKNOWLEDGING);

		if (first || emptcp_before(sender->acknowledgement, packet->acknowledgement)) {
			sender->acknowledgement = packet->acknowledgement;
			if (first || emptcp_before(sender->sack_edge, packet->acknowledgement))
				sender->sack_edge = packet->acknowledgement;
			sender->known |= EMPTCP_KNOWN_ACKNOWLEDGING;
			flow_rtt_end(peer, packet);
		}
		/* Hosts ignore a block that was never sent, and accept the segment (tcp_sacktag_write_queue). */
		if (packet->types & EMPTCP_SACK && emptcp_before(sender->sack_edge, packet->sack_edge) &&
		    !(peer->known & EMPTCP_KNOWN_STARTED && emptcp_before(peer->end, packet->sack_edge)))
			sender->sack_edge = packet->sack_edge;
	}
	window = window_of(sender, packet);
	sender->window = window;
	if (emptcp_unlikely(window > sender->window_max)) {
		sender->window_max = window;
		connection_window(flow->connection, side, window);
	}
	if (packet->types & EMPTCP_MAPPED && flow_data_plain(sender, packet))
		flow_map(sender, packet, sender->dsn_next);
	return retransmitted;
}

#endif
