/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening sockets of the HTTP server: opened here, or taken from systemd
 * (sd_listen_fds(3)).
 *
 * Apart from the server so that a port below 1024, or one that is taken, is settled before anything
 * else: before the kernel side is touched, before privileges are given up, before any thread is
 * made. Clients that come before the server does wait in the backlog. One thread, at start; read
 * only after that.
 */
#ifndef PE_LISTEN_H
#define PE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct pe_listeners;

struct pe_listen_options {
	const char *const *addresses; /* "[HOST]:PORT", IPv6 in brackets, no host is every one */
	size_t count;
	bool systemd; /* take the sockets that systemd passed, instead of any address */
};

#define PE_LISTEN_WHY_MAX 512

/*
 * Opens (or takes) every socket. The caller owns *ret_listeners. 0 or -errno, with one line in
 * `why` that names the address or socket; nothing is then left open: -EADDRINUSE, -EADDRNOTAVAIL
 * (not of this host, or a name that does not resolve), -EACCES, -EINVAL (not an address), -ENOENT
 * (systemd passed no socket), -ENOTSOCK and -EPROTOTYPE (what it passed does not listen for
 * streams), -ENOMEM. Blocks while a name is resolved. With systemd, removes LISTEN_PID, LISTEN_FDS
 * and LISTEN_FDNAMES from the environment, so no other thread may exist.
 */
int pe_listeners_new(const struct pe_listen_options *options, struct pe_listeners **ret_listeners,
		     char *why, size_t why_size);

/* Closes the sockets. NULL is fine. Returns NULL. */
struct pe_listeners *pe_listeners_free(struct pe_listeners *listeners);

/* How many sockets there are: a name may have several addresses. */
size_t pe_listeners_count(const struct pe_listeners *listeners);

/* Of socket `index`: its descriptor, which stays the listeners'; -1 if there is none. */
int pe_listeners_fd(const struct pe_listeners *listeners, size_t index);

/* Where it listens, as bound: "127.0.0.1:9817", "[::]:9817", "unix:/run/x"; "" if there is none. */
const char *pe_listeners_name(const struct pe_listeners *listeners, size_t index);

/* Its port (useful with port 0); 0 if there is none. */
unsigned int pe_listeners_port(const struct pe_listeners *listeners, size_t index);

#endif
