/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listen addresses: parsing, resolving, binding.
 *
 * We bind ourselves, and hand libmicrohttpd a socket that listens: it knows neither names nor which
 * address was the bad one, and its IPv6 flag fails on a kernel without IPv6. Called at start.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pe/cleanup.h"

#include "address.h"

static void cleanup_addrinfo(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	const size_t digits = strspn(text, "0123456789");
	unsigned long port;

	if (digits == 0 || digits > 5 || text[digits])
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int pe_address_parse(const char *text, struct pe_address *ret_address)
{
	struct pe_address address = { 0 };
	const char *host = text, *end;

	address.ipv6 = *text == '[';
	if (address.ipv6) {
		host++;
		end = strchr(host, ']');
		if (!end || end == host || end[1] != ':' || parse_port(end + 2, &address.port) < 0)
			return -EINVAL;
	} else {
		end = strchr(host, ':');
		if (!end || parse_port(end + 1, &address.port) < 0)
			return -EINVAL;
	}
	if ((size_t)(end - host) >= sizeof(address.host))
		return -EINVAL;
	memcpy(address.host, host, (size_t)(end - host));
	if (strpbrk(address.host, "[]/ \t\r\n"))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

static uint16_t *port_of(struct sockaddr *addr)
{
	return addr->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
					   : &((struct sockaddr_in *)addr)->sin_port;
}

/* Takes *port, and fills it if it was 0. Returns a socket that listens, or -errno. */
static int open_socket(const struct sockaddr *addr, socklen_t len, bool dual_stack, uint16_t *port)
{
	const int on = 1, v6only = !dual_stack;
	struct sockaddr_storage bound = { 0 };
	socklen_t bound_len = sizeof(bound);
	_cleanup_close_ int fd = -1;

	if (len > sizeof(bound))
		return -EINVAL;
	memcpy(&bound, addr, len);
	*port_of((struct sockaddr *)&bound) = htons(*port);

	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Without it a restart fails until the old connections have left TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* Always set: the default is a sysctl. */
	if (addr->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&bound, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0)
		return -errno;
	*port = ntohs(*port_of((struct sockaddr *)&bound));
	return PE_TAKE_FD(fd);
}

/* This host does not have the address or the whole family; another one may do. */
static bool is_unavailable(int error)
{
	return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

static int listen_everywhere(int *ret_fd, uint16_t *port)
{
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	const struct sockaddr_in any4 = { .sin_family = AF_INET };
	int fd;

	fd = open_socket((const struct sockaddr *)&any6, sizeof(any6), true, port);
	if (is_unavailable(fd))
		fd = open_socket((const struct sockaddr *)&any4, sizeof(any4), false, port);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 1;
}

static int resolve(const struct pe_address *address, struct addrinfo **ret_list)
{
	const struct addrinfo hints = {
		.ai_family = address->ipv6 ? AF_INET6 : AF_UNSPEC,
		.ai_flags = AI_PASSIVE | (address->ipv6 ? AI_NUMERICHOST : 0),
		.ai_socktype = SOCK_STREAM,
	};
	const int r = getaddrinfo(address->host, NULL, &hints, ret_list);

	if (r == 0)
		return 0;
	*ret_list = NULL;
	if (r == EAI_MEMORY)
		return -ENOMEM;
	return address->ipv6 ? -EINVAL : -EADDRNOTAVAIL;
}

/*
 * Is it many hosts' address, broadcast or multicast? The kernel binds to these and never accepts
 * anything. Which ones are broadcast only its routes know: without SO_BROADCAST it refuses to send
 * there.
 */
static bool is_shared(const struct addrinfo *item)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)item->ai_addr;
	_cleanup_close_ int fd = -1;

	if (item->ai_family == AF_INET6) {
		const struct sockaddr_in6 *v6 =
			(const struct sockaddr_in6 *)(const void *)item->ai_addr;

		return IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
	}
	if (IN_MULTICAST(ntohl(v4->sin_addr.s_addr)))
		return true;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, item->ai_addr, item->ai_addrlen) < 0 && errno == EACCES;
}

/* /etc/hosts may give a name the same address twice. */
static bool is_repeated(const struct addrinfo *list, const struct addrinfo *item)
{
	for (; list != item; list = list->ai_next) {
		if (list->ai_addrlen == item->ai_addrlen &&
		    memcmp(list->ai_addr, item->ai_addr, item->ai_addrlen) == 0)
			return true;
	}
	return false;
}

int pe_address_listen(const char *text, int fds[PE_ADDRESS_SOCKETS], uint16_t *ret_port)
{
	_cleanup_(cleanup_addrinfo) struct addrinfo *list = NULL;
	struct pe_address address;
	int count = 0, r, error = -EADDRNOTAVAIL;

	r = pe_address_parse(text, &address);
	if (r < 0)
		return r;
	if (!address.host[0]) {
		r = listen_everywhere(&fds[0], &address.port);
		if (r > 0)
			*ret_port = address.port;
		return r;
	}
	r = resolve(&address, &list);
	if (r < 0)
		return r;
	for (struct addrinfo *i = list; i && count < PE_ADDRESS_SOCKETS; i = i->ai_next) {
		if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) || is_repeated(list, i) ||
		    is_shared(i))
			continue;
		r = open_socket(i->ai_addr, i->ai_addrlen, false, &address.port);
		if (r >= 0) {
			fds[count++] = r;
			continue;
		}
		error = r;
		if (!is_unavailable(r))
			break;
	}
	if (count > 0 && (error == -EADDRNOTAVAIL || is_unavailable(error))) {
		*ret_port = address.port;
		return count;
	}
	while (count > 0)
		close(fds[--count]);
	return error;
}
