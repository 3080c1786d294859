/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group that is pushed to, where its instance is the host's name: a host may get its name long
 * after the exporter has started, from DHCP or cloud-init, and may be renamed.
 *
 * A group that is left is deleted once the new one has been stored, so that no series is there
 * twice; but only if this process has pushed it. The push thread alone.
 */
#ifndef PE_EXPORT_PUSH_GROUP_H
#define PE_EXPORT_PUSH_GROUP_H

#include "push_request.h"

struct pe_push_group {
	bool follows; /* the host's name */
	bool stored;  /* at least once, by us */
	char instance[PE_PUSH_HOST_MAX];
	char *left; /* address of a group that is still to be deleted, NULL if none */
};

/* A zeroed group is a group that never changes. */
void pe_push_group_init(struct pe_push_group *group, const struct pe_push_options *options);
void pe_push_group_fini(struct pe_push_group *group);

/*
 * Turns the request to another group if the host has another name. The host is asked if `asked`,
 * and else while it has only a name that it has from before it gets one. Not to be called while a
 * push may still arrive at the group that would be left.
 */
void pe_push_group_follow(struct pe_push_group *group, struct pe_request *request, bool asked);

/* After a push was stored: deletes the group that was left. True if there was one, and
 * *ret_outcome says how that went; what fails is tried again with the next call. */
bool pe_push_group_leave(struct pe_push_group *group, struct pe_request *request,
			 uint64_t deadline_ns, struct pe_outcome *ret_outcome);

#endif
