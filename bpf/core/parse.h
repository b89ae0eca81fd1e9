/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the link header to the last TCP option, once per packet; the result is struct emptcp_packet. */
#ifndef EMPTCP_CORE_PARSE_H
#define EMPTCP_CORE_PARSE_H

#include <emptcp/packet.h>
#include <emptcp/options.h>

enum parse_result {
	PARSE_TCP,
	PARSE_NOT_TCP,
	PARSE_FRAGMENT,
	PARSE_MALFORMED,
	PARSE_SHORT, /* headers lie outside the linear part: pull and try again */
};

#define MAX_VLAN_TAGS 2
#define MAX_EXTENSION_HEADERS 6
#define IP_FRAGMENT_BITS 0x3fff /* more fragments, or an offset; "don't fragment" is not among them */

struct vlan_header {
	__be16 tag;
	__be16 protocol;
};

struct extension_header {
	__u8 next;
	__u8 length;
};

/* IPv6 headers between the fixed one and TCP: RFC 8200 section 4. A fragment header ends the search. */
static __always_inline enum parse_result skip_extension_headers(emptcp_context *ctx, __u8 *next, __u32 *offset)
{
	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		struct extension_header *extension;

		if (*next == IPPROTO_TCP)
			return PARSE_TCP;
		if (*next == IPPROTO_FRAGMENT)
			return PARSE_FRAGMENT;
		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING && *next != IPPROTO_DSTOPTS &&
		    *next != IPPROTO_AH)
			return PARSE_NOT_TCP;
		extension = emptcp_at(ctx, *offset, sizeof(*extension));
		if (!extension)
			return PARSE_SHORT;
		if (*next == IPPROTO_AH)
			*offset += (extension->length + 2) * 4; /* RFC 4302 section 2.2 counts in words, less two */
		else
			*offset += (extension->length + 1) * 8;
		*next = extension->next;
		if (*offset > EMPTCP_OFFSET_MASK - 64)
			return PARSE_NOT_TCP; /* more headers than we parse */
	}
	return *next == IPPROTO_TCP ? PARSE_TCP : PARSE_NOT_TCP;
}

/* What an IPv4 header says; its addresses as IPv6 ones (RFC 4291 section 2.5.5.2). */
static __always_inline void fill_ip(struct emptcp_packet *packet, const struct iphdr *ip, bool ingress)
{
	struct emptcp_flow_key *key = &packet->key;

	packet->ip_version = 4;
	packet->dscp = ip->tos >> 2;
	*(__u64 *)&key->local[0] = 0;
	*(__u64 *)&key->remote[0] = 0;
	key->local[2] = bpf_htonl(0xffff);
	key->remote[2] = bpf_htonl(0xffff);
	key->local[3] = ingress ? ip->daddr : ip->saddr;
	key->remote[3] = ingress ? ip->saddr : ip->daddr;
}

/*
 * Addresses and lengths of the IP header; `offset` moves past it, `ip_end` becomes the first byte after the IP packet.
 */
static __always_inline enum parse_result parse_ip(emptcp_context *ctx, struct emptcp_packet *packet, __be16 protocol,
						  bool ingress, __u32 *offset, __u32 *ip_end)
{
	struct emptcp_flow_key *key = &packet->key;

	packet->ip_offset = *offset;
	if (protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = emptcp_at(ctx, *offset, sizeof(*ip));
		__u32 header;

		if (!ip)
			return PARSE_SHORT;
		header = ip->ihl * 4;
		if (ip->version != 4 || header < sizeof(*ip))
			return PARSE_MALFORMED;
		if (ip->protocol != IPPROTO_TCP)
			return PARSE_NOT_TCP;
		if (ip->frag_off & bpf_htons(IP_FRAGMENT_BITS))
			return PARSE_FRAGMENT;
		fill_ip(packet, ip, ingress);
		/* tot_len is 0 in an aggregate above 64 kB (BIG TCP). */
		*ip_end = ip->tot_len ? *offset + bpf_ntohs(ip->tot_len) : emptcp_packet_length(ctx);
		*offset += header;
		return PARSE_TCP;
	}
	if (protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = emptcp_at(ctx, *offset, sizeof(*ip));
		__u8 next;

		if (!ip)
			return PARSE_SHORT;
		if (ip->version != 6)
			return PARSE_MALFORMED;
		packet->ip_version = 6;
		packet->dscp = (ip->priority << 2) | (ip->flow_lbl[0] >> 6);
		__builtin_memcpy(ingress ? key->remote : key->local, &ip->saddr, 16);
		__builtin_memcpy(ingress ? key->local : key->remote, &ip->daddr, 16);
		next = ip->nexthdr;
		*offset += sizeof(*ip);
		/* payload_len is 0 in a jumbogram, which is also what BIG TCP makes. */
		*ip_end = ip->payload_len ? *offset + bpf_ntohs(ip->payload_len) : emptcp_packet_length(ctx);
		if (next == IPPROTO_TCP)
			return PARSE_TCP;
		return skip_extension_headers(ctx, &next, offset);
	}
	return PARSE_NOT_TCP;
}

