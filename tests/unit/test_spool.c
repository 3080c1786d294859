/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits on disk: how it gets there and back, and what is left of it after a loss of power or a
 * damage. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "pe/clock.h"
#include "pe/remote_write.h"

#include "../../src/deliver/remote_queue.h"

#define MEMORY_BYTES 4096
#define SPOOL_BYTES  ((size_t)4096)
#define BODY	     40
#define FILE_BYTES   (BODY + PE_SPOOL_HEADER_BYTES)
#define MINUTE_NS    (60 * PE_NS_PER_S)
#define TARGET	     "remote_write http://receiver/\njob=j\n"

static char root[] = "/dev/shm/test_spool.XXXXXX"; /* where a sync costs nothing */
static char folder[64];				   /* of the receiver */

static void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static int make_root(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	run("rm -r %s", root);
	return 0;
}

/* ---- queues on the folder ---- */

static int open_target(struct pe_remote_queue *queue, const char *target, uint64_t *ret_newest_ns)
{
	struct pe_spool *spool;

	pe_remote_queue_init(queue, MEMORY_BYTES);
	assert_int_equal(pe_spool_new(root, target, &spool), 0);
	return pe_remote_queue_open(queue, spool, SPOOL_BYTES, ret_newest_ns);
}

static uint64_t begin(struct pe_remote_queue *queue)
{
	uint64_t newest_ns;

	assert_int_equal(open_target(queue, TARGET, &newest_ns), 0);
	return newest_ns;
}

static int begin_empty(void **state)
{
	struct pe_remote_queue queue;
	struct dirent *entry;
	DIR *dir;

	run("rm -rf %s/*", root);
	begin(&queue);
	pe_remote_queue_fini(&queue);
	dir = opendir(root);
	while ((entry = readdir(dir)))
		if (*entry->d_name != '.')
			snprintf(folder, sizeof(folder), "%s/%.20s", root, entry->d_name);
	closedir(dir);
	return 0;
}

static char body_byte(uint64_t state)
{
	return (char)('a' + state % 26);
}

static void add(struct pe_remote_queue *queue, uint64_t time_ns, uint64_t state)
{
	char data[BODY];
	const struct pe_remote_batch batch = { .data = data, .len = BODY, .samples = state + 1 };

	memset(data, body_byte(state), sizeof(data));
	assert_int_equal(pe_remote_queue_add(queue, &batch, PE_REMOTE_WRITE_2, time_ns, state), 0);
}

static struct pe_sink_sample sample_of(struct pe_remote_queue *queue)
{
	struct pe_sink_sample sample = { 0 };

	pe_remote_queue_sample(queue, &sample);
	return sample;
}

/* The first one is this state, and whole. */
static void expect(struct pe_remote_queue *queue, uint64_t state)
{
	struct pe_remote_body *body = pe_remote_queue_first(queue);

	assert_non_null(body);
	assert_int_equal(body->state, state);
	assert_int_equal(body->samples, state + 1);
	assert_int_equal(body->format, PE_REMOTE_WRITE_2);
	assert_true(pe_remote_queue_load(queue, body));
	assert_int_equal(body->data.len, BODY);
	for (size_t i = 0; i < BODY; i++)
		assert_int_equal(body->data.data[i], body_byte(state));
	pe_remote_queue_end(queue, body, PE_SINK_SAMPLE_SENT);
}

static size_t count_files(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(dir)))
		count += strstr(entry->d_name, ".batch") != NULL;
	closedir(dir);
	return count;
}

static void name_file(uint64_t number, char name[static 128])
{
	snprintf(name, 128, "%s/%016" PRIx64 ".batch", folder, number);
}

/* ---- tests ---- */

static void checksums_are_those_of_others(void **state)
{
	/* RFC 3720, B.4 */
	static const uint8_t zeros[32];
	uint8_t rising[32];

	for (size_t i = 0; i < sizeof(rising); i++)
		rising[i] = (uint8_t)i;
	assert_int_equal(pe_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(pe_crc32c(0, rising, sizeof(rising)), 0x46dd794e);
	assert_int_equal(pe_crc32c(pe_crc32c(0, rising, 7), rising + 7, sizeof(rising) - 7),
			 0x46dd794e);
}

/* Of two exporters' lives, in the order of time, before what is new. */
static void what_waits_outlives_the_exporter(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;

	assert_int_equal(begin(&queue), 0);
	add(&queue, 1 * MINUTE_NS, 7);
	add(&queue, 2 * MINUTE_NS, 8);
	pe_remote_queue_first(&queue)->unanswered = true;
	assert_int_equal(count_files(), 0);
	assert_true(pe_remote_queue_keep(&queue));
	sample = sample_of(&queue);
	assert_int_equal(count_files(), 2);
	assert_int_equal(sample.pending_bytes, 0);
	assert_int_equal(sample.spool_bytes, 2 * FILE_BYTES);
	assert_int_equal(sample.pending_samples, 17);
	/* Killed: nothing else is written. */
	pe_remote_queue_fini(&queue);

	assert_int_equal(begin(&queue), 2 * MINUTE_NS);
	assert_true(pe_remote_queue_first(&queue)->unanswered);
	add(&queue, 3 * MINUTE_NS, 1);
	add(&queue, 4 * MINUTE_NS, 2);
	assert_true(pe_remote_queue_keep(&queue));
	assert_true(pe_remote_queue_keep(&queue));
	pe_remote_queue_fini(&queue);

	assert_int_equal(begin(&queue), 4 * MINUTE_NS);
	assert_int_equal(sample_of(&queue).oldest_ns, MINUTE_NS);
	add(&queue, 5 * MINUTE_NS, 1);
	expect(&queue, 7);
	assert_int_equal(count_files(), 3);
	expect(&queue, 8);
	expect(&queue, 1);
	expect(&queue, 2);
	expect(&queue, 1);
	sample = sample_of(&queue);
	assert_int_equal(count_files(), 0);
	assert_int_equal(sample.spool_bytes + sample.pending_bytes + sample.pending_samples, 0);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_SENT], 8 + 9 + 2 + 3 + 2);
	pe_remote_queue_fini(&queue);
}

