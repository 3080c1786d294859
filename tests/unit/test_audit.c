/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit: what it accounts for as unobserved, with a real registry and rows that the test sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "../../src/iface/audit.h"

#define IFINDEX 7
#define TOKEN	PE_TOKEN(1, 1)

struct scene {
	struct pe_registry *registry;
	struct pe_member *member;
	struct pe_audit audit;
	struct pe_link link;
	struct pe_row ours[PE_DIRECTIONS];
	struct pe_row none[PE_DIRECTIONS];    /* stays zero */
	struct pe_count known[PE_DIRECTIONS]; /* from an earlier stay */
};

static int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		     void *userdata)
{
	struct scene *scene = userdata;

	memcpy(body->row, scene->ours, sizeof(scene->ours));
	return 0;
}

static void release(uint32_t token, void *userdata)
{
}

static const struct pe_counter_source counters = { .read = read_rows, .release = release };

static int setup(void **state)
{
	static struct scene scene;
	const struct pe_registry_options options = {
		.retention_ns = 1000, .sources = &counters, .source_count = 1, .userdata = &scene
	};
	struct pe_iface_info info = { .ifindex = IFINDEX, .name = "veth0", .kind = "veth" };

	memset(&scene, 0, sizeof(scene));
	scene.link = (struct pe_link){ .ifindex = IFINDEX, .name = "veth0", .has_stats = true };
	assert_int_equal(pe_registry_new(&options, &scene.registry), 0);
	assert_int_equal(pe_registry_add(scene.registry, &info, TOKEN, 1, &scene.member), 0);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	pe_registry_free(((struct scene *)*state)->registry);
	return 0;
}

static void set_ours(struct scene *scene, uint64_t in, uint64_t out)
{
	scene->ours[PE_INGRESS].class[0] = (struct pe_count){ in, in * 100 };
	scene->ours[PE_EGRESS].class[0] = (struct pe_count){ out, out * 100 };
}

static struct pe_link_stats kernel(uint64_t in, uint64_t out)
{
	return (struct pe_link_stats){
		.rx_packets = in, .rx_bytes = in * 100, .tx_packets = out, .tx_bytes = out * 100
	};
}

/* A round: the readings of the last one are compared with these. */
static void play(struct scene *scene, uint64_t kernel_in, uint64_t kernel_out)
{
	struct pe_link_stats stats = kernel(kernel_in, kernel_out);

	pe_audit_close(&scene->audit, scene->registry, scene->member, scene->ours, &stats, true);
}

/* A round under traffic: ours and the kernel's at its beginning, and at its end. */
static void play_bracket(struct scene *scene, uint64_t ours_before, uint64_t kernel_before,
			 uint64_t ours_after, uint64_t kernel_after)
{
	struct pe_link_stats stats = kernel(kernel_before, kernel_before);

	set_ours(scene, ours_before, ours_before);
	pe_audit_open(&scene->audit, scene->ours, &stats);
	set_ours(scene, ours_after, ours_after);
	play(scene, kernel_after, kernel_after);
}

static void expect_overcounted(struct scene *scene, uint64_t in, uint64_t out)
{
	struct pe_snapshot *snapshot;
	const struct pe_iface_sample *iface;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	iface = &snapshot->ifaces[0];
	assert_int_equal(iface->body.overcounted[PE_INGRESS].packets, in);
	assert_int_equal(iface->body.overcounted[PE_INGRESS].bytes, in * 100);
	assert_int_equal(iface->body.overcounted[PE_EGRESS].packets, out);
	assert_int_equal(iface->body.overcounted[PE_EGRESS].bytes, out * 100);
	pe_snapshot_unref(snapshot);
}

static void expect(struct scene *scene, enum pe_unobserved reason, uint64_t in, uint64_t out)
{
	struct pe_snapshot *snapshot;
	const struct pe_iface_sample *iface;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	assert_int_equal(snapshot->iface_count, 1);
	iface = &snapshot->ifaces[0];
	assert_int_equal(iface->body.unobserved[PE_INGRESS][reason].packets, in);
	assert_int_equal(iface->body.unobserved[PE_INGRESS][reason].bytes, in * 100);
	assert_int_equal(iface->body.unobserved[PE_EGRESS][reason].packets, out);
	assert_int_equal(iface->body.unobserved[PE_EGRESS][reason].bytes, out * 100);
	pe_snapshot_unref(snapshot);
}

/* Deleted: the message has the last of what it sent. */
static void end(struct scene *scene)
{
	const bool final[PE_DIRECTIONS] = { [PE_EGRESS] = true };

	pe_audit_end(&scene->audit, scene->registry, scene->member, &scene->link, scene->ours);
	pe_audit_end_above(&scene->audit, scene->registry, scene->member, scene->ours, final);
}

