/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket activation, the protocol of sd_listen_fds(3): LISTEN_PID is whom the sockets are for,
 * LISTEN_FDS how many there are from descriptor 3 on, LISTEN_FDNAMES their names.
 *
 * Descriptors are touched only if the variables say that they are ours. What cannot accept a
 * stream is refused here: the server would find out at its first client.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "pe/cleanup.h"

#include "activation.h"

#define FIRST_FD       3
#define NAME_MAX_BYTES 64

/* A whole decimal number up to `max`, nothing else. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret_value)
{
	const size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (digits == 0 || digits > 10 || text[digits])
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* How many descriptors are ours. */
static int read_count(char *why, size_t why_size)
{
	const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
	unsigned long pid, count;

	if (!pid_text || !count_text) {
		snprintf(why, why_size,
			 "systemd passed no socket (%s is not set); is there a "
			 "socket unit for this service?",
			 pid_text ? "LISTEN_FDS" : "LISTEN_PID");
		return -ENOENT;
	}
	if (parse_number(pid_text, INT32_MAX, &pid) < 0) {
		snprintf(why, why_size, "LISTEN_PID is not a process: \"%.32s\"", pid_text);
		return -EINVAL;
	}
	if (pid != (unsigned long)getpid()) {
		snprintf(why, why_size,
			 "systemd passed no socket to this process (LISTEN_PID is %lu, this is %d)",
			 pid, (int)getpid());
		return -ENOENT;
	}
	if (parse_number(count_text, INT32_MAX, &count) < 0 || count > PE_ACTIVATION_SOCKETS) {
		snprintf(why, why_size, "LISTEN_FDS is not a number from 1 to %d: \"%.32s\"",
			 PE_ACTIVATION_SOCKETS, count_text);
		return -EINVAL;
	}
	if (count == 0) {
		snprintf(why, why_size, "systemd passed no socket (LISTEN_FDS is 0)");
		return -ENOENT;
	}
	return (int)count;
}

/* " (NAME)" of the socket at `index`, "" if it has none. */
static void read_name(size_t index, char *name, size_t size)
{
	const char *p = getenv("LISTEN_FDNAMES");
	size_t len;

	name[0] = '\0';
	for (; p && index > 0; index--) {
		p = strchr(p, ':');
		if (p)
			p++;
	}
	len = p ? strcspn(p, ":") : 0;
	if (len > 0 && len <= NAME_MAX_BYTES)
		snprintf(name, size, " (%.*s)", (int)len, p);
}

static int get_int_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno : value;
}

/* A socket that listens for streams, made fit for us; else why not. */
static int adopt(int fd, const char **ret_problem)
{
	const int type = get_int_option(fd, SO_TYPE), domain = get_int_option(fd, SO_DOMAIN);
	const int flags = fcntl(fd, F_GETFL);

	*ret_problem = "is not a socket";
	if (type < 0 || domain < 0)
		return -ENOTSOCK;
	*ret_problem = "is not a TCP or UNIX stream socket";
	if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
		return -EPROTOTYPE;
	*ret_problem = "does not listen (Accept=yes in its unit?)";
	if (get_int_option(fd, SO_ACCEPTCONN) != 1)
		return -EPROTOTYPE;
	*ret_problem = "cannot be prepared";
	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int adopt_all(int count, char *why, size_t why_size)
{
	for (int i = 0; i < count; i++) {
		char name[NAME_MAX_BYTES + 4];
		const char *problem;
		const int r = adopt(FIRST_FD + i, &problem);

		if (r == 0)
			continue;
		read_name((size_t)i, name, sizeof(name));
		snprintf(why, why_size, "what systemd passed as descriptor %d%s %s", FIRST_FD + i,
			 name, problem);
		/* Of the others nothing else will be done. */
		for (int j = 0; j < count; j++)
			close(FIRST_FD + j);
		return r;
	}
	return 0;
}

int pe_activation_take(int fds[PE_ACTIVATION_SOCKETS], char *why, size_t why_size)
{
	const int count = read_count(why, why_size);
	int r = count;

	if (count > 0)
		r = adopt_all(count, why, why_size);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (r < 0)
		return r;
	for (int i = 0; i < count; i++)
		fds[i] = FIRST_FD + i;
	return count;
}
