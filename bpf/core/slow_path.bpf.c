/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that does not happen on every packet: new subflows, handshakes, priority changes, ends, subflows met in
 * mid-stream, and resolving which policies want a flow. The entry program has parsed the packet already.
 */
#include "flow.h"
#include "view.h"
#include "dispatch.h"
#include "classify.h"
#include "handshake.h"

/* How far an acknowledgement may lie from what the other side has sent, to adopt a subflow: the largest TCP window. */
#define LARGEST_WINDOW (1u << 30)

/* The record that the stages of the slow path work on. */
static __always_inline struct emptcp_flow *current_flow(struct emptcp_scratch *scratch)
{
	if (scratch->half_open)
		return bpf_map_lookup_elem(&emptcp_half_open, &scratch->packet.key);
	return flow_at(scratch->packet.flow_slot);
}

/* The record of this packet's subflow, made when the packet opens one or shows one in mid-stream. */
static __always_inline struct emptcp_flow *find_or_create(struct emptcp_scratch *scratch, __u32 side, bool *half_open)
{
	struct emptcp_packet *packet = &scratch->packet;
	struct emptcp_flow *flow;
	__s64 slot;

	*half_open = false;
	slot = emptcp_flow_find();
	flow = slot >= 0 ? flow_at(slot) : NULL;
	packet->flow_slot = slot;
	if (!flow) {
		*half_open = true;
		flow = bpf_map_lookup_elem(&emptcp_half_open, &packet->key);
	}
	if (packet->types & EMPTCP_SYN) {
		if (!(packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN)))
			return flow;
		/* The same SYN again keeps its record; another one starts afresh: the ports are used again. An
		 * established record stays until the new handshake has completed. */
		if (*half_open && flow && flow->state == EMPTCP_FLOW_SYN && flow->sender[side].isn == packet->sequence)
			return flow;
		*half_open = true;
		return flow_create(scratch);
	}
	if (!flow) {
		/* Mid-stream: only data with a mapping, so that stray ACKs and resets make no records. */
		if (packet->types & (EMPTCP_SYNACK | EMPTCP_RST | EMPTCP_FIN) ||
		    (packet->types & (EMPTCP_DATA | EMPTCP_DSS_MAP)) != (EMPTCP_DATA | EMPTCP_DSS_MAP))
			return NULL;
		*half_open = true;
		flow = flow_create(scratch);
		if (flow)
			flow->flags |= EMPTCP_FLOW_PARTIAL;
		return flow;
	}
	/* The SYN-ACK and third ACK of a connection that reuses the ports of one we still hold as established. */
	if (!*half_open && packet->types & (EMPTCP_SYNACK | EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN)) {
		struct emptcp_flow *opening = bpf_map_lookup_elem(&emptcp_half_open, &packet->key);

		if (opening) {
			*half_open = true;
			return opening;
		}
	}
	return flow;
}

/* A half-open record and one more packet of it: is it established now? */
static __always_inline bool completes(struct emptcp_packet *packet, const struct emptcp_flow *flow, __u32 side)
{
	const struct emptcp_sender *sender = &flow->sender[side];
	const struct emptcp_sender *peer = &flow->sender[!side];

	if (packet->types & (EMPTCP_SYN | EMPTCP_SYNACK | EMPTCP_RST) || !(packet->types & EMPTCP_ACK))
		return false;
	if (flow->state == EMPTCP_FLOW_SYNACK) {
		__u16 opener = side == EMPTCP_LOCAL ? EMPTCP_FLOW_LOCAL_OPENED : EMPTCP_FLOW_REMOTE_OPENED;

		if (!(flow->flags & opener) || packet->sequence != sender->isn + 1 ||
		    packet->acknowledgement != peer->isn + 1)
			return false;
		packet->types |= EMPTCP_THIRD_ACK;
		/* Without an option the peer fell back to plain TCP (RFC 8684 section 3.7): not a subflow. */
		return packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN | EMPTCP_DSS);
	}
	if (flow->state == EMPTCP_FLOW_ADOPTING)
		return peer->started &&
		       packet->acknowledgement - peer->sequence_next + LARGEST_WINDOW < 2 * LARGEST_WINDOW;
	return false;
}

/*
 * The stages are global functions: each is verified once and alone, where inlined they would be verified for every way
 * through those before them.
 *

 * First stage: finds or makes the record. 0: there is none.
 */
__noinline int emptcp_flow_locate(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	bool half_open;

	if (!scratch || !find_or_create(scratch, scratch->packet.direction == EMPTCP_INGRESS, &half_open))
		return 0;
	scratch->half_open = half_open;
	return 1;
}

