/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What ADD_ADDR and the handshake's MP_JOIN say about addresses: ids, address, port, B. */
#ifndef EMPTCP_ANNOUNCEMENT_H
#define EMPTCP_ANNOUNCEMENT_H

#include "address.h"
#include "options.h"

/* An ADD_ADDR, announcement or echo. */
struct emptcp_add_addr {
	__be32 address[4]; /* IPv4: mapped */
	__u16 port;        /* host order; void without has_port */
	__u8 id;
	__u8 has_port;
};

/*
 * Reads the packet's first ADD_ADDR; false if there is none, or none that either version defines. The length shows
 * which parts are present: 4 bytes before the address, 2 for a port, 8 for the HMAC of an announcement of version 1
 * (RFC 8684 section 3.4.1). Without HMAC the option is an echo, or of version 0, which has the IP version in its third
 * byte (RFC 6824 section 3.4.1).
 */
static __always_inline bool emptcp_add_addr(emptcp_context *ctx, struct emptcp_add_addr *found)
{
	struct emptcp_option option = emptcp_find(ctx, EMPTCP_SUBTYPE_ADD_ADDR);
	__u8 length = option.length;
	__u8 *bytes, *port;
	bool v6, echo;

	if (!option.offset)
		return false;
	bytes = emptcp_at(ctx, option.offset, 8);
	if (!bytes)
		return false;
	echo = bytes[2] & 1;
	v6 = length >= 20;
	switch (length) {
	case 8:
	case 10:
		if (!echo && (bytes[2] & 0xf) != 4)
			return false;
		break;
	case 20:
	case 22:
		if (!echo && (bytes[2] & 0xf) != 6)
			return false;
		break;
	case 16:
	case 18:
	case 28:
	case 30:
		if (echo)
			return false;
		break;
	default:
		return false;
	}
	found->id = bytes[3];
	found->has_port = !!(length & 2);
	found->port = 0;
	if (v6) {
		bytes = emptcp_at(ctx, option.offset, 20);
		if (!bytes)
			return false;
		__builtin_memcpy(found->address, bytes + 4, 16);
	} else {
		found->address[0] = 0;
		found->address[1] = 0;
		found->address[2] = bpf_htonl(0xffff);
		__builtin_memcpy(&found->address[3], bytes + 4, 4);
	}
	if (!found->has_port)
		return true;
	port = emptcp_at(ctx, option.offset + (v6 ? 20 : 8), 2);
	if (!port)
		return false;
	found->port = port[0] << 8 | port[1];
	return true;
}

/* What MP_JOIN says in a SYN or SYN-ACK; the third ACK has neither (RFC 8684 section 3.2). */
struct emptcp_join {
	__u8 address_id;
	__u8 backup;
};

/* Reads the MP_JOIN of a SYN or SYN-ACK; false when there is none. */
static __always_inline bool emptcp_join(emptcp_context *ctx, const struct emptcp_packet *packet,
					struct emptcp_join *found)
{
	struct emptcp_option option;
	__u8 length;
	__u8 *bytes;

	if (packet->types & EMPTCP_SYN)
		length = 12;
	else if (packet->types & EMPTCP_SYNACK)
		length = 16;
	else
		return false;
	option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_JOIN);
	if (!option.offset || option.length != length)
		return false;
	bytes = emptcp_at(ctx, option.offset, 4);
	if (!bytes)
		return false;
	found->backup = bytes[2] & 1;
	found->address_id = bytes[3];
	return true;
}

#endif
