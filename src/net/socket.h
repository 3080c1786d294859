/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets for the link monitor (netlink(7)). The monitor's thread only.
 */
#ifndef PE_NET_SOCKET_H
#define PE_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

struct nl_sock;

/* A blocking socket for requests; an answer is awaited for one second. 0 or -errno. */
int pe_socket_open_request(struct nl_sock **ret_sock);

/*
 * A non-blocking socket, subscribed to RTNLGRP_LINK, with a receive buffer of `rcvbuf` bytes: by
 * SO_RCVBUFFORCE, or as much as SO_RCVBUF allows. 0 or -errno.
 */
int pe_socket_open_events(size_t rcvbuf, struct nl_sock **ret_sock);

/* For _cleanup_. */
void pe_socket_freep(struct nl_sock **sock);

/*
 * Reads one datagram. Returns its length, 0 if it was dropped because the kernel did not send it,
 * or -errno: -EMSGSIZE if it did not fit and is lost, -ENOBUFS after an overrun, -EAGAIN if there
 * is none, within the time-out if the socket blocks.
 */
int pe_socket_receive(struct nl_sock *sock, void *buf, size_t size);

/* True if a datagram or an error is there to be read. Does not block. */
bool pe_socket_has_input(const struct nl_sock *sock);

/* libnl's error code as -errno; 0 stays 0. */
int pe_socket_errno(int nle);

#endif
