/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that does not happen on every packet: new subflows, handshakes, priority changes, ends, subflows first
 * seen in mid-stream, and resolving the policies of a flow. The entry program has parsed the packet already.
 */
#include "flow.h"
#include "view.h"
#include "dispatch.h"
#include "classify.h"
#include "handshake.h"
#include "one_direction.h"
#include "seen_before.h"

#define JUDGED_UNACCEPTABLE 0xffffffffu
#define JUDGED_SUSPECTED 0xfffffffeu /* a RST that may be the sender's: changes nothing yet */
#define RESET_SILENCE_NS 10000000000ull

static __always_inline bool judged_acceptable(const struct emptcp_scratch *scratch)
{
	return scratch->judged < JUDGED_SUSPECTED;
}

/*
 * Is this the third segment of the handshake that the half-open record has seen? It begins where the SYN-ACK
 * acknowledged.
 */
static __always_inline bool is_third_ack(const struct emptcp_packet *packet, const struct emptcp_flow *flow, __u32 side)
{
	return flow->state == EMPTCP_FLOW_SYNACK && flow->flags & opener_flag(side) && packet->types & EMPTCP_ACK &&
	       !(packet->types & (EMPTCP_SYNACK | EMPTCP_RST)) &&
	       packet->sequence == flow->sender[!side].acknowledgement &&
	       packet->acknowledgement == flow->sender[!side].isn + 1;
}

/*
 * Does this segment, which fits the handshake that `opening` has seen, belong to that rather than to the old subflow?
 */
static __always_inline bool is_of_opening(const struct emptcp_packet *packet, const struct emptcp_flow *flow,
					  const struct emptcp_flow *opening, __u32 side)
{
	return is_third_ack(packet, opening, side) && (packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN) ||
						       !acceptable(&flow->sender[side], &flow->sender[!side], packet));
}

/*
 * Hosts send a SYN again sooner than that. If only one direction passes here, nothing else shows that it is not
 * answered.
 */
static __always_inline bool handshake_is_dead(const struct emptcp_packet *packet, const struct emptcp_flow *opening)
{
	return (opening->state == EMPTCP_FLOW_SYN || opening->state == EMPTCP_FLOW_SYNACK) &&
	       emptcp_elapsed(packet->now_ns, opening->last_ns) >= ONE_DIRECTION_END_NS;
}

/* The record of this packet's subflow, made when the packet opens one or shows one in mid-stream. */
static __always_inline struct emptcp_flow *find_or_create(struct emptcp_scratch *scratch, __u32 side, bool *half_open)
{
	struct emptcp_packet *packet = &scratch->packet;
	const __u32 mid_stream = EMPTCP_ACK | EMPTCP_DATA | EMPTCP_DSS_MAP;
	struct emptcp_flow *flow, *opening;
	bool starts;
	__s64 slot;

	slot = emptcp_flow_find();
	flow = slot >= 0 ? flow_at(slot) : NULL;
	packet->flow_slot = slot;
	opening = bpf_map_lookup_elem(&emptcp_half_open, &packet->key);
	*half_open = true;
	/* Kept for the devices above or below, which see the last packet later. */
	if (flow && flow->state == EMPTCP_FLOW_CLOSED &&
	    !stacked(scratch, flow->resolution[side].ifindex, packet->ifindex)) {
		flow_remove(slot);
		flow = NULL;
		packet->flow_slot = NO_SLOT;
	}
	if (flow && one_direction_ended(packet, flow)) {
		scratch->core[EMPTCP_CORE_FLOW_CLOSED]++;
		connection_end(flow);
		flow_remove(slot);
		flow = NULL;
		packet->flow_slot = NO_SLOT;
	}
	/* The record has just been removed: only an MPTCP option shows whether this packet belongs to a subflow. */
	if (!flow && !(packet->types & EMPTCP_ANY_MPTCP))
		return NULL;
	if (packet->types & EMPTCP_RST) {
		*half_open = !flow;
		return flow ? flow : opening; /* a reset, whatever else it has */
	}
	if (packet->types & EMPTCP_SYN) {
		if (!flow && !opening && !(packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN)))
			return NULL;
		/*
		 * The same SYN again keeps its record; another one starts a new record: the ports are used again. An
		 * established record stays until the new handshake has completed (RFC 5961 section 4).
		 */
		if (opening && (opening->state == EMPTCP_FLOW_SYN || opening->state == EMPTCP_FLOW_SYNACK) &&
		    opening->flags & opener_flag(side) && opening->sender[side].isn == packet->sequence)
			return opening;
		return flow_create(scratch, EMPTCP_CORE_FLOW_NEW);
	}
	if (flow) {
		if (opening && (packet->types & EMPTCP_SYNACK || is_of_opening(packet, flow, opening, side) ||
				one_direction_succeeds(packet, flow, opening, side)))
			return opening;
		if (!(packet->types & EMPTCP_ANY_MPTCP) && flow_weak(flow))
			return NULL;
		/* The subflow was adopted while its first packet from mid-stream made this. */
		if (opening && opening->state == EMPTCP_FLOW_ADOPTING)
			bpf_map_delete_elem(&emptcp_half_open, &packet->key);
		*half_open = false;
		return flow;
	}
	/* Mid-stream: only data with a mapping, so that stray ACKs and resets make no records. */
	starts = !(packet->types & (EMPTCP_SYNACK | EMPTCP_FIN)) && (packet->types & mid_stream) == mid_stream;
	if (opening && !(starts && handshake_is_dead(packet, opening)))
		return opening;
	if (!starts)
		return NULL;
	flow = flow_create(scratch, EMPTCP_CORE_FLOW_PARTIAL);
	if (flow)
		flow->flags |= EMPTCP_FLOW_PARTIAL;
	return flow;
}

