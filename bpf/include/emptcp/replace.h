/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers for a host: a packet becomes another segment of its subflow, without payload, or its direction is reversed.
 * The IP header stays, with its options or extension headers; after it comes a new TCP header.
 */
#ifndef EMPTCP_REPLACE_H
#define EMPTCP_REPLACE_H

#include "edit.h"

#define EMPTCP_FLAG_FIN 0x01
#define EMPTCP_FLAG_RST 0x04
#define EMPTCP_FLAG_ACK 0x10

/* A segment without payload. Numbers in host order; the ports are the packet's. */
struct emptcp_segment {
	__u32 sequence;
	__u32 acknowledgement;
	__u32 flags;        /* EMPTCP_FLAG_* */
	__u32 option_words; /* 0 to 3 */
	__be32 options[3];  /* as in the header */
};

enum emptcp_replaced {
	EMPTCP_REPLACE_REFUSED, /* every byte is unchanged */
	EMPTCP_REPLACE_DONE,
	EMPTCP_REPLACE_BROKEN, /* the packet is invalid: drop it */
};

/* Both addresses, so the same in both directions: the start of both kinds of checksum. `length` of the TCP segment. */
static __always_inline __u64 emptcp_pseudo_header(const struct emptcp_packet *packet, __u32 length)
{
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(length & 0xffff);

	/* The mapped form of IPv4 adds 0xffff twice, which is nothing in ones' complement. */
	for (int i = 0; i < 4; i++)
		sum += (__u64)packet->key.local[i] + packet->key.remote[i];
	return sum;
}

/*
 * Does this packet carry only the sum over its pseudo-header, and a device completes it (CHECKSUM_PARTIAL)? At tc the
 * kernel corrects only a complete checksum for a change outside of the pseudo-header, which shows the kind; the field
 * is void then.
 */
static __always_inline bool emptcp_is_partial(emptcp_context *ctx, const struct emptcp_packet *packet)
{
#if defined(EMPTCP_HOOK_XDP)
	return emptcp_checksum_kind(ctx) == EMPTCP_CHECKSUM_PARTIAL;
#else
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);

	if (!tcp)
		return false;
	tcp->check = 0;
	bpf_l4_csum_replace(ctx, packet->tcp_offset + offsetof(struct tcphdr, check), 0, 1, 0);
	tcp = emptcp_tcp(ctx, packet);
	return tcp && !tcp->check;
#endif
}

/*
 * The packet becomes `segment`, with the packet's addresses and ports; an aggregate becomes one packet. `packet` is
 * updated, except for the options. Not for a jumbogram, whose length is in an extension header (RFC 2675).
 */
static __always_inline enum emptcp_replaced emptcp_replace(emptcp_context *ctx, struct emptcp_packet *packet,
							   const struct emptcp_segment *segment)
{
	__u32 words = segment->option_words > 3 ? 3 : segment->option_words;
	__u32 length = sizeof(struct tcphdr) + 4 * words;
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);
	__u64 sum = emptcp_pseudo_header(packet, length);
	bool partial = false;
	__be32 *at;

	if (!tcp || packet->tcp_offset & 1 || !emptcp_ip_reachable(ctx, packet) || !emptcp_checksum_ready(ctx, packet))
		return EMPTCP_REPLACE_REFUSED;
	if (packet->ip_version == 6) {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));

		if (!ip || !ip->payload_len)
			return EMPTCP_REPLACE_REFUSED;
	}
#if defined(EMPTCP_HOOK_XDP)
	partial = emptcp_is_partial(ctx, packet); /* looks at the whole packet, so before it is cut */
#endif
	/* At tc this also makes the packet linear, our own and no aggregate. From here on nothing fails. */
	if (!emptcp_set_end(ctx, packet->tcp_offset + length))
		return EMPTCP_REPLACE_REFUSED;
#if defined(EMPTCP_HOOK_TC)
	partial = emptcp_is_partial(ctx, packet);
