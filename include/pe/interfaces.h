/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces that are watched: who gets a slot, which mode, when to try again.
 * All calls belong to the supervisor's thread, except pe_interfaces_get_stats().
 */
#ifndef PE_INTERFACES_H
#define PE_INTERFACES_H

#include "pe/identity.h"
#include "pe/link.h"
#include "pe/options.h"
#include "pe/registry.h"
#include "pe/sample.h"
#include "pe/xdp.h"

struct pe_interfaces;

struct pe_interfaces_stats {
	struct pe_latency latency; /* from the event of an interface to its being counted */
	uint64_t errors[PE_ATTACH_ERRORS];
};

struct pe_interfaces_options {
	const struct pe_options *options;
	struct pe_xdp *xdp;
	struct pe_identities *identities; /* gets the events of veths; NULL: off */
	struct pe_registry *registry;
	unsigned int max_links; /* XDP and TCX programs on interfaces at the same time */
	/*
	 * A slot was given to an interface: records with this token are on their way. 0, -EEXIST if
	 * the token is still known from an earlier use, or another -errno.
	 */
	int (*announce)(uint32_t token, void *userdata);
	void (*forget)(uint32_t token, void *userdata);
	/* A watched interface has gone. */
	void (*departed)(void *userdata);
	/* A dump has been reconciled. */
	void (*synced)(void *userdata);
	void *userdata;
};

/* Makes it together with its link monitor. Never blocks. 0 or -errno. The caller owns
 * *ret_interfaces; what the options point to is borrowed. */
int pe_interfaces_new(const struct pe_interfaces_options *options,
		      struct pe_interfaces **ret_interfaces);

/* Detaches from every interface, and blocks for that. NULL is fine. Returns NULL. */
struct pe_interfaces *pe_interfaces_free(struct pe_interfaces *interfaces);

/* Its link monitor, which lives as long: to wait for its socket and to read its statistics. */
struct pe_monitor *pe_interfaces_monitor(struct pe_interfaces *interfaces);

/* Asks the kernel for all interfaces that are there and attaches to them. Blocks for both.
 * 0 or -errno of the dump. */
int pe_interfaces_start(struct pe_interfaces *interfaces);

/*
 * To be called when the monitor's socket is readable: reads the events that are there. New
 * interfaces are counted, others detached; blocks for that only, or for a dump if events were lost.
 * 0 or -errno.
 */
int pe_interfaces_dispatch(struct pe_interfaces *interfaces);

/*
 * When to call pe_interfaces_promote() on the monotonic clock, 0 if there is nothing to do. May
 * change with each dispatch.
 */
uint64_t pe_interfaces_promote_at(const struct pe_interfaces *interfaces);

/* Lets XDP follow to interfaces that are new, as many as does not delay others. Blocks while
 * the kernel attaches. */
void pe_interfaces_promote(struct pe_interfaces *interfaces);

/*
 * To be called each second: tries again where attaching failed. May block for some 10 ms, when no
 * interfaces are being made.
 */
void pe_interfaces_retry(struct pe_interfaces *interfaces);

/*
 * To be called each second: compares some interfaces with the kernel's own counters. Blocks for
 * some 10 µs each.
 */
void pe_interfaces_audit(struct pe_interfaces *interfaces);

/*
 * When to call pe_interfaces_close_brackets() on the monotonic clock, 0 if there is nothing to do.
 * May change with each pe_interfaces_audit().
 */
uint64_t pe_interfaces_brackets_at(const struct pe_interfaces *interfaces);

/* Completes the comparisons that pe_interfaces_audit() began under traffic. Some 10 µs each. */
void pe_interfaces_close_brackets(struct pe_interfaces *interfaces);

/* Who is behind a veth that is there or has just gone (as the registry's), for its group. */
void pe_interfaces_identify(struct pe_interfaces *interfaces, int ifindex,
			    struct pe_identity *identity);

/* Whose a network namespace is, as pe_identities_options.named says it. */
void pe_interfaces_name_netns(struct pe_interfaces *interfaces, uint64_t netns, int ifindex,
			      struct pe_identity *identity);

/* Asks for all interfaces again at the next dispatch, which the caller triggers. */
void pe_interfaces_resync(struct pe_interfaces *interfaces);

/* Looks for new aliases and alternative names of interfaces that are down, of which there are no
 * events; of some, in turn. To be called now and then. Blocks for some 10 µs each. */
void pe_interfaces_refresh(struct pe_interfaces *interfaces);

/* How many are watched now. Does not block. */
unsigned int pe_interfaces_count(const struct pe_interfaces *interfaces);

/* Any thread. */
void pe_interfaces_get_stats(struct pe_interfaces *interfaces,
			     struct pe_interfaces_stats *ret_stats);

#endif
