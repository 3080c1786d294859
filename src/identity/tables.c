/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tables.h. */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NETNS_BUCKETS PE_NETNS_MAX
#define VETH_BUCKETS  1024u
#define FORGET_STEPS  16

int pe_tables_init(struct pe_tables *tables)
{
	memset(tables, 0, sizeof(*tables));
	tables->netns = calloc(NETNS_BUCKETS, sizeof(struct pe_netns *));
	tables->veths = calloc(VETH_BUCKETS, sizeof(struct pe_veth *));
	return tables->netns && tables->veths ? 0 : -ENOMEM;
}

/* ---- namespaces ---- */

static struct pe_netns **netns_bucket(const struct pe_tables *tables, uint64_t cookie)
{
	/* Cookies count up on each CPU. */
	return &tables->netns[(cookie * UINT64_C(0x9e3779b97f4a7c15) >> 32) % NETNS_BUCKETS];
}

static void unlink_use(struct pe_tables *tables, struct pe_netns *netns)
{
	*(netns->older ? &netns->older->newer : &tables->oldest) = netns->newer;
	*(netns->newer ? &netns->newer->older : &tables->newest) = netns->older;
}

static void link_use(struct pe_tables *tables, struct pe_netns *netns)
{
	netns->newer = NULL;
	netns->older = tables->newest;
	*(netns->older ? &netns->older->newer : &tables->oldest) = netns;
	tables->newest = netns;
}

static void free_netns(struct pe_tables *tables, struct pe_netns *netns)
{
	struct pe_netns **at = netns_bucket(tables, netns->cookie);

	while (*at != netns)
		at = &(*at)->next;
	*at = netns->next;
	unlink_use(tables, netns);
	pe_identity_unref(netns->identity);
	free(netns);
	tables->netns_count--;
}

/* Those that are needed stay, even if they are too many: their veths are bounded, also with those
 * that are gone. */
static void forget_oldest(struct pe_tables *tables)
{
	for (int i = 0; i < FORGET_STEPS && tables->netns_count >= PE_NETNS_MAX; i++) {
		struct pe_netns *netns = tables->oldest;

		if (!netns->veths && !netns->changed) {
			free_netns(tables, netns);
			continue;
		}
		/* Not to be met again soon. */
		unlink_use(tables, netns);
		link_use(tables, netns);
	}
}

struct pe_netns *pe_tables_netns(struct pe_tables *tables, uint64_t cookie)
{
	struct pe_netns **bucket = netns_bucket(tables, cookie), *netns = *bucket;

	while (netns && netns->cookie != cookie)
		netns = netns->next;
	if (netns) {
		unlink_use(tables, netns);
		link_use(tables, netns);
		return netns;
	}
	forget_oldest(tables);
	netns = calloc(1, sizeof(*netns));
	if (!netns)
		return NULL;
	netns->cookie = cookie;
	netns->next = *bucket;
	*bucket = netns;
	link_use(tables, netns);
	tables->netns_count++;
	return netns;
}

void pe_tables_mark(struct pe_tables *tables, struct pe_netns *netns)
{
	if (netns->changed)
		return;
	netns->changed = true;
	netns->next_changed = tables->changed;
	tables->changed = netns;
}

struct pe_netns *pe_tables_take_marked(struct pe_tables *tables)
{
	struct pe_netns *netns = tables->changed;

	if (netns) {
		tables->changed = netns->next_changed;
		netns->changed = false;
	}
	return netns;
}

/* ---- veths ---- */

static struct pe_veth **veth_bucket(const struct pe_tables *tables, int ifindex)
{
	return &tables->veths[(unsigned int)ifindex % VETH_BUCKETS];
}

struct pe_veth *pe_tables_veth(const struct pe_tables *tables, int ifindex)
{
	struct pe_veth *veth = *veth_bucket(tables, ifindex);

	while (veth && veth->ifindex != ifindex)
		veth = veth->next;
	return veth;
}

struct pe_veth *pe_tables_add_veth(struct pe_tables *tables, int ifindex, uint64_t came_ns)
{
	struct pe_veth **bucket = veth_bucket(tables, ifindex);
	struct pe_veth *veth = calloc(1, sizeof(*veth));

