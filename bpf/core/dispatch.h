/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a flow and its policies to the head of the first chain. */
#ifndef EMPTCP_CORE_DISPATCH_H
#define EMPTCP_CORE_DISPATCH_H

#include "tables.h"

/* Takes policy `number` from the pending ones and jumps to its head in the bank; a constant slot is a direct jump. */
#define DISPATCH_TO(bank, number)                                                                                      \
	if (pending & (1ull << (number))) {                                                                            \
		packet->pending = pending & ~(1ull << (number));                                                       \
		emptcp_jump(ctx, (bank)*EMPTCP_BANK_SLOTS + (number), #bank " " #number);                              \
		return;                                                                                                \
	}

#define DISPATCH_BANK(bank)                                                                                            \
	DISPATCH_TO(bank, 0)                                                                                           \
	DISPATCH_TO(bank, 1)                                                                                           \
	DISPATCH_TO(bank, 2)                                                                                           \
	DISPATCH_TO(bank, 3)                                                                                           \
	DISPATCH_TO(bank, 4)                                                                                           \
	DISPATCH_TO(bank, 5)                                                                                           \
	DISPATCH_TO(bank, 6)                                                                                           \
	DISPATCH_TO(bank, 7)

/* Position of the lowest bit set; `mask` is not 0. BPF has no instruction for it. */
static __always_inline __u32 lowest_bit(__u64 mask)
{
	__u32 position = 0;

	if (!(mask & 0xffffffff)) {
		position += 32;
		mask >>= 32;
	}
	if (!(mask & 0xffff)) {
		position += 16;
		mask >>= 16;
	}
	if (!(mask & 0xff)) {
		position += 8;
		mask >>= 8;
	}
	if (!(mask & 0xf)) {
		position += 4;
		mask >>= 4;
	}
	if (!(mask & 0x3)) {
		position += 2;
		mask >>= 2;
	}
	return position + !(mask & 1);
}

/* Returns only when the slot is empty. */
static __always_inline void dispatch(emptcp_context *ctx, struct emptcp_packet *packet, __u64 pending)
{
	bool second = packet->generation & 1;

	if (pending & 0xff) {
		if (second) {
			DISPATCH_BANK(1)
		} else {
			DISPATCH_BANK(0)
		}
	}
	{
		__u32 number = lowest_bit(pending);

		packet->pending = pending & (pending - 1);
		bpf_tail_call(ctx, &emptcp_chain, second * EMPTCP_BANK_SLOTS + number);
	}
}

#endif