#endif
	if (!emptcp_set_ip_length(ctx, packet, packet->tcp_offset - packet->ip_offset + length))
		return EMPTCP_REPLACE_BROKEN;
	tcp = emptcp_tcp(ctx, packet);
	if (!tcp)
		return EMPTCP_REPLACE_BROKEN;
	tcp->seq = bpf_htonl(segment->sequence);
	tcp->ack_seq = bpf_htonl(segment->acknowledgement);
	((__u8 *)tcp)[12] = length / 4 << 4;
	((__u8 *)tcp)[13] = segment->flags;
	tcp->window = 0;
	tcp->check = 0;
	tcp->urg_ptr = 0;
	for (__u32 i = 0; i < 3; i++) {
		if (i >= words)
			break;
		at = emptcp_at(ctx, packet->tcp_offset + sizeof(*tcp) + 4 * i, 4);
		if (!at)
			return EMPTCP_REPLACE_BROKEN;
		*at = segment->options[i];
	}
	for (__u32 i = 0; !partial && i < 8; i++) {
		at = emptcp_at(ctx, packet->tcp_offset + 4 * i, 4);
		if (i >= 5 + words || !at)
			break;
		sum += *at;
	}
	tcp = emptcp_tcp(ctx, packet);
	if (!tcp)
		return EMPTCP_REPLACE_BROKEN;
	tcp->check = partial ? emptcp_sum_fold(sum) : (__u16)~emptcp_sum_fold(sum);
	packet->types = (segment->flags & EMPTCP_FLAG_ACK ? EMPTCP_ACK : 0) |
			(segment->flags & EMPTCP_FLAG_RST ? EMPTCP_RST : 0) |
			(segment->flags & EMPTCP_FLAG_FIN ? EMPTCP_FIN : 0);
	packet->sequence = segment->sequence;
	packet->acknowledgement = segment->acknowledgement;
	packet->tcp_length = length;
	packet->payload_length = 0;
	packet->segments = 1;
	packet->window = 0;
	packet->dss_offset = 0;
	packet->sack_offset = 0;
	return EMPTCP_REPLACE_DONE;
}

/*
 * Exchanges the two ends in all headers, and the hop limit (TTL) with *hops: a second call undoes it. The TCP checksum
 * does not change. False: nothing was changed.
 */
static __always_inline bool emptcp_turn_round(emptcp_context *ctx, const struct emptcp_packet *packet, __u8 *hops)
{
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);
	__u8 mac[ETH_ALEN], before;
	struct ethhdr *ethernet;
	__be16 port;

	/* The TCP header comes after the others: if it is there, they are. */
	if (!tcp || !emptcp_ip_reachable(ctx, packet))
		return false;
	ethernet = emptcp_at(ctx, 0, sizeof(*ethernet));
	if (!ethernet)
		return false;
	if (packet->ip_version == 4) {
		struct iphdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__be32 address;

		if (!ip)
			return false;
		address = ip->saddr;
		ip->saddr = ip->daddr;
		ip->daddr = address;
		before = ip->ttl;
		ip->check = emptcp_sum_apply(ip->check, emptcp_sum_change(before, *hops));
		ip->ttl = *hops;
	} else {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		struct in6_addr address;

		if (!ip)
			return false;
		address = ip->saddr;
		ip->saddr = ip->daddr;
		ip->daddr = address;
		before = ip->hop_limit;
		emptcp_set_ipv6_word(ctx, (__be16 *)&ip->nexthdr, bpf_htons((__u32)ip->nexthdr << 8 | *hops));
	}
	if (packet->ip_offset) {
		__builtin_memcpy(mac, ethernet->h_source, ETH_ALEN);
		__builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
		__builtin_memcpy(ethernet->h_dest, mac, ETH_ALEN);
	}
	*hops = before;
	port = tcp->source;
	tcp->source = tcp->dest;
	tcp->dest = port;
	return true;
}

#endif
