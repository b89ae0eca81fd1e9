/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One event for each connection, at the first packet of its initial subflow that shows the connection as established.
 * Keys are omitted unless requested.
 */
#include <emptcp/element.h>
#include <emptcp/event.h>

struct arguments {
	__u8 keys;
};
ARGUMENTS;
COUNTERS(emitted, lost);

STATE(state_emitted, __u32);

struct connection_event {
	struct emptcp_event header;
	struct emptcp_event_connection body;
};

ACTOR(get_connect)
{
	const __u32 not_yet = 0;
	struct connection_event *event;
	struct emptcp_keys *keys;
	__u32 *said;

	if (!packet->connection_id || !(packet->flow.flags & EMPTCP_FLOW_INITIAL))
		return EMPTCP_CONTINUE;
	said = emptcp_state(&state_emitted, packet->connection_id, &not_yet);
	if (!said || *said)
		return EMPTCP_CONTINUE;
	event = emptcp_event_reserve(sizeof(*event));
	if (!event) {
		emptcp_count_event(packet, lost);
		return EMPTCP_CONTINUE;
	}
	emptcp_event_header(&event->header, packet, EMPTCP_EVENT_CONNECTION, sizeof(event->body));
	__builtin_memset(&event->body, 0, sizeof(event->body));
	event->body.connection = packet->connection_id;
	event->body.token[EMPTCP_LOCAL] = packet->flow.local_token;
	event->body.token[EMPTCP_REMOTE] = packet->flow.remote_token;
	event->body.version = packet->flow.version;
	event->body.opened_by = packet->flow.flags & EMPTCP_FLOW_LOCAL_OPENED ? EMPTCP_LOCAL : EMPTCP_REMOTE;
	if (arguments.keys) {
		keys = bpf_map_lookup_elem(&emptcp_keys, &packet->connection_id);
		if (keys) {
			__builtin_memcpy(event->body.key, keys->key, sizeof(keys->key));
			event->body.keys_included = 1;
		}
	}
	emptcp_event_submit(event);
	*said = 1;
	emptcp_count_event(packet, emitted);
	return EMPTCP_CONTINUE;
}
