/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/log.h"
#include "pe/strbuf.h"

struct need {
	cap_value_t cap;
	cap_value_t instead; /* does as well */
	const char *name;
	const char *use;
};

/* linux/capability.h says since when: CAP_BPF and CAP_PERFMON were split off in 5.8. */
static const struct need needs[] = {
	{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "loading BPF programs and their maps" },
	{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN",
	  "attaching to interfaces, and a large netlink buffer" },
	{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON",
	  "the kernel's tracepoints: egress, bridges, and sweeping the flow cache" },
};
#define NEEDS (sizeof(needs) / sizeof(*needs))

static void cap_freep(cap_t *caps)
{
	cap_free(*caps);
}

static bool has(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

/* The one of the two that is there, -1 if none is. */
static cap_value_t satisfy(cap_t caps, const struct need *need)
{
	if (has(caps, need->cap))
		return need->cap;
	return has(caps, need->instead) ? need->instead : -1;
}

int pe_privileges_check(void)
{
	_cleanup_(cap_freep) cap_t caps = cap_get_proc();
	struct pe_strbuf missing = { 0 };

	if (!caps)
		return -errno;
	for (size_t i = 0; i < NEEDS; i++) {
		if (satisfy(caps, &needs[i]) >= 0)
			continue;
		if (missing.len > 0)
			pe_strbuf_adds(&missing, ", ");
		pe_strbuf_adds(&missing, needs[i].name);
		pe_strbuf_adds(&missing, " (");
		pe_strbuf_adds(&missing, needs[i].use);
		pe_strbuf_adds(&missing, ")");
	}
	if (missing.len == 0)
		return 0;
	pe_strbuf_addc(&missing, '\0');
	if (missing.error)
		pe_error("main", "capabilities are missing");
	else
		pe_error("main", "missing: %s; run as root, or give these capabilities",
			 missing.data);
	pe_strbuf_fini(&missing);
	return -EPERM;
}

static int drop_bounding_set(const cap_value_t *keep, int count)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
		bool kept = false;

		for (int i = 0; i < count; i++)
			kept |= keep[i] == cap;
		if (!kept && cap_drop_bound(cap) < 0)
			return -errno;
	}
	return 0;
}

static bool is_user(const struct pe_user *user)
{
	return getuid() == user->uid && geteuid() == user->uid && getgid() == user->gid &&
	       getegid() == user->gid;
}

/* The capabilities that are permitted stay so; which of them are kept comes after. */
static int become(const struct pe_user *user)
{
	/* Otherwise files in /proc/self would be root's. */
	int dumpable = prctl(PR_GET_DUMPABLE);
	int r;

	if (is_user(user))
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	r = user->name ? initgroups(user->name, user->gid) : setgroups(0, NULL);
	if (r < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

int pe_privileges_drop(const struct pe_user *user)
{
	_cleanup_(cap_freep) cap_t caps = cap_get_proc();
	cap_value_t keep[NEEDS];
	int count = 0, r = 0;

	if (!caps)
		return -errno;
	for (size_t i = 0; i < NEEDS; i++) {
		keep[count] = satisfy(caps, &needs[i]);
		count += keep[count] >= 0;
	}
	/* Without it the set stays, but nothing can be gained from it any more. */
	if (has(caps, CAP_SETPCAP))
		r = drop_bounding_set(keep, count);
	if (r == 0 && user)
		r = become(user);
	if (r < 0)
		return r;
	if (cap_clear(caps) < 0 || cap_set_flag(caps, CAP_PERMITTED, count, keep, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, count, keep, CAP_SET) < 0)
		return -errno;
	if (cap_reset_ambient() < 0 || cap_set_proc(caps) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

bool pe_privileges_counts_memlock(const char *release)
{
	unsigned int major, minor;

	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return false;
	return major < 5 || (major == 5 && minor < 11);
}

bool pe_privileges_lack_memlock(void)
{
	struct utsname kernel;
	struct rlimit limit;

	if (uname(&kernel) < 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return false;
	return pe_privileges_counts_memlock(kernel.release) && limit.rlim_cur != RLIM_INFINITY;
}
