/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer of one ring, on its mapped memory.
 *
 * Read here and not through libbpf's callback, which frees each record's place by itself and cannot
 * say whether there are records: a batch is copied first and its places are freed by one store.
 * The layout is the kernel's ABI: a page with the consumer position, a page with the producer
 * position, then the data, twice in a row so that no record is cut by the end. Of the second time a
 * page is enough.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/ring.h"

#include "object.h"

struct pe_ring {
	int fd; /* the map's, borrowed */
	size_t page;
	size_t size;   /* of the data, a power of two */
	size_t mapped; /* from the producer position on */
	unsigned long *consumer;
	const unsigned long *producer;
	const unsigned char *data;
	void *producer_map;
};

int pe_xdp_ring(struct pe_xdp *xdp, unsigned int index, struct pe_ring **ret_ring)
{
	struct pe_ring *ring;

	if (index >= xdp->options.rings)
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->fd = xdp->ring_fds[index];
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = xdp->options.ring_size;
	ring->mapped = ring->page + ring->size + ring->page;
	ring->consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	ring->producer_map =
		mmap(NULL, ring->mapped, PROT_READ, MAP_SHARED, ring->fd, (off_t)ring->page);
	if (ring->consumer == MAP_FAILED || ring->producer_map == MAP_FAILED) {
		int r = -errno;

		pe_ring_free(ring);
		return r;
	}
	ring->producer = ring->producer_map;
	ring->data = (const unsigned char *)ring->producer_map + ring->page;
	*ret_ring = ring;
	return 0;
}

struct pe_ring *pe_ring_free(struct pe_ring *ring)
{
	if (!ring)
		return NULL;
	if (ring->consumer && ring->consumer != MAP_FAILED)
		munmap(ring->consumer, ring->page);
	if (ring->producer_map && ring->producer_map != MAP_FAILED)
		munmap(ring->producer_map, ring->mapped);
	free(ring);
	return NULL;
}

int pe_ring_fd(const struct pe_ring *ring)
{
	return ring->fd;
}

/* True if it is a record of ours. */
static bool take_record(const void *data, size_t length, struct pe_flow *ret_record)
{
	const struct pe_flow_head *head = data;
	const unsigned char *address = (const unsigned char *)(head + 1);
	bool ipv6 = length == offsetof(struct pe_flow6, unused);

	if (!ipv6 && length != sizeof(struct pe_flow4))
		return false;
	*ret_record = (struct pe_flow){
		.key = { .sport = head->sport,
			 .dport = head->dport,
			 .slot = head->slot,
			 .ip_proto = head->ip_proto,
			 .tag = head->tag },
		.bytes = head->bytes,
		.packets = head->packets,
		.first = head->first,
		.last = head->first + head->span,
		.tcp_flags = head->tcp_flags,
		.reason = head->reason,
	};
	if (ipv6) {
		memcpy(ret_record->key.saddr, address, 16);
		memcpy(ret_record->key.daddr, address + 16, 16);
	} else {
		memcpy(ret_record->key.saddr, address, 4);
		memcpy(ret_record->key.daddr, address + 4, 4);
	}
	return true;
}

size_t pe_ring_read(struct pe_ring *ring, struct pe_flow *ret_records, size_t max)
{
	unsigned long position = *ring->consumer;
	unsigned long end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	size_t count = 0;

	while (position < end && count < max) {
		const unsigned char *at = ring->data + (position & (ring->size - 1));
		uint32_t header = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
		uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			break; /* reserved by another CPU and not yet written */
		if (!(header & BPF_RINGBUF_DISCARD_BIT) &&
		    take_record(at + BPF_RINGBUF_HDR_SZ, length, &ret_records[count]))
			count++;
		position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
	}
	__atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
	return count;
}

bool pe_ring_pending(const struct pe_ring *ring)
{
	return __atomic_load_n(ring->consumer, __ATOMIC_RELAXED) !=
	       __atomic_load_n(ring->producer, __ATOMIC_RELAXED);
}
