/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON API as libjansson reads it: its members are those of docker/README.md, and what is below
 * "metrics" is what the text format has, sample by sample.
 */
#include <jansson.h>

#include "malloc-failure.h"
#include "page-scene.h"
#include "snapshot-fixture.h"

#include "pe/cleanup.h"
#include "pe/encode.h"

#define IFACES	  12
#define LINES_MAX 20000

static struct scene scene;

static struct pe_page *new_page(struct pe_snapshot *snapshot, const struct pe_expose_options *show)
{
	struct pe_page_options options = scene_options(&scene);
	struct pe_page *page;

	if (show)
		options.show = *show;
	scene_set(&scene, snapshot);
	assert_int_equal(pe_page_new(&options, &page), 0);
	return page;
}

static void free_page(struct pe_page *page)
{
	pe_page_free(page);
	scene_set(&scene, NULL);
}

/* An answer as text, with a NUL behind it. */
static int ask(struct pe_page *page, const char *path, const char *query, struct pe_strbuf *text)
{
	int status;

	assert_true(pe_page_has(path, PE_PAGE_JSON));
	text->len = 0;
	status = pe_page_answer(page, path, query, PE_PAGE_JSON, text);
	pe_strbuf_addc(text, '\0');
	assert_int_equal(text->error, 0);
	assert_int_equal(text->data[text->len - 2], '\n');
	return status;
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s at %.200s", error.text, text + error.position);
	return root;
}

static void cleanup_json(json_t **root)
{
	json_decref(*root);
}

#define _cleanup_json_ _cleanup_(cleanup_json)
#define _cleanup_text_ _cleanup_(pe_strbuf_fini)

static json_t *get(struct pe_page *page, const char *path, const char *query)
{
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	assert_int_equal(ask(page, path, query, &text), 200);
	return parse(text.data);
}

static json_t *member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (!value)
		fail_msg("no member %s", name);
	return value;
}

static const char *string(json_t *object, const char *name)
{
	json_t *value = member(object, name);

	assert_true(json_is_string(value));
	return json_string_value(value);
}

static json_int_t integer(json_t *object, const char *name)
{
	json_t *value = member(object, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* ---- the same samples as in the text format ---- */

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

/* ---- rows ---- */

static void test_selection(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, false), NULL);
	_cleanup_json_ json_t *all = get(page, "/api/v1/interfaces", "sort=name");
	_cleanup_json_ json_t *some =
		get(page, "/api/v1/interfaces", "sort=name&search=veth&offset=3&limit=2&x=y");
	_cleanup_json_ json_t *groups = get(page, "/api/v1/groups", "kind=veth&limit=1");

	assert_int_equal(integer(all, "total"), IFACES);
	assert_int_equal(integer(all, "matched"), IFACES);
	assert_int_equal(integer(all, "offset"), 0);
	assert_int_equal(json_array_size(member(all, "interfaces")), IFACES);
	assert_int_equal(integer(some, "matched"), IFACES);
	assert_int_equal(integer(some, "offset"), 3);
	assert_int_equal(json_array_size(member(some, "interfaces")), 2);
	assert_true(json_equal(json_array_get(member(all, "interfaces"), 4),
			       json_array_get(member(some, "interfaces"), 1)));
	assert_int_equal(integer(groups, "total"), FIXTURE_GROUPS);
	assert_int_equal(integer(groups, "matched"), 3);
	assert_int_equal(json_array_size(member(groups, "groups")), 1);
	free_page(page);
}

static void test_refused(void **state)
{
	static const struct {
		const char *path, *query, *error;
		int status;
	} cases[] = {
		{ "/api/v1/interfaces", "view=groups", "groups are at /api/v1/groups", 400 },
		{ "/api/v1/interfaces", "limit=0", "limit is a number from 1 to 1000", 400 },
		{ "/api/v1/health", "%", "the query is not valid", 400 },
		{ "/api/v1/interfaces/99", "", "no live interface has this index", 404 },
		{ "/api/v1/interfaces/999999999", "", "no live interface has this index", 404 },
	};
	static const char *const none[] = {
		"/api/v1/",
		"/api/v1",
		"/api/v1/x",
		"/api/v1/interfaces/",
		"/api/v1/interfaces/0",
		"/api/v1/interfaces/07",
		"/api/v1/interfaces/-1",
		"/api/v1/interfaces/1x",
		"/api/v1/interfaces/1/",
		"/api/v1/interfaces/eth0",
		"/api/v1/Interfaces",
		"/api/v1/interfaces/9999999999",
		"/api/v2/interfaces",
		"/",
		"",
	};
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, false), NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
		_cleanup_json_ json_t *root = NULL;

		assert_int_equal(ask(page, cases[i].path, cases[i].query, &text), cases[i].status);
		root = parse(text.data);
		assert_int_equal(json_object_size(root), 1);
		assert_string_equal(string(root, "error"), cases[i].error);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(pe_page_has(none[i], PE_PAGE_JSON));
	assert_true(pe_page_has("/", PE_PAGE_HTML) && pe_page_has("/", PE_PAGE_TABLE));
	assert_false(pe_page_has("/api/v1/health", PE_PAGE_HTML));
	free_page(page);
}

