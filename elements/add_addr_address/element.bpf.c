/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address that ADD_ADDR names lies in a prefix, or outside of it. */
#include <emptcp/element.h>
#include <emptcp/announcement.h>

struct arguments {
	struct emptcp_prefix prefix;
	__u8 inside;
};
ARGUMENTS;

SELECTOR(add_addr_address)
{
	struct emptcp_add_addr announced;

	if (!emptcp_add_addr(ctx, &announced))
		return false;
	return emptcp_prefix_matches(announced.address, arguments.prefix.address, arguments.prefix.length) ==
	       !!arguments.inside;
}