/* A half-open record and one more acceptable packet of it: is it established now? */
static __always_inline bool completes(struct emptcp_packet *packet, struct emptcp_flow *flow, __u32 side)
{
	if (is_third_ack(packet, flow, side)) {
		packet->types |= EMPTCP_THIRD_ACK;
		/* Without an option the peer fell back to plain TCP (RFC 8684 section 3.7): not a subflow. */
		return packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN | EMPTCP_DSS);
	}
	if (one_direction_begins(packet, flow, side)) {
		flow->flags |= EMPTCP_FLOW_ONE_DIRECTION;
		flow->sender[EMPTCP_LOCAL].window_max = EMPTCP_WINDOW_LARGEST;
		flow->sender[EMPTCP_REMOTE].window_max = EMPTCP_WINDOW_LARGEST;
		return true;
	}
	return flow->state == EMPTCP_FLOW_ADOPTING && flow->sender[!side].known & EMPTCP_KNOWN_STARTED &&
	       flow->sender[side].known & EMPTCP_KNOWN_ACKNOWLEDGING;
}

/* A RST: accepted at once, possible, or neither. */
static __always_inline __u32 judge_reset(struct emptcp_packet *packet, struct emptcp_flow *flow, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side], *peer = &flow->sender[!side];

	if (flow->state == EMPTCP_FLOW_SYN && !(flow->flags & opener_flag(side))) {
		/* RFC 9293 section 3.10.7.3 */
		if (!(packet->types & EMPTCP_ACK) || packet->acknowledgement != peer->isn + 1)
			return JUDGED_UNACCEPTABLE;
	} else if (!reset_exact(sender, peer, packet)) {
		if (!sequence_possible(sender, peer, packet))
			return JUDGED_UNACCEPTABLE;
		if (!(flow->flags & suspicion(side)))
			sender->last_ns = packet->now_ns; /* its silence is counted from here */
		flow->flags |= suspicion(side);
		flow->watch = 1;
		return JUDGED_SUSPECTED;
	}
	flow->state = EMPTCP_FLOW_CLOSED;
	sender->packets += packet->segments;
	sender->bytes += packet->payload_length;
	sender->last_ns = packet->now_ns;
	return 0;
}

/* Is this perhaps a RST of plain TCP, with a forged record on the same ports? Policies do not apply to it. */
static __always_inline bool is_plain(const struct emptcp_scratch *scratch, const struct emptcp_flow *flow)
{
	return !(scratch->packet.types & EMPTCP_ANY_MPTCP) && !judged_acceptable(scratch) && flow_weak(flow);
}

/* A SYN-ACK. The first matching one restarts its side: segments before it from that side were not confirmed. */
static __always_inline bool judge_syn_ack(const struct emptcp_packet *packet, struct emptcp_flow *flow, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side];

	if (!answers_syn(packet, flow, side))
		return false;
	if (flow->state == EMPTCP_FLOW_SYN) {
		sender->known = 0;
		sender->range_count = 0;
		sender->rtt_sent_ns = 0;
		sender->fin = EMPTCP_FIN_NONE;
	}
	return true;
}

