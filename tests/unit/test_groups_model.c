/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host and groups against a model: random histories of interfaces, identities and counts. After
 * each step every group is what the model says; and also with refused memory, when it cannot say
 * which group has a count, host = the sum over the groups and what waits, nothing goes back, and
 * the interfaces are not more than the host.
 */
#include <stdio.h>

#include "malloc-failure.h"
#include "pe/identity.h"
#include "registry-source.h"

#define INDEXES	   7
#define NAMES	   9
#define KINDS	   2 /* the first waits for its identity */
#define MASTERS	   2
#define WORKLOADS  3
#define MEMBERS	   2048
#define GROUPS_MAX 6
#define KEYS	   (KINDS * MASTERS * (WORKLOADS + 1))
#define OTHER	   KEYS
#define WAITING	   (KEYS + 1)
#define PLACES	   (KEYS + 2)
#define RETENTION  20
#define DEPARTED   3
#define STEPS	   2500
#define HISTORIES  6

static const char *const kinds[KINDS] = { "veth", "bridge" };
static const char *const masters[MASTERS] = { "", "br0" };
static struct pe_identity *identities[WORKLOADS + 1]; /* the last is nobody */

/* Every field that the steps change. */
struct sums {
	uint64_t packets, flows, unobserved, overcounted, arrived, departed, ended;
};

struct member {
	int ifindex;
	size_t name, kind, master, workload; /* WORKLOADS: unknown */
	bool live, waiting;
	uint64_t deadline_ns;
	size_t place; /* a key, OTHER or WAITING */
	struct sums waits;
	uint64_t moved; /* packets, in all places */
};

struct place {
	bool used;
	struct sums sums;
	uint64_t live, idle_since;
};

struct model {
	struct pe_registry *registry;
	bool refuse; /* memory, now and then */
	struct member member[MEMBERS];
	size_t members;
	size_t owner[TOKENS]; /* a member, by its token */
	struct place place[PLACES];
	struct sums host;
	uint64_t now_ns, idle_order, next_token, random;
	uint64_t evicted, late; /* what the histories were for */
};

static uint64_t draw(struct model *model, uint64_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return model->random % below;
}

static void add_sums(struct sums *a, const struct sums *b)
{
	a->packets += b->packets;
	a->flows += b->flows;
	a->unobserved += b->unobserved;
	a->overcounted += b->overcounted;
	a->arrived += b->arrived;
	a->departed += b->departed;
	a->ended += b->ended;
}

/* ---- the model ---- */

static size_t key_of(size_t kind, size_t master, size_t workload)
{
	return (kind * MASTERS + master) * (WORKLOADS + 1) + workload;
}

static size_t count_keys(const struct model *model)
{
	size_t count = 0;

	for (size_t key = 0; key < KEYS; key++)
		count += model->place[key].used;
	return count;
}

static void make_key(struct model *model, size_t key)
{
	model->place[key] = (struct place){ .used = true, .idle_since = ++model->idle_order };
}

/* False if every group has a live member. */
static bool evict(struct model *model)
{
	size_t oldest = KEYS;

	for (size_t key = 0; key < KEYS; key++) {
		const struct place *place = &model->place[key];

		if (place->used && place->live == 0 &&
		    (oldest == KEYS || place->idle_since < model->place[oldest].idle_since))
			oldest = key;
	}
	if (oldest == KEYS)
		return false;
	add_sums(&model->place[OTHER].sums, &model->place[oldest].sums);
	model->place[OTHER].used = true;
	model->place[oldest] = (struct place){ 0 };
	for (size_t i = 0; i < model->members; i++) {
		if (model->member[i].place == oldest)
			model->member[i].place = OTHER;
	}
	model->evicted++;
	return true;
}

static size_t open_key(struct model *model, size_t key)
{
	if (model->place[key].used)
		return key;
	if (count_keys(model) >= GROUPS_MAX && !evict(model)) {
		model->place[OTHER].used = true;
		return OTHER;
	}
	make_key(model, key);
	return key;
}

