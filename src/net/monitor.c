/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link monitor of pe/link.h: an event socket that is subscribed before anything is asked, a
 * socket of its own for each dump, and one for single requests.
 *
 * Invariants:
 *  - The table holds what the callbacks have reported, no more and no less.
 *  - A dump is applied only when it is complete, and only after the events that were queued before
 *    it. Events queued while it ran are applied afterwards, in order; they may repeat what the dump
 *    showed, and end in the same state. Passed over are those that would take a name from whom the
 *    dump gave it to, and those about one whose end it showed, which would come and go once more.
 *  - After an overrun the kernel queues nothing until the event socket is empty, and says so only
 *    once (af_netlink.c: netlink_overrun(), netlink_rcv_wake()). A dump taken before that would
 *    miss what is still being dropped, so it waits until the socket is empty.
 *  - A known ifindex belongs to another interface if the kind differs, because no interface changes
 *    its kind. Address, type, name and peer may all change during the life of one; whether a
 *    successor of the same kind took the place of one whose deletion was lost, the owner is asked.
 *
 * The supervisor's thread only, except pe_monitor_get_stats().
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/link.h"

#include "dump.h"
#include "links.h"
#include "reader.h"
#include "requests.h"

#define RCVBUF_DEFAULT_BYTES (16 * 1024 * 1024)
#define EVENTS_PER_DISPATCH  4096
#define DUMP_TRIES	     16
#define DUMP_TIMEOUT_NS	     (2 * PE_NS_PER_S)

struct pe_monitor {
	const struct pe_monitor_ops *ops;
	void *userdata;
	struct nl_sock *events;
	struct pe_requests requests;
	struct pe_links table;
	struct pe_links ended; /* by a dump, with events about them perhaps still queued */
	struct pe_reader reader;
	size_t refreshed; /* buckets of the table, so far */
	bool dumped;	  /* the first dump was asked for */
	bool resync;	  /* the table may differ from the kernel */
	bool congested;	  /* the event socket was overrun and has not been empty since */
	bool overtaken;	  /* events may be older than the table: not empty since a dump */
	_Atomic uint64_t overruns;
	_Atomic uint64_t resyncs;
};

/* ---- the table and the callbacks ---- */

static bool same_interface(const struct pe_link *a, const struct pe_link *b)
{
	return pe_ifkey_equal(a->key, b->key) && strcmp(a->kind, b->kind) == 0;
}

/* All but the counters, which change with every packet. */
static bool link_equal(const struct pe_link *a, const struct pe_link *b)
{
	return same_interface(a, b) && a->type == b->type && a->flags == b->flags &&
	       a->xdp_id == b->xdp_id && a->master == b->master && a->peer == b->peer &&
	       a->peer_netnsid == b->peer_netnsid && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->alias, b->alias) == 0 && strcmp(a->altnames, b->altnames) == 0;
}

static void keep_larger(uint64_t *counter, uint64_t before)
{
	if (*counter < before)
		*counter = before;
}

/* A veth that has lost its peer, as each does while it is deleted, reports that it received
 * nothing.
 */
static void keep_stats(struct pe_link *link, const struct pe_link *before)
{
	link->has_stats |= before->has_stats;
	keep_larger(&link->stats.rx_packets, before->stats.rx_packets);
	keep_larger(&link->stats.rx_bytes, before->stats.rx_bytes);
	keep_larger(&link->stats.tx_packets, before->stats.tx_packets);
	keep_larger(&link->stats.tx_bytes, before->stats.tx_bytes);
}

static void update(struct pe_monitor *monitor, struct pe_link *known, const struct pe_link *now)
{
	struct pe_link before = *known;

	*known = *now;
	known->owner = before.owner;
	keep_stats(known, &before);
	if (!link_equal(known, &before))
		monitor->ops->changed(known, &before, monitor->userdata);
	else if (monitor->ops->touched)
		monitor->ops->touched(known, monitor->userdata);
}

