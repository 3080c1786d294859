/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One task as a record: its network namespace, its control groups, its host name.
 */
#ifndef PE_BPF_IDENTITY_TASK_H
#define PE_BPF_IDENTITY_TASK_H

#include "identity_net.h"

/* Deeper control groups have no names: nobody's runtime nests so many. */
#define LEVELS_MAX 32
#define OWN_LEVELS 16
/* Ancestors that are looked at. */
#define ANCESTORS_MAX 8

#define SEEN_WAYS 4

const volatile __u32 pe_seen_mask; /* sets of the table below - 1 */
const volatile __u64 pe_seen_seed; /* so that nobody can aim at one set of it */

/* Each walk begins a new generation: what was reported is reported once more. */
__u64 pe_generation;
__u64 pe_lost; /* records that found the ring full */

/* The control groups that we are in, from the root on, of each hierarchy. */
__u64 pe_own_path[2 * OWN_LEVELS];
__u64 pe_own_uts, pe_host_uts; /* addresses */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} records SEC(".maps");

/*
 * What was reported: hashes of namespace, control group and generation. An array, because its
 * look-up is inlined, and it needs no memory beside; what it forgets is reported again.
 */
struct seen_set {
	__u64 way[SEEN_WAYS];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen_set);
} seen SEC(".maps");

/* The control group by which containers of this host are recognised. */
struct place {
	struct kernfs_node *kn;
	__u64 level;
	__u64 hierarchy; /* 0 or 1 */
};

/* 1 if processes are limited by a hierarchy of its own (v1), as hosts have it or have it not. */
__u64 pe_pids_apart;

/* The control group of that hierarchy. A read through NULL gives 0. */
static __always_inline struct cgroup *pids_cgroup(struct css_set *groups)
{
	struct cgroup_subsys_state *css = NULL;

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
		__u64 at = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);

		bpf_probe_read_kernel(&css, sizeof(css),
				      (void *)groups + bpf_core_field_offset(groups->subsys) +
					      at * sizeof(css));
	}
	return BPF_CORE_READ(css, cgroup);
}

/* Run before place_of(). */
static __always_inline void find_hierarchy(struct task_struct *task)
{
	struct css_set *groups = BPF_CORE_READ(task, cgroups);
	struct cgroup *cgroup = pids_cgroup(groups);
	struct cgroup *unified = BPF_CORE_READ(groups, dfl_cgrp);

	pe_pids_apart = 1 ^ (is_zero((__u64)cgroup) | is_zero((__u64)BPF_CORE_READ(cgroup, root) ^
							      (__u64)BPF_CORE_READ(unified, root)));
}

/*
 * The unified hierarchy, unless processes are limited by another one and the task is not at its
 * root: there runtimes name only that.
 */
static __always_inline struct place place_of(struct task_struct *task)
{
	struct css_set *groups = BPF_CORE_READ(task, cgroups);
	struct cgroup *cgroup = BPF_CORE_READ(groups, dfl_cgrp);
	struct place place = { .hierarchy = pe_pids_apart };

	if (pe_pids_apart) {
		struct cgroup *pids = pids_cgroup(groups);

		place.hierarchy = pe_pids_apart & (1 ^ is_zero(BPF_CORE_READ(pids, level)));
		cgroup = (void *)((__u64)cgroup ^
				  (((__u64)cgroup ^ (__u64)pids) & -place.hierarchy));
	}
	place.kn = BPF_CORE_READ(cgroup, kn);
	place.level = BPF_CORE_READ(cgroup, level);
	return place;
}

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *kn)
{
	if (bpf_core_field_exists(kn->__parent))
		return BPF_CORE_READ(kn, __parent);
	return BPF_CORE_READ(kn, parent);
}

/* Where that group is, or would be, in the path of our own. */
static __always_inline __u64 path_index(struct place place)
{
	__u64 at = place.hierarchy * OWN_LEVELS + place.level;

	/* So that masking it says nothing of the level. */
	hide(at);
	return at & (2 * OWN_LEVELS - 1);
}

/* 1 if there is room for its level, otherwise 0. */
static __always_inline __u64 has_index(struct place place)
{
	__u64 below = place.level - OWN_LEVELS;

	hide(below);
	return below >> 63;
}

/* In a hierarchy that we are not in, only its root. */
static __always_inline __u64 is_own_path(struct place place)
{
	return is_zero(place.level) |
	       (has_index(place) & is_zero(pe_own_path[path_index(place)] ^ (__u64)place.kn));
}

