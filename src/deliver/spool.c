/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See spool.h. */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"

#define ASIDE	       "new"
#define NAME_MAX_BYTES 32
/* Whoever looks whether it is in use has the lock for a moment. */
#define LOCK_TRIES   5
#define LOCK_WAIT_US 10000
/* More than a body can have. */
#define BODY_BYTES_MAX ((uint64_t)1 << 30)

struct pe_spool {
	char *path, *target;
	int fd;	       /* of its folder, -1: not open; the lock is on it */
	uint64_t last; /* the highest number so far */
};

static void cleanup_spool(struct pe_spool **spool)
{
	pe_spool_free(*spool);
}

int pe_spool_new(const char *path, const char *target, struct pe_spool **ret_spool)
{
	_cleanup_(cleanup_spool) struct pe_spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return -ENOMEM;
	spool->fd = -1;
	spool->path = strdup(path);
	spool->target = strdup(target);
	if (!spool->path || !spool->target)
		return -ENOMEM;
	*ret_spool = PE_TAKE_PTR(spool);
	return 0;
}

struct pe_spool *pe_spool_free(struct pe_spool *spool)
{
	if (!spool)
		return NULL;
	if (spool->fd >= 0)
		close(spool->fd);
	free(spool->path);
	free(spool->target);
	free(spool);
	return NULL;
}

/* ---- files ---- */

static int write_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		const ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *data, size_t len)
{
	for (char *p = data; len > 0;) {
		const ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A whole file under its name, or nothing. */
static int put(int folder, const char *name, const void *head, size_t head_len, const void *data,
	       size_t len)
{
	int fd, r;

	/* Of an exporter that was killed. */
	unlinkat(folder, ASIDE, 0);
	fd = openat(folder, ASIDE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, head, head_len);
	if (r == 0)
		r = write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(folder, ASIDE, folder, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, ASIDE, 0);
	return r;
}

/* ---- the folder ---- */

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

static int lock(int folder)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(folder, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		usleep(LOCK_WAIT_US);
	}
	return -EBUSY;
}

int pe_spool_open(struct pe_spool *spool)
{
	_cleanup_close_ int root = -1;
	_cleanup_close_ int fd = -1;
	char name[NAME_MAX_BYTES];
	int r;

	if (spool->fd >= 0)
		return 0;
	root = open(spool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	snprintf(name, sizeof(name), "%016" PRIx64, hash_of(spool->target));
	if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = lock(fd);
	if (r < 0)
		return r;
	/* For people; nothing depends on it. */
	if (faccessat(fd, PE_SPOOL_TARGET, F_OK, 0) < 0)
		put(fd, PE_SPOOL_TARGET, spool->target, strlen(spool->target), NULL, 0);
	fsync(root);
	spool->fd = PE_TAKE_FD(fd);
	return 1;
}

void pe_spool_close(struct pe_spool *spool)
{
	close(spool->fd);
	spool->fd = -1;
}

static void name_of(uint64_t number, char name[static NAME_MAX_BYTES])
{
	snprintf(name, NAME_MAX_BYTES, "%016" PRIx64 ".batch", number);
}

bool pe_spool_file_number(const char *name, uint64_t *ret_number)
{
	char expected[NAME_MAX_BYTES];

	*ret_number = strtoull(name, NULL, 16);
	name_of(*ret_number, expected);
	return strcmp(name, expected) == 0;
}

/* Leaves a readable header also where the rest is damaged. */
static int read_header(int fd, struct pe_spool_header *ret_header)
{
	uint8_t bytes[PE_SPOOL_HEADER_BYTES];
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : read_all(fd, bytes, sizeof(bytes));

	if (r == 0)
		r = pe_spool_header_read(bytes, ret_header);
	if (r == 0 && (!S_ISREG(st.st_mode) || ret_header->length > BODY_BYTES_MAX ||
		       (uint64_t)st.st_size != sizeof(bytes) + ret_header->length))
		r = -EBADMSG;
	return r;
}

bool pe_spool_is_busy(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EINTR;
}

static int open_file(const struct pe_spool *spool, uint64_t number)
{
	char name[NAME_MAX_BYTES];
	int fd;

	name_of(number, name);
	fd = openat(spool->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int list_one(struct pe_spool *spool, uint64_t number, pe_spool_fn fn, void *userdata)
{
	struct pe_spool_header header = { 0 };
	int fd = open_file(spool, number);
	const int r = fd < 0 ? fd : read_header(fd, &header);
	const bool damaged = r < 0;

	if (fd >= 0)
		close(fd);
	if (pe_spool_is_busy(r))
		return r;
	if (damaged) {
		pe_spool_remove(spool, number);
		header = (struct pe_spool_header){ .samples = header.samples };
	}
	if (number > spool->last)
		spool->last = number;
	return fn(number, &header, damaged, userdata);
}

int pe_spool_list(struct pe_spool *spool, pe_spool_fn fn, void *userdata)
{
	const int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t number;
	int r = 0;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (pe_spool_file_number(entry->d_name, &number))
			r = list_one(spool, number, fn, userdata);
	closedir(dir);
	return r;
}

/* ---- one file ---- */

int pe_spool_write(struct pe_spool *spool, struct pe_spool_header *header,
		   const struct pe_strbuf *data, uint64_t *ret_number)
{
	uint8_t bytes[PE_SPOOL_HEADER_BYTES];
	char name[NAME_MAX_BYTES];
	int r;

	header->length = data->len;
	header->crc = pe_crc32c(0, data->data, data->len);
	pe_spool_header_write(header, bytes);
	name_of(spool->last + 1, name);
	r = put(spool->fd, name, bytes, sizeof(bytes), data->data, data->len);
	if (r == 0)
		*ret_number = ++spool->last;
	return r;
}

int pe_spool_sync(struct pe_spool *spool)
{
	return fsync(spool->fd) < 0 ? -errno : 0;
}

int pe_spool_read(struct pe_spool *spool, uint64_t number, struct pe_strbuf *ret_data)
{
	const int opened = open_file(spool, number);
	_cleanup_close_ int fd = opened;
	struct pe_spool_header header;
	char *data;
	int r = fd < 0 ? fd : read_header(fd, &header);

	if (r < 0)
		return r;
	data = malloc(header.length ? header.length : 1);
	if (!data)
		return -ENOMEM;
	r = read_all(fd, data, header.length);
	if (r == 0 && pe_crc32c(0, data, header.length) != header.crc)
		r = -EBADMSG;
	if (r < 0) {
		free(data);
		return r;
	}
	*ret_data = (struct pe_strbuf){ .data = data, .len = header.length, .cap = header.length };
	return 0;
}

void pe_spool_remove(struct pe_spool *spool, uint64_t number)
{
	char name[NAME_MAX_BYTES];

	name_of(number, name);
	unlinkat(spool->fd, name, 0);
}
