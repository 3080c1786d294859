/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people look at: the page, the same as a plain table, and the JSON API (docker/README.md).
 *
 * Pure text: no HTTP here. All of it is made of one sample a second, taken only while somebody
 * looks. Every name in it was chosen by somebody else, and is escaped for where it is shown.
 */
#ifndef PE_PAGE_H
#define PE_PAGE_H

#include <stdbool.h>

#include "pe/encode.h"
#include "pe/strbuf.h"

#define PE_PATH_API "/api/v1/" /* and what follows */

/* What makes something move on a host where nothing does. */
#define PE_PAGE_HINT "docker run --rm busybox ping -c 5 1.1.1.1"

#define PE_PAGE_QUERY_MAX 1024		    /* bytes of a query, with its end */
#define PE_PAGE_LIMIT_MAX 1000		    /* rows of an answer */
#define PE_PAGE_BYTES_MAX ((size_t)4 << 20) /* JSON ends with the row that passes it */

struct pe_page;
struct pe_snapshot;

struct pe_page_options {
	const char *telemetry_path; /* linked to; must outlive the page */
	struct pe_expose_options show;
	/* A snapshot of now, with a reference for the caller. 0 or -errno. Called by whoever asks
	 * for an answer, one at a time. */
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
};

enum pe_page_format {
	PE_PAGE_HTML,
	PE_PAGE_TABLE, /* plain text, for a terminal */
	PE_PAGE_JSON,
};

/* 0 or -ENOMEM. The caller owns *ret_page. */
int pe_page_new(const struct pe_page_options *options, struct pe_page **ret_page);
/* NULL is fine. Returns NULL. */
struct pe_page *pe_page_free(struct pe_page *page);

/* Whether it answers a path: "/" as HTML or as a table, what is below PE_PATH_API as JSON. Pure. */
bool pe_page_has(const char *path, enum pe_page_format format);

/*
 * Appends the answer to a path that pe_page_has(). `query` is what follows the '?', "" if nothing
 * does. Returns 200; or, with a line that says why in the answer's format, 400 for a query that is
 * none or asks for what there cannot be, 404 for an interface that there is not. -ENOMEM, or what
 * snapshot() returned: then what was appended must not be sent. A row is some 1 kB, at most 16 kB
 * with the longest and strangest names, but for the metrics of the API. Any thread; blocks for a
 * snapshot, and while another answer is made.
 */
int pe_page_answer(struct pe_page *page, const char *path, const char *query,
		   enum pe_page_format format, struct pe_strbuf *out);

/* The Content-Security-Policy of the page: a constant of its scripts and styles. Any thread. */
const char *pe_page_policy(const struct pe_page *page);

/* Gives back what nobody has looked at for some seconds. To be called now and then; any thread.
 * Does not block. */
void pe_page_tick(struct pe_page *page);

#endif
