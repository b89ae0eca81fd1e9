/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of records by actors that end subflows or act for a host (docs/flow-records.md): the core has already counted
 * the packet as it arrived, and does not see later changes of it.
 */
#ifndef EMPTCP_RECORD_H
#define EMPTCP_RECORD_H

#include "event.h"

/* The record of this packet's established subflow, to be written; NULL when there is none (any more). */
static __always_inline struct emptcp_flow *emptcp_flow_writable(const struct emptcp_packet *packet)
{
	__u32 index = packet->flow_slot;
	struct emptcp_slot *slot = bpf_map_lookup_elem(&emptcp_flows, &index);

	return slot && slot->flow.id == packet->flow_id ? &slot->flow : NULL;
}

/* Bytes of sequence space that the packet takes. */
static __always_inline __u32 emptcp_sequence_length(const struct emptcp_packet *packet)
{
	return packet->payload_length + !!(packet->types & (EMPTCP_SYN | EMPTCP_SYNACK)) +
	       !!(packet->types & EMPTCP_FIN);
}

/* What the record knows about the packet's sender. */
static __always_inline struct emptcp_sender *emptcp_flow_sender(const struct emptcp_packet *packet,
								struct emptcp_flow *flow)
{
	return packet->direction == EMPTCP_INGRESS ? &flow->sender[EMPTCP_REMOTE] : &flow->sender[EMPTCP_LOCAL];
}

/*
 * The next sequence number that the receiver of this packet expects, if the packet does not reach it. The core has
 * counted the packet as one that does: then everything up to its end was seen.
 */
static __always_inline __u32 emptcp_flow_expected(const struct emptcp_packet *packet,
						  const struct emptcp_sender *sender)
{
	if (!(sender->known & EMPTCP_KNOWN_STARTED) ||
	    sender->contiguous == packet->sequence + emptcp_sequence_length(packet))
		return packet->sequence;
	return sender->contiguous;
}

/*
 * The next sequence number that the sender of this packet will expect when a segment from here reaches it: all that its
 * peer has sent until now is ahead on the same path. Its acknowledgement is older by all data in flight, and a reset
 * with that number is out of the window (RFC 9293 section 3.10.7.4).
 */
static __always_inline __u32 emptcp_flow_awaited(const struct emptcp_packet *packet, const struct emptcp_flow *flow)
{
	const struct emptcp_sender *peer =
		packet->direction == EMPTCP_INGRESS ? &flow->sender[EMPTCP_LOCAL] : &flow->sender[EMPTCP_REMOTE];

	if ((peer->known & EMPTCP_KNOWN_STARTED) && (__s32)(peer->contiguous - packet->acknowledgement) > 0)
		return peer->contiguous;
	return packet->acknowledgement;
}

/* The packet does not reach its receiver: later segments are checked against the number that the receiver expects. */
static __always_inline void emptcp_flow_take_back(struct emptcp_sender *sender, __u32 expected)
{
	if (sender->known & EMPTCP_KNOWN_STARTED)
		sender->contiguous = expected;
}

/* The subflow was ended by packets that the core does not see: the record is removed with its next segment, if any. */
static __always_inline void emptcp_flow_end(struct emptcp_flow *flow)
{
	flow->flags |= EMPTCP_FLOW_ENDED;
	flow->watch = 1;
}

/* An option that was added to the packet makes its sender request that the subflow be backup, or regular again. */
static __always_inline void emptcp_flow_asks_backup(struct emptcp_packet *packet, bool backup)
{
	__u16 flag = packet->direction == EMPTCP_INGRESS ? EMPTCP_FLOW_BACKUP_REMOTE : EMPTCP_FLOW_BACKUP_LOCAL;
	struct emptcp_flow *flow = emptcp_flow_writable(packet);

	if (flow && backup)
		flow->flags |= flag;
	else if (flow)
		flow->flags &= ~flag;
	packet->flow.flags = backup ? packet->flow.flags | flag : packet->flow.flags & ~flag;
}

/* Later elements see it as closed. */
static __always_inline void emptcp_flow_show_end(struct emptcp_packet *packet, const struct emptcp_flow *flow)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();

	packet->flow.state = EMPTCP_FLOW_CLOSED;
	if (!scratch)
		return;
	scratch->ended = *flow;
	scratch->ended.state = EMPTCP_FLOW_CLOSED;
}

#endif
