/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See header_file.h. */
#include "header_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"

#define FILE_BYTES_MAX 16384

static void cleanup_headers(struct pe_headers *headers)
{
	pe_headers_fini(headers);
}

/* What requests have anyway, or what would change how they are framed. */
static bool is_reserved(const char *name, size_t len)
{
	static const char *const reserved[] = {
		"Accept-Encoding",
		"Authorization",
		"Connection",
		"Content-Encoding",
		"Content-Length",
		"Content-Type",
		"Expect",
		"Host",
		"Proxy-Authorization",
		"TE",
		"Trailer",
		"Transfer-Encoding",
		"Upgrade",
		"User-Agent",
		"X-Prometheus-Remote-Write-Version",
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (strlen(reserved[i]) == len && strncasecmp(reserved[i], name, len) == 0)
			return true;
	return false;
}

/* RFC 9110: a token, a colon, and no control characters. */
static int check_header(const char *line, size_t number, char *error, size_t size)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const size_t len = strspn(line, token);
	const char *value = line + len + 1;

	if (len == 0 || line[len] != ':' || value[strspn(value, " \t")] == '\0') {
		snprintf(error, size, "line %zu is not \"Name: value\"", number);
		return -EINVAL;
	}
	for (; *value; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f) {
			snprintf(error, size, "line %zu has a control character", number);
			return -EINVAL;
		}
	if (!is_reserved(line, len))
		return 0;
	snprintf(error, size, "line %zu: the exporter sends the header %.*s itself", number,
		 (int)len, line);
	return -EINVAL;
}

int pe_headers_add(struct pe_headers *headers, const char *header)
{
	if (headers->count == PE_HEADERS_MAX)
		return -EINVAL;
	headers->header[headers->count] = strdup(header);
	if (!headers->header[headers->count])
		return -ENOMEM;
	headers->count++;
	return 0;
}

void pe_headers_fini(struct pe_headers *headers)
{
	for (size_t i = 0; i < headers->count; i++)
		free(headers->header[i]);
	*headers = (struct pe_headers){ 0 };
}

/* The whole of a small regular file, terminated. */
static int read_file(const char *path, char text[static FILE_BYTES_MAX + 1])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while ((n = read(fd, text + len, FILE_BYTES_MAX + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > FILE_BYTES_MAX)
			return -EFBIG;
	}
	text[len] = '\0';
	return strlen(text) == len ? 0 : -EILSEQ;
}

static int parse(char *text, struct pe_headers *headers, char *error, size_t size)
{
	size_t number = 0;
	int r = 0;

	for (char *line; r == 0 && (line = strsep(&text, "\n"));) {
		const size_t len = strlen(line);

		number++;
		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		r = check_header(line, number, error, size);
		if (r == 0)
			r = pe_headers_add(headers, line);
		if (r == -EINVAL && headers->count == PE_HEADERS_MAX)
			snprintf(error, size, "more than %d headers", PE_HEADERS_MAX);
	}
	return r;
}

int pe_headers_read(const char *path, struct pe_headers *ret_headers, char *error,
		    size_t error_size)
{
	_cleanup_(cleanup_headers) struct pe_headers headers = { 0 };
	_cleanup_free_ char *text = path ? malloc(FILE_BYTES_MAX + 2) : NULL;
	int r = 0;

	if (path && !text)
		return -ENOMEM;
	if (path)
		r = read_file(path, text);
	if (r < 0) {
		snprintf(error, error_size, "cannot be read: %s", strerror(-r));
		return -EINVAL;
	}
	if (path)
		r = parse(text, &headers, error, error_size);
	if (r < 0)
		return r;
	*ret_headers = headers;
	headers = (struct pe_headers){ 0 };
	return 0;
}
