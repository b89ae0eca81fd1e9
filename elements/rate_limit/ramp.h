/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the rate that a flow has to the rate that it may have, without a stall: while the measured rate is above the one
 * asked for, one packet in a while is dropped (or marked), and the sender's own congestion control comes down step by
 * step. A queue that is simply full would take a whole window, and what is lost on one subflow blocks the connection.
 * Measured on two paths of 50 Mbit/s: halving an allowed rate every 250 ms stalled the connection for 2 s, this does not.
 */
#ifndef RATE_LIMIT_RAMP_H
#define RATE_LIMIT_RAMP_H

#define NANOSECONDS 1000000000ull
#define STEP_NS 200000000ull          /* by then a drop shows in the rate, unless the round trip is very long */
#define LONGEST_RAMP_NS 4000000000ull /* a sender that does not come down by itself */
#define LARGEST_SACRIFICE 4           /* segments: to drop a whole aggregate costs a window */

struct bucket {
	__u64 begin_ns; /* of the ramp */
	__u64 since_ns; /* begin of the present step */
	__u64 measured; /* payload bytes since then */
	__u64 empty_ns; /* when the virtual queue will have drained */
	__u64 ramped;   /* the ramp is over */
};
STATE(state_bucket, struct bucket);
static const struct bucket empty_bucket;

enum pace { PACE_UNKNOWN, PACE_BELOW, PACE_ABOVE };

/* At the end of a step: was the rate above `percent` of the one asked for? Begins the next step. */
static __always_inline enum pace measure(struct bucket *bucket, const struct emptcp_packet *packet, __u64 now,
					 __u32 percent)
{
	__u64 elapsed = now - bucket->since_ns, allowed;

	bucket->measured += packet->payload_length;
	if (elapsed < STEP_NS || (packet->segments > LARGEST_SACRIFICE && elapsed < 2 * STEP_NS))
		return PACE_UNKNOWN;
	allowed = arguments.rate / 8 * percent / 100 * (elapsed / 1000000) / 1000;
	elapsed = bucket->measured;
	bucket->since_ns = now;
	bucket->measured = 0;
	return elapsed > allowed ? PACE_ABOVE : PACE_BELOW;
}

/* A flow that begins under the limit has no rate to come down from: a ramp would only let it exceed the limit. */
static __always_inline bool is_young(const struct emptcp_packet *packet)
{
	return !(packet->flow.flags & EMPTCP_FLOW_PARTIAL) &&
	       packet->flow.bytes * 8 * NANOSECONDS / STEP_NS < arguments.rate;
}

enum ramp_step { RAMP_DONE, RAMP_PASS, RAMP_DROP };

static __always_inline enum ramp_step ramp_down(struct bucket *bucket, const struct emptcp_packet *packet, __u64 now)
{
	if (bucket->ramped)
		return RAMP_DONE;
	if (!bucket->begin_ns)
		bucket->begin_ns = bucket->since_ns = now;
	if (arguments.ramp && !is_young(packet) && now - bucket->begin_ns < LONGEST_RAMP_NS) {
		switch (measure(bucket, packet, now, 125)) {
		case PACE_UNKNOWN:
			return RAMP_PASS;
		case PACE_ABOVE:
			return RAMP_DROP;
		case PACE_BELOW:
			break;
		}
	}
	bucket->ramped = 1;
	bucket->empty_ns = now;
	return RAMP_DONE;
}

/* How long `bytes` take at the rate. */
static __always_inline __u64 duration_of(__u32 bytes)
{
	return bytes * 8 * NANOSECONDS / arguments.rate;
}

#endif
