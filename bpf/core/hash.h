/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Token and initial data sequence number from an 8-byte key: SHA-256 for MPTCP v1 (RFC 8684 section 3.2), SHA-1 for v0
 * (RFC 6824 section 3.2). A key is a single block, so this is one round of compression. FIPS 180-4 names are kept.
 */
#ifndef EMPTCP_CORE_HASH_H
#define EMPTCP_CORE_HASH_H

#include <emptcp/maps.h>

static const __u32 sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static __always_inline __u32 rotate_left(__u32 value, int bits)
{
	return value << bits | value >> (32 - bits);
}

/* `w`: 16 words in a map value; the stack is too small and does not allow variable indices. */
static __always_inline void key_block(__u32 *w, const __u8 *key)
{
	w[0] = (__u32)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3];
	w[1] = (__u32)key[4] << 24 | key[5] << 16 | key[6] << 8 | key[7];
	w[2] = 0x80000000; /* the end mark of the padding */
	for (int i = 3; i < 15; i++)
		w[i] = 0;
	w[15] = 64; /* message length in bits */
}

static __always_inline void key_sha256(__u32 *w, struct emptcp_scratch_digest *digest)
{
	__u32 a = 0x6a09e667, b = 0xbb67ae85, c = 0x3c6ef372, d = 0xa54ff53a;
	__u32 e = 0x510e527f, f = 0x9b05688c, g = 0x1f83d9ab, h = 0x5be0cd19;

	key_block(w, digest->key);
#pragma clang loop unroll(disable)
	for (int t = 0; t < 64; t++) {
		__u32 x = w[t & 15], t1, t2;

		if (t >= 16) {
			__u32 s0 = w[(t + 1) & 15], s1 = w[(t + 14) & 15];

			s0 = rotate_left(s0, 25) ^ rotate_left(s0, 14) ^ s0 >> 3;
			s1 = rotate_left(s1, 15) ^ rotate_left(s1, 13) ^ s1 >> 10;
			x += s0 + s1 + w[(t + 9) & 15];
			w[t & 15] = x;
		}
		t1 = h + (rotate_left(e, 26) ^ rotate_left(e, 21) ^ rotate_left(e, 7)) + ((e & f) ^ (~e & g)) +
		     sha256_k[t & 63] + x;
		t2 = (rotate_left(a, 30) ^ rotate_left(a, 19) ^ rotate_left(a, 10)) + ((a & b) ^ (a & c) ^ (b & c));
		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	digest->token = a + 0x6a09e667;
	digest->idsn = (__u64)(g + 0x1f83d9ab) << 32 | (__u32)(h + 0x5be0cd19);
}

static __always_inline void key_sha1(__u32 *w, struct emptcp_scratch_digest *digest)
{
	__u32 a = 0x67452301, b = 0xefcdab89, c = 0x98badcfe, d = 0x10325476, e = 0xc3d2e1f0;

	key_block(w, digest->key);
#pragma clang loop unroll(disable)
	for (int t = 0; t < 80; t++) {
		__u32 x = w[t & 15], f, k, next;

		if (t >= 16) {
			x = rotate_left(w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ x, 1);
			w[t & 15] = x;
		}
		if (t < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (t < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (t < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		next = rotate_left(a, 5) + f + e + k + x;
		e = d;
		d = c;
		c = rotate_left(b, 30);
		b = a;
		a = next;
	}
	digest->token = a + 0x67452301;
	/* 160 bits: the lowest 64 are the last two words. */
	digest->idsn = (__u64)(d + 0x10325476) << 32 | (__u32)(e + 0xc3d2e1f0);
}

/* Fills in scratch->digest. A global function: the verifier checks it once, and not again for every path to a call. */
__noinline int emptcp_key_digest(void)
{
	struct emptcp_scratch *scratch = emptcp_scratch_get();

	if (!scratch)
		return -1;
	if (scratch->digest.version == 0)
		key_sha1(scratch->words, &scratch->digest);
	else
		key_sha256(scratch->words, &scratch->digest);
	return 0;
}

#endif
