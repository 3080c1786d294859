/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See calls.h. The kernel answers a call that is not on the list with SIGSYS, whose handler counts
 * it and makes the call return -EPERM.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "pe/cleanup.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(__x86_64__)
#define RESULT_REGISTER(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define RESULT_REGISTER(context) ((context)->uc_mcontext.regs[0])
#elif defined(__arm__)
#define RESULT_REGISTER(context) ((context)->uc_mcontext.arm_r0)
#elif defined(__s390x__)
#define RESULT_REGISTER(context) ((context)->uc_mcontext.gregs[2])
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Of the C library in its versions, libbpf, libnl, libmicrohttpd, GnuTLS, libcurl with OpenSSL, and
 * the modules of the name service. Names that an architecture lacks are passed over.
 */
static const char *const allowed[] = {
	/* files, which Landlock looks after; but for the spool only ever opened for reading */
	"access", "close", "close_range", "dup", "dup3", "faccessat", "faccessat2", "fadvise64",
	"fcntl", "fcntl64", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "getcwd",
	"getdents", "getdents64", "_llseek", "lseek", "lstat", "lstat64", "newfstatat", "pipe2",
	"pread64", "preadv", "read", "readlink", "readlinkat", "readv", "sendfile", "sendfile64",
	"stat", "stat64", "statfs", "statfs64", "statx", "write", "writev",
	/* waiting */
	"clock_nanosleep", "clock_nanosleep_time64", "epoll_create1", "epoll_ctl", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "eventfd2", "futex", "futex_time64", "futex_waitv",
	"nanosleep", "_newselect", "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64",
	"inotify_add_watch", "inotify_rm_watch", "restart_syscall", "sched_yield", "select",
	"timerfd_create", "timerfd_gettime", "timerfd_settime", "timerfd_settime64",
	/* sockets, once there; socket() is below */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "recv",
	"recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg",
	"sendto", "setsockopt", "shutdown", "socketpair",
	/* memory and threads */
	"brk", "exit", "exit_group", "madvise", "membarrier", "mmap", "mmap2", "mprotect", "mremap",
	"munmap", "rseq", "set_robust_list", "sigaltstack",
	/* signals */
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"sigreturn",
	/* what there is to know */
	"clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "getcpu",
	"getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getpid", "getppid",
	"getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "getuid", "getuid32",
	"sched_getaffinity", "sysinfo", "time", "ugetrlimit", "uname"
};

/* Of the spool. */
static const char *const writing[] = { "flock",	   "fsync",	"mkdir",  "mkdirat", "rename",
				       "renameat", "renameat2", "unlink", "unlinkat" };

#ifdef SANITIZED
static const char *const sanitizer_allowed[] = {
	/* Leaks are looked for by a clone that traces all threads. */
	"clone",
	"getpgrp",
	"kill",
	"mlock",
	"munlock",
	"personality",
	"pipe",
	"prctl",
	"prlimit64",
	"process_vm_readv",
	"ptrace",
	"sched_getparam",
	"sched_getscheduler",
	"tgkill",
	"tkill",
	"wait4"
};
#endif

#define ARGS_MAX 3

struct rule {
	const char *name;
	struct scmp_arg_cmp arg[ARGS_MAX]; /* those whose operator is not 0 */
};

/* An argument is an int: what is in the upper half of its register means nothing. */
#define INT(n, value)                                                \
	{                                                            \
		n, SCMP_CMP_MASKED_EQ, 0xffffffff, (uint32_t)(value) \
	}
#define MASKED(n, mask, value)                     \
	{                                          \
		n, SCMP_CMP_MASKED_EQ, mask, value \
	}
#define LONG(n, value)                   \
	{                                \
		n, SCMP_CMP_EQ, value, 0 \
	}

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC)
#define NEW_NAMESPACES                                                                \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | \
	 CLONE_NEWUSER | CLONE_NEWUTS)
