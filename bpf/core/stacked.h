/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One packet on several devices of this host: a bridge and its port, a VLAN device and its parent. The record is
 * brought up to date at the device that sees the packet first, and every policy acts once, at the first of its devices.
 * The packet itself carries no mark for that: the record has which device was the first, and what ran there
 * (docs/flow-records.md).
 */
#ifndef EMPTCP_CORE_STACKED_H
#define EMPTCP_CORE_STACKED_H

#include "tables.h"

static __always_inline bool on_top(__u32 upper, __u32 lower)
{
	struct emptcp_device_pair pair = {.upper = upper, .lower = lower};

	return bpf_map_lookup_elem(&emptcp_stacked, &pair);
}

static __always_inline bool stacked(const struct emptcp_scratch *scratch, __u32 a, __u32 b)
{
	return scratch->features & EMPTCP_FEATURE_STACKED && a != b && (on_top(a, b) || on_top(b, a));
}

/* Will another device see this packet as well? It has seen others of the same direction. */
static __always_inline bool passage_goes_on(const struct emptcp_flow *flow, const struct emptcp_packet *packet)
{
	return flow->passage[packet->direction == EMPTCP_INGRESS].other.ifindex;
}

/* At the device that sees a packet first: stores what the others must know. */
static __always_inline void passage_begin(struct emptcp_flow *flow, const struct emptcp_packet *packet, __u64 policies,
					  __u64 last_ns)
{
	struct emptcp_passage *passage = &flow->passage[packet->direction == EMPTCP_INGRESS];

	passage->ran = policies;
	passage->types = packet->types & (EMPTCP_THIRD_ACK | EMPTCP_UNACCEPTABLE | EMPTCP_MAPPED);
	passage->idle = emptcp_elapsed(packet->now_ns, last_ns) >> 10 & (EMPTCP_PASSAGE_CLOSED - 1);
	if (flow->state == EMPTCP_FLOW_CLOSED)
		passage->idle |= EMPTCP_PASSAGE_CLOSED;
}

#endif
