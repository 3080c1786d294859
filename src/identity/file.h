/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of runtimes: replaced as a whole when they change, never written into. Any thread. */
#ifndef PE_IDENTITY_FILE_H
#define PE_IDENTITY_FILE_H

#include <stddef.h>

/* A larger one is not read. */
#define PE_IDENTITY_FILE_MAX (4 << 20)

/* Reads `name` in an open folder: 0, and the caller frees *ret_text (not terminated); -EINVAL for
 * what is no regular file, -EFBIG, -ENOMEM, or what the kernel says. Some 10 µs. */
int pe_identity_read_file(int folder, const char *name, char **ret_text, size_t *ret_len);

#endif
