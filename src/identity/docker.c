/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See docker.h. One watch for the folder, one for that of each container: Docker replaces the file
 * at each change of state, so that every change is a rename there. Containers are bounded, and with
 * them the watches; the one that was new or asked for longest ago goes first.
 */
#include "docker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cgroups.h"
#include "docker_config.h"
#include "file.h"
#include "pe/cleanup.h"

#define FILE_NAME      "config.v2.json"
#define CONTAINERS_MAX 512u
#define BUCKETS	       256u
#define EVENTS_BYTES   8192
/* So that a storm of containers cannot starve others. */
#define READS_MAX 64

struct container {
	struct container *next;		 /* of its bucket */
	struct container *older, *newer; /* by use */
	struct pe_identity *identity;	 /* NULL: its file has not been read */
	int watch;			 /* -1: none */
	char id[PE_CONTAINER_ID_MAX];
};

struct pe_docker {
	const struct pe_workload_rule *rules;
	size_t rule_count;
	int folder, inotify, watch;
	char path[128];
	struct container *bucket[BUCKETS];
	struct container *oldest, *newest;
	unsigned int count;
};

/* ---- containers ---- */

static bool is_id(const char *name)
{
	return strlen(name) == PE_CONTAINER_ID_MAX - 1 &&
	       strspn(name, "0123456789abcdef") == PE_CONTAINER_ID_MAX - 1;
}

/* Ids are random. */
static struct container **bucket_of(struct pe_docker *docker, const char *id)
{
	char digits[3] = { id[0], id[1], '\0' };

	return &docker->bucket[strtoul(digits, NULL, 16) % BUCKETS];
}

static void unlink_use(struct pe_docker *docker, struct container *c)
{
	*(c->older ? &c->older->newer : &docker->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &docker->newest) = c->older;
}

static void link_use(struct pe_docker *docker, struct container *c)
{
	c->newer = NULL;
	c->older = docker->newest;
	*(c->older ? &c->older->newer : &docker->oldest) = c;
	docker->newest = c;
}

static void forget(struct pe_docker *docker, struct container *c)
{
	struct container **at = bucket_of(docker, c->id);

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	unlink_use(docker, c);
	if (c->watch >= 0)
		inotify_rm_watch(docker->inotify, c->watch);
	pe_identity_unref(c->identity);
	free(c);
	docker->count--;
}

static struct container *find(struct pe_docker *docker, const char *id)
{
	struct container *c = *bucket_of(docker, id);

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	return c;
}

static void watch(struct pe_docker *docker, struct container *c)
{
	char path[sizeof(docker->path) + PE_CONTAINER_ID_MAX + 1];

	snprintf(path, sizeof(path), "%s/%s", docker->path, c->id);
	c->watch = inotify_add_watch(docker->inotify, path,
				     IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR | IN_DONT_FOLLOW);
}

/* The container, new if need be. NULL if memory is refused. */
static struct container *get(struct pe_docker *docker, const char *id)
{
	struct container *c = find(docker, id), **at;

	if (c) {
		unlink_use(docker, c);
		link_use(docker, c);
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (docker->count == CONTAINERS_MAX)
		forget(docker, docker->oldest);
	memcpy(c->id, id, sizeof(c->id));
	at = bucket_of(docker, id);
	c->next = *at;
	*at = c;
	link_use(docker, c);
	docker->count++;
	watch(docker, c);
	return c;
}

/* ---- files ---- */

/* 1 if it is another container than before, 0 if not, or -errno. */
static int reload(struct pe_docker *docker, struct container *c)
{
	char name[PE_CONTAINER_ID_MAX + sizeof("/" FILE_NAME)];
	_cleanup_free_ char *text = NULL;
	struct pe_identity *identity, *before = c->identity;
	size_t len = 0;
	bool differs;
	int r;

	snprintf(name, sizeof(name), "%s/" FILE_NAME, c->id);
	r = pe_identity_read_file(docker->folder, name, &text, &len);
	if (!r)
		r = pe_docker_config_parse(text, len, c->id, docker->rules, docker->rule_count,
					   &identity);
	if (r < 0)
		return r;
	differs = !pe_identity_equal(identity, before);
	c->identity = differs ? identity : before;
	pe_identity_unref(differs ? before : identity);
	return differs;
}

int pe_docker_find(struct pe_docker *docker, const char *id, struct pe_identity **ret_identity)
{
	struct container *c = is_id(id) ? get(docker, id) : NULL;
	int r;

	if (!c)
		return -ENOENT;
	r = c->identity ? 0 : reload(docker, c);
	if (r < 0) {
		/* Somebody else's, or one that has gone: nothing is to be remembered. */
		forget(docker, c);
		return r;
	}
	*ret_identity = c->identity;
	return 0;
}

/* ---- events ---- */

static struct container *find_watch(const struct pe_docker *docker, int wd)
{
	struct container *c = docker->newest;

