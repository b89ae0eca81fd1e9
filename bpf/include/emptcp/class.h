/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A place in the device's queue with a rate of its own, for elements with needs = ["class"]: a class of HTB that the
 * loader has made, or departure times where the root qdisc of the device is fq. At tc egress only.
 */
#ifndef EMPTCP_CLASS_H
#define EMPTCP_CLASS_H

#include "element.h"

/*
 * Written by the loader, for each use of the element, before the program is verified. All 0 if the arguments request no
 * class, or at another hook. With a class either `handle` or `departure` is not 0.
 */
struct emptcp_class {
	__u32 handle;    /* the class, major and minor number; 0: there is none */
	__u32 departure; /* 1: the root qdisc of every device of the policy is fq */
	__u32 watched;   /* 1: emptcp_class_in_place() works */
	__u32 reserved;
	__u64 rate; /* of the class, bits per second */
};
const volatile struct emptcp_class emptcp_class SEC(".rodata") = {};

#if defined(EMPTCP_HOOK_TC)
/* The members that are read, under the kernel's names; libbpf corrects their offsets. */
struct Qdisc_ops___emptcp {
	char id[16];
} __attribute__((preserve_access_index));

struct Qdisc___emptcp {
	const struct Qdisc_ops___emptcp *ops;
	__u32 handle;
} __attribute__((preserve_access_index));

struct net_device___emptcp {
	struct Qdisc___emptcp *qdisc;
} __attribute__((preserve_access_index));

struct sk_buff___emptcp {
	struct net_device___emptcp *dev;
} __attribute__((preserve_access_index));

/*
 * Is the root qdisc the one that the loader found or made? If it was replaced, neither a class nor a departure time has
 * an effect. The kernel has no field for that, but lets programs read its memory, except in lockdown; then the answer
 * is yes. To a helper `ctx` is the kernel's sk_buff.
 */
static __always_inline bool emptcp_class_in_place(emptcp_context *ctx)
{
	struct sk_buff___emptcp *skb = (void *)ctx;
	struct Qdisc___emptcp *root;
	char id[4] = {};

	if (!emptcp_class.watched)
		return true;
	root = BPF_CORE_READ(skb, dev, qdisc);
	if (!emptcp_class.departure)
		return BPF_CORE_READ(root, handle) == (emptcp_class.handle & TC_H_MAJ_MASK);
	BPF_CORE_READ_INTO(&id, root, ops, id);
	return id[0] == 'f' && id[1] == 'q' && !id[2];
}

/* The packet waits in the class, which sends at its rate. Needs `handle`. */
static __always_inline void emptcp_class_enter(emptcp_context *ctx)
{
	ctx->priority = emptcp_class.handle;
}

/*
 * The packet leaves at `time_ns` (CLOCK_MONOTONIC), not before; the sender's own pacing may set a later time. Needs
 * `departure`. fq drops packets that are more than 10 s ahead.
 */
static __always_inline void emptcp_class_depart_at(emptcp_context *ctx, __u64 time_ns)
{
	if (time_ns > ctx->tstamp)
		ctx->tstamp = time_ns;
}
#endif

#endif
