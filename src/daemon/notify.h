/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports the state of the process to the service manager: the protocol of sd_notify(3), without
 * its library. The socket is connected before the sandbox closes: Landlock refuses abstract sockets
 * later, but not one that is connected. Supervisor's thread.
 */
#ifndef PE_DAEMON_NOTIFY_H
#define PE_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct pe_notify {
	int fd;			/* -1: nobody listens */
	uint64_t watchdog_ns;	/* the manager kills the process after this time without a sign of
				   life; 0: never */
	uint64_t last_alive_ns; /* when it was last reported alive, on the monotonic clock */
};

#define PE_NOTIFY_INIT    \
	{                 \
		.fd = -1, \
	}

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment, removes them, so that no
 * child believes them, and connects. 0 also if there is no manager. -EINVAL if NOTIFY_SOCKET is
 * neither an absolute path nor an abstract name ("@..."), -ENAMETOOLONG, or -errno of socket(2) or
 * connect(2); *notify is then closed. Before other threads start. Does not block.
 */
int pe_notify_open(struct pe_notify *notify);

/* Closes the socket. A closed one is fine. */
void pe_notify_close(struct pe_notify *notify);

/*
 * Sends assignments, one a line ("READY=1\nSTATUS=..."), in one datagram. 0, also if nobody
 * listens; -EAGAIN while the manager does not read, or another -errno of send(2). Does not block.
 */
int pe_notify_send(const struct pe_notify *notify, const char *text);

/* Whether WATCHDOG=1 is to be sent by somebody who looks again only in `next_look_ns`. */
bool pe_notify_alive_due(const struct pe_notify *notify, uint64_t now_ns, uint64_t next_look_ns);

#endif
