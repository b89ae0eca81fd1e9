/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A live figure of the subflow or of its connection, compared with a constant: so a policy can react in the kernel.
 * Bytes are TCP payload of both directions; idle is the time before this packet; rtt is to the remote side and back.
 */
#include <emptcp/element.h>
#include <emptcp/compare.h>

enum whose { OF_FLOW, OF_CONNECTION };
enum figure { BYTES, PACKETS, AGE, IDLE, RTT, RETRANSMISSIONS, SUBFLOWS };

struct arguments {
	__u32 of;
	__u32 what;
	__u32 compare;
	__u64 value;
};
ARGUMENTS;
COUNTERS(unknown);

static __always_inline __u64 flow_figure(const struct emptcp_packet *packet)
{
	switch (arguments.what) {
	case BYTES:
		return packet->flow.bytes;
	case PACKETS:
		return packet->flow.packets;
	case AGE:
		return packet->flow.age_ns;
	case IDLE:
		return packet->flow.idle_ns;
	}
	return packet->flow.retransmissions;
}

static __always_inline __u64 connection_figure(const struct emptcp_packet *packet)
{
	switch (arguments.what) {
	case BYTES:
		return packet->connection.bytes;
	case PACKETS:
		return packet->connection.packets;
	case AGE:
		return packet->connection.age_ns;
	case IDLE:
		return packet->connection.idle_ns;
	case SUBFLOWS:
		return packet->connection.subflows;
	}
	return packet->connection.retransmissions;
}

SELECTOR(metric)
{
	__u64 figure;

	if (arguments.what == RTT) {
		/* A connection has no round-trip time: that of this subflow is used in both cases. */
		figure = packet->flow.rtt_us * 1000ull;
		if (!figure) {
			emptcp_count(packet, unknown);
			return false;
		}
	} else if (arguments.of == OF_FLOW) {
		figure = flow_figure(packet);
	} else if (packet->connection.known) {
		figure = connection_figure(packet);
	} else {
		emptcp_count(packet, unknown);
		return false;
	}
	return emptcp_compare(figure, arguments.compare, arguments.value);
}
