/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* B in the MP_JOIN of a SYN or SYN-ACK: the sender requests that the subflow be backup. */
#include <emptcp/element.h>
#include <emptcp/announcement.h>

struct arguments {
	__u8 backup;
};
ARGUMENTS;

SELECTOR(join_backup)
{
	struct emptcp_join join;

	return emptcp_join(ctx, packet, &join) && join.backup == !!arguments.backup;
}
