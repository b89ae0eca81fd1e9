/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address id that ADD_ADDR names. */
#include <emptcp/element.h>
#include <emptcp/announcement.h>
#include <emptcp/compare.h>

struct arguments {
	__u32 compare;
	__u64 value;
};
ARGUMENTS;

SELECTOR(add_addr_id)
{
	struct emptcp_add_addr announced;

	return emptcp_add_addr(ctx, &announced) && emptcp_compare(announced.id, arguments.compare, arguments.value);
}
