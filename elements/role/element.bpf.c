/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The role of the subflow in its connection: opened by MP_CAPABLE, by MP_JOIN, or requested as backup by either side.
 */
#include <emptcp/element.h>

enum role { ROLE_INITIAL, ROLE_JOINED, ROLE_BACKUP };

struct arguments {
	__u32 role;
};
ARGUMENTS;
COUNTERS(role_unknown);

SELECTOR(role)
{
	__u16 flags = packet->flow.flags;

	if (arguments.role == ROLE_BACKUP && flags & (EMPTCP_FLOW_BACKUP_LOCAL | EMPTCP_FLOW_BACKUP_REMOTE))
		return true;
	if (!(flags & (EMPTCP_FLOW_INITIAL | EMPTCP_FLOW_JOINED))) {
		emptcp_count(packet, role_unknown);
		return false;
	}
	if (arguments.role == ROLE_INITIAL)
		return flags & EMPTCP_FLOW_INITIAL;
	return arguments.role == ROLE_JOINED && flags & EMPTCP_FLOW_JOINED;
}
