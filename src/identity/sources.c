/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sources.h. */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/log.h"

static const struct {
	const char *path;
	enum pe_files files;
} folders[] = {
	{ "/var/lib/docker/containers", PE_FILES_DOCKER },
	{ "/var/snap/docker/common/var-lib-docker/containers", PE_FILES_DOCKER },
	{ "/var/lib/containers/storage/overlay-containers", PE_FILES_PODMAN },
	{ "/var/lib/containers/storage/vfs-containers", PE_FILES_PODMAN },
	{ "/var/lib/containers/storage/btrfs-containers", PE_FILES_PODMAN },
	{ "/var/log/pods", PE_FILES_PODS },
};
#define FOLDERS (sizeof(folders) / sizeof(*folders))

static const struct {
	const char *who, *path;
} missed[PE_FILES] = {
	[PE_FILES_DOCKER] = { "Docker's containers have no names, images and workloads",
			      "/var/lib/docker/containers" },
	[PE_FILES_PODMAN] = { "Podman's containers have no images and workloads, and those that "
			      "are "
			      "older than the exporter no names",
			      "/var/lib/containers/storage" },
	[PE_FILES_PODS] = { "pods that are older than the exporter have no namespaces",
			    "/var/log/pods" },
};

const char *pe_sources_folder(size_t index)
{
	return index < FOLDERS ? folders[index].path : NULL;
}

static int open_docker(struct pe_sources_of_names *sources, const char *path)
{
	return sources->docker
		       ? 0
		       : pe_docker_new(path, sources->rules, sources->rule_count, &sources->docker);
}

static int open_podman(struct pe_sources_of_names *sources, const char *path)
{
	if (sources->podman < 0)
		sources->podman = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sources->podman < 0 ? -errno : 0;
}

static int open_pods(struct pe_sources_of_names *sources, const char *path)
{
	sources->pods = opendir(path);
	return sources->pods ? 0 : -errno;
}

int pe_sources_open(struct pe_sources_of_names *sources)
{
	static int (*const open_files[PE_FILES])(struct pe_sources_of_names *, const char *) = {
		[PE_FILES_DOCKER] = open_docker,
		[PE_FILES_PODMAN] = open_podman,
		[PE_FILES_PODS] = open_pods,
	};

	for (size_t i = 0; i < FOLDERS; i++) {
		int r = open_files[folders[i].files](sources, folders[i].path);
		int *opened = &sources->opened[folders[i].files];

		if (r == -ENOMEM)
			return r;
		/* That one of several is not there says less than why another is not read. */
		if (r == 0 || *opened == 0 || *opened == -ENOENT)
			*opened = r;
	}
	for (enum pe_files i = 0; i < PE_FILES; i++)
		sources->unsaid[i] = true;
	return 0;
}

void pe_sources_close(struct pe_sources_of_names *sources)
{
	pe_docker_free(sources->docker);
	if (sources->podman >= 0)
		close(sources->podman);
	if (sources->pods)
		closedir(sources->pods);
}

static const char *remedy(int r)
{
	if (r == -ENOENT)
		return "; in a container it has to be a volume";
	return r == -EACCES ? "; it takes user 0" : "";
}

/* Once. */
static void miss(struct pe_sources_of_names *sources, enum pe_files files, int r)
{
	if (!sources->unsaid[files])
		return;
	sources->unsaid[files] = false;
	pe_info("identity", "%s: %s cannot be read: %s%s", missed[files].who, missed[files].path,
		strerror(-r), remedy(r));
}

/* What is not in them, or has gone meanwhile, is nothing to speak of. */
static bool is_failure(int r)
{
	return r < 0 && r != -ENOENT && r != -EAGAIN;
}

struct pe_identity *pe_sources_docker(struct pe_sources_of_names *sources, const char *id)
{
	struct pe_identity *identity = NULL;
	int r = sources->opened[PE_FILES_DOCKER];

	if (r < 0)
		miss(sources, PE_FILES_DOCKER, r);
	if (!sources->docker)
		return NULL;
	r = pe_docker_find(sources->docker, id, &identity);
	if (is_failure(r))
		miss(sources, PE_FILES_DOCKER, r);
	return identity;
}

/* The answer of within a second, or else one to fill. */
static struct pe_answer *find_answer(struct pe_sources_of_names *sources, const char *key,
				     bool *ret_known)
{
	const uint64_t now = pe_clock_monotonic_ns();
	unsigned int at = 0;
	struct pe_answer *answer;

	for (const char *c = key; *c; c++)
		at = at * 31 + (unsigned char)*c;
	answer = &sources->answers[at % PE_ANSWERS];
	*ret_known = strcmp(answer->key, key) == 0 && now - answer->at_ns < PE_NS_PER_S;
	snprintf(answer->key, sizeof(answer->key), "%s", key);
	answer->at_ns = *ret_known ? answer->at_ns : now;
	return answer;
}

const struct pe_podman_name *pe_sources_podman(struct pe_sources_of_names *sources, const char *id)
{
	bool is_known;
	struct pe_answer *answer = find_answer(sources, id, &is_known);
	int r = sources->opened[PE_FILES_PODMAN];

	if (is_known)
		return &answer->podman;
	answer->podman = (struct pe_podman_name){ "", "" };
	if (r < 0)
		miss(sources, PE_FILES_PODMAN, r);
	if (sources->podman < 0)
		return &answer->podman;
	r = pe_podman_find(sources->podman, id, &answer->podman);
	if (is_failure(r))
		miss(sources, PE_FILES_PODMAN, r);
	return &answer->podman;
}

const struct pe_pod_name *pe_sources_pod(struct pe_sources_of_names *sources, const char *uid)
{
	bool is_known;
	struct pe_answer *answer = find_answer(sources, uid, &is_known);

	if (is_known)
		return &answer->pod;
	answer->pod = (struct pe_pod_name){ "", "" };
	if (sources->pods)
		pe_pods_find(sources->pods, uid, &answer->pod);
	else if (sources->opened[PE_FILES_PODS] < 0)
		miss(sources, PE_FILES_PODS, sources->opened[PE_FILES_PODS]);
	return &answer->pod;
}
