/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A queue that exists only as a number: when it would be longer than the target, one packet is marked or dropped, then
 * another a little sooner while it stays long (the control law of CoDel, RFC 8289 section 4.3), and everything beyond
 * the limit. An aggregate may overdraw: dropping 64 kB at once would cost a whole window.
 */
#ifndef RATE_LIMIT_POLICE_H
#define RATE_LIMIT_POLICE_H

#define QUEUE_TARGET_NS 100000000ull
#define QUEUE_LIMIT_NS 400000000ull
#define DROP_INTERVAL_NS 200000000ull

/* 256 / sqrt(n) for n = 1..16. */
static const __u16 inverse_root[16] = {256, 181, 148, 128, 114, 105, 97, 91, 85, 81, 77, 74, 71, 68, 66, 64};

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
	__u64 backlog;

	backlog = bucket->empty_ns > now ? bucket->empty_ns - now : 0;
	if (backlog > QUEUE_LIMIT_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	if (backlog < QUEUE_TARGET_NS) {
		bucket->drops = 0;
	} else if (!bucket->drops || now >= bucket->next_drop_ns) {
		__u32 index = bucket->drops & 15;

		bucket->next_drop_ns = now + DROP_INTERVAL_NS * inverse_root[index] / 256;
		if (bucket->drops < 15)
			bucket->drops++;
		if (mark_or_drop(ctx, packet) == EMPTCP_DROP)
			return EMPTCP_DROP;
	}
	bucket->empty_ns = now + backlog + duration_of(packet->payload_length);
	emptcp_count(packet, passed);
	return EMPTCP_CONTINUE;
}

#endif
