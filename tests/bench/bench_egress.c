/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tracepoint programs cost a packet, over empty twins at the same tracepoints.
 *
 * BPF_PROG_TEST_RUN cannot repeat these, so real packets pass a veth pair in a network namespace of
 * this process, and the kernel's own run time of each program (BPF_ENABLE_STATS) is divided by its
 * runs. Ours and its twin see the same packets. They see those of the rest of the machine as well:
 * a round in which others sent more than 2 % is repeated.
 *
 * Programs at one tracepoint run one after the other, and the first finds the clock's own code and
 * data cold, some 5 ns of each packet: so one that is not looked at comes before both. Where the
 * kernel places a program is worth some nanoseconds, too: all are loaded several times. Another
 * empty one shows what error is left. Models (models.bpf.c) show what no such program can be
 * without; each is alone when it is measured.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/sample.h"
#include "pe/workers.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "bench.h"
#include "lines.h"
#include "packets.h"

#include "models.skel.h"
#include "packet_exporter.skel.h"
#include "twin.skel.h"

#define LOADS	 5
#define ROUNDS	 4 /* for each of them */
#define TRIES	 (4 * ROUNDS)
#define BATCH	 500
#define OTHERS	 50 /* one packet in so many may be somebody else's */
#define WAIT_NS	 (10 * PE_NS_PER_S)
#define WAIT_US	 1000
#define ADD_VETH "ip link add %s type veth peer name %s && ip link set %s up && ip link set %s up"

struct runs {
	uint64_t ns, count;
};

enum program { OURS, EMPTY, RECEIVE, BESIDE_XDP, NO_FLOWS, PLAIN, READS, COUNTS, LINES };

/* How the kernel side is loaded for a program. */
enum setup { USUAL, WITHOUT_FLOWS, OLD_KERNEL, SETUPS };

static const char *const models[] = { [READS] = "a model that reads the headers",
				      [COUNTS] = "a model that counts protocols",
				      [LINES] = "a model that gathers flows, too, and "
						"reports none" };

struct subject {
	char name[96];
	enum program program;
	const char *interface;
	const struct packets_kind *kind;
	unsigned int flows;
	bool zipf;
	const char *target;
	size_t samples;
	double over[LOADS * ROUNDS], empty[LOADS * ROUNDS];
};

#define SUBJECTS_MAX 64
static struct subject subjects[SUBJECTS_MAX];
static size_t subject_count;

/* Ours, with a worker that reads its ring. */
struct side {
	struct pe_xdp *xdp;
	struct pe_ring *ring;
	struct pe_workers *workers;
	uint32_t token;
};

static int sender; /* a packet socket */
static cpu_set_t all_cpus;
static uint64_t drawn[BENCH_DRAWN]; /* numbers of flows in the order in which they come */

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(errno == EPERM ? BENCH_CANNOT_RUN : 1);
}

static struct runs get_runs(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		fail("program info");
	return (struct runs){ info.run_time_ns, info.run_cnt };
}

static double ns_a_run(struct runs begin, struct runs end)
{
	return (double)(end.ns - begin.ns) / (double)(end.count - begin.count);
}

static bool is_up(const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(sender, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_RUNNING;
}

static void add_veth(const char *name, const char *peer)
{
	uint64_t until_ns = pe_clock_monotonic_ns() + WAIT_NS;
	char command[160];

	snprintf(command, sizeof(command), ADD_VETH, name, peer, name, peer);
	if (system(command) != 0)
		exit(1);
	/* Before it is up it drops what it is given. */
	while (!is_up(name)) {
		if (pe_clock_monotonic_ns() > until_ns) {
			fprintf(stderr, "%s is not up\n", name);
			exit(1);
		}
		usleep(WAIT_US);
	}
}

static void send_frames(unsigned int ifindex, const struct packets_kind *kind, unsigned int count)
{
	static struct frame frame[BATCH];
	static const struct packets_kind *made;
	static struct mmsghdr message[BATCH];
	static struct iovec part[BATCH];
	static unsigned int position;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };

	for (unsigned int i = 0; i < BATCH && made != kind; i++)
		packets_make(&frame[i], kind);
	made = kind;
	for (unsigned int sent = 0; sent < count; sent += BATCH) {
		for (unsigned int i = 0; i < BATCH; i++) {
			uint32_t source =
				htonl(0x0a000000 + (uint32_t)drawn[position++ % BENCH_DRAWN]);

			memcpy(frame[i].data + kind->source, &source, sizeof(source));
			part[i] = (struct iovec){ frame[i].data, frame[i].len };
			message[i].msg_hdr = (struct msghdr){ .msg_name = &to,
							      .msg_namelen = sizeof(to),
							      .msg_iov = &part[i],
							      .msg_iovlen = 1 };
		}
		if (sendmmsg(sender, message, BATCH, 0) != BATCH)
			fail("sendmmsg");
	}
}

