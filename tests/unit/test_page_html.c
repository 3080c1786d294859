/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page and the table: what they show, and that no name is more than a name in them. */
#include <gnutls/crypto.h>

#include "html-check.h"
#include "page-scene.h"
#include "snapshot-fixture.h"

#include "pe/cleanup.h"

#define IFACES 12

#define _cleanup_text_ _cleanup_(pe_strbuf_fini)

static struct scene scene;

static struct pe_page *new_page(struct pe_snapshot *snapshot)
{
	const struct pe_page_options options = scene_options(&scene);
	struct pe_page *page;

	scene_set(&scene, snapshot);
	assert_int_equal(pe_page_new(&options, &page), 0);
	return page;
}

static void free_page(struct pe_page *page)
{
	pe_page_free(page);
	scene_set(&scene, NULL);
}

/* The answer, with a NUL behind it; a page is one that a strict reader takes. */
static void ask(struct pe_page *page, enum pe_page_format format, const char *query, int status,
		struct pe_strbuf *text)
{
	static struct html html;

	text->len = 0;
	assert_int_equal(pe_page_answer(page, "/", query, format, text), status);
	pe_strbuf_addc(text, '\0');
	assert_int_equal(strlen(text->data), text->len - 1);
	if (format == PE_PAGE_HTML && *html_check(&html, text->data))
		fail_msg("%s: %s", query, html.error);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

/* With "!" in front it must not be there. */
static void assert_has(const struct pe_strbuf *text, const char *const *parts)
{
	for (; *parts; parts++) {
		const bool wanted = **parts != '!';

		if (!strstr(text->data, *parts + !wanted) == wanted)
			fail_msg("%s", *parts);
	}
}

#define assert_contains(text, ...) assert_has(text, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- the page ---- */

static void test_whole(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, true, false));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_contains(&text, "<!DOCTYPE html>", "<html lang=\"en\">", "<meta name=\"viewport\"",
			"<noscript><meta http-equiv=\"refresh\"", "href=\"/metrics\"",
			"href=\"/api/v1/interfaces\"", "href=\"/-/healthy\"", "<main id=\"live\">",
			"aria-current=\"page\"", "shop-web-1", "in <bdi>prod</bdi>", "!NULL",
			"!nan", "!(null)");
	assert_int_equal(count(text.data, "<tr id=\"i"), IFACES);
	/* The part that changes is the same, and nothing else. */
	ask(page, PE_PAGE_HTML, "part=1", 200, &text);
	assert_contains(&text, "<main id=\"live\">", "<form id=\"filter\"", "!<script", "!<style",
			"!<body");
	assert_int_equal(strncmp(text.data, "<main", 5), 0);
	assert_string_equal(text.data + text.len - 9, "</main>\n");
	free_page(page);
}

static void test_views(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, true, true));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "view=groups", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"g"), FIXTURE_GROUPS);
	assert_contains(&text, "<a href=\"/?view=groups\" aria-current=\"page\">", "shop/web",
			"!id=\"departed\"",
			"<input type=\"hidden\" name=\"view\" value=\"groups\">");
	ask(page, PE_PAGE_HTML, "view=departed", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"d"), 1);
	assert_contains(&text, "<table id=\"departed\">", " ago<i>", "!<table id=\"rows\">");
	/* Those that have just gone are below the live ones, too. */
	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), IFACES - 1);
	assert_int_equal(count(text.data, "<tr id=\"d"), 1);
	assert_contains(&text, "<table id=\"rows\">", "<table id=\"departed\">");
	free_page(page);
}

/* Whatever is asked for, a strict reader takes the page, whose names are hostile. */
static void test_hostile(void **state)
{
	static const char *const views[] = { "interfaces", "groups", "departed" };
	static const char *const queries[] = {
		"",
		"&search=%3Cscript%3Ealert(1)%3C/script%3E",
		"&search=%22%20onload=%22x&workload='%3E%3Cb%3E&kind=%22%3E%3C/select%3E",
		"&search=%ff%fe%e2%80%ae%1b[2J&kind=k%c3",
		"&open=2",
		"&open=3&sort=name&order=desc&limit=3",
		"&offset=2&limit=2&sort=workload",
		"&part=1&open=5",
	};
	struct pe_page *page = new_page(fixture_snapshot(IFACES, true, true));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
	char query[256];

	for (size_t view = 0; view < sizeof(views) / sizeof(views[0]); view++) {
		for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
			snprintf(query, sizeof(query), "view=%s%s", views[view], queries[i]);
			ask(page, PE_PAGE_HTML, query, 200, &text);
		}
	}
	free_page(page);
}

