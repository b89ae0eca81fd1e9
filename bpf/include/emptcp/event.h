/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling user space: an event is a struct emptcp_event and a body behind it. Reserve, fill, submit. Events are for what
 * happens now and then: one per packet would cost more than the packet.
 */
#ifndef EMPTCP_EVENT_H
#define EMPTCP_EVENT_H

#include "element.h"

/* The record of this packet's subflow; NULL before it is established. Asks for needs = ["flow_view"]. */
static __always_inline const struct emptcp_flow *emptcp_flow_record(const struct emptcp_packet *packet)
{
	struct emptcp_scratch *scratch;
	__u32 index = packet->flow_slot;
	struct emptcp_slot *slot;

	if (packet->flow.state == EMPTCP_FLOW_CLOSED) {
		scratch = emptcp_scratch_get();
		return scratch ? &scratch->ended : NULL;
	}
	slot = bpf_map_lookup_elem(&emptcp_flows, &index);
	return slot && slot->flow.id == packet->flow_id ? &slot->flow : NULL;
}

static __always_inline void emptcp_event_lost(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();

	if (scratch)
		scratch->core[EMPTCP_CORE_EVENT_LOST]++;
}

/*
 * Room for an event of `size` bytes (a constant). NULL when nobody reads fast enough, which the core counts as event_lost.
 * What was reserved must be submitted.
 */
#define emptcp_event_reserve(size)                                                                                     \
	({                                                                                                             \
		void *reserved = bpf_ringbuf_reserve(&emptcp_events, size, 0);                                         \
		if (!reserved)                                                                                         \
			emptcp_event_lost();                                                                           \
		reserved;                                                                                              \
	})

static __always_inline void emptcp_event_header(struct emptcp_event *event, const struct emptcp_packet *packet,
						__u16 kind, __u16 body_length)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = bpf_ktime_get_ns();
	event->flow = packet->flow_id;
	event->key = packet->key;
	event->policy = emptcp_self.policy;
	event->kind = kind;
	event->body_length = body_length;
	event->direction = packet->direction;
}

#define emptcp_event_submit(event) bpf_ringbuf_submit(event, 0)

#endif
