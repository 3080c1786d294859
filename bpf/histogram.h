/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Histograms with the bounds of pe/abi.h, in memory that all CPUs share. Included behind the
 * kernel's types of the object, which are not the same for all.
 */
#ifndef PE_BPF_HISTOGRAM_H
#define PE_BPF_HISTOGRAM_H

#define ADD(word, by) __sync_fetch_and_add(&(word), by)

/* X of a list of bounds, of which the sum is the bucket of `value`; the latter two in ns. */
#define ABOVE(number, text)    +(value > (number))
#define ABOVE_US(number, text) +(value > (number)*1000ull)
#define ABOVE_MS(number, text) +(value > (number)*1000000ull)

static __always_inline void observe(__u64 *buckets, __u64 bucket, __u64 count)
{
	hide(bucket);
	if (bucket < count)
		ADD(buckets[bucket], 1);
}

#endif
