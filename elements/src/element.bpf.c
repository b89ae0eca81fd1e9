/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sender's address lies in a prefix. */
#include <emptcp/element.h>

struct arguments {
	struct emptcp_prefix prefix;
};
ARGUMENTS;

SELECTOR(src)
{
	return emptcp_prefix_matches(emptcp_source(packet), arguments.prefix.address, arguments.prefix.length);
}
