/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The main flow table: look-up without a function call. Two loads find the set's tags and the slot; abi.h tells the layout
 * and why. Writers do not lock: a tag is one byte, a record is complete before its tag is there, and of two flows that
 * take the same slot at the same moment one is simply met again as a running subflow.
 */
#ifndef EMPTCP_CORE_FLOW_TABLE_H
#define EMPTCP_CORE_FLOW_TABLE_H

#include "tables.h"

static __always_inline __u64 hash_step(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio: spreads low bits upwards */
	return hash ^ hash >> 32;
}

/* Keyed by the instance's secret, so that nobody outside can aim at one set. */
static __always_inline __u64 emptcp_flow_hash(const struct emptcp_flow_key *key, __u64 secret)
{
	__u64 hash = hash_step(secret, (__u64)key->local[3] << 32 | key->remote[3]);

	if (key->local[2] != bpf_htonl(0xffff) || key->local[0] || key->local[1]) {
		hash = hash_step(hash, (__u64)key->local[0] << 32 | key->local[1]);
		hash = hash_step(hash, (__u64)key->remote[0] << 32 | key->remote[1]);
		hash = hash_step(hash, (__u64)key->local[2] << 32 | key->remote[2]);
	}
	return hash_step(hash, (__u64)key->local_port << 16 | key->remote_port);
}

/* Bits that do not choose the set. */
static __always_inline __u8 flow_tag(__u64 hash)
{
	__u8 tag = hash >> 56;

	return tag ? tag : 1;
}

static __always_inline bool same_key(const struct emptcp_flow_key *a, const struct emptcp_flow_key *b)
{
	__u32 difference = (a->local_port ^ b->local_port) | (a->remote_port ^ b->remote_port);

	for (int word = 0; word < 4; word++)
		difference |= (a->local[word] ^ b->local[word]) | (a->remote[word] ^ b->remote[word]);
	return !difference;
}

/*
 * The record of `key`, or NULL. `slot` becomes its index. Bytes of `tags` that equal the tag turn into 0x80 by the usual
 * trick of subtracting one from each byte; it may also mark the byte above a match, so the key has the last word.
 */
static __always_inline struct emptcp_flow *flow_lookup(const struct emptcp_flow_key *key, __u32 *slot)
{
	const __u64 ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
	struct emptcp_table *table;
	__u64 hash, tags, found;
	__u32 zero = 0, set;
	__u64 *set_tags;

	table = bpf_map_lookup_elem(&emptcp_table, &zero);
	if (!table)
		return NULL;
	hash = emptcp_flow_hash(key, table->secret);
	set = hash & table->set_mask;
	set_tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	if (!set_tags)
		return NULL;
	tags = *set_tags ^ flow_tag(hash) * ones;
	found = (tags - ones) & ~tags & tops;
#pragma clang loop unroll(disable)
	for (int ways = 0; ways < EMPTCP_FLOW_WAYS && found; ways++) {
		/* Position of the lowest marked byte: 1 << 8k times this constant has k in its top byte. */
		__u32 way = ((found & -found) >> 7) * 0x0001020304050607ull >> 56;
		__u32 index = set * EMPTCP_FLOW_WAYS + way;
		struct emptcp_slot *candidate = bpf_map_lookup_elem(&emptcp_flows, &index);

		if (candidate && same_key(&candidate->key, key)) {
			*slot = index;
			return &candidate->flow;
		}
		found &= found - 1;
	}
	return NULL;
}

static __always_inline struct emptcp_flow *flow_at(__u32 slot)
{
	struct emptcp_slot *place = bpf_map_lookup_elem(&emptcp_flows, &slot);

	return place ? &place->flow : NULL;
}

/*
 * For the slow path: the slot of this packet's subflow, or -1. A global function like the next one, so that the verifier
 * walks their loops once.
 */
__noinline __s64 emptcp_flow_find(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	__u32 slot = 0;

	if (!scratch || !flow_lookup(&scratch->packet.key, &slot))
		return -1;
	return slot;
}

/*
 * Takes a slot for this packet's subflow (a free one of its set, or the one that has been silent longest) and copies the
 * half-open record there. The slot, or -1.
 */
__noinline __s64 emptcp_flow_store(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	__u32 zero = 0, set, way = 0, index;
	const struct emptcp_flow_key *key;
	struct emptcp_flow_set *tags;
	struct emptcp_table *table;
	struct emptcp_slot *place;
	struct emptcp_flow *flow;
	__u64 hash, oldest = ~0ull;
	bool free = false;

	table = bpf_map_lookup_elem(&emptcp_table, &zero);
	if (!scratch || !table)
		return -1;
	key = &scratch->packet.key;
	flow = bpf_map_lookup_elem(&emptcp_half_open, key);
	if (!flow)
		return -1;
	hash = emptcp_flow_hash(key, table->secret);
	set = hash & table->set_mask;
	tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	if (!tags)
		return -1;
#pragma clang loop unroll(disable)
	for (__u32 candidate = 0; candidate < EMPTCP_FLOW_WAYS; candidate++) {
		if (!tags->tag[candidate]) {
			way = candidate;
			free = true;
			break;
		}
		index = set * EMPTCP_FLOW_WAYS + candidate;
		place = bpf_map_lookup_elem(&emptcp_flows, &index);
		if (place && place->flow.last_ns < oldest) {
			oldest = place->flow.last_ns;
			way = candidate;
		}
	}
	way &= EMPTCP_FLOW_WAYS - 1;
	index = set * EMPTCP_FLOW_WAYS + way;
	place = bpf_map_lookup_elem(&emptcp_flows, &index);
	if (!place)
		return -1;
	tags->tag[way] = 0;
	if (!free)
		scratch->core[EMPTCP_CORE_FLOW_EVICTED]++;
	place->key = *key;
	place->flow = *flow;
	tags->tag[way] = flow_tag(hash);
	return index;
}

static __always_inline void flow_remove(__u32 slot)
{
	__u32 set = slot / EMPTCP_FLOW_WAYS;
	struct emptcp_flow_set *tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	struct emptcp_slot *place = bpf_map_lookup_elem(&emptcp_flows, &slot);

	if (tags)
		tags->tag[slot & (EMPTCP_FLOW_WAYS - 1)] = 0;
	if (place)
		place->flow.id = 0; /* who still holds the index sees that it is another's */
}

#endif
