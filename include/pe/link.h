/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link monitor: reports which network interfaces of this network namespace exist, and each
 * change.
 *
 * It subscribes to RTNLGRP_LINK first and then dumps, remembers the interfaces by ifindex, and
 * calls back for the difference; a lost event (ENOBUFS) or an interrupted dump leads to another
 * dump, so the callbacks always end in the true state. See rtnetlink(7), netlink(7) and
 * Documentation/userspace-api/netlink/intro.rst. One thread, the supervisor's.
 */
#ifndef PE_LINK_H
#define PE_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind <net/if.h>, to which it adds IFF_LOWER_UP. */
#include <linux/if.h>

#include "pe/ifkey.h"

struct pe_monitor;

#define PE_LINK_ALIAS_MAX    256
#define PE_LINK_ALTNAMES_MAX 256
#define PE_LINK_KIND_MAX     16
#define PE_LINK_ADDRESS_MAX  32

/* The kernel's own counters of an interface (struct rtnl_link_stats64). */
struct pe_link_stats {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_dropped; /* packets */
	uint64_t tx_dropped;
	uint64_t rx_errors;
	uint64_t tx_errors;
};

/* An interface as RTM_NEWLINK describes it. Names may hold any byte but NUL, '/' and white space.
 * `peer` of a vxlan is its IFLA_VXLAN_LINK. */
struct pe_link {
	union {
		struct pe_ifkey key;
		struct {
			uint32_t netns; /* PE_NETNS_OWN */
			int ifindex;	/* > 0 */
		};
	};
	/* What the monitor's owner keeps of the interface: set by it in `added`, handed back with
	 * each event until `gone`. */
	void *owner;
	char name[IFNAMSIZ];	       /* terminated */
	char alias[PE_LINK_ALIAS_MAX]; /* ifalias, "" if none */
	/* IFLA_ALT_IFNAME, separated by commas; as many whole ones as fit, "" if none */
	char altnames[PE_LINK_ALTNAMES_MAX];
	char kind[PE_LINK_KIND_MAX]; /* IFLA_INFO_KIND: "veth", "bridge", …; "" for hardware */
	unsigned short type;	     /* ARPHRD_*: ARPHRD_ETHER has an Ethernet header */
	unsigned int flags;	     /* IFF_* */
	int master;		     /* ifindex of the bridge or bond it belongs to, 0 if none */
	int peer;		     /* IFLA_LINK, 0 if none */
	int peer_netnsid;	     /* IFLA_LINK_NETNSID, -1 if none */
	uint32_t xdp_id;	     /* of the XDP program that is attached, 0 if none */
	unsigned char address[PE_LINK_ADDRESS_MAX]; /* link-layer address (IFLA_ADDRESS) */
	size_t address_len;			    /* 0 if it has none, or a longer one */
	bool has_stats;
	struct pe_link_stats stats; /* of the last message; none goes back */
};

/* Why an interface is no longer here. */
enum pe_link_gone {
	PE_LINK_DELETED,
	PE_LINK_MOVED,	/* to another network namespace (IFLA_NEW_NETNSID); it lives on there */
	PE_LINK_MISSED, /* a dump did not show it; the event was lost */
};

/*
 * Callbacks, all from pe_monitor_start(), pe_monitor_dispatch() or pe_monitor_refresh(), in the
 * order of the kernel's messages. `link` stays where it is from `added` until `gone` has returned,
 * and has changed when `changed` is called. A reused ifindex is reported as gone, then added. They
 * must not call into the monitor except pe_monitor_find() and pe_monitor_read_stats().
 */
struct pe_monitor_ops {
	void (*added)(struct pe_link *link, void *userdata);
	void (*changed)(struct pe_link *link, const struct pe_link *before, void *userdata);
	/* The kernel sent an event for an interface that changes nothing of struct pe_link: its
	 * features may have changed (NETDEV_FEAT_CHANGE). NULL: not of interest. */
	void (*touched)(const struct pe_link *link, void *userdata);
	void (*gone)(const struct pe_link *link, enum pe_link_gone why, void *userdata);
	/*
	 * A dump shows `link` under an ifindex and of a kind that are known. May it be what is
	 * known? An interface that was deleted and replaced while events were lost looks alike.
	 * Called for dumps only, because events may be older than what the owner did. NULL: yes.
	 */
	bool (*is_known)(const struct pe_link *link, void *userdata);
	/* A dump has been reconciled; the first one makes the exporter ready. */
	void (*synced)(void *userdata);
};