/* Reads the option list: bits of packet->types, timestamps, offset of the DSS option. */
static __always_inline void parse_options(emptcp_context *ctx, struct emptcp_packet *packet)
{
	struct emptcp_option_walk walk;
	__u32 types = packet->types;
	__be32 *words;
	__u8 *bytes;

	emptcp_options_begin(packet, &walk);
	/*
	 * Nearly every segment begins with NOP NOP timestamps (RFC 7323 appendix A): one comparison instead of three
	 * steps.
	 */
	words = emptcp_at(ctx, walk.offset, 12);
	if (words && packet->tcp_length >= sizeof(struct tcphdr) + 12 && words[0] == bpf_htonl(0x0101080a)) {
		types |= EMPTCP_TIMESTAMPS;
		packet->timestamp_value = bpf_ntohl(words[1]);
		packet->timestamp_echo = bpf_ntohl(words[2]);
		walk.offset += 12;
	}
	/* And then, in an established subflow of Linux, a DSS option and at most two NOPs after it. */
	bytes = emptcp_at(ctx, walk.offset, 4);
	if (bytes && bytes[0] == EMPTCP_KIND_MPTCP && bytes[2] >> 4 == EMPTCP_SUBTYPE_DSS &&
	    walk.offset + 4 <= walk.end) {
		__u32 length = bytes[1], padding = walk.end - walk.offset - length;
		__be16 *nops = NULL;

		if (padding == 2)
			nops = emptcp_at(ctx, walk.end - 2, 2);
		if (!padding || (nops && *nops == bpf_htons(EMPTCP_KIND_NOP << 8 | EMPTCP_KIND_NOP))) {
			packet->dss_offset = walk.offset;
			packet->types = types | EMPTCP_DSS;
			return;
		}
	}
	for (int i = 0; i < EMPTCP_OPTIONS_MAX; i++) {
		enum emptcp_walk_step step;
		__u8 kind, length = 0, subtype;
		__u32 at = 0;

		step = emptcp_options_step(ctx, &walk, &at, &kind, &length);
		if (step == EMPTCP_WALK_PADDING)
			continue;
		if (step != EMPTCP_WALK_OPTION) {
			if (step == EMPTCP_WALK_BROKEN)
				types |= EMPTCP_OPTIONS_BROKEN;
			break;
		}
		if (kind == EMPTCP_KIND_MPTCP && length >= 3) {
			bytes = emptcp_at(ctx, at, 3);
			if (!bytes)
				break;
			subtype = bytes[2] >> 4;
			if (subtype == EMPTCP_SUBTYPE_DSS) {
				types |= EMPTCP_DSS;
				packet->dss_offset = at;
			} else if (subtype == EMPTCP_SUBTYPE_ADD_ADDR) {
				/* v1: lowest flag bit is E (echo). v0 has the IP version there: 4 or 6, bit clear. */
				types |= bytes[2] & 1 ? EMPTCP_ADD_ADDR_ECHO : EMPTCP_ADD_ADDR;
			} else if (subtype < EMPTCP_SUBTYPE_DSS) {
				types |= EMPTCP_MP_CAPABLE << subtype;
			} else if (subtype <= EMPTCP_SUBTYPE_MP_TCPRST) {
				types |= EMPTCP_REMOVE_ADDR << (subtype - EMPTCP_SUBTYPE_REMOVE_ADDR);
			} else {
				types |= EMPTCP_MP_EXPERIMENTAL;
			}
		} else if (kind == EMPTCP_KIND_SACK && length >= 10 && (length & 7) == 2) {
			types |= EMPTCP_SACK;
			packet->sack_offset = at;
		} else if (kind == EMPTCP_KIND_TIMESTAMPS && length == 10) {
			bytes = emptcp_at(ctx, at, 10);
			if (!bytes)
				break;
			types |= EMPTCP_TIMESTAMPS;
			packet->timestamp_value = bytes[2] << 24 | bytes[3] << 16 | bytes[4] << 8 | bytes[5];
			packet->timestamp_echo = bytes[6] << 24 | bytes[7] << 16 | bytes[8] << 8 | bytes[9];
		}
	}
	packet->types = types;
}

