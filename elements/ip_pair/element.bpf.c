/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sender in one prefix, receiver in another: the eMPTCP paper's ip_pair, with prefixes. */
#include <emptcp/element.h>

struct arguments {
	struct emptcp_prefix source;
	struct emptcp_prefix destination;
};
ARGUMENTS;

SELECTOR(ip_pair)
{
	return emptcp_prefix_matches(emptcp_source(packet), arguments.source.address, arguments.source.length) &&
	       emptcp_prefix_matches(emptcp_destination(packet), arguments.destination.address,
				     arguments.destination.length);
}
