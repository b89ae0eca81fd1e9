/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the subflow is to its connection: opened by MP_CAPABLE, by MP_JOIN, or asked by either side to be backup. */
#include <emptcp/element.h>

enum role { ROLE_INITIAL, ROLE_JOINED, ROLE_BACKUP };

struct arguments {
	__u32 role;
};
ARGUMENTS;

SELECTOR(role)
{
	__u16 flags = packet->flow.flags;

	if (arguments.role == ROLE_INITIAL)
		return flags & EMPTCP_FLOW_INITIAL;
	if (arguments.role == ROLE_JOINED)
		return flags & EMPTCP_FLOW_JOINED;
	return flags & (EMPTCP_FLOW_BACKUP_LOCAL | EMPTCP_FLOW_BACKUP_REMOTE);
}
