/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A queue that exists only as a number. While it is longer than its target and still grows, one packet per step is marked
 * or dropped: the sender's congestion control does the rest, and losing more would stall the connection. Beyond the limit
 * everything is dropped, for senders that do not listen. An aggregate may overdraw: dropping 64 kB at once would cost a
 * whole window.
 *
 * A sender that lost a packet stays below the rate for seconds, and no real queue fills the gap; so what was left unused
 * for a moment may be used later: the mean is what counts.
 */
#ifndef RATE_LIMIT_POLICE_H
#define RATE_LIMIT_POLICE_H

#define QUEUE_TARGET_NS 100000000ll
#define QUEUE_LIMIT_NS 400000000ll
#define CREDIT_NS 400000000ll

/* Tells the sender to slow down. */
static __always_inline enum emptcp_verdict mark_or_drop(emptcp_context *ctx, struct emptcp_packet *packet)
{
	if (emptcp_mark_ce(ctx, packet)) {
		emptcp_count(packet, marked);
		return EMPTCP_CONTINUE;
	}
	emptcp_count(packet, dropped);
	return EMPTCP_DROP;
}

static __always_inline enum emptcp_verdict limit_by_police(emptcp_context *ctx, struct emptcp_packet *packet,
							   struct bucket *bucket, __u64 now)
{
	__s64 backlog = bucket->empty_ns - now;
	enum pace pace;

	if (backlog < -CREDIT_NS)
		backlog = -CREDIT_NS;
	pace = measure(bucket, packet, now, 100);
	if (backlog > QUEUE_LIMIT_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	if (backlog > QUEUE_TARGET_NS && pace == PACE_ABOVE && mark_or_drop(ctx, packet) == EMPTCP_DROP)
		return EMPTCP_DROP;
	bucket->empty_ns = now + backlog + duration_of(packet->payload_length);
	emptcp_count(packet, passed);
	return EMPTCP_CONTINUE;
}

#endif