	while (c && c->watch != wd)
		c = c->older;
	return c;
}

struct listener {
	void (*changed)(const char *id, struct pe_identity *identity, void *userdata);
	void *userdata;
};

static void take_event(struct pe_docker *docker, const struct inotify_event *event,
		       const struct listener *listener)
{
	const char *name = event->len ? event->name : "";
	struct container *c;

	if (event->mask & IN_Q_OVERFLOW) {
		for (c = docker->newest; c; c = c->older) {
			if (c->identity && reload(docker, c) > 0)
				listener->changed(c->id, c->identity, listener->userdata);
		}
		return;
	}
	if (event->wd == docker->watch) {
		/* Its file comes a moment later. */
		if (event->mask & IN_CREATE && is_id(name))
			get(docker, name);
		return;
	}
	c = find_watch(docker, event->wd);
	if (!c)
		return;
	if (event->mask & IN_IGNORED) {
		c->watch = -1; /* the folder has gone */
		return;
	}
	if (strcmp(name, FILE_NAME) == 0 && reload(docker, c) > 0)
		listener->changed(c->id, c->identity, listener->userdata);
}

void pe_docker_dispatch(struct pe_docker *docker,
			void (*changed)(const char *id, struct pe_identity *identity,
					void *userdata),
			void *userdata)
{
	const struct listener listener = { changed, userdata };
	char events[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t len = read(docker->inotify, events, sizeof(events));

		if (len <= 0)
			return;
		for (char *at = events; at < events + len;) {
			const struct inotify_event *event = (const void *)at;

			take_event(docker, event, &listener);
			at += sizeof(*event) + event->len;
		}
	}
}

/* ---- all of it ---- */

/* Those that there are: their files are read when they are asked for. */
static int list(struct pe_docker *docker)
{
	int fd = openat(docker->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *folder;

	if (fd < 0)
		return -errno;
	folder = fdopendir(fd);
	if (!folder) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(folder)) && docker->count < CONTAINERS_MAX) {
		if (is_id(entry->d_name))
			get(docker, entry->d_name);
	}
	closedir(folder);
	return 0;
}

int pe_docker_new(const char *folder, const struct pe_workload_rule *rules, size_t rule_count,
		  struct pe_docker **ret_docker)
{
	struct pe_docker *docker = calloc(1, sizeof(*docker));
	int r = 0;

	if (!docker)
		return -ENOMEM;
	docker->rules = rules;
	docker->rule_count = rule_count;
	docker->folder = docker->inotify = -1;
	snprintf(docker->path, sizeof(docker->path), "%s", folder);
	docker->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (docker->folder < 0)
		r = -errno;
	if (!r) {
		docker->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (docker->inotify < 0)
			r = -errno;
	}
	if (!r) {
		docker->watch = inotify_add_watch(docker->inotify, folder, IN_CREATE | IN_ONLYDIR);
		if (docker->watch < 0)
			r = -errno;
	}
	if (!r)
		r = list(docker);
	if (r < 0) {
		pe_docker_free(docker);
		return r;
	}
	*ret_docker = docker;
	return 0;
}

struct pe_docker *pe_docker_free(struct pe_docker *docker)
{
	if (!docker)
		return NULL;
	while (docker->oldest)
		forget(docker, docker->oldest);
	if (docker->inotify >= 0)
		close(docker->inotify);
	if (docker->folder >= 0)
		close(docker->folder);
	free(docker);
	return NULL;
}

int pe_docker_fd(const struct pe_docker *docker)
{
	return docker->inotify;
}