/* The highest right edge of the SACK blocks (RFC 2018 section 3). */
static __always_inline void parse_sack(emptcp_context *ctx, struct emptcp_packet *packet)
{
	__u8 *head = emptcp_at(ctx, packet->sack_offset, 10);
	__u32 length, edge;

	if (!head)
		return;
	length = head[1];
	edge = bpf_ntohl(*(__be32 *)(head + 6));
	for (__u32 block = 1; block < 4; block++) {
		__be32 *right = emptcp_at(ctx, packet->sack_offset + 6 + 8 * block, 4);
		__u32 candidate;

		if (!right || 10 + 8 * block > length)
			break;
		candidate = bpf_ntohl(*right);
		if (emptcp_before(edge, candidate))
			edge = candidate;
	}
	packet->sack_edge = edge;
}

/* RFC 8684 section 3.3: flags, then DATA_ACK (4 or 8), then DSN (4 or 8), SSN, length, and perhaps a checksum. */
static __always_inline void parse_dss(emptcp_context *ctx, struct emptcp_packet *packet)
{
	__u32 at = packet->dss_offset;
	__u32 wanted = 4;
	__u8 *bytes, flags, length;

	bytes = emptcp_at(ctx, at, 4);
	if (!bytes)
		return;
	length = bytes[1];
	flags = bytes[3];
	if (length < 4)
		goto broken;
	if (flags & EMPTCP_DSS_FLAG_ACK)
		wanted += flags & EMPTCP_DSS_FLAG_ACK64 ? 8 : 4;
	if (flags & EMPTCP_DSS_FLAG_MAP)
		wanted += flags & EMPTCP_DSS_FLAG_DSN64 ? 14 : 10;
	if (length != wanted && !(flags & EMPTCP_DSS_FLAG_MAP && length == wanted + 2))
		goto broken;
	packet->dss_flags = flags;
	at += 4;
	if (flags & EMPTCP_DSS_FLAG_ACK) {
		packet->types |= EMPTCP_DSS_ACK;
		if (flags & EMPTCP_DSS_FLAG_ACK64) {
			__be32 *ack = emptcp_at(ctx, at, 8);
			if (!ack)
				return;
			packet->data_ack = (__u64)bpf_ntohl(ack[0]) << 32 | bpf_ntohl(ack[1]);
			at += 8;
		} else {
			__be32 *ack = emptcp_at(ctx, at, 4);
			if (!ack)
				return;
			packet->data_ack = bpf_ntohl(ack[0]);
			at += 4;
		}
	}
	if (flags & EMPTCP_DSS_FLAG_MAP) {
		packet->types |= EMPTCP_DSS_MAP;
		if (flags & EMPTCP_DSS_FLAG_DSN64) {
			__be32 *map = emptcp_at(ctx, at, 14);
			if (!map)
				return;
			packet->dsn = (__u64)bpf_ntohl(map[0]) << 32 | bpf_ntohl(map[1]);
			packet->subflow_sequence = bpf_ntohl(map[2]);
			packet->data_level_length = bpf_ntohs(*(__be16 *)&map[3]);
		} else {
			__be32 *map = emptcp_at(ctx, at, 10);
			if (!map)
				return;
			packet->dsn = bpf_ntohl(map[0]);
			packet->subflow_sequence = bpf_ntohl(map[1]);
			packet->data_level_length = bpf_ntohs(*(__be16 *)&map[2]);
		}
		if (flags & EMPTCP_DSS_FLAG_DATA_FIN)
			packet->types |= EMPTCP_DATA_FIN;
		/* A mapping of nothing: hosts ignore it. */
		if (packet->payload_length || (flags & EMPTCP_DSS_FLAG_DATA_FIN && packet->data_level_length == 1))
			packet->types |= EMPTCP_MAPPED;
	}
	return;
broken:
	packet->types |= EMPTCP_OPTIONS_BROKEN;
	packet->dss_offset = 0;
}

