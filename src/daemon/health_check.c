/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pe/health.h. Anybody can have bound the name, or fill the backlog: the peer's credentials are
 * looked at before a word of it is believed, and all of it has one deadline.
 */
#include "pe/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/user.h"

#include "health.h"

#define DEADLINE_NS (2 * PE_NS_PER_S)
#define WHY_MAX	    512
/* The inode of the host's PID namespace: PROC_PID_INIT_INO of linux/proc_ns.h. */
#define HOST_PIDS 0xeffffffcu
/* Of /proc/net/unix: __SO_ACCEPTCON, which is not exported. */
#define LISTENS 0x10000u
/* Others could be of somebody who wants to write to the terminal. */
#define NAME_CHARS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/[]%"

struct check {
	const struct pe_options *options;
	struct sockaddr_un address;
	socklen_t len;
	uint64_t end_ns;
	char why[WHY_MAX];
};

static int refuse(struct check *check, int error, const char *why)
{
	snprintf(check->why, sizeof(check->why), "%s (@%.*s)", why,
		 (int)(check->len - offsetof(struct sockaddr_un, sun_path) - 1),
		 check->address.sun_path + 1);
	return error;
}

/* ---- which exporter ---- */

static bool in_container(void)
{
	struct stat pids;

	return stat("/proc/self/ns/pid", &pids) == 0 && pids.st_ino != HOST_PIDS;
}

/*
 * The address of one that listens in this PID namespace. A container runs one, but its check, which
 * is in the image, does not know the flags that it was started with.
 */
static bool find_any(struct check *check)
{
	_cleanup_free_ char *line = NULL;
	char *name = check->address.sun_path + 1, *address = strrchr(name, '/') + 1;
	const size_t room = sizeof(check->address.sun_path) - 1;
	FILE *table = fopen("/proc/self/net/unix", "re");
	bool found = false;
	size_t size = 0, len;

	/* Up to the address. */
	*address = '\0';
	while (table && !found && getline(&line, &size, table) > 0) {
		const char *at = strchr(line, '@');
		unsigned int flags;

		/* Num: RefCount Protocol Flags Type St Inode Path */
		if (!at || sscanf(line, "%*s %*s %*s %x", &flags) != 1 || !(flags & LISTENS) ||
		    strncmp(at + 1, name, strlen(name)) != 0)
			continue;
		len = strspn(++at, NAME_CHARS);
		found = at[len] == '\n' && len <= room;
		if (found)
			memcpy(name, at, len);
		check->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
	}
	if (table)
		fclose(table);
	return found;
}

/* ---- one question ---- */

/* Of what is left; 0 would mean forever. */
static void set_timeout(const struct check *check, int fd, int which)
{
	const uint64_t now_ns = pe_clock_monotonic_ns();
	const uint64_t left_ns = check->end_ns > now_ns ? check->end_ns - now_ns : PE_NS_PER_MS;
	const struct timeval left = {
		.tv_sec = (time_t)(left_ns / PE_NS_PER_S),
		.tv_usec = (suseconds_t)(left_ns % PE_NS_PER_S / PE_NS_PER_US) + 1,
	};

	setsockopt(fd, SOL_SOCKET, which, &left, sizeof(left));
}

/* The credentials are those of who listens, at that time. */
static int check_peer(struct check *check, int fd)
{
	struct pe_user user = { 0 };
	struct ucred peer;
	socklen_t size = sizeof(peer);
	bool trusted;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return refuse(check, -errno, strerror(errno));
	trusted = peer.uid == 0 || peer.uid == geteuid();
	if (!trusted && check->options->user && pe_user_find(check->options->user, &user) == 0) {
		trusted = peer.uid == user.uid;
		pe_user_fini(&user);
	}
	if (!trusted) {
		char why[128];

		snprintf(why, sizeof(why),
			 "the socket is of user %u, and neither root's, ours, nor of --user",
			 (unsigned int)peer.uid);
		return refuse(check, -EPERM, why);
	}
	/* Not visible in this PID namespace. */
	if (peer.pid == 0)
		return refuse(check, -EPERM, "the socket is of a process in another PID namespace");
	return 0;
}

static int explain(struct check *check, int error)
{
	switch (error) {
	case EAGAIN:
		return refuse(check, -EAGAIN, "no answer within 2 s");
	case ECONNRESET:
		return refuse(check, -EAGAIN, "it ended before it answered");
	case ECONNREFUSED:
		return refuse(check, -ECONNREFUSED,
			      "no exporter with this --web.listen-address runs in this network and "
			      "PID namespace");
	default:
		return refuse(check, -error, strerror(error));
	}
}

static int ask(struct check *check, char line[PE_HEALTH_LINE_MAX])
{
	const int opened = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	_cleanup_close_ int fd = opened;
	ssize_t len;
	int r;

	if (fd < 0)
		return explain(check, errno);
	set_timeout(check, fd, SO_SNDTIMEO);
	if (connect(fd, (struct sockaddr *)&check->address, check->len) < 0)
		return explain(check, errno);
	r = check_peer(check, fd);
	if (r < 0)
		return r;
	set_timeout(check, fd, SO_RCVTIMEO);
	len = recv(fd, line, PE_HEALTH_LINE_MAX - 1, 0);
	if (len <= 0)
		return explain(check, len < 0 ? errno : ECONNRESET);
	line[len] = '\0';
	return 0;
}

int pe_health_check(const struct pe_options *options, FILE *out, FILE *err)
{
	struct check check = {
		.options = options,
		.end_ns = pe_clock_monotonic_ns() + DEADLINE_NS,
	};
	char line[PE_HEALTH_LINE_MAX] = "";
	int r;

	check.len = pe_health_address(options, &check.address);
	r = ask(&check, line);
	if (r == -ECONNREFUSED && options->listen_is_default && in_container() && find_any(&check))
		r = ask(&check, line);
	if (r == 0 && strncmp(line, PE_HEALTH_GOOD, strlen(PE_HEALTH_GOOD)) != 0)
		r = -EAGAIN;
	if (r < 0)
		fprintf(err, "packet-exporter: unhealthy: %s\n", *check.why ? check.why : line);
	else
		fprintf(out, "packet-exporter: %s\n", line);
	return r;
}
