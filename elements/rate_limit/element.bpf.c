/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits traffic to a rate, by one of three modes, each in its own file:
 *  police  a virtual queue that drops, or marks when the flow is ECN-capable: works at every hook, needs no queue;
 *  shape   at egress: departure times where the device has fq, an HTB class otherwise (set up by the loader);
 *  window  clamps the window in acknowledgements: for whole connections, since Linux shares the send window.
 *
 * The switch to a low rate costs more than the rate itself: data that waits on the slow subflow blocks the
 * connection. So the sender is first slowed down in steps (ramp).
 */
#include <emptcp/element.h>
#include <emptcp/class.h>
#include <emptcp/edit.h>

enum mode { MODE_AUTO, MODE_POLICE, MODE_SHAPE, MODE_WINDOW };
enum per { PER_SUBFLOW, PER_CONNECTION, PER_POLICY };

struct arguments {
	__u64 rate;
	__u32 mode;
	__u32 per;
	__u8 ramp;
};
ARGUMENTS;
COUNTERS(passed, dropped, marked, delayed, clamped, no_scale, no_state, shape_missing);

#include "ramp.h"
#include "police.h"
#include "shape.h"
#include "window.h"

ACTOR(rate_limit)
{
	struct bucket *bucket;
	__u64 now, owner;

	if (!arguments.rate)
		return EMPTCP_CONTINUE;
	if (arguments.mode == MODE_WINDOW)
		return limit_by_window(ctx, packet);
	if (!packet->payload_length)
		return EMPTCP_CONTINUE; /* acknowledgements do not fill a path */
	/* Perhaps forged: it must not use up the subflow's rate. */
	if (packet->types & EMPTCP_UNACCEPTABLE)
		return EMPTCP_CONTINUE;
	owner = packet->flow_id;
	if (arguments.per == PER_CONNECTION && packet->connection_id)
		owner = packet->connection_id;
	else if (arguments.per == PER_POLICY)
		owner = 0;
	bucket = emptcp_state(&state_bucket, owner, &empty_bucket);
	if (!bucket) {
		emptcp_count(packet, no_state);
		return EMPTCP_CONTINUE;
	}
	now = bpf_ktime_get_ns();
	__sync_fetch_and_add(&bucket->bytes, packet->payload_length);
	switch (ramp_down(bucket, packet, now)) {
	case RAMP_DONE:
		break;
	case RAMP_PASS:
		emptcp_count(packet, passed);
		return EMPTCP_CONTINUE;
	case RAMP_DROP:
		return mark_or_drop(ctx, packet);
	}
#if defined(EMPTCP_HOOK_TC)
	if (arguments.mode == MODE_SHAPE || emptcp_class.departure)
		return limit_by_shape(ctx, packet, bucket, now);
#endif
	return limit_by_police(ctx, packet, bucket, now);
}
