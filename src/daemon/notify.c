/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See notify.h. */
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

/* An abstract name may fill the address; a path ends with a NUL. */
static int parse_address(const char *name, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	const size_t len = strlen(name);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if ((*name != '/' && *name != '@') || len < 2)
		return -EINVAL;
	if (len + (*name == '/') > sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	*ret_address = address;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
	return 0;
}

static int connect_to(const char *name)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	socklen_t len;
	int r = parse_address(name, &address, &len);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0)
		return -errno;
	return PE_TAKE_FD(fd);
}

/* A whole decimal number, 0 for anything else: there is no watchdog then. */
static uint64_t read_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	if (!text || !*text || text[strspn(text, "0123456789")])
		return 0;
	errno = 0;
	value = strtoumax(text, NULL, 10);
	return errno ? 0 : value;
}

/* The watchdog is of the process that the manager started, which a child is not. */
static uint64_t read_watchdog_ns(void)
{
	const uint64_t usec = read_number("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") && read_number("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return usec > UINT64_MAX / PE_NS_PER_US ? 0 : usec * PE_NS_PER_US;
}

int pe_notify_open(struct pe_notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r = 0;

	*notify = (struct pe_notify)PE_NOTIFY_INIT;
	if (name && *name) {
		notify->fd = connect_to(name);
		r = notify->fd < 0 ? notify->fd : 0;
	}
	if (notify->fd >= 0)
		notify->watchdog_ns = read_watchdog_ns();
	else
		notify->fd = -1;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return r;
}

void pe_notify_close(struct pe_notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	*notify = (struct pe_notify)PE_NOTIFY_INIT;
}

int pe_notify_send(const struct pe_notify *notify, const char *text)
{
	if (notify->fd < 0)
		return 0;
	return send(notify->fd, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool pe_notify_alive_due(const struct pe_notify *notify, uint64_t now_ns, uint64_t next_look_ns)
{
	if (notify->fd < 0 || notify->watchdog_ns == 0)
		return false;
	return now_ns + next_look_ns - notify->last_alive_ns > notify->watchdog_ns / 2;
}
