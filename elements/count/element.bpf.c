/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what reaches it: `emptcp stats` shows it. */
#include <emptcp/element.h>

COUNTERS(counted);

ACTOR(count)
{
	emptcp_count(packet, counted);
	return EMPTCP_CONTINUE;
}
