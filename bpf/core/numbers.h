/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Could the sender have sent a segment with these numbers? After van Rooij, "Real Stateful TCP Packet Filtering in IP
 * Filter", as tcp_in_window() of nf_conntrack; docs/flow-records.md has the rules and their reasons.
 */
#ifndef EMPTCP_CORE_NUMBERS_H
#define EMPTCP_CORE_NUMBERS_H

#include "tables.h"

/* Bytes of sequence space that the segment takes. */
static __always_inline __u32 sequence_length(const struct emptcp_packet *packet)
{
	return packet->payload_length + !!(packet->types & (EMPTCP_SYN | EMPTCP_SYNACK)) +
	       !!(packet->types & EMPTCP_FIN);
}

/*
 * Condition 3, if the numbers of `peer` are known: nothing that it has not sent, and nothing older than hosts accept
 * (tcp_ack of Linux: max_window below snd_una, which is the highest ACK of `sender`).
 */
static __always_inline bool acknowledges_sent(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
					      const struct emptcp_packet *packet, __u32 lag)
{
	__u32 oldest = peer->end;

	if (sender->known & EMPTCP_KNOWN_ACKNOWLEDGING && emptcp_before(sender->acknowledgement, oldest))
		oldest = sender->acknowledgement;
	return !emptcp_before(peer->end, packet->acknowledgement) &&
	       !emptcp_before(packet->acknowledgement, oldest - lag);
}

/* Conditions 1 to 3, if all numbers of both sides are known. window_max is never below EMPTCP_WINDOW_LEAST. */
static __always_inline bool numbers_fit(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
					const struct emptcp_packet *packet)
{
	__u32 end = packet->sequence + sequence_length(packet);
	__u32 allowed = peer->window_max, lag = sender->window_max;

	if (!(packet->types & EMPTCP_ACK))
		return false;
	if ((__s32)(packet->sequence - peer->acknowledgement - allowed) > 0)
		return false;
	if ((__s32)(end - sender->end + allowed) < 0)
		return false;
	return acknowledges_sent(sender, peer, packet, lag);
}

/* The window of a segment in bytes; that of a SYN is never scaled (RFC 7323 section 2.2). */
static __always_inline __u32 window_of(const struct emptcp_sender *sender, const struct emptcp_packet *packet)
{
	if (sender->window_scale > 14 || packet->types & (EMPTCP_SYN | EMPTCP_SYNACK))
		return packet->window;
	return (__u32)packet->window << sender->window_scale;
}

/* Conditions 1 and 2 with what is known. */
static __always_inline bool sequence_possible(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
					      const struct emptcp_packet *packet)
{
	__u32 end = packet->sequence + sequence_length(packet);

	if (peer->known & EMPTCP_KNOWN_ACKNOWLEDGING &&
	    (__s32)(packet->sequence - peer->acknowledgement - peer->window_max) > 0)
		return false;
	if (!(sender->known & EMPTCP_KNOWN_STARTED))
		return true;
	if ((__s32)(end - sender->end + peer->window_max) < 0)
		return false;
	return peer->known & EMPTCP_KNOWN_ACKNOWLEDGING ||
	       (__s32)(packet->sequence - sender->end - peer->window_max) <= 0;
}

/* Conditions 3 and 4 with what is known. */
static __always_inline bool acknowledgement_possible(const struct emptcp_sender *sender,
						     const struct emptcp_sender *peer,
						     const struct emptcp_packet *packet)
{
	__u32 lag = sender->window_max, window = window_of(sender, packet);

	if (peer->known & EMPTCP_KNOWN_STARTED) {
		/* For a side that is first seen now, only the window in this segment is known. */
		if (!(sender->known & EMPTCP_KNOWN_STARTED) && window > lag)
			lag = window;
		return acknowledges_sent(sender, peer, packet, lag);
	}
	return !(sender->known & EMPTCP_KNOWN_ACKNOWLEDGING) ||
	       packet->acknowledgement - sender->acknowledgement + EMPTCP_WINDOW_LARGEST <= 2 * EMPTCP_WINDOW_LARGEST;
}

static __always_inline bool acceptable(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
				       const struct emptcp_packet *packet)
{
	return packet->types & EMPTCP_ACK && sequence_possible(sender, peer, packet) &&
	       acknowledgement_possible(sender, peer, packet);
}

/*
 * For a segment that was just accepted: if the window is not known, nearly every number is acceptable. So a segment
 * that does more than carry data must be where everything before it was seen.
 */
static __always_inline bool sure_place(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
				       const struct emptcp_packet *packet)
{
	return peer->window_max < EMPTCP_WINDOW_LARGEST ||
	       sender->contiguous == packet->sequence + sequence_length(packet);
}

/* Is this a number at which a RST of `sender` is accepted at once (RFC 5961 section 3.2)? */
static __always_inline bool reset_exact(const struct emptcp_sender *sender, const struct emptcp_sender *peer,
					const struct emptcp_packet *packet)
{
	if (sender->known & EMPTCP_KNOWN_STARTED && packet->sequence == sender->contiguous)
		return true;
	return peer->known & EMPTCP_KNOWN_ACKNOWLEDGING &&
	       (packet->sequence == peer->acknowledgement || packet->sequence == peer->sack_edge);
}

/*
 * An unacceptable segment: the next of its side's run, or the first of a new run. A pure ACK continues a run of pure
 * ACKs.
 */
static __always_inline void run_extend(struct emptcp_sender *sender, const struct emptcp_packet *packet)
{
	if (!sender->run_count || packet->sequence != sender->run_end) {
		sender->run_begin = packet->sequence;
		sender->run_count = 0;
	}
	sender->run_end = packet->sequence + sequence_length(packet);
	if (sender->run_count < EMPTCP_RUN)
		sender->run_count++;
}

/* Does `acknowledgement`, sent by the other side, show that the run of `sender` has the true numbers? */
static __always_inline bool run_confirmed(const struct emptcp_sender *sender, __u32 acknowledgement)
{
	__u32 length = sender->run_end - sender->run_begin;

	return sender->run_count >= EMPTCP_RUN && sender->run_end - acknowledgement < (length ? length : 1);
}

/*
 * The numbers of the run of `sender` are now the valid ones, and so is the acknowledgement of the other side that
 * confirms them.
 */
static __always_inline void reanchor(struct emptcp_sender *sender, struct emptcp_sender *peer, __u32 acknowledgement)
{
	sender->end = sender->run_end;
	sender->contiguous = sender->run_end;
	sender->base = sender->run_begin;
	sender->range_count = 0;
	sender->rtt_sent_ns = 0;
	sender->run_count = 0;
	sender->known |= EMPTCP_KNOWN_STARTED;
	sender->fin = EMPTCP_FIN_NONE;
	sender->reanchored++;
	/* The amount of missing data is unknown: the DSN comes from the connection, or from the next 64-bit DSN. */
	sender->dsn_next = 0;
	sender->dsn_first = 0;
	peer->acknowledgement = acknowledgement;
	peer->sack_edge = acknowledgement;
	peer->known |= EMPTCP_KNOWN_ACKNOWLEDGING;
}

#endif