static void measure(struct subject *subject, int ours, int twin)
{
	unsigned int packets = bench_quick() ? 5000 : 20000, rounds = 0, tries = 0;
	unsigned int ifindex = if_nametoindex(subject->interface);

	if (subject->zipf)
		packets_draw_zipf(drawn, subject->flows);
	else
		packets_draw_uniform(drawn, subject->flows);
	send_frames(ifindex, subject->kind, packets);
	while (rounds < ROUNDS) {
		struct runs before = get_runs(ours), none = get_runs(twin), end;
		double empty;

		send_frames(ifindex, subject->kind, packets);
		end = get_runs(ours);
		if (++tries < TRIES && end.count - before.count > packets + packets / OTHERS)
			continue;
		empty = ns_a_run(none, get_runs(twin));
		subject->empty[subject->samples] = empty;
		subject->over[subject->samples++] = ns_a_run(before, end) - empty;
		rounds++;
	}
	if (tries >= TRIES)
		fprintf(stderr, "%s: others sent many packets meanwhile\n", subject->name);
}

static void print(struct subject *subject)
{
	bench_print((struct bench_figure){
		subject->name, bench_median(subject->over, subject->samples),
		"ns/packet over empty", bench_median(subject->empty, subject->samples),
		"empty twin", subject->target });
}

/* ---- lines of data ---- */

static double changed[RECEIVE + 1], changed_by_model; /* lines; 0 if not known */

static void send_one_flow(void *userdata)
{
	send_frames(if_nametoindex(userdata), &packets_kinds[0], BATCH);
}

static double lines_of_packets(int program, const char *interface)
{
	int lines;

	packets_draw_uniform(drawn, 1);
	lines = lines_of(program, send_one_flow, (void *)interface);
	if (lines < 0)
		fprintf(stderr, "lines: %s\n", strerror(-lines));
	return lines > 0 ? lines : 0;
}

static void print_lines(const char *name, double lines)
{
	if (lines > 0 && changed_by_model > 0)
		bench_print((struct bench_figure){ name, lines, "lines", changed_by_model,
						   models[LINES], NULL });
}

static struct twin_bpf *add_twin(void)
{
	struct twin_bpf *twin = twin_bpf__open_and_load();

	if (!twin || twin_bpf__attach(twin) < 0)
		fail("the empty twin");
	return twin;
}

static uint32_t now(void *userdata)
{
	const struct side *side = userdata;

	return pe_xdp_now(side->xdp);
}

/* To count what the interface sends. */
static void load(struct side *side, enum setup setup)
{
	static const char *const unwatched[] = { "peer1", "unwatched", "peer2" };
	const struct pe_xdp_options options = { .max_interfaces = 1024,
						.rings = 1,
						.flows = setup != WITHOUT_FLOWS,
						.flow_cache = BENCH_FLOWS,
						.ring_size = 1 << 20,
						.active_ns = 5 * PE_NS_PER_S,
						.egress = true,
						.plain = setup == OLD_KERNEL };
	const struct pe_workers_options workers = { .rings = &side->ring,
						    .count = 1,
						    .max_flows = 131072,
						    .flow_idle_ns = 30 * PE_NS_PER_S,
						    .tick_ns = pe_clock_tick_ns(),
						    .now = now,
						    .userdata = side };
	int r;

	*side = (struct side){ 0 };
	/* The worker may use the other CPUs. */
	sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
	r = pe_xdp_open(&options, &side->xdp);
	if (!r)
		r = pe_xdp_egress(side->xdp) ? 0 : -EOPNOTSUPP;
	if (!r && options.flows)
		r = pe_xdp_ring(side->xdp, 0, &side->ring);
	if (!r && options.flows)
		r = pe_workers_new(&workers, &side->workers);
	if (!r)
		r = pe_xdp_take(side->xdp, (int)if_nametoindex("watched"), PE_ORIGIN_LINK,
				&side->token);
	if (!r && options.flows)
		r = pe_workers_announce(side->workers, side->token);
	if (r < 0) {
		fprintf(stderr, "this kernel has no BTF tracepoints: %s\n", strerror(-r));
		exit(BENCH_CANNOT_RUN);
	}
	/* As the daemon does with all that it knows and does not watch. */
	for (size_t i = 0; i < sizeof(unwatched) / sizeof(*unwatched); i++)
		pe_xdp_ignore(side->xdp, (int)if_nametoindex(unwatched[i]), true);
	bench_pin(0);
}

