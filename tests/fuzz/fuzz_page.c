/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page, its table and the JSON API: whatever the names and the query are, the page is one that
 * a strict reader of HTML takes, a line of the table is a row, JSON has the names as /metrics has
 * them, and no answer is longer than its rows may be. The query is read a second time here, in
 * another way.
 *
 * The input is a byte of bits, then texts that end with a NUL: the query, and names; see build().
 */
#include "fuzz.h"

#include <ctype.h>
#include <jansson.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/page.h"
#include "pe/sample.h"
#include "pe/strbuf.h"

#include "../../src/expose/labels.h"
#include "../../src/web/page/query.h"
#include "../unit/html-check.h"

#define IFACES_MAX    5
#define GROUPS_MAX    3
#define ROW_BYTES     16384 /* include/pe/page.h */
#define FRAME_BYTES   65536 /* around the rows */
#define COLUMNS	      6	    /* of numbers, at the end of a row */
#define METRICS_BYTES 65536 /* of a row of this snapshot */

/* ---- the query, in another way ---- */

/* Percent-decodes in place. False for what is none. */
static bool decode(char *text)
{
	char *to = text;

	for (size_t len; *text; text += len) {
		unsigned int byte = (unsigned char)*text;

		len = 1;
		if (*text == '+')
			byte = ' ';
		if (*text == '%') {
			if (!isxdigit((unsigned char)text[1]) ||
			    !isxdigit((unsigned char)text[2]) ||
			    sscanf(text + 1, "%2x", &byte) != 1 || byte == 0)
				return false;
			len = 3;
		}
		*to++ = (char)byte;
	}
	*to = '\0';
	return true;
}

static bool is_word(const char *value, const char *words)
{
	char word[PE_PAGE_QUERY_MAX + 2];

	snprintf(word, sizeof(word), " %s ", value);
	return !strchr(value, ' ') && *value && strstr(words, word);
}

static bool is_number(const char *value, unsigned long min, unsigned long max)
{
	const size_t zeros = strspn(value, "0");

	return *value && strspn(value, "0123456789") == strlen(value) &&
	       strlen(value + zeros) < 12 && strtoul(value, NULL, 10) >= min &&
	       strtoul(value, NULL, 10) <= max;
}

/* Whether a parameter is one that can be. */
static bool is_fine(const char *name, const char *value)
{
	if (strcmp(name, "view") == 0)
		return is_word(value, " interfaces groups departed ");
	if (strcmp(name, "sort") == 0)
		return !*value ||
		       is_word(value, " traffic name workload master mode in_bits out_bits "
				      "in_packets out_packets unobserved drops retransmits failed "
				      "bytes lived departed "
				      "interfaces ");
	if (strcmp(name, "order") == 0)
		return !*value || is_word(value, " asc desc ");
	if (strcmp(name, "offset") == 0)
		return is_number(value, 0, 1000000);
	if (strcmp(name, "limit") == 0)
		return is_number(value, 1, 1000);
	if (strcmp(name, "open") == 0)
		return is_number(value, 0, INT32_MAX);
	if (strcmp(name, "part") == 0 || strcmp(name, "history") == 0 ||
	    strcmp(name, "metrics") == 0)
		return !*value || is_word(value, " 0 1 ");
	return true;
}

static void check_text(const char *name, const char *value, const char *last)
{
	fuzz_check(strcmp(value, last) == 0, "%s is %s, not %s", name, value, last);
}

struct expected {
	char search[PE_PAGE_QUERY_MAX], workload[PE_PAGE_QUERY_MAX], kind[PE_PAGE_QUERY_MAX];
	unsigned int offset, limit;
	bool fine;
};

static void expect(const char *text, struct expected *ret)
{
	char copy[2 * PE_PAGE_QUERY_MAX], *rest = copy, *pair;

	memset(ret, 0, sizeof(*ret));
	if (strlen(text) > PE_PAGE_QUERY_MAX - 1)
		return;
	strcpy(copy, text);
	ret->fine = true;
	while ((pair = strsep(&rest, "&")) && ret->fine) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = '\0';
		else
			value = pair + strlen(pair);
		ret->fine = decode(pair) && decode(value) && is_fine(pair, value);
		if (strcmp(pair, "search") == 0)
			strcpy(ret->search, value);
		else if (strcmp(pair, "workload") == 0)
			strcpy(ret->workload, value);
		else if (strcmp(pair, "kind") == 0)
			strcpy(ret->kind, value);
		else if (strcmp(pair, "offset") == 0)
			ret->offset = (unsigned int)strtoul(value, NULL, 10);
		else if (strcmp(pair, "limit") == 0)
			ret->limit = (unsigned int)strtoul(value, NULL, 10);
	}
}

