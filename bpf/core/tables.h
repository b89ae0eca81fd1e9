/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps that only the core uses. The loader sets the sizes; see maps.h for maps that elements share. */
#ifndef EMPTCP_CORE_TABLES_H
#define EMPTCP_CORE_TABLES_H

#include <emptcp/maps.h>

/* Tags of the main table; emptcp_flows itself is in maps.h, since elements may read records. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384 / EMPTCP_FLOW_WAYS);
	__type(key, __u32);
	__type(value, struct emptcp_flow_set);
} emptcp_flow_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct emptcp_table);
} emptcp_table SEC(".maps");

/* Subflows whose handshake has not completed: a flood of SYNs only evicts other half-open ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct emptcp_flow_key);
	__type(value, struct emptcp_flow);
} emptcp_half_open SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct emptcp_connection);
} emptcp_connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct emptcp_token_key);
	__type(value, __u64);
} emptcp_tokens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * EMPTCP_RULES);
	__type(key, __u32);
	__type(value, struct emptcp_rule);
} emptcp_rules SEC(".maps");

/* Devices under policy that are on top of each other, as netlink reports; the value is 1. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct emptcp_device_pair);
	__type(value, __u32);
} emptcp_stacked SEC(".maps");

/* One word: the policy generation (low half) and the features that its elements need (high half). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} emptcp_control SEC(".maps");

#endif
