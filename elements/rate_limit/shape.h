/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shaping at egress. With fq the packet gets its departure time (earliest departure time model). With HTB it gets its
 * class.
 */
#ifndef RATE_LIMIT_SHAPE_H
#define RATE_LIMIT_SHAPE_H

#define EDT_HORIZON_NS 2000000000ull /* fq's own horizon is 10 s */

#if defined(EMPTCP_HOOK_TC)
static __always_inline enum emptcp_verdict limit_by_shape(emptcp_context *ctx, struct emptcp_packet *packet,
							  struct bucket *bucket, __u64 now)
{
	__u64 departure;

	if (!emptcp_shape.edt) {
		ctx->priority = emptcp_shape.class;
		emptcp_count(packet, passed);
		return EMPTCP_CONTINUE;
	}
	departure = NOW_IN(bucket->empty_ns);
	if (departure < now) {
		departure = now;
		STORE_IN(bucket->empty_ns, now);
	}
	if (departure - now > EDT_HORIZON_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	__sync_fetch_and_add(&bucket->empty_ns, duration_of(packet->payload_length));
	/* The sender's own pacing may ask for a later time still. */
	if (departure > ctx->tstamp)
		ctx->tstamp = departure;
	emptcp_count(packet, delayed);
	return EMPTCP_CONTINUE;
}
#endif

#endif
