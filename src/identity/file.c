/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"

int pe_identity_read_file(int folder, const char *name, char **ret_text, size_t *ret_len)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t len;

	fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PE_IDENTITY_FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = read(fd, text, (size_t)st.st_size);
	if (len != st.st_size)
		return len < 0 ? -errno : -EAGAIN;
	*ret_len = (size_t)len;
	*ret_text = PE_TAKE_PTR(text);
	return 0;
}
