/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What documents say of the families is what the encoder exposes: names, types, labels, values. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pe/catalogue.h"
#include "pe/encode.h"
#include "pe/strbuf.h"

#include "snapshot-fixture.h"

#define VALUE_MAX 256

/* Everything that can be exposed, in the text format; terminated, the caller frees. */
static char *expose(const struct pe_family_set *left_out)
{
	const struct pe_encode_options options = { .format = PE_FORMAT_TEXT,
						   .show.left_out = *left_out,
						   .show.legacy = true,
						   .show.detail = PE_DETAIL_FULL };
	struct pe_snapshot *snapshot = fixture_snapshot(PE_REASON_COUNT, true, false);
	struct pe_strbuf answer = PE_STRBUF_INIT;
	struct pe_encoder *encoder;
	char buf[4096];
	ssize_t n;

	for (unsigned int i = 0; i < PE_REASON_COUNT; i++)
		snapshot->ifaces[i].info.mode_reason = (enum pe_mode_reason)i;
	assert_int_equal(pe_encoder_new(snapshot, &options, &encoder), 0);
	while ((n = pe_encoder_read(encoder, buf, sizeof(buf))) > 0)
		pe_strbuf_add(&answer, buf, (size_t)n);
	assert_int_equal(n, 0);
	pe_encoder_free(encoder);
	pe_snapshot_unref(snapshot);
	pe_strbuf_addc(&answer, '\0');
	assert_int_equal(answer.error, 0);
	return answer.data;
}

/* Reads name="value" at *text and moves behind it and its comma; false at the brace. */
static bool next_label(const char **text, char name[VALUE_MAX], char value[VALUE_MAX])
{
	const char *p = *text;
	size_t n = 0;

	if (*p == '}')
		return false;
	snprintf(name, VALUE_MAX, "%.*s", (int)strcspn(p, "="), p);
	for (p += strcspn(p, "=") + 2; *p != '"'; p++) {
		if (*p == '\\')
			value[n++] = *p++;
		value[n++] = *p;
		assert_true(n < VALUE_MAX - 2);
	}
	value[n] = '\0';
	*text = p + 1 + (p[1] == ',');
	return true;
}

/* "reason" has its values in a sentence that begins with "Reason". */
static bool is_explained(const struct pe_catalogue_entry *entry, const char *name)
{
	static const char *const closed[] = { "family", "protocol", "flag",
					      "mode",	"reason",   "result" };
	char begin[VALUE_MAX];
	bool is_closed = false;

	for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
		is_closed |= strcmp(closed[i], name) == 0;
	snprintf(begin, sizeof(begin), "%c%s", toupper((unsigned char)name[0]), name + 1);
	for (char *p = begin; *p; p++)
		if (*p == '_')
			*p = ' ';
	return is_closed && strstr(entry->details, begin);
}

static void check_sample(const struct pe_catalogue_entry *entry, const char *line)
{
	char name[VALUE_MAX], value[VALUE_MAX], literal[VALUE_MAX + 2], names[VALUE_MAX] = "";
	const char *labels = line + strcspn(line, "{ ");
	size_t len = 0;

	for (labels += *labels == '{'; *labels != ' ' && next_label(&labels, name, value);) {
		if (strcmp(name, "le") == 0)
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
					name);
		snprintf(literal, sizeof(literal), "`%s`", value);
		if (*value && is_explained(entry, name) && !strstr(entry->details, literal))
			fail_msg("%s does not explain %s=%s", entry->name, name, literal);
	}
	assert_string_equal(names, entry->labels);
}

/* Families come in the catalogue's order, each with samples, and there are no others. */
static void test_is_what_is_exposed(void **state)
{
	char *answer = expose(&(struct pe_family_set){ 0 }), *line, *save = NULL;
	struct pe_catalogue_entry entry = { .type = "" };
	size_t families = 0, samples = 1, written;

	for (line = strtok_r(answer, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char expected[VALUE_MAX];

		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_true(samples > 0);
			samples = 0;
			assert_true(pe_catalogue_get(families++, &entry));
			snprintf(expected, sizeof(expected), "# HELP %s %s", entry.name,
				 entry.help);
			assert_string_equal(line, expected);
		} else if (*line == '#') {
			/* The text format has no type for these. */
			const bool info = strcmp(entry.type, "info") == 0;

			snprintf(expected, sizeof(expected), "# TYPE %s %s", entry.name,
				 info ? "gauge" : entry.type);
			assert_string_equal(line, expected);
		} else {
			assert_memory_equal(line, entry.name, strlen(entry.name));
			check_sample(&entry, line);
			samples++;
		}
	}
	assert_true(samples > 0);
	/* What is behind them says that it is in no scrape. */
	for (written = 0; pe_catalogue_get(families + written, &entry); written++)
		assert_memory_equal(entry.condition, "Not in scrapes", 14);
	assert_int_equal(written, 2);
	assert_true(families + written <= PE_FAMILIES_MAX);
	free(answer);
}