static void unload(struct side *side)
{
	struct pe_row rows[PE_DIRECTIONS];

	pe_xdp_read(side->xdp, side->token, rows);
	if (!pe_row_total(&rows[PE_EGRESS]).packets) {
		fprintf(stderr, "no packet was counted\n");
		exit(1);
	}
	pe_workers_free(side->workers);
	pe_ring_free(side->ring);
	pe_xdp_close(side->xdp);
}

static struct subject *add_subject(enum program program, const char *interface,
				   const struct packets_kind *kind, unsigned int flows,
				   const char *target)
{
	struct subject *subject = &subjects[subject_count++];

	if (subject_count > SUBJECTS_MAX)
		abort();
	*subject = (struct subject){ .program = program,
				     .interface = interface,
				     .kind = kind,
				     .flows = flows,
				     .target = target };
	return subject;
}

static void add_subjects(void)
{
	enum { IPV6 = 3 }; /* of packets_kinds */
	const struct packets_kind *udp = &packets_kinds[0];
	struct subject *subject;

	for (size_t i = 0; i < PACKETS_KINDS; i++) {
		subject = add_subject(OURS, "watched", &packets_kinds[i], PACKETS_FEW_FLOWS,
				      i == 0	  ? "≤ 30 ns"
				      : i == IPV6 ? "≤ 40 ns"
						  : NULL);
		snprintf(subject->name, sizeof(subject->name), "egress, %s, 1,000 flows",
			 packets_kinds[i].name);
	}
	for (size_t i = 0; i < 2 * PACKETS_CASES; i++) {
		const struct packets_case *one = &packets_cases[i / 2];
		bool zipf = i % 2, few = one->flows <= PACKETS_FEW_FLOWS;

		if (zipf && one->flows == 1)
			continue;
		subject = add_subject(OURS, "watched", udp, one->flows,
				      few && !zipf ? "≤ 30 ns" : NULL);
		subject->zipf = zipf;
		snprintf(subject->name, sizeof(subject->name), "egress, 64 B, %s%s", one->name,
			 one->flows == 1 ? ""
			 : zipf		 ? ", Zipf"
					 : ", uniform");
	}
	subject = add_subject(OURS, "unwatched", udp, PACKETS_FEW_FLOWS, "≤ 10 ns");
	strcpy(subject->name, "egress, an unwatched interface");
	subject = add_subject(EMPTY, "unwatched", udp, PACKETS_FEW_FLOWS, NULL);
	strcpy(subject->name, "egress, another empty program");
	/* Ingress of the peer. */
	subject = add_subject(RECEIVE, "unwatched", udp, PACKETS_FEW_FLOWS, NULL);
	strcpy(subject->name, "receive tracepoint, an unwatched interface");
	subject = add_subject(BESIDE_XDP, "peer1", udp, PACKETS_FEW_FLOWS, NULL);
	strcpy(subject->name, "receive tracepoint, an interface that XDP counts");
	subject = add_subject(NO_FLOWS, "watched", udp, PACKETS_FEW_FLOWS, NULL);
	strcpy(subject->name, "egress, 1,000 flows, --flows=off");
	subject = add_subject(PLAIN, "watched", udp, PACKETS_FEW_FLOWS, NULL);
	strcpy(subject->name, "egress, as before Linux 6.2, 1,000 flows");
	for (enum program model = READS; model <= LINES; model++)
		for (size_t i = 0; i < PACKETS_CASES; i++)
			add_subject(model, "watched", udp, packets_cases[i].flows, NULL);
}

/* Attaches what the program needs. Whether it can be measured; *ret_fd is XDP's link, or -1. */
static bool prepare(struct side *side, enum program program, int *ret_fd)
{
	*ret_fd = -1;
	if (program != RECEIVE && program != BESIDE_XDP)
		return true;
	if (pe_xdp_count_by(side->xdp, side->token, PE_BY_RECEIVE, PE_ORIGIN_LINK) < 0)
		return false;
	return program == RECEIVE ||
	       (!pe_xdp_attach(side->xdp, (int)if_nametoindex("watched"), false, ret_fd) &&
		!pe_xdp_count_by(side->xdp, side->token, PE_BY_XDP, PE_ORIGIN_LINK));
}

