/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pe/healthcheck.h. Anybody can have bound the name, or fill the backlog: the peer's
 * credentials are looked at before a word of it is believed, and all of it has one deadline.
 */
#include "pe/healthcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/user.h"

#include "healthcheck_socket.h"

/* The user of our unit for systemd, which is its name. */
#define SERVICE	       "packet-exporter"
#define NAME_MAX_BYTES 256 /* of a user */

#define DEADLINE_NS (2 * PE_NS_PER_S)
#define WHY_MAX	    512
/* The inode of the host's PID namespace: PROC_PID_INIT_INO of linux/proc_ns.h. */
#define HOST_PIDS 0xeffffffcu
/* Of /proc/net/unix: __SO_ACCEPTCON, which is not exported. */
#define LISTENS 0x10000u
/* Others could be of somebody who wants to write to the terminal. */
#define NAME_CHARS "~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/[]%"

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

static bool in_container(void)
{
	struct stat pids;

	return stat("/proc/self/ns/pid", &pids) == 0 && pids.st_ino != HOST_PIDS;
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

/* Whether systemd has lent this number to a service of such a name (DynamicUser=). It says so in
 * links that only root can make: make_uid_symlinks() of systemd. Where the process runs that says
 * that it is the exporter, or which program, would be no proof: whoever likes runs our program,
 * with a library of his own in it, or another one that becomes root. */
static bool is_lent_to(uid_t uid, const char *service)
{
	char path[64], name[NAME_MAX_BYTES];
	struct stat link;
	ssize_t len;

	snprintf(path, sizeof(path), "/run/systemd/dynamic-uid/direct:%u", (unsigned int)uid);
	if (lstat(path, &link) < 0 || link.st_uid != 0)
		return false;
	len = readlink(path, name, sizeof(name));
	return len == (ssize_t)strlen(service) && memcmp(name, service, (size_t)len) == 0;
}

static bool is_of_option(const char *option, uid_t uid)
{
	struct pe_user user;
	bool is_it;

	if (!option)
		return false;
	if (is_lent_to(uid, option))
		return true;
	if (pe_user_find(option, &user) < 0)
		return false;
	is_it = uid == user.uid;
	pe_user_fini(&user);
	return is_it;
}

/* The credentials are those of the listener, at that time. */
static int check_peer(struct check *check, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return refuse(check, -errno, strerror(errno));
	if (peer.uid != 0 && peer.uid != geteuid() && !is_lent_to(peer.uid, SERVICE) &&
	    !is_of_option(check->options->user, peer.uid)) {
		char why[160];

		snprintf(why, sizeof(why),
			 "the socket is of user %u, and neither root's, ours, of --user, nor of "
			 "the service " SERVICE,
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

/* Connects, at once or within the deadline. A full backlog is -EBUSY at once. */
static int connect_to(struct check *check, int fd, bool waits)
{
	set_timeout(check, fd, SO_SNDTIMEO);
	if (fcntl(fd, F_SETFL, waits ? 0 : O_NONBLOCK) < 0)
		return explain(check, errno);
	if (connect(fd, (struct sockaddr *)&check->address, check->len) < 0)
		return !waits && errno == EAGAIN ? -EBUSY : explain(check, errno);
	return fcntl(fd, F_SETFL, 0) < 0 ? explain(check, errno) : 0;
}

static int ask(struct check *check, bool waits, char line[PE_HEALTHCHECK_LINE_MAX])
{
	const int opened = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	_cleanup_close_ int fd = opened;
	ssize_t len;
	int r;

	if (fd < 0)
		return explain(check, errno);
	r = connect_to(check, fd, waits);
	if (r == 0)
		r = check_peer(check, fd);
	if (r < 0)
		return r;
	set_timeout(check, fd, SO_RCVTIMEO);
	len = recv(fd, line, PE_HEALTHCHECK_LINE_MAX - 1, 0);
	if (len <= 0)
		return explain(check, len < 0 ? errno : ECONNRESET);
	line[len] = '\0';
	return 0;
}

/* ---- which exporter ---- */

/* Of "Num: RefCount Protocol Flags Type St Inode Path": the name, if it begins so and is listened
 * to. */
static bool read_name(struct check *check, const char *line, const char *prefix)
{
	const size_t room = sizeof(check->address.sun_path) - 1;
	const char *at = strchr(line, '@');
	unsigned int flags;
	size_t len;

	if (!at || sscanf(line, "%*s %*s %*s %x", &flags) != 1 || !(flags & LISTENS) ||
	    strncmp(at + 1, prefix, strlen(prefix)) != 0)
		return false;
	len = strspn(++at, NAME_CHARS);
	if (at[len] != '\n' || len > room)
		return false;
	memcpy(check->address.sun_path + 1, at, len);
	check->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
	return true;
}

/* Nobody is there, or nobody who is to be believed. */
static bool is_none(int r)
{
	return r == -ECONNREFUSED || r == -EPERM || r == -EBUSY;
}

/* Asks those whose names begin so, until one is to be believed. None is waited for: it could be
 * there only to be waited for. */
static int ask_all(struct check *check, const char *prefix, bool *ret_is_busy,
		   char line[PE_HEALTHCHECK_LINE_MAX])
{
	_cleanup_free_ char *entry = NULL;
	FILE *table = fopen("/proc/self/net/unix", "re");
	int r = -ECONNREFUSED;
	size_t size = 0;

	while (table && is_none(r) && getline(&entry, &size, table) > 0) {
		if (!read_name(check, entry, prefix))
			continue;
		r = ask(check, false, line);
		*ret_is_busy |= r == -EBUSY;
	}
	if (table)
		fclose(table);
	return r;
}

/* As ask_all(), again until the deadline while one of them is busy. */
static int ask_until(struct check *check, const char *prefix, char line[PE_HEALTHCHECK_LINE_MAX])
{
	static const struct timespec pause = { .tv_nsec = 20 * (long)PE_NS_PER_MS };
	bool is_busy;
	int r;

	for (;;) {
		is_busy = false;
		r = ask_all(check, prefix, &is_busy, line);
		if (!is_none(r) || !is_busy || pe_clock_monotonic_ns() >= check->end_ns)
			return r;
		nanosleep(&pause, NULL);
	}
}

/*
 * The one with the name that these options give it. If somebody else had taken that name before it
 * came, it has another one: that is asked first, since the other could keep us waiting.
 */
static int ask_named(struct check *check, char line[PE_HEALTHCHECK_LINE_MAX])
{
	const size_t len = check->len - offsetof(struct sockaddr_un, sun_path) - 1;
	char prefix[sizeof(check->address.sun_path) + 1];
	struct check other = *check;
	bool is_busy = false;
	int r;

	snprintf(prefix, sizeof(prefix), "%.*s%c", (int)len, check->address.sun_path + 1,
		 PE_HEALTHCHECK_OTHER);
	r = ask_all(&other, prefix, &is_busy, line);
	if (is_none(r))
		return ask(check, true, line);
	*check = other;
	return r;
}

/* Any that listens in this PID namespace. A container runs one, but its check, which is in the
 * image, does not know the flags that it was started with. */
static int ask_any(struct check *check, char line[PE_HEALTHCHECK_LINE_MAX])
{
	char prefix[sizeof(check->address.sun_path) + 1] = "";
	struct check other = *check;
	int r;

	memcpy(prefix, check->address.sun_path + 1,
	       check->len - offsetof(struct sockaddr_un, sun_path) - 1);
	strrchr(prefix, '/')[1] = '\0';
	r = ask_until(&other, prefix, line);
	/* Why the first is not the one is what helps. */
	if (!is_none(r))
		*check = other;
	return r;
}

int pe_healthcheck_ask(const struct pe_options *options, FILE *out, FILE *err)
{
	struct check check = {
		.options = options,
		.end_ns = pe_clock_monotonic_ns() + DEADLINE_NS,
	};
	char line[PE_HEALTHCHECK_LINE_MAX] = "";
	int r, any;

	check.len = pe_healthcheck_address(options, &check.address);
	r = ask_named(&check, line);
	if (is_none(r) && options->listen_is_default && in_container()) {
		any = ask_any(&check, line);
		r = is_none(any) ? r : any;
	}
	if (r == 0 && strncmp(line, PE_HEALTHCHECK_GOOD, strlen(PE_HEALTHCHECK_GOOD)) != 0)
		r = -EAGAIN;
	if (r < 0)
		fprintf(err, "packet-exporter: unhealthy: %s\n", *check.why ? check.why : line);
	else
		fprintf(out, "packet-exporter: %s\n", line);
	return r;
}
