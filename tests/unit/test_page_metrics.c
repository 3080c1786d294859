/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is below "metrics" in the JSON API: what the text format has, sample by sample. */
#include "api-answers.h"
#include "snapshot-fixture.h"

#include "pe/encode.h"

#define IFACES	  12
#define LINES_MAX 20000

/* Samples as lines of text that can be compared: the name, labels in their order, the value. */
struct lines {
	char *line[LINES_MAX];
	size_t count;
};

struct line {
	struct pe_strbuf label[16];
	size_t labels;
};

static void add_label(struct line *line, const char *name, const char *value)
{
	struct pe_strbuf *label = &line->label[line->labels++];

	assert_true(line->labels < sizeof(line->label) / sizeof(line->label[0]));
	pe_strbuf_addf(label, "%s=%s", name, value);
	pe_strbuf_addc(label, '\0');
}

static int compare_labels(const void *a, const void *b)
{
	const struct pe_strbuf *x = a, *y = b;

	return strcmp(x->data, y->data);
}

static void add_line(struct lines *lines, const char *name, struct line *line, const char *value)
{
	struct pe_strbuf text = PE_STRBUF_INIT;

	qsort(line->label, line->labels, sizeof(line->label[0]), compare_labels);
	pe_strbuf_adds(&text, name);
	for (size_t i = 0; i < line->labels; i++) {
		pe_strbuf_addf(&text, "\1%s", line->label[i].data);
		pe_strbuf_fini(&line->label[i]);
	}
	pe_strbuf_addf(&text, "\1%s", value);
	pe_strbuf_addc(&text, '\0');
	assert_true(lines->count < LINES_MAX);
	lines->line[lines->count++] = text.data;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct lines *lines)
{
	qsort(lines->line, lines->count, sizeof(lines->line[0]), compare_lines);
}

static void free_lines(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->line[i]);
	free(lines);
}

static void cleanup_lines(struct lines **lines)
{
	free_lines(*lines);
}

/* Integers as they are, so that none is rounded. */
static void add_value(struct lines *lines, const char *name, struct line *line, json_t *value)
{
	char text[64];

	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%.17g", json_real_value(value));
	assert_true(json_is_number(value));
	add_line(lines, name, line, text);
}

static void begin_line(struct line *line, json_t *sample, json_t *own)
{
	const char *name;
	json_t *value;

	*line = (struct line){ 0 };
	json_object_foreach(own, name, value) add_label(line, name, json_string_value(value));
	json_object_foreach(member(sample, "labels"), name, value)
		add_label(line, name, json_string_value(value));
}

static void add_histogram(struct lines *lines, const char *family, json_t *sample, json_t *own)
{
	struct line line;
	const char *le;
	json_t *value;
	char name[128];

	json_object_foreach(member(sample, "buckets"), le, value)
	{
		snprintf(name, sizeof(name), "%s_bucket", family);
		begin_line(&line, sample, own);
		add_label(&line, "le", le);
		add_value(lines, name, &line, value);
	}
	snprintf(name, sizeof(name), "%s_count", family);
	begin_line(&line, sample, own);
	add_value(lines, name, &line, member(sample, "count"));
	snprintf(name, sizeof(name), "%s_sum", family);
	begin_line(&line, sample, own);
	add_value(lines, name, &line, member(sample, "sum"));
}

/* All that is below "metrics" of an item whose own labels are these. */
static void add_metrics(struct lines *lines, json_t *item, json_t *own)
{
	const char *family;
	json_t *samples, *sample;
	struct line line;
	size_t i;

	json_object_foreach(member(item, "metrics"), family, samples)
	{
		assert_true(json_array_size(samples) > 0);
		json_array_foreach(samples, i, sample)
		{
			if (json_object_get(sample, "buckets")) {
				add_histogram(lines, family, sample, own);
				continue;
			}
			assert_int_equal(json_object_size(sample), 2);
			begin_line(&line, sample, own);
			add_value(lines, family, &line, member(sample, "value"));
		}
	}
	json_decref(own);
}

static void add_rows(struct lines *lines, json_t *rows, const char *const *labels)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *own = json_object();

		for (const char *const *label = labels; *label; label++)
			json_object_set(own, *label, member(row, *label));
		add_metrics(lines, row, own);
	}
}

/* Reads a quoted value, behind whose end it stops. */
static void read_value(const char **p, struct pe_strbuf *value)
{
	for (; **p != '"'; ++*p) {
		char c = **p;

		if (c == '\\')
			c = *++*p == 'n' ? '\n' : **p;
		pe_strbuf_addc(value, c);
	}
	pe_strbuf_addc(value, '\0');
	++*p;
}

