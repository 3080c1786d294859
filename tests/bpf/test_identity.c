/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel side reports of programs in other network namespaces. The tasks, namespaces,
 * veths and control groups are real ones that the test makes. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pe/tasks.h"

#define ID	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define RECORDS_MAX 64
#define WAIT_MS	    5000

static struct pe_task_record records[RECORDS_MAX];
static unsigned int record_count;
static struct pe_task_names names[RECORDS_MAX];
static unsigned int names_count;

/* Other tasks of the machine are in other namespaces, too. */
static bool is_of_test(const struct pe_task_record *record)
{
	return strncmp((const char *)record->cgroup[1], "pe-test-", 8) == 0 ||
	       (record_count && record->netns == records[0].netns);
}

static void on_task(const struct pe_task_record *record, void *userdata)
{
	(void)userdata;
	if (record_count < RECORDS_MAX && is_of_test(record))
		records[record_count++] = *record;
}

static void on_names(const struct pe_task_names *record, void *userdata)
{
	(void)userdata;
	if (names_count < RECORDS_MAX)
		names[names_count++] = *record;
}

static const struct pe_tasks_ops ops = { .task = on_task, .names = on_names };

/* ---- control groups ---- */

/* The hierarchy that limits processes, or the unified one. */
static const char *root_of_cgroups(void)
{
	return access("/sys/fs/cgroup/pids", F_OK) == 0 ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
}

static void make_cgroup(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", root_of_cgroups(), path);
	assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
}

static void remove_cgroup(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", root_of_cgroups(), path);
	for (int i = 0; i < 100 && rmdir(full) < 0 && errno == EBUSY; i++)
		poll(NULL, 0, 20);
}

static void join_cgroup(const char *path)
{
	char full[512], pid[32];
	int fd, len = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	snprintf(full, sizeof(full), "%s/%s/cgroup.procs", root_of_cgroups(), path);
	fd = open(full, O_WRONLY);
	if (fd < 0 || write(fd, pid, (size_t)len) != len)
		_exit(90);
	close(fd);
}

/* ---- tasks ---- */

struct task {
	const char *cgroup; /* NULL: ours */
	const char *host;   /* NULL: our UTS namespace */
	const char *comm;   /* of the parent that starts it; NULL: as it is */
	bool own_net;
	char *const *args, *const *env;
};

struct running {
	pid_t pid;
	int go; /* a byte lets it execute its program */
};

static char *const sleeper[] = { (char *)"/bin/sleep", (char *)"60", NULL };
static char *const nothing[] = { NULL };

/* Up to just before its program is executed. */
static struct running begin(const struct task *task)
{
	struct running running = { .go = -1 };
	int ready[2], go[2];
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	running.pid = fork();
	assert_true(running.pid >= 0);
	if (running.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (task->cgroup)
			join_cgroup(task->cgroup);
		if (task->own_net && unshare(CLONE_NEWNET) < 0)
			_exit(91);
		if (task->host &&
		    (unshare(CLONE_NEWUTS) < 0 || sethostname(task->host, strlen(task->host)) < 0))
			_exit(92);
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(93);
		execve(task->args[0], task->args, task->env);
		_exit(94);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	running.go = go[1];
	return running;
}

static void go(struct running *running)
{
	assert_int_equal(write(running->go, "", 1), 1);
}

static void end(struct running *running)
{
	close(running->go);
	kill(running->pid, SIGKILL);
	assert_int_equal(waitpid(running->pid, NULL, 0), running->pid);
}

static void wait_for(struct pe_tasks *tasks, const unsigned int *count, unsigned int expected)
{
	struct pollfd fd = { .fd = pe_tasks_fd(tasks), .events = POLLIN };

	for (int i = 0; *count < expected && i < RECORDS_MAX && poll(&fd, 1, WAIT_MS) > 0; i++)
		pe_tasks_read(tasks, &ops, NULL);
	pe_tasks_read(tasks, &ops, NULL);
	assert_int_equal(*count, expected);
}

static void forget_records(struct pe_tasks *tasks)
{
	pe_tasks_read(tasks, &ops, NULL);
	record_count = names_count = 0;
}

static struct pe_tasks *open_tasks(bool cni)
{
	struct pe_tasks *tasks;

