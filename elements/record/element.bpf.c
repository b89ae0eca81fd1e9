/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow record as an event, at most once per interval, and at the end of the subflow. */
#include <emptcp/element.h>
#include <emptcp/event.h>

struct arguments {
	__u64 every;
};
ARGUMENTS;
COUNTERS(emitted, lost);

STATE(state_emitted, __u64);

struct record_event {
	struct emptcp_event header;
	struct emptcp_flow flow;
};

ACTOR(record)
{
	const __u64 never = 0;
	const struct emptcp_flow *flow;
	struct record_event *event;
	__u64 *said;

	said = emptcp_state(&state_emitted, packet->flow_id, &never);
	if (!said)
		return EMPTCP_CONTINUE;
	if (*said && emptcp_elapsed(packet->now_ns, *said) < arguments.every &&
	    packet->flow.state != EMPTCP_FLOW_CLOSED)
		return EMPTCP_CONTINUE;
	flow = emptcp_flow_record(packet);
	if (!flow)
		return EMPTCP_CONTINUE;
	event = emptcp_event_reserve(sizeof(*event));
	if (!event) {
		emptcp_count_event(packet, lost);
		return EMPTCP_CONTINUE;
	}
	emptcp_event_header(&event->header, packet, EMPTCP_EVENT_RECORD, sizeof(event->flow));
	__builtin_memcpy(&event->flow, flow, sizeof(event->flow));
	emptcp_event_submit(event);
	*said = packet->now_ns;
	emptcp_count_event(packet, emitted);
	return EMPTCP_CONTINUE;
}
