/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where names come from besides the kernel's records: what runtimes keep in files, where these may
 * be read. Opened before privileges are given up. One thread.
 */
#ifndef PE_IDENTITY_SOURCES_H
#define PE_IDENTITY_SOURCES_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "cgroups.h"
#include "docker.h"
#include "names.h"
#include "podman.h"
#include "pods.h"

enum pe_files {
	PE_FILES_DOCKER,
	PE_FILES_PODMAN,
	PE_FILES_PODS,
	PE_FILES,
};

#define PE_ANSWERS 16u

/* What files have said of a container or a pod: namespaces can be made in it by the thousand. */
struct pe_answer {
	char key[PE_CONTAINER_ID_MAX]; /* id or UID */
	uint64_t at_ns;
	union {
		struct pe_podman_name podman;
		struct pe_pod_name pod;
	};
};

struct pe_sources_of_names {
	const struct pe_names *names;
	const struct pe_workload_rule *rules;
	size_t rule_count;
	struct pe_docker *docker; /* NULL: its files are not there or cannot be read */
	int podman;		  /* the folder with its lists; -1 likewise */
	DIR *pods;		  /* NULL likewise */
	int opened[PE_FILES];	  /* 0, or why they could not be opened */
	bool unsaid[PE_FILES];	  /* whether to say so when they are missed */
	struct pe_answer answers[PE_ANSWERS];
};

/* Opens what there is of the files; `names` and the rules are set before. 0 or -ENOMEM. */
int pe_sources_open(struct pe_sources_of_names *sources);
/* Zeroed ones are not fine: `podman` is a descriptor. */
void pe_sources_close(struct pe_sources_of_names *sources);

/* What the files say of the container with this whole id, of the pod with this UID: borrowed until
 * the next call, "" for what is unknown; of Podman and the kubelet it may be a second old. Says
 * once that, and why, they cannot be read. */
struct pe_identity *pe_sources_docker(struct pe_sources_of_names *sources, const char *id);
const struct pe_podman_name *pe_sources_podman(struct pe_sources_of_names *sources, const char *id);
const struct pe_pod_name *pe_sources_pod(struct pe_sources_of_names *sources, const char *uid);

/* The folders with those files; NULL behind the last. Any thread. */
const char *pe_sources_folder(size_t index);

#endif
