/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A queue that exists only as a number. While it is longer than its target and still grows, one packet per step is
 * marked or dropped: the sender's congestion control does the rest, and losing more would stall the connection. Beyond
 * the limit everything is dropped, for senders that do not slow down. An aggregate may exceed the limit: dropping 64 kB
 * at once would cost a whole window.
 *
 * A sender that lost a packet stays below the rate for seconds, and no real queue fills the gap; so rate that was
 * unused for a moment may be used later: the mean matters.
 */
#ifndef RATE_LIMIT_POLICE_H
#define RATE_LIMIT_POLICE_H

#define QUEUE_TARGET_NS 100000000ll
#define QUEUE_LIMIT_NS 400000000ll
#define CREDIT_NS 400000000ll
#define DROP_SPACING_NS 200000000ull /* by then a drop shows in the rate, unless the round trip is very long */

/* Makes the sender slow down: marks or drops the packet. */
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
	__s64 backlog = NOW_IN(bucket->empty_ns) - now;
	bool fresh = is_fresh(bucket, packet);
	__u64 pace;

	if (backlog < -CREDIT_NS) {
		backlog = -CREDIT_NS;
		STORE_IN(bucket->empty_ns, now - CREDIT_NS);
	}
	pace = measure(bucket, now, packet->segments > LARGEST_SACRIFICE ? 2 * DROP_SPACING_NS : DROP_SPACING_NS);
	if (pace)
		bucket->due = pace > arguments.rate;
	if (backlog > QUEUE_LIMIT_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	if (backlog > QUEUE_TARGET_NS && bucket->due && fresh) {
		bucket->due = 0;
		if (mark_or_drop(ctx, packet) == EMPTCP_DROP)
			return EMPTCP_DROP;
	}
	__sync_fetch_and_add(&bucket->empty_ns, duration_of(packet->payload_length));
	emptcp_count(packet, passed);
	return EMPTCP_CONTINUE;
}

#endif
