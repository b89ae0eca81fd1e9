/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shaping at egress, by what class.h offers: departure times with fq (earliest departure time model), a class of HTB
 * otherwise. Both have no effect if the root qdisc was replaced, so it is checked.
 */
#ifndef RATE_LIMIT_SHAPE_H
#define RATE_LIMIT_SHAPE_H

#define HORIZON_NS 2000000000ull /* fq's own horizon is 10 s */

#if defined(EMPTCP_HOOK_TC)
static __always_inline enum emptcp_verdict limit_by_shape(emptcp_context *ctx, struct emptcp_packet *packet,
							  struct bucket *bucket, __u64 now)
{
	__u64 departure;

	if (!emptcp_class_in_place(ctx)) {
		emptcp_count(packet, shape_missing);
		return EMPTCP_CONTINUE;
	}
	if (!emptcp_class.departure) {
		emptcp_class_enter(ctx);
		emptcp_count(packet, passed);
		return EMPTCP_CONTINUE;
	}
	departure = NOW_IN(bucket->empty_ns);
	if (departure < now) {
		departure = now;
		STORE_IN(bucket->empty_ns, now);
	}
	if (departure - now > HORIZON_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	__sync_fetch_and_add(&bucket->empty_ns, duration_of(packet->payload_length));
	emptcp_class_depart_at(ctx, departure);
	emptcp_count(packet, delayed);
	return EMPTCP_CONTINUE;
}
#endif

#endif
