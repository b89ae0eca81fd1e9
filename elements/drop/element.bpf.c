/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops the packet. */
#include <emptcp/element.h>

COUNTERS(dropped);

ACTOR(drop)
{
	emptcp_count(packet, dropped);
	return EMPTCP_DROP;
}