static __always_inline struct place outward(struct place place)
{
	place.kn = parent_of(place.kn);
	place.level--;
	return place;
}

/*
 * Names of the outermost, as many as there is room for. How many there are is kept in the record:
 * from there, the verifier does not know it, and does not look at all that follows for each.
 */
static __always_inline void name_cgroups(struct pe_task_record *record, struct place inmost)
{
	struct place place = inmost;

	for (int i = 0; i < LEVELS_MAX && place.kn && !is_own_path(place); i++) {
		place = outward(place);
		record->levels++;
	}
	place = inmost;
	for (int i = 0; i <= LEVELS_MAX && place.kn; i++) {
		struct kernfs_node *kn = place.kn;
		__u64 at = record->levels - i;

		if (at < PE_TASK_CGROUPS && record->levels < LEVELS_MAX)
			bpf_probe_read_kernel_str(record->cgroup[at], PE_TASK_CGROUP_MAX,
						  BPF_CORE_READ(kn, name));
		if (!at)
			break;
		place = outward(place);
	}
}

/* The address of its control group. Verified by itself. */
__noinline __u64 group_of(__u64 address)
{
	struct task_struct *task = (struct task_struct *)address;

	return task ? (__u64)place_of(task).kn : 0;
}

/*
 * Whether it came in from another namespace, and not with its container: the outermost of its
 * ancestors in its control group is elsewhere. What a container's runtime starts has its parent in
 * another control group.
 */
static __always_inline bool is_visitor(struct task_struct *task, struct net *net,
				       struct kernfs_node *kn)
{
	struct task_struct *parent = task;
	struct net *home = net;

	for (int i = 0; i < ANCESTORS_MAX; i++) {
		struct nsproxy *nsproxy;

		parent = BPF_CORE_READ(parent, real_parent);
		if (!parent || group_of((__u64)parent) != (__u64)kn)
			break;
		/* A thread of an agent may be elsewhere than its process. */
		nsproxy = BPF_CORE_READ(parent, group_leader, nsproxy);
		if (nsproxy)
			home = BPF_CORE_READ(nsproxy, net_ns);
	}
	return home != net;
}

static __always_inline void name_host(struct pe_task_record *record, struct nsproxy *nsproxy)
{
	struct uts_namespace *uts = BPF_CORE_READ(nsproxy, uts_ns);

	if (!uts)
		return;
	if ((__u64)uts != pe_own_uts && (__u64)uts != pe_host_uts)
		record->flags |= PE_TASK_OWN_UTS;
	bpf_probe_read_kernel_str(record->uts, PE_TASK_UTS_MAX,
				  (void *)uts + bpf_core_field_offset(uts->name) +
					  bpf_core_field_offset(struct new_utsname, nodename));
}

static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

static __always_inline struct seen_set *seen_find(__u64 hash)
{
	__u32 index = hash & pe_seen_mask;

	return bpf_map_lookup_elem(&seen, &index);
}

static __always_inline bool was_seen(const struct seen_set *set, __u64 hash)
{
	return set->way[0] == hash || set->way[1] == hash || set->way[2] == hash ||
	       set->way[3] == hash;
}

/* Another CPU may do the same: then one of the two is forgotten. */
static __always_inline void remember(struct seen_set *set, __u64 hash)
{
	set->way[3] = set->way[2];
	set->way[2] = set->way[1];
	set->way[1] = set->way[0];
	set->way[0] = hash;
}

/* Reports a task in another namespace, unless that was done. False if the ring is full. */
static __always_inline bool report(struct task_struct *task, struct nsproxy *nsproxy,
				   struct net *net)
{
	struct place place = place_of(task);
	struct kernfs_node *kn = place.kn;
	__u64 cookie = cookie_of(net), hash = mix(pe_seen_seed + pe_generation, cookie);
	struct pe_task_record *record;
	struct seen_set *set;

	hash = mix(hash, kn ? BPF_CORE_READ(kn, id) : 0);
	set = seen_find(hash);
	if (!set || was_seen(set, hash))
		return true;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return false;
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = PE_TASK_RECORD;
	record->netns = cookie;
	record->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	if (is_visitor(task, net, kn))
		record->flags |= PE_TASK_VISITOR;
	list_peers(net, record->peer);
	name_host(record, nsproxy);
	name_cgroups(record, place);
	bpf_ringbuf_submit(record, 0);
	remember(set, hash);
	return true;
}

#endif