static void leave_place(struct model *model, size_t at)
{
	struct place *place = &model->place[at];

	place->sums.departed++;
	if (--place->live == 0)
		place->idle_since = ++model->idle_order;
}

static void place(struct model *model, struct member *member)
{
	size_t from = member->place,
	       to = open_key(model, key_of(member->kind, member->master, member->workload));

	/* What it opened may have cost its own. */
	from = member->place;
	if (from == to)
		return;
	member->place = to;
	model->place[to].sums.arrived++;
	model->place[to].live++;
	if (member->waiting) {
		add_sums(&model->place[to].sums, &member->waits);
		member->waits = (struct sums){ 0 };
		member->waiting = false;
	} else {
		leave_place(model, from);
		model->late++;
	}
	if (!member->live) {
		leave_place(model, to);
		model->place[to].sums.ended += member->moved;
	}
}

static void depart(struct model *model, struct member *member)
{
	member->live = false;
	model->host.departed++;
	if (member->waiting) {
		member->deadline_ns = model->now_ns + PE_NS_PER_S;
	} else {
		leave_place(model, member->place);
		model->place[member->place].sums.ended += member->moved;
	}
}

static struct member *live_one(struct model *model, int ifindex)
{
	for (size_t i = model->members; i-- > 0;)
		if (model->member[i].live && model->member[i].ifindex == ifindex)
			return &model->member[i];
	return NULL;
}

static struct member *live_name(struct model *model, size_t name)
{
	for (size_t i = model->members; i-- > 0;)
		if (model->member[i].live && model->member[i].name == name)
			return &model->member[i];
	return NULL;
}

/* The last that had this ifindex, if it is live or waits. */
static struct member *known(struct model *model, int ifindex)
{
	for (size_t i = model->members; i-- > 0;) {
		struct member *member = &model->member[i];

		if (member->ifindex == ifindex)
			return member->live || member->waiting ? member : NULL;
	}
	return NULL;
}

static void enter(struct model *model, const struct member *new)
{
	struct member *before = known(model, new->ifindex), *member;
	size_t nameless = key_of(new->kind, 0, WORKLOADS);

	assert_true(model->members < MEMBERS);
	if (before)
		place(model, before);
	member = &model->member[model->members++];
	*member = *new;
	model->host.arrived++;
	if (!model->place[nameless].used && count_keys(model) < GROUPS_MAX)
		make_key(model, nameless);
	member->waiting = true;
	member->place = WAITING;
	member->deadline_ns = UINT64_MAX;
	if (member->kind > 0)
		place(model, member);
}

static void count(struct model *model, struct member *member, const struct sums *sums)
{
	member->moved += sums->packets;
	add_sums(&model->host, sums);
	add_sums(member->waiting ? &member->waits : &model->place[member->place].sums, sums);
}

/* ---- steps ---- */

static void maybe_refuse(struct model *model)
{
	if (model->refuse && malloc_failure_works && draw(model, 3) == 0)
		malloc_failure_after = (long)draw(model, 6);
}

static bool refused(int r)
{
	malloc_failure_after = -1;
	return r == -ENOMEM;
}

static struct pe_iface_info info_of(const struct member *member)
{
	struct pe_iface_info info = { .ifindex = member->ifindex };

	snprintf(info.name, sizeof(info.name), "if%zu", member->name);
	strcpy(info.kind, kinds[member->kind]);
	strcpy(info.master, masters[member->master]);
	return info;
}

static unsigned int new_token(struct model *model)
{
	return draw(model, 4) && model->next_token < TOKENS ? (unsigned int)model->next_token++ : 0;
}

