/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The path of a packet at a device that is not the first of this host to see it; see stacked.h. */
#ifndef EMPTCP_CORE_SEEN_BEFORE_H
#define EMPTCP_CORE_SEEN_BEFORE_H

#include "classify.h"
#include "handshake.h"
#include "stacked.h"
#include "view.h"

/* Does this segment show that the device that is usually the first has missed it? */
static __always_inline bool advances(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
				     const struct emptcp_packet *packet)
{
	if (packet->types & EMPTCP_RST)
		return false;
	if (!(packet->types & EMPTCP_SYN) && !acceptable(sender, peer, packet))
		return false;
	if (!(sender->known & EMPTCP_KNOWN_STARTED) ||
	    emptcp_before(sender->end, packet->sequence + sequence_length(packet)))
		return true;
	return packet->types & EMPTCP_ACK && (!(sender->known & EMPTCP_KNOWN_ACKNOWLEDGING) ||
					      emptcp_before(sender->acknowledgement, packet->acknowledgement));
}

/* The same DSN as at the first device. */
static __always_inline void passage_mapping(struct emptcp_packet *packet, const struct emptcp_sender *sender,
					    __u32 types)
{
	__u64 near = sender->dsn_next ? sender->dsn_next : sender->idsn;

	if (packet->types & EMPTCP_MAPPED) {
		if (near)
			packet->dsn = flow_widen_dsn(packet, near);
	} else if (types & EMPTCP_MAPPED) {
		/* Data on MP_CAPABLE (RFC 8684 section 3.1). */
		packet->dsn = sender->idsn + 1;
		packet->data_level_length = packet->payload_length;
		packet->types |= EMPTCP_MAPPED;
	}
}

/*
 * Has another device on the path of this packet seen it? Then scratch->policies are those that still have to run.
 * Global, so that the verifier checks it once.
 */
__noinline int emptcp_seen_before(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_passage *passage;
	struct emptcp_packet *packet;
	struct emptcp_flow *flow;
	bool same_set;
	__u32 side;

	if (!scratch)
		return 0;
	packet = &scratch->packet;
	side = packet->direction == EMPTCP_INGRESS;
	flow = current_flow(scratch);
	if (!flow || !flow->resolution[side].ifindex ||
	    !stacked(scratch, flow->resolution[side].ifindex, packet->ifindex))
		return 0;
	/* An unacceptable segment is handled at the other device, as long as that one sees packets. */
	same_set = flow->resolution[side].generation == packet->generation;
	if (advances(&flow->sender[side], &flow->sender[!side], packet))
		return 0;
	if (!same_set && !(packet->types & EMPTCP_RST) &&
	    !acceptable(&flow->sender[side], &flow->sender[!side], packet))
		return 0;
	passage = &flow->passage[side];
	if (passage->other.generation != packet->generation || passage->other.ifindex != packet->ifindex) {
		passage->other.policies = emptcp_classify();
		passage->other.ifindex = packet->ifindex;
		passage->other.generation = packet->generation;
		scratch->core[EMPTCP_CORE_RESOLVED]++;
	}
	/* At the moment of a switch the first device has run policies of the former set: one set for each packet. */
	scratch->policies = same_set ? passage->other.policies & ~passage->ran : 0;
	passage->ran |= passage->other.policies;
	passage_mapping(packet, &flow->sender[side], passage->types);
	packet->types |= passage->types & (EMPTCP_THIRD_ACK | EMPTCP_UNACCEPTABLE);
	if (on_top(flow->ifindex, packet->ifindex))
		flow->ifindex = packet->ifindex;
	if (passage->idle & EMPTCP_PASSAGE_CLOSED)
		scratch->ended = *flow;
	scratch->core[EMPTCP_CORE_SEEN_BEFORE]++;
	return 1;
}

/* The rest of the packet's path at a device that is not the first to see it. */
static __always_inline void passage_view(struct emptcp_scratch *scratch, const struct emptcp_flow *flow)
{
	struct emptcp_packet *packet = &scratch->packet;
	__u64 idle = flow->passage[packet->direction == EMPTCP_INGRESS].idle & (EMPTCP_PASSAGE_CLOSED - 1);

	packet->flow_id = flow->id;
	packet->connection_id = flow->connection;
	packet->mptcp_version = flow->version;
	view_flow(packet, flow, packet->now_ns - (idle << 10));
	packet->connection.known = 0;
	if (scratch->features & EMPTCP_FEATURE_CONNECTION && !(packet->types & EMPTCP_UNACCEPTABLE))
		view_connection_shown(packet, flow);
}

#endif
