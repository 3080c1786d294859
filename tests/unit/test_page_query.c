/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queries of the page and the API: what they select, and what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pe/cleanup.h"
#include "pe/strbuf.h"

#include "../../src/web/page/query.h"

static struct pe_page_query parse(const char *text)
{
	struct pe_page_query query;
	const char *why = "";

	memset(&query, 0xff, sizeof(query));
	if (!pe_page_query_parse(text, &query, &why))
		fail_msg("%s: %s", text, why);
	return query;
}

static void test_defaults(void **state)
{
	static const char *const texts[] = { "",
					     "&",
					     "&&&",
					     "a=b",
					     "=",
					     "=x",
					     "views=x",
					     "part",
					     "sort=",
					     "order=",
					     "search=&kind=",
					     "part=0",
					     "history",
					     "open=0",
					     "metrics=&part=0",
					     "View=x" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct pe_page_query query = parse(texts[i]);

		assert_int_equal(query.view, PE_VIEW_INTERFACES);
		assert_int_equal(query.sort, PE_SORT_TRAFFIC);
		assert_false(query.ascending || query.has_sort || query.has_order);
		assert_false(query.part || query.history || query.metrics);
		assert_string_equal(query.search, "");
		assert_string_equal(query.workload, "");
		assert_string_equal(query.kind, "");
		assert_int_equal(query.offset + query.limit, 0);
		assert_int_equal(query.open, 0);
	}
}

static void test_all(void **state)
{
	const struct pe_page_query query =
		parse("view=groups&sort=out_packets&order=asc&search=web&workload=shop&kind=veth&"
		      "offset=1000000&limit=1000&open=2147483647&part=1&history=1&metrics=1");

	assert_int_equal(query.view, PE_VIEW_GROUPS);
	assert_int_equal(query.sort, PE_SORT_OUT_PACKETS);
	assert_true(query.ascending && query.has_sort && query.has_order);
	assert_true(query.part && query.history && query.metrics);
	assert_string_equal(query.search, "web");
	assert_string_equal(query.workload, "shop");
	assert_string_equal(query.kind, "veth");
	assert_int_equal(query.offset, 1000000);
	assert_int_equal(query.limit, 1000);
	assert_int_equal(query.open, 2147483647);
}

static void test_words(void **state)
{
	static const char *const views[] = { "interfaces", "groups", "departed" };
	char text[64];

	for (unsigned int i = 0; i < PE_VIEWS; i++) {
		snprintf(text, sizeof(text), "view=%s", views[i]);
		assert_int_equal(parse(text).view, i);
		assert_string_equal(pe_page_view_word((enum pe_page_view)i), views[i]);
	}
	/* Texts begin with "a", numbers with the largest, unless the query says how. */
	for (unsigned int i = 0; i < PE_SORTS; i++) {
		const enum pe_page_sort sort = (enum pe_page_sort)i;
		const bool is_text = sort == PE_SORT_NAME || sort == PE_SORT_WORKLOAD ||
				     sort == PE_SORT_MASTER || sort == PE_SORT_MODE;

		assert_int_equal(pe_page_sort_is_text(sort), is_text);
		snprintf(text, sizeof(text), "sort=%s", pe_page_sort_word(sort));
		assert_int_equal(parse(text).sort, i);
		assert_int_equal(parse(text).ascending, is_text);
		strcat(text, "&order=desc");
		assert_false(parse(text).ascending);
		strcpy(strrchr(text, '='), "=asc");
		assert_true(parse(text).ascending);
	}
}

static void test_decoding(void **state)
{
	static const struct {
		const char *text, *search;
	} cases[] = {
		{ "search=a+b", "a b" },
		{ "search=a%20b", "a b" },
		{ "search=%2B%26%3d%25", "+&=%" },
		{ "search=a=b=c", "a=b=c" },
		{ "%73earch=x", "x" },
		{ "search=%FF%fe%0a", "\xff\xfe\n" },
		{ "search=caf\xc3\xa9", "caf\xc3\xa9" },
		{ "search=1&search=2", "2" },
		{ "search=1&search", "" },
		{ "&search=1&", "1" },
		{ "search=%250", "%0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(parse(cases[i].text).search, cases[i].search);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "view=", "view is interfaces, groups or departed" },
		{ "view=Groups", "view is interfaces, groups or departed" },
		{ "view", "view is interfaces, groups or departed" },
		{ "sort=speed", "sort is none of the columns" },
		{ "order=up", "order is asc or desc" },
		{ "offset=-1", "offset is a number from 0 to 1000000" },
		{ "offset=1000001", "offset is a number from 0 to 1000000" },
		{ "offset=99999999999999999999999", "offset is a number from 0 to 1000000" },
		{ "offset=", "offset is a number from 0 to 1000000" },
		{ "limit=0", "limit is a number from 1 to 1000" },
		{ "limit=1001", "limit is a number from 1 to 1000" },
		{ "limit=10x", "limit is a number from 1 to 1000" },
		{ "limit=+10", "limit is a number from 1 to 1000" },
		{ "limit=0x10", "limit is a number from 1 to 1000" },
		{ "open=2147483648", "open is an ifindex" },
		{ "open=eth0", "open is an ifindex" },
		{ "part=2", "part is 0 or 1" },
		{ "history=yes", "history is 0 or 1" },
		{ "metrics=true", "metrics is 0 or 1" },
		{ "search=%00", "the query is not valid" },
		{ "x=%00", "the query is not valid" },
		{ "%00=x", "the query is not valid" },
		{ "search=%", "the query is not valid" },
		{ "search=%4", "the query is not valid" },
		{ "search=%4&kind=1", "the query is not valid" },
		{ "search=%4g", "the query is not valid" },
		{ "search=%-1", "the query is not valid" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pe_page_query query;
		const char *why = NULL;

		assert_false(pe_page_query_parse(cases[i].text, &query, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void test_length(void **state)
{
	char text[PE_PAGE_QUERY_MAX + 2] = "search=";
	struct pe_page_query query;
	const char *why;

	memset(text + 7, 'x', PE_PAGE_QUERY_MAX - 8);
	assert_true(pe_page_query_parse(text, &query, &why));
	assert_string_equal(query.search, text + 7);
	text[PE_PAGE_QUERY_MAX - 1] = 'x';
	assert_false(pe_page_query_parse(text, &query, &why));
	assert_string_equal(why, "the query is too long");
}

/* Any bytes come back as they were. */
static void test_encoding(void **state)
{
	_cleanup_(pe_strbuf_fini) struct pe_strbuf text = PE_STRBUF_INIT;
	char all[256];

	for (size_t i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	pe_strbuf_adds(&text, "kind=");
	pe_page_query_add(&text, all);
	pe_strbuf_addc(&text, '\0');
	assert_string_equal(parse(text.data).kind, all);
	/* Nothing that a URL or an attribute of HTML has another use for. */
	assert_int_equal(strspn(text.data + 5, "%-._~0123456789abcdefghijklmnopqrstuvwxyz"
					       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
			 strlen(text.data + 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_all),
		cmocka_unit_test(test_words),	 cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_length),
		cmocka_unit_test(test_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
