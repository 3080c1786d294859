/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the series of interfaces begin and end at a receiver of time series: what its samples are,
 * state by state.
 */
#include <errno.h>

#include "remote-written.h"

#include "pe/clock.h"
#include "pe/sample.h"

#define S      PE_NS_PER_S
#define START  (UINT64_C(1700000000) * S)
#define SERIES "__name__=packet_exporter_packets_total,direction=ingress,family=ipv4,interface="

struct iface {
	const char *name;
	uint64_t created_s, departed_s; /* since START; 0: it has not */
	uint64_t udp;			/* packets, beside TCP's */
};

struct receiver {
	struct pe_births *births;
	uint64_t time_ns, first_ns, min_age_s, hold_s;
	int64_t clock_s; /* of the samples, ahead of the snapshots' */
};

static struct written written;

static struct pe_snapshot *snapshot_of(uint64_t now_s, const struct iface *ifaces, size_t count)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, count), 0);
	snapshot->taken_ns = START + now_s * S;
	snapshot->self.created_ns = START;
	for (size_t i = 0; i < count; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		snprintf(iface->info.name, sizeof(iface->info.name), "%s", ifaces[i].name);
		iface->body.created_ns = START + ifaces[i].created_s * S;
		iface->departed = ifaces[i].departed_s > 0;
		iface->departed_ns = iface->departed ? START + ifaces[i].departed_s * S : 0;
		iface->body.row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets = 7;
		iface->body.row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_UDP].packets =
			ifaces[i].udp;
	}
	return snapshot;
}

/* In a body of its own, and of nothing else. */
static bool written_marks(size_t i)
{
	const bool marks = written.sample[i].bits == WRITTEN_STALE;

	assert_int_equal(marks, written.sample[i].ends);
	return marks;
}

/* Gives the snapshot back. "refused" is a state that fails. */
static void write_snapshot(struct receiver *receiver, uint64_t now_s, struct pe_snapshot *snapshot,
			   bool refused)
{
	const uint64_t now_ns = START + (now_s + (uint64_t)receiver->clock_s) * S;
	const struct pe_remote_options options = {
		.time_ns = now_ns,
		.zero_ns = receiver->time_ns ? receiver->time_ns + PE_NS_PER_MS : START,
		.max_samples = 1000,
		.births = receiver->births,
		.interval_ns = 15 * S,
		.min_age_ns = receiver->min_age_s * S,
		.hold_ns = receiver->hold_s * S,
		.since_first_ns = receiver->first_ns ? now_ns - receiver->first_ns : 0,
	};

	written.count = written.bodies = 0;
	written.refuse = refused;
	pe_births_begin(receiver->births, false);
	assert_int_equal(pe_remote_encode(snapshot, &options, written_take, &written),
			 refused ? -ENOSPC : 0);
	if (!receiver->first_ns)
		receiver->first_ns = now_ns;
	receiver->time_ns = now_ns;
	pe_snapshot_unref(snapshot);
}

/* A state. The samples of the interfaces, as "NAME=VALUE@SECOND …". */
static const char *write_state(struct receiver *receiver, uint64_t now_s,
			       const struct iface *ifaces, size_t count, bool refused)
{
	static char text[1024];
	size_t len = 0;

	write_snapshot(receiver, now_s, snapshot_of(now_s, ifaces, count), refused);
	*text = '\0';
	/* Zeros, and values at an end, are in bodies that are not thinned. */
	for (size_t i = 0; i < written.count; i++)
		if (!strncmp(written.sample[i].series, SERIES, strlen(SERIES)) &&
		    written.sample[i].ms < receiver->time_ns / PE_NS_PER_MS)
			assert_true(written.sample[i].begins);
	for (size_t i = 0; i < written.count; i++)
		if (!strncmp(written.sample[i].series, SERIES, strlen(SERIES)))
			len += written_marks(i)
				       ? (size_t)snprintf(text + len, sizeof(text) - len,
							  "%s%c=END@%.3f", len ? " " : "",
							  written.sample[i].series[strlen(SERIES)],
							  (double)(written.sample[i].ms -
								   START / PE_NS_PER_MS) /
								  1000)
				       : (size_t)snprintf(text + len, sizeof(text) - len,
							  "%s%c=%d@%.3f", len ? " " : "",
							  written.sample[i].series[strlen(SERIES)],
							  (int)written_value(&written, i),
							  (double)(written.sample[i].ms -
								   START / PE_NS_PER_MS) /
								  1000);
	return text;
}

static struct receiver new_receiver(uint64_t min_age_s, uint64_t hold_s)
{
	struct receiver receiver = { .min_age_s = min_age_s, .hold_s = hold_s };

	assert_int_equal(pe_births_new(&receiver.births), 0);
	return receiver;
}

#define expect(receiver, now_s, expected, ...)                                            \
	do {                                                                              \
		const struct iface ifaces[] = { __VA_ARGS__ };                            \
		assert_string_equal(write_state(receiver, now_s, ifaces,                  \
						sizeof(ifaces) / sizeof(*ifaces), false), \
				    expected);                                            \
	} while (0)