	if (!veth)
		return NULL;
	veth->ifindex = ifindex;
	veth->came_ns = came_ns;
	veth->next = *bucket;
	*bucket = veth;
	tables->veth_count++;
	return veth;
}

void pe_tables_bind(struct pe_veth *veth, struct pe_netns *netns)
{
	if (veth->netns == netns)
		return;
	if (veth->netns) {
		struct pe_veth **at = &veth->netns->veths;

		while (*at != veth)
			at = &(*at)->next_of_netns;
		*at = veth->next_of_netns;
	}
	veth->netns = netns;
	if (netns) {
		veth->next_of_netns = netns->veths;
		netns->veths = veth;
	}
}

static void enlist(struct pe_veth **first, struct pe_veth **last, struct pe_veth *veth)
{
	veth->later = NULL;
	veth->earlier = *last;
	*(veth->earlier ? &veth->earlier->later : first) = veth;
	*last = veth;
}

static void delist(struct pe_veth **first, struct pe_veth **last, struct pe_veth *veth)
{
	*(veth->earlier ? &veth->earlier->later : first) = veth->later;
	*(veth->later ? &veth->later->earlier : last) = veth->earlier;
}

void pe_tables_begin_wait(struct pe_tables *tables, struct pe_veth *veth, uint64_t waits_ns)
{
	veth->state = PE_VETH_WAITING;
	veth->waits_ns = waits_ns;
	enlist(&tables->first_waiting, &tables->last_waiting, veth);
}

void pe_tables_end_wait(struct pe_tables *tables, struct pe_veth *veth, enum pe_veth_state state)
{
	if (veth->state == PE_VETH_WAITING)
		delist(&tables->first_waiting, &tables->last_waiting, veth);
	veth->state = state;
}

static void remove_ifindex(struct pe_tables *tables, struct pe_veth *veth)
{
	struct pe_veth **at = veth_bucket(tables, veth->ifindex);

	while (*at != veth)
		at = &(*at)->next;
	*at = veth->next;
}

void pe_tables_set_gone(struct pe_tables *tables, struct pe_veth *veth, uint64_t now_ns)
{
	remove_ifindex(tables, veth);
	pe_tables_end_wait(tables, veth, PE_VETH_GONE);
	veth->waits_ns = now_ns;
	enlist(&tables->first_gone, &tables->last_gone, veth);
}

void pe_tables_free_veth(struct pe_tables *tables, struct pe_veth *veth)
{
	if (veth->state == PE_VETH_GONE)
		delist(&tables->first_gone, &tables->last_gone, veth);
	else
		remove_ifindex(tables, veth);
	pe_tables_end_wait(tables, veth, PE_VETH_UNKNOWN);
	pe_tables_bind(veth, NULL);
	pe_identity_unref(veth->identity);
	free(veth);
	tables->veth_count--;
}

/* ---- early peers ---- */

void pe_tables_put_early(struct pe_tables *tables, int ifindex, uint64_t cookie)
{
	unsigned int at = tables->next_early++ % PE_EARLY_PEERS;

	tables->early[at].ifindex = ifindex;
	tables->early[at].cookie = cookie;
}

uint64_t pe_tables_early(const struct pe_tables *tables, int ifindex)
{
	for (unsigned int i = 1; i <= PE_EARLY_PEERS; i++) {
		unsigned int at = (tables->next_early - i) % PE_EARLY_PEERS;

		if (tables->early[at].ifindex == ifindex)
			return tables->early[at].cookie;
		if (!tables->early[at].ifindex)
			break;
	}
	return 0;
}

void pe_tables_forget_early(struct pe_tables *tables, int ifindex)
{
	for (unsigned int i = 0; i < PE_EARLY_PEERS; i++) {
		if (tables->early[i].ifindex == ifindex)
			tables->early[i].ifindex = -1;
	}
}

void pe_tables_fini(struct pe_tables *tables)
{
	for (unsigned int i = 0; tables->veths && i < VETH_BUCKETS; i++) {
		while (tables->veths[i])
			pe_tables_free_veth(tables, tables->veths[i]);
	}
	while (tables->first_gone)
		pe_tables_free_veth(tables, tables->first_gone);
	while (tables->oldest)
		free_netns(tables, tables->oldest);
	free(tables->netns);
	free(tables->veths);
	memset(tables, 0, sizeof(*tables));
}
