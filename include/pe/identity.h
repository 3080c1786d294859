/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose interface it is: the container, the pod, the workload at the other end of a veth.
 *
 * The kernel side (pe/tasks.h) names the network namespace of a veth's peer and reports which
 * programs start in which namespace, with the names of their control groups. Docker's own files add
 * names and images where they may be read. A veth is known as soon as both sides of it are: its
 * peer's namespace, and a program in that namespace whose control group is that of a container.
 *
 * One thread, the supervisor's, except where another is named.
 */
#ifndef PE_IDENTITY_H
#define PE_IDENTITY_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of a name with its terminator; a longer one is cut at a character. */
#define PE_IDENTITY_NAME_MAX 256
#define PE_IDENTITY_ID_MAX   13 /* container_id: 12 characters */
#define PE_IDENTITY_UID_MAX  37 /* pod_uid */

/*
 * Who it is. Immutable and shared by reference; no member is NULL, what is unknown is "". Names are
 * others' bytes: shorter than PE_IDENTITY_NAME_MAX, perhaps not UTF-8, perhaps with quotes and
 * newlines.
 */
struct pe_identity {
	unsigned int references;  /* atomic; pe_identity_ref() and pe_identity_unref() */
	const char *container;	  /* its name; "" for a pod, whose sandbox has none */
	const char *pod;	  /* name */
	const char *namespace;	  /* Kubernetes' namespace of the pod */
	const char *workload;	  /* what people call it: see pe_identities_new() */
	const char *image;	  /* as the container was started with it, tag included */
	const char *runtime;	  /* docker, podman, containerd, cri-o, lxc, systemd-nspawn, … */
	const char *container_id; /* its first 12 characters */
	const char *pod_uid;	  /* with dashes */
};

/* The kind of interface (IFLA_INFO_KIND) that somebody can be behind; others are of the host. */
#define PE_IDENTITY_KIND "veth"

static inline bool pe_identity_is_possible(const char *kind)
{
	return strcmp(kind, PE_IDENTITY_KIND) == 0;
}

/* Copies the names (all members of `names` but `references`; NULL is ""). 0 or -ENOMEM; the caller
 * owns the one reference. Any thread. */
int pe_identity_new(const struct pe_identity *names, struct pe_identity **ret_identity);
struct pe_identity *pe_identity_ref(struct pe_identity *identity);
/* Gives a reference back; the last one frees. NULL is fine. Returns NULL. Any thread. */
struct pe_identity *pe_identity_unref(struct pe_identity *identity);

/* Whether all names are equal. NULL equals only NULL. Any thread. */
bool pe_identity_equal(const struct pe_identity *a, const struct pe_identity *b);

/* ---- rules for workloads ---- */

struct pe_workload_rule {
	regex_t regex;	   /* POSIX ERE, unanchored */
	char *replacement; /* of what it matches; \0 to \9 are what it and its groups match */
};

/* What a --workload.rule is: REGEX=REPLACEMENT, divided at the last '='. 0; -EINVAL with the rest
 * of a sentence that begins with the rule in `why`; -ENOMEM. The caller ends it with
 * pe_workload_rule_fini(). */
int pe_workload_rule_parse(const char *text, struct pe_workload_rule *ret_rule, char *why,
			   size_t why_size);
/* Zeroed ones are fine. */
void pe_workload_rule_fini(struct pe_workload_rule *rule);

/* ---- the module ---- */

struct pe_identities;

struct pe_identities_options {
	bool cni;   /* names of pods from the environment of CNI plugins (--identity.cni) */
	bool files; /* what Docker, Podman and the kubelet keep in files (--identity.files) */
	/* From its first carrier on a veth is waited for so long (--identity.wait), and up to 20 s
	 * while nothing runs behind it. */
	uint64_t wait_ns;
	unsigned int max_links;		      /* veths at the same time (--max-interfaces) */
	const struct pe_workload_rule *rules; /* borrowed; the first that matches is applied */
	size_t rule_count;
	/*
	 * What an interface of pe_identities_link() is, from that call or a later one into the
	 * module, never from another thread: at first, within its wait, who it is, or NULL, which
	 * ends the waiting: nobody is known. Then again each time that changes: a late identity,
	 * another name. One that goes while it waits may be called back for within a second, or
	 * not at all. The identity is the module's: take a reference to keep it. The callback must
	 * not call into the module.
	 */
	void (*resolved)(int ifindex, struct pe_identity *identity, void *userdata);
	/*
	 * Whose a network namespace is (as in struct pe_task_record), by the same calls, and before
	 * `resolved` of its veths: each time that changes, and when the wait of a veth ends.
	 * `ifindex` is a veth that leads to it, 0 if none is known. NULL: nobody is called back.
	 */
	void (*named)(uint64_t netns, int ifindex, struct pe_identity *identity, void *userdata);
	void *userdata;
};