static void remove_link(struct pe_monitor *monitor, struct pe_ifkey key, enum pe_link_gone why)
{
	struct pe_links_entry *entry = pe_links_take(&monitor->table, key);

	if (entry)
		monitor->ops->gone(&entry->link, why, monitor->userdata);
	pe_links_free_list(entry);
}

/* ---- late events ---- */

/* Takes the list over. */
static void remember_ended(struct pe_monitor *monitor, struct pe_links_entry *list)
{
	while (list) {
		struct pe_links_entry *entry = list;

		list = entry->next;
		free(pe_links_take(&monitor->ended, entry->link.key));
		entry->seen = false;
		entry->link.owner = NULL;
		pe_links_insert(&monitor->ended, entry);
	}
}

/* Whether the event is older than the dump that showed the interface's end, as far as can be known.
 */
static bool is_late(struct pe_monitor *monitor, const struct pe_parse_result *event)
{
	struct pe_links_entry *ended = pe_links_find(&monitor->ended, event->link.key);

	if (!ended)
		return false;
	if (event->type == PE_PARSE_NEW) {
		ended->seen = true;
		return true;
	}
	/* The last one about it; unless it has a successor, then perhaps about that. */
	if (pe_links_find(&monitor->table, event->link.key))
		monitor->resync = true;
	free(pe_links_take(&monitor->ended, event->link.key));
	return true;
}

/*
 * Whether the event is older than a dump that gave the name to another interface: names are unique,
 * and the end or the new name of who had it was reported before. If that was lost, the dump that is
 * then asked for shows it.
 */
static bool is_overtaken(struct pe_monitor *monitor, const struct pe_link *link)
{
	const struct pe_links_entry *entry = pe_links_find(&monitor->table, link->key);

	if (!monitor->overtaken || (entry && strcmp(entry->link.name, link->name) == 0))
		return false;
	entry = pe_links_find_name(&monitor->table, link->name);
	return entry && !pe_ifkey_equal(entry->link.key, link->key);
}

/* No event is older than the dump any more. One that was passed over may have been a successor's.
 */
static void forget_ended(struct pe_monitor *monitor)
{
	monitor->overtaken = false;
	if (!monitor->ended.by_key.count)
		return;
	pe_links_free_list(pe_links_take_unseen(&monitor->ended));
	if (monitor->ended.by_key.count)
		monitor->resync = true;
	pe_links_free_list(pe_links_take_unseen(&monitor->ended));
}

/* ---- dump and events ---- */

/* Applies one RTM_NEWLINK. Takes the entry over. */
static void apply(struct pe_monitor *monitor, struct pe_links_entry *entry)
{
	struct pe_links_entry *known = pe_links_find(&monitor->table, entry->link.key);

	if (known && same_interface(&known->link, &entry->link)) {
		update(monitor, &known->link, &entry->link);
		free(entry);
		return;
	}
	if (known)
		remove_link(monitor, entry->link.key, PE_LINK_MISSED);
	pe_links_insert(&monitor->table, entry);
	monitor->ops->added(&entry->link, monitor->userdata);
}

/* ---- dump ---- */

static int read_dump(struct pe_monitor *monitor, uint64_t deadline_ns, struct pe_dump *dump)
{
	_cleanup_(pe_socket_freep) struct nl_sock *sock = NULL;
	int r = pe_socket_open_request(&sock);

	if (r < 0)
		return r;
	if (monitor->dumped)
		pe_reader_count(&monitor->resyncs);
	monitor->dumped = true;
	return pe_dump_read(dump, &monitor->reader, sock, deadline_ns);
}

static bool is_known(struct pe_monitor *monitor, const struct pe_link *link)
{
	return !monitor->ops->is_known || monitor->ops->is_known(link, monitor->userdata);
}

/*
 * Brings the table to what a complete dump shows. Those that have gone come first, so that their
 * names and resources are free for the new ones. Cannot fail.
 */