static void test_before_attach(void **state)
{
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 30, 40);

	/* Between the message and the attaching five more came; the first comparison shows them. */
	set_ours(scene, 10, 10);
	play(scene, 45, 50);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 30, 40);
	play(scene, 45, 50);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 35, 40);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
}

/* A packet is in the kernel's counters before it reaches the program: that is no loss. */
static void test_in_flight(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	for (uint64_t n = 100; n <= 10000; n += 100) {
		/* Each time the kernel's are read, 50 are still on their way. */
		set_ours(scene, n, n);
		play(scene, n + 50, n);
	}
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 0, 0);
}

static void test_lost(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 1000, 990);
	play(scene, 1000, 1000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	/* Only what a second comparison confirms. */
	play(scene, 1000, 1000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	play(scene, 1000, 1000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 10);
	/* Accounted for once. */
	for (int i = 0; i < 5; i++)
		play(scene, 1000, 1000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 10);
	set_ours(scene, 2000, 1985);
	for (int i = 0; i < 3; i++)
		play(scene, 2000, 2000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 15);
	expect_overcounted(scene, 0, 0);
}

/* What we counted beyond the kernel's is accounted for likewise, and hides no later loss. */
static void test_overcounted(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 1070, 1000);
	for (int i = 0; i < 3; i++)
		play(scene, 1000, 1000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	expect_overcounted(scene, 70, 0);
	/* Ten are lost, of which we would know nothing if ours and the kernel's alone were seen. */
	set_ours(scene, 2060, 1995);
	for (int i = 0; i < 3; i++)
		play(scene, 2000, 2000);
	expect(scene, PE_UNOBSERVED_LOST, 10, 5);
	expect_overcounted(scene, 70, 0);
}

/* While 500 a bracket pass, a loss of more is found, and no packet under way is taken for one. */
static void test_under_traffic(void **state)
{
	struct scene *scene = *state;
	uint64_t lost = 0, kernel = 0;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	for (int second = 0; second < 60; second++) {
		kernel += 9500;
		play_bracket(scene, kernel - lost - 20, kernel, kernel + 480 - lost, kernel + 500);
		kernel += 500;
		lost += 50; /* 0.5 % */
		if (second == 9)
			expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	}
	/* At the end 3,000 are lost; those of the last bracket and round are not certain yet. */
	assert_in_range(scene->audit.unobserved[PE_INGRESS].packets, 3000 - 500 - 100, 3000);
	expect_overcounted(scene, 0, 0);
	set_ours(scene, kernel - lost, kernel - lost);
	for (int i = 0; i < 3; i++)
		play(scene, kernel, kernel);
	expect(scene, PE_UNOBSERVED_LOST, lost, lost);
	expect_overcounted(scene, 0, 0);
}

/* The end accounts for what was lost then, whatever was overcounted before. */
static void test_end_after_overcounted(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 149, 100);
	for (int i = 0; i < 3; i++)
		play(scene, 100, 100);
	expect_overcounted(scene, 49, 0);
	scene->link.stats = kernel(100, 110);
	end(scene);
	expect_overcounted(scene, 49, 0);
	expect(scene, PE_UNOBSERVED_LOST, 0, 10);
}

/* An overloaded CPU keeps packets beyond one bracket: they are not lost. */
static void test_late(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	play_bracket(scene, 1000, 1000, 2000, 2000);
	play_bracket(scene, 3000, 9000, 3000, 9000);
	play_bracket(scene, 10000, 10000, 11000, 11000);
	play_bracket(scene, 20000, 20000, 21000, 21000);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	expect_overcounted(scene, 0, 0);
}

/* A driver may begin its counters anew: nothing is accounted for, and nothing taken back. */
static void test_kernel_counters_go_back(void **state)
{
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	set_ours(scene, 5, 5);
	play(scene, 35, 45);
	for (int i = 0; i < 4; i++)
		play(scene, 1, 2);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 30, 40);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	expect_overcounted(scene, 0, 0);
	/* They go on from there. */
	for (int i = 0; i < 3; i++)
		play(scene, 4, 5);
	expect(scene, PE_UNOBSERVED_LOST, 3, 3);
}

static void test_end(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 50, 47);
	/* Of a deleted veth the kernel forgets what it received. */
	scene->link.stats = kernel(0, 50);
	end(scene);
	expect(scene, PE_UNOBSERVED_LOST, 0, 3);
	expect_overcounted(scene, 0, 0);
}

