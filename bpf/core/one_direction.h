/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Subflows of which this host sees only what one side sends: routing is not symmetric (docs/flow-records.md). */
#ifndef EMPTCP_CORE_ONE_DIRECTION_H
#define EMPTCP_CORE_ONE_DIRECTION_H

#include "numbers.h"

#define ONE_DIRECTION_SEGMENTS 8
#define ONE_DIRECTION_NS 1000000000ull
#define ONE_DIRECTION_END_NS 60000000000ull
#define ONE_DIRECTION_SYN_NS 3000000000ull

static __always_inline __u16 opener_flag(__u32 side)
{
	return side == EMPTCP_LOCAL ? EMPTCP_FLOW_LOCAL_OPENED : EMPTCP_FLOW_REMOTE_OPENED;
}

static __always_inline __u16 suspicion(__u32 side)
{
	return side == EMPTCP_LOCAL ? EMPTCP_FLOW_RESET_SUSPECTED_LOCAL : EMPTCP_FLOW_RESET_SUSPECTED_REMOTE;
}

/* A half-open record, after an acceptable segment of `side`: is it time to continue without the other side? */
static __always_inline bool one_direction_begins(const struct emptcp_packet *packet, const struct emptcp_flow *flow,
						 __u32 side)
{
	return (flow->state == EMPTCP_FLOW_ADOPTING || flow->state == EMPTCP_FLOW_SYN) && !flow->sender[!side].known &&
	       flow->sender[side].packets >= ONE_DIRECTION_SEGMENTS &&
	       emptcp_elapsed(packet->now_ns, flow->first_ns) >= ONE_DIRECTION_NS;
}

/* No acknowledgement of a FIN passes here, and no number confirms a RST: only silence does. */
static __always_inline bool one_direction_ended(const struct emptcp_packet *packet, const struct emptcp_flow *flow)
{
	bool ended = false;

#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		const struct emptcp_sender *sender = &flow->sender[side];

		ended |= (sender->fin == EMPTCP_FIN_SENT || flow->flags & suspicion(side)) &&
			 emptcp_elapsed(packet->now_ns, sender->last_ns) >= ONE_DIRECTION_END_NS;
	}
	return flow->flags & EMPTCP_FLOW_ONE_DIRECTION && ended;
}

/* Does this segment belong to the subflow of a SYN that was seen since, on the same ports? */
static __always_inline bool one_direction_succeeds(const struct emptcp_packet *packet, const struct emptcp_flow *flow,
						   const struct emptcp_flow *opening, __u32 side)
{
	return flow->flags & EMPTCP_FLOW_ONE_DIRECTION && opening->state == EMPTCP_FLOW_SYN &&
	       opening->flags & opener_flag(side) && flow->last_ns <= opening->first_ns &&
	       emptcp_elapsed(packet->now_ns, opening->first_ns) >= ONE_DIRECTION_SYN_NS &&
	       !acceptable(&flow->sender[side], &flow->sender[!side], packet) &&
	       acceptable(&opening->sender[side], &opening->sender[!side], packet);
}

#endif
