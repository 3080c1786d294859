/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group that is pushed to. Where its instance is the host's name it follows that: a host may
 * get its name long after the exporter has started, from DHCP or cloud-init, and may be renamed.
 *
 * A group that is left is deleted once the new one has been stored, so that no series is there
 * twice; but only if this process has pushed it. The push thread alone.
 */
#ifndef PE_DELIVER_PUSH_GROUP_H
#define PE_DELIVER_PUSH_GROUP_H

#include "pe/push.h"

#include "outcome.h"

struct pe_push_group {
	char *url;
	char *url_before, *url_after; /* what is around the instance */
	bool follows;		      /* the host's name */
	bool stored;		      /* at least once, by us */
	char instance[PE_PUSH_HOST_MAX];
	char *left; /* address of a group that is still to be deleted, NULL if none */
};

/* Options must have passed pe_push_check(). 0; -EINVAL or -ENOMEM, which leave what
 * pe_push_group_fini() frees. */
int pe_push_group_init(struct pe_push_group *group, const struct pe_push_options *options);
/* A zeroed group is fine. */
void pe_push_group_fini(struct pe_push_group *group);

/*
 * Turns to another group if the host has another name. The host's name is read if `reload`, and
 * else while it has only a name that it has from before it gets one. Not to be called while a push
 * may still arrive at the group that would be left.
 */
void pe_push_group_follow(struct pe_push_group *group, bool reload);

/* After a push was stored: the address of the group that was left and is to be deleted now, or
 * NULL. It lives until the next call. */
const char *pe_push_group_left(struct pe_push_group *group);

/* The deletion ended so; what failed is tried again after the next push. */
void pe_push_group_deleted(struct pe_push_group *group, const struct pe_outcome *outcome);

#endif
