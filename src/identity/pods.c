/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pods.h. */
#include "pods.h"

#include <string.h>

#include "workload.h"

/* A node has some hundred. */
#define PODS_MAX 8192

/* "NAMESPACE_POD_UID"; none of the three has a '_'. */
bool pe_pods_parse(const char *folder_name, const char *uid, struct pe_pod_name *ret_name)
{
	const char *pod = strchr(folder_name, '_'), *end = strrchr(folder_name, '_');

	*ret_name = (struct pe_pod_name){ "", "" };
	if (!*uid || !pod || end <= pod + 1 || pod == folder_name || strcmp(end + 1, uid) != 0)
		return false;
	pe_identity_copy(ret_name->namespace, PE_IDENTITY_NAME_MAX, folder_name,
			 (size_t)(pod - folder_name));
	pe_identity_copy(ret_name->pod, PE_IDENTITY_NAME_MAX, pod + 1, (size_t)(end - pod - 1));
	return true;
}

bool pe_pods_find(DIR *folder, const char *uid, struct pe_pod_name *ret_name)
{
	struct dirent *entry;

	*ret_name = (struct pe_pod_name){ "", "" };
	rewinddir(folder);
	for (int i = 0; i < PODS_MAX && (entry = readdir(folder)); i++) {
		if (pe_pods_parse(entry->d_name, uid, ret_name))
			return true;
	}
	return false;
}
