/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differentiated services code point (RFC 2474). */
#include <emptcp/element.h>

struct arguments {
	__u32 value;
};
ARGUMENTS;

SELECTOR(dscp)
{
	return packet->dscp == arguments.value;
}
