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

/* What rows can be sorted by: X(enum pe_page_sort without its prefix, its word in a query, whether
 * it is a text, which begins with "a" unless the query has an order; numbers begin with the
 * largest). */
#define PE_SORTS_X(X)                    \
	X(TRAFFIC, "traffic", 0)         \
	X(NAME, "name", 1)               \
	X(WORKLOAD, "workload", 1)       \
	X(MASTER, "master", 1)           \
	X(MODE, "mode", 1)               \
	X(IN_BITS, "in_bits", 0)         \
	X(OUT_BITS, "out_bits", 0)       \
	X(IN_PACKETS, "in_packets", 0)   \
	X(OUT_PACKETS, "out_packets", 0) \
	X(UNOBSERVED, "unobserved", 0)   \
	X(DROPS, "drops", 0)             \
	X(RETRANSMITS, "retransmits", 0) \
	X(FAILED, "failed", 0)           \
	X(BYTES, "bytes", 0)             \
	X(LIVED, "lived", 0)             \
	X(DEPARTED, "departed", 0)       \
	X(INTERFACES, "interfaces", 0)

#define PE_SORT_ENUM(sort, word, is_text) PE_SORT_##sort,
enum pe_page_sort {
	PE_SORTS_X(PE_SORT_ENUM) PE_SORTS,
};

struct pe_page_query {
	enum pe_page_view view;
	enum pe_page_sort sort;
	bool has_sort; /* somebody chose */
	bool ascending, has_order;
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
 * https://url.spec.whatwg.org/#concept-urlencoded-parser); unknown names are ignored, of two equal
 * ones the later counts. False, with a sentence in *ret_why, for a parameter with a value that it
 * cannot have, a '%' that does not begin a byte, a NUL, and PE_PAGE_QUERY_MAX bytes or more.
 */
bool pe_page_query_parse(const char *text, struct pe_page_query *ret_query, const char **ret_why);

/* The word of a sort or a view. */
const char *pe_page_sort_word(enum pe_page_sort sort);
bool pe_page_sort_is_text(enum pe_page_sort sort);
const char *pe_page_view_word(enum pe_page_view view);

/* Appends a value, encoded for a query. */
struct pe_strbuf;
void pe_page_query_add(struct pe_strbuf *out, const char *value);

#endif
