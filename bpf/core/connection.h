/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections: made when the third ACK of an MP_CAPABLE handshake shows both keys, found by the token in an MP_JOIN. A
 * gateway sees a connection once from each side; "local" and "remote" keep the two apart.
 */
#ifndef EMPTCP_CORE_CONNECTION_H
#define EMPTCP_CORE_CONNECTION_H

#include "flow.h"
#include "hash.h"

static const struct emptcp_connection no_connection;

static __always_inline void connection_index(__u32 token, __u32 side, __u64 id)
{
	struct emptcp_token_key key = {.token = token, .side = side};

	bpf_map_update_elem(&emptcp_tokens, &key, &id, BPF_ANY);
}

/*
 * Is this an MP_CAPABLE with both keys, and in version 1 perhaps a data length and a checksum? `bytes` are its first
 * three.
 */
static __always_inline bool capable_has_keys(const __u8 *bytes)
{
	__u32 version = bytes[2] & 0xf, length = bytes[1];

	return (length == 20 && version <= 1) || ((length == 22 || length == 24) && version == 1);
}

/* MP_CAPABLE with both keys (20 bytes and more): the sender's first (RFC 8684 section 3.1, RFC 6824 section 3.1). */
static __always_inline void connection_create(emptcp_context *ctx, struct emptcp_scratch *scratch,
					      struct emptcp_flow *flow, __u32 option)
{
	struct emptcp_packet *packet = &scratch->packet;
	bool from_remote = packet->direction == EMPTCP_INGRESS;
	struct emptcp_connection *connection;
	struct emptcp_scratch_digest local, remote;
	struct emptcp_keys keys;
	__u8 *bytes;
	__u64 id;

	bytes = emptcp_at(ctx, option, 20);
	if (!bytes)
		return;
	__builtin_memcpy(keys.key[EMPTCP_LOCAL], from_remote ? bytes + 12 : bytes + 4, 8);
	__builtin_memcpy(keys.key[EMPTCP_REMOTE], from_remote ? bytes + 4 : bytes + 12, 8);
	flow->version = bytes[2] & 0xf;
	if (bytes[3] & 0x80)
		flow->flags |= EMPTCP_FLOW_CHECKSUM;
	scratch->digest.version = flow->version;
	__builtin_memcpy(scratch->digest.key, keys.key[EMPTCP_LOCAL], 8);
	emptcp_key_digest();
	local = scratch->digest;
	__builtin_memcpy(scratch->digest.key, keys.key[EMPTCP_REMOTE], 8);
	emptcp_key_digest();
	remote = scratch->digest;
	id = (__u64)local.token << 32 | remote.token;
	flow->connection = id;
	flow->local_token = local.token;
	flow->remote_token = remote.token;
	flow->sender[EMPTCP_LOCAL].idsn = local.idsn;
	flow->sender[EMPTCP_REMOTE].idsn = remote.idsn;

	bpf_map_update_elem(&emptcp_connections, &id, &no_connection, BPF_ANY);
	connection = bpf_map_lookup_elem(&emptcp_connections, &id);
	if (!connection)
		return;
	connection->id = id;
	connection->first_ns = flow->first_ns;
	connection->last_ns = packet->now_ns;
	connection->token[EMPTCP_LOCAL] = local.token;
	connection->token[EMPTCP_REMOTE] = remote.token;
	connection->idsn[EMPTCP_LOCAL] = local.idsn;
	connection->idsn[EMPTCP_REMOTE] = remote.idsn;
	connection->version = flow->version;
	connection_index(local.token, EMPTCP_LOCAL, id);
	connection_index(remote.token, EMPTCP_REMOTE, id);
	bpf_map_update_elem(&emptcp_keys, &id, &keys, BPF_ANY);
	scratch->core[EMPTCP_CORE_CONNECTION_NEW]++;
}

/* MP_JOIN in a SYN names the connection by the receiver's token (RFC 8684 section 3.2). */
static __always_inline void connection_join(struct emptcp_scratch *scratch, struct emptcp_flow *flow, __u32 token)
{
	struct emptcp_token_key key = {.token = token, .side = !scratch->packet.direction};
	struct emptcp_connection *connection;
	__u64 *id;

	id = bpf_map_lookup_elem(&emptcp_tokens, &key);
	connection = id ? bpf_map_lookup_elem(&emptcp_connections, id) : NULL;
	if (!connection) {
		if (key.side == EMPTCP_LOCAL)
			flow->local_token = token;
		else
			flow->remote_token = token;
		scratch->core[EMPTCP_CORE_CONNECTION_UNKNOWN]++;
		return;
	}
	flow->connection = connection->id;
	flow->local_token = connection->token[EMPTCP_LOCAL];
	flow->remote_token = connection->token[EMPTCP_REMOTE];
	flow->sender[EMPTCP_LOCAL].idsn = connection->idsn[EMPTCP_LOCAL];
	flow->sender[EMPTCP_REMOTE].idsn = connection->idsn[EMPTCP_REMOTE];
	flow->version = connection->version;
}

