/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All subflows of one connection, named by the token of either host. */
#include <emptcp/element.h>

struct arguments {
	__u32 token;
};
ARGUMENTS;
COUNTERS(token_unknown);

SELECTOR(connection)
{
	if (!arguments.token)
		return false; /* 0 stands for unknown */
	if (!packet->flow.local_token && !packet->flow.remote_token)
		emptcp_count(packet, token_unknown);
	return packet->flow.local_token == arguments.token || packet->flow.remote_token == arguments.token;
}