static void step_add(struct model *model)
{
	const struct member new = {
		.ifindex = 1 + (int)draw(model, INDEXES),
		.name = draw(model, NAMES),
		.kind = draw(model, 3) == 0,
		.master = draw(model, MASTERS),
		.workload = WORKLOADS,
		.live = true,
	};
	const struct pe_iface_info info = info_of(&new);
	struct member *holder;
	unsigned int token;
	int r;

	if (live_one(model, new.ifindex))
		return;
	token = new_token(model);
	maybe_refuse(model);
	r = add_iface(model->registry, &info, take_token(token), model->now_ns);
	if (refused(r)) {
		give_token_up(token);
		return;
	}
	assert_int_equal(r, 0);
	holder = live_name(model, new.name);
	if (holder)
		depart(model, holder);
	enter(model, &new);
	model->owner[token] = model->members - 1;
}

/* Comes and goes unreported: nobody is waited for. */
static void step_fold(struct model *model)
{
	const struct member new = {
		.ifindex = 100 + (int)draw(model, 2),
		.name = NAMES,
		.workload = WORKLOADS,
		.live = true,
	};
	struct pe_iface_info info = info_of(&new);
	unsigned int token = new_token(model);
	struct sums sums = { 0 };
	struct member *member;
	int r;

	take_token(token);
	if (token) {
		sums.packets = draw(model, 1000);
		source_count(token, sums.packets);
	}
	maybe_refuse(model);
	r = pe_registry_fold(model->registry, &info, token ? token : PE_TOKEN_NONE, model->now_ns);
	if (refused(r)) {
		give_token_up(token);
		return;
	}
	assert_int_equal(r, 0);
	enter(model, &new);
	member = &model->member[model->members - 1];
	place(model, member);
	count(model, member, &sums);
	depart(model, member);
	model->owner[token] = model->members - 1;
}

/* Another name, another master, or both. */
static void step_update(struct model *model)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct member *member = live_one(model, ifindex), *other, changed = { .ifindex = ifindex };
	struct pe_iface_info info;
	size_t before;
	int r;

	if (member)
		changed = *member;
	if (draw(model, 2))
		changed.name = draw(model, NAMES);
	changed.master = draw(model, MASTERS);
	info = info_of(&changed);
	maybe_refuse(model);
	r = pe_registry_update(model->registry, held[ifindex], &info, model->now_ns);
	if (refused(r))
		return;
	assert_int_equal(r, member ? 0 : -ENOENT);
	if (!member)
		return;
	other = live_name(model, changed.name);
	if (other)
		other->name = member->name;
	member->name = changed.name;
	before = member->master;
	member->master = changed.master;
	if (before != changed.master && !member->waiting)
		place(model, member);
}

static void step_token(struct model *model)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct member *member = live_one(model, ifindex);
	unsigned int token = new_token(model);
	int r;

	maybe_refuse(model);
	r = pe_registry_set_token(model->registry, held[ifindex], take_token(token));
	if (refused(r) || !member) {
		assert_int_equal(r, member ? -ENOMEM : -ENOENT);
		give_token_up(token);
		return;
	}
	model->owner[token] = (size_t)(member - model->member);
}

static void step_identify(struct model *model)
{
	const int ifindex = (int)(draw(model, 8) ? 1 + draw(model, INDEXES) : 100 + draw(model, 2));
	struct member *member = known(model, ifindex);
	size_t workload = draw(model, WORKLOADS + 1);
	int r;

	/* Nobody is behind others. */
	if (member && member->kind > 0)
		member = NULL;

	maybe_refuse(model);
	r = identify_iface(model->registry, ifindex, identities[workload], model->now_ns);
	malloc_failure_after = -1;
	if (!model->refuse)
		assert_int_equal(r, member ? 0 : -ENOENT);
	if (!member)
		return;
	member->workload = workload;
	place(model, member);
}

static void step_remove(struct model *model)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct member *member = live_one(model, ifindex);

	maybe_refuse(model);
	assert_int_equal(remove_iface(model->registry, ifindex, model->now_ns),
			 member ? 0 : -ENOENT);
	malloc_failure_after = -1;
	if (member)
		depart(model, member);
}

