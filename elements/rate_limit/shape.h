/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shaping at egress. With fq the packet gets its departure time (earliest departure time model). With HTB it gets its
 * class. Both do nothing when somebody has replaced the root qdisc since, so it is looked at: the kernel offers
 * programs no field for that, but lets them read its memory.
 */
#ifndef RATE_LIMIT_SHAPE_H
#define RATE_LIMIT_SHAPE_H

#define EDT_HORIZON_NS 2000000000ull /* fq's own horizon is 10 s */

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

/* Is the root qdisc the one that the loader found, or made? To a helper `ctx` is the kernel's sk_buff. */
static __always_inline bool shape_in_place(emptcp_context *ctx)
{
	struct sk_buff___emptcp *skb = (void *)ctx;
	struct Qdisc___emptcp *root;
	char id[4] = {};

	if (!emptcp_shape.watch)
		return true;
	root = BPF_CORE_READ(skb, dev, qdisc);
	if (!emptcp_shape.edt)
		return BPF_CORE_READ(root, handle) == (emptcp_shape.class & TC_H_MAJ_MASK);
	BPF_CORE_READ_INTO(&id, root, ops, id);
	return id[0] == 'f' && id[1] == 'q' && !id[2];
}

static __always_inline enum emptcp_verdict limit_by_shape(emptcp_context *ctx, struct emptcp_packet *packet,
							  struct bucket *bucket, __u64 now)
{
	__u64 departure;

	if (!shape_in_place(ctx)) {
		emptcp_count(packet, shape_missing);
		return EMPTCP_CONTINUE;
	}
	if (!emptcp_shape.edt) {
		ctx->priority = emptcp_shape.class;
		emptcp_count(packet, passed);
		return EMPTCP_CONTINUE;
	}
	departure = NOW_IN(bucket->empty_ns);
	if (departure < now) {
		departure = now;
		STORE_IN(bucket->empty_ns, now);
	}
	if (departure - now > EDT_HORIZON_NS) {
		emptcp_count(packet, dropped);
		return EMPTCP_DROP;
	}
	__sync_fetch_and_add(&bucket->empty_ns, duration_of(packet->payload_length));
	/* The sender's own pacing may ask for a later time still. */
	if (departure > ctx->tstamp)
		ctx->tstamp = departure;
	emptcp_count(packet, delayed);
	return EMPTCP_CONTINUE;
}
#endif

#endif
