/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet in n, at random, so that no pattern in the traffic can coincide with it. */
#include <emptcp/element.h>

struct arguments {
	__u32 n;
};
ARGUMENTS;

SELECTOR(sample)
{
	return arguments.n < 2 || bpf_get_prandom_u32() % arguments.n == 0;
}
