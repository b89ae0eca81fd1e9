/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets the firewall mark, the priority (which classful qdiscs take for a class id) or the DSCP. */
#include <emptcp/element.h>
#include <emptcp/edit.h>

#define LEAVE_DSCP 64

struct arguments {
	__u32 fwmark;
	__u32 priority;
	__u32 dscp;
};
ARGUMENTS;
COUNTERS(marked, failed);

ACTOR(mark)
{
	/* Steps that can fail come first: the packet gets all changes or none. */
	if (arguments.dscp < LEAVE_DSCP && !emptcp_set_dscp(ctx, packet, arguments.dscp)) {
		emptcp_count(packet, failed);
		return EMPTCP_CONTINUE;
	}
	if (arguments.fwmark)
		ctx->mark = arguments.fwmark;
	if (arguments.priority)
		ctx->priority = arguments.priority;
	emptcp_count(packet, marked);
	return EMPTCP_CONTINUE;
}
