/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct pe_identity: one allocation, with its texts behind it. */
#include "pe/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cgroups.h"
#include "workload.h"

#define TEXTS 8
#define ALL(names)                                                                           \
	{                                                                                    \
		&(names)->container, &(names)->pod, &(names)->namespace, &(names)->workload, \
			&(names)->image, &(names)->container_id, &(names)->pod_uid,          \
			&(names)->runtime                                                    \
	}

static size_t bound(size_t len)
{
	return len < PE_IDENTITY_NAME_MAX ? len : PE_IDENTITY_NAME_MAX - 1;
}

/* Runtimes, and what is empty, need no memory of their own. */
static const char *shared(const char *text)
{
	if (!text || !*text)
		return "";
	for (enum pe_runtime runtime = 0; runtime < PE_RUNTIMES; runtime++) {
		if (strcmp(text, pe_runtime_name(runtime)) == 0)
			return pe_runtime_name(runtime);
	}
	return NULL;
}

int pe_identity_new(const struct pe_identity *names, struct pe_identity **ret_identity)
{
	const char *const *const from[TEXTS] = ALL(names);
	struct pe_identity *identity;
	size_t size = sizeof(*identity);
	char *text;

	for (unsigned int i = 0; i < TEXTS; i++)
		size += shared(*from[i]) ? 0 : bound(strlen(*from[i])) + 1;
	identity = malloc(size);
	if (!identity)
		return -ENOMEM;
	identity->references = 1;
	text = (char *)(identity + 1);
	const char **const to[TEXTS] = ALL(identity);
	for (unsigned int i = 0; i < TEXTS; i++) {
		size_t len;

		*to[i] = shared(*from[i]);
		if (*to[i])
			continue;
		len = strlen(*from[i]);
		pe_identity_copy(text, bound(len) + 1, *from[i], len);
		*to[i] = text;
		text += strlen(text) + 1;
	}
	*ret_identity = identity;
	return 0;
}

struct pe_identity *pe_identity_ref(struct pe_identity *identity)
{
	__atomic_add_fetch(&identity->references, 1, __ATOMIC_RELAXED);
	return identity;
}

struct pe_identity *pe_identity_unref(struct pe_identity *identity)
{
	if (identity && __atomic_sub_fetch(&identity->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(identity);
	return NULL;
}

bool pe_identity_equal(const struct pe_identity *a, const struct pe_identity *b)
{
	if (!a || !b || a == b)
		return a == b;
	const char *const *const in_a[TEXTS] = ALL(a), *const *const in_b[TEXTS] = ALL(b);
	for (unsigned int i = 0; i < TEXTS; i++) {
		if (strcmp(*in_a[i], *in_b[i]) != 0)
			return false;
	}
	return true;
}

const char *pe_identity_result_name(enum pe_identity_result result)
{
	static const char *const names[PE_IDENTITY_RESULTS] = {
		[PE_IDENTITY_RESOLVED] = "resolved",	 [PE_IDENTITY_LATE] = "late",
		[PE_IDENTITY_NO_PEER] = "no_peer",	 [PE_IDENTITY_NO_TASK] = "no_task",
		[PE_IDENTITY_LOST_EVENT] = "lost_event",
	};

	return names[result];
}
