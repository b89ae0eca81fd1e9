/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Holding a connection to a rate by the window that its acknowledgements advertise. The window that gives a rate depends
 * on round trips that we do not see, so it is found by feedback: DATA_ACK tells the rate achieved, and every round the
 * window is scaled by asked / achieved. It is never raised above what the receiver says, and SYN and RST stay as they are.
 */
#ifndef RATE_LIMIT_WINDOW_H
#define RATE_LIMIT_WINDOW_H

#define ROUND_NS 200000000ull
#define SMALLEST_WINDOW 2920 /* two full segments */
#define LARGEST_WINDOW (64u << 20)

struct clamp {
	__u64 since_ns; /* begin of the round */
	__u64 window;   /* bytes */
	__u64 highest; /* DATA_ACK seen; its low 32 bits are those of the packet, the rest counts how often they wrapped */
	__u64 at_begin; /* the same at the begin of the round */
	__u32 started;  /* there is a window */
	__u32 known; /* there has been a DATA_ACK: sequence numbers begin anywhere, so no value can stand for "none" */
};
STATE(state_clamp, struct clamp);
static const struct clamp no_clamp;

static __always_inline void clamp_adjust(struct clamp *clamp, __u64 acked, __u64 elapsed_ms)
{
	__u64 achieved = acked * 8 * 1000 / elapsed_ms;
	__u64 wanted = arguments.rate;
	__u32 shift = wanted >> 36 ? 12 : 0; /* a window has up to 26 bits, and their product must fit in 64 */

	/* By halves while far off, then by a quarter at most in either direction: one round that came late shows twice the
	 * rate, and must not cost more than the next round gives back. */
	if (achieved > 4 * wanted)
		clamp->window /= 2;
	else if (achieved * 3 > wanted * 4)
		clamp->window -= clamp->window / 4;
	else if (achieved * 5 < wanted * 4)
		clamp->window += clamp->window / 4;
	else
		clamp->window = clamp->window * (wanted >> shift) / (achieved >> shift | 1);
	if (clamp->window < SMALLEST_WINDOW)
		clamp->window = SMALLEST_WINDOW;
	if (clamp->window > LARGEST_WINDOW)
		clamp->window = LARGEST_WINDOW;
}

/* Only an acknowledgement with a DATA_ACK says something about the rate, and only the second one says how much. */
static __always_inline void clamp_learn(struct clamp *clamp, __u32 data_ack, __u64 now)
{
	__u32 progress = data_ack - (__u32)clamp->highest;

	if (!clamp->known) {
		clamp->known = 1;
		clamp->since_ns = now;
		clamp->highest = clamp->at_begin = data_ack;
		return;
	}
	/* Subflows acknowledge on several CPUs. What is stored is always a DATA_ACK that was seen, so an update that gets
	 * lost is made up for by the next. */
	if (progress < 1u << 31)
		clamp->highest += progress;
	if (now - clamp->since_ns < ROUND_NS)
		return;
	clamp_adjust(clamp, clamp->highest - clamp->at_begin, (now - clamp->since_ns) / 1000000);
	clamp->since_ns = now;
	clamp->at_begin = clamp->highest;
}

static __always_inline enum emptcp_verdict limit_by_window(emptcp_context *ctx, struct emptcp_packet *packet)
{
	__u8 scale = packet->flow.window_scale;
	struct clamp *clamp;
	__u64 field;

	if (!(packet->types & EMPTCP_ACK) || packet->types & (EMPTCP_SYNACK | EMPTCP_RST))
		return EMPTCP_CONTINUE;
	if (scale > 14) {
		emptcp_count(packet, no_scale);
		return EMPTCP_CONTINUE;
	}
	clamp = emptcp_state(&state_clamp, packet->connection_id ? packet->connection_id : packet->flow_id, &no_clamp);
	if (!clamp) {
		emptcp_count(packet, no_state);
		return EMPTCP_CONTINUE;
	}
	if (!clamp->started) {
		clamp->started = 1;
		/* Begin where the receiver is; without ramp at the rate times a tenth of a second. */
		clamp->window = (__u64)packet->window << scale;
		if (!arguments.ramp)
			clamp->window = arguments.rate / 80;
	}
	if ((packet->types & (EMPTCP_DSS_ACK | EMPTCP_UNACCEPTABLE)) == EMPTCP_DSS_ACK)
		clamp_learn(clamp, packet->data_ack, bpf_ktime_get_ns());
	field = clamp->window >> scale;
	if (!field)
		field = 1;
	if (field >= packet->window)
		return EMPTCP_CONTINUE;
	if (emptcp_set_window(ctx, packet, field))
		emptcp_count(packet, clamped);
	return EMPTCP_CONTINUE;
}

#endif
