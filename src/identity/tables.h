/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces by cookie, and our ends of veths by ifindex. Memory is bounded: namespaces
 * without a veth of ours are forgotten, the one that was used longest ago first. One thread.
 */
#ifndef PE_IDENTITY_TABLES_H
#define PE_IDENTITY_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroups.h"

#define PE_NETNS_MAX   4096u
#define PE_EARLY_PEERS 1024u

struct pe_veth;

struct pe_netns {
	uint64_t cookie;
	uint64_t start_ns;	      /* of the task that names it */
	struct pe_identity *identity; /* NULL: no task has named it */
	struct pe_veth *veths;
	struct pe_netns *next;		/* of its bucket */
	struct pe_netns *older, *newer; /* by use */
	struct pe_netns *next_changed;	/* while `changed` is set */
	bool changed;
	bool has_task; /* something has run there that did not come in from elsewhere */
	uint64_t who;  /* a hash of the container that named it */
	uint64_t walk; /* in which walk over all tasks it was named last */
	bool is_docker;
	uint8_t id[(PE_CONTAINER_ID_MAX - 1) / 2]; /* of Docker's */
};

enum pe_veth_state {
	PE_VETH_NEW,	 /* it has had no carrier yet */
	PE_VETH_WAITING, /* from its first carrier on */
	PE_VETH_KNOWN,
	PE_VETH_UNKNOWN, /* its wait has ended */
	PE_VETH_GONE,	 /* the interface is not there any more; only its namespace leads to it */
};

struct pe_veth {
	int ifindex;
	enum pe_veth_state state;
	uint64_t came_ns;	      /* since when it is there */
	uint64_t used_ns;	      /* when it first had a carrier, or packets */
	uint64_t waits_ns;	      /* since when it waits, or is gone */
	uint64_t lost;		      /* records, when it came */
	bool is_here;		      /* its peer is in our namespace, too, when last asked */
	bool walked;		      /* all tasks have been looked at for it */
	struct pe_netns *netns;	      /* of its peer; NULL: unknown, or ours */
	struct pe_identity *identity; /* as was called back */
	struct pe_veth *next;	      /* of its bucket */
	struct pe_veth *next_of_netns;
	struct pe_veth *earlier, *later; /* among those that wait, or are gone */
};

struct pe_tables {
	struct pe_netns **netns;
	struct pe_netns *oldest, *newest;
	unsigned int netns_count;
	struct pe_netns *changed;
	struct pe_veth **veths;
	unsigned int veth_count; /* with those that are gone */
	struct pe_veth *first_waiting, *last_waiting;
	struct pe_veth *first_gone, *last_gone;
	/* Peers that records name, and that are not known yet: a ring. */
	struct {
		int ifindex;
		uint64_t cookie;
	} early[PE_EARLY_PEERS];
	unsigned int next_early;
};

/* 0 or -ENOMEM. */
int pe_tables_init(struct pe_tables *tables);
/* Zeroed ones are fine. */
void pe_tables_fini(struct pe_tables *tables);

/* A namespace, made if it is not there; its use is noted. NULL if memory is refused. Pointers to
 * namespaces without a veth, and not changed, are valid until the next call. */
struct pe_netns *pe_tables_netns(struct pe_tables *tables, uint64_t cookie);

/* Puts it on the list of those that have changed, unless it is there. */
void pe_tables_mark(struct pe_tables *tables, struct pe_netns *netns);
/* Takes one off that list; NULL if it is empty. */
struct pe_netns *pe_tables_take_marked(struct pe_tables *tables);

/* NULL if it is not there. */
struct pe_veth *pe_tables_veth(const struct pe_tables *tables, int ifindex);
/* A new one. NULL if memory is refused. */
struct pe_veth *pe_tables_add_veth(struct pe_tables *tables, int ifindex, uint64_t came_ns);
void pe_tables_free_veth(struct pe_tables *tables, struct pe_veth *veth);
/* Its peer is in that namespace, NULL: in none that is known. */
void pe_tables_bind(struct pe_veth *veth, struct pe_netns *netns);
/* A new one waits from now on, as the last. */
void pe_tables_begin_wait(struct pe_tables *tables, struct pe_veth *veth, uint64_t waits_ns);
/* It waits no longer, but is in `state`. */
void pe_tables_end_wait(struct pe_tables *tables, struct pe_veth *veth, enum pe_veth_state state);

/* One that is not known is not found by its ifindex any more; it is the last of those. */
void pe_tables_set_gone(struct pe_tables *tables, struct pe_veth *veth, uint64_t now_ns);

/* Remembers what a record says of a veth that is not known yet, for a while. */
void pe_tables_put_early(struct pe_tables *tables, int ifindex, uint64_t cookie);
/* 0 if there is nothing. */
uint64_t pe_tables_early(const struct pe_tables *tables, int ifindex);
/* Another may have that ifindex next. */
void pe_tables_forget_early(struct pe_tables *tables, int ifindex);

#endif
