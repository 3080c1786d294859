/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See offloads.h. */
#include "offloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As pe_kernel_ops.read_features; one that has gone, or whose driver shows none, has none. */
static int look(const struct pe_kernel *kernel, int ifindex, struct pe_feature_state *ret_state)
{
	int r = kernel->ops->read_features(kernel->features, ifindex, ret_state);

	if (r != -ENODEV && r != -EOPNOTSUPP)
		return r;
	*ret_state = (struct pe_feature_state){ 0 };
	return 0;
}

int pe_offloads_look(const struct pe_kernel *kernel, const int *ifindex, size_t count,
		     unsigned int *ret_own, unsigned int *ret_below)
{
	unsigned int own = 0, below = 0;

	for (size_t i = 0; i < count; i++) {
		struct pe_feature_state state;
		int r = look(kernel, ifindex[i], &state);

		if (r < 0)
			return r;
		/* A wish that cannot be fulfilled now is taken away, too. */
		*(i ? &below : &own) |= state.active | (state.wanted & PE_FEATURES_LOST);
	}
	*ret_own = own;
	*ret_below = below;
	return 0;
}

static struct pe_offload *find(struct pe_offloads *offloads, int ifindex)
{
	for (size_t i = 0; i < offloads->count; i++) {
		if (offloads->item[i].ifindex == ifindex)
			return &offloads->item[i];
	}
	return NULL;
}

/* NULL for want of memory. */
static struct pe_offload *find_or_add(struct pe_offloads *offloads, int ifindex)
{
	struct pe_offload *item = find(offloads, ifindex);
	size_t size = offloads->size ? 2 * offloads->size : PE_OFFLOADS_MAX;

	if (item)
		return item;
	if (offloads->count == offloads->size) {
		item = realloc(offloads->item, size * sizeof(*item));
		if (!item)
			return NULL;
		offloads->item = item;
		offloads->size = size;
	}
	item = &offloads->item[offloads->count++];
	*item = (struct pe_offload){ .ifindex = ifindex };
	return item;
}

int pe_offloads_save(struct pe_offloads *offloads, const struct pe_kernel *kernel,
		     const int *ifindex, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct pe_feature_state state;
		struct pe_offload *item;
		int r = look(kernel, ifindex[i], &state);

		if (r < 0)
			return r;
		if (!(state.wanted & PE_FEATURES_LOST))
			continue;
		item = find_or_add(offloads, ifindex[i]);
		if (!item)
			return -ENOMEM;
		item->wanted |= state.wanted & PE_FEATURES_LOST;
		item->active |= state.active & PE_FEATURES_LOST;
	}
	return 0;
}

static void take(struct pe_offloads *offloads, struct pe_offload *item)
{
	struct pe_offload *end = &offloads->item[--offloads->count];

	/* Those behind keep their order. */
	memmove(item, item + 1, (size_t)(end - item) * sizeof(*item));
}

bool pe_offloads_forget(struct pe_offloads *offloads, int ifindex)
{
	struct pe_offload *item = find(offloads, ifindex);

	if (item)
		take(offloads, item);
	return item;
}

/*
 * Asks once more for what was in force and is not. A port cannot have what its master does not want
 * (netdev_sync_upper_features() in net/core/dev.c), and a master may go by what its ports have: by
 * now all of them want it, and each request makes the kernel look at an interface anew.
 */
static void insist(const struct pe_kernel *kernel, const struct pe_offload *item)
{
	struct pe_feature_state state;

	if (!kernel->ops->read_features(kernel->features, item->ifindex, &state) &&
	    item->active & ~state.active)
		kernel->ops->want_features(kernel->features, item->ifindex,
					   item->active & ~state.active,
					   item->active & ~state.active);
}

/* Whether it is there. What somebody asked for meanwhile stays. */
static bool put_back(const struct pe_kernel *kernel, const struct pe_offload *item)
{
	struct pe_feature_state state;
	int r = kernel->ops->read_features(kernel->features, item->ifindex, &state);
	unsigned int lost = r < 0 ? item->wanted : item->wanted & ~state.wanted;

	if (lost && r != -ENODEV)
		r = kernel->ops->want_features(kernel->features, item->ifindex, lost, lost);
	return r != -ENODEV;
}

static bool is_as_before(const struct pe_kernel *kernel, const struct pe_offload *item)
{
	struct pe_feature_state state;

	return !kernel->ops->read_features(kernel->features, item->ifindex, &state) &&
	       !(item->wanted & ~state.wanted) && !(item->active & ~state.active);
}

unsigned int pe_offloads_restore(struct pe_offloads *offloads, const struct pe_kernel *kernel,
				 bool (*is_used)(int ifindex, void *userdata), void *userdata)
{
	unsigned int failed = 0;

	/* One that has just gone stays until its event says where. */
	for (size_t i = offloads->count; i-- > 0;) {
		struct pe_offload *item = &offloads->item[i];

		item->due = !is_used(item->ifindex, userdata) && put_back(kernel, item);
	}
	for (size_t i = offloads->count; i-- > 0;) {
		if (offloads->item[i].due)
			insist(kernel, &offloads->item[i]);
	}
	for (size_t i = offloads->count; i-- > 0;) {
		if (!offloads->item[i].due)
			continue;
		failed += !is_as_before(kernel, &offloads->item[i]);
		take(offloads, &offloads->item[i]);
	}
	return failed;
}

size_t pe_offloads_fini(struct pe_offloads *offloads)
{
	size_t count = offloads->count;

	free(offloads->item);
	*offloads = (struct pe_offloads){ 0 };
	return count;
}