static void test_refused(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(1, false, false));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "limit=0", 400, &text);
	assert_contains(&text, "<p>limit is a number from 1 to 1000.</p>", "<a href=\"/\">");
	ask(page, PE_PAGE_TABLE, "limit=0", 400, &text);
	assert_string_equal(text.data, "limit is a number from 1 to 1000\n");
	free_page(page);
}

static void test_open(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, true, false));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "search=veth&open=2", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"open\""), 1);
	assert_int_equal(count(text.data, "aria-expanded=\"true\""), 1);
	assert_int_equal(count(text.data, "aria-expanded=\"false\""), IFACES - 1);
	assert_contains(&text, "<table id=\"flows\">", "<td>192.0.2.0:1000</td>",
			"<td>[2001:db8::1:0:0]:1001</td>", "<td class=\"w\">icmp</td>",
			"<dt>Image</dt>", "<bdi>registry.example/shop/web:1.2</bdi>", "Counted for",
			"In before it was attached",
			/* Closed by the same link. */
			"<a aria-expanded=\"true\" href=\"/?search=veth\">",
			"<a aria-expanded=\"false\" href=\"/?search=veth&amp;open=3\">");
	assert_int_equal(count(text.data, "<tr><td>in</td>") + count(text.data, "<tr><td>out</td>"),
			 FIXTURE_TOP);
	free_page(page);
	page = new_page(fixture_snapshot(IFACES, false, false));
	ask(page, PE_PAGE_HTML, "open=2", 200, &text);
	assert_contains(&text, "--flows.top", "!<table id=\"flows\">");
	free_page(page);
}

/* Whose name is the interface's has it once; a little traffic is a low line, and a drop has its
 * direction. */
static void test_row(void **state)
{
	struct scene_item item = ITEM("veth0", scene_now_ns - 10 * S, { 1, 100 }, { 1, 100 });
	struct pe_identity names = { .container = "web-1", .workload = "web" };
	struct pe_drop_row drops = {
		.count = { [PE_INGRESS] = { [2] = 5 }, [PE_EGRESS] = { [1] = 2, [3] = 7 } }
	};
	struct pe_dns_row dns = {
		.of[PE_INGRESS] = { .queries = 9,
				    .unanswered = 2,
				    .answers = { [PE_DNS_NOERROR] = 3, [PE_DNS_NXDOMAIN] = 1 },
				    .time_sum_ns = 5 * PE_NS_PER_MS },
		.of[PE_EGRESS] = { .unmatched = 1 },
	};
	struct pe_page *page = new_page(scene_snapshot(&item, 1, NULL, 0));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	/* To the begin of a point. */
	scene_pass(5 * S - scene_now_ns % (5 * S));
	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_int_equal(count(text.data, "veth0</bdi>"), 1);
	/* 100 bytes each way in a second are a fifth of the height. */
	scene_pass(S);
	item.count[PE_INGRESS].bytes = item.count[PE_EGRESS].bytes = 200;
	scene_set(&scene, scene_snapshot(&item, 1, NULL, 0));
	scene.next->ifaces[0].dropped[PE_EGRESS] = 7;
	scene.next->ifaces[0].body.drops = &drops;
	scene.next->ifaces[0].has_tcp = true;
	scene.next->ifaces[0].tcp = (struct pe_tcp_summary){ 12, 34, 56 };
	scene.next->ifaces[0].body.dns = &dns;
	fixture_reasons(scene.next);
	assert_int_equal(pe_identity_new(&names, &scene.next->ifaces[0].identity), 0);
	ask(page, PE_PAGE_HTML, "open=1", 200, &text);
	assert_contains(&text, "V36h4V44z", "<dt>Out, dropped</dt><dd>7 packets</dd>",
			"!In, dropped", "<td class=\"w\"><bdi>veth0</bdi></td>",
			"<dt>In, drops: netfilter_drop</dt><dd>5 packets</dd>",
			/* Of two places. */
			"<dt>Out, drops: no_socket</dt><dd>9 packets</dd>", "!Out, drops: net",
			"!drops: other", "!TCP, ",
			"<dt>In, DNS</dt><dd>9 queries, 4 answers in 1.25 ms on average, 2 "
			"unanswered</dd>",
			"!Out, DNS");
	/* With connections, which are counted here. */
	scene_pass(S);
	scene.next->tcp = true;
	ask(page, PE_PAGE_HTML, "open=1", 200, &text);
	assert_contains(&text, "<td class=\"n w\">12<i></i></td><td class=\"n w\">34<i></i></td>",
			"<dt>TCP, sent again</dt><dd>12 segments</dd>",
			"<dt>TCP, failed</dt><dd>34 connections</dd>",
			"<dt>TCP, reset</dt><dd>56 connections</dd>");
	free_page(page);
}

