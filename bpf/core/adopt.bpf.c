/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Adopts a subflow that a socket of this host already has. User space runs this program by BPF_PROG_TEST_RUN with a
 * struct emptcp_adoption after 14 bytes of Ethernet header: so only BPF programs write records. It runs beside the data
 * path, which may store a record of the same subflow at any moment. User space runs it again after all programs of that
 * moment have ended: what one run left incomplete, the next completes.
 */
#include "connection.h"
#include "flow_table.h"
#include "handshake.h"

/* The connection, made if it does not exist yet. */
static __always_inline struct emptcp_connection *adopt_connection(const struct emptcp_adoption *adoption, __u32 *result)
{
	struct emptcp_connection *connection;
	__u64 id = adoption->connection;

	if (!bpf_map_update_elem(&emptcp_connections, &id, &no_connection, BPF_NOEXIST)) {
		connection = bpf_map_lookup_elem(&emptcp_connections, &id);
		if (!connection)
			return NULL;
		connection->id = id;
		connection->first_ns = connection->last_ns = emptcp_coarse_now();
		connection->token[EMPTCP_LOCAL] = adoption->token[EMPTCP_LOCAL];
		connection->token[EMPTCP_REMOTE] = adoption->token[EMPTCP_REMOTE];
		connection->version = adoption->version;
		*result |= EMPTCP_ADOPTED_CONNECTION;
		return connection;
	}
	return bpf_map_lookup_elem(&emptcp_connections, &id);
}

/* Adds what the socket knows and the record does not. False: the record was complete. */
static __always_inline bool adopt_complete(struct emptcp_flow *flow, const struct emptcp_adoption *adoption,
					   const struct emptcp_connection *connection)
{
	bool role = flow->flags & (EMPTCP_FLOW_INITIAL | EMPTCP_FLOW_JOINED);

	if (role && flow->connection)
		return false;
	if (!flow->connection) {
		flow->local_token = adoption->token[EMPTCP_LOCAL];
		flow->remote_token = adoption->token[EMPTCP_REMOTE];
		flow->connection = adoption->connection;
	}
	if (!role)
		flow->flags |= adoption->flags;
	if (flow->version == 0xff)
		flow->version = adoption->version;
#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		struct emptcp_sender *sender = &flow->sender[side];
		__u32 window;

		if (!role)
			sender->address_id = adoption->address_id[side];
		if (connection && !sender->idsn)
			sender->idsn = connection->idsn[side];
		if (sender->window_scale != EMPTCP_SCALE_UNKNOWN || adoption->window_scale[side] > 14)
			continue;
		/* So far windows were stored unscaled. */
		sender->window_scale = adoption->window_scale[side];
		sender->window <<= sender->window_scale;
		window = greater(sender->window, EMPTCP_WINDOW_LEAST);
		sender->window_max = connection ? greater(window, connection->window_max[side]) : window;
	}
	return true;
}

/* A record for a subflow that no table knows. The entry in the half-open table holds the key until it is stored. */
static __always_inline __u32 adopt_new(const struct emptcp_flow_key *key, const struct emptcp_adoption *adoption,
				       const struct emptcp_connection *connection)
{
	struct emptcp_flow *flow;
	bool evicted;
	__s64 slot;

	if (bpf_map_update_elem(&emptcp_half_open, key, &no_flow, BPF_NOEXIST))
		return 0;
	flow = bpf_map_lookup_elem(&emptcp_half_open, key);
	if (!flow)
		return 0;
	flow_begin(flow, emptcp_coarse_now());
	flow->state = EMPTCP_FLOW_ESTABLISHED;
	flow->flags = EMPTCP_FLOW_PARTIAL;
	adopt_complete(flow, adoption, connection);
	slot = flow_store(key, flow, &evicted);
	bpf_map_delete_elem(&emptcp_half_open, key);
	return slot >= 0 ? EMPTCP_ADOPTED_STORED : 0;
}

/* The stored record of `key`, or NULL. If the data path has stored another at the same moment, the one with packets. */
static __always_inline struct emptcp_flow *adopt_find(const struct emptcp_flow_key *key)
{
	__s64 slot = flow_slot(key), other = slot >= 0 ? flow_other(key, slot) : -1;
	struct emptcp_flow *flow = slot >= 0 ? flow_at(slot) : NULL, *twin = other >= 0 ? flow_at(other) : NULL;

	if (!flow || !twin)
		return flow;
	if (twin->sender[EMPTCP_LOCAL].packets + twin->sender[EMPTCP_REMOTE].packets) {
		flow_remove(slot);
		return twin;
	}
	flow_remove(other);
	return flow;
}

EMPTCP_SECTION int emptcp_adopt(emptcp_context *ctx)
{
	const struct emptcp_adoption *adoption = emptcp_at(ctx, ETH_HLEN, sizeof(*adoption));
	struct emptcp_connection *connection;
	struct emptcp_flow_key key;
	struct emptcp_flow *flow, *opening;
	__u32 result = 0;

	if (!adoption)
		return 0;
	key = adoption->key;
	connection = adopt_connection(adoption, &result);
#pragma unroll
	for (__u32 side = 0; side < 2; side++) {
		struct emptcp_token_key token = {.token = adoption->token[side], .side = side};
		__u64 id = adoption->connection;

		if (token.token)
			bpf_map_update_elem(&emptcp_tokens, &token, &id, BPF_NOEXIST);
	}
	flow = adopt_find(&key);
	if (!flow) {
		flow = bpf_map_lookup_elem(&emptcp_half_open, &key);
		if (!flow)
			result |= adopt_new(&key, adoption, connection);
		else if (flow->state != EMPTCP_FLOW_ADOPTING)
			return result; /* a handshake: it will show all that a socket knows, and more */
		else if (adopt_complete(flow, adoption, connection))
			result |= EMPTCP_ADOPTED_COMPLETED;
		/* It may have been stored just before. */
		flow = adopt_find(&key);
	}
	if (!flow)
		return result;
	if (adopt_complete(flow, adoption, connection))
		result |= EMPTCP_ADOPTED_COMPLETED;
	opening = bpf_map_lookup_elem(&emptcp_half_open, &key);
	if (opening && opening->state == EMPTCP_FLOW_ADOPTING)
		bpf_map_delete_elem(&emptcp_half_open, &key);
	/*
	 * Only in the last run, before which the data path may still exchange the record. A connection that the data
	 * path made has its subflows counted.
	 */
	if (adoption->made)
		connection_subflow(flow);
	return result;
}

char emptcp_license[] SEC("license") = "Dual BSD/GPL";
