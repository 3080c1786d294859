/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See history.h. A number has seven significant bits, of which the first is one, and an exponent: a
 * line of a few pixels shows no more.
 */
#include "history.h"

#include <math.h>
#include <string.h>

#define BITS	      12
#define MANTISSA_BITS 6
#define UNKNOWN	      ((1u << BITS) - 1)

static unsigned int pack(float value)
{
	int exponent, mantissa;

	if (!(value >= 1))
		return 0;
	mantissa = (int)(frexpf(value, &exponent) * (2 << MANTISSA_BITS) + 0.5f);
	exponent += mantissa >> (MANTISSA_BITS + 1); /* rounded up to the next power of two */
	if (exponent >= (int)(UNKNOWN >> MANTISSA_BITS))
		return UNKNOWN - 1;
	return (unsigned int)(exponent << MANTISSA_BITS | (mantissa & ((1 << MANTISSA_BITS) - 1)));
}

static float unpack(unsigned int packed)
{
	const int exponent = (int)(packed >> MANTISSA_BITS);
	const int mantissa = (int)(packed & ((1 << MANTISSA_BITS) - 1));

	if (packed == 0)
		return 0;
	return ldexpf((float)(mantissa | 1 << MANTISSA_BITS), exponent - MANTISSA_BITS - 1);
}

void pe_history_clear(struct pe_history *history)
{
	memset(history, 0xff, sizeof(*history));
}

void pe_history_set(struct pe_history *history, uint64_t point, const float bits[PE_DIRECTIONS])
{
	const unsigned int both = pack(bits[PE_INGRESS]) << BITS | pack(bits[PE_EGRESS]);
	unsigned char *bytes = history->point[point % PE_LIVE_POINTS];

	bytes[0] = (unsigned char)(both >> 16);
	bytes[1] = (unsigned char)(both >> 8);
	bytes[2] = (unsigned char)both;
}

float pe_history_get(const struct pe_history *history, uint64_t point, size_t direction)
{
	const unsigned char *bytes = history->point[point % PE_LIVE_POINTS];
	const unsigned int both = (unsigned int)(bytes[0] << 16 | bytes[1] << 8 | bytes[2]);
	const unsigned int packed = direction == PE_INGRESS ? both >> BITS : both & UNKNOWN;

	return packed == UNKNOWN ? -1 : unpack(packed);
}
