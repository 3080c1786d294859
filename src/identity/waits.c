/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a veth is waited for.
 *
 *   new ── carrier ──► waiting ── named ──► known
 *    │                    │ time is up        ▲
 *    └── named ───────────┴──► unknown ───────┘ late
 *
 * Without a carrier no packet can pass, and there is time, whatever an engine does until then.
 * Where nothing runs behind it yet there is a little more: Podman and CNI make the network first.
 * One that goes while it waits is waited for a second more: a walk over all tasks may name its
 * namespace.
 */
#include <errno.h>

#include "pe/clock.h"

#include "inside.h"

/* The kernel is asked again for a veth whose peer was not in another namespace yet: Docker makes
 * both ends here and moves one. */
#define ASK_MIN_NS (10 * PE_NS_PER_MS)
#define ASK_MAX_NS (200 * PE_NS_PER_MS)
/* In all, while nothing runs behind it. */
#define EMPTY_WAIT_NS (20 * PE_NS_PER_S)
#define GONE_WAIT_NS  PE_NS_PER_S

static void observe(struct pe_identities *ids, uint64_t ns)
{
#define BOUND_NS(number, text) number *PE_NS_PER_MS,
	static const uint64_t bounds[] = { PE_IDENTITY_BOUNDS_MS(BOUND_NS) };
	unsigned int bucket = 0;

	_Static_assert(sizeof(bounds) / sizeof(*bounds) + 1 == PE_IDENTITY_BUCKETS, "and +Inf");
	while (bucket < PE_IDENTITY_BUCKETS - 1 && ns > bounds[bucket])
		bucket++;
	pe_identities_count(&ids->stats.latency[bucket], 1);
	pe_identities_count(&ids->stats.latency_sum_ns, ns);
}

void pe_veth_report(struct pe_identities *ids, struct pe_veth *veth)
{
	struct pe_identity *identity = veth->netns ? veth->netns->identity : NULL;

	if (!identity || pe_identity_equal(identity, veth->identity))
		return;
	if (!veth->identity) {
		uint64_t now = pe_clock_monotonic_ns();

		pe_identities_count(
			&ids->stats.results[veth->state == PE_VETH_UNKNOWN ? PE_IDENTITY_LATE
									   : PE_IDENTITY_RESOLVED],
			1);
		if (veth->state != PE_VETH_GONE)
			pe_tables_end_wait(&ids->tables, veth, PE_VETH_KNOWN);
		observe(ids, now > veth->came_ns ? now - veth->came_ns : 0);
		pe_identities_count(&ids->stats.unresolved, (uint64_t)-1);
	}
	pe_identity_unref(veth->identity);
	veth->identity = pe_identity_ref(identity);
	pe_netns_report(ids, veth->netns, veth->ifindex);
	ids->options.resolved(veth->ifindex, identity, ids->options.userdata);
}

void pe_veth_bind(struct pe_identities *ids, struct pe_veth *veth, uint64_t cookie)
{
	struct pe_netns *netns = pe_tables_netns(&ids->tables, cookie);

	if (netns)
		pe_tables_bind(veth, netns);
}

static void give_up(struct pe_identities *ids, struct pe_veth *veth)
{
	pe_tables_end_wait(&ids->tables, veth, PE_VETH_UNKNOWN);
	pe_netns_report(ids, veth->netns, veth->ifindex);
	ids->options.resolved(veth->ifindex, NULL, ids->options.userdata);
}

static void count_failure(struct pe_identities *ids, const struct pe_veth *veth)
{
	enum pe_identity_result result = PE_IDENTITY_NO_TASK;

	if (!veth->netns)
		result = PE_IDENTITY_NO_PEER;
	else if (pe_tasks_lost(ids->tasks) != veth->lost)
		result = PE_IDENTITY_LOST_EVENT;
	pe_identities_count(&ids->stats.results[result], 1);
}

/* What a record has said of it, if nothing else has. */
static void take_early(struct pe_identities *ids, struct pe_veth *veth)
{
	uint64_t cookie = veth->netns ? 0 : pe_tables_early(&ids->tables, veth->ifindex);

	if (cookie)
		pe_veth_bind(ids, veth, cookie);
}

