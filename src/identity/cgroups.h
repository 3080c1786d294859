/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which container a task is of, by the names of its control groups. Pure; any thread. */
#ifndef PE_IDENTITY_CGROUPS_H
#define PE_IDENTITY_CGROUPS_H

#include <stdbool.h>

#include "pe/abi.h"
#include "pe/identity.h"

#define PE_CONTAINER_ID_MAX 65 /* 64 hexadecimal digits, terminated */

enum pe_runtime {
	PE_RUNTIME_UNKNOWN,
	PE_RUNTIME_DOCKER,
	PE_RUNTIME_PODMAN,
	PE_RUNTIME_CONTAINERD,
	PE_RUNTIME_CRIO,
	PE_RUNTIME_LXC,
	PE_RUNTIME_NSPAWN,
	PE_RUNTIMES,
};

/* What is in the names; "" for what is not. */
struct pe_cgroup_match {
	enum pe_runtime runtime;
	char id[PE_CONTAINER_ID_MAX];
	char name[PE_TASK_CGROUP_MAX]; /* of a machine: LXC's, nspawn's */
	char pod_uid[PE_IDENTITY_UID_MAX];
	bool is_pod;  /* of Kubernetes */
	bool is_bare; /* the id alone: Docker's, perhaps, wherever it is configured to put them */
	bool is_podman_pod;
};

/*
 * Looks at the control groups from outside inward: the first that is a container's is meant,
 * because what is further in was made in the container. False if none is.
 */
bool pe_cgroups_match(const struct pe_task_record *record, struct pe_cgroup_match *ret_match);

/* The `runtime` label. */
const char *pe_runtime_name(enum pe_runtime runtime);

#endif
