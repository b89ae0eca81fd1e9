/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a segment in addition to the current packet: a reset to the packet's sender, as a copy of it. At tc only: XDP
 * cannot copy a packet.
 */
#ifndef EMPTCP_SEND_H
#define EMPTCP_SEND_H

#include "replace.h"

#if defined(EMPTCP_HOOK_TC)
enum emptcp_sent {
	EMPTCP_SEND_REFUSED, /* nothing was sent, every byte is unchanged: no reset, or a copy is already being sent */
	EMPTCP_SEND_DONE,
	EMPTCP_SEND_FAILED, /* the kernel did not send it; every byte is unchanged */
	EMPTCP_SEND_BROKEN, /* the packet is invalid: drop it */
};

/*
 * Sends a copy of this packet, which emptcp_replace() has made a reset, back to the packet's sender: with the two ends
 * exchanged, by the device where the packet is. At ingress the copy leaves the device; at egress it enters the device.
 * `hops` is its hop limit (TTL). Afterwards every byte of the packet is unchanged.
 *
 * A copy that leaves runs through the programs at this device's egress before the call returns. The core lets it pass
 * there: it is not counted and no policy sees it, because it would overwrite the data about the current packet. For the
 * same reason nothing is sent while a copy is being sent. A copy that enters is a separate packet, later.
 *
 * Pointers into the packet are void after the call.
 */
static __always_inline enum emptcp_sent emptcp_send_reset_back(emptcp_context *ctx, const struct emptcp_packet *packet,
							       __u8 hops)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	long error;

	if (!scratch || scratch->busy || !(packet->types & EMPTCP_RST) || !emptcp_turn_round(ctx, packet, &hops))
		return EMPTCP_SEND_REFUSED;
	scratch->busy = 1;
	error = bpf_clone_redirect(ctx, packet->ifindex, packet->direction == EMPTCP_INGRESS ? 0 : BPF_F_INGRESS);
	scratch->busy = 0;
	if (!emptcp_turn_round(ctx, packet, &hops))
		return EMPTCP_SEND_BROKEN;
	return error ? EMPTCP_SEND_FAILED : EMPTCP_SEND_DONE;
}
#endif

#endif
