/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ends a subflow by a reset to both ends; the connection continues over its other subflows. The packet itself becomes
 * the reset for its receiver, and a reversed copy that for its sender: each with the number that this end expects (RFC
 * 9293 section 3.10.7.4, RFC 5961 section 3.2). A SYN is refused: it becomes the reset for the opener (RFC 9293 section
 * 3.10.7.1).
 *
 * At tc ingress the reset enters the device again, at tc egress its reversed copy does: so the core sees it, ends the
 * record, and policies can report the end. XDP cannot copy: packets alternately become the reset for either end.
 */
#include <emptcp/element.h>
#include <emptcp/record.h>
#include <emptcp/replace.h>
#include <emptcp/send.h>

#define ATTEMPTS 8 /* a reset may be lost; after this many the subflow is not ours to end */
#define HOPS 64    /* of a packet that starts here */

/* RFC 8684 section 3.6: "prohibited by the policies of the sending host" */
#define REASON_PROHIBITED 3

struct arguments {
	__u8 connection;
};
ARGUMENTS;
COUNTERS(reset_sent, failed, one_way, not_established, no_key, checksum_left);
STATE(state_attempts, __u32);

/* The numbers of both ends, before the packet is changed. */
struct numbers {
	__u32 receiver; /* what the packet's receiver expects */
	__u32 sender;
	struct emptcp_flow *flow; /* the record; NULL in a handshake */
};

static __always_inline struct numbers numbers_of(const struct emptcp_packet *packet)
{
	struct numbers numbers = {.receiver = packet->sequence, .sender = packet->acknowledgement};

	if (packet->types & EMPTCP_SYNACK)
		numbers.receiver = packet->sequence + 1;
	if (packet->flow.state < EMPTCP_FLOW_ESTABLISHED)
		return numbers;
	numbers.flow = emptcp_flow_writable(packet);
	if (numbers.flow) {
		numbers.receiver = emptcp_flow_expected(packet, emptcp_flow_sender(packet, numbers.flow));
		numbers.sender = emptcp_flow_awaited(packet, numbers.flow);
	}
	return numbers;
}

/* A reset without options. */
static __always_inline void plain(struct emptcp_segment *segment, __u32 sequence, __u32 acknowledgement)
{
	__builtin_memset(segment, 0, sizeof(*segment));
	segment->sequence = sequence;
	segment->acknowledgement = acknowledgement;
	segment->flags = EMPTCP_FLAG_RST | EMPTCP_FLAG_ACK;
}

/* The options of a reset to `side`: its key where the connection is to end, else the reason (not in version 0). */
static __always_inline void add_options(struct emptcp_segment *segment, const struct emptcp_packet *packet,
					const struct emptcp_keys *keys, __u32 side)
{
	if (keys) {
		segment->options[0] = bpf_htonl(EMPTCP_KIND_MPTCP << 24 | 12 << 16 | EMPTCP_SUBTYPE_MP_FASTCLOSE << 12);
		__builtin_memcpy(&segment->options[1], side == EMPTCP_LOCAL ? keys->key[0] : keys->key[1], 8);
		segment->option_words = 3;
	} else if (packet->mptcp_version) {
		segment->options[0] = bpf_htonl(EMPTCP_KIND_MPTCP << 24 | 4 << 16 | EMPTCP_SUBTYPE_MP_TCPRST << 12 |
						REASON_PROHIBITED);
		segment->option_words = 1;
	}
}

/* A SYN becomes the reset for its sender, and is sent back. */
static __always_inline enum emptcp_verdict refuse(emptcp_context *ctx, struct emptcp_packet *packet)
{
	struct emptcp_segment segment;
	__u8 hops = HOPS;

	plain(&segment, 0, packet->sequence + emptcp_sequence_length(packet));
	add_options(&segment, packet, NULL, 0);
	switch (emptcp_replace(ctx, packet, &segment)) {
	case EMPTCP_REPLACE_DONE:
		if (emptcp_turn_round(ctx, packet, &hops)) {
			emptcp_count_event(packet, reset_sent);
			return EMPTCP_REFLECT;
		}
		emptcp_count_event(packet, failed);
		return EMPTCP_DROP;
	case EMPTCP_REPLACE_BROKEN:
		emptcp_count_event(packet, failed);
		return EMPTCP_DROP;
	case EMPTCP_REPLACE_REFUSED:
		break;
	}
	emptcp_count_event(packet, failed);
	return EMPTCP_CONTINUE;
}

/* The keys of the connection, when it is to end and they are known. */
static __always_inline struct emptcp_keys *keys_of(const struct emptcp_packet *packet)
{
	struct emptcp_keys *keys;

	if (!arguments.connection)
		return NULL;
	keys = packet->connection_id ? bpf_map_lookup_elem(&emptcp_keys, &packet->connection_id) : NULL;
	if (!keys)
		emptcp_count_event(packet, no_key);
	return keys;
}