/* A link sorts by its column, the other way when that is how it is. */
static void test_sort_links(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, false));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "offset=2&open=3", 200, &text);
	assert_contains(&text, "href=\"/?sort=name&amp;open=3\"",
			"href=\"/?sort=in_bits&amp;open=3\"", "! aria-sort");
	ask(page, PE_PAGE_HTML, "sort=name", 200, &text);
	assert_int_equal(count(text.data, " aria-sort=\"ascending\""), 1);
	assert_contains(&text, "href=\"/?sort=name&amp;order=desc\"",
			"<input type=\"hidden\" name=\"sort\" value=\"name\">", "!name=\"order\"");
	ask(page, PE_PAGE_HTML, "sort=name&order=desc", 200, &text);
	assert_int_equal(count(text.data, " aria-sort=\"descending\""), 1);
	assert_contains(&text, "href=\"/?sort=name\"",
			"<input type=\"hidden\" name=\"order\" value=\"desc\">",
			/* Another view begins as it does. */
			"<a href=\"/?view=groups\">");
	ask(page, PE_PAGE_HTML, "sort=in_bits&order=asc&limit=7", 200, &text);
	assert_contains(&text, "href=\"/?sort=in_bits&amp;limit=7\"",
			"<input type=\"hidden\" name=\"order\" value=\"asc\">",
			"<input type=\"hidden\" name=\"limit\" value=\"7\">");
	free_page(page);
}

/* The form has what was chosen, also when there is none of it any more. */
static void test_form(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, false));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "kind=bridge&search=a%22b&workload=x", 200, &text);
	assert_contains(&text, "<option value=\"bridge\" selected>bridge</option>",
			"<option value=\"veth\">veth</option>", "<option value=\"\">all</option>",
			"value=\"a&#34;b\"", "value=\"x\"", "Nothing matches.");
	assert_int_equal(count(text.data, "<option"), 4);
	ask(page, PE_PAGE_HTML, "kind=none", 200, &text);
	assert_contains(&text, "<option value=\"none\" selected>none</option>");
	assert_int_equal(count(text.data, "<option"), 3);
	ask(page, PE_PAGE_HTML, "kind=veth", 200, &text);
	assert_contains(&text, "<option value=\"veth\" selected>veth</option>");
	assert_int_equal(count(text.data, "<option"), 3);
	free_page(page);
}

static struct pe_snapshot *thousand(void)
{
	static char names[1000][16];
	static struct scene_item items[1000];

	for (size_t i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "veth%03zu", i);
		items[i] = (struct scene_item)ITEM(names[i], 0, { 1000000 * i, 1000000000 * i });
	}
	return scene_snapshot(items, 1000, NULL, 0);
}

static void test_pages(void **state)
{
	struct pe_page *page = new_page(thousand());
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 70);
	assert_contains(&text, "1 to 70 of 1000", "<a rel=\"next\" href=\"/?offset=70\">",
			"!rel=\"prev\"");
	ask(page, PE_PAGE_HTML, "offset=950&search=veth&sort=name", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 50);
	assert_contains(&text, "951 to 1000 of 1000", "!rel=\"next\"",
			"<a rel=\"prev\" href=\"/?search=veth&amp;sort=name&amp;offset=880\">");
	ask(page, PE_PAGE_HTML, "offset=50", 200, &text);
	assert_contains(&text, "<a rel=\"prev\" href=\"/\">", "<a rel=\"next\"");
	ask(page, PE_PAGE_HTML, "limit=1000", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 180);
	ask(page, PE_PAGE_HTML, "offset=5000", 200, &text);
	assert_contains(&text, "none of 1000", "There are no more.", "rel=\"prev\"");
	/* What is open stays, once, on whatever page. */
	ask(page, PE_PAGE_HTML, "open=1000&limit=1000&sort=name", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 180);
	assert_contains(&text, "veth999</bdi>", "1 to 179 of 1000", "aria-expanded=\"true\"");
	assert_int_equal(count(text.data, "<tr id=\"open\""), 1);
	ask(page, PE_PAGE_HTML, "open=1000&limit=150&sort=name&offset=900", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 100);
	assert_int_equal(count(text.data, "<tr id=\"open\""), 1);
	/* Not one that has gone, and not among groups. */
	ask(page, PE_PAGE_HTML, "open=1001", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"i"), 70);
	ask(page, PE_PAGE_HTML, "open=1000&view=departed", 200, &text);
	assert_int_equal(count(text.data, "<tr id=\"open\""), 0);
	free_page(page);
}

