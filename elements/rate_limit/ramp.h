/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the rate that a flow has to the rate that it may have, without a stall: while the measured rate is above the one
 * asked for, one packet in a while is dropped (or marked), and the sender's own congestion control comes down step by
 * step. A queue that is simply full would take a whole window, and what is lost on one subflow blocks the connection.
 */
#ifndef RATE_LIMIT_RAMP_H
#define RATE_LIMIT_RAMP_H

#define NANOSECONDS 1000000000ull
#define STEP_NS 150000000ull       /* a drop shows within two round trips */
#define LONGEST_RAMP_NS 4000000000ull /* a sender that does not come down by itself */
#define LARGEST_SACRIFICE 4        /* segments: to drop a whole aggregate costs a window */

struct bucket {
	__u64 begin_ns; /* of the ramp */
	__u64 since_ns; /* begin of the present step */
	__u64 measured; /* payload bytes since then */
	__u64 empty_ns; /* when the virtual queue will have drained */
	__u64 next_drop_ns;
	__u32 drops; /* in a row, while the queue stayed above its target */
	__u32 done;  /* the ramp is over */
};
STATE(state_bucket, struct bucket);
static const struct bucket empty_bucket;

enum ramp_step { RAMP_DONE, RAMP_PASS, RAMP_DROP };

static __always_inline enum ramp_step ramp_down(struct bucket *bucket, const struct emptcp_packet *packet, __u64 now)
{
	__u64 elapsed;

	if (bucket->done)
		return RAMP_DONE;
	if (!bucket->begin_ns) {
		bucket->begin_ns = now;
		bucket->since_ns = now;
	}
	bucket->measured += packet->payload_length;
	elapsed = now - bucket->since_ns;
	if (arguments.ramp && elapsed < STEP_NS)
		return RAMP_PASS;
	/* Within a quarter of the rate the virtual queue does the rest. */
	if (!arguments.ramp || now - bucket->begin_ns > LONGEST_RAMP_NS ||
	    bucket->measured * 8 * 4 <= arguments.rate * 5 / 1000 * (elapsed / 1000000)) {
		bucket->done = 1;
		return RAMP_DONE;
	}
	if (packet->segments > LARGEST_SACRIFICE && elapsed < 2 * STEP_NS)
		return RAMP_PASS;
	bucket->since_ns = now;
	bucket->measured = 0;
	return RAMP_DROP;
}

/* How long `bytes` take at the rate. */
static __always_inline __u64 duration_of(__u32 bytes)
{
	return bytes * 8 * NANOSECONDS / arguments.rate;
}

#endif