#define SOCKET_TYPE 0xf
/* Which argument of clone has its flags. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif
/* linux/prctl.h since 5.17: glibc and others name memory. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const struct rule rules[] = {
	/* Also where there is no Landlock. */
	{ "open", { MASKED(1, WRITES, O_RDONLY) } },
	{ "openat", { MASKED(2, WRITES, O_RDONLY) } },
	/* Threads, but no processes. */
	{ "clone", { MASKED(CLONE_FLAGS, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD) } },
	{ "prlimit64", { INT(0, 0), LONG(2, 0) } },
	/* Of the calling thread alone: the sweep of the flow cache leaves the CPU that it sweeps. A
	 * new thread in its place is put on that same CPU where the others are busy. */
	{ "sched_setaffinity", { INT(0, 0) } },
	{ "prctl", { INT(0, PR_SET_NAME) } },
	{ "prctl", { INT(0, PR_GET_NAME) } },
	{ "prctl", { INT(0, PR_SET_DUMPABLE), LONG(1, 0) } },
	{ "prctl", { INT(0, PR_SET_VMA) } },
	{ "bpf", { INT(0, BPF_MAP_LOOKUP_ELEM) } },
	{ "bpf", { INT(0, BPF_MAP_UPDATE_ELEM) } },
	{ "bpf", { INT(0, BPF_MAP_UPDATE_BATCH) } },
	{ "bpf", { INT(0, BPF_MAP_LOOKUP_BATCH) } },
	{ "bpf", { INT(0, BPF_MAP_DELETE_ELEM) } },
	{ "bpf", { INT(0, BPF_MAP_CREATE) } },
	{ "bpf", { INT(0, BPF_MAP_GET_NEXT_KEY) } },
	{ "bpf", { INT(0, BPF_OBJ_GET_INFO_BY_FD) } },
	{ "bpf", { INT(0, BPF_PROG_TEST_RUN) } },
	{ "bpf", { INT(0, BPF_LINK_CREATE) } },
	/* libbpf's for tracepoints, on older kernels */
	{ "bpf", { INT(0, BPF_RAW_TRACEPOINT_OPEN) } },
	{ "ioctl", { INT(1, SIOCETHTOOL) } },
	{ "ioctl", { INT(1, SIOCGIFNAME) } },
	{ "ioctl", { INT(1, SIOCGIFINDEX) } },
	{ "ioctl", { INT(1, FIONBIO) } },
	{ "ioctl", { INT(1, FIONREAD) } },
	{ "ioctl", { INT(1, TCGETS) } }, /* isatty(3) */
	{ "socket", { INT(0, AF_INET), MASKED(1, SOCKET_TYPE, SOCK_STREAM) } },
	{ "socket", { INT(0, AF_INET), MASKED(1, SOCKET_TYPE, SOCK_DGRAM) } },
	{ "socket", { INT(0, AF_INET6), MASKED(1, SOCKET_TYPE, SOCK_STREAM) } },
	{ "socket", { INT(0, AF_INET6), MASKED(1, SOCKET_TYPE, SOCK_DGRAM) } },
	/* if_indextoname(3) and others only need one to ask by. */
	{ "socket", { INT(0, AF_UNIX), MASKED(1, SOCKET_TYPE, SOCK_DGRAM) } },
	{ "socket", { INT(0, AF_NETLINK), INT(2, NETLINK_ROUTE) } },
};

static const struct rule writing_rules[] = {
	{ "open", { MASKED(1, WRITES, O_WRONLY | O_CREAT) } },
	{ "openat", { MASKED(2, WRITES, O_WRONLY | O_CREAT) } },
};

/* The name service looks for its daemons, and does without. Docker listens on such a socket. */
static const struct rule unix_streams = {
	"socket", { INT(0, AF_UNIX), MASKED(1, SOCKET_TYPE, SOCK_STREAM) }
};

/*
 * Its flags are in memory, where a filter cannot look; those of clone are in a register. The C
 * library takes that instead, as on an older kernel.
 */
static const struct rule clone3 = { "clone3", {} };