	assert_int_equal(pe_tasks_open(cni, &tasks), 0);
	forget_records(tasks);
	return tasks;
}

static void shell(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* ---- tests ---- */

static void test_start(void **state)
{
	const struct task task = { .cgroup = "pe-test-outer/docker-" ID ".scope",
				   .host = "its-host",
				   .own_net = true,
				   .args = sleeper,
				   .env = nothing };
	struct pe_tasks *tasks = open_tasks(false);
	struct running running;
	uint64_t netns = 0;

	(void)state;
	make_cgroup("pe-test-outer");
	make_cgroup(task.cgroup);
	running = begin(&task);
	shell("ip link add pe-id0 type veth peer name eth0 netns %d", (int)running.pid);
	assert_int_equal(record_count, 0);
	/* Still its runtime. */
	assert_int_equal(pe_tasks_walk(tasks, false), 0);
	wait_for(tasks, &record_count, 0);
	go(&running);
	wait_for(tasks, &record_count, 1);

	assert_string_equal(records[0].uts, "its-host");
	assert_int_equal(records[0].flags, PE_TASK_OWN_UTS);
	assert_int_equal(records[0].peer[0], (int)if_nametoindex("pe-id0"));
	assert_int_equal(records[0].peer[1], 0);
	assert_true(records[0].start_ns > 0);
	assert_string_equal(records[0].cgroup[1], "pe-test-outer");
	assert_string_equal(records[0].cgroup[2], "docker-" ID ".scope");
	assert_string_equal(records[0].cgroup[3], "");
	/* The other side of the same. */
	assert_int_equal(pe_tasks_peer(tasks, (int)if_nametoindex("pe-id0"), &netns), 0);
	assert_true(netns == records[0].netns && netns != 0);

	/* Once, until all are walked over. */
	shell("nsenter -t %d -n -u true", (int)running.pid);
	wait_for(tasks, &record_count, 2);
	assert_string_equal(records[1].cgroup[1], "");
	shell("nsenter -t %d -n -u true", (int)running.pid);
	wait_for(tasks, &record_count, 2);
	record_count = 0;
	assert_int_equal(pe_tasks_walk(tasks, false), 0);
	wait_for(tasks, &record_count, 1);
	assert_true(records[0].netns == netns);
	assert_string_equal(records[0].cgroup[2], "docker-" ID ".scope");
	/* Nothing that was reported, unless it is asked for again. */
	assert_int_equal(pe_tasks_walk(tasks, true), 0);
	wait_for(tasks, &record_count, 1);
	assert_int_equal(pe_tasks_walk(tasks, false), 0);
	wait_for(tasks, &record_count, 2);
	end(&running);
	remove_cgroup(task.cgroup);
	remove_cgroup("pe-test-outer");
	pe_tasks_close(tasks);
}

/* Deeper than there are places: the outer ones are what counts, and a container can make others. */
static void test_depth(void **state)
{
	char path[256] = "pe-test-0";
	const struct task task = {
		.cgroup = path, .own_net = true, .args = sleeper, .env = nothing
	};
	struct pe_tasks *tasks = open_tasks(false);
	struct running running;

	(void)state;
	make_cgroup(path);
	for (int i = 1; i < 12; i++) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d%d", i);
		make_cgroup(path);
	}
	running = begin(&task);
	go(&running);
	wait_for(tasks, &record_count, 1);
	assert_string_equal(records[0].cgroup[1], "pe-test-0");
	assert_string_equal(records[0].cgroup[5], "d4");
	assert_int_equal(records[0].flags, 0);
	assert_int_equal(records[0].peer[0], 0);
	end(&running);
	for (char *slash = path; slash; *slash = '\0') {
		remove_cgroup(path);
		slash = strrchr(path, '/');
		if (!slash)
			break;
	}
	pe_tasks_close(tasks);
}

static void *enter_and_run(void *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t child = setns(fd, CLONE_NEWNET) == 0 ? fork() : -1;

	if (child == 0) {
		execve("/bin/true", nothing, nothing);
		_exit(94);
	}
	waitpid(child, NULL, 0);
	return NULL;
}

/* One thread of a process enters, as in a program in Go. */
static pid_t begin_agent(const char *cgroup, char *netns)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		join_cgroup(cgroup);
		if (pthread_create(&thread, NULL, enter_and_run, netns) == 0)
			pthread_join(thread, NULL);
		_exit(0);
	}
	return pid;
}

