/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading end of one BPF ring buffer. A ring has exactly one consumer: the calls on one reader
 * belong to one thread. See Documentation/bpf/ringbuf.rst.
 */
#ifndef PE_RING_H
#define PE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/flow.h"

struct pe_ring;

/* Gives the reader back. NULL is fine. Returns NULL. The ring itself belongs to the BPF object. */
struct pe_ring *pe_ring_free(struct pe_ring *ring);

/* Readable (epoll) when the kernel has sent a wake-up: at the fill mark, not for each record. */
int pe_ring_fd(const struct pe_ring *ring);

/*
 * Copies at most `max` records out and frees their place in the ring. Returns how many; 0 if the
 * ring is empty. Never blocks.
 */
size_t pe_ring_read(struct pe_ring *ring, struct pe_flow *ret_records, size_t max);

/* True if there are records. Any thread; never blocks. */
bool pe_ring_pending(const struct pe_ring *ring);

#endif
