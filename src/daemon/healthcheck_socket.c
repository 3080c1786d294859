/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See healthcheck_socket.h. An answer fits into the socket's buffer, so that nobody is waited for.
 * A burst beyond the limit stays in the backlog, and its senders in connect(2), until the next
 * window.
 */
#include "healthcheck_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

/* A flood takes 2 % of a CPU. Each window empties the backlog; a smaller one is full again before a
 * waiter for a place in it has woken up. */
#define WINDOW_NS   (100 * PE_NS_PER_MS)
#define ANSWERS_MAX 128
#define BACKLOG	    ANSWERS_MAX
#define FRESH_NS    PE_NS_PER_S
#define OTHER_MAX   18 /* PE_HEALTHCHECK_OTHER, 16 digits, the end */

struct pe_healthcheck {
	int fd;
	struct pe_loop *loop;
	struct pe_source *input; /* NULL in a pause */
	struct pe_source *pause;
	pe_healthcheck_fn fn;
	void *userdata;
	uint64_t window_ns; /* its begin */
	unsigned int answers;
	uint64_t line_ns; /* when the line was written; 0: never */
	char line[PE_HEALTHCHECK_LINE_MAX];
};

socklen_t pe_healthcheck_address(const struct pe_options *options, struct sockaddr_un *ret_address)
{
	const char *listen = options->web_systemd_socket ? "systemd" : options->listen.item[0];
	const size_t room = sizeof(ret_address->sun_path) - 1, size = strlen(listen);
	char *name = ret_address->sun_path + 1;
	struct stat pids = { 0 };
	size_t len;

	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* Without /proc there is no number, for either end. */
	if (stat("/proc/self/ns/pid", &pids) < 0)
		pids.st_ino = 0;
	len = (size_t)snprintf(name, room, "packet-exporter/%" PRIu64 "/", (uint64_t)pids.st_ino);
	/* The port is at the end. */
	if (size > room - len)
		listen += size - (room - len);
	memcpy(name + len, listen, strlen(listen));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len + strlen(listen));
}

static void cleanup_health(struct pe_healthcheck **health)
{
	pe_healthcheck_free(*health);
}

/* Whoever takes a name that is easily known beforehand must not make the check fail. */
static int bind_name(int fd, struct sockaddr_un *address, socklen_t len)
{
	const size_t room = sizeof(*address) - len;
	char suffix[OTHER_MAX];
	uint64_t number;
	size_t size;

	if (bind(fd, (struct sockaddr *)address, len) == 0)
		return 0;
	if (errno != EADDRINUSE || getentropy(&number, sizeof(number)) < 0)
		return -1;
	size = (size_t)snprintf(suffix, sizeof(suffix), "%c%016" PRIx64, PE_HEALTHCHECK_OTHER,
				number);
	/* Of a long address only what leaves room for it. */
	if (size > room)
		len -= (socklen_t)(size - room);
	memcpy((char *)address + len, suffix, size);
	return bind(fd, (struct sockaddr *)address, len + (socklen_t)size);
}

int pe_healthcheck_new(const struct pe_options *options, struct pe_healthcheck **ret_health)
{
	_cleanup_(cleanup_health) struct pe_healthcheck *health = calloc(1, sizeof(*health));
	struct sockaddr_un address;
	const socklen_t len = pe_healthcheck_address(options, &address);

	if (!health)
		return -ENOMEM;
	health->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (health->fd < 0 || bind_name(health->fd, &address, len) < 0 ||
	    listen(health->fd, BACKLOG) < 0)
		return -errno;
	*ret_health = PE_TAKE_PTR(health);
	return 0;
}

static void on_input(void *userdata);

static void on_pause(void *userdata)
{
	struct pe_healthcheck *health = userdata;

	if (pe_loop_add_fd(health->loop, health->fd, on_input, health, &health->input) < 0)
		pe_source_arm(health->pause, pe_clock_monotonic_ns() + FRESH_NS, 0);
}

static void refresh(struct pe_healthcheck *health, uint64_t now_ns)
{
	if (health->line_ns && now_ns - health->line_ns < FRESH_NS)
		return;
	health->line_ns = now_ns;
	health->line[0] = '\0';
	health->fn(health->line, sizeof(health->line), health->userdata);
}

/* 0, or -errno of accept(2). */
static int answer(struct pe_healthcheck *health)
{
	const int accepted = accept4(health->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_close_ int fd = accepted;

	if (fd < 0)
		return -errno;
	/* Whoever has gone already needs none. */
	(void)send(fd, health->line, strlen(health->line), MSG_NOSIGNAL);
	return 0;
}

static void on_input(void *userdata)
{
	struct pe_healthcheck *health = userdata;
	const uint64_t now_ns = pe_clock_monotonic_ns();

	if (now_ns - health->window_ns >= WINDOW_NS) {
		health->window_ns = now_ns;
		health->answers = 0;
	}
	refresh(health, now_ns);
	for (; health->answers < ANSWERS_MAX; health->answers++) {
		int r = answer(health);

		if (r == -EAGAIN)
			return;
		/* Without a free descriptor it would stay readable. */
		if (r < 0)
			break;
	}
	health->input = pe_source_remove(health->input);
	pe_source_arm(health->pause, health->window_ns + WINDOW_NS, 0);
}

int pe_healthcheck_start(struct pe_healthcheck *health, struct pe_loop *loop, pe_healthcheck_fn fn,
			 void *userdata)
{
	int r;

	health->loop = loop;
	health->fn = fn;
	health->userdata = userdata;
	r = pe_loop_add_timer(loop, on_pause, health, &health->pause);
	return r < 0 ? r : pe_loop_add_fd(loop, health->fd, on_input, health, &health->input);
}

struct pe_healthcheck *pe_healthcheck_free(struct pe_healthcheck *health)
{
	if (!health)
		return NULL;
	pe_source_remove(health->input);
	pe_source_remove(health->pause);
	if (health->fd >= 0)
		close(health->fd);
	free(health);
	return NULL;
}
