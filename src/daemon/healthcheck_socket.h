/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket that --healthcheck asks (pe/healthcheck.h): whoever connects is sent one line,
 * "healthy…" or why not. That it comes shows that the loop runs.
 *
 * Anybody of the network namespace may connect, for an abstract name has no permissions; so nothing
 * is read from them, nothing is kept of them, and there is a limit to the answers in a time. While
 * nobody asks, nothing wakes up. All calls belong to the thread of the loop.
 */
#ifndef PE_DAEMON_HEALTHCHECK_SOCKET_H
#define PE_DAEMON_HEALTHCHECK_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pe/loop.h"
#include "pe/options.h"

#define PE_HEALTHCHECK_LINE_MAX 256
/* What a line begins with if all is well. */
#define PE_HEALTHCHECK_GOOD "healthy"

struct pe_healthcheck;

/* Writes the line; called at most once a second. */
typedef void (*pe_healthcheck_fn)(char *line, size_t size, void *userdata);

/*
 * The address, "packet-exporter/PID-NAMESPACE/LISTEN-ADDRESS" behind the NUL of abstract names:
 * what sets exporters of one network namespace apart, and what the check knows without asking
 * anybody. Of several listen addresses the first, and of a long one its end; "systemd" with
 * --web.systemd-socket. Returns its length, for bind(2). Where somebody else has that name, it has
 * PE_HEALTHCHECK_OTHER and a number behind it.
 */
#define PE_HEALTHCHECK_OTHER '~'
socklen_t pe_healthcheck_address(const struct pe_options *options, struct sockaddr_un *ret_address);

/*
 * Binds and listens; who connects from here on waits for pe_healthcheck_start(). Needs calls that
 * the sandbox does not allow. The caller owns *ret_health. 0 or -errno: -ENOMEM, those of
 * socket(2).
 */
int pe_healthcheck_new(const struct pe_options *options, struct pe_healthcheck **ret_health);

/* Answers from now on, with the lines of fn. 0 or -errno of pe_loop_add_*(). */
int pe_healthcheck_start(struct pe_healthcheck *health, struct pe_loop *loop, pe_healthcheck_fn fn,
			 void *userdata);

/* Closes the socket. Before the loop is freed. NULL is fine. Returns NULL. */
struct pe_healthcheck *pe_healthcheck_free(struct pe_healthcheck *health);

#endif