static void step_expire(struct model *model)
{
	uint64_t next_ns, expect_ns = UINT64_MAX;

	maybe_refuse(model);
	pe_registry_expire(model->registry, model->now_ns, &next_ns);
	malloc_failure_after = -1;
	/* The last that came waits first in the list. */
	for (size_t i = model->members; i-- > 0;) {
		struct member *member = &model->member[i];

		if (member->waiting && member->deadline_ns <= model->now_ns)
			place(model, member);
		else if (member->waiting && !member->live && member->deadline_ns < expect_ns)
			expect_ns = member->deadline_ns;
	}
	if (!model->refuse && expect_ns != UINT64_MAX)
		assert_true(next_ns > 0 && next_ns <= expect_ns);
}

static void step_count(struct model *model)
{
	const uint32_t token = 1 + (uint32_t)draw(model, model->next_token);
	struct sums sums = { 0 };

	if (token >= model->next_token)
		return;
	if (source.token[token].rows == HELD) {
		sums.packets = draw(model, 1000);
		source_count(token, sums.packets);
	}
	if (source.token[token].flows == HELD) {
		sums.flows = 1 + draw(model, 10);
		source_flows(token, sums.flows);
	}
	count(model, &model->member[model->owner[token]], &sums);
}

static void step_audit(struct model *model)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct member *member = live_one(model, ifindex);
	const struct sums sums = { .unobserved = draw(model, 9), .overcounted = draw(model, 9) };
	const struct pe_count unobserved = { sums.unobserved, 0 },
			      overcounted = { sums.overcounted, 0 };
	int expect = member ? 0 : -ENOENT;

	assert_int_equal(pe_registry_add_unobserved(model->registry, held[ifindex], PE_INGRESS,
						    PE_UNOBSERVED_LOST, &unobserved),
			 expect);
	assert_int_equal(pe_registry_add_overcounted(model->registry, held[ifindex], PE_INGRESS,
						     &overcounted),
			 expect);
	if (member)
		count(model, member, &sums);
}

/* ---- what must hold ---- */

static struct sums sums_of(const struct pe_group_sample *group)
{
	const struct pe_flow_stats *stats = group->body.flows.proto[PE_PROTO_TCP];

	return (struct sums){
		.packets = pe_row_total(&group->body.row[PE_INGRESS]).packets,
		.flows = stats ? stats->flows[PE_INGRESS] : 0,
		.unobserved = group->body.unobserved[PE_INGRESS][PE_UNOBSERVED_LOST].packets,
		.overcounted = group->body.overcounted[PE_INGRESS].packets,
		.arrived = group->arrived,
		.departed = group->departed,
		.ended = group->ended[PE_INGRESS].packets,
	};
}

/* In the order of the snapshot. */
static const struct pe_group_sample *find_sample(const struct pe_snapshot *snapshot, size_t at)
{
	const size_t workload = at % (WORKLOADS + 1);
	const char *kind = at < KEYS ? kinds[at / (WORKLOADS + 1) / MASTERS] : "";
	const char *master = at < KEYS ? masters[at / (WORKLOADS + 1) % MASTERS] : "";
	const char *name = at == OTHER		   ? PE_GROUP_OTHER
			   : workload == WORKLOADS ? ""
						   : identities[workload]->workload;

	for (size_t i = 0; i < snapshot->group_count; i++) {
		const struct pe_group_sample *group = &snapshot->groups[i];

		if (!strcmp(group->label[PE_GROUP_KIND], kind) &&
		    !strcmp(group->label[PE_GROUP_MASTER], master) &&
		    !strcmp(group->label[PE_GROUP_WORKLOAD], name))
			return group;
	}
	return NULL;
}

