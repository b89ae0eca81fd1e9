/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Comparisons as an argument: type = "choice", values = ["lt", "le", "gt", "ge", "eq", "ne"]. */
#ifndef EMPTCP_COMPARE_H
#define EMPTCP_COMPARE_H

#include "kernel.h"

enum emptcp_comparison {
	EMPTCP_LESS,
	EMPTCP_LESS_OR_EQUAL,
	EMPTCP_GREATER,
	EMPTCP_GREATER_OR_EQUAL,
	EMPTCP_EQUAL,
	EMPTCP_NOT_EQUAL,
};

static __always_inline bool emptcp_compare(__u64 figure, __u32 comparison, __u64 value)
{
	switch (comparison) {
	case EMPTCP_LESS:
		return figure < value;
	case EMPTCP_LESS_OR_EQUAL:
		return figure <= value;
	case EMPTCP_GREATER:
		return figure > value;
	case EMPTCP_GREATER_OR_EQUAL:
		return figure >= value;
	case EMPTCP_EQUAL:
		return figure == value;
	}
	return figure != value;
}

#endif
