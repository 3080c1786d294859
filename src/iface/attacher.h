/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one interface comes to be counted: a slot, then the best ingress that can be had. A state
 * machine over the record of the interface (pe_iface.attachment, and plan where a driver refuses).
 *
 * What is missing can be asked for again at any time; what is there stays. Errors are counted here,
 * and logged when they differ from the last one. The supervisor's thread, except
 * pe_attacher_get_stats().
 */
#ifndef PE_ATTACHER_H
#define PE_ATTACHER_H

#include "pe/interfaces.h"

#include "attach_log.h"
#include "kernel.h"
#include "offloads.h"
#include "record.h"

/* What the attacher needs to know of other interfaces; see relations.h. */
struct pe_attacher_relations {
	bool (*has_above)(const struct pe_iface *iface, void *userdata);
	size_t (*list_below)(const struct pe_iface *iface, int *ret_ifindex, void *userdata);
	bool (*is_used)(int ifindex, void *userdata);
	bool (*are_current)(void *userdata);
	void *userdata;
};

struct pe_attacher_options {
	const struct pe_kernel *kernel;
	const struct pe_policy *policy;
	struct pe_attacher_relations relations;
	unsigned int max_interfaces; /* slots at the same time */
	/* Descriptors that links may take, so that scrapes and pushes still have some. */
	unsigned int max_links;
	/* As in struct pe_interfaces_options. */
	int (*announce)(uint32_t token, void *userdata);
	void *userdata;
};

struct pe_attacher;

/* `options` are borrowed. 0 or -ENOMEM; the caller owns *ret_attacher. */
int pe_attacher_new(const struct pe_attacher_options *options, struct pe_attacher **ret_attacher);

/* The end, after the last pe_attacher_detach(). Says what could not be put back. NULL is fine.
 * Returns NULL. */
struct pe_attacher *pe_attacher_free(struct pe_attacher *attacher);

/* Makes the plan of an interface that is new, or whose link message has changed. */
void pe_attacher_plan(const struct pe_attacher *attacher, struct pe_iface *iface);

/*
 * A new interface: counted at once, and without the kernel's lock of all interfaces where the
 * receive tracepoint can do it for now (PE_REASON_NEW): who makes interfaces holds that lock nearly
 * all the time, and would wait for us as we for them. As pe_attacher_advance() where it cannot.
 */
int pe_attacher_begin(struct pe_attacher *attacher, struct pe_iface *iface);

/* Brings an interface as near to its wish as it goes now. 0, or why that is not all. */
int pe_attacher_advance(struct pe_attacher *attacher, struct pe_iface *iface);

/*
 * What is left to do that holds the kernel's lock of all interfaces for long, some 10 ms: TCX comes
 * where nothing else can count ingress, and goes where XDP has come.
 */
static inline bool pe_attacher_is_unfinished(const struct pe_iface *iface)
{
	const struct pe_attachment *attachment = &iface->attachment;

	return attachment->wants_tcx || (attachment->link_fd >= 0 && attachment->tcx_fd >= 0);
}

/* Does that. 0 or -errno; then pe_attacher_advance() decides whether it is tried again. */
int pe_attacher_finish(struct pe_attacher *attacher, struct pe_iface *iface);

/* Whether a program that we attached is on an interface. A system call each. */
bool pe_attacher_is_on(const struct pe_attacher *attacher, const struct pe_iface *iface);

/* Whether one is on none any more. */
bool pe_attacher_is_taken_off(const struct pe_attacher *attacher, const struct pe_iface *iface);

/*
 * The interface is there, and somebody else has taken a program off it: falls back, and says so.
 * Whether ingress is counted by something else now.
 */
bool pe_attacher_taken_off(struct pe_attacher *attacher, struct pe_iface *iface);

/*
 * Features of the interface may have changed: leaves ingress to the receive tracepoint where XDP
 * would now switch GRO off, or comes back to XDP. Whether something changed.
 */
bool pe_attacher_follow(struct pe_attacher *attacher, struct pe_iface *iface);

/* Logs how many failures there were beyond those that were logged. To be called each second. */
void pe_attacher_log_more(struct pe_attacher *attacher);

/*
 * The interface is under load, or no more: leaves ingress to the receive tracepoint, or comes back
 * to XDP. Nothing if that is so already, or if it is not for us to choose. Whether something
 * changed.
 */
bool pe_attacher_set_busy(struct pe_attacher *attacher, struct pe_iface *iface, bool busy);

/* Takes off what is on. The slot stays. */
void pe_attacher_detach(struct pe_attacher *attacher, struct pe_iface *iface);

/* Puts back the receive offloads that generic XDP has switched off where no program of ours needs
 * that any more; nothing while are_current() is false. */
void pe_attacher_put_back(struct pe_attacher *attacher);

/* The same, if some had to wait for that. */
void pe_attacher_put_back_owed(struct pe_attacher *attacher);

/* Whether there are any to be put back, now or later. */
bool pe_attacher_has_offloads(const struct pe_attacher *attacher);

/* Links that are open. For tests. */
unsigned int pe_attacher_links(const struct pe_attacher *attacher);

/* The interface has gone from here, `moved` to another namespace if that is known: what would be
 * put back on its ifindex is another one's. Says so. */
void pe_attacher_forget(struct pe_attacher *attacher, const struct pe_link *link, bool moved);

/* Counts an error that came up elsewhere. */
void pe_attacher_count_error(struct pe_attacher *attacher, int error);

/* An interface was attached so long after it was announced. */
void pe_attacher_observe(struct pe_attacher *attacher, uint64_t ns);

/* Any thread. */
void pe_attacher_get_stats(struct pe_attacher *attacher, struct pe_interfaces_stats *ret_stats);

#endif