/* A program of another container that looks in, as a network plugin's agent does. */
static void test_visitor(void **state)
{
	struct task owner = {
		.cgroup = "pe-test-owner", .own_net = true, .args = sleeper, .env = nothing
	};
	char command[128];
	char *const agent[] = { (char *)"/bin/sh", (char *)"-c", command, NULL };
	struct task visitor = { .cgroup = "pe-test-agent", .args = agent, .env = nothing };
	struct pe_tasks *tasks = open_tasks(false);
	struct running home, away;
	pid_t agent_pid;

	(void)state;
	make_cgroup(owner.cgroup);
	make_cgroup(visitor.cgroup);
	home = begin(&owner);
	go(&home);
	wait_for(tasks, &record_count, 1);
	assert_string_equal(records[0].cgroup[1], "pe-test-owner");
	assert_int_equal(records[0].flags, 0);
	snprintf(command, sizeof(command), "/usr/bin/nsenter -t %d -n /bin/true; exit 0",
		 (int)home.pid);
	away = begin(&visitor);
	go(&away);
	wait_for(tasks, &record_count, 2);
	assert_string_equal(records[1].cgroup[1], "pe-test-agent");
	assert_int_equal(records[1].flags, PE_TASK_VISITOR);
	end(&away);

	make_cgroup("pe-test-agent-2");
	snprintf(command, sizeof(command), "/proc/%d/ns/net", (int)home.pid);
	agent_pid = begin_agent("pe-test-agent-2", command);
	wait_for(tasks, &record_count, 3);
	assert_string_equal(records[2].cgroup[1], "pe-test-agent-2");
	assert_int_equal(records[2].flags, PE_TASK_VISITOR);
	assert_int_equal(waitpid(agent_pid, NULL, 0), agent_pid);
	remove_cgroup("pe-test-agent-2");
	end(&home);
	remove_cgroup(owner.cgroup);
	remove_cgroup(visitor.cgroup);
	pe_tasks_close(tasks);
}

/* In the process that walks: younger than the first task of a pair, older than the second. */
static int walk_between(pid_t first)
{
	char pid[16];
	char *const args[] = { (char *)"/usr/bin/nsenter", (char *)"-t", pid, (char *)"-n",
			       (char *)"/bin/sleep",	   (char *)"60", NULL };
	const struct task later = { .cgroup = "pe-test-walk", .args = args, .env = nothing };
	struct pe_tasks *tasks = open_tasks(false);
	struct running second;
	struct timespec now;
	uint64_t now_ns;
	int found = 0;

	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	snprintf(pid, sizeof(pid), "%d", (int)first);
	second = begin(&later);
	go(&second);
	wait_for(tasks, &record_count, 1);
	forget_records(tasks);
	assert_int_equal(pe_tasks_walk(tasks, false), 0);
	pe_tasks_read(tasks, &ops, NULL);
	for (unsigned int i = 0; i < record_count; i++) {
		if (strcmp((const char *)records[i].cgroup[1], later.cgroup) == 0)
			found += records[i].start_ns < now_ns ? 1 : 100;
	}
	end(&second);
	pe_tasks_close(tasks);
	return found;
}

/* Of a pair the first task is reported, also if it is older than who asks. */
static void test_walk_order(void **state)
{
	const struct task task = {
		.cgroup = "pe-test-walk", .own_net = true, .args = sleeper, .env = nothing
	};
	struct running first;
	pid_t walker;
	int status;

	(void)state;
	make_cgroup(task.cgroup);
	first = begin(&task);
	go(&first);
	poll(NULL, 0, 50);
	walker = fork();
	if (walker == 0)
		_exit(walk_between(first.pid));
	assert_int_equal(waitpid(walker, &status, 0), walker);
	assert_int_equal(WEXITSTATUS(status), 1);
	end(&first);
	remove_cgroup(task.cgroup);
}

static void test_peer(void **state)
{
	struct pe_tasks *tasks = open_tasks(false);
	uint64_t netns = 1;

	(void)state;
	shell("ip link add pe-id0 type veth peer name pe-id1");
	assert_int_equal(pe_tasks_peer(tasks, (int)if_nametoindex("pe-id0"), &netns), -EXDEV);
	shell("ip link del pe-id0");
	assert_int_equal(pe_tasks_peer(tasks, 1, &netns), -ENXIO);
	assert_int_equal(pe_tasks_peer(tasks, 0x7ffffff0, &netns), -ENODEV);
	assert_int_equal(netns, 1);
	pe_tasks_close(tasks);
}

/* ---- names ---- */