/* Its peer may have gone back to our own namespace, as at a container's end: that changes nothing.
 */
static void ask(struct pe_identities *ids, struct pe_veth *veth)
{
	uint64_t cookie = 0;
	int r = pe_tasks_peer(ids->tasks, veth->ifindex, &cookie);

	if (r != -ENODEV)
		veth->is_here = r == -EXDEV;
	else
		take_early(ids, veth);
	if (cookie)
		pe_veth_bind(ids, veth, cookie);
	pe_veth_report(ids, veth);
}

static void begin_wait(struct pe_identities *ids, struct pe_veth *veth, uint64_t at_ns)
{
	const uint64_t ask_at_ns = pe_clock_monotonic_ns() + ASK_MIN_NS;

	pe_tables_begin_wait(&ids->tables, veth, at_ns);
	if (!veth->walked && !ids->half_at_ns)
		ids->half_at_ns = at_ns + ids->options.wait_ns / 2;
	if (veth->netns)
		return;
	/* Those that come meanwhile do not put it off. */
	if (!ids->asks || ask_at_ns < ids->ask_at_ns)
		ids->ask_at_ns = ask_at_ns;
	ids->ask_step_ns = ASK_MIN_NS;
	ids->asks = true;
}

static void end_wait(struct pe_identities *ids, struct pe_veth *veth, uint64_t now_ns)
{
	if (ids->options.wait_ns > 0 && veth->netns && !veth->netns->has_task &&
	    now_ns - veth->used_ns < EMPTY_WAIT_NS) {
		pe_tables_end_wait(&ids->tables, veth, PE_VETH_NEW);
		begin_wait(ids, veth, now_ns);
	} else {
		count_failure(ids, veth);
		give_up(ids, veth);
	}
}

static void free_veth(struct pe_identities *ids, struct pe_veth *veth)
{
	if (!veth->identity)
		pe_identities_count(&ids->stats.unresolved, (uint64_t)-1);
	pe_tables_free_veth(&ids->tables, veth);
}

static void end_gone(struct pe_identities *ids, struct pe_veth *veth)
{
	if (!veth->identity)
		count_failure(ids, veth);
	free_veth(ids, veth);
}

/* ---- time ---- */

/* For those that have waited for half of their time: a record of theirs may have been missed. */
static void look_at_half(struct pe_identities *ids, uint64_t now_ns)
{
	const uint64_t half_ns = ids->options.wait_ns / 2;

	if (!ids->half_at_ns || now_ns < ids->half_at_ns)
		return;
	ids->half_at_ns = 0;
	for (struct pe_veth *veth = ids->tables.first_waiting; veth; veth = veth->later) {
		if (now_ns - veth->waits_ns < half_ns) {
			ids->half_at_ns = veth->waits_ns + half_ns;
			break;
		}
		ids->wants_walk |= !veth->walked;
		veth->walked = true;
	}
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return !a_ns || (b_ns && b_ns < a_ns) ? b_ns : a_ns;
}

uint64_t pe_identities_due_at(const struct pe_identities *ids)
{
	const struct pe_veth *waiting = ids->tables.first_waiting, *gone = ids->tables.first_gone;
	uint64_t due = 0;

	if (ids->wants_walk || pe_tasks_lost(ids->tasks) != ids->lost)
		due = ids->walked_at_ns + PE_IDENTITY_WALK_MIN_NS;
	if (waiting) {
		due = earlier(due, waiting->waits_ns + ids->options.wait_ns);
		due = earlier(due, ids->half_at_ns);
	}
	if (waiting && ids->asks)
		due = earlier(due, ids->ask_at_ns);
	return gone ? earlier(due, gone->waits_ns + GONE_WAIT_NS) : due;
}