static void test_nothing(void **state)
{
	struct pe_page *page = new_page(scene_snapshot(NULL, 0, NULL, 0));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_contains(&text, "There is no interface.", "Nothing has moved");
	ask(page, PE_PAGE_TABLE, "", 200, &text);
	assert_contains(&text, "\nnothing yet\n");
	free_page(page);
}

/* ---- its policy ---- */

static void assert_hashed(const char *policy, const char *text, const char *begin, const char *end,
			  const char *directive)
{
	const char *from = strstr(text, begin), *to;
	unsigned char digest[32];
	gnutls_datum_t bytes = { digest, sizeof(digest) }, base64;
	char expected[128];

	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, end);
	assert_non_null(to);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, from, (size_t)(to - from), digest), 0);
	assert_int_equal(gnutls_base64_encode2(&bytes, &base64), 0);
	snprintf(expected, sizeof(expected), "%s 'sha256-%.*s';", directive, (int)base64.size,
		 base64.data);
	gnutls_free(base64.data);
	assert_non_null(strstr(policy, expected));
}

/* What is allowed to run is what the page has, as it has it, and nothing comes from elsewhere. */
static void test_policy(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(1, false, false));
	const char *policy = pe_page_policy(page);
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	ask(page, PE_PAGE_HTML, "", 200, &text);
	assert_hashed(policy, text.data, "<script>", "</script>", "script-src");
	assert_hashed(policy, text.data, "<style>", "</style>", "style-src");
	assert_int_equal(count(text.data, "<script"), 1);
	assert_int_equal(count(text.data, "<style"), 1);
	assert_non_null(strstr(policy, "default-src 'none';"));
	assert_non_null(strstr(policy, "connect-src 'self';"));
	assert_non_null(strstr(policy, "frame-ancestors 'none'"));
	assert_null(strstr(policy, "unsafe"));
	free_page(page);
}

/* ---- the table ---- */

/* clang-format off */
#define DEPARTED                                              \
	"NAME    LIVED   in B    pkt   out B    pkt unobs.  drops\n"  \
	"zz-gone 1m30s  4.10k      3      60      1      0      0\n"
/* clang-format on */

static void test_table(void **state)
{
	struct scene_item items[] = {
		ITEM("eth0", scene_now_ns - 100 * S, { 1000, 100000 }, { 0, 0 }),
		ITEM("veth0", scene_now_ns - 10 * S, { 10, 12500000 }, { 20000, 1000 }),
		ITEM("zz-gone", scene_now_ns - 90 * S, { 3, 4096 }, { 1, 60 }),
	};
	struct pe_page *page;
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	items[2].departed = true;
	page = new_page(scene_snapshot(items, 3, items, 1));
	scene.next->ifaces[1].dropped[PE_INGRESS] = 5;
	scene.next->self.egress_available = scene.next->self.http.reload_successful = true;
	scene.next->host->body.row[PE_INGRESS].class[0].packets = 1;
	ask(page, PE_PAGE_TABLE, "", 200, &text);
	/* clang-format off */
	assert_string_equal(text.data,
		"NAME  MODE    in b/s  pkt/s out b/s  pkt/s unobs.  drops\n"
		"veth0 generic  10.0M      1     800  2.00k      0      5\n"
		"eth0  generic  8.00k     10       0      0      0      0\n"
		"\n1 departed, the last ones:\n" DEPARTED "\n"
		"averages since each began; ask again for those of now; in: what the host received "
		"on it (a container's: what it sent)\n");
	ask(page, PE_PAGE_TABLE, "view=departed", 200, &text);
	assert_string_equal(text.data, DEPARTED);
	/* clang-format on */
	ask(page, PE_PAGE_TABLE, "view=groups", 200, &text);
	assert_contains(&text, "NAME KIND in b/s", "\neth0 veth  8.00k");
	ask(page, PE_PAGE_TABLE, "limit=1&sort=name", 200, &text);
	assert_contains(&text, "\n1 of 2; ?limit= (at most 1000) and ?offset= show others\n",
			"\neth0 ", "!\nveth0");
	ask(page, PE_PAGE_TABLE, "search=nobody", 200, &text);
	assert_contains(&text, "\nnothing matches\n", "!\neth0");
	scene_pass(2 * S);
	/* What went wrong with connections has columns if there is any. */
	scene.next->tcp = true;
	scene.next->ifaces[1].has_tcp = true;
	scene.next->ifaces[1].tcp = (struct pe_tcp_summary){ .retransmitted = 1234, .reset = 5 };
	ask(page, PE_PAGE_TABLE, "", 200, &text);
	assert_contains(&text, " unobs.  drops resent failed\n", "      0      5  1.23k      0\n",
			"      0      0\n");
	scene_pass(2 * S);
	scene.next->ifaces[1].tcp.retransmitted = 0;
	scene.next->self.egress_available = false;
	ask(page, PE_PAGE_TABLE, "", 200, &text);
	assert_contains(&text,
			"\naverages of the last 2.0 s; in: ", "\nnote egress: not counted\n");
	free_page(page);
}

