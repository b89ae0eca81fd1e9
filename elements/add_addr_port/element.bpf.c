/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The port that ADD_ADDR names lies in a range, or outside of it. */
#include <emptcp/element.h>
#include <emptcp/announcement.h>

struct arguments {
	__u16 ports[2];
	__u8 inside;
};
ARGUMENTS;

SELECTOR(add_addr_port)
{
	struct emptcp_add_addr announced;

	if (!emptcp_add_addr(ctx, &announced) || !announced.has_port)
		return false;
	return (announced.port >= arguments.ports[0] && announced.port <= arguments.ports[1]) == !!arguments.inside;
}
