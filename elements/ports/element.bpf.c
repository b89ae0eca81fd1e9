/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A port of the packet lies in a range. */
#include <emptcp/element.h>

enum side { SIDE_SOURCE, SIDE_DESTINATION, SIDE_EITHER };

struct arguments {
	__u32 side;
	__u16 ports[2];
};
ARGUMENTS;

static __always_inline bool in_range(__u16 port)
{
	return port >= arguments.ports[0] && port <= arguments.ports[1];
}

SELECTOR(ports)
{
	if (arguments.side != SIDE_DESTINATION && in_range(emptcp_source_port(packet)))
		return true;
	return arguments.side != SIDE_SOURCE && in_range(emptcp_destination_port(packet));
}
