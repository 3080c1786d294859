/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See connection_limit.h. Invariant: a slot that is neither evicted nor suspended is in exactly one
 * list, and they are no more than the maximum.
 */
#include "connection_limit.h"

#include <stddef.h>
#include <sys/socket.h>

#include "pe/clock.h"
#include "pe/log.h"

/* Of the slots, what is kept for connections without a request. */
#define WAITING_SHARE 4

static struct pe_connection_slots *list_of(struct pe_connection_slot *slot,
					   unsigned int **ret_count)
{
	struct pe_connection_limit *limit = slot->limit;

	*ret_count = slot->answering ? &limit->answering_count : &limit->waiting_count;
	return slot->answering ? &limit->answering : &limit->waiting;
}

static void append(struct pe_connection_slot *slot)
{
	unsigned int *count;
	struct pe_connection_slots *list = list_of(slot, &count);

	TAILQ_INSERT_TAIL(list, slot, link);
	++*count;
}

static void take_out(struct pe_connection_slot *slot)
{
	unsigned int *count;
	struct pe_connection_slots *list = list_of(slot, &count);

	TAILQ_REMOVE(list, slot, link);
	--*count;
}

static void evict_first(struct pe_connection_limit *limit, bool waiting)
{
	struct pe_connection_slot *slot =
		TAILQ_FIRST(waiting ? &limit->waiting : &limit->answering);

	take_out(slot);
	slot->evicted = true;
	/* libmicrohttpd sees the end, and closes. */
	shutdown(slot->fd, SHUT_RDWR);
	__atomic_fetch_add(&limit->evicted, 1, __ATOMIC_RELAXED);
}

static void enter_list(struct pe_connection_slot *slot)
{
	static struct pe_log_once logged;
	struct pe_connection_limit *limit = slot->limit;
	bool patient;

	append(slot);
	if (limit->waiting_count + limit->answering_count <= limit->max)
		return;
	patient = limit->waiting_count > 1 && limit->waiting_count > limit->max / WAITING_SHARE;
	evict_first(limit, patient || !limit->answering_count);
	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http",
			"all connections are in use: the oldest are cut off for new ones; see "
			"packet_exporter_http_connections_evicted_total; raise "
			"--web.max-connections");
}

void pe_connection_limit_init(struct pe_connection_limit *limit, unsigned int max)
{
	*limit = (struct pe_connection_limit){ .max = max };
	TAILQ_INIT(&limit->waiting);
	TAILQ_INIT(&limit->answering);
}

void pe_connection_slot_take(struct pe_connection_limit *limit, struct pe_connection_slot *slot,
			     int fd)
{
	*slot = (struct pe_connection_slot){ .limit = limit, .fd = fd };
	enter_list(slot);
}

void pe_connection_slot_release(struct pe_connection_slot *slot)
{
	if (!slot->evicted && !slot->suspended)
		take_out(slot);
}

static void move(struct pe_connection_slot *slot, bool answering)
{
	if (slot->evicted)
		return;
	if (!slot->suspended)
		take_out(slot);
	slot->suspended = false;
	slot->answering = answering;
	enter_list(slot);
}

void pe_connection_slot_answer(struct pe_connection_slot *slot)
{
	move(slot, true);
}

void pe_connection_slot_wait(struct pe_connection_slot *slot)
{
	move(slot, false);
}

void pe_connection_slot_suspend(struct pe_connection_slot *slot)
{
	if (slot->evicted || slot->suspended)
		return;
	take_out(slot);
	slot->suspended = true;
}

bool pe_connection_limit_evict(struct pe_connection_limit *limit)
{
	if (limit->waiting_count + limit->answering_count == 0)
		return false;
	evict_first(limit, limit->waiting_count > 0);
	return true;
}

uint64_t pe_connection_limit_evicted(const struct pe_connection_limit *limit)
{
	return __atomic_load_n(&limit->evicted, __ATOMIC_RELAXED);
}