static void check_groups(const struct model *model, const struct pe_snapshot *snapshot)
{
	size_t used = 0;

	for (size_t at = 0; at <= OTHER; at++) {
		const struct place *place = &model->place[at];
		const struct pe_group_sample *group = find_sample(snapshot, at);
		struct sums sums;

		used += place->used;
		if (!place->used) {
			assert_null(group);
			continue;
		}
		assert_non_null(group);
		sums = sums_of(group);
		assert_memory_equal(&sums, &place->sums, sizeof(sums));
		assert_int_equal(group->interfaces, place->live);
	}
	assert_int_equal(used, snapshot->group_count);
}

static void add_sample(struct pe_group_sample *a, const struct pe_group_sample *b,
		       struct pe_arena *arena)
{
	a->interfaces += b->interfaces;
	a->arrived += b->arrived;
	a->departed += b->departed;
	assert_int_equal(pe_series_body_add(&a->body, &b->body, arena), 0);
}

/* Every counter: a group's and the host's, not only those that the model has. */
static void check_sum(const struct pe_snapshot *snapshot)
{
	const struct pe_series_body *host = &snapshot->host->body;
	struct pe_group_sample sum = { .interfaces = 0 };

	for (size_t i = 0; i < snapshot->group_count; i++)
		add_sample(&sum, &snapshot->groups[i], snapshot->arena);
	add_sample(&sum, snapshot->waiting, snapshot->arena);
	assert_int_equal(sum.interfaces, snapshot->host->interfaces);
	/* One that changes its group departs and arrives there, and not at the host. */
	assert_int_equal(sum.arrived - snapshot->host->arrived,
			 sum.departed - snapshot->host->departed);
	assert_memory_equal(sum.body.row, host->row, sizeof(host->row));
	assert_memory_equal(sum.body.unobserved, host->unobserved, sizeof(host->unobserved));
	assert_memory_equal(sum.body.overcounted, host->overcounted, sizeof(host->overcounted));
	for (size_t i = 0; i < PE_DIRECTIONS * PE_PROTO_COUNT; i++) {
		const size_t d = i / PE_PROTO_COUNT, proto = i % PE_PROTO_COUNT;
		const struct pe_count a = pe_flow_rest(&sum.body.flows, d, proto);
		const struct pe_count b = pe_flow_rest(&host->flows, d, proto);

		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_int_equal(sum.body.flows.active, host->flows.active);
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		static const struct pe_flow_stats none;
		const struct pe_flow_stats *a = sum.body.flows.proto[i], *b = host->flows.proto[i];

		assert_memory_equal(a ? a : &none, b ? b : &none, sizeof(none));
	}
}

/* What every interface that is gone had moved, but for what could not be read yet. */
static void check_ended(const struct model *model, const struct pe_snapshot *snapshot)
{
	struct pe_count ended = snapshot->waiting->ended[PE_INGRESS];
	uint64_t moved = 0;

	for (size_t i = 0; i < snapshot->group_count; i++)
		pe_count_add(&ended, &snapshot->groups[i].ended[PE_INGRESS]);
	for (size_t i = 0; i < model->members; i++)
		if (!model->member[i].live)
			moved += model->member[i].moved;
	for (size_t token = 1; token < model->next_token; token++)
		if (source.token[token].rows == HELD && !model->member[model->owner[token]].live)
			moved -= source.token[token].packets;
	assert_int_equal(ended.packets, moved);
	assert_int_equal(ended.bytes, moved * 100);
}

static void check_ifaces(const struct pe_snapshot *snapshot)
{
	struct pe_series_body sum = { .created_ns = 0 };
	const __u64 *ifaces = (const __u64 *)sum.row;
	const __u64 *host = (const __u64 *)snapshot->host->body.row;

	for (size_t i = 0; i < snapshot->iface_count; i++)
		assert_int_equal(
			pe_series_body_add(&sum, &snapshot->ifaces[i].body, snapshot->arena), 0);
	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		assert_true(ifaces[i] <= host[i]);
}

