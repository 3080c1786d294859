/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a sink authenticates: basic authentication or a bearer token. Secrets in files are read
 * before each request: they are rotated while the exporter runs. One thread at a time.
 */
#ifndef PE_DELIVER_CREDENTIALS_H
#define PE_DELIVER_CREDENTIALS_H

#include "libcurl.h"
#include "outcome.h"

struct pe_credentials {
	char *username;
	char *password;
	char *password_file;
	char *token_file;
};

/* Each may be NULL; a password needs a user name, "" if there is none. Strings are copied. 0 or
 * -ENOMEM, which leaves what pe_credentials_fini() frees. */
int pe_credentials_init(struct pe_credentials *credentials, const char *username,
			const char *password, const char *password_file, const char *token_file);
/* Zeroed credentials are fine. */
void pe_credentials_fini(struct pe_credentials *credentials);

/* Sets them for the next request of `easy`. 0; or -errno and a failure in *outcome, if a file
 * cannot be used or memory is refused. Blocks for the file. */
int pe_credentials_set(const struct pe_credentials *credentials, CURL *easy,
		       struct pe_outcome *outcome);

#endif
