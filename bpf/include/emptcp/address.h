/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and ports of a packet, as sender and receiver, and prefixes to compare them with. */
#ifndef EMPTCP_ADDRESS_H
#define EMPTCP_ADDRESS_H

#include "packet.h"

/* An argument of type "prefix": IPv4 is mapped, its length 96 more. */
struct emptcp_prefix {
	__be32 address[4];
	__u32 length; /* 0..128 */
};

static __always_inline bool emptcp_prefix_matches(const __be32 *address, const volatile __be32 *prefix, __u32 length)
{
	for (int word = 0; word < 4; word++) {
		__u32 mask = 0;

		if (length >= 32) {
			mask = 0xffffffff;
			length -= 32;
		} else if (length) {
			mask = 0xffffffff << (32 - length);
			length = 0;
		}
		if ((address[word] ^ prefix[word]) & bpf_htonl(mask))
			return false;
	}
	return true;
}

static __always_inline const __be32 *emptcp_source(const struct emptcp_packet *packet)
{
	return packet->direction == EMPTCP_INGRESS ? packet->key.remote : packet->key.local;
}

static __always_inline const __be32 *emptcp_destination(const struct emptcp_packet *packet)
{
	return packet->direction == EMPTCP_INGRESS ? packet->key.local : packet->key.remote;
}

static __always_inline __u16 emptcp_source_port(const struct emptcp_packet *packet)
{
	return bpf_ntohs(packet->direction == EMPTCP_INGRESS ? packet->key.remote_port : packet->key.local_port);
}

static __always_inline __u16 emptcp_destination_port(const struct emptcp_packet *packet)
{
	return bpf_ntohs(packet->direction == EMPTCP_INGRESS ? packet->key.local_port : packet->key.remote_port);
}

#endif
