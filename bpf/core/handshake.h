/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a flow record: half-open, established when the numbers fit, adopted in mid-stream, closed. */
#ifndef EMPTCP_CORE_HANDSHAKE_H
#define EMPTCP_CORE_HANDSHAKE_H

#include <emptcp/options.h>
#include "connection.h"
#include "flow_table.h"

static const struct emptcp_flow no_flow;

/* The record that the stages of the slow path work on. */
static __always_inline struct emptcp_flow *current_flow(struct emptcp_scratch *scratch)
{
	if (scratch->half_open)
		return bpf_map_lookup_elem(&emptcp_half_open, &scratch->packet.key);
	return flow_at(scratch->packet.flow_slot);
}

/* The beginning of every record; nothing of the handshake is known yet. */
static __always_inline void flow_begin(struct emptcp_flow *flow, __u64 now_ns)
{
	/* Two CPUs may make a record in the same nanosecond; one CPU may not. */
	flow->id = (bpf_ktime_get_ns() & ~(0xffull << 56)) | (__u64)bpf_get_smp_processor_id() << 56;
	flow->first_ns = now_ns;
	flow->last_ns = now_ns;
	flow->version = 0xff;
	flow->sender[EMPTCP_LOCAL].window_scale = EMPTCP_SCALE_UNKNOWN;
	flow->sender[EMPTCP_REMOTE].window_scale = EMPTCP_SCALE_UNKNOWN;
	flow->sender[EMPTCP_LOCAL].window_max = EMPTCP_WINDOW_LARGEST;
	flow->sender[EMPTCP_REMOTE].window_max = EMPTCP_WINDOW_LARGEST;
	flow->watch = 1;
}

/* The data of the SYN does not belong to this subflow: the record was made in mid-stream. */
static __always_inline void flow_forget_handshake(struct emptcp_flow *flow)
{
	flow->state = EMPTCP_FLOW_ADOPTING;
	flow->flags = EMPTCP_FLOW_PARTIAL;
	flow->connection = 0;
	flow->local_token = 0;
	flow->remote_token = 0;
	flow->version = 0xff;
#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		struct emptcp_sender *sender = &flow->sender[side];

		sender->known = 0;
		sender->end = 0;
		sender->contiguous = 0;
		sender->base = 0;
		sender->acknowledgement = 0;
		sender->sack_edge = 0;
		sender->range_count = 0;
		sender->rtt_sent_ns = 0;
		sender->fin = EMPTCP_FIN_NONE;
		sender->window_scale = EMPTCP_SCALE_UNKNOWN;
		sender->window_max = EMPTCP_WINDOW_LARGEST;
		sender->address_id = 0;
		sender->idsn = 0;
		sender->isn = 0;
		sender->dsn_next = 0;
		sender->dsn_first = 0;
	}
}

/* A new record in the half-open table, which replaces an existing one; NULL if it cannot be stored. */
static __always_inline struct emptcp_flow *flow_create(struct emptcp_scratch *scratch, __u32 counter)
{
	struct emptcp_packet *packet = &scratch->packet;
	struct emptcp_flow *flow = NULL;

	if (!bpf_map_update_elem(&emptcp_half_open, &packet->key, &no_flow, BPF_ANY))
		flow = bpf_map_lookup_elem(&emptcp_half_open, &packet->key);
	if (!flow) {
		scratch->core[EMPTCP_CORE_FLOW_FAILED]++;
		return NULL;
	}
	flow_begin(flow, packet->now_ns);
	flow->ifindex = packet->ifindex;
	scratch->core[counter]++;
	return flow;
}

static __always_inline void set_backup(struct emptcp_flow *flow, __u32 side, bool backup)
{
	__u16 flag = side == EMPTCP_LOCAL ? EMPTCP_FLOW_BACKUP_LOCAL : EMPTCP_FLOW_BACKUP_REMOTE;

	if (backup)
		flow->flags |= flag;
	else
		flow->flags &= ~flag;
}

/* Window scale: only SYN and SYN-ACK carry it (RFC 7323 section 2.2). False: this one does not. */
static __always_inline bool read_window_scale(emptcp_context *ctx, const struct emptcp_packet *packet,
					      struct emptcp_sender *sender)
{
	struct emptcp_option option = emptcp_find_kind(ctx, EMPTCP_KIND_WINDOW_SCALE, 0);
	__u8 *bytes;

	sender->window_scale = 0;
	if (option.length != 3)
		return false;
	bytes = emptcp_at(ctx, option.offset, 3);
	if (!bytes)
		return false;
	sender->window_scale = bytes[2] > 14 ? 14 : bytes[2];
	return true;
}

/* A SYN; without MP_CAPABLE or MP_JOIN only beside an established record. */
static __always_inline void on_syn(emptcp_context *ctx, struct emptcp_scratch *scratch, struct emptcp_flow *flow,
				   __u32 side)
{
	struct emptcp_packet *packet = &scratch->packet;
	struct emptcp_option option;
	__be32 *words;
	__u8 *bytes;

	flow->state = EMPTCP_FLOW_SYN;
	flow->flags |= side == EMPTCP_LOCAL ? EMPTCP_FLOW_LOCAL_OPENED : EMPTCP_FLOW_REMOTE_OPENED;
	flow->sender[side].isn = packet->sequence;
	/* No window in a SYN or SYN-ACK is larger (RFC 7323 section 2.2). */
	flow->sender[EMPTCP_LOCAL].window_max = EMPTCP_WINDOW_LEAST;
	flow->sender[EMPTCP_REMOTE].window_max = EMPTCP_WINDOW_LEAST;
	read_window_scale(ctx, packet, &flow->sender[side]);
	if (packet->types & EMPTCP_MP_CAPABLE) {
		flow->flags |= EMPTCP_FLOW_INITIAL | EMPTCP_FLOW_ADDRESS_IDS; /* both ids are 0 */
		option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_CAPABLE);
		bytes = option.offset ? emptcp_at(ctx, option.offset, 4) : NULL;
		if (bytes)
			flow->version = bytes[2] & 0xf;
		return;
	}
	if (!(packet->types & EMPTCP_MP_JOIN))
		return;
	flow->flags |= EMPTCP_FLOW_JOINED;
	option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_JOIN);
	if (option.length != 12)
		return;
	bytes = emptcp_at(ctx, option.offset, 12);
	if (!bytes)
		return;
	set_backup(flow, side, bytes[2] & 1);
	flow->sender[side].address_id = bytes[3];
	words = (__be32 *)bytes;
	connection_join(scratch, flow, bpf_ntohl(words[1]));
}