/* The kernel's last word on what it sent shows what was overcounted, too. */
static void test_end_overcounted(void **state)
{
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 50, 54);
	scene->link.stats = kernel(0, 50);
	end(scene);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	expect_overcounted(scene, 0, 4);
}

/* Of one that has moved the kernel's last word is on both, and it is all that is known of it. */
static void test_end_moved(void **state)
{
	const bool final[PE_DIRECTIONS] = { true, true };
	struct pe_count kernel_last[PE_DIRECTIONS], above[PE_DIRECTIONS];
	struct scene *scene = *state;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 0, 0);
	play(scene, 0, 0);
	set_ours(scene, 50, 54);
	scene->link.stats = kernel(47, 50);
	pe_audit_end(&scene->audit, scene->registry, scene->member, &scene->link, scene->ours);
	pe_audit_above(&scene->audit, scene->ours, above);
	assert_int_equal(above[PE_INGRESS].packets, 3);
	assert_int_equal(above[PE_EGRESS].bytes, 400);
	expect_overcounted(scene, 0, 0);
	pe_audit_end_above(&scene->audit, scene->registry, scene->member, scene->ours, final);
	expect_overcounted(scene, 3, 4);
	pe_audit_above(&scene->audit, scene->ours, above);
	assert_int_equal(above[PE_INGRESS].packets + above[PE_EGRESS].bytes, 0);
	pe_audit_known(&scene->audit, scene->ours, scene->known);
	pe_audit_kernel(&scene->audit, kernel_last);
	assert_memory_equal(scene->known, kernel_last, sizeof(kernel_last));
	assert_int_equal(kernel_last[PE_INGRESS].packets, 47);
	assert_int_equal(kernel_last[PE_EGRESS].bytes, 5000);
}

/* Counters that began anew are those of the driver. */
static void test_last_counters_of_the_driver(void **state)
{
	struct pe_count kernel_last[PE_DIRECTIONS], above[PE_DIRECTIONS];
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play(scene, 2, 3);
	pe_audit_kernel(&scene->audit, kernel_last);
	assert_int_equal(kernel_last[PE_INGRESS].packets, 2);
	assert_int_equal(kernel_last[PE_EGRESS].bytes, 300);
	/* What was counted before is no packet too much. */
	pe_audit_above(&scene->audit, scene->ours, above);
	assert_int_equal(above[PE_INGRESS].packets + above[PE_EGRESS].packets, 0);
}

static void play_uncounted(struct scene *scene, uint64_t kernel_in, uint64_t kernel_out, bool in,
			   bool out)
{
	const bool uncounted[PE_DIRECTIONS] = { [PE_INGRESS] = in, [PE_EGRESS] = out };
	struct pe_link_stats stats = kernel(kernel_in, kernel_out);

	pe_audit_uncounted(&scene->audit, scene->registry, scene->member, uncounted, &stats);
}

/* Counters that cannot be compared: only what they show while nothing is counted is accounted for.
 */
static void test_uncounted(void **state)
{
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	play_uncounted(scene, 32, 43, true, true);
	play_uncounted(scene, 35, 44, true, true);
	/* A slot comes, then XDP. */
	play_uncounted(scene, 35, 49, true, false);
	play_uncounted(scene, 36, 60, true, false);
	play_uncounted(scene, 36, 60, false, false);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 36, 44);
	/* XDP is taken off, and comes back. */
	play_uncounted(scene, 136, 160, true, false);
	play_uncounted(scene, 139, 160, true, false);
	play_uncounted(scene, 140, 160, true, false);
	play_uncounted(scene, 0, 0, false, false);
	play_uncounted(scene, 200, 160, true, false);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 36, 44);
	expect(scene, PE_UNOBSERVED_LOST, 4, 0);
}

/* Without a slot all is unobserved, and none of it "lost" until there is one. */
static void test_never_attached(void **state)
{
	struct scene *scene = *state;
	struct pe_link_stats stats = kernel(6, 6);

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	for (int i = 0; i < 3; i++)
		pe_audit_close(&scene->audit, scene->registry, scene->member, scene->ours, &stats,
			       false);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 6, 6);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
	scene->link.stats = kernel(8, 9);
	end(scene);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 8, 9);
}

static void test_egress_off(void **state)
{
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, false,
		       scene->known, scene->none);
	play(scene, 50, 60);
	play(scene, 50, 60);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 50, 0);
}

