/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets that systemd passed. One thread, before any other is made. */
#ifndef PE_WEB_ACTIVATION_H
#define PE_WEB_ACTIVATION_H

#include <stddef.h>

#define PE_ACTIVATION_SOCKETS 64

/*
 * Takes the sockets that systemd passed to this process: fills fds (the caller owns them) and
 * returns how many, at least one. -errno with one line in `why`; what was passed is then closed:
 * -ENOENT (none was passed to this process), -EINVAL (the variables make no sense), -ENOTSOCK,
 * -EPROTOTYPE. The variables are removed either way, so that no child believes them.
 */
int pe_activation_take(int fds[PE_ACTIVATION_SOCKETS], char *why, size_t why_size);

#endif
