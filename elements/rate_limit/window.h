/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits a connection to a rate by the window that its acknowledgements advertise. The window for a rate depends on
 * round-trip times that we do not see, so it is found by feedback: DATA_ACK shows the achieved rate, and every round
 * the window is scaled by configured / achieved. It is never raised above the receiver's own, and SYN and RST are not
 * changed.
 */
#ifndef RATE_LIMIT_WINDOW_H
#define RATE_LIMIT_WINDOW_H

#define ROUND_NS 200000000ull
#define SMALLEST_WINDOW 2920      /* two full segments */
#define LARGEST_WINDOW (1u << 30) /* no window is larger (RFC 7323 section 2.3) */

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

/*
 * `advertised`: the receiver's own window, in bytes. A window above that limits nothing, and would take long to fall.
 */
static __always_inline void clamp_adjust(struct clamp *clamp, __u64 acked, __u64 elapsed_ms, __u64 advertised)
{
	__u64 achieved = acked * 8 * 1000 / elapsed_ms;
	__u64 wanted = arguments.rate, window = clamp->window;
	/* A window has up to 30 bits, and its product with the rate must fit in 64. */
	__u32 shift = wanted >> 33 ? 17 : 0;

	/*
	 * By halves while far off, then by a quarter at most in either direction: one late round shows twice the rate,
	 * and must not reduce more than the next round can restore.
	 */
	if (achieved / 4 > wanted)
		window /= 2;
	else if (achieved / 4 * 3 > wanted)
		window -= window / 4;
	else if (achieved < wanted / 5 * 4)
		window += window < advertised ? window / 4 : 0;
	else
		window = window * (wanted >> shift) / (achieved >> shift | 1);
	if (window < SMALLEST_WINDOW)
		window = SMALLEST_WINDOW;
	if (window > LARGEST_WINDOW)
		window = LARGEST_WINDOW;
	clamp->window = window;
}

/* Only an acknowledgement with a DATA_ACK shows the rate, and only from the second one on. */
static __always_inline void clamp_learn(struct clamp *clamp, __u32 data_ack, __u64 now, __u64 advertised)
{
	__u32 progress = data_ack - (__u32)clamp->highest;

	if (!clamp->known) {
		clamp->known = 1;
		clamp->since_ns = now;
		clamp->highest = clamp->at_begin = data_ack;
		return;
	}
	/*
	 * Subflows acknowledge on several CPUs. What is stored is always a DATA_ACK that was seen, so the next update
	 * corrects a lost one.
	 */
	if (progress < 1u << 31)
		clamp->highest += progress;
	/* On another CPU the round may have begun after `now`. */
	if ((__s64)(now - clamp->since_ns) < (__s64)ROUND_NS)
		return;
	clamp_adjust(clamp, clamp->highest - clamp->at_begin, (now - clamp->since_ns) / 1000000, advertised);
	clamp->since_ns = now;
	clamp->at_begin = clamp->highest;
}

static __always_inline enum emptcp_verdict limit_by_window(emptcp_context *ctx, struct emptcp_packet *packet)
{
	__u8 scale = packet->flow.window_scale;
	struct clamp *clamp;
	__u64 field, advertised;

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
	advertised = (__u64)packet->window << scale;
	if (!clamp->started) {
		clamp->started = 1;
		/* Begin at the receiver's window; without ramp at the rate times a tenth of a second. */
		clamp->window = arguments.ramp ? advertised : arguments.rate / 80;
		if (clamp->window > LARGEST_WINDOW)
			clamp->window = LARGEST_WINDOW;
	}
	if ((packet->types & (EMPTCP_DSS_ACK | EMPTCP_UNACCEPTABLE)) == EMPTCP_DSS_ACK)
		clamp_learn(clamp, packet->data_ack, bpf_ktime_get_ns(), advertised);
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
