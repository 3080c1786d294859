/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that has been taken over, for test_sandbox.py: preloaded into the exporter, it tries at
 * SIGUSR1 what an attacker would, from the thread that gets the signal, and writes a line "NAME
 * ERRNO" for each to the file that TAKEOVER_REPORT names, which it has opened long before.
 *
 * What would change the exporter itself is tried by a child, if there can be one. Nothing of the
 * system is changed: files are opened, not written.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int report = -1;
static const char *victim, *listener;

/* ---- files ---- */

static long try_open(const char *path, int flags)
{
	long fd = syscall(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close((int)fd);
	return fd;
}

static long write_passwd(void)
{
	return try_open("/etc/passwd", O_WRONLY);
}

static long write_program(void)
{
	/* One that somebody runs cannot be written anyway; nobody runs this one. */
	return try_open("/usr/bin/tsort", O_WRONLY);
}

static long write_core_pattern(void)
{
	return try_open("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static long read_shadow(void)
{
	return try_open("/etc/shadow", O_RDONLY);
}

static long list_root(void)
{
	return try_open("/root", O_RDONLY | O_DIRECTORY);
}

static long create_file(void)
{
	char path[512];
	long fd;

	snprintf(path, sizeof(path), "%s.new", victim);
	fd = try_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static long truncate_file(void)
{
	return truncate(victim, 0);
}

static long change_mode(void)
{
	return chmod(victim, 0600);
}

static long unlink_file(void)
{
	return unlink(victim);
}

/* ---- programs and processes ---- */

static long fork_child(void)
{
	long pid = syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static long fork_in_namespace(void)
{
	long pid = syscall(__NR_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

/* Succeeds if /bin/false is what ends the child; see in_child(). */
static long execute(void)
{
	char *argv[] = { "true", NULL };

	return execve("/bin/true", argv, NULL);
}

static long trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long read_process(void)
{
	char from[1] = "x", to[1];
	struct iovec local = { to, 1 }, remote = { from, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static long signal_other(void)
{
	return kill(1, 0);
}

static long change_user(void)
{
	return syscall(__NR_setuid, getuid());
}

static long raise_limit(void)
{
	struct rlimit core;

	getrlimit(RLIMIT_CORE, &core);
	return setrlimit(RLIMIT_CORE, &core);
}

/* Of a thread other than itself, which the sweep of the flow cache may. */
static long move_other(void)
{
	cpu_set_t set;

	sched_getaffinity(getppid(), sizeof(set), &set);
	return sched_setaffinity(getppid(), sizeof(set), &set);
}

/* ---- namespaces and mounts ---- */

static long leave_namespaces(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET);
}

static long mount_over(void)
{
	leave_namespaces();
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static long change_root(void)
{
	leave_namespaces();
	return chroot("/");
}

static long enter_namespace(void)
{
	int fd;
	long r;

	leave_namespaces();
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	r = setns(fd, CLONE_NEWNET);
	close(fd);
	return r;
}

/* ---- the kernel ---- */

static long load_program(void)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
				.insns = (uintptr_t)pass,
				.insn_cnt = 2,
				.license = (uintptr_t) "GPL" };

	return syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* Maps themselves are made while it runs. */
static long freeze_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	union bpf_attr freeze = {
		.map_fd = (uint32_t)syscall(__NR_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)),
	};

	return syscall(__NR_bpf, BPF_MAP_FREEZE, &freeze, sizeof(freeze));
}

static long load_module(void)
{
	return syscall(__NR_finit_module, -1, "", 0);
}

static long load_kernel(void)
{
	return syscall(__NR_kexec_load, 0, 0, NULL, 0);
}

static long add_key(void)
{
	return syscall(__NR_add_key, "user", "pe", "x", 1, -2);
}

static long open_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK };

	return syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
}

static long open_uring(void)
{
	char params[256] = { 0 };

	return syscall(__NR_io_uring_setup, 4, params);
}

static long open_userfault(void)
{
	return syscall(__NR_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */);
}

static long open_memory(void)
{
	return syscall(__NR_memfd_create, "pe", 1);
}

static long keep_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

/* ---- sockets ---- */

/* As to /run/docker.sock. */
static long connect_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", listener);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r;
}

/* A datagram socket can be had, but not for what listens. */
static long connect_unix_otherwise(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)address;
	if (fd >= 0)
		close(fd);
	return fd;
}

static long open_netfilter(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd >= 0)
		close(fd);
	return fd;
}

static long serve(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r = bind(fd, (struct sockaddr *)&address, sizeof(address));

	if (r == 0)
		r = listen(fd, 1);
	close(fd);
	return r;
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	long (*fn)(void);
} attempts[] = {
#define ATTEMPT(name)       \
	{                   \
#name, name \
	}
	ATTEMPT(write_passwd),
	ATTEMPT(write_program),
	ATTEMPT(write_core_pattern),
	ATTEMPT(read_shadow),
	ATTEMPT(list_root),
	ATTEMPT(create_file),
	ATTEMPT(change_mode),
	ATTEMPT(truncate_file),
	ATTEMPT(unlink_file),
	ATTEMPT(fork_child),
	ATTEMPT(fork_in_namespace),
	ATTEMPT(execute),
	ATTEMPT(trace),
	ATTEMPT(read_process),
	ATTEMPT(signal_other),
	ATTEMPT(change_user),
	ATTEMPT(raise_limit),
	ATTEMPT(move_other),
	ATTEMPT(leave_namespaces),
	ATTEMPT(mount_over),
	ATTEMPT(change_root),
	ATTEMPT(enter_namespace),
	ATTEMPT(load_program),
	ATTEMPT(freeze_map),
	ATTEMPT(load_module),
	ATTEMPT(load_kernel),
	ATTEMPT(add_key),
	ATTEMPT(open_perf),
	ATTEMPT(open_uring),
	ATTEMPT(open_userfault),
	ATTEMPT(open_memory),
	ATTEMPT(keep_dumpable),
	ATTEMPT(connect_unix),
	ATTEMPT(connect_unix_otherwise),
	ATTEMPT(open_netfilter),
	ATTEMPT(serve),
};

static void note(const char *name, long result)
{
	char line[128];
	int error = errno;
	int len = snprintf(line, sizeof(line), "%s %d\n", name, result < 0 ? error : 0);

	(void)!write(report, line, (size_t)len);
}

static void on_signal(int signo)
{
	/* A program that was executed tells nothing any more: its status does. */
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		long pid = syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0);
		int status = 0;

		if (pid <= 0) {
			note(attempts[i].name, attempts[i].fn());
			if (pid == 0)
				_exit(1);
			continue;
		}
		waitpid((pid_t)pid, &status, 0);
		if (attempts[i].fn == execute && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			note(attempts[i].name, 0);
	}
	note("end", 0);
	(void)signo;
}

static void __attribute__((constructor)) prepare(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	const char *path = getenv("TAKEOVER_REPORT");

	if (!path)
		return;
	report = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	victim = getenv("TAKEOVER_VICTIM");
	listener = getenv("TAKEOVER_LISTENER");
	sigaction(SIGUSR1, &action, NULL);
}