/* Returns whether it is one, with what it says. */
static bool check_query(const char *text, struct pe_page_query *ret_query)
{
	struct expected expected;
	struct pe_strbuf again = PE_STRBUF_INIT;
	const char *why = NULL;
	const bool fine = pe_page_query_parse(text, ret_query, &why);

	expect(text, &expected);
	fuzz_check(fine == expected.fine, "%s is %s: %s", text, fine ? "taken" : "refused",
		   why ? why : "");
	if (!fine) {
		fuzz_check(why && *why, "no reason");
		return false;
	}
	check_text("search", ret_query->search, expected.search);
	check_text("workload", ret_query->workload, expected.workload);
	check_text("kind", ret_query->kind, expected.kind);
	fuzz_check(ret_query->offset == expected.offset && ret_query->limit == expected.limit,
		   "other rows");
	pe_page_query_add(&again, ret_query->search);
	pe_strbuf_addc(&again, '\0');
	fuzz_check(decode(again.data), "it encodes what is none");
	check_text("search again", again.data, ret_query->search);
	pe_strbuf_fini(&again);
	return true;
}

/* ---- the snapshot ---- */

static const char *take_text(struct fuzz_input *input, struct pe_snapshot *snapshot, size_t max)
{
	char *text = fuzz_text(input, '\0', max), *kept;

	kept = pe_arena_strdup(snapshot->arena, text, SIZE_MAX - 1);
	fuzz_check(kept, "out of memory");
	free(text);
	return kept;
}

static void take_name(struct fuzz_input *input, char *ret, size_t size)
{
	char *text = fuzz_text(input, '\0', size - 1);

	strcpy(ret, text);
	free(text);
}

static struct pe_identity *take_identity(struct fuzz_input *input, struct pe_snapshot *snapshot)
{
	const struct pe_identity names = {
		.container = take_text(input, snapshot, 255),
		.pod = take_text(input, snapshot, 255),
		.namespace = take_text(input, snapshot, 255),
		.workload = take_text(input, snapshot, 255),
		.image = take_text(input, snapshot, 255),
		.runtime = take_text(input, snapshot, 15),
		.container_id = take_text(input, snapshot, 12),
		.pod_uid = take_text(input, snapshot, 36),
	};
	struct pe_identity *identity;

	fuzz_check(pe_identity_new(&names, &identity) == 0, "out of memory");
	return identity;
}

static void fill_body(struct pe_series_body *body, uint64_t taken_ns, uint64_t seed)
{
	body->created_ns = taken_ns - (seed << 20);
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		body->row[d].class[seed % PE_CLASS_COUNT] =
			(struct pe_count){ seed << (seed & 31), seed << (seed & 47) };
	body->unobserved[PE_INGRESS][PE_UNOBSERVED_LOST].packets = seed & 3;
}

static void take_iface(struct fuzz_input *input, struct pe_snapshot *snapshot, size_t i)
{
	struct pe_iface_sample *iface = &snapshot->ifaces[i];
	const uint8_t bits = fuzz_u8(input);

	/* Names are unique, and sorted. */
	iface->info.name[0] = (char)('a' + i);
	take_name(input, iface->info.name + 1, sizeof(iface->info.name) - 1);
	iface->info.ifindex = (int)i + 1;
	iface->info.mode = (enum pe_mode)(bits % PE_MODE_COUNT);
	iface->info.mode_reason = (enum pe_mode_reason)(bits % PE_REASON_COUNT);
	iface->departed = bits & 0x80;
	iface->departed_ns = iface->departed ? snapshot->taken_ns - bits * PE_NS_PER_S : 0;
	take_name(input, iface->info.kind, sizeof(iface->info.kind));
	take_name(input, iface->info.master, sizeof(iface->info.master));
	iface->info.alias = take_text(input, snapshot, 255);
	iface->info.altnames = take_text(input, snapshot, 255);
	if (bits & 0x40)
		iface->identity = take_identity(input, snapshot);
	fill_body(&iface->body, snapshot->taken_ns, bits);
}

