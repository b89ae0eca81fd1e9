/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events for user space: a struct emptcp_event and a body after it. Reserve, fill, submit. Events are for rare things:
 * one per packet would cost more than the packet.
 */
#ifndef EMPTCP_EVENT_H
#define EMPTCP_EVENT_H

#include "element.h"

/* The record of this packet's subflow; NULL before it is established. Requires needs = ["flow_view"]. */
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
 * Takes the number of the next event of this CPU. Programs at XDP and tc run with softirqs off: on one CPU none
 * interrupts another. Where that does not hold (test runs before Linux 6.10), `writers` shows that another one is
 * active, and the later one gives up. Atomic addition that returns the old value would be simpler, but 5.10 refuses a
 * program with one.
 */
static __always_inline bool emptcp_event_number(volatile struct emptcp_event_ring *ring, __u64 *number)
{
	bool alone;

	__sync_fetch_and_add(&ring->writers, 1);
	alone = ring->writers == 1;
	if (alone) {
		*number = ring->next;
		ring->next = *number + 1;
	}
	__sync_fetch_and_add(&ring->writers, -1);
	return alone;
}

static __always_inline struct emptcp_event_slot *emptcp_event_slot_take(__u32 size)
{
	__u32 index = bpf_get_smp_processor_id();
	struct emptcp_event_ring *ring = bpf_map_lookup_elem(&emptcp_event_rings, &index);
	struct emptcp_event_slot *slot;
	__u64 number;

	if (!ring || !emptcp_event_number(ring, &number))
		return NULL;
	index = index * (__u32)ring->slots + number % ring->slots;
	slot = bpf_map_lookup_elem(&emptcp_events, &index);
	if (!slot)
		return NULL;
	*(volatile __u64 *)&slot->sequence = 2 * number + 1;
	asm volatile("" ::: "memory");
	slot->length = size;
	return slot;
}

/*
 * Space for an event of `size` bytes (a constant, at most EMPTCP_EVENT_BYTES), zero at first. It replaces the oldest
 * event of this CPU. NULL only if two programs meet on one CPU, which the core counts as event_lost. A reserved event
 * must be submitted: otherwise each reader reports one as missed.
 */
#define emptcp_event_reserve(size)                                                                                     \
	({                                                                                                             \
		struct emptcp_event_slot *taken = emptcp_event_slot_take(size);                                        \
		void *reserved = NULL;                                                                                 \
		_Static_assert((size) <= EMPTCP_EVENT_BYTES, "an event has at most EMPTCP_EVENT_BYTES");               \
		if (taken) {                                                                                           \
			reserved = taken->words;                                                                       \
			__builtin_memset(reserved, 0, size);                                                           \
		} else {                                                                                               \
			emptcp_event_lost();                                                                           \
		}                                                                                                      \
		reserved;                                                                                              \
	})

static __always_inline void emptcp_event_header(struct emptcp_event *event, const struct emptcp_packet *packet,
						__u16 kind, __u16 body_length)
{
	event->time_ns = bpf_ktime_get_ns();
	event->flow = packet->flow_id;
	event->key = packet->key;
	event->policy = emptcp_self.policy;
	event->kind = kind;
	event->body_length = body_length;
	event->direction = packet->direction;
}

/* The next step of a checksum. */
static __always_inline __u64 emptcp_event_sum(__u64 sum, __u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
	return sum ^ sum >> 32;
}

/* Shows an event to the readers. */
static __always_inline void emptcp_event_submit(void *event)
{
	struct emptcp_event_slot *slot = event - __builtin_offsetof(struct emptcp_event_slot, words);
	__u64 sequence = slot->sequence + 1;
	__u64 sum = emptcp_event_sum(sequence, slot->length);

	for (int i = 0; i < EMPTCP_EVENT_WORDS; i++)
		sum = emptcp_event_sum(sum, slot->words[i]);
	slot->checksum = sum;
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&slot->sequence = sequence;
}

#endif
