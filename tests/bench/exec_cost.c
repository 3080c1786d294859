/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the start of a program costs by the kernel side of the identities, over an empty program at
 * the same tracepoint: the kernel's own run time of both (BPF_ENABLE_STATS), divided by their runs.
 *
 *   exec_cost CGROUP     its folder; whoever made it removes it
 *
 * The programs are started by a process in that control group and in a network namespace of its own
 * with a veth to ours, or in our own namespace. What is new is made so by a generation for each
 * start. Ours and its twin see the same starts, also those of the rest of the machine: a round in
 * which others started more than 10 % is repeated. As with packets (bench_egress.c) a program that
 * is not looked at is attached first, and all are loaded several times.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "../../src/xdp/object.h"

#include "bench.h"

#include "identity.skel.h"
#include "twin.skel.h"

/* A round is short, so that one in which the machine does other things is one of many. */
#define LOADS	   3
#define ROUNDS	   6 /* for each of them */
#define TRIES	   (ROUNDS + 2)
#define STARTS	   100
#define OTHERS	   10	/* one start in so many may be somebody else's */
#define SEEN_SETS  4096 /* as in src/xdp/tasks.c */
#define READ_AFTER 50	/* starts; the ring holds five times as many records */
#define PER_SECOND 2000.0
#define ADD_VETH   "ip link add pe-bench type veth peer name eth0 netns %d && ip link set pe-bench up"

enum kind { KNOWN, OWN, NEW, KINDS };

static struct subject {
	const char *name, *target;
	size_t samples;
	double over[LOADS * ROUNDS], empty[LOADS * ROUNDS];
} subjects[KINDS] = {
	{ .name = "an exec in a known namespace", .target = "≤ 2.5 µs" },
	{ .name = "an exec in our own namespace", .target = "≤ 2.5 µs" },
	{ .name = "an exec in a new namespace" },
};

struct runs {
	uint64_t ns, count;
};

static struct identity_bpf *ours;
static struct ring_buffer *ring;
static unsigned int records;
static const char *group;
static char execs[PATH_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(errno == EPERM ? BENCH_CANNOT_RUN : 1);
}

/* ---- who starts programs ---- */

static void join_group(void)
{
	char path[PATH_MAX + 16], pid[32];
	int fd, len = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, pid, (size_t)len) != len)
		fail(path);
	close(fd);
}

static void start_one(void)
{
	char *const args[] = { execs, NULL };
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execv(execs, args);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		fail(execs);
}

static void start_programs(enum kind kind, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		/* The program's memory is shared with the kernel, by all of our processes. */
		if (kind == NEW)
			ours->bss->pe_generation++;
		start_one();
		if (i % READ_AFTER == 0)
			ring_buffer__consume(ring);
	}
	ring_buffer__consume(ring);
}

struct starter {
	pid_t pid;
	int orders, answers;
};

/* Carries out commands until there are no more; answers with the records that there were. */
static void obey(enum kind kind, int orders, int answers)
{
	unsigned int count = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	join_group();
	if (kind != OWN && unshare(CLONE_NEWNET) < 0)
		fail("a network namespace");
	bench_pin(0);
	while (write(answers, &records, sizeof(records)) == sizeof(records) &&
	       read(orders, &count, sizeof(count)) == sizeof(count)) {
		records = 0;
		start_programs(kind, count);
	}
	_exit(0);
}

static unsigned int get_answer(const struct starter *starter)
{
	unsigned int answer;

	if (read(starter->answers, &answer, sizeof(answer)) != sizeof(answer))
		fail("who starts the programs");
	return answer;
}

static unsigned int order(const struct starter *starter, unsigned int count)
{
	if (write(starter->orders, &count, sizeof(count)) != sizeof(count))
		fail("who starts the programs");
	return get_answer(starter);
}

static struct starter begin_starter(enum kind kind)
{
	struct starter starter;
	int orders[2], answers[2];
	char command[160];

