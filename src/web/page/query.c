/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See query.h. */
#include "query.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 1000000

#define SORT_WORD(sort, word, is_text) word,
static const char *const sorts[PE_SORTS] = { PE_SORTS_X(SORT_WORD) };

#define SORT_IS_TEXT(sort, word, is_text) is_text,
static const bool text_sorts[PE_SORTS] = { PE_SORTS_X(SORT_IS_TEXT) };

static const char *const views[PE_VIEWS] = {
	[PE_VIEW_INTERFACES] = "interfaces",
	[PE_VIEW_GROUPS] = "groups",
	[PE_VIEW_DEPARTED] = "departed",
};

const char *pe_page_sort_word(enum pe_page_sort sort)
{
	return sorts[sort];
}

bool pe_page_sort_is_text(enum pe_page_sort sort)
{
	return text_sorts[sort];
}

const char *pe_page_view_word(enum pe_page_view view)
{
	return views[view];
}

/* ---- parameters: each reads its value, and knows what it may be ---- */

static bool read_number(const char *value, unsigned int max, unsigned int *ret_number)
{
	unsigned long number;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (*end || errno || number > max)
		return false;
	*ret_number = (unsigned int)number;
	return true;
}

static bool read_word(const char *value, const char *const *words, size_t count,
		      unsigned int *ret_i)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret_i = (unsigned int)i;
			return true;
		}
	}
	return false;
}

static bool read_flag(const char *value, bool *ret_flag)
{
	*ret_flag = strcmp(value, "1") == 0;
	return *ret_flag || strcmp(value, "0") == 0 || !*value;
}

static bool set_view(struct pe_page_query *query, const char *value)
{
	unsigned int i;

	if (!read_word(value, views, PE_VIEWS, &i))
		return false;
	query->view = (enum pe_page_view)i;
	return true;
}

static bool set_sort(struct pe_page_query *query, const char *value)
{
	unsigned int i;

	if (!*value)
		return true;
	if (!read_word(value, sorts, PE_SORTS, &i))
		return false;
	query->sort = (enum pe_page_sort)i;
	query->has_sort = true;
	return true;
}

static bool set_order(struct pe_page_query *query, const char *value)
{
	query->ascending = strcmp(value, "asc") == 0;
	query->has_order = *value;
	return query->ascending || strcmp(value, "desc") == 0 || !*value;
}

static bool set_search(struct pe_page_query *query, const char *value)
{
	strcpy(query->search, value);
	return true;
}

static bool set_workload(struct pe_page_query *query, const char *value)
{
	strcpy(query->workload, value);
	return true;
}

static bool set_kind(struct pe_page_query *query, const char *value)
{
	strcpy(query->kind, value);
	return true;
}

static bool set_offset(struct pe_page_query *query, const char *value)
{
	return read_number(value, NUMBER_MAX, &query->offset);
}

static bool set_limit(struct pe_page_query *query, const char *value)
{
	return read_number(value, PE_PAGE_LIMIT_MAX, &query->limit) && query->limit > 0;
}

static bool set_open(struct pe_page_query *query, const char *value)
{
	unsigned int ifindex;

	if (!read_number(value, INT_MAX, &ifindex))
		return false;
	query->open = (int)ifindex;
	return true;
}

static bool set_part(struct pe_page_query *query, const char *value)
{
	return read_flag(value, &query->part);
}

static bool set_history(struct pe_page_query *query, const char *value)
{
	return read_flag(value, &query->history);
}

static bool set_metrics(struct pe_page_query *query, const char *value)
{
	return read_flag(value, &query->metrics);
}

static const struct {
	const char *name;
	bool (*set)(struct pe_page_query *query, const char *value);
	const char *why;
} parameters[] = {
	{ "view", set_view, "view is interfaces, groups or departed" },
	{ "sort", set_sort, "sort is none of the columns" },
	{ "order", set_order, "order is asc or desc" },
	{ "search", set_search, NULL },
	{ "workload", set_workload, NULL },
	{ "kind", set_kind, NULL },
	{ "offset", set_offset, "offset is a number from 0 to 1000000" },
	{ "limit", set_limit, "limit is a number from 1 to 1000" },
	{ "open", set_open, "open is an ifindex" },
	{ "part", set_part, "part is 0 or 1" },
	{ "history", set_history, "history is 0 or 1" },
	{ "metrics", set_metrics, "metrics is 0 or 1" },
};

/* ---- encoding ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes up to `end` into `out`, which has room for as much and a NUL. False: a NUL, or a '%' that
 * is none. */
static bool decode(const char *text, const char *end, char *out)
{
	for (; text < end; text++) {
		*out = *text == '+' ? ' ' : *text;
		if (*text == '%') {
			int high = end - text > 2 ? hex_digit(text[1]) : -1;
			int low = high >= 0 ? hex_digit(text[2]) : -1;

			if (low < 0 || (high | low) == 0)
				return false;
			*out = (char)(high << 4 | low);
			text += 2;
		}
		out++;
	}
	*out = '\0';
	return true;
}

static bool read_pair(const char *text, const char *end, struct pe_page_query *query,
		      const char **ret_why)
{
	const char *equals = memchr(text, '=', (size_t)(end - text));
	char name[PE_PAGE_QUERY_MAX], value[PE_PAGE_QUERY_MAX] = "";

	*ret_why = "the query is not valid";
	if (!decode(text, equals ? equals : end, name) ||
	    (equals && !decode(equals + 1, end, value)))
		return false;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (strcmp(name, parameters[i].name) != 0)
			continue;
		*ret_why = parameters[i].why;
		return parameters[i].set(query, value);
	}
	return true;
}

bool pe_page_query_parse(const char *text, struct pe_page_query *ret_query, const char **ret_why)
{
	const char *end;

	memset(ret_query, 0, sizeof(*ret_query));
	if (strlen(text) >= PE_PAGE_QUERY_MAX) {
		*ret_why = "the query is too long";
		return false;
	}
	for (; *text; text = *end ? end + 1 : end) {
		end = text + strcspn(text, "&");
		if (end > text && !read_pair(text, end, ret_query, ret_why))
			return false;
	}
	if (!ret_query->has_order)
		ret_query->ascending = text_sorts[ret_query->sort];
	return true;
}

void pe_page_query_add(struct pe_strbuf *out, const char *value)
{
	for (; *value; value++) {
		if ((*value >= '0' && *value <= '9') || (*value >= 'A' && *value <= 'Z') ||
		    (*value >= 'a' && *value <= 'z') || strchr("-._~", *value))
			pe_strbuf_addc(out, *value);
		else
			pe_strbuf_addf(out, "%%%02X", (unsigned char)*value);
	}
}