static uint64_t refused;      /* atomic */
static int last_refused = -1; /* atomic */

#ifdef RESULT_REGISTER

/* siginfo's code: what sent the signal was a filter. */
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

/* In the thread that has called; nothing else of it has changed. */
static void on_refused(int signo, siginfo_t *info, void *userdata)
{
	ucontext_t *context = userdata;

	(void)signo;
	if (info->si_code != SYS_SECCOMP)
		return;
	__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&last_refused, info->si_syscall, __ATOMIC_RELAXED);
	RESULT_REGISTER(context) = -EPERM;
}

static int handle_refusals(uint32_t *ret_action)
{
	struct sigaction action = { .sa_sigaction = on_refused,
				    .sa_flags = SA_SIGINFO | SA_RESTART };

	*ret_action = SCMP_ACT_TRAP;
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

#else

static int handle_refusals(uint32_t *ret_action)
{
	*ret_action = SCMP_ACT_ERRNO(EPERM);
	return 0;
}

#endif

static void cleanup_filter(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* Nothing is added for what the architecture, or the library, does not know. */
static int add(scmp_filter_ctx filter, uint32_t action, const struct rule *rule)
{
	int number = seccomp_syscall_resolve_name(rule->name);
	unsigned int count = 0;
	int r;

	if (number < 0)
		return 0;
	while (count < ARGS_MAX && rule->arg[count].op)
		count++;
	r = seccomp_rule_add_array(filter, action, number, count, rule->arg);
	return r == -EDOM || r == -EEXIST ? 0 : r;
}

static int fill_writing(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < COUNT(writing) && r == 0; i++)
		r = add(filter, SCMP_ACT_ALLOW, &(struct rule){ .name = writing[i] });
	for (size_t i = 0; i < COUNT(writing_rules) && r == 0; i++)
		r = add(filter, SCMP_ACT_ALLOW, &writing_rules[i]);
	return r;
}

static int fill(scmp_filter_ctx filter)
{
	const struct rule own_signals = { "tgkill", { INT(0, getpid()) } };
	int r = add(filter, SCMP_ACT_ALLOW, &own_signals);

	for (size_t i = 0; i < COUNT(allowed) && r == 0; i++)
		r = add(filter, SCMP_ACT_ALLOW, &(struct rule){ .name = allowed[i] });
#ifdef SANITIZED
	for (size_t i = 0; i < COUNT(sanitizer_allowed) && r == 0; i++)
		r = add(filter, SCMP_ACT_ALLOW, &(struct rule){ .name = sanitizer_allowed[i] });
#endif
	for (size_t i = 0; i < COUNT(rules) && r == 0; i++)
		r = add(filter, SCMP_ACT_ALLOW, &rules[i]);
	if (r == 0)
		r = add(filter, SCMP_ACT_ERRNO(ENOSYS), &clone3);
	if (r == 0)
		r = add(filter, SCMP_ACT_ERRNO(EACCES), &unix_streams);
	return r;
}

int pe_calls_restrict(bool writes)
{
	_cleanup_(cleanup_filter) scmp_filter_ctx filter = NULL;
	uint32_t action;
	int r = handle_refusals(&action);

	if (r < 0)
		return r;
	filter = seccomp_init(action);
	if (!filter)
		return -ENOMEM;
	/* A call of another architecture, or of x32. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	/* A tree instead of a list: 100 comparisons a call would be felt. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = fill(filter);
	if (r == 0 && writes)
		r = fill_writing(filter);
	return r < 0 ? r : seccomp_load(filter);
}

uint64_t pe_calls_refused(void)
{
	return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}

void pe_calls_last_refused(char *name, size_t size)
{
	int number = __atomic_load_n(&last_refused, __ATOMIC_RELAXED);
	_cleanup_free_ char *known =
		number < 0 ? NULL : seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (known)
		snprintf(name, size, "%s", known);
	else if (number >= 0)
		snprintf(name, size, "number %d", number);
	else
		*name = '\0';
}
