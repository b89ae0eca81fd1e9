/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A device runs this for every packet: parse, find the subflow, bring its record up to date, and jump to the first
 * policy that matches it. Everything rare (handshakes, ends, unknown subflows, policies not resolved yet) is left to
 * the slow path. This program does not change with the policies: it reads the bank in force from emptcp_control.
 */
#include "parse.h"
#include "flow.h"
#include "flow_table.h"
#include "view.h"
#include "dispatch.h"
#include "stacked.h"

struct emptcp_entry_config {
	__u32 direction;   /* enum emptcp_direction */
	__u32 link_header; /* bytes before the IP header: 14 Ethernet, 0 raw IP */
	/* As in emptcp_table, but without a load of one more cache line. */
	__u64 secret_0, secret_1, secret_2, secret_3, secret_4, secret_5;
	__u32 set_mask;
	__u32 reserved;
};
const volatile struct emptcp_entry_config emptcp_entry_config SEC(".rodata") = {EMPTCP_INGRESS, ETH_HLEN};

/* Segments that change more than counters. */
#define SLOW_TYPES                                                                                                     \
	(EMPTCP_SYN | EMPTCP_SYNACK | EMPTCP_FIN | EMPTCP_RST | EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN | EMPTCP_MP_PRIO |  \
	 EMPTCP_MP_FASTCLOSE)

/* The coarse clock, read once per tick and CPU: jiffies cost a load, the clock two function calls. */
static __always_inline __u64 now(struct emptcp_scratch *scratch)
{
	__u64 tick = bpf_jiffies64();

	if (emptcp_unlikely(tick != scratch->tick)) {
		scratch->now_ns = emptcp_coarse_now();
		scratch->tick = tick;
	}
	return scratch->now_ns;
}

static __always_inline int passed(struct emptcp_scratch *scratch, __u32 reason)
{
	scratch->core[reason & (EMPTCP_CORE_COUNTERS - 1)]++;
	return EMPTCP_VERDICT_PASS;
}

static __always_inline enum parse_result parse(emptcp_context *ctx, struct emptcp_packet *packet)
{
	bool ingress = emptcp_entry_config.direction == EMPTCP_INGRESS;
	enum parse_result result;

	result = parse_headers(ctx, packet, ingress, emptcp_entry_config.link_header);
#if defined(EMPTCP_HOOK_TC)
	/* Headers in fragments of the skb: pull as much as we ever read into the linear part. */
	if (emptcp_unlikely(result == PARSE_SHORT)) {
		__u32 wanted = ctx->len < EMPTCP_OFFSET_MASK ? ctx->len : EMPTCP_OFFSET_MASK;

		if (!bpf_skb_pull_data(ctx, wanted))
			result = parse_headers(ctx, packet, ingress, emptcp_entry_config.link_header);
	}
#endif
	return result;
}

EMPTCP_SECTION int emptcp_entry(emptcp_context *ctx)
{
	const volatile struct emptcp_entry_config *config = &emptcp_entry_config;
	const __u64 secret[EMPTCP_SECRETS] = {config->secret_0, config->secret_1, config->secret_2,
					      config->secret_3, config->secret_4, config->secret_5};
	const __u32 side = emptcp_entry_config.direction == EMPTCP_INGRESS;
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_resolution *resolution;
	__u64 *control, word, last_ns;
	struct emptcp_packet *packet;
	struct emptcp_flow *flow;
	__u32 retransmitted;
	__u32 zero = 0;

	control = bpf_map_lookup_elem(&emptcp_control, &zero);
	if (!scratch || !control || scratch->busy)
		return EMPTCP_VERDICT_PASS;
	word = *(volatile __u64 *)control;
	packet = &scratch->packet;
	switch (parse(ctx, packet)) {
	case PARSE_TCP:
		break;
	case PARSE_NOT_TCP:
		return passed(scratch, EMPTCP_CORE_NOT_TCP);
	case PARSE_FRAGMENT:
		return passed(scratch, EMPTCP_CORE_FRAGMENT);
	case PARSE_MALFORMED:
		return passed(scratch, EMPTCP_CORE_MALFORMED);
	case PARSE_SHORT:
		return passed(scratch, EMPTCP_CORE_TRUNCATED);
	}
	if (packet->tcp_length > sizeof(struct tcphdr)) {
		parse_options(ctx, packet);
		if (packet->dss_offset)
			parse_dss(ctx, packet);
		if (packet->sack_offset)
			parse_sack(ctx, packet);
	}
	flow = flow_lookup(&packet->key, secret, emptcp_entry_config.set_mask, &packet->flow_slot);
	if (!flow && !(packet->types & EMPTCP_ANY_MPTCP))
		return passed(scratch, EMPTCP_CORE_UNTRACKED);

	packet->now_ns = now(scratch);
	packet->generation = word;
	scratch->features = word >> 32;
	packet->ifindex = emptcp_ifindex(ctx);
	packet->segments = packet->payload_length ? emptcp_segments(ctx) : 1;
	packet->direction = emptcp_entry_config.direction;
	packet->verdict = EMPTCP_CONTINUE;
	if (!flow || packet->types & SLOW_TYPES || flow->watch)
		goto slow;
	last_ns = flow->last_ns;
	if (emptcp_unlikely(connection_unseen(last_ns, packet->now_ns)))
		goto slow;
	if (emptcp_unlikely(!(packet->types & EMPTCP_ANY_MPTCP)) && flow_weak(flow))
		goto slow;
	resolution = &flow->resolution[side];
	if (emptcp_unlikely(resolution->generation != packet->generation || resolution->ifindex != packet->ifindex))
		goto slow;
	if (emptcp_unlikely(!numbers_fit(&flow->sender[side], &flow->sender[!side], packet) ||
			    !flow_data_plain(&flow->sender[side], packet)))
		goto slow;

	flow->last_ns = packet->now_ns;
	if (emptcp_unlikely(word >> 32 & EMPTCP_FEATURE_STACKED))
		passage_begin(flow, packet, resolution->policies, last_ns);
	retransmitted = flow_update(flow, packet, side, false);
	if (word >> 32 & EMPTCP_FEATURE_CONNECTION)
		view_connection(packet, flow, retransmitted);
	scratch->core[EMPTCP_CORE_TRACKED]++;
	if (!resolution->policies)
		return EMPTCP_VERDICT_PASS;
	scratch->core[EMPTCP_CORE_SELECTED]++;
	packet->flow_id = flow->id;
	packet->connection_id = flow->connection;
	packet->mptcp_version = flow->version;
	if (word >> 32 & EMPTCP_FEATURE_FLOW_VIEW)
		view_flow(packet, flow, last_ns);
	dispatch(ctx, packet, resolution->policies);
	return passed(scratch, EMPTCP_CORE_CHAIN_BROKEN);
slow:
	bpf_tail_call(ctx, &emptcp_chain, EMPTCP_SLOT_SLOW_PATH);
	return passed(scratch, EMPTCP_CORE_CHAIN_BROKEN);
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