static void take_group(struct fuzz_input *input, struct pe_snapshot *snapshot, size_t i)
{
	struct pe_group_sample *group = &snapshot->groups[i];
	char *kind = pe_arena_alloc(snapshot->arena, 1, 32);

	fuzz_check(kind, "out of memory");
	kind[0] = (char)('a' + i);
	take_name(input, kind + 1, 31);
	for (unsigned int label = 0; label < PE_GROUP_LABELS; label++)
		group->label[label] = label == PE_GROUP_KIND ? kind
				      : snapshot->group_by & PE_GROUP_BIT(label)
					      ? take_text(input, snapshot, 255)
					      : "";
	fill_body(&group->body, snapshot->taken_ns, i + 1);
}

static struct pe_snapshot *build(struct fuzz_input *input, uint8_t bits)
{
	const size_t ifaces = bits % (IFACES_MAX + 1), groups = (bits >> 4) % (GROUPS_MAX + 1);
	struct pe_snapshot *snapshot;

	fuzz_check(pe_snapshot_new(&snapshot) == 0 &&
			   pe_snapshot_alloc_ifaces(snapshot, ifaces) == 0 &&
			   pe_snapshot_alloc_groups(snapshot, groups) == 0,
		   "out of memory");
	snapshot->taken_ns = UINT64_C(1700000000) * PE_NS_PER_S;
	snapshot->group_by = bits & 0x80 ? (1u << PE_GROUP_LABELS) - 1 : PE_GROUP_BY_DEFAULT;
	for (size_t i = 0; i < ifaces; i++)
		take_iface(input, snapshot, i);
	for (size_t i = 0; i < groups; i++)
		take_group(input, snapshot, i);
	return snapshot;
}

/* ---- answers ---- */

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	*ret_snapshot = pe_snapshot_ref(userdata);
	return 0;
}

/* What is asked for. */
struct question {
	struct pe_page *page;
	const struct pe_snapshot *snapshot;
	const char *text;
	struct pe_page_query query;
	int status;
};

/* The answer, with a NUL behind it. */
static void ask(const struct question *question, const char *path, enum pe_page_format format,
		int status, struct pe_strbuf *text)
{
	const size_t row = ROW_BYTES + (question->query.metrics ? METRICS_BYTES : 0);
	const int r = pe_page_answer(question->page, path, question->text, format, text);

	fuzz_check(r == status, "%s?%s: %d", path, question->text, r);
	fuzz_check(text->len <= FRAME_BYTES + (IFACES_MAX + GROUPS_MAX) * row, "%zu bytes",
		   text->len);
	pe_strbuf_addc(text, '\0');
	fuzz_check(text->error == 0 && strlen(text->data) == text->len - 1, "a NUL in it");
}

static void check_page(const struct question *question)
{
	static struct html html;
	struct pe_strbuf text = PE_STRBUF_INIT;

	ask(question, "/", PE_PAGE_HTML, question->status, &text);
	fuzz_check(!*html_check(&html, text.data), "%s", html.error);
	pe_strbuf_fini(&text);
}

/* A row ends with numbers in columns. */
static void check_row(const char *line, size_t len)
{
	const char *p = line + len;

	for (int column = 0; column < COLUMNS; column++) {
		const char *end = p;

		while (p > line && strchr("0123456789.kMGTPE", p[-1]))
			p--;
		fuzz_check(p < end && p > line && p[-1] == ' ', "no number in %.*s", (int)len,
			   line);
		while (p > line && p[-1] == ' ')
			p--;
	}
	fuzz_check(p > line, "no name in %.*s", (int)len, line);
}

static void check_table(const struct question *question, size_t rows)
{
	struct pe_strbuf text = PE_STRBUF_INIT;
	const char *line;

	ask(question, "/", PE_PAGE_TABLE, question->status, &text);
	fuzz_check(pe_utf8_valid(text.data), "not UTF-8");
	for (const char *p = text.data; *p; p++)
		fuzz_check(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f), "a control");
	line = strchr(text.data, '\n') + 1;
	for (size_t row = 0; question->status == 200 && row < rows; row++) {
		const size_t len = strcspn(line, "\n");

		fuzz_check(line[len], "%zu rows of %zu", row, rows);
		check_row(line, len);
		line += len + 1;
	}
	pe_strbuf_fini(&text);
}

