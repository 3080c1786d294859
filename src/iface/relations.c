/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See relations.h. */
#include "relations.h"

#include "offloads.h"

static bool is_below_another(const struct pe_relations *relations, int ifindex)
{
	pe_records_for_each (relations->records, iface, PE_IFACE_WATCHED) {
		if (iface->attachment.link_fd >= 0 && iface->plan.below == ifindex)
			return true;
	}
	return false;
}

bool pe_relations_has_above(const struct pe_relations *relations, const struct pe_iface *iface)
{
	const struct pe_link *link = iface->link;
	const struct pe_iface *master =
		link->master ? pe_records_find_index(relations->records, link->master) : NULL;

	return (master && master->attachment.link_fd >= 0) ||
	       is_below_another(relations, link->ifindex);
}

/* Adds those right below `iface` to a list of `count`; how many there are now. */
static size_t add_below(const struct pe_relations *relations, const struct pe_iface *iface,
			int *ret_ifindex, size_t count)
{
	if (iface->plan.below && count < PE_OFFLOADS_MAX)
		ret_ifindex[count++] = iface->plan.below;
	/* Watched or not: the kernel asks nobody. */
	if (iface->plan.has_ports)
		count += pe_monitor_list_ports(relations->monitor, iface->link->ifindex,
					       ret_ifindex + count, PE_OFFLOADS_MAX - count);
	return count;
}

size_t pe_relations_list_below(const struct pe_relations *relations, const struct pe_iface *iface,
			       int *ret_ifindex)
{
	size_t count = 0;

	ret_ifindex[count++] = iface->link->ifindex;
	/* All the way down: a VLAN on a bond on cards. */
	for (size_t i = 0; i < count; i++) {
		const struct pe_iface *one =
			i ? pe_records_find_index(relations->records, ret_ifindex[i]) : iface;

		if (one)
			count = add_below(relations, one, ret_ifindex, count);
	}
	return count;
}

/* Whether this one's XDP program switches off what it can on `ifindex`. */
static bool reaches(const struct pe_relations *relations, const struct pe_iface *iface, int ifindex)
{
	int below[PE_OFFLOADS_MAX];
	size_t count = pe_relations_list_below(relations, iface, below);

	for (size_t i = 0; i < count; i++) {
		if (below[i] == ifindex)
			return true;
	}
	return false;
}

bool pe_relations_is_used(const struct pe_relations *relations, int ifindex)
{
	pe_records_for_each (relations->records, iface, PE_IFACE_WATCHED) {
		if (iface->attachment.link_fd >= 0 && reaches(relations, iface, ifindex))
			return true;
	}
	return false;
}

bool pe_relations_are_current(const struct pe_relations *relations)
{
	return pe_monitor_is_current(relations->monitor);
}

static bool has_above(const struct pe_iface *iface, void *userdata)
{
	return pe_relations_has_above(userdata, iface);
}

static size_t list_below(const struct pe_iface *iface, int *ret_ifindex, void *userdata)
{
	return pe_relations_list_below(userdata, iface, ret_ifindex);
}

static bool is_used(int ifindex, void *userdata)
{
	return pe_relations_is_used(userdata, ifindex);
}

static bool are_current(void *userdata)
{
	return pe_relations_are_current(userdata);
}

struct pe_attacher_relations pe_relations_bind(struct pe_relations *relations)
{
	return (struct pe_attacher_relations){ has_above, list_below, is_used, are_current,
					       relations };
}
