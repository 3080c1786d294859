/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See landlock.h. The numbers are the kernel's (linux/landlock.h), written out, because headers are
 * often older than the kernel that runs.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "pe/cleanup.h"

/* The same on all architectures. */
#define NR_CREATE_RULESET 444
#define NR_ADD_RULE	  445
#define NR_RESTRICT_SELF  446

#define ASK_VERSION	  1
#define RULE_PATH_BENEATH 1

#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR    (1ull << 7)
#define FS_MAKE_REG    (1ull << 8)
/* Up to LANDLOCK_ACCESS_FS_MAKE_SYM. */
#define FS_FIRST     ((1ull << 13) - 1)
#define FS_REFER     (1ull << 13)
#define FS_TRUNCATE  (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)

#define SCOPE_ABSTRACT_SOCKET (1ull << 0)
#define SCOPE_SIGNAL	      (1ull << 1)

struct ruleset {
	uint64_t files;
	uint64_t net;	 /* since version 4; TCP is left as it is */
	uint64_t scoped; /* since version 6 */
};

struct beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

int pe_landlock_new(void)
{
	long version = syscall(NR_CREATE_RULESET, NULL, 0, ASK_VERSION);
	struct ruleset set = { .files = FS_FIRST };
	size_t size = offsetof(struct ruleset, net);
	long fd;

	if (version < 0)
		return -errno;
	if (version >= 2)
		set.files |= FS_REFER;
	if (version >= 3)
		set.files |= FS_TRUNCATE;
	if (version >= 5)
		set.files |= FS_IOCTL_DEV;
	if (version >= 6) {
		set.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
		size = sizeof(set);
	}
	fd = syscall(NR_CREATE_RULESET, &set, size, 0);
	return fd < 0 ? -errno : (int)fd;
}

static int allow(int rules, const char *path, uint64_t more)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct beneath rule = { .allowed = FS_READ_FILE | more, .parent = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		rule.allowed |= FS_READ_DIR;
	return syscall(NR_ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int pe_landlock_allow(int rules, const char *path)
{
	return allow(rules, path, 0);
}

int pe_landlock_allow_writing(int rules, const char *folder)
{
	return allow(rules, folder, FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG);
}

int pe_landlock_enforce(int rules)
{
	return syscall(NR_RESTRICT_SELF, rules, 0) < 0 ? -errno : 0;
}

/* ---- what a file's name leads through ---- */

/* As many as the kernel follows. */
#define LINKS_MAX 40

/* The length of the folder in a path, without the slash behind it; 1 for the root. */
static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? 1 : (size_t)(slash - path);
}

static unsigned int depth(const char *path, size_t len)
{
	unsigned int slashes = 0;

	for (size_t i = 0; i < len; i++)
		slashes += path[i] == '/' && i + 1 < len;
	return slashes;
}

/*
 * Replaces the first link among the components of an absolute path. Returns the length of the path
 * up to that component, 0 if there is none; *ret_last: it was the last component. -errno.
 */
static ssize_t follow_first(char path[PATH_MAX], bool *ret_last)
{
	char target[PATH_MAX], rest[PATH_MAX];

	for (size_t end = 1; path[end - 1]; end++) {
		size_t folder;
		ssize_t len;
		char after = path[end];

		if ((after != '/' && after) || path[end - 1] == '/')
			continue;
		path[end] = '\0';
		len = readlink(path, target, sizeof(target) - 1);
		folder = folder_length(path);
		path[end] = after;
		if (len < 0)
			continue;
		target[len] = '\0';
		*ret_last = !after;
		snprintf(rest, sizeof(rest), "%s", path + end);
		/* The link itself goes; "..", if there is one, is the kernel's to understand. */
		if (snprintf(path + (*target == '/' ? 0 : folder),
			     PATH_MAX - (*target == '/' ? 0 : folder), "%s%s%s",
			     *target == '/' || path[folder - 1] == '/' ? "" : "/", target,
			     rest) >= (int)(PATH_MAX - folder))
			return -ENAMETOOLONG;
		return (ssize_t)folder;
	}
	return 0;
}

static int make_absolute(const char *file, char path[PATH_MAX])
{
	char here[PATH_MAX] = "";
	bool absolute = *file == '/';

	if (!absolute && !getcwd(here, sizeof(here)))
		return -errno;
	return snprintf(path, PATH_MAX, "%s%s%s", here, absolute ? "" : "/", file) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static void name_folder(const char *path, size_t len, pe_landlock_place_fn fn, void *userdata)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
	fn(folder, userdata);
}

void pe_landlock_places(const char *file, bool with_folder, pe_landlock_place_fn fn, void *userdata)
{
	char path[PATH_MAX], before[PATH_MAX];
	bool first = true;

	if (make_absolute(file, path) < 0)
		return;
	if (!with_folder)
		fn(file, userdata);
	for (int i = 0; i < LINKS_MAX; i++) {
		bool last = false;
		ssize_t folder;

		memcpy(before, path, sizeof(before));
		folder = follow_first(path, &last);
		if (folder < 0)
			return;
		if (folder == 0) {
			/* There, at last. */
			if (with_folder || !first)
				name_folder(path, folder_length(path), fn, userdata);
			return;
		}
		if (last && (with_folder || !first))
			name_folder(before, (size_t)folder, fn, userdata);
		else if (!last && depth(before, (size_t)folder) >= 2)
			name_folder(before, (size_t)folder, fn, userdata);
		if (last)
			first = false;
	}
}
