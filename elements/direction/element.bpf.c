/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ingress or egress of the device; the order of the choice is that of enum emptcp_direction. */
#include <emptcp/element.h>

struct arguments {
	__u32 direction;
};
ARGUMENTS;

SELECTOR(direction)
{
	return packet->direction == arguments.direction;
}
