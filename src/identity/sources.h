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

enum pe_files {
	PE_FILES_DOCKER,
	PE_FILES_PODMAN,
	PE_FILES_PODS,
	PE_FILES,
};

struct pe_sources_of_names {
	const struct pe_names *names;
	const struct pe_workload_rule *rules;
	size_t rule_count;
	struct pe_docker *docker; /* NULL: its files are not there or cannot be read */
	int podman;		  /* the folder with its lists; -1 likewise */
	DIR *pods;		  /* NULL likewise */
	bool unsaid[PE_FILES];	  /* whether to say so when they are missed */
};

/* Opens what there is of the files; `names` and the rules are set before. 0 or -ENOMEM. */
int pe_sources_open(struct pe_sources_of_names *sources);
/* Zeroed ones are not fine: `podman` is a descriptor. */
void pe_sources_close(struct pe_sources_of_names *sources);

/* A container is here whose names are in files that cannot be read: says so, once. */
void pe_sources_miss(struct pe_sources_of_names *sources, enum pe_files files);

/* The folders with those files; NULL behind the last. Any thread. */
const char *pe_sources_folder(size_t index);

#endif
