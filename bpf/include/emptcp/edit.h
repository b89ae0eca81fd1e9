/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changing a packet. Every function checks all that it needs first and then writes, keeps IP and TCP checksums right,
 * complete or partial, and returns false with the packet unchanged if it cannot do the whole change. None of them
 * writes past doff.
 */
#ifndef EMPTCP_EDIT_H
#define EMPTCP_EDIT_H

#include "checksum.h"
#include "options.h"

/* Overwrites `length` (a constant, at most 16) bytes of the TCP header at `offset` from the start of the packet. */
static __always_inline bool emptcp_overwrite(emptcp_context *ctx, const struct emptcp_packet *packet, __u32 offset,
					     const __u8 *bytes, const __u32 length)
{
	__u32 odd = (offset - packet->tcp_offset) & 1;
	__u32 change = 0;
	__u8 *at;

	if (offset < packet->tcp_offset || offset + length > packet->tcp_offset + packet->tcp_length)
		return false;
	at = emptcp_at(ctx, offset, length);
	if (!at)
		return false;
	/* A byte at an even place is the first of its word, in memory order the low one (little endian). */
	for (__u32 i = 0; i < length; i++) {
		if ((odd + i) & 1)
			change += emptcp_sum_change((__u16)(at[i] << 8), (__u16)(bytes[i] << 8));
		else
			change += emptcp_sum_change(at[i], bytes[i]);
	}
	if (!emptcp_checksum_update(ctx, packet, emptcp_sum_fold(change), 0))
		return false;
	at = emptcp_at(ctx, offset, length); /* there, as above */
	if (!at)
		return true;
	for (__u32 i = 0; i < length; i++)
		at[i] = bytes[i];
	return true;
}

/* The window field, as in the header (not scaled). */
static __always_inline bool emptcp_set_window(emptcp_context *ctx, struct emptcp_packet *packet, __u16 window)
{
	__be16 value = bpf_htons(window);

	if (!emptcp_overwrite(ctx, packet, packet->tcp_offset + offsetof(struct tcphdr, window), (__u8 *)&value, 2))
		return false;
	packet->window = window;
	return true;
}

/*
 * Overwrites an option that emptcp_find() found with NOPs: all of it or nothing. The checksum is corrected once, for
 * the whole change, and nothing can fail after the first byte is written.
 */
static __always_inline bool emptcp_remove_option(emptcp_context *ctx, struct emptcp_packet *packet,
						 struct emptcp_option option)
{
	__u32 odd = (option.offset - packet->tcp_offset) & 1, change = 0;
	__u8 *at;

	if (!option.offset || option.offset + option.length > packet->tcp_offset + packet->tcp_length ||
	    !emptcp_checksum_ready(ctx, packet))
		return false;
	for (__u32 i = 0; i < EMPTCP_OPTIONS_MAX && i < option.length; i++) {
		at = emptcp_at(ctx, option.offset + i, 1);
		if (!at)
			return false;
		/* As in emptcp_overwrite(): a byte at an even place is the low one of its word. */
		if ((odd + i) & 1)
			change += emptcp_sum_change((__u16)(*at << 8), EMPTCP_KIND_NOP << 8);
		else
			change += emptcp_sum_change(*at, EMPTCP_KIND_NOP);
	}
	if (!emptcp_checksum_update(ctx, packet, emptcp_sum_fold(change), 0))
		return false;
	for (__u32 i = 0; i < EMPTCP_OPTIONS_MAX && i < option.length; i++) {
		at = emptcp_at(ctx, option.offset + i, 1); /* there, as above */
		if (at)
			*at = EMPTCP_KIND_NOP;
	}
	return true;
}

/* Can the fixed part of the IP header be written? */
static __always_inline bool emptcp_ip_reachable(emptcp_context *ctx, const struct emptcp_packet *packet)
{
	const __u32 size = packet->ip_version == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return packet->ip_offset + size <= packet->tcp_offset && emptcp_at(ctx, packet->tcp_offset, 0);
}

/* Sets the length of the IP packet; the header checksum of IPv4 follows. */
static __always_inline bool emptcp_set_ip_length(emptcp_context *ctx, const struct emptcp_packet *packet, __u32 length)
{
	if (packet->ip_version == 4) {
		struct iphdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__be16 total = bpf_htons(length);

		if (!ip)
			return false;
		ip->check = emptcp_sum_apply(ip->check, emptcp_sum_change(ip->tot_len, total));
		ip->tot_len = total;
	} else {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));

		if (!ip)
			return false;
		ip->payload_len = bpf_htons(length - sizeof(*ip));
	}
	return true;
}

/* Makes the packet end at `end`, counted from its start. */
static __always_inline bool emptcp_set_end(emptcp_context *ctx, __u32 end)
{
#if defined(EMPTCP_HOOK_TC)
	return bpf_skb_change_tail(ctx, end, 0) == 0;
#else
	return bpf_xdp_adjust_tail(ctx, (int)end - (int)emptcp_packet_length(ctx)) == 0;
#endif
}

/* Is there room for `length` more option bytes, and may this segment grow at all? Only pure ACKs may. */
static __always_inline bool emptcp_can_append(const struct emptcp_packet *packet, __u32 length)
{
	return packet->types & EMPTCP_PURE_ACK && !(packet->types & EMPTCP_OPTIONS_BROKEN) &&
	       packet->payload_length == 0 && packet->segments == 1 && packet->tcp_length + length <= 60;
}

