/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON API as libjansson reads it: which rows, its members, which are those of
 * docker/README.md, its bounds, and memory that is refused to it and to the page.
 */
#include <math.h>

#include "api-answers.h"
#include "malloc-failure.h"
#include "snapshot-fixture.h"

#define IFACES 12

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
	const struct pe_iface_sample *departed = NULL;
	json_t *row;
	size_t i;

	for (i = 0; i < IFACES; i++) {
		struct pe_iface_sample *iface = &scene.next->ifaces[i];

		if (!iface->departed)
			continue;
		iface->departed_ns = iface->body.created_ns + 1500 * PE_NS_PER_MS;
		departed = iface;
	}
	root = get(page, "/api/v1/interfaces", "view=departed&history=1");
	assert_int_equal(integer(root, "total"), 1);
	json_array_foreach(member(root, "interfaces"), i, row)
	{
		const double lived = json_real_value(member(row, "lived_seconds"));

		assert_true(lived > 1.499 && lived < 1.501);
		/* To the millisecond. */
		assert_true(fabs(json_real_value(member(row, "departed")) -
				 json_real_value(member(row, "created")) - 1.5) < 0.0001);
		assert_true(fabs(json_real_value(member(row, "created")) -
				 (double)(departed->body.created_ns / PE_NS_PER_MS) / 1000) <
			    0.0001);
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
	scene_pass(S);
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
		cmocka_unit_test(test_selection),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_snapshot), cmocka_unit_test(test_departed),
		cmocka_unit_test(test_history),	    cmocka_unit_test(test_bound),
		cmocka_unit_test(test_document),    cmocka_unit_test(test_memory_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
