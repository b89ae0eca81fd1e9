/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address id in the MP_JOIN of a SYN or SYN-ACK. */
#include <emptcp/element.h>
#include <emptcp/announcement.h>
#include <emptcp/compare.h>

struct arguments {
	__u32 compare;
	__u64 value;
};
ARGUMENTS;

SELECTOR(join_id)
{
	struct emptcp_join join;

	return emptcp_join(ctx, packet, &join) && emptcp_compare(join.address_id, arguments.compare, arguments.value);
}
