/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the policies that match this flow in this direction on this device: evaluates the rules of the bank in force.
 */
#ifndef EMPTCP_CORE_CLASSIFY_H
#define EMPTCP_CORE_CLASSIFY_H

#include <emptcp/address.h>
#include "tables.h"

static __always_inline void fact_words(__u32 *facts, __u32 kind, const __be32 *words)
{
	__builtin_memcpy(facts + 4 * kind, words, 16);
}

static __always_inline void fact_number(__u32 *facts, __u32 kind, __u32 number)
{
	facts[4 * kind] = number;
}

/* All ones if value is in low..high, else 0. BPF has no conditional move: a comparison would be a branch. */
static __always_inline __u64 in_range(__u32 value, __u32 low, __u32 high)
{
	__u64 below = (__u64)value - low, above = (__u64)high - value;

	return ((below | above) >> 63) - 1;
}

static __always_inline __u64 is_zero(__u32 value)
{
	return -(((__u64)value - 1) >> 63);
}

struct emptcp_slow_path_config {
	__u32 rule_steps; /* rules that the banks may hold */
};
/*
 * The loader writes a smaller number where that is enough: the verifier walks every step, and five hundred take long.
 */
const volatile struct emptcp_slow_path_config emptcp_slow_path_config SEC(".rodata") = {EMPTCP_RULES};

/* A bit per policy. Global, so that the verifier walks its steps once. */
__noinline __u64 emptcp_classify(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	const struct emptcp_packet *packet;
	__u32 *facts, bank, cursor = 0;
	__u64 policies = 0;

	if (!scratch)
		return 0;
	packet = &scratch->packet;
	bank = (packet->generation & 1) * EMPTCP_RULES;
	facts = scratch->words;
	__builtin_memset(facts, 0, sizeof(scratch->words));
	fact_number(facts, EMPTCP_RULE_DIRECTION, packet->direction);
	fact_number(facts, EMPTCP_RULE_DEVICE, packet->ifindex);
	fact_number(facts, EMPTCP_RULE_IP_VERSION, packet->ip_version);
	fact_words(facts, EMPTCP_RULE_SOURCE, emptcp_source(packet));
	fact_words(facts, EMPTCP_RULE_DESTINATION, emptcp_destination(packet));
	fact_number(facts, EMPTCP_RULE_SOURCE_PORT, emptcp_source_port(packet));
	fact_number(facts, EMPTCP_RULE_DESTINATION_PORT, emptcp_destination_port(packet));
#pragma clang loop unroll(disable)
	for (__u32 steps = 0; steps < EMPTCP_RULES && steps < emptcp_slow_path_config.rule_steps; steps++) {
		__u32 index = bank + (cursor & (EMPTCP_RULES - 1));
		const struct emptcp_rule *rule = bpf_map_lookup_elem(&emptcp_rules, &index);
		__u32 fact, difference;
		__u64 matches;

		if (!rule || rule->kind == EMPTCP_RULE_STOP)
			break;
		fact = 4 * (rule->kind & (EMPTCP_RULE_KINDS - 1));
		difference = (facts[fact] ^ rule->address[0]) & rule->mask[0];
		difference |= (facts[fact + 1] ^ rule->address[1]) & rule->mask[1];
		difference |= (facts[fact + 2] ^ rule->address[2]) & rule->mask[2];
		difference |= (facts[fact + 3] ^ rule->address[3]) & rule->mask[3];
		matches = in_range(facts[fact], rule->low, rule->high) & is_zero(difference);
		policies |= (matches & rule->accept) << (rule->policy & (EMPTCP_POLICIES - 1));
		cursor = rule->on_miss ^ ((rule->on_match ^ rule->on_miss) & matches);
		if (cursor >= EMPTCP_RULES)
			break;
	}
	return policies;
}

#endif