/* With all columns, and names as long as engines make them, lines fit into a usual terminal; one
 * that is longer has its whole name. */
static void test_table_width(void **state)
{
	static const char long_name[] = "a-name-that-is-longer-than-any-line-has-place-for";
	struct scene_item items[3];
	struct pe_page *page;
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
	struct pe_identity names = { .container = "shop-frontend-1", .workload = "x" };
	size_t longest = 0;

	items[0] = (struct scene_item)ITEM("veth0a1b2c3", 0, { 1, 1 }, { 1, 1 });
	items[1] = (struct scene_item)ITEM("veth1a1b2c3", 0, { 1, 1 }, { 1, 1 });
	items[2] = (struct scene_item)ITEM("veth2a1b2c3", 0, { 1, 1 }, { 1, 1 });
	page = new_page(scene_snapshot(items, 3, NULL, 0));
	for (size_t i = 0; i < 3; i++) {
		struct pe_iface_sample *iface = &scene.next->ifaces[i];

		names.container = i == 2 ? long_name : "shop-frontend-1";
		assert_int_equal(pe_identity_new(&names, &iface->identity), 0);
		strcpy(iface->info.master, i ? "br-0123456789ab" : "docker0");
		iface->info.mode = PE_MODE_TRACEPOINT;
		iface->dropped[0] = 999900;
		iface->body.row[PE_EGRESS].class[0].bytes = UINT64_MAX / 16;
	}
	ask(page, PE_PAGE_TABLE, "", 200, &text);
	for (const char *line = text.data, *end; strstr(line, "tracepoint"); line = end + 1) {
		end = strchr(line, '\n');
		if (!memmem(line, (size_t)(end - line), long_name, strlen(long_name)) &&
		    (size_t)(end - line) > longest)
			longest = (size_t)(end - line);
	}
	assert_int_equal(longest, 100);
	assert_contains(&text, long_name, "NAME", " INTERFACE   MASTER          MODE       ");
	free_page(page);
}

/* A line is a row, whatever is in a name. */
static void test_table_hostile(void **state)
{
	struct pe_page *page = new_page(fixture_snapshot(IFACES, false, true));
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;
	size_t lines;

	ask(page, PE_PAGE_TABLE, "", 200, &text);
	lines = count(text.data, "\n");
	for (const char *p = text.data; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= ' ');
	/* Heads, rows, the line below, and three around the one that departed. */
	assert_int_equal(lines, 2 + IFACES + 1 + 3 + count(text.data, "\nnote ") +
					count(text.data, "\n!! "));
	assert_contains(&text, "\\u{a}with",
			"\xef\xbf\xbd"
			"ed");
	free_page(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	    cmocka_unit_test(test_views),
		cmocka_unit_test(test_hostile),	    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_open),	    cmocka_unit_test(test_row),
		cmocka_unit_test(test_sort_links),  cmocka_unit_test(test_form),
		cmocka_unit_test(test_pages),	    cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_policy),	    cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_width), cmocka_unit_test(test_table_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
