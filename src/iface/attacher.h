/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one interface comes to be counted: a slot, then the best ingress that can be had.
 *
 * What is missing can be asked for again at any time; what is there stays. Errors are counted here,
 * and logged when they differ from the last one. The supervisor's thread, except
 * pe_attacher_get_stats().
 */
#ifndef PE_ATTACHER_H
#define PE_ATTACHER_H

#include <pthread.h>

#include "pe/features.h"
#include "pe/interfaces.h"
#include "pe/link.h"
#include "pe/log.h"
#include "pe/options.h"
#include "pe/sample.h"
#include "pe/xdp.h"

#include "offloads.h"

/* What the attacher needs to know of other interfaces. */
struct pe_attacher_relations {
	/* One that has an XDP program of ours is above this one, or is its bridge or bond: then the
	 * kernel lets none be attached. */
	bool (*has_above)(const struct pe_link *link, void *userdata);
	/* The interface itself, then all that it is stacked on, directly or not; at most
	 * PE_OFFLOADS_MAX. How many. */
	size_t (*list_below)(const struct pe_link *link, int *ret_ifindex, void *userdata);
	/* Whether an XDP program of ours is on it or above it. */
	bool (*is_used)(int ifindex, void *userdata);
	/* Whether each ifindex is surely the interface that is known by it. */
	bool (*is_current)(void *userdata);
	void *userdata;
};

/* Failures of one kind are logged one by one only until there are many. */
struct pe_attacher_grouped {
	uint64_t until_ns; /* of the monotonic clock: the group gathers */
	unsigned int more;
};

struct pe_attacher {
	const struct pe_options *options;
	struct pe_xdp *xdp;
	struct pe_features *features;
	struct pe_attacher_relations relations;
	/* As in struct pe_interfaces_options. */
	int (*announce)(uint32_t token, void *userdata);
	void *userdata;
	/* Descriptors that links may take, so that scrapes and pushes still have some. */
	unsigned int max_links;
	/* its own */
	unsigned int links;
	struct pe_offloads offloads; /* that generic XDP has switched off */
	bool owes;		     /* some of them could be put back, but for is_current() */
	struct pe_attacher_grouped grouped[PE_ATTACH_ERRORS];
	struct pe_log_once no_slot_log;
	struct pe_log_once no_files_log;
	pthread_mutex_t mutex; /* stats */
	struct pe_interfaces_stats stats;
};

struct pe_attachment {
	uint32_t token; /* PE_TOKEN_NONE without a slot */
	int link_fd;	/* of the XDP link, -1 without */
	int tcx_fd;	/* of the TCX link, -1 without */
	bool wants_tcx; /* which is all that is left, and is not tried at once */
	bool newcomer;	/* it was counted before it was known */
	bool refused;	/* its driver has refused native XDP: as auto from then on */
	enum pe_mode mode;
	enum pe_mode_reason reason;
	int error;     /* of the last attempt */
	int tcx_error; /* likewise */
};

#define PE_ATTACHMENT_INIT                                           \
	{                                                            \
		.token = PE_TOKEN_NONE, .link_fd = -1, .tcx_fd = -1, \
	}

/*
 * A new interface: counted at once, and without the kernel's lock of all interfaces where the
 * receive tracepoint can do it for now (PE_REASON_NEW): who makes interfaces holds that lock nearly
 * all the time, and would wait for us as we for them. As pe_attacher_advance() where it cannot.
 */
int pe_attacher_begin(struct pe_attacher *attacher, const struct pe_link *link,
		      struct pe_attachment *attachment);

/* Brings an interface as near to its wish as it goes now. 0, or why that is not all. */
int pe_attacher_advance(struct pe_attacher *attacher, const struct pe_link *link,
			struct pe_attachment *attachment);

/*
 * What is left to do that holds the kernel's lock of all interfaces for long, some 10 ms: TCX comes
 * where nothing else can count ingress, and goes where XDP has come.
 */
static inline bool pe_attacher_is_unfinished(const struct pe_attachment *attachment)
{
	return attachment->wants_tcx || (attachment->link_fd >= 0 && attachment->tcx_fd >= 0);
}

/* Does that. 0 or -errno; then pe_attacher_advance() decides whether it is tried again. */
int pe_attacher_finish(struct pe_attacher *attacher, const struct pe_link *link,
		       struct pe_attachment *attachment);

/* Whether a program that we attached is on an interface. A system call each. */
bool pe_attacher_is_on(const struct pe_attachment *attachment);

/* Whether one is on none any more. */
bool pe_attacher_is_taken_off(const struct pe_attachment *attachment);

/*
 * The interface is there, and somebody else has taken a program off it: falls back, and says so.
 * Whether ingress is counted by something else now.
 */
bool pe_attacher_taken_off(struct pe_attacher *attacher, const struct pe_link *link,
			   struct pe_attachment *attachment);

/*
 * Features of the interface may have changed: leaves ingress to the receive tracepoint where XDP
 * would now switch GRO off, or comes back to XDP. Whether something changed.
 */
bool pe_attacher_follow(struct pe_attacher *attacher, const struct pe_link *link,
			struct pe_attachment *attachment);

/* Logs how many failures there were beyond those that were logged. To be called each second. */
void pe_attacher_log_more(struct pe_attacher *attacher);

/*
 * The interface is under load, or no more: leaves ingress to the receive tracepoint, or comes back
 * to XDP. Nothing if that is so already, or if it is not for us to choose. Whether something
 * changed.
 */
bool pe_attacher_yield(struct pe_attacher *attacher, const struct pe_link *link,
		       struct pe_attachment *attachment, bool heavy);

/* Takes off what is on. The slot stays. */
void pe_attacher_detach(struct pe_attacher *attacher, struct pe_attachment *attachment);

/* Puts back the receive offloads that generic XDP has switched off where no program of ours needs
 * that any more; nothing while is_current() is false, see pe_attacher.owes. */
void pe_attacher_put_back(struct pe_attacher *attacher);

/* The interface has gone from here, `moved` to another namespace if that is known: what would be
 * put back on its ifindex is another one's. Says so. */
void pe_attacher_forget(struct pe_attacher *attacher, const struct pe_link *link, bool moved);

/* The end, after the last pe_attacher_detach(). Says what could not be put back. */
void pe_attacher_fini(struct pe_attacher *attacher);

/* Counts an error that came up elsewhere. */
void pe_attacher_count_error(struct pe_attacher *attacher, int error);

/* An interface was attached so long after it was announced. */
void pe_attacher_observe(struct pe_attacher *attacher, uint64_t ns);

/* Any thread. */
void pe_attacher_get_stats(struct pe_attacher *attacher, struct pe_interfaces_stats *ret_stats);

#endif
