/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the push sink share about its URL. Pure; any thread. */
#ifndef PE_DELIVER_GROUPING_H
#define PE_DELIVER_GROUPING_H

#include "pe/push.h"

/*
 * The decoded user and password of a URL, each NULL if it has none. 0, -EINVAL if it is not a URL,
 * -ENOMEM. The caller frees both.
 */
int pe_push_url_credentials(const char *url, char **ret_user, char **ret_password);

/*
 * The address of a group, but for the instance: what is before it and behind it. 0, or -EINVAL or
 * -ENOMEM. The caller frees both.
 */
int pe_push_address_parts(const struct pe_push_options *options, char **ret_before,
			  char **ret_after);

/* And the whole of it, which the caller frees; NULL if memory is refused. */
char *pe_push_address(const char *before, const char *instance, const char *after);

/* A URL without credentials, query and a slash at the end. 0, -EINVAL or -ENOMEM. The caller frees.
 */
int pe_push_bare_url(const char *url, char **ret_bare);

#endif
