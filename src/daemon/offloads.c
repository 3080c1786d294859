/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See offloads.h. */
#include "offloads.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/cleanup.h"

/* As pe_features_read(); one that has gone, or whose driver shows none, has none. */
static int look(struct pe_features *features, int ifindex, struct pe_feature_state *ret_state)
{
	int r = pe_features_read(features, ifindex, ret_state);

	if (r != -ENODEV && r != -EOPNOTSUPP)
		return r;
	*ret_state = (struct pe_feature_state){ 0 };
	return 0;
}

int pe_offloads_look(struct pe_features *features, const int *ifindex, size_t count,
		     unsigned int *ret_own, unsigned int *ret_below)
{
	unsigned int own = 0, below = 0;

	for (size_t i = 0; i < count; i++) {
		struct pe_feature_state state;
		int r = look(features, ifindex[i], &state);

		if (r < 0)
			return r;
		/* A wish that cannot be fulfilled now is taken away, too. */
		*(i ? &below : &own) |= state.active | (state.wanted & PE_FEATURES_LOST);
	}
	*ret_own = own;
	*ret_below = below;
	return 0;
}

int pe_offloads_save(struct pe_features *features, const int *ifindex, size_t count,
		     struct pe_offloads *ret_offloads)
{
	_cleanup_free_ struct pe_offload *item = calloc(count, sizeof(*item));
	size_t used = 0;

	if (!item)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct pe_feature_state state;
		int r = look(features, ifindex[i], &state);

		if (r < 0)
			return r;
		if (state.wanted & PE_FEATURES_LOST)
			item[used++] =
				(struct pe_offload){ ifindex[i], state.wanted & PE_FEATURES_LOST };
	}
	*ret_offloads = (struct pe_offloads){ 0 };
	if (used)
		*ret_offloads = (struct pe_offloads){ PE_TAKE_PTR(item), used };
	return 0;
}

bool pe_offloads_restore(struct pe_features *features, struct pe_offloads *offloads)
{
	bool all = true;

	for (size_t i = 0; i < offloads->count; i++) {
		const struct pe_offload *item = &offloads->item[i];
		struct pe_feature_state state;
		unsigned int lost;
		int r = look(features, item->ifindex, &state);

		/* What somebody asked for meanwhile stays. */
		lost = r < 0 ? item->wanted : item->wanted & ~state.wanted;
		if (lost)
			r = pe_features_want(features, item->ifindex, lost, lost);
		all &= r >= 0 || r == -ENODEV;
	}
	free(offloads->item);
	*offloads = (struct pe_offloads){ 0 };
	return all;
}
