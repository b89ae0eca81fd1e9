/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two events for each subflow: established, and ended. */
#include <emptcp/element.h>
#include <emptcp/event.h>

COUNTERS(emitted, lost);

STATE(state_emitted, __u32);

struct subflow_event {
	struct emptcp_event header;
	struct emptcp_event_subflow body;
};

ACTOR(get_subflow)
{
	__u32 change = packet->flow.state == EMPTCP_FLOW_CLOSED ? EMPTCP_SUBFLOW_CLOSED : EMPTCP_SUBFLOW_ESTABLISHED;
	struct subflow_event *event;
	const __u32 nothing = 0;
	__u32 *said;

	if (packet->flow.state < EMPTCP_FLOW_ESTABLISHED)
		return EMPTCP_CONTINUE;
	said = emptcp_state(&state_emitted, packet->flow_id, &nothing);
	if (!said || *said >= change)
		return EMPTCP_CONTINUE;
	event = emptcp_event_reserve(sizeof(*event));
	if (!event) {
		emptcp_count_event(packet, lost);
		return EMPTCP_CONTINUE;
	}
	emptcp_event_header(&event->header, packet, EMPTCP_EVENT_SUBFLOW, sizeof(event->body));
	__builtin_memset(&event->body, 0, sizeof(event->body));
	event->body.connection = packet->connection_id;
	event->body.token[EMPTCP_LOCAL] = packet->flow.local_token;
	event->body.token[EMPTCP_REMOTE] = packet->flow.remote_token;
	event->body.change = change;
	event->body.opened_by = packet->flow.flags & EMPTCP_FLOW_LOCAL_OPENED ? EMPTCP_LOCAL : EMPTCP_REMOTE;
	event->body.initial = !!(packet->flow.flags & EMPTCP_FLOW_INITIAL);
	event->body.backup = !!(packet->flow.flags & (EMPTCP_FLOW_BACKUP_LOCAL | EMPTCP_FLOW_BACKUP_REMOTE));
	event->body.address_id[EMPTCP_LOCAL] = packet->flow.address_id[EMPTCP_LOCAL];
	event->body.address_id[EMPTCP_REMOTE] = packet->flow.address_id[EMPTCP_REMOTE];
	event->body.reset = !!(packet->types & EMPTCP_RST);
	if (!(packet->flow.flags & (EMPTCP_FLOW_LOCAL_OPENED | EMPTCP_FLOW_REMOTE_OPENED)))
		event->body.unknown |= EMPTCP_UNKNOWN_OPENER;
	if (!(packet->flow.flags & (EMPTCP_FLOW_INITIAL | EMPTCP_FLOW_JOINED)))
		event->body.unknown |= EMPTCP_UNKNOWN_ROLE;
	if (!(packet->flow.flags & EMPTCP_FLOW_ADDRESS_IDS))
		event->body.unknown |= EMPTCP_UNKNOWN_ADDRESS_IDS;
	emptcp_event_submit(event);
	*said = change;
	emptcp_count_event(packet, emitted);
	return EMPTCP_CONTINUE;
}
