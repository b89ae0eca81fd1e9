/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one header that an element includes. An element is a folder with this file as element.bpf.c:
 *
 *	#include <emptcp/element.h>
 *
 *	struct arguments {
 *		__u64 bytes;
 *	};
 *	ARGUMENTS;
 *	COUNTERS(large);
 *
 *	SELECTOR(large_packet)
 *	{
 *		if (packet->payload_length <= arguments.bytes)
 *			return false;
 *		emptcp_count(packet, large);
 *		return true;
 *	}
 *
 * A SELECTOR returns true or false. An ACTOR returns an enum emptcp_verdict, nearly always EMPTCP_CONTINUE. Both see
 * `ctx` (the packet; opaque, for the helpers of the SDK) and `packet` (what the core knows about it, see packet.h).
 */
#ifndef EMPTCP_ELEMENT_H
#define EMPTCP_ELEMENT_H

#include "kernel.h"
#include "packet.h"
#include "maps.h"
#include "address.h"

/* Written by the loader before the program is verified; constants from then on, so that each jump is a direct one. */
struct emptcp_next {
	__u32 on_match;
	__u32 on_miss;
};
const volatile struct emptcp_next emptcp_next SEC(".rodata") = {EMPTCP_SLOT_END, EMPTCP_SLOT_END};

#define EMPTCP_SELF_FIRST_ACTOR 1
struct emptcp_self {
	__u32 counters; /* first slot of this element's counters */
	__u32 policy;   /* stable id of the policy */
	__u32 instance; /* unique per use of an element, stable while its policy is unchanged */
	__u32 flags;
	__u32 policy_counters; /* first slot of the policy's counters: [0] = matched */
	__u32 counters_used;   /* counters that element.toml names */
};
const volatile struct emptcp_self emptcp_self SEC(".rodata") = {};

/*
 * What the object declares about itself; the builder and the loader compare it with element.toml. The program never
 * reads it.
 */
struct emptcp_about {
	__u32 abi;  /* EMPTCP_ABI_VERSION of the headers that it was built with */
	__u32 kind; /* enum emptcp_element_kind */
};
#define EMPTCP_ABOUT(element_kind)                                                                                     \
	const volatile struct emptcp_about emptcp_about SEC(".rodata") = {EMPTCP_ABI_VERSION, element_kind}

/* Declares that the element takes arguments: `struct arguments` with the names of element.toml. */
#define ARGUMENTS const volatile struct arguments arguments SEC(".rodata") = {}

/* Names the element's counters: those of `counters` in element.toml, in that order; at most EMPTCP_ELEMENT_COUNTERS. */
#define COUNTERS(...)                                                                                                  \
	enum emptcp_own_counter { __VA_ARGS__ };                                                                       \
	const volatile enum emptcp_own_counter emptcp_own_counter SEC(".rodata") = 0

/* A counter of this element; NULL for a number that is not its own: that counter belongs to another element. */
static __always_inline struct emptcp_counter *emptcp_own(__u32 counter)
{
	__u32 slot = emptcp_self.counters + counter;

	if (counter >= emptcp_self.counters_used)
		return NULL;
	return bpf_map_lookup_elem(&emptcp_counters, &slot);
}

static __always_inline void emptcp_add_segments(struct emptcp_counter *counter, const struct emptcp_packet *packet)
{
	if (counter) {
		counter->packets += packet->segments;
		counter->bytes += packet->payload_length;
	}
}

/* Counts this packet under one of the names of COUNTERS(): its segments on the wire and its payload bytes. */
static __always_inline void emptcp_count(const struct emptcp_packet *packet, __u32 counter)
{
	emptcp_add_segments(emptcp_own(counter), packet);
}

/* Counts one step per packet, also for an aggregate: an event that was emitted, an option that was added. */
static __always_inline void emptcp_count_event(const struct emptcp_packet *packet, __u32 counter)
{
	struct emptcp_counter *value = emptcp_own(counter);

	(void)packet;
	if (value)
		value->packets++;
}

/* Counts this packet as one that the policy has matched: ACTOR does it. */
static __always_inline void emptcp_count_matched(const struct emptcp_packet *packet)
{
	__u32 slot = emptcp_self.policy_counters;

	emptcp_add_segments(bpf_map_lookup_elem(&emptcp_counters, &slot), packet);
}

/* Per-flow state of an element: a map whose name begins with "state", keyed by use and flow. */
struct emptcp_state_key {
	__u64 flow;
	__u32 instance;
	__u32 reserved;
};

/* Declares STATE(name, type): a map of `type`, zero at first, bounded, evicts the least recently used entry. */
#define STATE(name, value_type)                                                                                        \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_LRU_HASH);                                                                   \
		__uint(max_entries, 8192);                                                                             \
		__type(key, struct emptcp_state_key);                                                                  \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")

/*
 * The state of `owner` (packet->flow_id, packet->connection_id, or 0 for one state of the whole policy), made from
 * `initial` if there is none. NULL only if the table refuses: then pass the packet.
 */