#define CNI_ARGS_TEXT                                                                         \
	"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_" \
	"ID=" ID

/* A program as a runtime starts it: the parent's name is what is looked at. */
static int start_from(const char *comm, char *const *args, char *const *env, uid_t uid)
{
	pid_t parent = fork(), child;
	int status;

	assert_true(parent >= 0);
	if (parent == 0) {
		prctl(PR_SET_NAME, comm);
		child = fork();
		if (child == 0) {
			if (uid && setuid(uid) < 0)
				_exit(95);
			execve(args[0], args, env);
			_exit(94);
		}
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(parent, &status, 0), parent);
	return WEXITSTATUS(status);
}

static char *const true_args[] = { (char *)"/bin/true", NULL };

static bool holds(const void *memory, size_t size, const char *text)
{
	return memmem(memory, size, text, strlen(text)) != NULL;
}

static void test_cni(void **state)
{
	/* Longer than a piece that is looked at: what is in it is no variable. */
	char trap[256], large[5000];
	char *const env[] = { (char *)"PASSWORD=hunter2",  trap,
			      (char *)"CNI_COMMAND=ADD",   (char *)"CNI_ARGS=" CNI_ARGS_TEXT,
			      (char *)"CNI_ARGSX=hunter2", (char *)"CNI_CONTAINERID=" ID,
			      (char *)"SECRET=hunter2",	   NULL };
	char *const beyond[] = { large, (char *)"CNI_ARGS=" CNI_ARGS_TEXT,
				 (char *)"CNI_CONTAINERID=" ID, NULL };
	struct pe_tasks *tasks = open_tasks(true);

	(void)state;
	memset(trap, 'x', sizeof(trap));
	memcpy(trap, "TRAP=", 5);
	strcpy(trap + 63, "CNI_ARGS=hunter2");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	large[1] = '=';

	assert_int_equal(start_from("containerd", true_args, env, 0), 0);
	wait_for(tasks, &names_count, 1);
	assert_int_equal(names[0].kind, PE_TASK_NAMES_CNI);
	assert_string_equal(names[0].id, ID);
	assert_string_equal(names[0].names, CNI_ARGS_TEXT);
	assert_false(holds(names, sizeof(names), "hunter2"));
	assert_int_equal(start_from("crio", true_args, env, 0), 0);
	wait_for(tasks, &names_count, 2);
	/* Others' environments, who is not root, what is too far away. */
	assert_int_equal(start_from("bash", true_args, env, 0), 0);
	assert_int_equal(start_from("containerd-shim", true_args, env, 0), 0);
	assert_int_equal(start_from("containerd", true_args, env, 65534), 0);
	assert_int_equal(start_from("containerd", true_args, beyond, 0), 0);
	assert_int_equal(start_from("podman", true_args, env, 0), 0);
	wait_for(tasks, &names_count, 3);
	pe_tasks_close(tasks);

	tasks = open_tasks(false);
	assert_int_equal(start_from("containerd", true_args, env, 0), 0);
	wait_for(tasks, &names_count, 0);
	pe_tasks_close(tasks);
}

static void test_conmon(void **state)
{
	char folder[] = "/tmp/pe-identity-XXXXXX", path[64];
	char *const args[] = { path,
			       (char *)"--api-version",
			       (char *)"1",
			       (char *)"-c",
			       (char *)ID,
			       (char *)"-u",
			       (char *)"hunter2",
			       (char *)"-n",
			       (char *)"a \"name\"\n",
			       (char *)"--exit-command-arg",
			       (char *)"-n",
			       NULL };
	struct pe_tasks *tasks = open_tasks(false);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/conmon", folder);
	shell("cp /bin/true %s", path);
	assert_int_equal(start_from("podman", args, nothing, 0), 0);
	wait_for(tasks, &names_count, 1);
	assert_int_equal(names[0].kind, PE_TASK_NAMES_CONMON);
	assert_string_equal(names[0].id, ID);
	assert_string_equal(names[0].names, "a \"name\"\n");
	assert_false(holds(names, sizeof(names), "hunter2"));
	shell("rm -r %s", folder);
	pe_tasks_close(tasks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),	cmocka_unit_test(test_depth),
		cmocka_unit_test(test_visitor), cmocka_unit_test(test_walk_order),
		cmocka_unit_test(test_peer),	cmocka_unit_test(test_cni),
		cmocka_unit_test(test_conmon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
