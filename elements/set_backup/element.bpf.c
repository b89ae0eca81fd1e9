/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the receiver of this packet treat the subflow as backup, or as regular again, by MP_PRIO (RFC 8684 section
 * 3.3.8). The option is added to a pure ACK that has room for it, a few times, half a second apart, since an ACK may be
 * lost.
 */
#include <emptcp/element.h>
#include <emptcp/edit.h>
#include <emptcp/record.h>

#define PAUSE_NS 500000000ull
#define MP_PRIO_BACKUP 1

struct arguments {
	__u32 state;
	__u32 times;
};
ARGUMENTS;
COUNTERS(sent, no_room, failed);

enum state { STATE_ON, STATE_OFF };

struct said {
	__u64 last_ns;
	__u32 times;
	__u32 reserved;
};
STATE(state_said, struct said);
static const struct said nothing_said;

ACTOR(set_backup)
{
	__u8 option[4] = {EMPTCP_KIND_MPTCP, 3, EMPTCP_SUBTYPE_MP_PRIO << 4, EMPTCP_KIND_NOP};
	struct said *said;

	if (!(packet->types & EMPTCP_PURE_ACK) || packet->types & (EMPTCP_THIRD_ACK | EMPTCP_UNACCEPTABLE))
		return EMPTCP_CONTINUE;
	said = emptcp_state(&state_said, packet->flow_id, &nothing_said);
	if (!said || said->times >= arguments.times)
		return EMPTCP_CONTINUE;
	if (said->times && emptcp_elapsed(packet->now_ns, said->last_ns) < PAUSE_NS)
		return EMPTCP_CONTINUE;
	if (packet->types & EMPTCP_MP_PRIO)
		return EMPTCP_CONTINUE; /* the host itself signals about this subflow just now */
	if (!emptcp_can_append(packet, sizeof(option))) {
		emptcp_count(packet, no_room);
		return EMPTCP_CONTINUE;
	}
	if (arguments.state == STATE_ON)
		option[2] |= MP_PRIO_BACKUP;
	if (!emptcp_append_option(ctx, packet, option, sizeof(option))) {
		emptcp_count(packet, failed);
		return EMPTCP_CONTINUE;
	}
	packet->types |= EMPTCP_MP_PRIO;
	emptcp_flow_asks_backup(packet, arguments.state == STATE_ON);
	said->last_ns = packet->now_ns;
	said->times++;
	emptcp_count_event(packet, sent);
	return EMPTCP_CONTINUE;
}
