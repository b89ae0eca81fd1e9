/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Private to the core and to the headers of the SDK: the working space of a CPU. Everything here has a name that begins
 * with emptcp_scratch; `emptcp element build` refuses an element that uses one, or includes this file. It may change
 * without notice.
 */
#ifndef EMPTCP_PRIVATE_H
#define EMPTCP_PRIVATE_H

#include "packet.h"

/* Input and result of the core's hash function. */
struct emptcp_scratch_digest {
	__u64 idsn;    /* lowest 64 bits of the hash */
	__u32 token;   /* highest 32 bits */
	__u32 version; /* MPTCP version, which chooses the hash */
	__u8 key[8];
};

struct emptcp_scratch {
	__u64 core[EMPTCP_CORE_COUNTERS];
	struct emptcp_packet packet;
	__u32 words[4 * EMPTCP_RULE_KINDS]; /* working space of the core: hash functions, classifier */
	struct emptcp_scratch_digest digest;
	__u64 tick; /* jiffies when `now_ns` was read */
	__u64 now_ns;
	__u32 busy;               /* a copy is being sent (send.h): the core lets it pass unseen */
	__u32 half_open;          /* the slow path's record is in the half-open table */
	__u32 features;           /* enum emptcp_feature, of the packet's generation */
	__u32 judged;             /* the slow path's finding: retransmitted segments; all ones: unacceptable */
	__u64 policies;           /* policies that are to run at a device that is not the first to see the packet */
	struct emptcp_flow ended; /* last record of a subflow that this packet ends; its table entry is gone */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct emptcp_scratch);
} emptcp_scratch SEC(".maps");

static __always_inline struct emptcp_scratch *emptcp_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&emptcp_scratch, &zero);
}

#endif
