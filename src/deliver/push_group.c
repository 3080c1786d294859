/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See push_group.h. */
#include "push_group.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/log.h"
#include "pe/utf8.h"

static const char subsystem[] = "push";

void pe_push_host_name(char ret_name[static PE_PUSH_HOST_MAX])
{
	ret_name[0] = '\0';
	if (gethostname(ret_name, PE_PUSH_HOST_MAX) < 0)
		ret_name[0] = '\0';
	ret_name[PE_PUSH_HOST_MAX - 1] = '\0';
	/* A group must not have an empty instance. */
	if (!*ret_name)
		strcpy(ret_name, "localhost");
}

bool pe_push_is_placeholder(const char *name)
{
	/* The second is what distributions' installers leave, the third the kernel's default. */
	static const char *const names[] = { "localhost", "localhost.localdomain", "(none)" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

void pe_push_group_init(struct pe_push_group *group, const struct pe_push_options *options)
{
	if (!options->instance_is_host || strlen(options->instance) >= sizeof(group->instance))
		return;
	group->follows = true;
	strcpy(group->instance, options->instance);
}

void pe_push_group_fini(struct pe_push_group *group)
{
	free(group->left);
	group->left = NULL;
}

/* The request has turned; `left` is taken over. */
static void turn(struct pe_push_group *group, struct pe_request *request, const char *name,
		 char *left)
{
	pe_info(subsystem, "the host's name has changed from %s to %s: pushing to %s%s%s",
		group->instance, name, pe_request_url(request),
		group->stored ? ", and then deleting " : "", group->stored ? left : "");
	if (!group->stored) {
		free(left);
		return;
	}
	if (group->left)
		pe_warn(subsystem, "%s stays at the gateway: it could not be deleted in time",
			group->left);
	free(group->left);
	group->left = left;
	group->stored = false;
}

void pe_push_group_follow(struct pe_push_group *group, struct pe_request *request, bool asked)
{
	char name[PE_PUSH_HOST_MAX];
	char *left = NULL;

	if (!group->follows || (!asked && !pe_push_is_placeholder(group->instance)))
		return;
	pe_push_host_name(name);
	if (strcmp(name, group->instance) == 0)
		return;
	if (!pe_utf8_valid(name)) {
		pe_debug(subsystem, "the host's new name is not valid UTF-8, so the group stays");
		return;
	}
	if (pe_request_turn(request, name, &left) < 0)
		return;
	turn(group, request, name, left);
	strcpy(group->instance, name);
}

bool pe_push_group_leave(struct pe_push_group *group, struct pe_request *request,
			 uint64_t deadline_ns, struct pe_outcome *ret_outcome)
{
	group->stored = true;
	if (!group->left)
		return false;
	/* Back to where it came from: that is the group at hand now. */
	if (strcmp(group->left, pe_request_url(request)) == 0) {
		pe_push_group_fini(group);
		return false;
	}
	pe_request_delete_at(request, group->left, deadline_ns, ret_outcome);
	/* What the gateway refuses is not asked for again. */
	if (ret_outcome->cancelled || ret_outcome->result == PE_PUSH_NETWORK ||
	    ret_outcome->result == PE_PUSH_SERVER) {
		pe_debug(subsystem, "cannot delete %s yet: %s", group->left, ret_outcome->reason);
		return true;
	}
	if (ret_outcome->result == PE_PUSH_REJECTED)
		pe_warn(subsystem, "%s stays at the gateway, which refuses to delete it: %s",
			group->left, ret_outcome->reason);
	pe_push_group_fini(group);
	return true;
}
