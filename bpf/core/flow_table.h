/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The main flow table: look-up without a function call. Two loads find the set's tags and the slot; abi.h describes the
 * layout and the reasons. Writers do not lock: a tag is one byte, a record is complete before its tag is there, and of
 * two flows that take the same slot at the same moment, one is later found again as a running subflow.
 */
#ifndef EMPTCP_CORE_FLOW_TABLE_H
#define EMPTCP_CORE_FLOW_TABLE_H

#include "tables.h"

#define NO_SLOT (~0u)

/* The product of two words, each moved by half of a secret: for two different pairs of words it is the same under one
 * secret in 2^32, whatever the words are (Black et al., "UMAC", 1999: NH). */
static __always_inline __u64 hash_pair(__u32 a, __u32 b, __u64 secret)
{
	return (__u64)(__u32)(a + (__u32)secret) * (__u32)(b + (__u32)(secret >> 32));
}

/*
 * Keyed by the instance's secrets, so that no attacker can aim at one set: a sum of products as above, and then every
 * bit of the result depends on every bit of that sum.
 */
static __always_inline __u64 emptcp_flow_hash(const struct emptcp_flow_key *key, const volatile __u64 *secret)
{
	__u64 hash = hash_pair(key->local[3], key->remote[3], secret[3]);

	hash += hash_pair(key->local_port, key->remote_port, secret[4]);
	if (key->local[2] != bpf_htonl(0xffff) || key->local[0] || key->local[1]) {
		hash += hash_pair(key->local[0], key->remote[0], secret[0]);
		hash += hash_pair(key->local[1], key->remote[1], secret[1]);
		hash += hash_pair(key->local[2], key->remote[2], secret[2]);
	}
	hash ^= secret[5];
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ull;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ull;
	return hash ^ hash >> 32;
}

/* Bits that do not choose the set. */
static __always_inline __u8 flow_tag(__u64 hash)
{
	__u8 tag = hash >> 56;

	return tag ? tag : 1;
}

/* The slot of its set that a key takes if it is free. */
static __always_inline __u32 flow_home(__u64 hash)
{
	return hash >> 53 & (EMPTCP_FLOW_WAYS - 1);
}

/* Eight bytes of a key. Keys are aligned to eight bytes, which the compiler cannot know from their type. */
#define KEY_WORD(key, at)                                                                                              \
	({                                                                                                             \
		__u64 word;                                                                                            \
		asm("%0 = *(u64 *)(%1 + %2)" : "=r"(word) : "r"(key), "i"(at), "m"(*(key)));                           \
		word;                                                                                                  \
	})
_Static_assert(__builtin_offsetof(struct emptcp_slot, key) % 8 == 0, "a key is read by words of 8 bytes");
_Static_assert(__builtin_offsetof(struct emptcp_scratch, packet.key) % 8 == 0, "a key is read by words of 8 bytes");
_Static_assert(sizeof(struct emptcp_flow_key) == 36, "addresses are 32 bytes, ports 4");

static __always_inline bool same_key(const struct emptcp_flow_key *a, const struct emptcp_flow_key *b)
{
	__u64 difference = (a->local_port ^ b->local_port) | (a->remote_port ^ b->remote_port);

	difference |= KEY_WORD(a, 0) ^ KEY_WORD(b, 0);
	difference |= KEY_WORD(a, 8) ^ KEY_WORD(b, 8);
	difference |= KEY_WORD(a, 16) ^ KEY_WORD(b, 16);
	difference |= KEY_WORD(a, 24) ^ KEY_WORD(b, 24);
	return !difference;
}

/*
 * The record of `key`, or NULL. `slot` becomes its index. The home slot is checked first, and its record is loaded
 * while the tags are still being loaded: nearly every flow is there, and on live traffic memory latency is a large part
 * of the look-up. Bytes of `tags` that equal the tag turn into 0x80 by the usual trick of subtracting one from each
 * byte; it may also mark the byte above a match, so tag and key are compared at the end: a free slot still has its
 * former key.
 */
