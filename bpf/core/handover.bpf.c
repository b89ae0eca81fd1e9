/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attached to devices while a new instance replaces one whose tables it cannot read. Until the new instance's first
 * policy set is in force it jumps to the former instance's entry program, from then on to the new one. So one store
 * switches all devices.
 */
#include "tables.h"

struct emptcp_handover_config {
	__u32 slot; /* of the former entry program; the new one is in the next slot */
	__u32 reserved;
};
const volatile struct emptcp_handover_config emptcp_handover_config SEC(".rodata") = {EMPTCP_SLOT_FIRST_ELEMENT};

EMPTCP_SECTION int emptcp_handover(emptcp_context *ctx)
{
	__u32 zero = 0, slot = emptcp_handover_config.slot;
	__u64 *control;

	control = bpf_map_lookup_elem(&emptcp_control, &zero);
	if (control)
		bpf_tail_call(ctx, &emptcp_chain, slot + (*(volatile __u64 *)control != 0));
	return EMPTCP_VERDICT_PASS;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
