/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The live figures of the flow and the connection, copied for the chain, only if one of its elements needs them. */
#ifndef EMPTCP_CORE_VIEW_H
#define EMPTCP_CORE_VIEW_H

#include "tables.h"

static __always_inline void view_flow(struct emptcp_packet *packet, const struct emptcp_flow *flow, __u64 last_ns)
{
	const struct emptcp_sender *local = &flow->sender[EMPTCP_LOCAL];
	const struct emptcp_sender *remote = &flow->sender[EMPTCP_REMOTE];
	bool from_remote = packet->direction == EMPTCP_INGRESS;
	struct emptcp_flow_view *view = &packet->flow;

	view->age_ns = emptcp_elapsed(packet->now_ns, flow->first_ns);
	view->idle_ns = emptcp_elapsed(packet->now_ns, last_ns);
	view->packets = local->packets + remote->packets;
	view->bytes = local->bytes + remote->bytes;
	view->retransmissions = local->retransmissions + remote->retransmissions;
	view->rtt_us = local->rtt_us;
	view->local_token = flow->local_token;
	view->remote_token = flow->remote_token;
	view->flags = flow->flags;
	view->state = flow->state;
	view->version = flow->version;
	view->address_id[EMPTCP_LOCAL] = local->address_id;
	view->address_id[EMPTCP_REMOTE] = remote->address_id;
	view->idsn = from_remote ? remote->idsn : local->idsn;
	view->isn = from_remote ? remote->isn : local->isn;
	view->window_scale = from_remote ? remote->window_scale : local->window_scale;
	/* The scale is known from a SYN, and so is the number; an adopted subflow may have the scale from elsewhere. */
	view->isn_known = !(flow->flags & EMPTCP_FLOW_PARTIAL) && view->window_scale != EMPTCP_SCALE_UNKNOWN;
}

/* A segment that does not belong to the handshake whose record was found: nothing is known of its subflow. */
static __always_inline void view_nobody(struct emptcp_packet *packet)
{
	struct emptcp_flow_view *view = &packet->flow;

	packet->connection_id = 0;
	packet->connection.known = 0;
	view->flags = EMPTCP_FLOW_PARTIAL;
	view->state = EMPTCP_FLOW_ADOPTING;
	view->local_token = 0;
	view->remote_token = 0;
	view->idsn = 0;
	view->isn_known = 0;
}

/* Within 2^31 of known numbers, in either direction: a number of this connection (docs/flow-records.md). */
static __always_inline bool data_near(__u64 number, __u64 known)
{
	return number - known + (1ull << 31) < 1ull << 32;
}

/* The highest DATA_ACK of each side. One of 32 bits is the nearest to what is known (RFC 8684 section 3.3.2). */
static __always_inline void view_data_ack(const struct emptcp_packet *packet, struct emptcp_connection *connection)
{
	bool from_remote = packet->direction == EMPTCP_INGRESS;
	__u64 known = from_remote ? connection->data_ack[EMPTCP_REMOTE] : connection->data_ack[EMPTCP_LOCAL];
	__u64 sent = from_remote ? connection->dsn_next[EMPTCP_LOCAL] : connection->dsn_next[EMPTCP_REMOTE];
	__u64 first = from_remote ? connection->idsn[EMPTCP_LOCAL] : connection->idsn[EMPTCP_REMOTE];
	__u64 near = known ? known : sent ? sent : first;
	__u64 data_ack = packet->data_ack;

	if (!(packet->dss_flags & EMPTCP_DSS_FLAG_ACK64)) {
		if (!near)
			return;
		data_ack = near + (__s32)((__u32)data_ack - (__u32)near);
	}
	if (near && !data_near(data_ack, near) && !(sent && data_near(data_ack, sent)))
		return;
	if (known && (__s64)(data_ack - known) <= 0)
		return;
	if (from_remote)
		connection->data_ack[EMPTCP_REMOTE] = data_ack;
	else
		connection->data_ack[EMPTCP_LOCAL] = data_ack;
}

static __always_inline void connection_show(struct emptcp_packet *packet, const struct emptcp_connection *connection)
{
	struct emptcp_connection_view *view = &packet->connection;

	view->packets = connection->packets;
	view->bytes = connection->bytes;
	view->retransmissions = connection->retransmissions;
	view->subflows = connection->subflows;
}

/* Counts this packet for its connection, even without a policy, and copies the result for the chain. */
static __always_inline void view_connection(struct emptcp_packet *packet, const struct emptcp_flow *flow,
					    __u32 retransmitted)
{
	struct emptcp_connection_view *view = &packet->connection;
	struct emptcp_connection *connection;
	__u64 id = flow->connection;

	view->known = 0;
	if (!id)
		return;
	connection = bpf_map_lookup_elem(&emptcp_connections, &id);
	if (!connection)
		return;
	view->known = 1;
	view->age_ns = emptcp_elapsed(packet->now_ns, connection->first_ns);
	view->idle_ns = emptcp_elapsed(packet->now_ns, connection->last_ns);
	connection->last_ns = packet->now_ns;
	/* Subflows of one connection arrive on different CPUs. */
	__sync_fetch_and_add(&connection->packets, packet->segments);
	__sync_fetch_and_add(&connection->bytes, packet->payload_length);
	if (retransmitted)
		__sync_fetch_and_add(&connection->retransmissions, retransmitted);
	if (packet->types & EMPTCP_DSS_ACK)
		view_data_ack(packet, connection);
	connection_show(packet, connection);
}

/* The same for a packet that another device has counted. */
static __always_inline void view_connection_shown(struct emptcp_packet *packet, const struct emptcp_flow *flow)
{
	struct emptcp_connection_view *view = &packet->connection;
	struct emptcp_connection *connection;
	__u64 id = flow->connection;

	connection = id ? bpf_map_lookup_elem(&emptcp_connections, &id) : NULL;
	if (!connection)
		return;
	view->known = 1;
	view->age_ns = emptcp_elapsed(packet->now_ns, connection->first_ns);
	view->idle_ns = emptcp_elapsed(packet->now_ns, connection->last_ns);
	connection_show(packet, connection);
}

#endif
