/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OTLP beside requests: which attributes are refused, what an answer's body says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pe/otlp.h"
#include "pe/remote_write.h"

#include "../../src/deliver/remote_queue.h"

/* The reason why these attributes are refused; "": they are not. */
static const char *why(const struct pe_remote_label *labels, size_t count)
{
	static char error[256];
	const struct pe_remote_write_options options = {
		.url = "http://h/v1/metrics",
		.otlp = true,
		.job = "packet_exporter",
		.instance = "host",
		.labels = labels,
		.label_count = count,
		.interval_ns = 1,
		.timeout_ns = 1,
	};
	int r;

	*error = '\0';
	r = pe_remote_write_check(&options, error, sizeof(error));
	assert_int_equal(r, *error ? -EINVAL : 0);
	return error;
}

#define WHY(...)                                                      \
	why((const struct pe_remote_label[]){ __VA_ARGS__ },          \
	    sizeof((const struct pe_remote_label[]){ __VA_ARGS__ }) / \
		    sizeof(struct pe_remote_label))

static void attributes(void **state)
{
	struct pe_remote_label many[PE_REMOTE_LABELS_MAX - 1];
	char names[PE_REMOTE_LABELS_MAX - 1][8], name[1026];

	assert_string_equal(
		WHY({ "deployment.environment.name", "prod=1" }, { "höhe", "3" }, { "empty", "" }),
		"");
	assert_string_equal(
		WHY({ "service.name", "a" }, { "service.instance.id", "b" }, { "host.name", "c" }),
		"");
	assert_string_equal(WHY({ "a", "1" }, { "a", "2" }), "attribute a is given twice");
	assert_string_equal(WHY({ "service.name", "a" }, { "job", "b" }),
			    "attribute job is given twice");
	assert_string_equal(WHY({ "service.name", "" }), "job is empty");
	/* As points have it, as a receiver writes it, and as our labels are. */
	assert_non_null(strstr(WHY({ "container.name", "x" }), "container.name would hide"));
	assert_non_null(
		strstr(WHY({ "master.kind", "x" }, { "direction", "x" }), "direction would hide"));
	assert_non_null(strstr(WHY({ "container-id", "x" }), "container-id would hide"));
	assert_non_null(strstr(WHY({ "a", "\xff" }), "not valid UTF-8"));
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_non_null(strstr(WHY({ name, "x" }), "longer than 1024 bytes"));
	for (size_t i = 0; i < PE_REMOTE_LABELS_MAX - 1; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		many[i] = (struct pe_remote_label){ names[i], "x" };
	}
	assert_string_equal(why(many, PE_REMOTE_LABELS_MAX - 2), "");
	assert_string_equal(why(many, PE_REMOTE_LABELS_MAX - 1), "more than 30 attributes");
}

static struct pe_otlp_partial partial_of(const char *body, size_t len)
{
	struct pe_otlp_partial partial;

	pe_otlp_read_partial(body, len, &partial);
	return partial;
}

#define TEXT(bytes) bytes, sizeof(bytes) - 1

static void answers(void **state)
{
	static const char partial[] = "\x0a\x0c\x08\x05\x12\x08too late";
	struct pe_otlp_partial got = partial_of(TEXT(partial));
	size_t len;

	assert_int_equal(got.rejected, 5);
	assert_int_equal(got.message_len, 8);
	assert_memory_equal(got.message, "too late", 8);
	/* As far as it came. */
	got = partial_of(partial, sizeof(partial) - 4);
	assert_int_equal(got.rejected, 5);
	assert_int_equal(got.message_len, 5);
	for (size_t i = 0; i < sizeof(partial); i++)
		assert_true(partial_of(partial, i).rejected <= 5);
	assert_int_equal(partial_of(TEXT("\x0a\x00")).rejected, 0);
	assert_null(partial_of(TEXT("")).message);
	assert_int_equal(partial_of(TEXT("{\"partialSuccess\":{}}")).rejected, 0);
	assert_int_equal(
		partial_of(TEXT("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")).rejected,
		0);
	/* Other fields are passed over. */
	assert_int_equal(
		partial_of(TEXT("\x11\1\2\3\4\5\6\7\x8\x1d\1\2\3\4\x0a\x02\x08\x07")).rejected, 7);

	assert_memory_equal(pe_otlp_read_status(TEXT("\x08\x03\x12\x05wrong"), &len), "wrong", 5);
	assert_int_equal(len, 5);
	assert_null(pe_otlp_read_status(TEXT("\x08\x03\x12\x05wron"), &len));
	assert_null(pe_otlp_read_status(TEXT("unsupported path"), &len));
	assert_int_equal(len, 0);
}

/* What was refused of a body is no longer pending, and never more than there was. */
static void partly_rejected(void **state)
{
	const struct pe_remote_batch batch = { .data = "abc", .len = 3, .samples = 10 };
	struct pe_sink_sample sample = { 0 };
	struct pe_remote_queue queue;

	pe_remote_queue_init(&queue, 100);
	assert_int_equal(pe_remote_queue_add(&queue, &batch, PE_REMOTE_OTLP, 1, 1), 0);
	assert_int_equal(pe_remote_queue_add(&queue, &batch, PE_REMOTE_OTLP, 1, 1), 0);
	pe_remote_queue_reject(&queue, pe_remote_queue_first(&queue), 3);
	pe_remote_queue_sample(&queue, &sample);
	assert_int_equal(sample.pending_samples, 17);
	pe_remote_queue_end(&queue, pe_remote_queue_first(&queue), PE_SINK_SAMPLE_SENT);
	pe_remote_queue_reject(&queue, pe_remote_queue_first(&queue), UINT64_MAX);
	pe_remote_queue_end(&queue, pe_remote_queue_first(&queue), PE_SINK_SAMPLE_SENT);
	pe_remote_queue_sample(&queue, &sample);
	assert_int_equal(sample.pending_samples, 0);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_REJECTED], 13);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_SENT], 7);
	pe_remote_queue_fini(&queue);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes),
		cmocka_unit_test(answers),
		cmocka_unit_test(partly_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