/*
 * The window that a subflow whose handshake was seen may use: hosts share it among the subflows of a connection (RFC
 * 8684 section 3.3.1). If the scale or the connection is not known: the largest possible window.
 */
static __always_inline void connection_windows(struct emptcp_flow *flow)
{
	__u64 id = flow->connection;
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;

#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		struct emptcp_sender *sender = &flow->sender[side];

		if (!connection || sender->window_scale == EMPTCP_SCALE_UNKNOWN) {
			sender->window_max = EMPTCP_WINDOW_LARGEST;
			continue;
		}
		if (connection->window_max[side] < sender->window)
			connection->window_max[side] = sender->window;
		sender->window_max = connection->window_max[side];
		if (sender->window_max < EMPTCP_WINDOW_LEAST)
			sender->window_max = EMPTCP_WINDOW_LEAST;
	}
}

/* Takes over the largest window of the connection's subflows: is it larger than the one in this record? */
static __always_inline bool connection_widens(struct emptcp_flow *flow)
{
	__u64 id = flow->connection;
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;
	bool wider = false;

	if (!connection)
		return false;
#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		if (connection->window_max[side] <= flow->sender[side].window_max)
			continue;
		flow->sender[side].window_max = connection->window_max[side];
		wider = true;
	}
	return wider;
}

static __always_inline __u16 dsn_jump_flag(__u32 side)
{
	return side == EMPTCP_LOCAL ? EMPTCP_FLOW_DSN_JUMP_LOCAL : EMPTCP_FLOW_DSN_JUMP_REMOTE;
}

/* Stores in the connection, if it is known, one past the highest DSN of a side. */
static __always_inline void connection_dsn(struct emptcp_connection *connection, __u32 side, __u64 next)
{
	__u64 known = connection ? connection->dsn_next[side & 1] : 0;

	if (connection && (!known || (__s64)(next - known) > 0))
		connection->dsn_next[side & 1] = next;
}

/*
 * A mapping that the subflow itself cannot check: its first one, one far from those before, or one that enters another
 * step of DSN_STEP_BITS, which is stored in the connection.
 */
static __always_inline void connection_map(struct emptcp_flow *flow, struct emptcp_packet *packet, __u32 side)
{
	struct emptcp_sender *sender = &flow->sender[side & 1];
	__u64 id = flow->connection, near = sender->dsn_next;
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;

	if (!near || !data_near(flow_widen_dsn(packet, near), near)) {
		if (connection && connection->dsn_next[side & 1])
			near = connection->dsn_next[side & 1];
		else if (!near && sender->idsn && !sender->reanchored)
			near = sender->idsn + 1;
	}
	if (!near) {
		/* The mapping of MP_CAPABLE has 64 bits, without a flag for it. */
		if (packet->types & EMPTCP_DSS_MAP && !(packet->dss_flags & EMPTCP_DSS_FLAG_DSN64))
			return;
		near = packet->dsn;
	}
	if (!data_near(flow_widen_dsn(packet, near), near)) {
		bool known = flow->flags & dsn_jump_flag(side) && data_near(packet->dsn, flow->dsn_jump);

		if (!known) {
			flow->dsn_jump = packet->dsn + packet->data_level_length;
			flow->flags &= ~dsn_jump_flag(!side);
			flow->flags |= dsn_jump_flag(side);
		}
		return;
	}
	flow->flags &= ~dsn_jump_flag(side);
	flow_map(sender, packet, near);
	connection_dsn(connection, side, sender->dsn_next);
}

/*
 * A DATA_ACK of `side`: does it confirm a DSN of the other side in a mapping that is far from all others? Then others
 * that are ahead of it were false.
 */