static __always_inline void *emptcp_state(void *map, __u64 owner, const void *initial)
{
	struct emptcp_state_key key = {.flow = owner, .instance = emptcp_self.instance};
	void *state = bpf_map_lookup_elem(map, &key);

	if (state)
		return state;
	bpf_map_update_elem(map, &key, initial, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, &key);
}

/* The end of all chains: the verdict as a return value of the hook. */
static __always_inline int emptcp_return(const struct emptcp_packet *packet)
{
	if (emptcp_likely(packet->verdict == EMPTCP_CONTINUE))
		return EMPTCP_VERDICT_PASS;
	if (packet->verdict == EMPTCP_DROP)
		return EMPTCP_VERDICT_DROP;
#if defined(EMPTCP_HOOK_XDP)
	return packet->verdict == EMPTCP_REFLECT ? XDP_TX : XDP_PASS;
#else
	/* Takes effect after the programs have ended, so the scratch area is free when the packet enters them again. */
	return bpf_redirect(packet->ifindex,
			    (packet->direction == EMPTCP_INGRESS) == (packet->verdict == EMPTCP_AGAIN) ? BPF_F_INGRESS :
													 0);
#endif
}

/* A tail call that found no program: the packet passes with what was decided so far, and it is counted. */
static __always_inline int emptcp_broken(struct emptcp_scratch *scratch)
{
	scratch->core[EMPTCP_CORE_CHAIN_BROKEN]++;
	return emptcp_return(&scratch->packet);
}

/* The end of a policy's chain: the next policy that matches the flow, or the verdict. */
static __always_inline int emptcp_end(emptcp_context *ctx, struct emptcp_scratch *scratch)
{
	struct emptcp_packet *packet = &scratch->packet;

	if (!packet->pending || packet->verdict != EMPTCP_CONTINUE)
		return emptcp_return(packet);
	if (packet->generation & 1)
		emptcp_jump(ctx, EMPTCP_BANK_SLOTS + EMPTCP_SLOT_NEXT_POLICY, "second bank");
	else
		emptcp_jump(ctx, EMPTCP_SLOT_NEXT_POLICY, "first bank");
	return emptcp_broken(scratch);
}

/* Continues at `slot`, a constant of the loader, or ends the policy's chain. */
#define EMPTCP_GO(slot, name)                                                                                          \
	do {                                                                                                           \
		if ((slot) == EMPTCP_SLOT_END)                                                                         \
			return emptcp_end(ctx, scratch);                                                               \
		emptcp_jump(ctx, slot, name);                                                                          \
		return emptcp_broken(scratch);                                                                         \
	} while (0)

#define SELECTOR(name)                                                                                                 \
	static __always_inline bool name##_matches(emptcp_context *ctx, struct emptcp_packet *packet);                 \
	EMPTCP_SECTION int name(emptcp_context *ctx)                                                                   \
	{                                                                                                              \
		struct emptcp_scratch *scratch = emptcp_scratch_get();                                                 \
		if (!scratch)                                                                                          \
			return EMPTCP_VERDICT_PASS;                                                                    \
		if (name##_matches(ctx, &scratch->packet))                                                             \
			EMPTCP_GO(emptcp_next.on_match, "match");                                                      \
		EMPTCP_GO(emptcp_next.on_miss, "miss");                                                                \
	}                                                                                                              \
	EMPTCP_ABOUT(EMPTCP_ELEMENT_SELECTOR);                                                                         \
	char emptcp_license[] SEC("license") = "Dual BSD/GPL";                                                         \
	static __always_inline bool name##_matches(emptcp_context *ctx, struct emptcp_packet *packet)

#define ACTOR(name)                                                                                                    \
	static __always_inline enum emptcp_verdict name##_acts(emptcp_context *ctx, struct emptcp_packet *packet);     \
	EMPTCP_SECTION int name(emptcp_context *ctx)                                                                   \
	{                                                                                                              \
		struct emptcp_scratch *scratch = emptcp_scratch_get();                                                 \
		enum emptcp_verdict verdict;                                                                           \
		if (!scratch)                                                                                          \
			return EMPTCP_VERDICT_PASS;                                                                    \
		if (emptcp_self.flags & EMPTCP_SELF_FIRST_ACTOR)                                                       \
			emptcp_count_matched(&scratch->packet);                                                        \
		verdict = name##_acts(ctx, &scratch->packet);                                                          \
		if (verdict != EMPTCP_CONTINUE)                                                                        \
			scratch->packet.verdict = verdict;                                                             \
		EMPTCP_GO(emptcp_next.on_match, "next");                                                               \
	}                                                                                                              \
	EMPTCP_ABOUT(EMPTCP_ELEMENT_ACTOR);                                                                            \
	char emptcp_license[] SEC("license") = "Dual BSD/GPL";                                                         \
	static __always_inline enum emptcp_verdict name##_acts(emptcp_context *ctx, struct emptcp_packet *packet)

#endif
