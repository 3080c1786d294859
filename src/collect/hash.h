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

/* 128 bits. Compilers for machines of 32 bits have no such type. */
struct pe_wide {
	uint64_t high, low;
};

struct pe_hash {
	struct pe_wide random[PE_KEY_WORDS + 1];
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

/* sum += factor * word, by halves of words; all machines have it, so that a test can compare. */
static inline struct pe_wide pe_wide_add_halves(struct pe_wide sum, struct pe_wide factor,
						uint64_t word)
{
	const uint64_t half = UINT32_MAX;
	const uint64_t low = (factor.low & half) * (word & half);
	const uint64_t upper = (factor.low >> 32) * (word & half) + (low >> 32);
	const uint64_t lower = (factor.low & half) * (word >> 32) + (upper & half);
	const uint64_t product = lower << 32 | (low & half);

	sum.high += factor.high * word + (factor.low >> 32) * (word >> 32) + (upper >> 32) +
		    (lower >> 32);
	sum.low += product;
	sum.high += sum.low < product;
	return sum;
}

static inline struct pe_wide pe_wide_add(struct pe_wide sum, struct pe_wide factor, uint64_t word)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 total = (unsigned __int128)sum.high << 64 | sum.low;

	total += ((unsigned __int128)factor.high << 64 | factor.low) * word;
	return (struct pe_wide){ .high = (uint64_t)(total >> 64), .low = (uint64_t)total };
#else
	return pe_wide_add_halves(sum, factor, word);
#endif
}

static inline uint64_t pe_hash_key(const struct pe_hash *hash, const struct pe_flow_key *key)
{
	struct pe_wide sum = hash->random[PE_KEY_WORDS];
	uint64_t word[PE_KEY_WORDS];

	memcpy(word, key, sizeof(word));
	for (size_t i = 0; i < PE_KEY_WORDS; i++)
		sum = pe_wide_add(sum, hash->random[i], word[i]);
	return pe_hash_mix(sum.high);
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
