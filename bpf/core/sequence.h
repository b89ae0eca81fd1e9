/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sequence numbers of a side were seen: everything from `base` to `contiguous`, and at most EMPTCP_RANGES ranges
 * above. So a retransmission is distinguished from the filling of a gap, in bounded memory.
 */
#ifndef EMPTCP_CORE_SEQUENCE_H
#define EMPTCP_CORE_SEQUENCE_H

#include "flow_table.h"

#define SEQUENCE_UNCERTAIN (1ull << 32)

static __always_inline __u32 lesser(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static __always_inline __u32 greater(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

/* Bytes that [a, a_end) and [b, b_end) share. */
static __always_inline __u32 shared(__u32 a, __u32 a_end, __u32 b, __u32 b_end)
{
	__u32 begin = greater(a, b), end = lesser(a_end, b_end);

	return end > begin ? end - begin : 0;
}

/*
 * Adds [begin, end). Returns how many of its bytes were seen before, with SEQUENCE_UNCERTAIN if that is unknown. In the
 * function all numbers count from `base`, so that they compare without wrapping round. Global, so that the verifier
 * checks its many paths once, not again for each path to here; so it finds the record itself.
 */
__noinline __u64 emptcp_sequence_add(__u32 begin, __u32 end, __u32 half_open)
{
	__u32 base, contiguous, count = 0, below = 0, seen;
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_sender *sender;
	struct emptcp_flow *flow;
	__u64 uncertain = 0;

	if (!scratch)
		return 0;
	flow = half_open ? bpf_map_lookup_elem(&emptcp_half_open, &scratch->packet.key) :
			   flow_at(scratch->packet.flow_slot);
	if (!flow)
		return 0;
	sender = &flow->sender[scratch->packet.direction == EMPTCP_INGRESS];
	if (sender->bytes > EMPTCP_WINDOW_LARGEST)
		sender->base = sender->contiguous - EMPTCP_WINDOW_LARGEST;
	if (emptcp_before(begin, sender->base)) {
		uncertain = SEQUENCE_UNCERTAIN;
		below = sender->base - begin;
		sender->base = begin;
	}
	base = sender->base;
	begin -= base;
	end -= base;
	contiguous = sender->contiguous - base;
	seen = shared(begin, end, below, contiguous);
#pragma unroll
	for (__u32 i = 0; i < EMPTCP_RANGES; i++)
		if (i < sender->range_count)
			seen += shared(begin, end, sender->ranges[i].begin - base, sender->ranges[i].end - base);
	if (begin <= contiguous) {
		contiguous = greater(contiguous, end);
		begin = 0;
		end = contiguous;
	}
	/* Ranges that touch the new range become part of it. */
#pragma unroll
	for (__u32 i = 0; i < EMPTCP_RANGES; i++) {
		__u32 range_begin = sender->ranges[i].begin - base, range_end = sender->ranges[i].end - base;

		if (i >= sender->range_count)
			continue;
		if (range_begin <= end && range_end >= begin) {
			begin = lesser(begin, range_begin);
			end = greater(end, range_end);
		} else {
			sender->ranges[count & (EMPTCP_RANGES - 1)] = sender->ranges[i];
			count++;
		}
	}
	if (begin <= contiguous) {
		sender->contiguous = base + end;
	} else if (count < EMPTCP_RANGES) {
		__u32 place = 0;

#pragma unroll
		for (__u32 i = 0; i < EMPTCP_RANGES; i++)
			place += i < count && sender->ranges[i].begin - base < begin;
#pragma unroll
		for (__u32 i = EMPTCP_RANGES - 1; i > 0; i--)
			if (i > place && i <= count)
				sender->ranges[i] = sender->ranges[i - 1];
		place &= EMPTCP_RANGES - 1;
		sender->ranges[place].begin = base + begin;
		sender->ranges[place].end = base + end;
		count++;
	} else {
		uncertain = SEQUENCE_UNCERTAIN;
	}
	sender->range_count = count;
	return uncertain | seen;
}

#endif
