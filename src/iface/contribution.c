/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See contribution.h. */
#include "contribution.h"

#include <stdio.h>

#include "pe/clock.h"
#include "pe/identity.h"
#include "pe/registry.h"

#include "engine.h"

/* Two layers that may not see each other have a size each. */
_Static_assert(PE_KIND_MAX == PE_LINK_KIND_MAX, "kinds of interfaces are taken over whole");

static void describe(const struct pe_engine *engine, const struct pe_iface *iface,
		     struct pe_iface_info *ret_info)
{
	const struct pe_link *link = iface->link;
	const struct pe_link *master = link->master ? pe_monitor_find(engine->monitor, link->master)
						    : NULL;

	*ret_info = (struct pe_iface_info){ .ifindex = link->ifindex,
					    .alias = link->alias,
					    .altnames = link->altnames,
					    .mode = iface->attachment.mode,
					    .mode_reason = iface->attachment.reason };
	snprintf(ret_info->name, sizeof(ret_info->name), "%s", link->name);
	snprintf(ret_info->kind, sizeof(ret_info->kind), "%s", link->kind);
	if (master)
		snprintf(ret_info->master, sizeof(ret_info->master), "%s", master->name);
}

int pe_contribution_begin(const struct pe_engine *engine, struct pe_iface *iface)
{
	struct pe_iface_info info;

	describe(engine, iface, &info);
	return pe_registry_add(engine->options->registry, &info, iface->attachment.token,
			       pe_clock_monotonic_ns(), &iface->member);
}

int pe_contribution_update(const struct pe_engine *engine, const struct pe_iface *iface)
{
	struct pe_iface_info info;

	describe(engine, iface, &info);
	return pe_registry_update(engine->options->registry, iface->member, &info,
				  pe_clock_monotonic_ns());
}

void pe_contribution_set_token(const struct pe_engine *engine, const struct pe_iface *iface)
{
	pe_registry_set_token(engine->options->registry, iface->member, iface->attachment.token);
}

void pe_contribution_identify(const struct pe_engine *engine, int ifindex,
			      struct pe_identity *identity)
{
	struct pe_registry *registry = engine->options->registry;
	const struct pe_iface *iface = pe_records_find_index(engine->records, ifindex);
	const uint64_t now_ns = pe_clock_monotonic_ns();

	if (iface && iface->member)
		pe_registry_identify(registry, iface->member, identity, now_ns);
	else
		pe_registry_identify_departed(registry, ifindex, identity, now_ns);
}

void pe_contribution_name_netns(const struct pe_engine *engine, uint64_t netns, int ifindex,
				struct pe_identity *identity)
{
	const struct pe_iface *iface = ifindex ? pe_records_find_index(engine->records, ifindex)
					       : NULL;

	pe_registry_name_netns(engine->options->registry, netns, iface ? iface->member : NULL,
			       ifindex, identity, pe_clock_monotonic_ns());
}

void pe_contribution_end(const struct pe_engine *engine, struct pe_iface *iface)
{
	pe_registry_remove(engine->options->registry, iface->member, pe_clock_monotonic_ns());
	iface->member = NULL;
}

int pe_contribution_fold(const struct pe_engine *engine, int ifindex, uint32_t token)
{
	const struct pe_iface_info info = { .ifindex = ifindex, .kind = PE_IDENTITY_KIND };

	return pe_registry_fold(engine->options->registry, &info, token, pe_clock_monotonic_ns());
}

struct pe_iface *pe_contribution_find(const struct pe_engine *engine, const char *name)
{
	int ifindex = pe_registry_find(engine->options->registry, name);

	return ifindex ? pe_records_find_index(engine->records, ifindex) : NULL;
}