/* Zero, values, the last one at the end, the hold, nothing. */
static void test_from_birth_to_end(void **state)
{
	struct receiver receiver = new_receiver(0, 20);

	expect(&receiver, 60, "");
	expect(&receiver, 75, "a=0@47.000 a=7@75.000", { "a", 62, 0, 0 });
	expect(&receiver, 90, "a=7@90.000", { "a", 62, 0, 0 });
	expect(&receiver, 105, "a=7@91.000", { "a", 62, 91, 0 });
	expect(&receiver, 110, "a=7@110.000", { "a", 62, 91, 0 });
	/* Not yet. */
	expect(&receiver, 124, "", { "a", 62, 91, 0 });
	/* All of it between two states. */
	expect(&receiver, 135, "b=0@111.000 b=7@130.000 a=END@135.000", { "a", 62, 91, 0 },
	       { "b", 126, 130, 0 });
	expect(&receiver, 150, "b=7@150.000", { "b", 126, 130, 0 });
	/* Folded before the end of the hold. */
	expect(&receiver, 165, "b=END@165.000");
	expect(&receiver, 180, "");
	pe_births_free(receiver.births);
}

/* The first state has what was there before; another name is no birth. */
static void test_what_is_not_new(void **state)
{
	struct receiver receiver = new_receiver(30, 60);

	expect(&receiver, 2, "a=0@0.000 a=7@2.000", { "a", 1, 0, 0 });
	expect(&receiver, 17, "a=7@17.000", { "a", 1, 0, 0 });
	expect(&receiver, 32, "b=7@32.000 a=END@32.000", { "b", 1, 0, 0 });
	/* And back, before the marker of the other name is due: it has none. */
	expect(&receiver, 37, "a=7@37.000", { "a", 1, 0, 0 });
	expect(&receiver, 52, "b=7@52.000 a=END@52.000", { "b", 1, 0, 0 });
	/* Younger than that when it ends, and still its last value counts. */
	receiver.births = pe_births_free(receiver.births);
	receiver = new_receiver(30, 60);
	expect(&receiver, 2, "a=0@0.000 a=7@2.000", { "a", 1, 0, 0 });
	expect(&receiver, 17, "a=7@9.000", { "a", 1, 9, 0 });
	/* No zero is before the exporter's start, where another one's samples may be. */
	expect(&receiver, 62, "c=0@0.000 c=7@62.000 a=END@62.000", { "c", 10, 0, 0 });
	pe_births_free(receiver.births);
}

/* What an interface counts for the first time was zero until the last state. */
static void test_a_new_class(void **state)
{
	struct receiver receiver = new_receiver(30, 60);

	expect(&receiver, 60, "a=0@0.000 a=7@60.000", { "a", 1, 0, 0 });
	expect(&receiver, 75, "a=7@75.000 a=0@60.001 a=3@75.000", { "a", 1, 0, 3 });
	expect(&receiver, 90, "a=7@90.000 a=4@90.000", { "a", 1, 0, 4 });
	/* Under another name it is not new. */
	expect(&receiver, 105, "b=7@105.000 b=5@105.000 a=END@105.000 a=END@105.000",
	       { "b", 1, 0, 5 });
	pe_births_free(receiver.births);
}

/* How many samples of series that begin so have these bits. */
static size_t count_of(const char *begin, uint64_t bits)
{
	size_t count = 0;

	for (size_t i = 0; i < written.count; i++)
		count += strncmp(written.sample[i].series, begin, strlen(begin)) == 0 &&
			 written.sample[i].bits == bits;
	return count;
}

static struct pe_snapshot *snapshot_of_group(uint64_t now_s, const char *workload)
{
	struct pe_snapshot *snapshot = snapshot_of(now_s, NULL, 0);

	assert_int_equal(pe_snapshot_alloc_groups(snapshot, 1), 0);
	snapshot->group_by = PE_GROUP_BIT(PE_GROUP_WORKLOAD);
	snapshot->groups->label[PE_GROUP_WORKLOAD] = workload;
	snapshot->groups->interfaces = 1;
	snapshot->groups->body.row[PE_EGRESS].class[PE_CLASS_ARP] = (struct pe_count){ 1, 42 };
	return snapshot;
}

static void test_a_group_that_ends(void **state)
{
	struct receiver receiver = new_receiver(30, 60);
	const char *group = "__name__=packet_exporter_group_";
	size_t all;

	write_snapshot(&receiver, 60, snapshot_of_group(60, "web"), false);
	write_snapshot(&receiver, 75, snapshot_of_group(75, "web"), false);
	all = written.count;
	assert_int_equal(count_of(group, WRITTEN_STALE), 0);
	write_snapshot(&receiver, 90, snapshot_of_group(90, "db"), false);
	/* As many as it had; the other ones are the exporter's own and the host's. */
	assert_true(count_of(group, WRITTEN_STALE) > 3);
	assert_int_equal(count_of("", WRITTEN_STALE), count_of(group, WRITTEN_STALE));
	assert_true(written.count > all);
	pe_births_free(receiver.births);
}

