/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits in a spool for receivers that nobody writes to. See pe/remote_write.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/remote_write.h"

#include "spool.h"

/* Whether no exporter has the folder of a receiver. The lock is kept for a moment only, which
 * pe_spool_open() waits for. */
static bool is_left(int folder)
{
	return flock(folder, LOCK_SH | LOCK_NB) == 0 && flock(folder, LOCK_UN) == 0;
}

static uint64_t bytes_in(int folder)
{
	const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t bytes = 0, number;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		if (pe_spool_file_number(entry->d_name, &number) &&
		    fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	closedir(dir);
	return bytes;
}

/* Its first line, if it says who it is. */
static void read_target(int folder, char *ret_target, size_t size)
{
	const int opened =
		openat(folder, PE_SPOOL_TARGET, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_close_ int fd = opened;
	const ssize_t len = fd < 0 ? 0 : read(fd, ret_target, size - 1);

	ret_target[len > 0 ? len : 0] = '\0';
	ret_target[strcspn(ret_target, "\n")] = '\0';
}

int pe_remote_write_left(const char *path, uint64_t *ret_bytes, char *ret_target, size_t size)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	*ret_bytes = 0;
	*ret_target = '\0';
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		const int opened = *entry->d_name == '.' ? -1
							 : openat(dirfd(dir), entry->d_name,
								  O_RDONLY | O_DIRECTORY |
									  O_CLOEXEC | O_NOFOLLOW);
		_cleanup_close_ int folder = opened;
		const uint64_t bytes = folder >= 0 && is_left(folder) ? bytes_in(folder) : 0;

		if (bytes > 0 && *ret_bytes == 0)
			read_target(folder, ret_target, size);
		*ret_bytes += bytes;
	}
	closedir(dir);
	return 0;
}