#if defined(EMPTCP_HOOK_TC)
static __always_inline enum emptcp_verdict reset_both(emptcp_context *ctx, struct emptcp_packet *packet)
{
	const __u32 side = packet->direction == EMPTCP_INGRESS ? EMPTCP_REMOTE : EMPTCP_LOCAL;
	struct numbers numbers = numbers_of(packet);
	struct emptcp_keys *keys = keys_of(packet);
	struct emptcp_segment segment;
	enum emptcp_replaced replaced;

	plain(&segment, numbers.sender, numbers.receiver);
	add_options(&segment, packet, keys, side);
	replaced = emptcp_replace(ctx, packet, &segment);
	if (replaced != EMPTCP_REPLACE_DONE) {
		emptcp_count_event(packet, failed);
		return replaced == EMPTCP_REPLACE_BROKEN ? EMPTCP_DROP : EMPTCP_CONTINUE;
	}
	/* From here on the packet is a reset, and never continues as anything else. */
	if (numbers.flow) {
		emptcp_flow_take_back(emptcp_flow_sender(packet, numbers.flow), numbers.receiver);
		/* Incoming packets are checked at the lowest device, and this one is above it. */
		if (numbers.flow->resolution[EMPTCP_INGRESS].ifindex != packet->ifindex)
			emptcp_flow_end(numbers.flow);
	}
	switch (emptcp_send_reset_back(ctx, packet, HOPS)) {
	case EMPTCP_SEND_DONE:
		break;
	case EMPTCP_SEND_REFUSED:
	case EMPTCP_SEND_FAILED:
		emptcp_count_event(packet, one_way);
		break;
	case EMPTCP_SEND_BROKEN:
		emptcp_count_event(packet, failed);
		return EMPTCP_DROP;
	}
	plain(&segment, numbers.receiver, numbers.sender);
	add_options(&segment, packet, keys, !side);
	if (emptcp_replace(ctx, packet, &segment) != EMPTCP_REPLACE_DONE) {
		emptcp_count_event(packet, failed);
		return EMPTCP_DROP;
	}
	emptcp_count_event(packet, reset_sent);
	return packet->direction == EMPTCP_INGRESS ? EMPTCP_AGAIN : EMPTCP_CONTINUE;
}
#else
static __always_inline enum emptcp_verdict reset_in_turn(emptcp_context *ctx, struct emptcp_packet *packet, bool turned)
{
	const __u32 side = turned ? EMPTCP_REMOTE : EMPTCP_LOCAL;
	struct numbers numbers = numbers_of(packet);
	struct emptcp_keys *keys = keys_of(packet);
	struct emptcp_segment segment;
	enum emptcp_replaced replaced;
	__u8 hops = HOPS;

	if (turned)
		plain(&segment, numbers.sender, numbers.receiver);
	else
		plain(&segment, numbers.receiver, numbers.sender);
	add_options(&segment, packet, keys, side);
	replaced = emptcp_replace(ctx, packet, &segment);
	if (replaced == EMPTCP_REPLACE_DONE && turned && !emptcp_turn_round(ctx, packet, &hops))
		replaced = EMPTCP_REPLACE_BROKEN;
	if (replaced != EMPTCP_REPLACE_DONE) {
		emptcp_count_event(packet, failed);
		return replaced == EMPTCP_REPLACE_BROKEN ? EMPTCP_DROP : EMPTCP_CONTINUE;
	}
	emptcp_count_event(packet, reset_sent);
	if (numbers.flow)
		emptcp_flow_take_back(emptcp_flow_sender(packet, numbers.flow), numbers.receiver);
	if (!turned)
		return EMPTCP_CONTINUE;
	/* Both ends have their reset, and no program sees this one leave. */
	if (numbers.flow) {
		emptcp_flow_end(numbers.flow);
		emptcp_flow_show_end(packet, numbers.flow);
	}
	return EMPTCP_REFLECT;
}
#endif

ACTOR(reset)
{
	const __u32 none = 0;
	__u32 *attempts;

	if (packet->types & (EMPTCP_RST | EMPTCP_UNACCEPTABLE) || packet->flow.state == EMPTCP_FLOW_CLOSED)
		return EMPTCP_CONTINUE;
	if (packet->types & EMPTCP_SYN) {
		/* A packet without one belongs to no subflow, although its ports are those of one. */
		if (packet->types & (EMPTCP_MP_CAPABLE | EMPTCP_MP_JOIN))
			return refuse(ctx, packet);
		return EMPTCP_CONTINUE;
	}
	if (packet->flow.state < EMPTCP_FLOW_ESTABLISHED && !(packet->types & EMPTCP_SYNACK)) {
		emptcp_count_event(packet, not_established);
		return EMPTCP_CONTINUE;
	}
	if (!(packet->types & EMPTCP_ACK))
		return EMPTCP_CONTINUE;
	if (!emptcp_checksum_ready(ctx, packet)) {
		emptcp_count_event(packet, checksum_left);
		return EMPTCP_CONTINUE;
	}
	attempts = emptcp_state(&state_attempts, packet->flow_id, &none);
	if (!attempts || *attempts >= ATTEMPTS)
		return EMPTCP_CONTINUE;
	(*attempts)++;
#if defined(EMPTCP_HOOK_TC)
	return reset_both(ctx, packet);
#else
	return reset_in_turn(ctx, packet, !(*attempts & 1));
#endif
}