static void reconcile(struct pe_monitor *monitor, struct pe_dump *dump)
{
	struct pe_links_entry *gone;

	for (struct pe_links_entry *e = dump->first; e; e = e->next) {
		struct pe_links_entry *known = pe_links_find(&monitor->table, e->link.key);

		if (known && same_interface(&known->link, &e->link) && is_known(monitor, &e->link))
			known->seen = true;
	}
	gone = pe_links_take_unseen(&monitor->table);
	for (struct pe_links_entry *e = gone; e; e = e->next)
		monitor->ops->gone(&e->link, PE_LINK_MISSED, monitor->userdata);
	remember_ended(monitor, gone);

	while (dump->first) {
		struct pe_links_entry *entry = dump->first;

		dump->first = entry->next;
		apply(monitor, entry);
	}
}

static int sync_table(struct pe_monitor *monitor)
{
	uint64_t deadline_ns = pe_clock_monotonic_ns() + DUMP_TIMEOUT_NS;
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < DUMP_TRIES; tries++) {
		_cleanup_(pe_dump_fini) struct pe_dump dump = { 0 };

		r = read_dump(monitor, deadline_ns, &dump);
		if (r == 0)
			reconcile(monitor, &dump);
	}
	monitor->resync = r < 0;
	if (r == 0) {
		monitor->overtaken = true;
		monitor->ops->synced(monitor->userdata);
	}
	return r;
}

/* ---- events ---- */

static void handle_event(struct pe_monitor *monitor, const struct nlmsghdr *nlh)
{
	struct pe_parse_result result;
	struct pe_links_entry *entry;

	if (!pe_reader_parse(&monitor->reader, nlh, &result) || is_late(monitor, &result))
		return;
	if (result.type == PE_PARSE_NEW) {
		entry = is_overtaken(monitor, &result.link) ? NULL
							    : pe_links_new_entry(&result.link);
		if (entry)
			apply(monitor, entry);
		else
			monitor->resync = true;
		return;
	}
	entry = pe_links_find(&monitor->table, result.link.key);
	if (!entry)
		return;
	keep_stats(&entry->link, &result.link);
	remove_link(monitor, result.link.key,
		    result.type == PE_PARSE_MOVED ? PE_LINK_MOVED : PE_LINK_DELETED);
}

/* Reads one datagram of events. 0, -EAGAIN if there is none, or another -errno. */
static int read_events(struct pe_monitor *monitor)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)monitor->reader.buf;
	int len = pe_reader_receive(&monitor->reader, monitor->events);

	switch (len) {
	case -ENOBUFS:
		pe_reader_count(&monitor->overruns);
		monitor->congested = monitor->resync = true;
		return 0;
	case -EMSGSIZE:
		monitor->resync = true;
		return 0;
	}
	if (len < 0)
		return len;
	for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len))
		handle_event(monitor, nlh);
	if (len > 0)
		pe_reader_count(&monitor->reader.invalid);
	return 0;
}

/* ---- what the kernel does not report ---- */

/* False if nobody answers. */
static bool refresh_link(struct pe_monitor *monitor, struct pe_link *known)
{
	struct pe_parse_result result;
	struct pe_link now = *known;
	int r = pe_requests_link(&monitor->requests, known->ifindex, monitor->reader.buf,
				 PE_READER_BYTES, &result);

	if (r < 0)
		return r == -ENODEV;
	/* All else has events, and may be ahead of those that wait. */
	if (result.type != PE_PARSE_NEW || !same_interface(known, &result.link) ||
	    strcmp(known->name, result.link.name) != 0)
		return true;
	memcpy(now.alias, result.link.alias, sizeof(now.alias));
	memcpy(now.altnames, result.link.altnames, sizeof(now.altnames));
	if (!link_equal(known, &now))
		update(monitor, known, &now);
	return true;
}

void pe_monitor_refresh(struct pe_monitor *monitor, unsigned int most)
{
	const size_t mask = monitor->table.by_key.mask;

	for (size_t i = 0; i <= mask && most > 0; i++) {
		struct pe_links_entry *entry =
			pe_links_first(&monitor->table, monitor->refreshed++ & mask);

		for (; entry; entry = pe_links_next(entry)) {
			if (entry->link.flags & IFF_UP)
				continue;
			if (!refresh_link(monitor, &entry->link))
				return;
			most -= most > 0;
		}
	}
}

