/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ends a subflow by a reset to both ends; the connection goes on over its other subflows. The packet itself becomes the
 * reset for its receiver: its sequence number is what that end waits for, and what it acknowledges is what its sender
 * waits for (RFC 9293 section 3.10.7.4, RFC 5961 section 3.2), so the same packet turned round resets the sender.
 */
#include <emptcp/element.h>
#include <emptcp/edit.h>

#define ATTEMPTS 8 /* a reset may be lost; after this many the subflow is not ours to end */
#define FLAGS_OFFSET 13
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

COUNTERS(reset_sent, failed);
STATE(state_attempts, __u32);

/* Sequence and acknowledgement number and the flags: bytes 4..13 of the TCP header. */
static __always_inline bool make_reset(emptcp_context *ctx, struct emptcp_packet *packet, __be32 sequence,
				       __be32 acknowledgement)
{
	struct tcphdr *tcp = emptcp_tcp(ctx, packet);
	__u8 bytes[10];

	if (!tcp)
		return false;
	__builtin_memcpy(bytes, &sequence, 4);
	__builtin_memcpy(bytes + 4, &acknowledgement, 4);
	bytes[8] = ((__u8 *)tcp)[12];
	bytes[9] = FLAG_RST | FLAG_ACK;
	return emptcp_overwrite(ctx, packet, packet->tcp_offset + 4, bytes, sizeof(bytes));
}

/* Exchanges the two ends in all three headers: sums stay what they were. */
static __always_inline bool turn_round(emptcp_context *ctx, const struct emptcp_packet *packet)
{
	struct ethhdr *ethernet;
	struct tcphdr *tcp;
	__be16 port;
	__u8 mac[6];

	if (packet->ip_offset) {
		ethernet = emptcp_at(ctx, 0, sizeof(*ethernet));
		if (!ethernet)
			return false;
		__builtin_memcpy(mac, ethernet->h_source, 6);
		__builtin_memcpy(ethernet->h_source, ethernet->h_dest, 6);
		__builtin_memcpy(ethernet->h_dest, mac, 6);
	}
	if (packet->ip_version == 4) {
		struct iphdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		__be32 address;

		if (!ip)
			return false;
		address = ip->saddr;
		ip->saddr = ip->daddr;
		ip->daddr = address;
	} else {
		struct ipv6hdr *ip = emptcp_at(ctx, packet->ip_offset, sizeof(*ip));
		struct in6_addr address;

		if (!ip)
			return false;
		address = ip->saddr;
		ip->saddr = ip->daddr;
		ip->daddr = address;
	}
	tcp = emptcp_tcp(ctx, packet);
	if (!tcp)
		return false;
	port = tcp->source;
	tcp->source = tcp->dest;
	tcp->dest = port;
	return true;
}

#if defined(EMPTCP_HOOK_TC)
static __always_inline bool send_turned(emptcp_context *ctx, struct emptcp_packet *packet)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	long error;

	if (!scratch || !turn_round(ctx, packet))
		return false;
	/* At ingress the copy leaves at once, through this device's own egress programs: they must not see it, for
	 * they would overwrite what is known about this packet. */
	scratch->busy = 1;
	error = bpf_clone_redirect(ctx, packet->ifindex, packet->direction == EMPTCP_INGRESS ? 0 : BPF_F_INGRESS);
	scratch->busy = 0;
	return turn_round(ctx, packet) && !error;
}
#endif

ACTOR(reset)
{
	__be32 sequence = bpf_htonl(packet->sequence), acknowledgement = bpf_htonl(packet->acknowledgement);
	const __u32 none = 0;
	__u32 *attempts;

	if (!(packet->types & EMPTCP_ACK) || packet->types & (EMPTCP_SYNACK | EMPTCP_RST) ||
	    packet->flow.state < EMPTCP_FLOW_ESTABLISHED || !emptcp_checksum_ready(ctx, packet))
		return EMPTCP_CONTINUE;
	attempts = emptcp_state(&state_attempts, packet->flow_id, &none);
	if (!attempts || *attempts >= ATTEMPTS)
		return EMPTCP_CONTINUE;
	(*attempts)++;
#if defined(EMPTCP_HOOK_TC)
	if (!make_reset(ctx, packet, acknowledgement, sequence) || !send_turned(ctx, packet) ||
	    !make_reset(ctx, packet, sequence, acknowledgement)) {
		emptcp_count(packet, failed);
		return EMPTCP_CONTINUE;
	}
#else
	/* XDP cannot copy: packets in turn become the reset for this side and, sent back, for the other. */
	if (*attempts & 1) {
		if (!make_reset(ctx, packet, sequence, acknowledgement)) {
			emptcp_count(packet, failed);
			return EMPTCP_CONTINUE;
		}
	} else {
		if (!make_reset(ctx, packet, acknowledgement, sequence) || !turn_round(ctx, packet)) {
			emptcp_count(packet, failed);
			return EMPTCP_CONTINUE;
		}
		emptcp_count(packet, reset_sent);
		return EMPTCP_REFLECT;
	}
#endif
	packet->types |= EMPTCP_RST;
	emptcp_count(packet, reset_sent);
	return EMPTCP_CONTINUE;
}
