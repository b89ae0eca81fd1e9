/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address id that one side gave its end of the subflow (MP_JOIN; 0 for the initial subflow). */
#include <emptcp/element.h>
#include <emptcp/compare.h>

struct arguments {
	__u32 side;
	__u32 compare;
	__u64 value;
};
ARGUMENTS;
COUNTERS(unknown);

SELECTOR(address_id)
{
	if (!(packet->flow.flags & EMPTCP_FLOW_ADDRESS_IDS)) {
		emptcp_count(packet, unknown);
		return false;
	}
	return emptcp_compare(packet->flow.address_id[arguments.side & 1], arguments.compare, arguments.value);
}