	if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
		fail("pipe");
	starter.pid = fork();
	if (starter.pid < 0)
		fail("fork");
	if (starter.pid == 0) {
		close(orders[1]);
		close(answers[0]);
		obey(kind, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	starter.orders = orders[1];
	starter.answers = answers[0];
	get_answer(&starter);
	snprintf(command, sizeof(command), ADD_VETH, (int)starter.pid);
	if (kind != OWN && system(command) != 0)
		exit(1);
	return starter;
}

static void end_starter(const struct starter *starter, enum kind kind)
{
	if (kind != OWN && system("ip link del pe-bench") != 0)
		exit(1);
	close(starter->orders);
	close(starter->answers);
	waitpid(starter->pid, NULL, 0);
}

/* ---- programs ---- */

static int on_record(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	records++;
	return 0;
}

static struct twin_bpf *add_twin(void)
{
	struct twin_bpf *twin = twin_bpf__open();

	if (!twin)
		fail("the empty twin");
	bpf_program__set_autoload(twin->progs.twin_egress, false);
	bpf_program__set_autoload(twin->progs.twin_receive, false);
	if (twin_bpf__load(twin) < 0 || twin_bpf__attach(twin) < 0)
		fail("the empty twin");
	return twin;
}

/* As src/xdp/tasks.c does it. */
static void load(void)
{
	uint64_t args[8] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	ours = identity_bpf__open();
	if (!ours)
		fail("the kernel side");
	ours->rodata->pe_cni = true;
	ours->rodata->pe_seen_mask = SEEN_SETS - 1;
	ours->rodata->pe_seen_seed = pe_clock_monotonic_ns();
	if (bpf_map__set_max_entries(ours->maps.seen, SEEN_SETS) < 0 ||
	    identity_bpf__load(ours) < 0 ||
	    bpf_prog_test_run_opts(bpf_program__fd(ours->progs.pe_locate), &opts) < 0 ||
	    opts.retval || identity_bpf__attach(ours) < 0)
		fail("the kernel side");
	ring = ring_buffer__new(bpf_map__fd(ours->maps.records), on_record, NULL, NULL);
	if (!ring)
		fail("its ring");
}

static struct runs get_runs(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		fail("program info");
	return (struct runs){ info.run_time_ns, info.run_cnt };
}

static double ns_a_run(struct runs begin, struct runs end)
{
	return (double)(end.ns - begin.ns) / (double)(end.count - begin.count);
}

/* ---- figures ---- */

static void measure(enum kind kind, const struct bpf_program *program,
		    const struct bpf_program *empty)
{
	struct starter starter = begin_starter(kind);
	struct subject *subject = &subjects[kind];
	unsigned int rounds = 0, tries = 0;

	order(&starter, STARTS);
	while (rounds < ROUNDS) {
		struct runs before = get_runs(program), none = get_runs(empty), end;
		unsigned int reported = order(&starter, STARTS);
		double ns;

		end = get_runs(program);
		/* Each one that is new is a record; of others there may be some. */
		if ((kind == NEW && reported < STARTS) || (kind != NEW && reported > STARTS / 2)) {
			fprintf(stderr, "%s: %u records of %u\n", subject->name, reported, STARTS);
			exit(1);
		}
		if (++tries < TRIES && end.count - before.count > STARTS + STARTS / OTHERS)
			continue;
		ns = ns_a_run(none, get_runs(empty));
		subject->empty[subject->samples] = ns;
		subject->over[subject->samples++] = ns_a_run(before, end) - ns;
		rounds++;
	}
	if (tries >= TRIES)
		fprintf(stderr, "%s: others started many programs meanwhile\n", subject->name);
	end_starter(&starter, kind);
}

static void print(struct subject *subject)
{
	double ns = bench_median(subject->over, subject->samples);
	double empty = bench_median(subject->empty, subject->samples);
	const double percent = PER_SECOND / PE_NS_PER_S * 100;
	char name[96];

	bench_print((struct bench_figure){ subject->name, ns, "ns over empty", empty, "empty twin",
					   subject->target });
	snprintf(name, sizeof(name), "%s, 2,000 of them a second", subject->name);
	bench_print((struct bench_figure){ name, ns * percent, "% of a CPU", empty * percent,
					   "empty twin", subject->target ? "≤ 0.5 %" : NULL });
}

static void find_execs(const char *self)
{
	const char *end = strrchr(self, '/');

	snprintf(execs, sizeof(execs), "%.*sexecs", end ? (int)(end - self) + 1 : 0, self);
	if (access(execs, X_OK) < 0)
		fail(execs);
}

int main(int argc, char **argv)
{
	int loads = bench_quick() ? 1 : LOADS, stats;

	if (argc != 2)
		return 1;
	group = argv[1];
	find_execs(argv[0]);
	if (unshare(CLONE_NEWNET) < 0)
		fail("a network namespace");
	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	pe_xdp_prepare_library();
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		fail("run time of BPF programs");
	for (int i = 0; i < loads; i++) {
		struct twin_bpf *first = add_twin(), *twin;

		load();
		twin = add_twin();
		for (enum kind kind = 0; kind < KINDS; kind++)
			measure(kind, ours->progs.pe_exec, twin->progs.twin_exec);
		twin_bpf__destroy(twin);
		ring_buffer__free(ring);
		identity_bpf__destroy(ours);
		twin_bpf__destroy(first);
	}
	for (enum kind kind = 0; kind < KINDS; kind++)
		print(&subjects[kind]);
	close(stats);
	return 0;
}