/* Could the sender have sent these numbers? Corrects the record's numbers if both sides show that they are wrong. */
static __always_inline bool judge(struct emptcp_scratch *scratch, struct emptcp_flow *flow, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side], *peer = &flow->sender[!side];
	struct emptcp_packet *packet = &scratch->packet;

	if (packet->types & EMPTCP_SYN)
		return scratch->half_open;
	if (packet->types & EMPTCP_SYNACK)
		return scratch->half_open && flow->flags & opener_flag(!side) && judge_syn_ack(packet, flow, side);
	if (acceptable(sender, peer, packet))
		return true;
	if (connection_widens(flow) && acceptable(sender, peer, packet))
		return true;
	if (packet->types & EMPTCP_ACK && run_confirmed(peer, packet->acknowledgement)) {
		if (scratch->half_open && flow->state != EMPTCP_FLOW_ADOPTING) {
			/* Another subflow runs on these ports than the one whose SYN was seen. */
			flow_forget_handshake(flow);
			scratch->core[EMPTCP_CORE_FLOW_PARTIAL]++;
		}
		reanchor(peer, sender, packet->acknowledgement);
		scratch->core[EMPTCP_CORE_REANCHORED]++;
		if (acceptable(sender, peer, packet))
			return true;
	}
	/* Plain TCP shows nothing about a subflow. */
	if (packet->types & EMPTCP_ANY_MPTCP)
		run_extend(sender, packet);
	return false;
}

/* The state after a FIN, or the acknowledgement of one. `side` sent this acceptable segment. */
static __always_inline void advance_end(const struct emptcp_packet *packet, struct emptcp_flow *flow, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side], *peer = &flow->sender[!side];
	__u32 acknowledged, end;

	if (sender->fin == EMPTCP_FIN_SENT && emptcp_before(sender->fin_end, sender->end))
		sender->fin = EMPTCP_FIN_NONE; /* the host goes on: the FIN was not its own */
	/* Nothing follows a FIN: one below `end` is forged, and R has already acknowledged that range. */
	end = packet->sequence + sequence_length(packet);
	if (packet->types & EMPTCP_FIN && sender->fin == EMPTCP_FIN_NONE && end == sender->end &&
	    sure_place(sender, peer, packet)) {
		sender->fin = EMPTCP_FIN_SENT;
		sender->fin_end = end;
	}
	if (peer->fin == EMPTCP_FIN_SENT && sender->known & EMPTCP_KNOWN_ACKNOWLEDGING &&
	    !emptcp_before(sender->acknowledgement, peer->fin_end))
		peer->fin = EMPTCP_FIN_ACKNOWLEDGED;
	flow->flags &= ~suspicion(side);
	if (flow->state < EMPTCP_FLOW_ESTABLISHED)
		return;
	acknowledged = (sender->fin == EMPTCP_FIN_ACKNOWLEDGED) + (peer->fin == EMPTCP_FIN_ACKNOWLEDGED);
	if (acknowledged == 2)
		flow->state = EMPTCP_FLOW_CLOSED;
	else if (acknowledged && flow->state == EMPTCP_FLOW_ESTABLISHED)
		flow->state = EMPTCP_FLOW_CLOSING;
	if (flow->flags & suspicion(!side) && emptcp_elapsed(packet->now_ns, peer->last_ns) >= RESET_SILENCE_NS)
		flow->state = EMPTCP_FLOW_CLOSED;
}

/* Must the next packet take the slow path in any case? */
static __always_inline __u64 needs_watch(const struct emptcp_flow *flow)
{
	const struct emptcp_sender *local = &flow->sender[EMPTCP_LOCAL], *remote = &flow->sender[EMPTCP_REMOTE];

	return flow->state == EMPTCP_FLOW_CLOSED ||
	       (local->known & remote->known) != (EMPTCP_KNOWN_STARTED | EMPTCP_KNOWN_ACKNOWLEDGING) ||
	       local->fin == EMPTCP_FIN_SENT || remote->fin == EMPTCP_FIN_SENT ||
	       flow->flags & (EMPTCP_FLOW_RESET_SUSPECTED_LOCAL | EMPTCP_FLOW_RESET_SUSPECTED_REMOTE |
			      EMPTCP_FLOW_DSN_JUMP_LOCAL | EMPTCP_FLOW_DSN_JUMP_REMOTE);
}

