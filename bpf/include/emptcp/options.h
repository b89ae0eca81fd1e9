/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks the option list of the TCP header. The walk always ends at doff: a length that points past it ends the walk, so
 * that payload is never taken for an option.
 */
#ifndef EMPTCP_OPTIONS_H
#define EMPTCP_OPTIONS_H

#include "maps.h"

/* Option kinds (IANA) and MPTCP subtypes (RFC 8684 section 7.1). */
enum {
	EMPTCP_KIND_END = 0,
	EMPTCP_KIND_NOP = 1,
	EMPTCP_KIND_WINDOW_SCALE = 3,
	EMPTCP_KIND_SACK = 5,
	EMPTCP_KIND_TIMESTAMPS = 8,
	EMPTCP_KIND_MPTCP = 30,
};
enum {
	EMPTCP_SUBTYPE_MP_CAPABLE = 0,
	EMPTCP_SUBTYPE_MP_JOIN = 1,
	EMPTCP_SUBTYPE_DSS = 2,
	EMPTCP_SUBTYPE_ADD_ADDR = 3,
	EMPTCP_SUBTYPE_REMOVE_ADDR = 4,
	EMPTCP_SUBTYPE_MP_PRIO = 5,
	EMPTCP_SUBTYPE_MP_FAIL = 6,
	EMPTCP_SUBTYPE_MP_FASTCLOSE = 7,
	EMPTCP_SUBTYPE_MP_TCPRST = 8,
};

#define EMPTCP_OPTIONS_MAX 40 /* bytes of options, hence also the most options that there can be */

/* An option: its offset in the packet, and its length. offset 0: none. */
struct emptcp_option {
	__u16 offset;
	__u8 length;
	__u8 subtype; /* of kind 30 */
};

struct emptcp_option_walk {
	__u32 offset; /* of the next option */
	__u32 end;    /* first byte after the header */
};

static __always_inline void emptcp_options_begin(const struct emptcp_packet *packet, struct emptcp_option_walk *walk)
{
	walk->offset = packet->tcp_offset + sizeof(struct tcphdr);
	walk->end = packet->tcp_offset + packet->tcp_length;
}

enum emptcp_walk_step {
	EMPTCP_WALK_END,     /* no more options */
	EMPTCP_WALK_PADDING, /* a NOP: step again */
	EMPTCP_WALK_OPTION,  /* kind and length are set */
	EMPTCP_WALK_BROKEN,  /* the list does not parse from here on */
};

/* One step. On EMPTCP_WALK_OPTION the option's bytes lie at [at, at + length), inside the header. */
static __always_inline enum emptcp_walk_step emptcp_options_step(emptcp_context *ctx, struct emptcp_option_walk *walk,
								 __u32 *at, __u8 *kind, __u8 *length)
{
	__u32 offset = walk->offset & EMPTCP_OFFSET_MASK;
	__u8 *option;

	if (offset >= walk->end)
		return EMPTCP_WALK_END;
	option = emptcp_at(ctx, offset, 1);
	if (!option)
		return EMPTCP_WALK_BROKEN;
	*kind = option[0];
	if (*kind == EMPTCP_KIND_END)
		return EMPTCP_WALK_END;
	if (*kind == EMPTCP_KIND_NOP) {
		walk->offset = offset + 1;
		return EMPTCP_WALK_PADDING;
	}
	option = emptcp_at(ctx, offset, 2);
	if (!option || offset + 2 > walk->end)
		return EMPTCP_WALK_BROKEN;
	*length = option[1];
	if (*length < 2 || offset + *length > walk->end)
		return EMPTCP_WALK_BROKEN;
	*at = offset;
	walk->offset = offset + *length;
	return EMPTCP_WALK_OPTION;
}

/*
 * Offset (low 16 bits) and length (next 8) of the first option of `kind` and, for MPTCP, `subtype`; 0: none. A global
 * function: the verifier checks its loop once, not again for each path to a call.
 */
__noinline __u32 emptcp_search_options(emptcp_context *ctx, __u32 wanted, __u32 subtype)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();
	struct emptcp_option_walk walk;

	if (!scratch || !ctx)
		return 0;
	emptcp_options_begin(&scratch->packet, &walk);
	for (int i = 0; i < EMPTCP_OPTIONS_MAX; i++) {
		enum emptcp_walk_step step;
		__u8 kind, length = 0;
		__u8 *bytes;
		__u32 at = 0;

		step = emptcp_options_step(ctx, &walk, &at, &kind, &length);
		if (step == EMPTCP_WALK_PADDING)
			continue;
		if (step != EMPTCP_WALK_OPTION)
			return 0;
		if (kind != wanted || length < 3)
			continue;
		bytes = emptcp_at(ctx, at, 3);
		if (!bytes)
			return 0;
		if (kind != EMPTCP_KIND_MPTCP || bytes[2] >> 4 == subtype)
			return at | (__u32)length << 16;
	}
	return 0;
}

static __always_inline struct emptcp_option emptcp_find_kind(emptcp_context *ctx, __u8 kind, __u8 subtype)
{
	__u32 found = emptcp_search_options(ctx, kind, subtype);
	struct emptcp_option option = {.offset = found, .length = found >> 16, .subtype = subtype};

	return option;
}

/* The first MPTCP option of `subtype`; offset 0 when there is none. */
static __always_inline struct emptcp_option emptcp_find(emptcp_context *ctx, __u8 subtype)
{
	return emptcp_find_kind(ctx, EMPTCP_KIND_MPTCP, subtype);
}

#endif