/* The same group as before has no less, in any counter. */
static void check_no_decrease(const struct pe_group_sample *before,
			      const struct pe_group_sample *after)
{
	const struct sums a = sums_of(before), b = sums_of(after);
	const __u64 *x = (const __u64 *)before->body.row, *y = (const __u64 *)after->body.row;

	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		assert_true(x[i] <= y[i]);
	assert_true(a.flows <= b.flows && a.unobserved <= b.unobserved);
	assert_true(a.overcounted <= b.overcounted);
	assert_true(a.arrived <= b.arrived && a.departed <= b.departed);
	assert_true(a.ended <= b.ended && before->ended_ns <= after->ended_ns);
}

static void check_history(const struct pe_snapshot *before, const struct pe_snapshot *after)
{
	check_no_decrease(before->host, after->host);
	for (size_t at = 0; at <= OTHER; at++) {
		const struct pe_group_sample *a = find_sample(before, at),
					     *b = find_sample(after, at);

		/* It may have ended and begun again. */
		if (a && b)
			assert_int_equal(a->body.created_ns == b->body.created_ns, a->id == b->id);
		if (a && b && a->id == b->id)
			check_no_decrease(a, b);
	}
}

static struct pe_snapshot *check(struct model *model, struct pe_snapshot *before)
{
	struct pe_snapshot *snapshot = collect(model->registry);
	struct sums host = sums_of(snapshot->host);

	assert_memory_equal(&host, &model->host, sizeof(host));
	if (!model->refuse)
		check_groups(model, snapshot);
	if (before)
		check_history(before, snapshot);
	check_sum(snapshot);
	check_ended(model, snapshot);
	check_ifaces(snapshot);
	pe_snapshot_unref(before);
	return snapshot;
}

/* ---- histories ---- */

static void play_step(struct model *model)
{
	static void (*const steps[])(struct model * model) = {
		step_add,   step_add,	   step_add,	  step_update, step_update, step_token,
		step_fold,  step_identify, step_identify, step_remove, step_remove, step_expire,
		step_audit, step_count,	   step_count,	  step_count,
	};

	steps[draw(model, sizeof(steps) / sizeof(steps[0]))](model);
}

static void play_history(uint64_t seed, bool refuse)
{
	static struct model model;
	struct pe_registry_options options = {
		.retention_ns = RETENTION * PE_NS_PER_S,
		.max_departed = DEPARTED,
		.group_by = PE_GROUP_BY_DEFAULT,
		.max_groups = GROUPS_MAX,
		.identities = true,
	};
	struct pe_snapshot *snapshot = NULL;

	model = (struct model){ .random = seed, .next_token = 1, .now_ns = 1, .refuse = refuse };
	model.registry = new_registry_with(&options);
	for (size_t i = 0; i < STEPS; i++) {
		play_step(&model);
		model.now_ns += 1 + draw(&model, 3) * PE_NS_PER_S / 2;
		snapshot = check(&model, snapshot);
	}
	/* The history was worth something. */
	assert_true(model.evicted > 20 && model.late > 20);
	assert_true(model.place[OTHER].sums.packets > 0 && model.host.flows > 0);
	pe_registry_free(model.registry);
	assert_all_released();
	/* Its identities are the snapshot's as long as that exists. */
	pe_snapshot_unref(snapshot);
}

static void test_random_histories(void **state)
{
	for (uint64_t seed = 1; seed <= HISTORIES; seed++)
		play_history(seed * UINT64_C(0x9e3779b97f4a7c15), seed > HISTORIES / 2);
}

static int setup(void **state)
{
	for (size_t i = 0; i < WORKLOADS; i++) {
		char name[] = { 'w', (char)('0' + i), '\0' };

		if (pe_identity_new(&(struct pe_identity){ .workload = name }, &identities[i]) < 0)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	int r = 0;

	for (size_t i = 0; i < WORKLOADS; i++) {
		r |= identities[i]->references != 1;
		pe_identity_unref(identities[i]);
	}
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
