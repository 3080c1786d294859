/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rtnetlink sockets of the link monitor: opened by libnl, read by recvmsg(2).
 *
 * libnl's nl_recv() reports ENOBUFS and ENOMEM as the same error and allocates memory for each
 * message; the monitor must know an overrun when it sees one. Only the kernel is listened to: it
 * alone has port 0, which no user space socket can take. The sender's credentials would prove less,
 * since they depend on the reader's user and pid namespaces. The monitor's thread only.
 */
#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "pe/cleanup.h"
#include "socket.h"

#define REQUEST_TIMEOUT_S 1

int pe_socket_errno(int nle)
{
	switch (-nle) {
	case NLE_SUCCESS:
		return 0;
	case NLE_INTR:
		return -EINTR;
	case NLE_BAD_SOCK:
		return -EBADF;
	case NLE_AGAIN:
		return -ETIMEDOUT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_EXIST:
		return -EADDRINUSE;
	case NLE_INVAL:
		return -EINVAL;
	case NLE_AF_NOSUPPORT:
		return -EAFNOSUPPORT;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return -ENODEV;
	case NLE_BUSY:
		return -EBUSY;
	case NLE_NOACCESS:
		return -EACCES;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

void pe_socket_freep(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static int open_socket(struct nl_sock **ret_sock)
{
	_cleanup_(pe_socket_freep) struct nl_sock *sock = nl_socket_alloc();
	int r;

	if (!sock)
		return -ENOMEM;
	nl_socket_disable_auto_ack(sock);
	r = nl_connect(sock, NETLINK_ROUTE);
	if (r < 0)
		return pe_socket_errno(r);
	*ret_sock = PE_TAKE_PTR(sock);
	return 0;
}

int pe_socket_open_request(struct nl_sock **ret_sock)
{
	_cleanup_(pe_socket_freep) struct nl_sock *sock = NULL;
	struct timeval timeout = { .tv_sec = REQUEST_TIMEOUT_S };
	int r = open_socket(&sock);

	if (r < 0)
		return r;
	if (setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) <
	    0)
		return -errno;
	*ret_sock = PE_TAKE_PTR(sock);
	return 0;
}

int pe_socket_open_events(size_t rcvbuf, struct nl_sock **ret_sock)
{
	_cleanup_(pe_socket_freep) struct nl_sock *sock = NULL;
	int size = rcvbuf < INT_MAX / 2 ? (int)rcvbuf : INT_MAX / 2;
	int fd, r;

	r = open_socket(&sock);
	if (r < 0)
		return r;
	fd = nl_socket_get_fd(sock);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
		return -errno;
	r = nl_socket_set_nonblocking(sock);
	if (r < 0)
		return pe_socket_errno(r);
	r = nl_socket_add_membership(sock, RTNLGRP_LINK);
	if (r < 0)
		return pe_socket_errno(r);
	*ret_sock = PE_TAKE_PTR(sock);
	return 0;
}

int pe_socket_receive(struct nl_sock *sock, void *buf, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do {
		n = recvmsg(nl_socket_get_fd(sock), &msg, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
		return 0;
	return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : (int)n;
}

bool pe_socket_has_input(const struct nl_sock *sock)
{
	struct pollfd pfd = { .fd = nl_socket_get_fd(sock), .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}