/* Does this SYN-ACK answer the SYN that we know, and data in it (RFC 7413)? */
static __always_inline bool answers_syn(const struct emptcp_packet *packet, const struct emptcp_flow *flow, __u32 side)
{
	const struct emptcp_sender *opener = &flow->sender[!side];

	/* The first one, or the same again. */
	if (flow->state != EMPTCP_FLOW_SYN &&
	    !(flow->state == EMPTCP_FLOW_SYNACK && flow->sender[side].isn == packet->sequence))
		return false;
	return opener->known & EMPTCP_KNOWN_STARTED &&
	       packet->acknowledgement - opener->isn - 1 <= opener->end - opener->isn - 1;
}

/* SYN-ACK that acknowledges the SYN we know. */
static __always_inline void on_syn_ack(emptcp_context *ctx, struct emptcp_packet *packet, struct emptcp_flow *flow,
				       __u32 side)
{
	struct emptcp_option option;
	__u8 *bytes;

	flow->state = EMPTCP_FLOW_SYNACK;
	flow->sender[side].isn = packet->sequence;
	if (!read_window_scale(ctx, packet, &flow->sender[side]))
		flow->sender[!side].window_scale = 0; /* both or none: RFC 7323 section 1.3 */
	if (packet->types & EMPTCP_MP_CAPABLE) {
		option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_CAPABLE);
		bytes = option.offset ? emptcp_at(ctx, option.offset, 4) : NULL;
		if (bytes)
			flow->version = bytes[2] & 0xf; /* the responder decides the version */
	} else if (packet->types & EMPTCP_MP_JOIN) {
		option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_JOIN);
		bytes = option.length == 16 ? emptcp_at(ctx, option.offset, 4) : NULL;
		if (bytes) {
			set_backup(flow, side, bytes[2] & 1);
			flow->sender[side].address_id = bytes[3];
			flow->flags |= EMPTCP_FLOW_ADDRESS_IDS;
		}
	}
}

/* RFC 8684 section 3.3.8; v0 may name another subflow's address (RFC 6824 section 3.3.8), which is not this flow. */
static __always_inline void on_mp_prio(emptcp_context *ctx, struct emptcp_packet *packet, struct emptcp_flow *flow,
				       __u32 side)
{
	struct emptcp_option option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_PRIO);
	__u8 *bytes = option.offset ? emptcp_at(ctx, option.offset, 3) : NULL;

	if (!bytes || option.length > 4)
		return;
	if (option.length == 4) {
		__u8 *id = emptcp_at(ctx, option.offset + 3, 1);

		if (!id || !(flow->flags & EMPTCP_FLOW_ADDRESS_IDS) || *id != flow->sender[side].address_id)
			return;
	}
	if (sure_place(&flow->sender[side], &flow->sender[!side], packet))
		set_backup(flow, side, bytes[2] & 1);
}

/* Data on MP_CAPABLE has an implicit mapping: the first byte is IDSN + 1 (RFC 8684 section 3.1). */
static __always_inline void on_capable_data(emptcp_context *ctx, struct emptcp_packet *packet, struct emptcp_flow *flow,
					    __u32 side, struct emptcp_option option)
{
	__u8 *bytes = option.length >= 22 ? emptcp_at(ctx, option.offset, 22) : NULL;
	__u64 idsn = flow->sender[side].idsn;

	if (!bytes || !capable_has_keys(bytes) || !packet->payload_length || !idsn)
		return;
	packet->dsn = idsn + 1;
	packet->data_level_length = bytes[20] << 8 | bytes[21];
	packet->types |= EMPTCP_MAPPED;
	connection_map(flow, packet, side);
}

/* Moves a half-open record to the main table; false if there is no free slot. */
static __always_inline bool flow_promote(struct emptcp_scratch *scratch, struct emptcp_flow *flow)
{
	struct emptcp_packet *packet = &scratch->packet;
	__s64 slot;

	flow->state = EMPTCP_FLOW_ESTABLISHED;
	/* The ports may be in use again: then the old record is removed. */
	slot = emptcp_flow_find();
	if (slot >= 0) {
		struct emptcp_flow *old = flow_at(slot);

		if (old)
			connection_end(old);
		flow_remove(slot);
	}
	slot = emptcp_flow_store();
	if (slot < 0) {
		scratch->core[EMPTCP_CORE_FLOW_FAILED]++;
		return false;
	}
	packet->flow_slot = slot;
	scratch->core[EMPTCP_CORE_FLOW_ESTABLISHED]++;
	flow = flow_at(slot);
	if (flow)
		connection_subflow(flow);
	bpf_map_delete_elem(&emptcp_half_open, &packet->key);
	return true;
}

#endif