static void receivers_are_apart(void **state)
{
	struct pe_remote_queue queue, other, same;
	char text[256] = "", path[128];
	uint64_t newest_ns;
	FILE *file;

	begin(&queue);
	assert_int_equal(open_target(&same, TARGET, &newest_ns), -EBUSY);
	pe_remote_queue_fini(&same);
	assert_int_equal(open_target(&other, TARGET "x=y\n", &newest_ns), 0);
	add(&queue, MINUTE_NS, 1);
	assert_true(pe_remote_queue_keep(&queue));
	pe_remote_queue_fini(&other);
	assert_int_equal(open_target(&other, TARGET "x=y\n", &newest_ns), 0);
	assert_null(pe_remote_queue_first(&other));
	pe_remote_queue_fini(&other);
	pe_remote_queue_fini(&queue);
	snprintf(path, sizeof(path), "%s/target", folder);
	file = fopen(path, "r");
	assert_true(file && fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, TARGET);
}

static uint64_t left(char target[static 64])
{
	uint64_t bytes = 1;

	assert_int_equal(pe_remote_write_left(root, &bytes, target, 64), 0);
	return bytes;
}

/* What waits for somebody whom nobody writes to. */
static void what_is_left_is_seen(void **state)
{
	struct pe_remote_queue queue, other;
	char target[64], path[128];
	uint64_t newest_ns;

	begin(&queue);
	add(&queue, MINUTE_NS, 1);
	assert_true(pe_remote_queue_keep(&queue));
	assert_int_equal(open_target(&other, TARGET "x=y\n", &newest_ns), 0);
	assert_int_equal(left(target), 0);
	assert_string_equal(target, "");
	pe_remote_queue_fini(&other);
	assert_int_equal(left(target), 0);
	pe_remote_queue_fini(&queue);
	assert_int_equal(left(target), FILE_BYTES);
	assert_string_equal(target, "remote_write http://receiver/");
	/* It can be opened as before. */
	begin(&queue);
	assert_int_equal(left(target), 0);
	expect(&queue, 1);
	pe_remote_queue_fini(&queue);
	snprintf(path, sizeof(path), "%s/nowhere", root);
	assert_int_equal(pe_remote_write_left(path, &newest_ns, target, sizeof(target)), -ENOENT);
}

/* Then a file is kept, and read when there are descriptors again. */
static void descriptors_are_short(void **state)
{
	struct rlimit limit, none;
	struct pe_remote_queue queue;
	struct pe_remote_body *first;

	begin(&queue);
	add(&queue, MINUTE_NS, 1);
	assert_true(pe_remote_queue_keep(&queue));
	pe_remote_queue_fini(&queue);
	begin(&queue);
	first = pe_remote_queue_first(&queue);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(pe_remote_queue_load(&queue, first));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_null(first->data.data);
	assert_int_equal(sample_of(&queue).samples[PE_SINK_SAMPLE_CORRUPT], 0);
	expect(&queue, 1);
	pe_remote_queue_fini(&queue);
}

/* The last file, cut at each byte, also of its header. */
static void power_is_lost(void **state)
{
	char name[128];

	for (size_t len = 0; len < FILE_BYTES; len++) {
		struct pe_remote_queue queue;
		uint64_t corrupt;

		begin(&queue);
		add(&queue, MINUTE_NS, 1);
		add(&queue, 2 * MINUTE_NS, 2);
		assert_true(pe_remote_queue_keep(&queue));
		name_file(pe_remote_queue_next(&queue, pe_remote_queue_first(&queue))->file, name);
		pe_remote_queue_fini(&queue);
		assert_int_equal(truncate(name, (off_t)len), 0);
		begin(&queue);
		corrupt = sample_of(&queue).samples[PE_SINK_SAMPLE_CORRUPT];
		assert_int_equal(corrupt, len < PE_SPOOL_HEADER_BYTES ? 1 : 3);
		assert_int_equal(count_files(), 1);
		add(&queue, 3 * MINUTE_NS, 3);
		assert_true(pe_remote_queue_keep(&queue));
		expect(&queue, 1);
		expect(&queue, 3);
		assert_null(pe_remote_queue_first(&queue));
		pe_remote_queue_fini(&queue);
	}
}

