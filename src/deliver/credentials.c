/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See credentials.h. */
#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"

#define SECRET_BYTES_MAX 4096

static int copy_string(char **ret_copy, const char *text)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

int pe_credentials_init(struct pe_credentials *credentials, const char *username,
			const char *password, const char *password_file, const char *token_file)
{
	int r = copy_string(&credentials->username, username);

	if (r == 0)
		r = copy_string(&credentials->password, password ? password : "");
	if (r == 0)
		r = copy_string(&credentials->password_file, password_file);
	if (r == 0)
		r = copy_string(&credentials->token_file, token_file);
	return r;
}

void pe_credentials_fini(struct pe_credentials *credentials)
{
	free(credentials->username);
	free(credentials->password);
	free(credentials->password_file);
	free(credentials->token_file);
	*credentials = (struct pe_credentials){ 0 };
}

/* Reads a small regular file whole, without one newline at its end. */
static int read_secret(const char *path, char secret[static SECRET_BYTES_MAX + 2])
{
	/* Not blocking: there may be a FIFO. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const size_t max = SECRET_BYTES_MAX + 1;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (len < max) {
		ssize_t n = read(fd, secret + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > SECRET_BYTES_MAX)
		return -EFBIG;
	if (len > 0 && secret[len - 1] == '\n')
		len--;
	secret[len] = '\0';
	return strlen(secret) == len ? 0 : -EILSEQ;
}

/* A line break would let the token's file write headers of its own. */
static bool is_header_value(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int set_basic(CURL *easy, const char *username, const char *password)
{
	CURLcode rc = libcurl.easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);

	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(easy, CURLOPT_USERNAME, username);
	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(easy, CURLOPT_PASSWORD, password);
	return rc == CURLE_OK ? 0 : -ENOMEM;
}

static int set_bearer(CURL *easy, const char *token)
{
	CURLcode rc = libcurl.easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);

	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, token);
	return rc == CURLE_OK ? 0 : -ENOMEM;
}

int pe_credentials_set(const struct pe_credentials *credentials, CURL *easy,
		       struct pe_outcome *outcome)
{
	const char *path = credentials->token_file ? credentials->token_file
						   : credentials->password_file;
	char secret[SECRET_BYTES_MAX + 2];
	int r = 0;

	if (path)
		r = read_secret(path, secret);
	if (r == 0 && credentials->token_file)
		r = is_header_value(secret) ? set_bearer(easy, secret) : -EILSEQ;
	else if (r == 0 && credentials->username)
		r = set_basic(easy, credentials->username,
			      credentials->password_file ? secret : credentials->password);
	if (r < 0) {
		errno = -r;
		pe_outcome_fail(outcome, PE_SINK_NETWORK, r, "cannot use credentials%s%s: %m",
				path ? " of " : "", path ? path : "");
	}
	return r;
}