/*
 * Appends `length` (a constant, a multiple of 4, at most 16) bytes of options to a pure ACK. Its options end where the
 * packet ends, so nothing has to move. It can fail for two reasons: no room (call emptcp_can_append() first), or the
 * kernel does not lengthen the packet: no memory, or longer than the device allows. Then every byte is unchanged.
 */
static __always_inline bool emptcp_append_option(emptcp_context *ctx, struct emptcp_packet *packet, const __u8 *bytes,
						 const __u32 length)
{
	__u32 end = packet->tcp_offset + packet->tcp_length;
	__u32 ip_length = end - packet->ip_offset + length;
	__u16 before, after, checksum;
	struct tcphdr *tcp;
	__u32 change = 0;
	__u16 *words;
	__u8 *at;

	if (!emptcp_can_append(packet, length) || packet->tcp_offset & 1 || !emptcp_checksum_ready(ctx, packet) ||
	    !emptcp_ip_reachable(ctx, packet))
		return false;
	tcp = emptcp_tcp(ctx, packet);
	if (!tcp)
		return false;
	checksum = tcp->check;
	words = (__u16 *)tcp;
	before = words[6]; /* data offset and flags */
	after = before;
	((__u8 *)&after)[0] += (length / 4) << 4;
	change = emptcp_sum_change(before, after);
	for (__u32 i = 0; i < length; i += 2)
		change += bytes[i] | bytes[i + 1] << 8;
	/*
	 * The checksum first, while the packet is as it was described: a checksum is put back byte by byte, but padding
	 * after the packet, which is cut when its length is set, could not be.
	 */
	if (!emptcp_checksum_update(ctx, packet, emptcp_sum_fold(change), bpf_htons(length)))
		return false;
	if (emptcp_set_end(ctx, end + length)) {
		at = emptcp_at(ctx, end, length);
		if (at) {
			for (__u32 i = 0; i < length; i++)
				at[i] = bytes[i];
			packet->tcp_length += length;
			tcp = emptcp_tcp(ctx, packet); /* in front of those bytes */
			if (tcp)
				((__u16 *)tcp)[6] = after;
			/* Reachable, as was asked before the first write. */
			return emptcp_set_ip_length(ctx, packet, ip_length);
		}
		emptcp_set_end(ctx, end);
	}
	emptcp_checksum_restore(ctx, packet, checksum, bpf_htons(length));
	return false;
}

/*
 * The first word of an IPv6 header changes. No checksum of the packet covers it, but what a device has summed over the
 * whole packet does (CHECKSUM_COMPLETE, tc only): skb->csum must follow, or the kernel reports "hw csum failure". In an
 * IPv4 header the change and that of its own checksum cancel out.
 */
static __always_inline void emptcp_set_ipv6_word(emptcp_context *ctx, __be16 *word, __be16 value)
{
	__u32 change = emptcp_sum_fold(emptcp_sum_change(*word, value));

	*word = value;
#if defined(EMPTCP_HOOK_TC)
	bpf_csum_update(ctx, change);
#else
	(void)ctx;
	(void)change;
#endif
}

/* Differentiated services code point, 0..63 (RFC 2474); the ECN bits stay. Not part of the TCP pseudo-header. */
static __always_inline bool emptcp_set_dscp(emptcp_context *ctx, struct emptcp_packet *packet, __u8 dscp)
{
	if (packet->ip_version == 4) {
		struct iphdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__u16 before, after;

		if (!ip)
			return false;
		before = ip->tos << 8;
		ip->tos = (ip->tos & 3) | dscp << 2;
		after = ip->tos << 8;
		ip->check = emptcp_sum_apply(ip->check, emptcp_sum_change(before, after));
	} else {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__be16 *word = (__be16 *)ip;
		__u16 value;

		if (!ip)
			return false;
		/* version(4) traffic class(8) flow label(20): the class is DSCP(6) ECN(2). */
		value = bpf_ntohs(*word);
		value = (value & ~(0x3f << 6)) | (__u16)dscp << 6;
		emptcp_set_ipv6_word(ctx, word, bpf_htons(value));
	}
	packet->dscp = dscp;
	return true;
}

/* Congestion experienced (RFC 3168): true when the packet says so afterwards, false when it is not ECN-capable. */
static __always_inline bool emptcp_mark_ce(emptcp_context *ctx, const struct emptcp_packet *packet)
{
	if (packet->ip_version == 4) {
		struct iphdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__u16 before, after;

		if (!ip || !(ip->tos & 3))
			return false;
		before = ip->tos << 8;
		ip->tos |= 3;
		after = ip->tos << 8;
		ip->check = emptcp_sum_apply(ip->check, emptcp_sum_change(before, after));
	} else {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));

		__be16 *word = (__be16 *)ip;

		if (!ip || !(ip->flow_lbl[0] & 0x30))
			return false;
		/* version(4) traffic class(8) flow label(20): ECN are the last two bits of the class. */
		emptcp_set_ipv6_word(ctx, word, *word | bpf_htons(0x30));
	}
	return true;
}

#endif
