/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the push client share about its URL. Pure; any thread. */
#ifndef PE_EXPORT_GROUPING_H
#define PE_EXPORT_GROUPING_H

/*
 * The decoded user and password of a URL, each NULL if it has none. 0, -EINVAL if it is not a URL,
 * -ENOMEM. The caller frees both.
 */
int pe_push_url_credentials(const char *url, char **ret_user, char **ret_password);

#endif
