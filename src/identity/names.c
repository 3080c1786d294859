/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See names.h. A ring in the order of arrival, which is searched from its newest end: a container
 * is asked for just after it was named.
 */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 512u

struct entry {
	unsigned int kind;
	char *names; /* in this allocation */
	char id[];
};

struct pe_names {
	struct entry *ring[NAMES_MAX];
	unsigned int next;
};

int pe_names_new(struct pe_names **ret_names)
{
	*ret_names = calloc(1, sizeof(**ret_names));
	return *ret_names ? 0 : -ENOMEM;
}

struct pe_names *pe_names_free(struct pe_names *names)
{
	for (unsigned int i = 0; names && i < NAMES_MAX; i++)
		free(names->ring[i]);
	free(names);
	return NULL;
}

static const struct entry *find(const struct pe_names *names, unsigned int kind, const char *id)
{
	for (unsigned int i = 1; i <= NAMES_MAX; i++) {
		const struct entry *entry = names->ring[(names->next - i) % NAMES_MAX];

		if (!entry)
			return NULL;
		if (entry->kind == kind && strcmp(entry->id, id) == 0)
			return entry;
	}
	return NULL;
}

void pe_names_put(struct pe_names *names, const struct pe_task_names *record)
{
	const char *id = (const char *)record->id, *text = (const char *)record->names;
	size_t id_size = strnlen(id, sizeof(record->id) - 1) + 1;
	size_t size = strnlen(text, sizeof(record->names) - 1) + 1;
	struct entry *entry;

	if (!*id || find(names, record->kind, id))
		return;
	entry = malloc(sizeof(*entry) + id_size + size);
	if (!entry)
		return;
	entry->kind = record->kind;
	entry->names = entry->id + id_size;
	memcpy(entry->id, id, id_size);
	memcpy(entry->names, text, size);
	free(names->ring[names->next % NAMES_MAX]);
	names->ring[names->next++ % NAMES_MAX] = entry;
}

/* ---- what they say ---- */

/* "A=x;B=y": the value of one of them. */
static void take_argument(const char *text, const char *name, char ret_value[PE_TASK_ARGS_MAX])
{
	size_t len = strlen(name);

	for (; *text; text += strcspn(text, ";"), text += *text == ';') {
		if (strncmp(text, name, len) == 0 && text[len] == '=') {
			size_t size = strcspn(text + len + 1, ";");

			memcpy(ret_value, text + len + 1, size);
			ret_value[size] = '\0';
			return;
		}
	}
}

bool pe_names_find(const struct pe_names *names, enum pe_task_record_kind kind, const char *id,
		   struct pe_name *ret_name)
{
	const struct entry *entry = *id ? find(names, kind, id) : NULL;

	ret_name->pod[0] = ret_name->namespace[0] = ret_name->container[0] = '\0';
	if (!entry)
		return false;
	if (kind == PE_TASK_NAMES_CNI) {
		take_argument(entry->names, "K8S_POD_NAMESPACE", ret_name->namespace);
		take_argument(entry->names, "K8S_POD_NAME", ret_name->pod);
	} else {
		strcpy(ret_name->container, entry->names);
	}
	return true;
}
