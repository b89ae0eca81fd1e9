/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * State of everything that shares a rate. Packets of one bucket arrive on several CPUs at the same time, and its map
 * allows no lock on Linux 5.10. So bytes and the queue's length are only changed by atomic additions whose result is
 * not used (using it needs Linux 5.12). Everything else is a plain store of a value that every CPU would store, or of
 * one that the next packet corrects.
 */
#ifndef RATE_LIMIT_BUCKET_H
#define RATE_LIMIT_BUCKET_H

#define NANOSECONDS 1000000000ull
#define MICROSECONDS 1000000ull
#define LONGEST_MEASUREMENT_NS (10 * NANOSECONDS)

struct bucket {
	__u64 begin_ns;        /* of the ramp; 0: it has not begun */
	__u64 since_ns;        /* begin of the present measurement */
	__u64 at_since;        /* `bytes` then */
	__u64 bytes;           /* payload in total */
	__u64 empty_ns;        /* when the virtual queue will have drained */
	__u64 ramped;          /* the ramp is over */
	__u64 retransmissions; /* of the flow, so far */
	__u64 due;             /* a packet is to be dropped: the virtual queue is long and grows */
	/* Only in the ramp. */
	__u64 first_pace; /* what the steps start from, bits per second; 0: not measured yet */
	__u64 first_ns;   /* when that was */
	__u64 step;       /* number of the present step */
	__u64 step_pace;  /* the pace at its begin */
	__u64 unheard;    /* steps in which the sender did not slow down */
	__u64 above;      /* by how much the pace is above what is allowed, bits per second */
	__u64 pace;       /* last measured, bits per second */
	__u64 below;      /* consecutive measurements near the configured rate */
	__u64 spacing_ns; /* of measurements and of dropped packets */
	__u64 taken_ns;   /* when the last packet was dropped */
	__u64 owed;       /* bytes still to be dropped of a sender that does not slow down */
};
STATE(state_bucket, struct bucket);
static const struct bucket empty_bucket;

/* Reads a member once, in the order of the source: another CPU may be writing it. */
#define NOW_IN(member) (*(const volatile __u64 *)&(member))
#define STORE_IN(member, value) (*(volatile __u64 *)&(member) = (value))

/* Time that `bytes` take at the rate. */
static __always_inline __u64 duration_of(__u64 bytes)
{
	return bytes * 8 * NANOSECONDS / arguments.rate;
}

/*
 * The pace since the last measurement, in bits per second; 0 if that is less than `least_ns` ago. Begins the next
 * measurement. Another CPU that does the same stores the time first and the bytes then, so a CPU that sees its bytes
 * also sees its time, and returns 0.
 */
static __always_inline __u64 measure(struct bucket *bucket, __u64 now, __u64 least_ns)
{
	__u64 since = NOW_IN(bucket->since_ns), elapsed = now - since, bytes, came;

	if ((__s64)elapsed < (__s64)least_ns)
		return 0;
	bytes = NOW_IN(bucket->bytes);
	came = bytes - NOW_IN(bucket->at_since);
	if (NOW_IN(bucket->since_ns) != since)
		return 0;
	STORE_IN(bucket->since_ns, now);
	STORE_IN(bucket->at_since, bytes);
	/* Limited: a pause of hours means no more than one of seconds, and the product below must fit. */
	if (elapsed > LONGEST_MEASUREMENT_NS)
		elapsed = LONGEST_MEASUREMENT_NS;
	return came * 8 * MICROSECONDS / (elapsed / 1000) | 1;
}

/*
 * May this packet be dropped? A segment that is lost twice blocks all later ones until a timer expires. To be called
 * for every packet.
 */
static __always_inline bool is_fresh(struct bucket *bucket, const struct emptcp_packet *packet)
{
	bool fresh = packet->flow.retransmissions == bucket->retransmissions;

	bucket->retransmissions = packet->flow.retransmissions;
	return fresh || arguments.per != PER_SUBFLOW;
}

#endif
