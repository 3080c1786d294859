/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See crowd.h. Invariant: who is neither cut nor away is in exactly one list, and they are no more
 * than places. */
#include "crowd.h"

#include <stddef.h>
#include <sys/socket.h>

#include "pe/clock.h"
#include "pe/log.h"

/* Of the places, what is kept for those that have not asked yet. */
#define WAITING_SHARE 4

static struct pe_guests *list_of(struct pe_guest *guest, unsigned int **ret_count)
{
	struct pe_crowd *crowd = guest->crowd;

	*ret_count = guest->asked ? &crowd->asking_count : &crowd->waiting_count;
	return guest->asked ? &crowd->asking : &crowd->waiting;
}

static void append(struct pe_guest *guest)
{
	unsigned int *count;
	struct pe_guests *list = list_of(guest, &count);

	TAILQ_INSERT_TAIL(list, guest, link);
	++*count;
}

static void take_out(struct pe_guest *guest)
{
	unsigned int *count;
	struct pe_guests *list = list_of(guest, &count);

	TAILQ_REMOVE(list, guest, link);
	--*count;
}

static void cut_first(struct pe_crowd *crowd, bool waiting)
{
	struct pe_guest *guest = TAILQ_FIRST(waiting ? &crowd->waiting : &crowd->asking);

	take_out(guest);
	guest->cut = true;
	/* libmicrohttpd sees the end, and closes. */
	shutdown(guest->fd, SHUT_RDWR);
	__atomic_fetch_add(&crowd->cut, 1, __ATOMIC_RELAXED);
}

static void enter_list(struct pe_guest *guest)
{
	static struct pe_log_once logged;
	struct pe_crowd *crowd = guest->crowd;
	bool patient;

	append(guest);
	if (crowd->waiting_count + crowd->asking_count <= crowd->places)
		return;
	patient = crowd->waiting_count > 1 && crowd->waiting_count > crowd->places / WAITING_SHARE;
	cut_first(crowd, patient || !crowd->asking_count);
	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http",
			"all connections are in use: the oldest are cut off for new ones; see "
			"packet_exporter_http_connections_cut_total; raise "
			"--web.max-connections");
}

void pe_crowd_init(struct pe_crowd *crowd, unsigned int places)
{
	*crowd = (struct pe_crowd){ .places = places };
	TAILQ_INIT(&crowd->waiting);
	TAILQ_INIT(&crowd->asking);
}

void pe_crowd_enter(struct pe_crowd *crowd, struct pe_guest *guest, int fd)
{
	*guest = (struct pe_guest){ .crowd = crowd, .fd = fd };
	enter_list(guest);
}

void pe_crowd_leave(struct pe_guest *guest)
{
	if (!guest->cut && !guest->away)
		take_out(guest);
}

static void move(struct pe_guest *guest, bool asked)
{
	if (guest->cut)
		return;
	if (!guest->away)
		take_out(guest);
	guest->away = false;
	guest->asked = asked;
	enter_list(guest);
}

void pe_crowd_ask(struct pe_guest *guest)
{
	move(guest, true);
}

void pe_crowd_wait(struct pe_guest *guest)
{
	move(guest, false);
}

void pe_crowd_send_away(struct pe_guest *guest)
{
	if (guest->cut || guest->away)
		return;
	take_out(guest);
	guest->away = true;
}

bool pe_crowd_make_room(struct pe_crowd *crowd)
{
	if (crowd->waiting_count + crowd->asking_count == 0)
		return false;
	cut_first(crowd, crowd->waiting_count > 0);
	return true;
}

uint64_t pe_crowd_cut(const struct pe_crowd *crowd)
{
	return __atomic_load_n(&crowd->cut, __ATOMIC_RELAXED);
}
