/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Matches packets with more payload than `bytes`. Change it into yours: emptcp element build DIR. */
#include <emptcp/element.h>

struct arguments {
	__u64 bytes;
};
ARGUMENTS;
COUNTERS(large);

SELECTOR(large_packet)
{
	if (packet->payload_length <= arguments.bytes)
		return false;
	emptcp_count(packet, large);
	return true;
}