static void test_no_snapshot(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(1, false, false), NULL);
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	scene.error = -EAGAIN;
	assert_int_equal(pe_page_answer(page, "/api/v1/health", "", PE_PAGE_JSON, &text), -EAGAIN);
	assert_int_equal(text.len, 0);
	scene.error = 0;
	free_page(page);
}

/* Of departed ones nothing happens any more. */
static void test_departed(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, true), NULL);
	_cleanup_json_ json_t *root = NULL;
	json_t *row;
	size_t i;

	for (i = 0; i < IFACES; i++) {
		struct pe_iface_sample *iface = &scene.next->ifaces[i];

		if (iface->departed)
			iface->departed_ns = iface->body.created_ns + 1500 * PE_NS_PER_MS;
	}
	root = get(page, "/api/v1/interfaces", "view=departed&history=1");
	assert_int_equal(integer(root, "total"), 1);
	json_array_foreach(member(root, "interfaces"), i, row)
	{
		const double lived = json_real_value(member(row, "lived_seconds"));

		assert_true(lived > 1.499 && lived < 1.501);
		assert_true(json_is_real(member(row, "departed")));
		assert_null(json_object_get(row, "mode"));
		assert_null(json_object_get(row, "history"));
		assert_true(json_real_value(member(member(row, "ingress"), "bits_per_second")) <=
			    0);
	}
	free_page(page);
}

static void test_history(void **state)
{
	struct scene_item item = ITEM("veth0", scene_now_ns, { 0, 0 }, { 0, 0 });
	struct pe_page *page = new_page(scene_snapshot(&item, 1, &item, 1), NULL);
	_cleanup_json_ json_t *first = get(page, "/api/v1/interfaces", "history=1");
	_cleanup_json_ json_t *second = NULL;
	json_t *history, *row;

	assert_true(json_is_null(member(first, "seconds")));
	scene_now_ns += 5 * S - scene_now_ns % (5 * S);
	item.count[PE_EGRESS].bytes = 1000000;
	scene_set(&scene, scene_snapshot(&item, 1, &item, 1));
	second = get(page, "/api/v1/interfaces/1", "");
	row = member(second, "interface");
	history = member(row, "history");
	assert_int_equal(integer(history, "seconds"), PE_LIVE_POINT_S);
	assert_int_equal(json_array_size(member(history, "ingress")), PE_LIVE_POINTS);
	assert_int_equal(json_array_size(member(history, "egress")), PE_LIVE_POINTS);
	assert_true(json_is_null(json_array_get(member(history, "egress"), 0)));
	assert_true(json_integer_value(json_array_get(member(history, "egress"),
						      PE_LIVE_POINTS - 1)) > 1000000);
	assert_true(json_object_size(member(row, "metrics")) > 0);
	free_page(page);
}

/* An answer ends with the row that makes it too long, and is complete. */
static void test_bound(void **state)
{
	static const char query[] = "limit=1000&history=1&metrics=1";
	static char names[1000][16];
	static struct scene_item items[1000];
	char alias[256];
	struct pe_page *page;
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
	_cleanup_json_ json_t *all = NULL, *cut = NULL;
	size_t count;

	memset(alias, 1, sizeof(alias) - 1);
	alias[sizeof(alias) - 1] = '\0';
	for (size_t i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "veth%03zu", i);
		items[i] = (struct scene_item)ITEM(names[i], 0, { 1, 60 });
	}
	page = new_page(scene_snapshot(items, 1000, NULL, 0), NULL);
	assert_int_equal(ask(page, "/api/v1/interfaces", query, &text), 200);
	all = parse(text.data);
	/* Metrics are for fewer rows. */
	assert_int_equal(json_array_size(member(all, "interfaces")), 100);
	for (size_t i = 0; i < 1000; i++) {
		struct pe_identity names_of = {
			.container = alias,
			.pod = alias,
			.namespace = alias,
			.workload = alias,
			.image = alias,
			.runtime = alias,
			.pod_uid = alias,
			.container_id = "",
		};

		scene.next->ifaces[i].info.alias = alias;
		scene.next->ifaces[i].info.altnames = alias;
		assert_int_equal(pe_identity_new(&names_of, &scene.next->ifaces[i].identity), 0);
	}
	assert_int_equal(ask(page, "/api/v1/interfaces", "limit=1000&history=1", &text), 200);
	cut = parse(text.data);
	count = json_array_size(member(cut, "interfaces"));
	assert_in_range(count, PE_PAGE_BYTES_MAX / 16384 - 4, 999);
	assert_in_range(text.len, PE_PAGE_BYTES_MAX, PE_PAGE_BYTES_MAX + 16384);
	assert_int_equal(integer(cut, "matched"), 1000);
	free_page(page);
}

/* ---- the document ---- */

/* Every member of `part` is in `whole`, and of the same type; arrays have the first item in common.
 * With `all` it is the other way, too. */
