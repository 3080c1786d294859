/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hash of a flow key, seeded so that nobody outside can choose colliding flows.
 *
 * Multilinear hashing over 64-bit words with 128-bit random multipliers: strongly universal
 * (Lemire, Kaser: "Strongly universal string hashing is fast", The Computer Journal, 2014), so any
 * two different keys collide in any b bits with probability 2^-b. It is linear, though, and keys
 * that count up would fall into a lattice; the mixer of MurmurHash3 behind it, one-to-one, breaks
 * that and keeps the bound. Private to src/collect; pure after the initialisation, any thread.
 */
#ifndef PE_COLLECT_HASH_H
#define PE_COLLECT_HASH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "pe/flow.h"

#define PE_KEY_WORDS (sizeof(struct pe_flow_key) / sizeof(uint64_t))

struct pe_hash {
	unsigned __int128 random[PE_KEY_WORDS + 1];
};

/* 0 or -errno. */
static inline int pe_hash_init(struct pe_hash *hash)
{
	/* Up to 256 bytes are delivered whole and without interruption, getrandom(2). */
	_Static_assert(sizeof(hash->random) <= 256, "one getrandom() is enough");
	return getrandom(hash->random, sizeof(hash->random), 0) < 0 ? -errno : 0;
}

static inline uint64_t pe_hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static inline uint64_t pe_hash_key(const struct pe_hash *hash, const struct pe_flow_key *key)
{
	unsigned __int128 sum = hash->random[PE_KEY_WORDS];
	uint64_t word[PE_KEY_WORDS];

	memcpy(word, key, sizeof(word));
	for (size_t i = 0; i < PE_KEY_WORDS; i++)
		sum += hash->random[i] * word[i];
	return pe_hash_mix((uint64_t)(sum >> 64));
}

static inline bool pe_key_equal(const struct pe_flow_key *a, const struct pe_flow_key *b)
{
	uint64_t x[PE_KEY_WORDS], y[PE_KEY_WORDS], difference = 0;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	for (size_t i = 0; i < PE_KEY_WORDS; i++)
		difference |= x[i] ^ y[i];
	return difference == 0;
}

#endif
