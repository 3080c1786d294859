/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may come in with which password, and who has been let in before.
 *
 * Shared by all threads of the server. pe_users_verify() takes as long as bcrypt is meant to, so
 * it is for a thread that has nothing else to do.
 */
#ifndef PE_WEB_USERS_H
#define PE_WEB_USERS_H

#include <stdbool.h>

#include "web_config.h"

struct crypt_data;
struct pe_users;

/* crypt(3) reads no more; longer ones are never right. */
#define PE_PASSWORD_MAX 512
#define PE_USER_MAX	512

struct pe_credentials {
	char user[PE_USER_MAX];
	char password[PE_PASSWORD_MAX];
};

/*
 * Borrows the configuration for as long as the result lives. Whom `before` (NULL if there is none)
 * has let in, or still will, is known to the result as well, if name and hash are the same. 0 or
 * -ENOMEM, -EIO. The caller owns *ret_users.
 */
int pe_users_new(const struct pe_web_config *config, const struct pe_users *before,
		 struct pe_users **ret_users);

/* NULL is fine. Returns NULL. */
struct pe_users *pe_users_free(struct pe_users *users);

/*
 * Reads the value of an Authorization header (RFC 7617). False if it is none of the Basic scheme,
 * or cannot be anybody's. The caller wipes the result.
 */
bool pe_credentials_parse(const char *header, struct pe_credentials *ret_credentials);

/* True if these were verified before. Does not block for long. */
bool pe_users_recall(struct pe_users *users, const struct pe_credentials *credentials);

/*
 * Hashes and compares; an unknown user takes as long as a wrong password. Whom it lets in it
 * remembers. `scratch` is the caller's, for crypt_rn(3).
 */
bool pe_users_verify(struct pe_users *users, const struct pe_credentials *credentials,
		     struct crypt_data *scratch);

#endif