/*
 * IPv4 without options, right after the link header, TCP, no fragment: one bounds check instead of six. NULL for
 * everything else, which then takes the general path.
 */
static __always_inline struct tcphdr *parse_plain(emptcp_context *ctx, struct emptcp_packet *packet, bool ingress,
						  __u32 link_header, __u32 *offset, __u32 *ip_end)
{
	struct iphdr *ip = emptcp_at(ctx, link_header, sizeof(*ip) + sizeof(struct tcphdr));

	if (!ip || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_TCP || !ip->tot_len ||
	    ip->frag_off & bpf_htons(IP_FRAGMENT_BITS))
		return NULL;
	if (link_header) {
		struct ethhdr *ethernet = emptcp_at(ctx, 0, sizeof(*ethernet));

		if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP))
			return NULL;
	}
	packet->ip_offset = link_header;
	fill_ip(packet, ip, ingress);
	*ip_end = link_header + bpf_ntohs(ip->tot_len);
	*offset = link_header + sizeof(*ip);
	return (void *)(ip + 1);
}

/*
 * All but the options. `link_header` is 14 for Ethernet, 0 for raw IP devices. The key is written from the point of
 * view of the device: at ingress the sender is the remote side. Both are constants of the entry program.
 */
static __always_inline enum parse_result parse_headers(emptcp_context *ctx, struct emptcp_packet *packet, bool ingress,
						       __u32 link_header)
{
	__u32 offset = link_header, ip_end = 0, end, types;
	enum parse_result result;
	struct tcphdr *tcp;
	__be16 protocol;

	tcp = parse_plain(ctx, packet, ingress, link_header, &offset, &ip_end);
	if (emptcp_likely(tcp))
		goto found;
	if (link_header) {
		struct ethhdr *ethernet = emptcp_at(ctx, 0, sizeof(*ethernet));

		if (!ethernet)
			return PARSE_SHORT;
		protocol = ethernet->h_proto;
		for (int i = 0; i < MAX_VLAN_TAGS; i++) {
			struct vlan_header *vlan;

			if (emptcp_likely(protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD)))
				break;
			vlan = emptcp_at(ctx, offset, sizeof(*vlan));
			if (!vlan)
				return PARSE_SHORT;
			protocol = vlan->protocol;
			offset += sizeof(*vlan);
		}
	} else {
		__u8 *first = emptcp_at(ctx, 0, 1);

		if (!first)
			return PARSE_SHORT;
		protocol = *first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	}
	result = parse_ip(ctx, packet, protocol, ingress, &offset, &ip_end);
	if (result != PARSE_TCP)
		return result;
	tcp = emptcp_at(ctx, offset, sizeof(*tcp));
	if (!tcp)
		return PARSE_SHORT;
found:
	packet->tcp_offset = offset;
	packet->tcp_length = tcp->doff * 4;
	end = offset + tcp->doff * 4;
	if (tcp->doff < 5 || end > ip_end || ip_end > emptcp_packet_length(ctx))
		return PARSE_MALFORMED;
	if (!emptcp_at(ctx, end, 0))
		return PARSE_SHORT;
	packet->payload_length = ip_end - end;
	packet->key.local_port = ingress ? tcp->dest : tcp->source;
	packet->key.remote_port = ingress ? tcp->source : tcp->dest;
	packet->sequence = bpf_ntohl(tcp->seq);
	packet->acknowledgement = bpf_ntohl(tcp->ack_seq);
	packet->window = bpf_ntohs(tcp->window);
	packet->dss_offset = 0;
	packet->dss_flags = 0;
	packet->sack_offset = 0;
	types = tcp->ack ? EMPTCP_ACK : 0;
	if (tcp->syn)
		types |= tcp->ack ? EMPTCP_SYNACK : EMPTCP_SYN;
	if (tcp->fin)
		types |= EMPTCP_FIN;
	if (tcp->rst)
		types |= EMPTCP_RST;
	if (tcp->psh)
		types |= EMPTCP_PSH;
	if (packet->payload_length)
		types |= EMPTCP_DATA;
	else if ((types & ~EMPTCP_PSH) == EMPTCP_ACK)
		types |= EMPTCP_PURE_ACK;
	packet->types = types;
	return PARSE_TCP;
}

#endif