/* Documents are divided by them; details are sentences. */
static void test_is_readable(void **state)
{
	struct pe_catalogue_entry entry;

	assert_true(pe_catalogue_get(0, &entry));
	assert_non_null(entry.section);
	for (size_t i = 0; pe_catalogue_get(i, &entry); i++) {
		size_t len = strlen(entry.details), literals = 0;

		assert_true(len == 0 || entry.details[len - 1] == '.');
		for (const char *p = entry.details; (p = strchr(p, '`')); p++)
			literals++;
		assert_int_equal(literals % 2, 0);
	}
}

static void test_labels(void **state)
{
	static const char *const none[] = { "", "instance", "pods", "interface, ifindex", "faces" };

	assert_true(pe_catalogue_has_label("interface"));
	assert_true(pe_catalogue_has_label("pod_uid")); /* a last one */
	assert_true(pe_catalogue_has_label("ifindex")); /* in the middle */
	assert_true(pe_catalogue_has_label("result"));	/* of an array of numbers */
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		assert_true(pe_catalogue_has_label(pe_group_label_name((enum pe_group_label)i)));
	assert_true(pe_catalogue_has_label("le"));
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(pe_catalogue_has_label(none[i]));
}

/* What is left over: "" begins and ends, a comma is behind each. */
static const char *left_over(const char *include, const char *exclude, int expected)
{
	static char names[PE_FAMILIES_MAX * PE_CATALOGUE_NAME_MAX];
	struct pe_family_set set = { 0 };
	struct pe_catalogue_entry entry;
	char *answer, *line, *save = NULL, *to = names;

	assert_int_equal(pe_catalogue_leave_out(include, exclude, &set), expected);
	*names = '\0';
	answer = expose(&set);
	for (size_t i = 0; pe_catalogue_get(i, &entry); i++)
		if (!(set.bit[i / 64] >> i % 64 & 1) &&
		    strncmp(entry.condition, "Not in scrapes", 14) != 0)
			to += sprintf(to, "%s,", entry.name);
	/* And these are what is exposed. */
	to = names;
	for (line = strtok_r(answer, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# TYPE ", 7) != 0)
			continue;
		line += 7;
		assert_memory_equal(line, to, strcspn(line, " "));
		to += strcspn(line, " ");
		assert_int_equal(*to++, ',');
	}
	assert_int_equal(*to, '\0');
	free(answer);
	return names;
}

static void test_leave_out(void **state)
{
	struct pe_family_set set = { 0 };

	assert_string_equal(left_over("packet_exporter_packets_total", "", 0),
			    "packet_exporter_packets_total,");
	/* The whole name, also where a part of it would match first. */
	assert_string_equal(left_over("packet_exporter_host_packets", NULL, -ENOENT), "");
	assert_string_equal(left_over("host_packets_total", NULL, -ENOENT), "");
	assert_string_equal(left_over("(packet_exporter_build|packet_exporter_build_info)", "", 0),
			    "packet_exporter_build_info,");
	assert_string_equal(left_over("packet_exporter_(host_|group_|)packets_total|x",
				      "packet_exporter_group.*", 0),
			    "packet_exporter_host_packets_total,packet_exporter_packets_total,");
	assert_string_equal(left_over("", ".*", -ENOENT), "");
	assert_null(strstr(left_over("", "packet_exporter_.*", 0), "packet_exporter_"));
	assert_non_null(strstr(left_over(NULL, NULL, 0), "process_start_time_seconds,"));
	assert_int_equal(pe_catalogue_leave_out("(", "", &set), -EINVAL);
	assert_int_equal(pe_catalogue_leave_out("a", "(", &set), -EINVAL);
	/* It adds to what is left out already. */
	assert_int_equal(pe_catalogue_leave_out("", "packet_exporter_.*", &set), 0);
	assert_int_equal(pe_catalogue_leave_out("packet_exporter_.*", "", &set), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_what_is_exposed),
		cmocka_unit_test(test_is_readable),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_leave_out),
	};

	return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
