/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Data sequence numbers (dsn) or subflow sequence numbers (ssn) in a range: true if some byte of the segment is in it.
 * Relative numbers count bytes: 0 is the first byte of data, which has IDSN + 1 (RFC 8684 section 3.1) or ISN + 1.
 */
#include <emptcp/element.h>

#define SEQUENCE_SPACE (1ull << 32)

enum space { SPACE_DSN, SPACE_SSN };

struct arguments {
	__u64 range[2];
	__u32 space;
	__u8 relative;
};
ARGUMENTS;
COUNTERS(start_unknown);

static __always_inline bool overlaps(__u64 first, __u64 length)
{
	return first < arguments.range[1] && first + length > arguments.range[0];
}

SELECTOR(sequence)
{
	__u32 start;

	if (arguments.space == SPACE_DSN) {
		if (!(packet->types & EMPTCP_MAPPED))
			return false;
		if (!arguments.relative)
			return overlaps(packet->dsn, packet->data_level_length);
		if (!packet->flow.idsn) {
			emptcp_count(packet, start_unknown);
			return false;
		}
		return overlaps(packet->dsn - packet->flow.idsn - 1, packet->data_level_length);
	}
	if (!packet->payload_length)
		return false;
	/* The SYN flag takes a number of its own, before the data that the segment may carry (RFC 7413). */
	start = packet->sequence + !!(packet->types & (EMPTCP_SYN | EMPTCP_SYNACK));
	if (!arguments.relative) {
		__u64 first = start;

		/* A segment that wraps round has numbers below 2^32 and numbers from 0 on. */
		return overlaps(first, packet->payload_length) ||
		       (first + packet->payload_length > SEQUENCE_SPACE &&
			arguments.range[0] < first + packet->payload_length - SEQUENCE_SPACE);
	}
	if (!packet->flow.isn_known) {
		emptcp_count(packet, start_unknown);
		return false;
	}
	return overlaps((__u32)(start - packet->flow.isn - 1), packet->payload_length);
}