static struct pe_snapshot *snapshot_of_flow(uint64_t now_s, size_t flows)
{
	static struct pe_top_flow top[2];
	const struct iface iface = { "a", 1, 0, 0 };
	struct pe_snapshot *snapshot = snapshot_of(now_s, &iface, 1);

	snapshot->top_flows = true;
	for (size_t i = 0; i < 2; i++) {
		top[i].key.ip_proto = 6;
		top[i].key.sport = (uint16_t)i;
		top[i].count = (struct pe_count){ 5 - i, 500 };
	}
	snapshot->ifaces->body.flows.top = top;
	snapshot->ifaces->body.flows.top_count = flows;
	return snapshot;
}

/* One of the largest flows has been there for long when it becomes one. */
static void test_a_flow_that_is_large(void **state)
{
	struct receiver receiver = new_receiver(30, 60);
	const char *flow = "__name__=packet_exporter_top_flow_packets_total";

	write_snapshot(&receiver, 60, snapshot_of_flow(60, 0), false);
	write_snapshot(&receiver, 75, snapshot_of_flow(75, 1), false);
	assert_int_equal(count_of(flow, 0), 0);
	write_snapshot(&receiver, 90, snapshot_of_flow(90, 2), false);
	assert_int_equal(count_of(flow, 0), 0);
	write_snapshot(&receiver, 105, snapshot_of_flow(105, 0), false);
	assert_true(count_of(flow, WRITTEN_STALE) > 0);
	pe_births_free(receiver.births);
}

static void test_min_age(void **state)
{
	struct receiver receiver = new_receiver(30, 60);

	expect(&receiver, 60, "");
	expect(&receiver, 75, "", { "a", 70, 0, 0 }, { "b", 71, 0, 0 }, { "c", 74, 0, 0 });
	expect(&receiver, 90, "", { "a", 70, 0, 0 }, { "b", 71, 80, 0 }, { "c", 74, 0, 0 });
	/* One is old enough, one never will be, one has been and ended. */
	expect(&receiver, 105, "a=0@55.000 a=7@105.000 c=0@59.000 c=7@104.000", { "a", 70, 0, 0 },
	       { "b", 71, 80, 0 }, { "c", 74, 104, 0 });
	expect(&receiver, 120, "a=7@120.000 c=7@120.000", { "a", 70, 0, 0 }, { "b", 71, 80, 0 },
	       { "c", 74, 104, 0 });
	pe_births_free(receiver.births);
}

/* A new interface with the labels of another one: its zero is behind all that had. */
static void test_a_name_that_was_there(void **state)
{
	struct receiver receiver = new_receiver(30, 0);

	expect(&receiver, 60, "");
	expect(&receiver, 105, "a=0@50.000 a=7@105.000", { "a", 65, 0, 0 });
	expect(&receiver, 120, "a=7@110.000", { "a", 65, 110, 0 });
	expect(&receiver, 135, "a=END@135.000", { "a", 112, 0, 0 });
	expect(&receiver, 150, "a=0@135.001 a=7@150.000", { "a", 112, 0, 0 });
	/* Long ago, it does not matter. */
	expect(&receiver, 165, "a=END@165.000");
	for (uint64_t now_s = 180; now_s <= 465; now_s += 15)
		expect(&receiver, now_s, "", { "z", now_s, 0, 0 });
	expect(&receiver, 480, "a=0@430.000 a=7@480.000", { "a", 445, 0, 0 });
	pe_births_free(receiver.births);
}

/* Where the clock was set back, samples are ahead of it: all by the same. */
static void test_clock(void **state)
{
	struct receiver receiver = new_receiver(0, 60);

	expect(&receiver, 60, "");
	receiver.clock_s = 40;
	expect(&receiver, 35, "a=0@58.000 a=7@75.000", { "a", 33, 0, 0 });
	expect(&receiver, 50, "a=7@80.000", { "a", 33, 40, 0 });
	expect(&receiver, 65, "a=7@105.000", { "a", 33, 40, 0 });
	pe_births_free(receiver.births);
}

/* Nothing of a state that failed was sent: what ended meanwhile has its value later. */
static void test_failed_state(void **state)
{
	struct receiver receiver = new_receiver(0, 60);
	const struct iface a = { "a", 62, 70, 0 };

	expect(&receiver, 60, "");
	write_state(&receiver, 75, &a, 1, true);
	expect(&receiver, 90, "a=7@90.000", { "a", 62, 70, 0 });
	/* What is gone has one marker. */
	write_state(&receiver, 95, NULL, 0, true);
	expect(&receiver, 105, "a=END@105.000");
	expect(&receiver, 120, "");
	pe_births_free(receiver.births);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_birth_to_end),
		cmocka_unit_test(test_what_is_not_new),
		cmocka_unit_test(test_a_new_class),
		cmocka_unit_test(test_a_group_that_ends),
		cmocka_unit_test(test_a_flow_that_is_large),
		cmocka_unit_test(test_min_age),
		cmocka_unit_test(test_a_name_that_was_there),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_failed_state),
	};

	return cmocka_run_group_tests(tests, written_load, written_unload);
}
