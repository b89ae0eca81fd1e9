/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeping checksums right, RFC 1624 style: only what changed is added. A packet may carry a complete checksum or, with
 * checksum offload, only the sum over the pseudo-header (CHECKSUM_PARTIAL): then the rest is added later, by the driver
 * or device, and must not be changed now. At tc the kernel knows which it is; at XDP we must find out.
 *
 * Sums are over 16-bit words in memory order, carries not yet folded.
 */
#ifndef EMPTCP_CHECKSUM_H
#define EMPTCP_CHECKSUM_H

#include "maps.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the sums of this file and of edit.h are written for little endian"
#endif

static __always_inline __u32 emptcp_sum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The word that changes from `before` to `after`, as an addend for a sum. */
static __always_inline __u32 emptcp_sum_change(__u16 before, __u16 after)
{
	return (__u32)after + (0xffff - before);
}

static __always_inline __u16 emptcp_sum_apply(__u16 checksum, __u32 change)
{
	return ~emptcp_sum_fold((__u64)(__u16)~checksum + change);
}

#if defined(EMPTCP_HOOK_XDP)
enum emptcp_checksum_kind {
	EMPTCP_CHECKSUM_COMPLETE = 1,
	EMPTCP_CHECKSUM_PARTIAL = 2,
	EMPTCP_CHECKSUM_UNKNOWN = 3, /* looks partial, could be complete: do not write */
};

static __always_inline __u64 emptcp_pseudo_sum(const struct emptcp_packet *packet)
{
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons((packet->tcp_length + packet->payload_length) & 0xffff);

	/* The mapped form of IPv4 adds 0xffff twice, which is nothing in ones' complement. */
	for (int i = 0; i < 4; i++)
		sum += (__u64)packet->key.local[i] + packet->key.remote[i];
	return sum;
}

/*
 * A checksum field that equals the folded pseudo-header sum is what offload leaves. One complete checksum in 65 536
 * looks the same; for a segment without payload we sum all of it and know; with payload the answer is "unknown".
 */
__noinline int emptcp_checksum_kind(emptcp_context *ctx)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	const struct emptcp_packet *packet;
	struct tcphdr *tcp;
	__u64 sum;

	if (!scratch || !ctx)
		return EMPTCP_CHECKSUM_UNKNOWN;
	packet = &scratch->packet;
	tcp = emptcp_tcp(ctx, packet);
	if (!tcp)
		return EMPTCP_CHECKSUM_UNKNOWN;
	sum = emptcp_pseudo_sum(packet);
	if (tcp->check != emptcp_sum_fold(sum))
		return EMPTCP_CHECKSUM_COMPLETE;
	if (packet->payload_length)
		return EMPTCP_CHECKSUM_UNKNOWN;
	for (__u32 at = 0; at < 60; at += 4) {
		__be32 *word = emptcp_at(ctx, packet->tcp_offset + at, 4);

		if (at >= packet->tcp_length || !word)
			break;
		sum += *word;
	}
	return emptcp_sum_fold(sum) == 0xffff ? EMPTCP_CHECKSUM_COMPLETE : EMPTCP_CHECKSUM_PARTIAL;
}
#endif

/* Can the checksum of this packet be kept right? Ask before the first write. */
static __always_inline bool emptcp_checksum_ready(emptcp_context *ctx, const struct emptcp_packet *packet)
{
#if defined(EMPTCP_HOOK_XDP)
	(void)packet;
	return emptcp_checksum_kind(ctx) != EMPTCP_CHECKSUM_UNKNOWN;
#else
	(void)ctx;
	(void)packet;
	return true;
#endif
}

/*
 * Adds `change` of header or payload, and `pseudo_change` of the pseudo-header, to the TCP checksum. At tc this calls
 * helpers: pointers into the packet are void afterwards. At XDP it must come before the first write, because it reads
 * the packet to find the kind of its checksum. False: nothing was changed.
 */
static __always_inline bool emptcp_checksum_update(emptcp_context *ctx, const struct emptcp_packet *packet,
						   __u32 change, __u32 pseudo_change)
{
#if defined(EMPTCP_HOOK_TC)
	__u32 field = packet->tcp_offset + offsetof(struct tcphdr, check);
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);
	__u16 before;

	if (!tcp)
		return false;
	before = tcp->check;
	if (change && bpf_l4_csum_replace(ctx, field, 0, change, 0))
		return false;
	if (pseudo_change && bpf_l4_csum_replace(ctx, field, 0, pseudo_change, BPF_F_PSEUDO_HDR)) {
		tcp = emptcp_tcp(ctx, packet);
		if (tcp)
			tcp->check = before;
		return false;
	}
	return true;
#else
	int kind = emptcp_checksum_kind(ctx);
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);

	if (!tcp || kind == EMPTCP_CHECKSUM_UNKNOWN)
		return false;
	if (kind == EMPTCP_CHECKSUM_PARTIAL)
		tcp->check = emptcp_sum_fold((__u64)tcp->check + pseudo_change);
	else
		tcp->check = emptcp_sum_apply(tcp->check, emptcp_sum_fold((__u64)change + pseudo_change));
	return true;
#endif
}

/*
 * Takes emptcp_checksum_update() back: the field is `checksum` again. `pseudo_change` is what was added then; at tc the
 * sum that a device has made over the packet (CHECKSUM_COMPLETE) followed it.
 */
static __always_inline void emptcp_checksum_restore(emptcp_context *ctx, const struct emptcp_packet *packet,
						    __u16 checksum, __u32 pseudo_change)
{
	struct tcphdr *tcp;

#if defined(EMPTCP_HOOK_TC)
	if (pseudo_change)
		bpf_l4_csum_replace(ctx, packet->tcp_offset + offsetof(struct tcphdr, check), 0, (__u16)~pseudo_change,
				    BPF_F_PSEUDO_HDR);
#else
	(void)pseudo_change;
#endif
	tcp = emptcp_tcp(ctx, packet);
	if (tcp)
		tcp->check = checksum;
}

#endif