static enum setup setup_of(enum program program)
{
	return program == PLAIN ? OLD_KERNEL : program == NO_FLOWS ? WITHOUT_FLOWS : USUAL;
}

static void measure_all(enum setup setup)
{
	struct twin_bpf *first = add_twin(), *twin = add_twin(), *empty = add_twin();
	struct side side;

	load(&side, setup);
	for (size_t i = 0; i < subject_count; i++) {
		enum program program = subjects[i].program;
		bool receives = program == RECEIVE || program == BESIDE_XDP;
		int ours = bpf_program__fd(receives	      ? side.xdp->skel->progs.pe_receive
					   : program == EMPTY ? empty->progs.twin_egress
							      : side.xdp->skel->progs.pe_egress);
		int link;

		if (program < READS && setup_of(program) == setup &&
		    prepare(&side, program, &link)) {
			measure(&subjects[i], ours,
				bpf_program__fd(receives ? twin->progs.twin_receive
							 : twin->progs.twin_egress));
			if (link >= 0)
				close(link);
		}
	}
	if (setup == USUAL) {
		changed[OURS] = lines_of_packets(bpf_program__fd(side.xdp->skel->progs.pe_egress),
						 "watched");
		if (prepare(&side, RECEIVE, &(int){ 0 }))
			changed[RECEIVE] = lines_of_packets(
				bpf_program__fd(side.xdp->skel->progs.pe_receive), "peer1");
	}
	unload(&side);
	twin_bpf__destroy(empty);
	twin_bpf__destroy(twin);
	twin_bpf__destroy(first);
}

static void measure_model(enum program program)
{
	struct twin_bpf *first = add_twin(), *twin = add_twin();
	struct models_bpf *model = models_bpf__open_and_load();
	const struct bpf_program *programs[] = {
		[READS] = model ? model->progs.model_reads : NULL,
		[COUNTS] = model ? model->progs.model_counts : NULL,
		[LINES] = model ? model->progs.model_lines : NULL
	};
	struct bpf_link *link = model ? bpf_program__attach(programs[program]) : NULL;

	if (!link)
		fail("a model");
	for (size_t i = 0; i < subject_count; i++)
		if (subjects[i].program == program)
			measure(&subjects[i], bpf_program__fd(programs[program]),
				bpf_program__fd(twin->progs.twin_egress));
	if (program == LINES)
		changed_by_model = lines_of_packets(bpf_program__fd(programs[program]), "watched");
	bpf_link__destroy(link);
	models_bpf__destroy(model);
	twin_bpf__destroy(twin);
	twin_bpf__destroy(first);
}

/* Ours with as many flows, and what is beside it. */
static void print_beside(struct subject *model)
{
	const struct subject *ours = subjects;
	char name[192];

	while (ours->program != OURS || ours->kind != model->kind || ours->zipf ||
	       ours->flows != model->flows || !strstr(ours->name, "64 B"))
		ours++;
	snprintf(name, sizeof(name), "%.80s; beside %s", ours->name, models[model->program]);
	/* Both are sorted. */
	bench_print((struct bench_figure){
		name, ours->over[ours->samples / 2], "ns/packet over empty",
		bench_median(model->over, model->samples), "model, over empty", NULL });
}

int main(void)
{
	int loads = bench_quick() ? 1 : LOADS, stats;

	if (unshare(CLONE_NEWNET) < 0 || sched_getaffinity(0, sizeof(all_cpus), &all_cpus) < 0)
		fail("a network namespace");
	sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sender < 0)
		fail("a packet socket");
	add_veth("watched", "peer1");
	add_veth("unwatched", "peer2");
	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		fail("run time of BPF programs");
	add_subjects();
	for (int i = 0; i < SETUPS * loads; i++)
		measure_all((enum setup)(i % SETUPS));
	for (int i = 0; i < loads; i++)
		for (enum program model = READS; model <= LINES; model++)
			measure_model(model);
	for (size_t i = 0; i < subject_count; i++) {
		if (subjects[i].program >= READS)
			print_beside(&subjects[i]);
		else if (subjects[i].samples)
			print(&subjects[i]);
	}
	print_lines("egress, lines of data that a packet changes", changed[OURS]);
	print_lines("receive tracepoint, lines of data that a packet changes", changed[RECEIVE]);
	close(sender);
	close(stats);
	return 0;
}
