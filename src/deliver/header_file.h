/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of HTTP headers, "Name: value" a line, for receivers that want to know a tenant
 * (X-Scope-OrgID). Empty lines and those that begin with '#' are ignored. One thread.
 */
#ifndef PE_DELIVER_HEADER_FILE_H
#define PE_DELIVER_HEADER_FILE_H

#include <stddef.h>

#define PE_HEADERS_MAX 32

struct pe_headers {
	char *header[PE_HEADERS_MAX + 1]; /* NULL behind the last one */
	size_t count;
};

/*
 * Reads it; `path` NULL is an empty one. 0; -EINVAL with what is wrong in `error`, one line that
 * shows no value; -ENOMEM. Headers that requests have anyway are refused. The caller ends what is
 * zeroed or was read. Blocks for the file.
 */
int pe_headers_read(const char *path, struct pe_headers *ret_headers, char *error,
		    size_t error_size);
void pe_headers_fini(struct pe_headers *headers);

/* Adds one. 0, -ENOMEM, or -EINVAL if there are too many. */
int pe_headers_add(struct pe_headers *headers, const char *header);

#endif