/*
 * The stages are global functions: each is verified once and separately; inlined they would be verified for every path
 * through the earlier ones.
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

/* Second stage: checks the segment, brings the record up to date, promotes it. The result is scratch->judged. */
__noinline int emptcp_flow_refresh(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_packet *packet;
	struct emptcp_flow *flow;
	__u64 near;
	__u32 side;

	if (!scratch)
		return 0;
	packet = &scratch->packet;
	side = packet->direction == EMPTCP_INGRESS;
	scratch->judged = JUDGED_UNACCEPTABLE;
	flow = current_flow(scratch);
	if (!flow)
		return 0;
	if (packet->types & (EMPTCP_SYN | EMPTCP_SYNACK) && !(packet->types & EMPTCP_RST) &&
	    packet->flow_slot != NO_SLOT)
		scratch->core[EMPTCP_CORE_SYN_ON_ESTABLISHED]++;
	if (packet->types & EMPTCP_RST)
		scratch->judged = judge_reset(packet, flow, side);
	else
		scratch->judged = judge(scratch, flow, side) ? 0 : JUDGED_UNACCEPTABLE;
	if (scratch->judged == JUDGED_UNACCEPTABLE) {
		flow->sender[side].unacceptable++;
		scratch->core[EMPTCP_CORE_UNACCEPTABLE]++;
		packet->types |= EMPTCP_UNACCEPTABLE;
		/* Conditions on DSNs see the same form as on every other segment. */
		near = flow->sender[side].dsn_next ? flow->sender[side].dsn_next : flow->sender[side].idsn;
		if (packet->types & EMPTCP_MAPPED && near)
			packet->dsn = flow_widen_dsn(packet, near);
		return 0;
	}
	if (packet->types & EMPTCP_RST)
		return 0;
	scratch->judged = flow_update(flow, packet, side, scratch->half_open);
	if (packet->types & EMPTCP_MAPPED) {
		if (flow_data_plain(&flow->sender[side], packet))
			flow->flags &= ~dsn_jump_flag(side);
		else
			connection_map(flow, packet, side);
	}
	connection_jump(flow, packet, side);
	if (!scratch->half_open)
		return 0;
	if (completes(packet, flow, side)) {
		if (flow_promote(scratch, flow))
			scratch->half_open = 0;
	} else if (packet->types & EMPTCP_THIRD_ACK) {
		/* A plain TCP connection uses the ports now. */
		flow->state = EMPTCP_FLOW_CLOSED;
	}
	return 0;
}

/* Third stage: evaluates this acceptable segment for the subflow and its connection. */
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
	if (!flow || !judged_acceptable(scratch) || packet->types & EMPTCP_RST)
		return 0;

	if (flow->sender[!side].known)
		flow->flags &= ~EMPTCP_FLOW_ONE_DIRECTION;
	/* Retransmitted they have nothing new. */
	if (packet->types & EMPTCP_SYN && !(flow->flags & opener_flag(side)))
		on_syn(ctx, scratch, flow, side);
	else if (packet->types & EMPTCP_SYNACK && flow->state == EMPTCP_FLOW_SYN)
		on_syn_ack(ctx, packet, flow, side);
	if (packet->types & EMPTCP_MP_PRIO)
		on_mp_prio(ctx, packet, flow, side);
	if (packet->types & EMPTCP_MP_CAPABLE && flow->state == EMPTCP_FLOW_ESTABLISHED) {
		struct emptcp_option option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_CAPABLE);

		if (!flow->connection && !(flow->flags & EMPTCP_FLOW_JOINED) &&
		    sure_place(&flow->sender[side], &flow->sender[!side], packet)) {
			__u8 *bytes = option.offset ? emptcp_at(ctx, option.offset, 3) : NULL;

			if (bytes && capable_has_keys(bytes))
				connection_create(ctx, scratch, flow, option.offset);
			connection_subflow(flow);
			if (!(flow->flags & EMPTCP_FLOW_PARTIAL))
				connection_windows(flow);
		}
		on_capable_data(ctx, packet, flow, side, option);
	} else if (packet->types & EMPTCP_THIRD_ACK && flow->state == EMPTCP_FLOW_ESTABLISHED) {
		connection_windows(flow);
	}
	advance_end(packet, flow, side);
	if (flow->flags & EMPTCP_FLOW_ENDED)
		flow->state = EMPTCP_FLOW_CLOSED;
	flow->watch = needs_watch(flow);
	return 0;
}

