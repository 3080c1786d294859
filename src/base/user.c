/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pe/user.h. */
#include "pe/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"

#define ENTRY_MAX_BYTES (1u << 20)

/* Uids are 32 bits, and the last one means "none" to setresuid(2). */
static int parse_uid(const char *text, uid_t *ret_uid)
{
	unsigned long long uid;

	if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 10)
		return -EINVAL;
	uid = strtoull(text, NULL, 10);
	if (uid >= (uid_t)-1)
		return -ERANGE;
	*ret_uid = (uid_t)uid;
	return 0;
}

/* By name, or by number if that is NULL. *ret_found is NULL if there is no entry. */
static int look_up(const char *name, uid_t uid, struct passwd *entry, char *buf, size_t size,
		   struct passwd **ret_found)
{
	return name ? -getpwnam_r(name, entry, buf, size, ret_found)
		    : -getpwuid_r(uid, entry, buf, size, ret_found);
}

static int find(const char *name, uid_t uid, struct pe_user *ret_user)
{
	struct passwd entry, *found = NULL;
	int r = -ERANGE;

	/* An entry can be of any length. */
	for (size_t size = 1024; r == -ERANGE && size <= ENTRY_MAX_BYTES; size *= 4) {
		_cleanup_free_ char *buf = malloc(size);

		if (!buf)
			return -ENOMEM;
		r = look_up(name, uid, &entry, buf, size, &found);
		if (r < 0 || !found)
			continue;
		ret_user->uid = found->pw_uid;
		ret_user->gid = found->pw_gid;
		ret_user->name = strdup(found->pw_name);
		return ret_user->name ? 0 : -ENOMEM;
	}
	return r < 0 ? r : -ENOENT;
}

int pe_user_find(const char *name, struct pe_user *ret_user)
{
	uid_t uid = 0;
	int r = parse_uid(name, &uid);

	*ret_user = (struct pe_user){ 0 };
	if (r == -EINVAL)
		return find(name, 0, ret_user);
	if (r < 0)
		return -ENOENT;
	r = find(NULL, uid, ret_user);
	if (r != -ENOENT)
		return r;
	*ret_user = (struct pe_user){ .uid = uid, .gid = uid };
	return 0;
}

void pe_user_fini(struct pe_user *user)
{
	free(user->name);
	*user = (struct pe_user){ 0 };
}
