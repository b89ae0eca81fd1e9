/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The type of the segment and its options: matches any of the requested types. */
#include <emptcp/element.h>

struct arguments {
	__u32 types;
};
ARGUMENTS;

SELECTOR(packet_type)
{
	return packet->types & arguments.types;
}