/*
 * Loads the kernel side, lists all that runs, and opens the folders of files. To be called before
 * privileges and files are given up, and pe_identities_link() not before.
 *
 * The workload is: of Docker's compose "project/service"; of a pod its name without what was
 * generated; of another container of Docker or Podman its image without tag; of LXC and nspawn
 * the name; and then what the rules make of it.
 *
 * 0; -EOPNOTSUPP if the kernel lacks what is needed, -EPERM, -ENOMEM or what the kernel says: then
 * there are no names. Says in the log what it goes on without. Blocks for some 10 ms. The caller
 * owns *ret_identities; `options` is copied.
 */
int pe_identities_new(const struct pe_identities_options *options,
		      struct pe_identities **ret_identities);

/*
 * The folders that the module reads files in later, if `files` is on: a sandbox has to allow them.
 * NULL behind the last. Any thread.
 */
const char *pe_identities_folder(size_t index);

/* No callback follows. NULL is fine. Returns NULL. */
struct pe_identities *pe_identities_free(struct pe_identities *identities);

/* To be polled for input. Owned by the module. */
int pe_identities_fd(const struct pe_identities *identities);

/* To be called when pe_identities_fd() is readable: calls back for what has become known. Does not
 * block; about 5 µs for a program's start in a namespace that is new. */
void pe_identities_dispatch(struct pe_identities *identities);

/* Calls back `named` for all whose names are known. */
void pe_identities_name_all(struct pe_identities *identities);

/* When to call pe_identities_run() on the monotonic clock, 0 if there is nothing to do. May change
 * with each other call. */
uint64_t pe_identities_due_at(const struct pe_identities *identities);

/* Asks again for what is not known, and ends waits. Does not block; walks over all tasks of the
 * machine, about 0.3 µs each, at most once a second. */
void pe_identities_run(struct pe_identities *identities);

/*
 * A veth is there, or one that is there has changed; `at_ns` is the monotonic time of the event.
 * Its wait begins with the first event in which it `is_used`: it has a carrier (IFF_LOWER_UP), or
 * has had packets. Calls back at once if it is known who it is, and with NULL beyond max_links or
 * if memory is refused, until a later event finds room. Some µs. To be called for veths only.
 */
void pe_identities_link(struct pe_identities *identities, int ifindex, bool is_used,
			uint64_t at_ns);

/*
 * It has gone, or is not of interest any more. If it was waited for, what the kernel has reported
 * until now is looked at first, and then it is waited for a second more if its namespace is known.
 * No callback follows for one that is known, nor once another one has this ifindex. An unknown
 * ifindex is fine.
 */
void pe_identities_unlink(struct pe_identities *identities, int ifindex);

/* Who it is as last called back, borrowed; NULL if nobody is known. */
struct pe_identity *pe_identities_find(const struct pe_identities *identities, int ifindex);

/* Each veth has one of these when it is known or its wait ends, also by its own end; not if it goes
 * while both its ends are here, or without a carrier and a namespace. LATE is one more, when it is
 * known after that. */
enum pe_identity_result {
	PE_IDENTITY_RESOLVED,
	PE_IDENTITY_LATE,
	PE_IDENTITY_NO_PEER,	/* no peer, or in our own namespace */
	PE_IDENTITY_NO_TASK,	/* nothing that runs in its peer's namespace is of a container */
	PE_IDENTITY_LOST_EVENT, /* likewise, while records of the kernel side were lost */
	PE_IDENTITY_RESULTS,
};

/* Upper bounds of the histogram, like those of pe/sample.h. The last bucket is +Inf. */
/* clang-format off */
#define PE_IDENTITY_BOUNDS_MS(X)                                                         \
	X(1, "0.001") X(5, "0.005") X(10, "0.01") X(50, "0.05") X(100, "0.1")            \
	X(500, "0.5") X(1500, "1.5") X(2500, "2.5") X(5500, "5.5") X(15000, "15")
/* clang-format on */
#define PE_IDENTITY_BUCKETS 11

struct pe_identities_stats {
	uint64_t results[PE_IDENTITY_RESULTS];
	uint64_t
		unresolved; /* veths of nobody who is known, with those that went within a second */
	uint64_t lost;	    /* records of the kernel side that found its ring full */
	uint64_t walks;	    /* over all tasks */
	uint64_t namespaces; /* that are remembered */
	/* From the link event to the identity, also of late ones. Buckets are not cumulative. */
	uint64_t latency[PE_IDENTITY_BUCKETS];
	uint64_t latency_sum_ns;
};
/* Any thread. */
void pe_identities_get_stats(const struct pe_identities *identities,
			     struct pe_identities_stats *ret_stats);
/* Any thread. */
uint64_t pe_identities_map_bytes(const struct pe_identities *identities);

/* The `result` label. */
const char *pe_identity_result_name(enum pe_identity_result result);

#endif