struct pe_monitor_stats {
	uint64_t messages; /* link messages parsed, events and dumps */
	uint64_t invalid;  /* messages refused because they were malformed */
	uint64_t overruns; /* ENOBUFS on the event socket */
	uint64_t resyncs;  /* dumps after the first */
};

/*
 * Opens the sockets and subscribes. `rcvbuf` is the event socket's buffer in bytes (SO_RCVBUFFORCE,
 * falling back to SO_RCVBUF); 0 takes 16 MiB. `ops` must outlive the monitor.
 * 0 or -errno; the caller owns *ret_monitor. Does not block.
 */
int pe_monitor_new(const struct pe_monitor_ops *ops, void *userdata, size_t rcvbuf,
		   struct pe_monitor **ret_monitor);

/* Closes the sockets; no callback follows. NULL is fine. Returns NULL. */
struct pe_monitor *pe_monitor_free(struct pe_monitor *monitor);

/* The event socket, to be polled for input. Owned by the monitor. */
int pe_monitor_fd(const struct pe_monitor *monitor);

/*
 * The first dump: calls `added` for every interface, then `synced`. Blocks for the dump (about 5 µs
 * an interface, 2 s at most). 0 or -errno; on error nothing is known and it may be called again.
 */
int pe_monitor_start(struct pe_monitor *monitor);

/* Whether events wait to be dispatched. Does not block. */
bool pe_monitor_has_events(const struct pe_monitor *monitor);

/*
 * Whether what was reported is what the kernel has at this moment: no events wait, and none that
 * were lost are still to be made up for. False in callbacks of a dump. Does not block.
 */
bool pe_monitor_is_current(const struct pe_monitor *monitor);

/*
 * The interfaces whose master `master` is, as many as fit into ret_ifindex[max]. How many these
 * are. Looks at all interfaces. Does not block.
 */
size_t pe_monitor_list_ports(const struct pe_monitor *monitor, int master, int *ret_ifindex,
			     size_t max);

/*
 * Reads the events that are there, at most a few thousand a call so that a storm cannot starve the
 * loop's other sources, and dumps again where it must. 0 or -errno; after an error the next call
 * begins with a dump. Blocks only for a dump.
 */
int pe_monitor_dispatch(struct pe_monitor *monitor);

/* Asks for a dump at the next dispatch, which the caller triggers. Counted as a resync. */
void pe_monitor_request_resync(struct pe_monitor *monitor);

/* The interface as last seen, or NULL. Valid until the next dispatch. */
const struct pe_link *pe_monitor_find(const struct pe_monitor *monitor, int ifindex);

/* Whether the kernel has an interface of this ifindex at this moment, known or not. One system
 * call, without the kernel's lock of all interfaces. */
bool pe_monitor_exists(const struct pe_monitor *monitor, int ifindex);

/*
 * Asks the kernel for the counters of one interface now (RTM_GETSTATS). Blocks for one round trip,
 * some µs, and for the kernel's lock of all interfaces. 0, -ENODEV if it has gone, or another
 * -errno. *ret_stats is untouched on error.
 */
int pe_monitor_read_stats(struct pe_monitor *monitor, int ifindex, struct pe_link_stats *ret_stats);

/*
 * Asks the kernel for alias and alternative names of about `most` interfaces that are down, in turn
 * from call to call: it reports changes of those only while an interface is up (rtnetlink.c,
 * netdev_state_change()). Calls `changed` for what has. Blocks for a round trip of some 10 µs each.
 */
void pe_monitor_refresh(struct pe_monitor *monitor, unsigned int most);

/* Any thread (the counters are atomic). */
void pe_monitor_get_stats(const struct pe_monitor *monitor, struct pe_monitor_stats *ret_stats);

#endif