EMPTCP_SECTION int emptcp_slow_path(emptcp_context *ctx)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_resolution *resolution;
	struct emptcp_packet *packet;
	struct emptcp_flow *flow = NULL;
	__u64 last_ns, policies;

	if (!scratch)
		return EMPTCP_VERDICT_PASS;
	packet = &scratch->packet;
	if (emptcp_flow_locate()) {
		if (scratch->features & EMPTCP_FEATURE_STACKED && emptcp_seen_before()) {
			flow = current_flow(scratch);
			if (!flow)
				return EMPTCP_VERDICT_PASS;
			passage_view(scratch, flow);
			policies = scratch->policies;
			goto chains;
		}
		emptcp_flow_refresh();
		emptcp_flow_advance(ctx);
		flow = current_flow(scratch);
	}
	if (!flow) {
		scratch->core[EMPTCP_CORE_UNTRACKED]++;
		return EMPTCP_VERDICT_PASS;
	}
	last_ns = flow->last_ns;
	if (is_plain(scratch, flow)) {
		/* For the devices above or below, all policies have run. */
		if (scratch->features & EMPTCP_FEATURE_STACKED)
			passage_begin(flow, packet, ~0ull, last_ns);
		scratch->core[EMPTCP_CORE_UNTRACKED]++;
		return EMPTCP_VERDICT_PASS;
	}
	if (judged_acceptable(scratch)) {
		flow->last_ns = packet->now_ns;
		if (connection_unseen(last_ns, packet->now_ns))
			connection_touch(flow, last_ns, packet->now_ns);
	}

	resolution = &flow->resolution[packet->direction == EMPTCP_INGRESS];
	if (resolution->generation != packet->generation || resolution->ifindex != packet->ifindex) {
		resolution->policies = emptcp_classify();
		resolution->ifindex = packet->ifindex;
		resolution->generation = packet->generation;
		scratch->core[EMPTCP_CORE_RESOLVED]++;
	}
	policies = resolution->policies;
	if (scratch->features & EMPTCP_FEATURE_STACKED) {
		passage_begin(flow, packet, policies, last_ns);
		if (on_top(flow->ifindex, packet->ifindex))
			flow->ifindex = packet->ifindex;
	}
	scratch->core[EMPTCP_CORE_TRACKED]++;
	packet->flow_id = flow->id;
	packet->connection_id = flow->connection;
	packet->mptcp_version = flow->version;
	/* The end of a subflow is rare enough to always copy the figures: get_subflow and record need the last ones. */
	view_flow(packet, flow, last_ns);
	if (scratch->features & EMPTCP_FEATURE_CONNECTION) {
		if (judged_acceptable(scratch))
			view_connection(packet, flow, scratch->judged);
		else
			packet->connection.known = 0;
	}
	if (scratch->half_open && packet->types & EMPTCP_UNACCEPTABLE)
		view_nobody(packet);
	if (flow->state == EMPTCP_FLOW_CLOSED) {
		__s64 replaced = scratch->half_open && packet->types & EMPTCP_THIRD_ACK ? emptcp_flow_find() : -1;

		if (replaced >= 0)
			flow_remove(replaced);
		/* A record that never was a subflow does not end as one. */
		if (scratch->half_open)
			packet->flow.state = EMPTCP_FLOW_ADOPTING;
		scratch->core[EMPTCP_CORE_FLOW_CLOSED]++;
		scratch->ended = *flow;
		connection_end(flow);
		if (scratch->half_open)
			bpf_map_delete_elem(&emptcp_half_open, &packet->key);
		else if (!(scratch->features & EMPTCP_FEATURE_STACKED && passage_goes_on(flow, packet)))
			flow_remove(packet->flow_slot);
	}
chains:
	if (!policies)
		return EMPTCP_VERDICT_PASS;
	scratch->core[EMPTCP_CORE_SELECTED]++;
	dispatch(ctx, packet, policies);
	scratch->core[EMPTCP_CORE_CHAIN_BROKEN]++;
	return EMPTCP_VERDICT_PASS;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
