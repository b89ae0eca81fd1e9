/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the rate that a flow has to the rate that it may have, without a stall. First the pace is measured; then half of
 * it is allowed, a step later a quarter, and so on, down to the configured rate. While the pace is above the allowed
 * one, a packet is dropped (or marked) from time to time, and the sender's own congestion control slows down. A queue
 * that is simply full would take a whole window, and what is lost on one subflow blocks the connection.
 *
 * So does data that waits in the sender. Linux gives a subflow data for some tenths of a second at its former rate, and
 * continues while its average of the pacing rate (avg_pacing_rate in mptcp_subflow_get_send) falls. That depends on
 * bytes, not on time. At a quarter of the rate all that data passes in a second or two; at a twentieth the other
 * subflows would wait for it. So the ramp stays longer at rates below half.
 *
 * A sender that does not slow down after single drops (BBR) loses all that is above the allowed rate, evenly, and the
 * steps start again from there.
 */
#ifndef RATE_LIMIT_RAMP_H
#define RATE_LIMIT_RAMP_H

#include "bucket.h"

#define STEP_NS 250000000ull
#define LONGEST_RAMP_NS 4000000000ull /* a sender that does not slow down by itself */
#define LEAST_SPACING_NS 100000000ull /* of dropped packets: a sender slows down once per round trip */
#define BYTES_BETWEEN 65536ull        /* two of them */
#define LARGEST_SACRIFICE 4           /* segments: to drop a whole aggregate costs a window */
#define UNHEARD_STEPS 3               /* a long queue hides for a while that the sender has slowed down */
#define LONG_STEP 5                   /* steps at the same rate once it is less than half */

enum ramp_step { RAMP_DONE, RAMP_PASS, RAMP_DROP };

/* A flow that begins under the limit has no higher rate to reduce: a ramp would only let it exceed the limit. */
static __always_inline bool is_young(const struct emptcp_packet *packet)
{
	return !(packet->flow.flags & EMPTCP_FLOW_PARTIAL) &&
	       packet->flow.bytes < arguments.rate / 8 / (NANOSECONDS / STEP_NS);
}

/*
 * A packet that is dropped at egress of the sending host has not left: TCP retries at once, and without a ramp most of
 * its first attempts are dropped. So with the automatic choice (auto) the sender always slows down first.
 */
static __always_inline bool ramp_wanted(const struct emptcp_packet *packet)
{
	return arguments.ramp || (arguments.mode == MODE_AUTO && packet->direction == EMPTCP_EGRESS);
}

/*
 * Time between two dropped packets: a round trip, which is seldom known at ingress, and long enough that few packets
 * are lost; otherwise a slow flow would stop.
 */
static __always_inline __u64 spacing_of(const struct emptcp_packet *packet, __u64 pace)
{
	__u64 spacing = packet->flow.rtt_us * 1000ull, few = BYTES_BETWEEN * 8 * NANOSECONDS / pace;

	if (spacing < few)
		spacing = few;
	if (spacing < LEAST_SPACING_NS)
		spacing = LEAST_SPACING_NS;
	return spacing < STEP_NS ? spacing : STEP_NS;
}

/* The rate that a step allows, in bits per second: half, then a quarter for a long step, an eighth for another. */
static __always_inline __u64 allowed_in(const struct bucket *bucket)
{
	__u64 halvings = bucket->step ? 2 + (bucket->step - 1) / LONG_STEP : 1;
	__u64 allowed = bucket->first_pace >> (halvings & 63);

	return allowed > arguments.rate ? allowed : arguments.rate;
}

/*
 * One more loss reduces the rate by a third (CUBIC) or half (Reno): a pace less than a third above the limit gets none.
 */
static __always_inline bool is_near(__u64 pace, __u64 allowed)
{
	return pace - pace / 4 <= allowed;
}

/* At the end of a step: does the sender slow down? */
static __always_inline void begin_step(struct bucket *bucket, __u64 step, __u64 pace, __u64 now)
{
	bool heard = is_near(pace, allowed_in(bucket)) || pace / 4 * 5 <= bucket->step_pace;

	bucket->step = step;
	if (bucket->unheard >= UNHEARD_STEPS)
		return;
	bucket->unheard = heard ? 0 : bucket->unheard + 1;
	bucket->step_pace = pace;
	if (bucket->unheard == UNHEARD_STEPS) {
		bucket->first_ns = now;
		bucket->first_pace = pace;
		bucket->step = 0;
	}
}

/* Evaluates a measurement. True if the ramp is over: the pace is near the rate, twice in a row. */
static __always_inline bool note_pace(struct bucket *bucket, const struct emptcp_packet *packet, __u64 pace, __u64 now)
{
	__u64 step, allowed;

	if (!bucket->first_pace) {
		bucket->first_ns = now;
		bucket->first_pace = bucket->step_pace = pace;
	}
	step = (now - bucket->first_ns) / STEP_NS;
	if (step > bucket->step && pace > arguments.rate)
		begin_step(bucket, step, pace, now);
	allowed = allowed_in(bucket);
	bucket->pace = pace;
	bucket->spacing_ns = spacing_of(packet, pace);
	bucket->above = is_near(pace, allowed) ? 0 : pace - allowed;
	bucket->below = is_near(pace, arguments.rate) ? bucket->below + 1 : 0;
	return bucket->below >= 2;
}

/* Must this packet be dropped? */
static __always_inline bool takes(struct bucket *bucket, const struct emptcp_packet *packet, __u64 now)
{
	__s64 since = now - NOW_IN(bucket->taken_ns), spacing = bucket->spacing_ns;
	__u64 above = NOW_IN(bucket->above);

	if (!above)
		return false;
	if (bucket->unheard >= UNHEARD_STEPS) {
		/* In thousands of bits per second: the product must fit. */
		__sync_fetch_and_add(&bucket->owed,
				     packet->payload_length * (above / 1000) / (bucket->pace / 1000 | 1));
		if ((__s64)NOW_IN(bucket->owed) < (__s64)packet->payload_length)
			return false;
		__sync_fetch_and_add(&bucket->owed, -(__u64)packet->payload_length);
		return true;
	}
	/* When one loss is enough, the next waits until that one shows in the pace. */
	if (packet->segments > LARGEST_SACRIFICE || above < bucket->pace / 2)
		spacing *= 2;
	if (!is_fresh(bucket, packet) || since < spacing)
		return false;
	bucket->taken_ns = now;
	return true;
}

static __always_inline enum ramp_step ramp_down(struct bucket *bucket, const struct emptcp_packet *packet, __u64 now)
{
	__u64 pace;

	if (bucket->ramped)
		return RAMP_DONE;
	if (!bucket->begin_ns)
		bucket->begin_ns = bucket->since_ns = now;
	if (ramp_wanted(packet) && !is_young(packet) && now - bucket->begin_ns < LONGEST_RAMP_NS) {
		pace = measure(bucket, now, bucket->first_pace ? bucket->spacing_ns : STEP_NS);
		if (!pace || !note_pace(bucket, packet, pace, now))
			return takes(bucket, packet, now) ? RAMP_DROP : RAMP_PASS;
	}
	bucket->ramped = 1;
	bucket->empty_ns = now;
	return RAMP_DONE;
}

#endif
