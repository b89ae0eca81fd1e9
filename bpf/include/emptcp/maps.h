/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps that all programs of an instance share. The loader creates each once, with the sizes of the policy file, and
 * every program uses it; the sizes here only make an object loadable alone.
 */
#ifndef EMPTCP_MAPS_H
#define EMPTCP_MAPS_H

#include "private.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, EMPTCP_CHAIN_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} emptcp_chain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EMPTCP_COUNTERS);
	__type(key, __u32);
	__type(value, struct emptcp_counter);
} emptcp_counters SEC(".maps");

/* Events: see abi.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct emptcp_event_ring);
} emptcp_event_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct emptcp_event_slot);
} emptcp_events SEC(".maps");

/* Records of established subflows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct emptcp_slot);
} emptcp_flows SEC(".maps");

/* Keys from MP_CAPABLE, by connection. Readable only by root; an element emits them only if an argument requests it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct emptcp_keys);
} emptcp_keys SEC(".maps");

/*
 * A tail call to `slot`, which must be a constant when the program is verified: then the kernel makes it a direct jump.
 * The compiler would merge two calls into one with a variable slot, which costs ten times as much; it cannot merge two
 * pieces of assembly with different `name`s. Returns when the slot is empty.
 */
#define emptcp_jump(ctx, slot, name)                                                                                   \
	asm volatile("r1 = %[context]\n"                                                                               \
		     "r2 = %[chain]\n"                                                                                 \
		     "r3 = %[index]\n"                                                                                 \
		     "call 12 /* " name " */"                                                                          \
		     :                                                                                                 \
		     : [context] "r"(ctx), [chain] "r"(&emptcp_chain), [index] "r"((__u64)(slot))                      \
		     : "r0", "r1", "r2", "r3", "r4", "r5", "memory")

#endif
