/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See podman.h. The lists are those of containers/storage: an array of objects with id and names,
 * and with what Podman itself notes as JSON in a text, the image's name among it.
 */
#include "podman.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "jansson.h"
#include "pe/cleanup.h"
#include "workload.h"

/* Containers that do not outlive a restart of the machine have a list of their own. */
static const char *const lists[] = { "containers.json", "volatile-containers.json" };

static void copy(char to[PE_IDENTITY_NAME_MAX], const json_t *value)
{
	const char *text = jansson.string_value(value);

	if (text)
		pe_identity_copy(to, PE_IDENTITY_NAME_MAX, text, strlen(text));
}

static void take(const json_t *container, struct pe_podman_name *name)
{
	const char *text = jansson.string_value(jansson.object_get(container, "metadata"));
	json_t *metadata = NULL;

	if (text)
		(void)pe_jansson_parse(text, strlen(text), &metadata);
	copy(name->container, jansson.array_get(jansson.object_get(container, "names"), 0));
	copy(name->image, jansson.object_get(metadata, "image-name"));
	if (metadata)
		jansson.delete(metadata);
}

int pe_podman_parse(const char *text, size_t len, const char *id, struct pe_podman_name *ret_name)
{
	json_t *root;
	int r = pe_jansson_parse(text, len, &root);

	*ret_name = (struct pe_podman_name){ "", "" };
	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; r < 0 && i < jansson.array_size(root); i++) {
		const json_t *container = jansson.array_get(root, i);
		const char *its = jansson.string_value(jansson.object_get(container, "id"));

		if (its && strcmp(its, id) == 0) {
			take(container, ret_name);
			r = 0;
		}
	}
	jansson.delete(root);
	return r;
}

int pe_podman_find(int folder, const char *id, struct pe_podman_name *ret_name)
{
	int result = -ENOENT;

	*ret_name = (struct pe_podman_name){ "", "" };
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;
		int r = pe_identity_read_file(folder, lists[i], &text, &len);

		if (!r)
			r = pe_podman_parse(text, len, id, ret_name);
		if (!r)
			return 0;
		result = r != -ENOENT ? r : result;
	}
	return result;
}
