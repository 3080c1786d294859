/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See tls_memory.h. The reserve is blocks of two sizes: RSA and elliptic curves need many of some
 * hundred bytes, and Diffie-Hellman with large numbers a few of some KiB. It is address space until
 * it is used.
 *
 * GMP is GnuTLS' own; its function is looked for in what is loaded, so that we need not be linked
 * with the same. Where it is not found, a lack of memory ends the process as before.
 */
#include "tls_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pe/clock.h"
#include "pe/log.h"

#define SMALL_BYTES 1024
#define LARGE_BYTES 65536
#define SMALL_COUNT 512
#define LARGE_COUNT 16
#define BYTES	    (SMALL_BYTES * SMALL_COUNT + LARGE_BYTES * LARGE_COUNT)
#define SHORT_NS    PE_NS_PER_S
/* Far more than a handshake needs. */
#define HANDSHAKE_BYTES ((size_t)1 << 20)

/* gmplib.org/manual/Custom-Allocation. */
typedef void set_memory_fn(void *(*alloc)(size_t), void *(*resize)(void *, size_t, size_t),
			   void (*release)(void *, size_t));

static struct {
	pthread_mutex_t lock;
	char *begin; /* small blocks, then large ones; NULL before pe_tls_memory_init() */
	bool used[SMALL_COUNT + LARGE_COUNT];
	uint64_t needed_ns; /* last, 0 if never; atomic */
} reserve = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char *block(size_t index)
{
	return index < SMALL_COUNT ? reserve.begin + index * SMALL_BYTES
				   : reserve.begin + SMALL_COUNT * SMALL_BYTES +
					     (index - SMALL_COUNT) * LARGE_BYTES;
}

static bool is_reserved(const void *data)
{
	return (uintptr_t)data - (uintptr_t)reserve.begin < BYTES;
}

static void *take(size_t size)
{
	static struct pe_log_once logged;
	void *found = NULL;

	__atomic_store_n(&reserve.needed_ns, pe_clock_monotonic_ns(), __ATOMIC_RELAXED);
	pthread_mutex_lock(&reserve.lock);
	for (size_t i = size > SMALL_BYTES ? SMALL_COUNT : 0;
	     i < SMALL_COUNT + LARGE_COUNT && size <= LARGE_BYTES && !found; i++) {
		if (!reserve.used[i]) {
			reserve.used[i] = true;
			found = block(i);
		}
	}
	pthread_mutex_unlock(&reserve.lock);
	if (!found) {
		/* GMP would not survive it. */
		pe_error("http", "no memory for TLS, and none left of its reserve");
		abort();
	}
	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http", "no memory for TLS: connections are refused until there is");
	return found;
}

static void *allocate(size_t size)
{
	void *data = malloc(size ? size : 1);

	return data ? data : take(size);
}

static void release(void *data, size_t size)
{
	const size_t at = (size_t)((char *)data - reserve.begin);
	const size_t small = (size_t)SMALL_COUNT * SMALL_BYTES;

	(void)size;
	if (!is_reserved(data)) {
		free(data);
		return;
	}
	/* It may have been a key. */
	explicit_bzero(data, at < small ? SMALL_BYTES : LARGE_BYTES);
	pthread_mutex_lock(&reserve.lock);
	reserve.used[at < small ? at / SMALL_BYTES : SMALL_COUNT + (at - small) / LARGE_BYTES] =
		false;
	pthread_mutex_unlock(&reserve.lock);
}

static void *resize(void *old, size_t old_size, size_t size)
{
	void *data = is_reserved(old) ? NULL : realloc(old, size ? size : 1);

	if (data)
		return data;
	data = allocate(size);
	memcpy(data, old, old_size < size ? old_size : size);
	release(old, old_size);
	return data;
}

static void set_up(void)
{
	set_memory_fn *set;
	void *begin = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(void **)&set = dlsym(RTLD_DEFAULT, "__gmp_set_memory_functions");
	if (begin == MAP_FAILED)
		return;
	reserve.begin = begin;
	if (set)
		set(allocate, resize, release);
}

int pe_tls_memory_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
	return reserve.begin ? 0 : -ENOMEM;
}

bool pe_tls_memory_is_short(void)
{
	const uint64_t needed_ns = __atomic_load_n(&reserve.needed_ns, __ATOMIC_RELAXED);
	void *probe;

	if (needed_ns && pe_clock_monotonic_ns() - needed_ns < SHORT_NS)
		return true;
	probe = mmap(NULL, HANDSHAKE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (probe == MAP_FAILED)
		return true;
	munmap(probe, HANDSHAKE_BYTES);
	return false;
}