/* What one stay has accounted for is not missed in the next. */
static void test_return(void **state)
{
	struct scene *scene = *state;

	scene->link.stats = kernel(30, 40);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	set_ours(scene, 5, 6);
	pe_audit_known(&scene->audit, scene->ours, scene->known);
	assert_int_equal(scene->known[PE_INGRESS].packets, 35);
	assert_int_equal(scene->known[PE_EGRESS].bytes, 4600);

	set_ours(scene, 0, 0);
	scene->link.stats = kernel(37, 50);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 30 + 2, 40 + 4);
	set_ours(scene, 10, 10);
	play(scene, 47, 60);
	play(scene, 47, 60);
	expect(scene, PE_UNOBSERVED_BEFORE_ATTACH, 32, 44);
	expect(scene, PE_UNOBSERVED_LOST, 0, 0);
}

/* While nothing moves, the kernel is asked seldom; after the last packet until it is confirmed. */
static void test_due(void **state)
{
	struct scene *scene = *state;
	unsigned int asked = 0;

	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->none);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pe_audit_due(&scene->audit, scene->ours), PE_AUDIT_NOW);
		play(scene, 0, 0);
	}
	for (int i = 0; i < 160; i++)
		asked += pe_audit_due(&scene->audit, scene->ours) == PE_AUDIT_NOW;
	assert_in_range(asked, 20, 34);
	set_ours(scene, 1, 0);
	assert_int_equal(pe_audit_due(&scene->audit, scene->ours), PE_AUDIT_BRACKET);
	assert_int_equal(pe_audit_due(&scene->audit, scene->ours), PE_AUDIT_NOW);
	assert_int_equal(pe_audit_due(&scene->audit, scene->ours), PE_AUDIT_NOW);
	assert_int_equal(pe_audit_due(&scene->audit, scene->ours), PE_AUDIT_NOT);
}

/* What passes at a moment of a round: some that only we count, some that only the kernel does. */
struct burst {
	unsigned int round, moment;
	uint64_t ours, kernel;
};

static void pass(struct scene *scene, struct pe_link_stats *stats, const struct burst *burst,
		 unsigned int round, unsigned int moment)
{
	if (burst->round != round || burst->moment != moment)
		return;
	set_ours(scene, 5 + burst->ours, 5);
	*stats = kernel(5 + burst->kernel, 5);
}

/* As rounds.c does it, ours being read a moment before the kernel's; a reading of it can fail. */
static void play_round(struct scene *scene, struct pe_link_stats *stats, const struct burst *burst,
		       unsigned int round, bool fails)
{
	struct pe_row ours[PE_DIRECTIONS];
	enum pe_audit_due due;

	pass(scene, stats, burst, round, 0);
	memcpy(ours, scene->ours, sizeof(ours));
	due = pe_audit_due(&scene->audit, ours);
	pass(scene, stats, burst, round, 1);
	if (due == PE_AUDIT_BRACKET && !fails)
		pe_audit_open(&scene->audit, ours, stats);
	if (due == PE_AUDIT_NOW && !fails)
		pe_audit_close(&scene->audit, scene->registry, scene->member, ours, stats, true);
	pass(scene, stats, burst, round, 2);
	memcpy(ours, scene->ours, sizeof(ours));
	pass(scene, stats, burst, round, 3);
	if (due == PE_AUDIT_BRACKET && !fails)
		pe_audit_close(&scene->audit, scene->registry, scene->member, ours, stats, true);
}

/* One burst, at whatever moment, and silence: within 19 rounds it is accounted for, and no more.
 */
static void expect_accounted(const struct burst *burst, unsigned int failing)
{
	struct scene *scene;
	struct pe_link_stats stats = kernel(5, 5);

	setup((void **)&scene);
	scene->link.stats = stats;
	set_ours(scene, 5, 5);
	pe_audit_begin(&scene->audit, scene->registry, scene->member, &scene->link, true,
		       scene->known, scene->ours);
	for (unsigned int round = 0; round < burst->round + 20; round++)
		play_round(scene, &stats, burst, round, round == failing);
	expect_overcounted(scene, burst->ours, 0);
	/* Until the first comparison is done, what was missed was before. */
	assert_int_equal(scene->audit.unobserved[PE_INGRESS].packets, burst->kernel);
	teardown((void **)&scene);
}

static void test_quiet_after_a_burst(void **state)
{
	for (unsigned int round = 0; round < 24; round++) {
		for (unsigned int moment = 0; moment < 4; moment++) {
			for (unsigned int failing = 0; failing < round + 3; failing++) {
				expect_accounted(&(struct burst){ round, moment, 20, 0 }, failing);
				expect_accounted(&(struct burst){ round, moment, 0, 20 }, failing);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_before_attach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overcounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_under_traffic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_after_overcounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_overcounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_counters_go_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_counters_of_the_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uncounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_attached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_egress_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_due, setup, teardown),
		cmocka_unit_test(test_quiet_after_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
