/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps ADD_ADDR from the receiver by dropping the pure ACK that carries it: overwriting the option with NOPs makes
 * Linux fall back to plain TCP when it was the first packet after the handshake. The sender repeats an address that was
 * not echoed, so it arrives when the policy, or its condition, ends. Echoes are not changed.
 */
#include <emptcp/element.h>

COUNTERS(held, not_alone);

ACTOR(hold_add_addr)
{
	if (!(packet->types & EMPTCP_ADD_ADDR))
		return EMPTCP_CONTINUE;
	/* With data, or with another signal, more than the address would be lost. */
	if (!(packet->types & EMPTCP_PURE_ACK) ||
	    packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN | EMPTCP_MP_FAIL | EMPTCP_MP_FASTCLOSE)) {
		emptcp_count_event(packet, not_alone);
		return EMPTCP_CONTINUE;
	}
	emptcp_count_event(packet, held);
	return EMPTCP_DROP;
}
