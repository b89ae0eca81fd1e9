/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 or IPv6. */
#include <emptcp/element.h>

struct arguments {
	__u32 version;
};
ARGUMENTS;

SELECTOR(ip_version)
{
	return packet->ip_version == arguments.version;
}