static void read_line(struct lines *lines, const char *p)
{
	struct line line = { 0 };
	char name[128], label[64], value[64];
	int len;

	assert_int_equal(sscanf(p, "%127[a-z_]%n", name, &len), 1);
	p += len;
	if (*p == '{') {
		while (*p++ != '}') {
			_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

			assert_int_equal(sscanf(p, "%63[a-z_]=\"%n", label, &len), 1);
			p += len;
			read_value(&p, &text);
			add_label(&line, label, text.data);
		}
	}
	if (strncmp(name, "packet_exporter_host_", 21) == 0) {
		for (size_t i = 0; i < line.labels; i++)
			pe_strbuf_fini(&line.label[i]);
		return;
	}
	if (strchr(p, '.'))
		snprintf(value, sizeof(value), "%.17g", strtod(p + 1, NULL));
	else
		snprintf(value, sizeof(value), "%s", p + 1);
	add_line(lines, name, &line, value);
}

/* All that /metrics has but for the host, which no page shows. */
static void read_metrics(struct pe_snapshot *snapshot, const struct pe_expose_options *show,
			 struct lines *lines)
{
	const struct pe_encode_options options = { .show = *show };
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
	struct pe_encoder *encoder;
	ssize_t n;

	assert_int_equal(pe_encoder_new(snapshot, &options, &encoder), 0);
	do {
		assert_int_equal(pe_strbuf_reserve(&text, 65536), 0);
		n = pe_encoder_read(encoder, text.data + text.len, 65536);
		assert_true(n >= 0);
		text.len += (size_t)n;
	} while (n > 0);
	pe_encoder_free(encoder);
	pe_strbuf_addc(&text, '\0');
	for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
		if (*line != '#')
			read_line(lines, line);
	}
}

static void assert_same_lines(struct lines *a, struct lines *b)
{
	sort_lines(a);
	sort_lines(b);
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		if (strcmp(a->line[i], b->line[i]) != 0)
			fail_msg("%s is not %s", a->line[i], b->line[i]);
	}
	assert_int_equal(a->count, b->count);
}

static void check_metrics(const struct pe_expose_options *show, bool top,
			  const char *const *iface_labels)
{
	static const char *const group_labels[] = { "kind", "master", "namespace", "workload",
						    NULL };
	_cleanup_(cleanup_lines) struct lines *json = calloc(1, sizeof(*json));
	_cleanup_(cleanup_lines) struct lines *text = calloc(1, sizeof(*text));
	struct pe_page *page = new_page(fixture_snapshot(IFACES, top, true), show);
	_cleanup_json_ json_t *live = get(page, "/api/v1/interfaces", "metrics=1");
	_cleanup_json_ json_t *departed =
		get(page, "/api/v1/interfaces", "metrics=1&view=departed");
	_cleanup_json_ json_t *groups = get(page, "/api/v1/groups", "metrics=1");
	_cleanup_json_ json_t *health = get(page, "/api/v1/health", "");

	add_rows(json, member(live, "interfaces"), iface_labels);
	add_rows(json, member(departed, "interfaces"), iface_labels);
	add_rows(json, member(groups, "groups"), group_labels);
	add_metrics(json, health, json_object());
	read_metrics(scene.next, show, text);
	assert_true(text->count > 1000);
	assert_same_lines(json, text);
	free_page(page);
}

static void test_metrics(void **state)
{
	static const char *const name[] = { "interface", NULL };
	static const char *const all[] = { "interface", "container", "pod",
					   "namespace", "workload",  NULL };
	const struct pe_expose_options full = {
		.legacy = true,
		.detail = PE_DETAIL_FULL,
		.iface_labels = ~0u,
	};

	check_metrics(&(struct pe_expose_options){ 0 }, false, name);
	check_metrics(&full, true, all);
}

/* What a reader with doubles would round is there to the last digit. */
static void test_large_numbers(void **state)
{
	const struct scene_item item =
		ITEM("veth0", 0, { UINT64_C(9223372036854775811), UINT64_MAX }, { 0, 0 });
	struct pe_page *page = new_page(scene_snapshot(&item, 1, &item, 1), NULL);
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	assert_int_equal(ask(page, "/api/v1/interfaces", "", &text), 200);
	assert_non_null(strstr(text.data, "\"packets\":9223372036854775811,"
					  "\"bytes\":18446744073709551615,"));
	free_page(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_large_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