/* ---- contract ---- */

int pe_monitor_new(const struct pe_monitor_ops *ops, void *userdata, size_t rcvbuf,
		   struct pe_monitor **ret_monitor)
{
	struct pe_monitor *monitor = calloc(1, sizeof(*monitor));
	int r;

	if (!monitor)
		return -ENOMEM;
	monitor->ops = ops;
	monitor->userdata = userdata;
	monitor->resync = true;
	r = pe_links_init(&monitor->table);
	if (r == 0)
		r = pe_links_init(&monitor->ended);
	if (r == 0)
		r = pe_reader_init(&monitor->reader);
	if (r == 0)
		r = pe_socket_open_events(rcvbuf ? rcvbuf : RCVBUF_DEFAULT_BYTES, &monitor->events);
	if (r < 0) {
		pe_monitor_free(monitor);
		return r;
	}
	*ret_monitor = monitor;
	return 0;
}

struct pe_monitor *pe_monitor_free(struct pe_monitor *monitor)
{
	if (!monitor)
		return NULL;
	nl_socket_free(monitor->events);
	pe_requests_fini(&monitor->requests);
	pe_links_fini(&monitor->table);
	pe_links_fini(&monitor->ended);
	pe_reader_fini(&monitor->reader);
	free(monitor);
	return NULL;
}

int pe_monitor_fd(const struct pe_monitor *monitor)
{
	return nl_socket_get_fd(monitor->events);
}

bool pe_monitor_has_events(const struct pe_monitor *monitor)
{
	return pe_socket_has_input(monitor->events);
}

bool pe_monitor_is_current(const struct pe_monitor *monitor)
{
	return !monitor->resync && !pe_socket_has_input(monitor->events);
}

size_t pe_monitor_list_ports(const struct pe_monitor *monitor, int master, int *ret_ifindex,
			     size_t max)
{
	return pe_links_list_ports(&monitor->table, master, ret_ifindex, max);
}

int pe_monitor_start(struct pe_monitor *monitor)
{
	return sync_table(monitor);
}

int pe_monitor_dispatch(struct pe_monitor *monitor)
{
	int r = 0;

	for (int n = 0; r == 0 && n < EVENTS_PER_DISPATCH; n++)
		r = read_events(monitor);
	if (r < 0 && r != -EAGAIN) {
		monitor->resync = true;
		return r;
	}
	if (r == -EAGAIN)
		forget_ended(monitor);
	if (monitor->congested && !pe_socket_has_input(monitor->events))
		monitor->congested = false;
	return monitor->resync && !monitor->congested ? sync_table(monitor) : 0;
}

void pe_monitor_request_resync(struct pe_monitor *monitor)
{
	monitor->resync = true;
}

const struct pe_link *pe_monitor_find(const struct pe_monitor *monitor, int ifindex)
{
	const struct pe_links_entry *entry = pe_links_find(&monitor->table, pe_ifkey_own(ifindex));

	return entry ? &entry->link : NULL;
}

bool pe_monitor_exists(const struct pe_monitor *monitor, int ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname((unsigned int)ifindex, name);
}

int pe_monitor_read_stats(struct pe_monitor *monitor, int ifindex, struct pe_link_stats *ret_stats)
{
	return pe_requests_stats(&monitor->requests, ifindex, ret_stats);
}

void pe_monitor_get_stats(const struct pe_monitor *monitor, struct pe_monitor_stats *ret_stats)
{
	*ret_stats = (struct pe_monitor_stats){
		.messages = atomic_load_explicit(&monitor->reader.messages, memory_order_relaxed),
		.invalid = atomic_load_explicit(&monitor->reader.invalid, memory_order_relaxed),
		.overruns = atomic_load_explicit(&monitor->overruns, memory_order_relaxed),
		.resyncs = atomic_load_explicit(&monitor->resyncs, memory_order_relaxed),
	};
}