/* Asks for those that have no namespace, when that is due or their time is up. */
static void visit_waiting(struct pe_identities *ids, uint64_t now_ns)
{
	const bool is_due = ids->asks && now_ns >= ids->ask_at_ns;
	struct pe_veth *veth, *later;

	ids->asks = false;
	for (veth = ids->tables.first_waiting; veth; veth = later) {
		const bool is_over = now_ns >= veth->waits_ns + ids->options.wait_ns;

		later = veth->later;
		if (!veth->netns && (is_due || is_over))
			ask(ids, veth);
		if (veth->state == PE_VETH_WAITING && is_over)
			end_wait(ids, veth, now_ns);
		ids->asks |= veth->state == PE_VETH_WAITING && !veth->netns;
	}
	if (is_due) {
		ids->ask_step_ns = 2 * ids->ask_step_ns < ASK_MAX_NS ? 2 * ids->ask_step_ns
								     : ASK_MAX_NS;
		ids->ask_at_ns = now_ns + ids->ask_step_ns;
	}
}

void pe_identities_run(struct pe_identities *ids)
{
	const uint64_t now = pe_clock_monotonic_ns();
	struct pe_veth *gone;

	pe_identities_read(ids);
	look_at_half(ids, now);
	if (ids->wants_walk || pe_tasks_lost(ids->tasks) != ids->lost)
		pe_identities_walk(ids, now);
	visit_waiting(ids, now);
	while ((gone = ids->tables.first_gone) && now >= gone->waits_ns + GONE_WAIT_NS)
		end_gone(ids, gone);
}

/* ---- events ---- */

/* Whoever is called back for this ifindex from now on is another one. */
static void end_gone_of(struct pe_identities *ids, int ifindex)
{
	struct pe_veth *gone, *later;

	for (gone = ids->tables.first_gone; gone; gone = later) {
		later = gone->later;
		if (gone->ifindex == ifindex)
			end_gone(ids, gone);
	}
}

static struct pe_veth *add(struct pe_identities *ids, int ifindex, uint64_t at_ns)
{
	struct pe_veth *veth = NULL;

	end_gone_of(ids, ifindex);
	if (ids->tables.veth_count >= ids->options.max_links && ids->tables.first_gone)
		end_gone(ids, ids->tables.first_gone);
	if (ids->tables.veth_count < ids->options.max_links)
		veth = pe_tables_add_veth(&ids->tables, ifindex, at_ns);
	if (!veth) {
		ids->options.resolved(ifindex, NULL, ids->options.userdata);
		return NULL;
	}
	veth->lost = pe_tasks_lost(ids->tasks);
	pe_identities_count(&ids->stats.unresolved, 1);
	pe_identities_read(ids);
	return veth;
}

void pe_identities_link(struct pe_identities *ids, int ifindex, bool is_used, uint64_t at_ns)
{
	struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	if (!veth)
		veth = add(ids, ifindex, at_ns);
	if (!veth)
		return;
	ask(ids, veth);
	if (is_used && veth->state == PE_VETH_NEW) {
		veth->used_ns = at_ns;
		begin_wait(ids, veth, at_ns);
	}
}

static bool is_awaited(const struct pe_veth *veth)
{
	return veth->state == PE_VETH_NEW || veth->state == PE_VETH_WAITING;
}

/* The kernel is not asked: another may have its ifindex by now. */
void pe_identities_unlink(struct pe_identities *ids, int ifindex)
{
	struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	/* What they say of this ifindex is of this one. */
	pe_identities_read(ids);
	if (veth && is_awaited(veth)) {
		take_early(ids, veth);
		pe_veth_report(ids, veth);
	}
	pe_tables_forget_early(&ids->tables, ifindex);
	if (!veth)
		return;
	if (is_awaited(veth) && veth->netns) {
		pe_tables_set_gone(&ids->tables, veth, pe_clock_monotonic_ns());
		ids->wants_walk = true;
		return;
	}
	if (is_awaited(veth)) {
		/* Not the container's end, which is here for a moment before and after. */
		if (veth->state == PE_VETH_WAITING && !veth->is_here)
			count_failure(ids, veth);
		give_up(ids, veth);
	}
	free_veth(ids, veth);
}

struct pe_identity *pe_identities_find(const struct pe_identities *ids, int ifindex)
{
	const struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	return veth ? veth->identity : NULL;
}
