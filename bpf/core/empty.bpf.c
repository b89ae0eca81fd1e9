/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program that does nothing: the baseline of the bench. */
#include <emptcp/kernel.h>

EMPTCP_SECTION int emptcp_empty(emptcp_context *ctx)
{
	(void)ctx;
	return EMPTCP_VERDICT_PASS;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