static __always_inline struct emptcp_flow *flow_lookup(const struct emptcp_flow_key *key, const volatile __u64 *secret,
						       __u32 set_mask, __u32 *slot)
{
	const __u64 ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
	__u64 hash, tags, found;
	struct emptcp_slot *home;
	__u32 set, index;
	__u64 *set_tags;

	hash = emptcp_flow_hash(key, secret);
	set = hash & set_mask;
	set_tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	if (!set_tags)
		return NULL;
	tags = *set_tags ^ flow_tag(hash) * ones;
	index = set * EMPTCP_FLOW_WAYS + flow_home(hash);
	home = bpf_map_lookup_elem(&emptcp_flows, &index);
	if (emptcp_likely(home && same_key(&home->key, key) && !(tags >> 8 * flow_home(hash) & 0xff))) {
		*slot = index;
		return &home->flow;
	}
	found = (tags - ones) & ~tags & tops;
#pragma clang loop unroll(disable)
	for (int ways = 0; ways < EMPTCP_FLOW_WAYS && found; ways++) {
		/* Position of the lowest marked byte: 1 << 8k times this constant has k in its top byte. */
		__u32 way = ((found & -found) >> 7) * 0x0001020304050607ull >> 56;
		struct emptcp_slot *candidate;

		index = set * EMPTCP_FLOW_WAYS + way;
		candidate = bpf_map_lookup_elem(&emptcp_flows, &index);
		if (candidate && same_key(&candidate->key, key) && !(tags >> 8 * way & 0xff)) {
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

/* The slot of `key`, or -1. */
static __always_inline __s64 flow_slot(const struct emptcp_flow_key *key)
{
	struct emptcp_table *table;
	__u32 zero = 0, slot = 0;

	table = bpf_map_lookup_elem(&emptcp_table, &zero);
	if (!table || !flow_lookup(key, table->secret, table->set_mask, &slot))
		return -1;
	return slot;
}

/* A slot other than `slot` that holds `key` too, or -1. */
static __always_inline __s64 flow_other(const struct emptcp_flow_key *key, __u32 slot)
{
	__u32 set = slot / EMPTCP_FLOW_WAYS;
	struct emptcp_flow_set *tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	__u8 tag;

	if (!tags)
		return -1;
	tag = tags->tag[slot & (EMPTCP_FLOW_WAYS - 1)];
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < EMPTCP_FLOW_WAYS; way++) {
		__u32 index = set * EMPTCP_FLOW_WAYS + way;
		struct emptcp_slot *place;

		if (index == slot || !tag || tags->tag[way] != tag)
			continue;
		place = bpf_map_lookup_elem(&emptcp_flows, &index);
		if (place && same_key(&place->key, key))
			return index;
	}
	return -1;
}

/*
 * Any host can cause such a record by segments with a forged sender, also over plain TCP: it evicts no other record,
 * and segments without an MPTCP option do not belong to it.
 */
static __always_inline bool flow_weak(const struct emptcp_flow *flow)
{
	return flow->flags & EMPTCP_FLOW_ONE_DIRECTION ||
	       (flow->flags & EMPTCP_FLOW_PARTIAL && !(flow->flags & (EMPTCP_FLOW_INITIAL | EMPTCP_FLOW_JOINED)));
}

/*
 * Two CPUs may store the same key at once; each looks for a second slot afterwards. At least one must see it: so no
 * load may come before the store that makes its own slot visible. BPF has no fence; an atomic operation is one on x86.
 */
static __always_inline void full_barrier(__u64 *word)
{
	__u64 nothing = 0;

	asm volatile("" : "+r"(nothing));
	__sync_fetch_and_add(word, nothing);
}

/*
 * Copies a record to a slot for `key`: its home, or a free one of its set, or the one without packets for the longest
 * time, weak ones first, which is then `evicted`. A weak record evicts only weak ones. Returns the slot, or -1.
 */
static __always_inline __s64 flow_store(const struct emptcp_flow_key *key, const struct emptcp_flow *flow,
					bool *evicted)
{
	__u32 zero = 0, set, way = 0, index;
	struct emptcp_flow_set *tags;
	struct emptcp_table *table;
	struct emptcp_slot *place;
	__u64 hash, oldest = ~0ull;
	bool free = false, weak = false;

	*evicted = false;
	table = bpf_map_lookup_elem(&emptcp_table, &zero);
	if (!table)
		return -1;
	hash = emptcp_flow_hash(key, table->secret);
	set = hash & table->set_mask;
	tags = bpf_map_lookup_elem(&emptcp_flow_sets, &set);
	if (!tags)
		return -1;
#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < EMPTCP_FLOW_WAYS; step++) {
		__u32 candidate = (flow_home(hash) + step) & (EMPTCP_FLOW_WAYS - 1);

		index = set * EMPTCP_FLOW_WAYS + candidate;
		place = bpf_map_lookup_elem(&emptcp_flows, &index);
		if (!tags->tag[candidate] || (place && place->flow.state == EMPTCP_FLOW_CLOSED)) {
			way = candidate;
			free = true;
			break;
		}
		if (!place || (weak && !flow_weak(&place->flow)))
			continue;
		if (flow_weak(&place->flow) != weak || place->flow.last_ns < oldest) {
			weak = flow_weak(&place->flow);
			oldest = place->flow.last_ns;
			way = candidate;
		}
	}
	if (!free && !weak && flow_weak(flow))
		return -1;
	way &= EMPTCP_FLOW_WAYS - 1;
	index = set * EMPTCP_FLOW_WAYS + way;
	place = bpf_map_lookup_elem(&emptcp_flows, &index);
	if (!place)
		return -1;
	tags->tag[way] = 0;
	*evicted = !free;
	place->key = *key;
	place->flow = *flow;
	tags->tag[way] = flow_tag(hash);
	full_barrier((__u64 *)tags);
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
		place->flow.id = 0; /* a reader with the old index sees that the slot has another flow */
}

/*
 * For the slow path: the slot of this packet's subflow, or -1. A global function like the next one, so that the
 * verifier checks their loops once.
 */
__noinline __s64 emptcp_flow_find(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();

	return scratch ? flow_slot(&scratch->packet.key) : -1;
}

/* Copies the half-open record of this packet's subflow to the main table. The slot, or -1. */
__noinline __s64 emptcp_flow_store(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	const struct emptcp_flow_key *key;
	struct emptcp_flow *flow;
	__s64 slot, other;
	bool evicted;

	if (!scratch)
		return -1;
	key = &scratch->packet.key;
	flow = bpf_map_lookup_elem(&emptcp_half_open, key);
	if (!flow)
		return -1;
	slot = flow_store(key, flow, &evicted);
	if (slot < 0)
		return -1;
	if (evicted)
		scratch->core[EMPTCP_CORE_FLOW_EVICTED]++;
	/* The subflow may have been adopted in the meantime. */
	other = flow_other(key, slot);
	if (other >= 0)
		flow_remove(other);
	return slot;
}

#endif
