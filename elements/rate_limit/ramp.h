/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the rate that a flow has to the rate that it may have. */
#ifndef RATE_LIMIT_RAMP_H
#define RATE_LIMIT_RAMP_H

#define NANOSECONDS 1000000000ull
#define MEASURE_NS 100000000ull /* how long the present rate is measured */
#define HALVE_NS 250000000ull

struct bucket {
	__u64 rate;     /* bits per second allowed now; 0 while measuring */
	__u64 since_ns; /* begin of the measurement, then of the present step */
	__u64 measured; /* payload bytes since then */
	__u64 empty_ns; /* when the virtual queue will have drained */
	__u64 next_drop_ns;
	__u32 drops; /* in a row, while the queue stayed above its target */
	__u32 reserved;
};
STATE(state_bucket, struct bucket);
static const struct bucket empty_bucket;

static __always_inline void ramp_down(struct bucket *bucket, __u32 bytes, __u64 now)
{
	if (bucket->rate == arguments.rate)
		return;
	if (!arguments.ramp) {
		bucket->rate = arguments.rate;
		return;
	}
	if (!bucket->since_ns)
		bucket->since_ns = now;
	if (!bucket->rate) {
		__u64 elapsed = now - bucket->since_ns;

		bucket->measured += bytes;
		if (elapsed < MEASURE_NS)
			return;
		bucket->rate = bucket->measured * 8 * 1000 / (elapsed / 1000000);
		bucket->since_ns = now - HALVE_NS; /* the first step is now */
		if (bucket->rate < arguments.rate)
			bucket->rate = arguments.rate;
	}
	if (now - bucket->since_ns >= HALVE_NS) {
		bucket->since_ns = now;
		bucket->rate /= 2;
		if (bucket->rate < arguments.rate)
			bucket->rate = arguments.rate;
	}
}

/* How long `bytes` take at `rate`. */
static __always_inline __u64 duration_of(__u32 bytes, __u64 rate)
{
	return bytes * 8 * NANOSECONDS / rate;
}

#endif