static __always_inline void connection_jump(struct emptcp_flow *flow, const struct emptcp_packet *packet, __u32 side)
{
	struct emptcp_sender *peer = &flow->sender[!side];
	struct emptcp_connection *connection;
	__u64 id = flow->connection;

	if (!(flow->flags & dsn_jump_flag(!side)) || !(packet->types & EMPTCP_DSS_ACK) ||
	    !(packet->dss_flags & EMPTCP_DSS_FLAG_ACK64) || packet->data_ack - flow->dsn_jump >= 1ull << 31)
		return;
	flow->flags &= ~dsn_jump_flag(!side);
	if (!peer->dsn_first || (__s64)(peer->dsn_next - flow->dsn_jump) > 0)
		peer->dsn_first = flow->dsn_jump;
	peer->dsn_next = flow->dsn_jump;
	connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;
	if (connection && !data_near(connection->dsn_next[!side], flow->dsn_jump))
		connection->dsn_next[!side] = flow->dsn_jump;
	else
		connection_dsn(connection, !side, flow->dsn_jump);
}

/* Makes the entry of a connection again that full tables have evicted, from what its subflows know. */
static __always_inline struct emptcp_connection *connection_again(const struct emptcp_flow *flow, __u64 now_ns)
{
	struct emptcp_connection *connection;
	__u64 id = flow->connection;

	if (bpf_map_update_elem(&emptcp_connections, &id, &no_connection, BPF_NOEXIST))
		return NULL; /* another CPU has just made it */
	connection = bpf_map_lookup_elem(&emptcp_connections, &id);
	if (!connection)
		return NULL;
	connection->id = id;
	connection->first_ns = flow->first_ns;
	connection->noted_ns = now_ns;
	connection->version = flow->version;
	connection->token[EMPTCP_LOCAL] = flow->local_token;
	connection->token[EMPTCP_REMOTE] = flow->remote_token;
	connection->idsn[EMPTCP_LOCAL] = flow->sender[EMPTCP_LOCAL].idsn;
	connection->idsn[EMPTCP_REMOTE] = flow->sender[EMPTCP_REMOTE].idsn;
	return connection;
}

/*
 * For connection_unseen(): this subflow is alive, so its connection is in use. A full table may have evicted it anyway.
 * Its keys are then lost.
 */
static __always_inline void connection_touch(const struct emptcp_flow *flow, __u64 last_ns, __u64 now_ns)
{
	__u64 id = flow->connection;
	struct emptcp_connection *connection;

	if (!id || !(flow->flags & EMPTCP_FLOW_COUNTED))
		return;
	connection = bpf_map_lookup_elem(&emptcp_connections, &id);
	if (!connection)
		connection = connection_again(flow, now_ns);
	if (!connection)
		return;
	/* It was counted for an entry that is gone. */
	if (last_ns < connection->noted_ns)
		__sync_fetch_and_add(&connection->subflows, 1);
	bpf_map_lookup_elem(&emptcp_keys, &id);
#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		struct emptcp_token_key key = {.side = side};

		key.token = side == EMPTCP_LOCAL ? flow->local_token : flow->remote_token;
		/* Entries that were never looked up are evicted first, also new ones: so it is looked up. */
		if (key.token && !bpf_map_lookup_elem(&emptcp_tokens, &key)) {
			connection_index(key.token, side, id);
			bpf_map_lookup_elem(&emptcp_tokens, &key);
		}
	}
}

/* A subflow ends: its connection keeps its totals and the time. */
static __always_inline void connection_end(const struct emptcp_flow *flow)
{
	const struct emptcp_sender *local = &flow->sender[EMPTCP_LOCAL], *remote = &flow->sender[EMPTCP_REMOTE];
	__u64 id = flow->connection;
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;

	if (!connection)
		return;
	__sync_fetch_and_add(&connection->ended.packets, local->packets + remote->packets);
	__sync_fetch_and_add(&connection->ended.bytes, local->bytes + remote->bytes);
	__sync_fetch_and_add(&connection->ended.retransmissions, local->retransmissions + remote->retransmissions);
	if (connection->last_ns < flow->last_ns)
		connection->last_ns = flow->last_ns;
}

/* Counts a stored subflow for its connection, once. */
static __always_inline void connection_subflow(struct emptcp_flow *flow)
{
	__u64 id = flow->connection;
	struct emptcp_connection *connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;

	if (!connection || flow->flags & EMPTCP_FLOW_COUNTED)
		return;
	flow->flags |= EMPTCP_FLOW_COUNTED;
	__sync_fetch_and_add(&connection->subflows, 1);
}

#endif
