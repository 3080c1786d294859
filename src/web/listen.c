/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pe/listen.h. Invariant: every descriptor in the list is open, listens, and is closed here and
 * nowhere else; the server works on copies.
 */
#include "pe/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pe/cleanup.h"

#include "activation.h"
#include "address.h"

#define SOCKET_NAME_MAX (sizeof(struct sockaddr_un) + 16)

struct listener {
	int fd;
	unsigned int port;
	char name[SOCKET_NAME_MAX];
};

struct pe_listeners {
	struct listener *list;
	size_t count;
};

static void name_unix(const struct sockaddr_un *addr, socklen_t len, struct listener *listener)
{
	const int max = (int)(len - offsetof(struct sockaddr_un, sun_path));

	/* The name of an abstract socket begins with a NUL. */
	if (max > 1 && addr->sun_path[0] == '\0')
		snprintf(listener->name, sizeof(listener->name), "unix:@%.*s", max - 1,
			 addr->sun_path + 1);
	else
		snprintf(listener->name, sizeof(listener->name), "unix:%.*s", max > 0 ? max : 0,
			 addr->sun_path);
}

static int name_socket(struct listener *listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	} addr = { 0 };
	char text[INET6_ADDRSTRLEN] = "";
	socklen_t len = sizeof(addr);

	if (getsockname(listener->fd, &addr.any, &len) < 0)
		return -errno;
	if (addr.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr.v4.sin_addr, text, sizeof(text));
		listener->port = ntohs(addr.v4.sin_port);
		snprintf(listener->name, sizeof(listener->name), "%s:%u", text, listener->port);
	} else if (addr.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr.v6.sin6_addr, text, sizeof(text));
		listener->port = ntohs(addr.v6.sin6_port);
		snprintf(listener->name, sizeof(listener->name), "[%s]:%u", text, listener->port);
	} else {
		name_unix(&addr.un, len, listener);
	}
	return 0;
}

/* Takes the descriptors, also if it fails. */
static int append(struct pe_listeners *listeners, const int *fds, size_t count)
{
	struct listener *list =
		realloc(listeners->list, (listeners->count + count) * sizeof(*list));
	int r = 0;

	if (!list) {
		for (size_t i = 0; i < count; i++)
			close(fds[i]);
		return -ENOMEM;
	}
	listeners->list = list;
	for (size_t i = 0; i < count; i++) {
		struct listener *listener = &list[listeners->count++];

		*listener = (struct listener){ .fd = fds[i] };
		if (r == 0)
			r = name_socket(listener);
	}
	return r;
}

static int take_from_systemd(struct pe_listeners *listeners, char *why, size_t why_size)
{
	int fds[PE_ACTIVATION_SOCKETS];
	const int n = pe_activation_take(fds, why, why_size);
	int r;

	if (n < 0)
		return n;
	r = append(listeners, fds, (size_t)n);
	if (r < 0)
		snprintf(why, why_size, "cannot take systemd's sockets: %s", strerror(-r));
	return r;
}

static int open_address(struct pe_listeners *listeners, const char *address, char *why,
			size_t why_size)
{
	int fds[PE_ADDRESS_SOCKETS];
	uint16_t port;
	int r = pe_address_listen(address, fds, &port);

	if (r > 0)
		r = append(listeners, fds, (size_t)r);
	if (r < 0)
		snprintf(why, why_size, "cannot listen on %.256s: %s", address,
			 r == -EADDRNOTAVAIL ? "no address of this host, nor a name of one"
					     : strerror(-r));
	return r;
}

static void cleanup_listeners(struct pe_listeners **listeners)
{
	pe_listeners_free(*listeners);
}

int pe_listeners_new(const struct pe_listen_options *options, struct pe_listeners **ret_listeners,
		     char *why, size_t why_size)
{
	_cleanup_(cleanup_listeners) struct pe_listeners *listeners = calloc(1, sizeof(*listeners));
	int r = 0;

	if (!listeners) {
		snprintf(why, why_size, "cannot listen: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	if (options->systemd)
		r = take_from_systemd(listeners, why, why_size);
	for (size_t i = 0; !options->systemd && i < options->count && r == 0; i++)
		r = open_address(listeners, options->addresses[i], why, why_size);
	if (r < 0)
		return r;
	*ret_listeners = PE_TAKE_PTR(listeners);
	return 0;
}

struct pe_listeners *pe_listeners_free(struct pe_listeners *listeners)
{
	if (!listeners)
		return NULL;
	for (size_t i = 0; i < listeners->count; i++)
		close(listeners->list[i].fd);
	free(listeners->list);
	free(listeners);
	return NULL;
}

size_t pe_listeners_count(const struct pe_listeners *listeners)
{
	return listeners->count;
}

int pe_listeners_fd(const struct pe_listeners *listeners, size_t index)
{
	return index < listeners->count ? listeners->list[index].fd : -1;
}

const char *pe_listeners_name(const struct pe_listeners *listeners, size_t index)
{
	return index < listeners->count ? listeners->list[index].name : "";
}

unsigned int pe_listeners_port(const struct pe_listeners *listeners, size_t index)
{
	return index < listeners->count ? listeners->list[index].port : 0;
}
