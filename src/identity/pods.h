/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kubernetes' pods by their UID, from the names of the folders that the kubelet keeps their logs
 * in, which are there before the pod is: also of those that are older than the exporter. One
 * thread.
 */
#ifndef PE_IDENTITY_PODS_H
#define PE_IDENTITY_PODS_H

#include <dirent.h>
#include <stdbool.h>

#include "pe/identity.h"

/* Terminated, "" for what is unknown. */
struct pe_pod_name {
	char pod[PE_IDENTITY_NAME_MAX];
	char namespace[PE_IDENTITY_NAME_MAX];
};

/* Looks through an open folder from its beginning, some 100 ns each; files in it are not opened. */
bool pe_pods_find(DIR *folder, const char *uid, struct pe_pod_name *ret_name);

/* Likewise for the name of one folder. */
bool pe_pods_parse(const char *folder_name, const char *uid, struct pe_pod_name *ret_name);

#endif
