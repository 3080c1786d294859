/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct pe_identity: one allocation, with its texts behind it. */
#include "pe/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS 8
#define ALL(names)                                                                           \
	{                                                                                    \
		&(names)->container, &(names)->pod, &(names)->namespace, &(names)->workload, \
			&(names)->image, &(names)->runtime, &(names)->container_id,          \
			&(names)->pod_uid                                                    \
	}

static size_t length(const char *text)
{
	return text ? strnlen(text, PE_IDENTITY_NAME_MAX - 1) : 0;
}

int pe_identity_new(const struct pe_identity *names, struct pe_identity **ret_identity)
{
	const char *const *const from[TEXTS] = ALL(names);
	struct pe_identity *identity;
	size_t size = sizeof(*identity) + TEXTS;
	char *text;

	for (unsigned int i = 0; i < TEXTS; i++)
		size += length(*from[i]);
	identity = calloc(1, size);
	if (!identity)
		return -ENOMEM;
	identity->references = 1;
	text = (char *)(identity + 1);
	const char **const to[TEXTS] = ALL(identity);
	for (unsigned int i = 0; i < TEXTS; i++) {
		if (*from[i])
			memcpy(text, *from[i], length(*from[i]));
		*to[i] = text;
		text += length(*from[i]) + 1;
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
