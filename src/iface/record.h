/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One record an interface: what is known of it and done about it, while it exists. Each part
 * belongs to the file that is named beside it, which alone changes it; but watch.c resets all that
 * belongs to one watch. The supervisor's thread.
 */
#ifndef PE_IFACE_RECORD_H
#define PE_IFACE_RECORD_H

#include "pe/link.h"
#include "pe/sample.h"

#include "audit.h"
#include "load.h"
#include "policy.h"

/* How it is counted (attacher.c). */
struct pe_attachment {
	uint32_t token; /* PE_TOKEN_NONE without a slot: the handle of its counters */
	int link_fd;	/* of the XDP link, -1 without */
	int tcx_fd;	/* of the TCX link, -1 without */
	bool wants_tcx; /* which is all that is left, and is not tried at once */
	bool early;	/* it was counted before it was known */
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

/* When attaching is tried again (watch.c). */
struct pe_retry {
	uint64_t at_ns; /* of the monotonic clock, 0: nothing to try */
	uint64_t after_ns;
};

/* What is to be done about it (records.c): bits of pe_iface.state. */
#define PE_IFACE_WATCHED  1u  /* it is counted, or should be, and has series */
#define PE_IFACE_PENDING  2u  /* new: the tracepoint counts, and XDP is to follow */
#define PE_IFACE_RETRY	  4u  /* something has failed */
#define PE_IFACE_TCX	  8u  /* TCX is to come or to go */
#define PE_IFACE_FEATURES 16u /* its receive offloads may have changed */
#define PE_IFACE_STATES	  5

/* Why it is not watched any more, by which the kernel's last counters of it are known or not. */
enum pe_ending {
	PE_ENDING_DELETED,   /* the message has what it sent, not always what it received */
	PE_ENDING_MOVED,     /* the message has both; the interface lives on elsewhere */
	PE_ENDING_UNWATCHED, /* there was no message, and it may live on, here or elsewhere */
};

struct pe_iface {
	const struct pe_link *link; /* the monitor's; gone with the record */
	bool wanted;		    /* --interface.include and --interface.exclude; interfaces.c */
	struct pe_plan plan;	    /* attacher.c */
	struct pe_attachment attachment;
	struct pe_retry retry;
	struct pe_audit audit;	  /* auditor.c */
	struct pe_load load;	  /* watch.c */
	struct pe_member *member; /* the handle of its series, while watched; contribution.c */
	unsigned int state;
	struct pe_iface *next, *previous; /* in the list of records */
};

#endif