static void assert_members(json_t *part, json_t *whole, const char *where, bool all)
{
	const char *name;
	json_t *value;

	if (json_is_array(part) && json_array_size(part) > 0) {
		assert_true(json_is_array(whole) && json_array_size(whole) > 0);
		assert_members(json_array_get(part, 0), json_array_get(whole, 0), where, all);
	}
	json_object_foreach(part, name, value)
	{
		json_t *other = json_object_get(whole, name);

		if (!other)
			fail_msg("%s.%s is not in an answer", where, name);
		if (!json_is_null(value) && !json_is_null(other) &&
		    !(json_is_number(value) && json_is_number(other)))
			assert_int_equal(json_typeof(value), json_typeof(other));
		/* Of the metrics and their labels the document shows some. */
		assert_members(value, other, name, all && strcmp(name, "metrics") != 0);
	}
	if (all && json_is_object(whole)) {
		json_object_foreach(whole, name, value)
		{
			if (!json_object_get(part, name))
				fail_msg("%s.%s is not in the document", where, name);
		}
	}
}

/* The n-th example of JSON behind the heading. */
static json_t *read_example(const char *document, unsigned int n)
{
	const char *p = strstr(document, "\n## JSON API\n"), *end;
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	assert_non_null(p);
	for (unsigned int i = 0; i <= n; i++) {
		p = strstr(p, "\n```json\n");
		assert_non_null(p);
		p += 9;
	}
	end = strstr(p, "\n```");
	assert_non_null(end);
	pe_strbuf_add(&text, p, (size_t)(end - p));
	pe_strbuf_addc(&text, '\0');
	return parse(text.data);
}

static char *read_document(void)
{
	const char *source = getenv("PE_SRCDIR");
	char path[4096], *text = calloc(1, 1 << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/docker/README.md", source ? source : ".");
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 20) - 1, file), 1000, (1 << 20) - 2);
	fclose(file);
	return text;
}

static void test_document(void **state)
{
	static const struct {
		const char *path, *query;
	} examples[] = {
		{ "/api/v1/interfaces", "history=1&metrics=1" },
		{ "/api/v1/groups", "history=1&metrics=1" },
		{ "/api/v1/health", "" },
	};
	_cleanup_free_ char *document = read_document();
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, false), NULL);

	for (unsigned int i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		_cleanup_json_ json_t *example = read_example(document, i);
		_cleanup_json_ json_t *answer = get(page, examples[i].path, examples[i].query);

		assert_members(example, answer, examples[i].path, true);
	}
	free_page(page);
}

/* ---- memory ---- */

/* One allocation after the other fails: the answer is whole, or none, and nothing is kept. Returns
 * how many there were. */
static long refuse_memory(const char *path, enum pe_page_format format, const char *query)
{
	_cleanup_text_ struct pe_strbuf whole = PE_STRBUF_INIT;
	struct pe_page *page = new_page(fixture_snapshot(IFACES, true, true), NULL);
	long after = 0, left = 0;

	assert_int_equal(pe_page_answer(page, path, query, format, &whole), 200);
	pe_page_free(page);
	for (; left <= 0; after++) {
		struct pe_strbuf text = PE_STRBUF_INIT;
		const long held = malloc_failure_held;
		int r;

		page = new_page(pe_snapshot_ref(scene.next), NULL);
		malloc_failure_after = after;
		r = pe_page_answer(page, path, query, format, &text);
		left = malloc_failure_after + 1;
		malloc_failure_after = -1;
		if (r == 200) {
			assert_int_equal(text.len, whole.len);
			assert_memory_equal(text.data, whole.data, whole.len);
		} else {
			assert_int_equal(r, -ENOMEM);
		}
		pe_strbuf_fini(&text);
		pe_page_free(page);
		assert_int_equal(malloc_failure_held, held);
		assert_int_equal(scene.next->references, 1);
	}
	scene_set(&scene, NULL);
	return after;
}

static void test_memory_refused(void **state)
{
	static const char all[] = "history=1&metrics=1&open=2";

	if (!malloc_failure_works)
		return;
	assert_in_range(refuse_memory("/api/v1/interfaces", PE_PAGE_JSON, all), 20, 2000);
	assert_in_range(refuse_memory("/api/v1/interfaces/2", PE_PAGE_JSON, all), 20, 2000);
	assert_in_range(refuse_memory("/api/v1/groups", PE_PAGE_JSON, all), 20, 2000);
	assert_in_range(refuse_memory("/api/v1/health", PE_PAGE_JSON, all), 20, 2000);
	assert_in_range(refuse_memory("/", PE_PAGE_TABLE, ""), 20, 2000);
	assert_in_range(refuse_memory("/", PE_PAGE_HTML, all), 20, 2000);
	assert_in_range(refuse_memory("/", PE_PAGE_HTML, "view=departed&part=1"), 20, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics),	    cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_selection),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_snapshot), cmocka_unit_test(test_departed),
		cmocka_unit_test(test_history),	    cmocka_unit_test(test_bound),
		cmocka_unit_test(test_document),    cmocka_unit_test(test_memory_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
