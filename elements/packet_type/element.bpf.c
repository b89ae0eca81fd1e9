/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the segment is and which options it carries: any of the types asked for. */
#include <emptcp/element.h>

struct arguments {
	__u32 types;
};
ARGUMENTS;

SELECTOR(packet_type)
{
	return packet->types & arguments.types;
}
