/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One set of names for both hooks: context, verdicts, section. Everything else compiles for both. */
#ifndef EMPTCP_KERNEL_H
#define EMPTCP_KERNEL_H

#include <stddef.h>
#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "abi.h"

#if defined(EMPTCP_HOOK_TC)
typedef struct __sk_buff emptcp_context;
#define EMPTCP_SECTION SEC("tc")
/* Let the next filter or program of this hook see the packet; TC_ACT_OK would hide it from them. */
#define EMPTCP_VERDICT_PASS TC_ACT_UNSPEC
#define EMPTCP_VERDICT_DROP TC_ACT_SHOT
#elif defined(EMPTCP_HOOK_XDP)
typedef struct xdp_md emptcp_context;
#define EMPTCP_SECTION SEC("xdp")
#define EMPTCP_VERDICT_PASS XDP_PASS
#define EMPTCP_VERDICT_DROP XDP_DROP
#else
#error "compile with -DEMPTCP_HOOK_TC or -DEMPTCP_HOOK_XDP"
#endif

/* Prevents the compiler from moving or merging what the verifier must see in this order. */
#define emptcp_barrier(value) asm volatile("" : "+r"(value))

#define emptcp_likely(x) __builtin_expect(!!(x), 1)
#define emptcp_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * CLOCK_MONOTONIC to the tick (1-10 ms), at a tenth of the cost of the exact clock. Before 5.11 there is only the
 * exact one: libbpf decides at load time, and the verifier drops the other branch.
 */
static __always_inline __u64 emptcp_coarse_now(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_coarse_ns))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

/*
 * Time from `then` to `now`. One CPU's coarse clock may be a tick behind another's; that counts as 0, not as 584 years.
 */
static __always_inline __u64 emptcp_elapsed(__u64 now_ns, __u64 then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Interface on which the packet arrived or leaves. */
static __always_inline __u32 emptcp_ifindex(emptcp_context *ctx)
{
#if defined(EMPTCP_HOOK_TC)
	return ctx->ifindex;
#else
	return ctx->ingress_ifindex;
#endif
}

/* Segments on the wire that this packet stands for: more than one under GSO and GRO. */
static __always_inline __u32 emptcp_segments(emptcp_context *ctx)
{
#if defined(EMPTCP_HOOK_TC)
	__u32 segments = ctx->gso_segs;

	return segments ? segments : 1;
#else
	(void)ctx;
	return 1;
#endif
}

/*
 * The packet's first and last-plus-one byte. The compiler must not keep them across helpers nor copy them through
 * 32-bit registers, in which the verifier no longer treats them as pointers: hence the explicit loads.
 */
static __always_inline void *emptcp_data(emptcp_context *ctx)
{
	void *data;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(data) : "r"(ctx), "i"(offsetof(emptcp_context, data)));
	return data;
}

static __always_inline void *emptcp_data_end(emptcp_context *ctx)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(end) : "r"(ctx), "i"(offsetof(emptcp_context, data_end)));
	return end;
}

/* Bytes of the packet, from the link header on; of an aggregate: all of it. */
static __always_inline __u32 emptcp_packet_length(emptcp_context *ctx)
{
#if defined(EMPTCP_HOOK_TC)
	return ctx->len;
#else
	return (__u64)emptcp_data_end(ctx) - (__u64)emptcp_data(ctx);
#endif
}

/*
 * `size` bytes at `offset` from the start of the packet, or NULL when they are not all there. The pointer is void
 * after any helper that changes the packet: ask again.
 */
#define EMPTCP_OFFSET_MASK 0x1ff
static __always_inline void *emptcp_at(emptcp_context *ctx, __u32 offset, __u32 size)
{
	void *data = emptcp_data(ctx);
	void *end = emptcp_data_end(ctx);
	void *at;

	offset &= EMPTCP_OFFSET_MASK; /* the verifier needs a visible bound */
	at = data + offset;
	if (at + size > end)
		return NULL;
	return at;
}

#endif