/* Second stage: brings the record up to date, promotes it. 1: the segment is a retransmission. */
__noinline int emptcp_flow_refresh(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_packet *packet;
	struct emptcp_flow *flow;
	bool retransmission;
	__u32 side;

	if (!scratch)
		return 0;
	packet = &scratch->packet;
	side = packet->direction == EMPTCP_INGRESS;
	flow = current_flow(scratch);
	if (!flow)
		return 0;
	retransmission = flow_update(flow, packet, side);
	if (scratch->half_open && completes(packet, flow, side) && flow_promote(scratch, flow))
		scratch->half_open = 0;
	return retransmission;
}

/* Third stage: what this segment saysabout the subflow and its connection. */
__noinline int emptcp_flow_advance(emptcp_context *ctx)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_packet *packet;
	struct emptcp_flow *flow;
	__u32 side;

	if (!scratch || !ctx)
		return 0;
	packet = &scratch->packet;
	side = packet->direction == EMPTCP_INGRESS;
	flow = current_flow(scratch);
	if (!flow)
		return 0;

	if (packet->types & EMPTCP_SYN)
		on_syn(ctx, scratch, flow, side);
	else if (packet->types & EMPTCP_SYNACK)
		on_syn_ack(ctx, packet, flow, side);
	if (packet->types & EMPTCP_MP_PRIO)
		on_mp_prio(ctx, packet, flow, side);
	if (packet->types & EMPTCP_MP_CAPABLE && !flow->connection && flow->state == EMPTCP_FLOW_ESTABLISHED) {
		struct emptcp_option option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_CAPABLE);

		if (option.length >= 20)
			connection_create(ctx, scratch, flow, option.offset);
		connection_subflow(flow);
	}
	if (packet->types & EMPTCP_FIN) {
		flow->sender[side].fin = 1;
		if (flow->state == EMPTCP_FLOW_ESTABLISHED)
			flow->state = EMPTCP_FLOW_CLOSING;
	}
	if (flow->state == EMPTCP_FLOW_CLOSING && flow->sender[0].fin && flow->sender[1].fin &&
	    packet->types & EMPTCP_PURE_ACK &&
	    !emptcp_before(packet->acknowledgement, flow->sender[!side].sequence_next))
		flow->state = EMPTCP_FLOW_CLOSED;
	/* A reset counts only with a sequence number that the receiver may take (RFC 9293 section 3.10.7.4). */
	if (packet->types & EMPTCP_RST && packet->sequence - flow->sender[!side].acknowledgement < LARGEST_WINDOW)
		flow->state = EMPTCP_FLOW_CLOSED;
	return 0;
}

EMPTCP_SECTION int emptcp_slow_path(emptcp_context *ctx)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_resolution *resolution;
	struct emptcp_packet *packet;
	__u64 *control, last_ns, policies;
	struct emptcp_flow *flow = NULL;
	__u32 zero = 0;
	int retransmission = 0;

	control = bpf_map_lookup_elem(&emptcp_control, &zero);
	if (!scratch || !control)
		return EMPTCP_VERDICT_PASS;
	packet = &scratch->packet;
	if (emptcp_flow_locate()) {
		retransmission = emptcp_flow_refresh();
		emptcp_flow_advance(ctx);
		flow = current_flow(scratch);
	}
	if (!flow) {
		scratch->core[EMPTCP_CORE_UNTRACKED]++;
		return EMPTCP_VERDICT_PASS;
	}
	last_ns = flow->last_ns;
	flow->last_ns = packet->now_ns;

	resolution = &flow->resolution[packet->direction == EMPTCP_INGRESS];
	if (resolution->generation != packet->generation || resolution->ifindex != packet->ifindex) {
		resolution->policies = emptcp_classify();
		resolution->ifindex = packet->ifindex;
		resolution->generation = packet->generation;
		scratch->core[EMPTCP_CORE_RESOLVED]++;
	}
	policies = resolution->policies;
	scratch->core[EMPTCP_CORE_TRACKED]++;
	packet->flow_id = flow->id;
	packet->connection_id = flow->connection;
	packet->mptcp_version = flow->version;
	/* The end of a subflow is rare enough to always show the figures: get_subflow and record want the last ones. */
	view_flow(packet, flow, last_ns);
	if (*control >> 32 & EMPTCP_FEATURE_CONNECTION)
		view_connection(packet, flow, retransmission);
	if (flow->state == EMPTCP_FLOW_CLOSED) {
		scratch->core[EMPTCP_CORE_FLOW_CLOSED]++;
		scratch->ended = *flow;
		if (scratch->half_open)
			bpf_map_delete_elem(&emptcp_half_open, &packet->key);
		else
			flow_remove(packet->flow_slot);
	}
	if (!policies)
		return EMPTCP_VERDICT_PASS;
	scratch->core[EMPTCP_CORE_SELECTED]++;
	dispatch(ctx, packet, policies);
	scratch->core[EMPTCP_CORE_CHAIN_BROKEN]++;
	return EMPTCP_VERDICT_PASS;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
