/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See push_group.h. */
#include "push_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/log.h"
#include "pe/utf8.h"

#include "grouping.h"

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

int pe_push_group_init(struct pe_push_group *group, const struct pe_push_options *options)
{
	int r = pe_push_address_parts(options, &group->url_before, &group->url_after);

	if (r < 0)
		return r;
	group->url = pe_push_address(group->url_before, options->instance, group->url_after);
	if (!group->url)
		return -ENOMEM;
	if (options->instance_is_host && strlen(options->instance) < sizeof(group->instance)) {
		group->follows = true;
		strcpy(group->instance, options->instance);
	}
	return 0;
}

static void forget_left(struct pe_push_group *group)
{
	free(group->left);
	group->left = NULL;
}

void pe_push_group_fini(struct pe_push_group *group)
{
	forget_left(group);
	free(group->url);
	free(group->url_before);
	free(group->url_after);
	*group = (struct pe_push_group){ 0 };
}

/* `url` is taken over. */
static void turn(struct pe_push_group *group, const char *name, char *url)
{
	_cleanup_free_ char *left = group->url;

	group->url = url;
	pe_info(subsystem, "the host's name has changed from %s to %s: pushing to %s%s%s",
		group->instance, name, url, group->stored ? ", and then deleting " : "",
		group->stored ? left : "");
	strcpy(group->instance, name);
	if (!group->stored)
		return;
	if (group->left)
		pe_warn(subsystem, "%s stays at the gateway: it could not be deleted in time",
			group->left);
	free(group->left);
	group->left = PE_TAKE_PTR(left);
	group->stored = false;
}

void pe_push_group_follow(struct pe_push_group *group, bool reload)
{
	char name[PE_PUSH_HOST_MAX];
	char *url;

	if (!group->follows || (!reload && !pe_push_is_placeholder(group->instance)))
		return;
	pe_push_host_name(name);
	if (strcmp(name, group->instance) == 0)
		return;
	if (!pe_utf8_valid(name)) {
		pe_debug(subsystem, "the host's new name is not valid UTF-8, so the group stays");
		return;
	}
	url = pe_push_address(group->url_before, name, group->url_after);
	if (url)
		turn(group, name, url);
}

const char *pe_push_group_left(struct pe_push_group *group)
{
	group->stored = true;
	/* Back to where it came from: that is the group at hand now. */
	if (group->left && strcmp(group->left, group->url) == 0)
		forget_left(group);
	return group->left;
}

void pe_push_group_deleted(struct pe_push_group *group, const struct pe_outcome *outcome)
{
	/* What the gateway refuses to delete is not tried again. */
	if (outcome->cancelled || outcome->result == PE_SINK_NETWORK ||
	    outcome->result == PE_SINK_SERVER) {
		pe_debug(subsystem, "cannot delete %s yet: %s", group->left, outcome->reason);
		return;
	}
	if (outcome->result == PE_SINK_REJECTED)
		pe_warn(subsystem, "%s stays at the gateway, which refuses to delete it: %s",
			group->left, outcome->reason);
	forget_left(group);
}