static json_t *ask_json(const struct question *question, const char *path, int status)
{
	struct pe_strbuf text = PE_STRBUF_INIT;
	json_error_t error;
	json_t *root;

	ask(question, path, PE_PAGE_JSON, status, &text);
	for (const char *p = text.data; *p; p++)
		fuzz_check(((unsigned char)*p >= ' ' && *p != 0x7f && !strchr("<>", *p)) ||
				   (*p == '\n' && !p[1]),
			   "a control or bracket in JSON");
	root = json_loads(text.data, JSON_REJECT_DUPLICATES, &error);
	fuzz_check(root, "%s: %s", error.text, text.data);
	pe_strbuf_fini(&text);
	return root;
}

/* A member is the label of the text formats. */
static void check_name(const json_t *row, const char *member, const char *name)
{
	const char *value = json_string_value(json_object_get(row, member));
	struct pe_label_set set = { 0 };
	struct pe_strbuf label = PE_STRBUF_INIT;

	pe_label_set_add(&set, "l", name);
	for (size_t i = 3; i < set.text.len - 1; i++) {
		if (set.text.data[i] != '\\')
			pe_strbuf_addc(&label, set.text.data[i]);
		else
			pe_strbuf_addc(&label, set.text.data[++i] == 'n' ? '\n' : set.text.data[i]);
	}
	pe_strbuf_addc(&label, '\0');
	fuzz_check(value && strcmp(value, label.data) == 0, "%s is %s, not %s", member,
		   value ? value : "absent", label.data);
	pe_label_set_fini(&set);
	pe_strbuf_fini(&label);
}

static void check_iface(const struct pe_snapshot *snapshot, const json_t *row)
{
	const json_int_t ifindex = json_integer_value(json_object_get(row, "ifindex"));
	const struct pe_iface_sample *iface = &snapshot->ifaces[ifindex - 1];

	check_name(row, "interface", iface->info.name);
	check_name(row, "alias", iface->info.alias);
	check_name(row, "altnames", iface->info.altnames);
	check_name(row, "kind", iface->info.kind);
	check_name(row, "master", iface->info.master);
	if (!iface->identity)
		return;
	check_name(row, "container", iface->identity->container);
	check_name(row, "pod", iface->identity->pod);
	check_name(row, "workload", iface->identity->workload);
	check_name(row, "image", iface->identity->image);
}

/* Returns how many rows there were. */
static size_t check_json(const struct question *question)
{
	const bool groups = question->query.view == PE_VIEW_GROUPS;
	json_t *root = ask_json(question, groups ? "/api/v1/groups" : "/api/v1/interfaces",
				question->status);
	const json_t *rows = json_object_get(root, groups ? "groups" : "interfaces"), *row;
	const size_t count = json_array_size(rows);
	size_t i;

	fuzz_check((question->status == 200) == !json_object_get(root, "error"),
		   "an error, or none");
	json_array_foreach(rows, i, row)
	{
		if (!groups)
			check_iface(question->snapshot, row);
	}
	json_decref(root);
	return count;
}

static void check_answers(struct pe_page *page, const struct pe_snapshot *snapshot,
			  const char *text)
{
	struct question question = { page, snapshot, text, .status = 200 };

	if (!check_query(text, &question.query)) {
		question.query = (struct pe_page_query){ 0 };
		question.status = 400;
	}
	/* Groups are at their own path. */
	if (question.query.view == PE_VIEW_GROUPS)
		json_decref(ask_json(&question, "/api/v1/interfaces", 400));
	check_table(&question, check_json(&question));
	check_page(&question);
	json_decref(ask_json(&question, "/api/v1/health", question.status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	const uint8_t bits = fuzz_u8(&input);
	char *query = fuzz_text(&input, '\0', PE_PAGE_QUERY_MAX + 8);
	struct pe_snapshot *snapshot = build(&input, bits);
	const struct pe_page_options options = {
		.telemetry_path = "/metrics",
		.snapshot = on_snapshot,
		.userdata = snapshot,
	};
	struct pe_page *page;

	fuzz_check(pe_page_new(&options, &page) == 0, "out of memory");
	check_answers(page, snapshot, query);
	/* Most queries select nothing. */
	check_answers(page, snapshot, bits & 8 ? "history=1&open=1" : "view=departed");
	pe_page_free(page);
	fuzz_check(snapshot->references == 1, "a reference is kept");
	pe_snapshot_unref(snapshot);
	free(query);
	return 0;
}