/* Each byte of a file is another one. */
static void a_damaged_file_is_none(void **state)
{
	char name[128];

	for (size_t at = 0; at < FILE_BYTES; at++) {
		struct pe_remote_queue queue;
		struct pe_remote_body *first;
		char byte;
		int fd;

		begin(&queue);
		add(&queue, MINUTE_NS, 1);
		add(&queue, 2 * MINUTE_NS, 2);
		assert_true(pe_remote_queue_keep(&queue));
		name_file(pe_remote_queue_first(&queue)->file, name);
		pe_remote_queue_fini(&queue);
		fd = open(name, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x20;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		close(fd);
		begin(&queue);
		first = pe_remote_queue_first(&queue);
		if (first->state == 1)
			assert_false(pe_remote_queue_load(&queue, first));
		assert_true(sample_of(&queue).samples[PE_SINK_SAMPLE_CORRUPT] ==
			    (at < PE_SPOOL_HEADER_BYTES ? 1 : 2));
		expect(&queue, 2);
		assert_int_equal(count_files(), 0);
		pe_remote_queue_fini(&queue);
	}
}

/* What is no file of ours stays; what an exporter that was killed had written aside goes. */
static void other_files_stay(void **state)
{
	struct pe_remote_queue queue;

	run("echo x >%s/note.batch", folder);
	run("echo x >%s/0000000000000001.batch.bak", folder);
	run("echo x >%s/new", folder);
	run("mkdir %s/00000000000000ff.batch", folder);
	begin(&queue);
	add(&queue, MINUTE_NS, 1);
	assert_true(pe_remote_queue_keep(&queue));
	assert_true(pe_remote_queue_first(&queue)->file > 0xff);
	expect(&queue, 1);
	pe_remote_queue_fini(&queue);
	run("test -f %s/note.batch", folder);
	run("test -f %s/0000000000000001.batch.bak", folder);
	run("test ! -e %s/new", folder);
}

/* As in memory, but of what is there alone. */
static void the_spool_is_thinned(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;
	const size_t most = SPOOL_BYTES / FILE_BYTES;

	begin(&queue);
	for (uint64_t i = 0; i < 2 * most; i++) {
		add(&queue, i * 15 * PE_NS_PER_S, i);
		assert_true(pe_remote_queue_keep(&queue));
		sample = sample_of(&queue);
		assert_int_equal(sample.spool_bytes, count_files() * FILE_BYTES);
		assert_true(sample.spool_bytes <= SPOOL_BYTES);
		assert_int_equal(sample.samples[PE_SINK_SAMPLE_EXPIRED], 0);
	}
	assert_true(sample.samples[PE_SINK_SAMPLE_THINNED] > 0);
	pe_remote_queue_fini(&queue);
	/* A smaller one is thinned at the start; one that is too old goes with the first state. */
	begin(&queue);
	queue.max_age_ns = MINUTE_NS;
	add(&queue, 2 * most * 15 * PE_NS_PER_S, 0);
	assert_true(count_files() <= 5);
	assert_true(sample_of(&queue).samples[PE_SINK_SAMPLE_EXPIRED] > 0);
	pe_remote_queue_fini(&queue);
}

/* A folder that cannot be written in, and comes back. */
static void a_disk_that_fails_makes_nothing_fail(void **state)
{
	struct pe_remote_queue queue;
	char away[80];

	begin(&queue);
	add(&queue, MINUTE_NS, 1);
	assert_true(pe_remote_queue_keep(&queue));
	pe_remote_queue_fini(&queue);
	snprintf(away, sizeof(away), "%s.away", root);
	assert_int_equal(rename(root, away), 0);
	assert_int_equal(begin(&queue), 0);
	add(&queue, 2 * MINUTE_NS, 2);
	assert_false(pe_remote_queue_keep(&queue));
	assert_int_equal(sample_of(&queue).pending_bytes, BODY);
	assert_int_equal(rename(away, root), 0);
	assert_true(pe_remote_queue_keep(&queue));
	assert_int_equal(count_files(), 2);
	/* What was there is older. */
	expect(&queue, 1);
	expect(&queue, 2);
	pe_remote_queue_fini(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_are_those_of_others),
		cmocka_unit_test_setup(what_waits_outlives_the_exporter, begin_empty),
		cmocka_unit_test_setup(receivers_are_apart, begin_empty),
		cmocka_unit_test_setup(what_is_left_is_seen, begin_empty),
		cmocka_unit_test_setup(descriptors_are_short, begin_empty),
		cmocka_unit_test_setup(power_is_lost, begin_empty),
		cmocka_unit_test_setup(a_damaged_file_is_none, begin_empty),
		cmocka_unit_test_setup(other_files_stay, begin_empty),
		cmocka_unit_test_setup(the_spool_is_thinned, begin_empty),
		cmocka_unit_test_setup(a_disk_that_fails_makes_nothing_fail, begin_empty),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
