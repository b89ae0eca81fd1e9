/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The jump from the end of one policy's chain to the head of the next policy that matches the flow. */
#include "dispatch.h"

EMPTCP_SECTION int emptcp_next_policy(emptcp_context *ctx)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();

	if (!scratch)
		return EMPTCP_VERDICT_PASS;
	if (scratch->packet.pending)
		dispatch(ctx, &scratch->packet, scratch->packet.pending);
	scratch->core[EMPTCP_CORE_CHAIN_BROKEN]++;
	return EMPTCP_VERDICT_PASS;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
