/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See faults.h. */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/faults.h"
#include "pe/log.h"

struct pe_snapshot_faults {
	pthread_mutex_t mutex; /* all below, and the order of lists in the registry */
	struct pe_fault_reader *reader;
	struct pe_faults *list;
	size_t count, size;
	bool no_memory;
	struct pe_log_once logged;
};

static bool grow(struct pe_snapshot_faults *faults)
{
	const size_t size = faults->size ? 2 * faults->size : 64;
	struct pe_faults *list;

	if (faults->count < faults->size)
		return true;
	list = reallocarray(faults->list, size, sizeof(*list));
	if (!list)
		return false;
	faults->list = list;
	faults->size = size;
	return true;
}

static void add(int ifindex, const struct pe_link_stats *stats, void *userdata)
{
	struct pe_snapshot_faults *faults = userdata;

	if (!grow(faults)) {
		faults->no_memory = true;
		return;
	}
	faults->list[faults->count++] = (struct pe_faults){
		.ifindex = ifindex,
		.dropped = { [PE_INGRESS] = stats->rx_dropped, [PE_EGRESS] = stats->tx_dropped },
		.errors = { [PE_INGRESS] = stats->rx_errors, [PE_EGRESS] = stats->tx_errors },
	};
}

static int compare(const void *a, const void *b)
{
	const struct pe_faults *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

void pe_snapshot_faults_read(struct pe_snapshot_faults *faults, struct pe_registry *registry)
{
	int r;

	pthread_mutex_lock(&faults->mutex);
	faults->count = 0;
	faults->no_memory = false;
	r = pe_fault_reader_read(faults->reader, add, faults);
	if (r == 0 && faults->no_memory)
		r = -ENOMEM;
	if (r < 0 && pe_log_once(&faults->logged, 60 * PE_NS_PER_S))
		pe_warn("main", "what interfaces themselves dropped is not up to date: %s",
			strerror(-r));
	/* Those that were read are right, whatever came then. */
	if (faults->count > 0) {
		qsort(faults->list, faults->count, sizeof(*faults->list), compare);
		pe_registry_set_faults(registry, faults->list, faults->count);
	}
	pthread_mutex_unlock(&faults->mutex);
}

int pe_snapshot_faults_new(struct pe_snapshot_faults **ret_faults)
{
	struct pe_snapshot_faults *faults = calloc(1, sizeof(*faults));
	int r;

	if (!faults)
		return -ENOMEM;
	r = pe_fault_reader_new(&faults->reader);
	if (r < 0) {
		free(faults);
		return r;
	}
	pthread_mutex_init(&faults->mutex, NULL);
	*ret_faults = faults;
	return 0;
}

struct pe_snapshot_faults *pe_snapshot_faults_free(struct pe_snapshot_faults *faults)
{
	if (!faults)
		return NULL;
	pe_fault_reader_free(faults->reader);
	pthread_mutex_destroy(&faults->mutex);
	free(faults->list);
	free(faults);
	return NULL;
}
