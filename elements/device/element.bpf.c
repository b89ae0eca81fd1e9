/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The device that the packet passes. */
#include <emptcp/element.h>

struct arguments {
	__u32 device;
};
ARGUMENTS;

SELECTOR(device)
{
	return packet->ifindex == arguments.device;
}
