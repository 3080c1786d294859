/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked for: the query of a URL. Pure, bounded by its length. */
#ifndef PE_WEB_PAGE_QUERY_H
#define PE_WEB_PAGE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/page.h"

enum pe_page_view {
	PE_VIEW_INTERFACES, /* live ones */
	PE_VIEW_GROUPS,
	PE_VIEW_DEPARTED,
	PE_VIEWS,
};

/* What rows can be sorted by: X(enum pe_page_sort without its prefix, its word in a query). */
#define PE_SORTS_X(X)                 \
	X(TRAFFIC, "traffic")         \
	X(NAME, "name")               \
	X(WORKLOAD, "workload")       \
	X(MASTER, "master")           \
	X(MODE, "mode")               \
	X(IN_BITS, "in_bits")         \
	X(OUT_BITS, "out_bits")       \
	X(IN_PACKETS, "in_packets")   \
	X(OUT_PACKETS, "out_packets") \
	X(UNOBSERVED, "unobserved")   \
	X(DROPS, "drops")             \
	X(BYTES, "bytes")             \
	X(LIVED, "lived")             \
	X(DEPARTED, "departed")       \
	X(INTERFACES, "interfaces")

#define PE_SORT_ENUM(sort, word) PE_SORT_##sort,
enum pe_page_sort {
	PE_SORTS_X(PE_SORT_ENUM) PE_SORTS,
};

struct pe_page_query {
	enum pe_page_view view;
	enum pe_page_sort sort;
	bool ascending;
	bool has_sort;			  /* somebody chose */
	char search[PE_PAGE_QUERY_MAX];	  /* part of any name; "" for all */
	char workload[PE_PAGE_QUERY_MAX]; /* part of a workload, namespace or pod */
	char kind[PE_PAGE_QUERY_MAX];	  /* the whole word; "none" is hardware */
	unsigned int offset, limit;	  /* limit 0: not given */
	int open;			  /* ifindex of the row with details, 0 for none */
	bool part;			  /* of the page: only what changes */
	bool history, metrics;		  /* of the API: further members */
};

/*
 * Reads `text`, pairs NAME=VALUE as of a form (application/x-www-form-urlencoded,
 * https://url.spec.whatwg.org/#concept-urlencoded-parser); unknown names are ignored. False, with a
 * sentence that names the parameter in *ret_why, for a value that it cannot have. Neither a NUL nor
 * a value that is too long can be in a query.
 */
bool pe_page_query_parse(const char *text, struct pe_page_query *ret_query, const char **ret_why);

/* The word of a sort or a view. */
const char *pe_page_sort_word(enum pe_page_sort sort);
const char *pe_page_view_word(enum pe_page_view view);

/* Appends a value, encoded for a query. */
struct pe_strbuf;
void pe_page_query_add(struct pe_strbuf *out, const char *value);

#endif
