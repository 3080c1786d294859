/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fake-kernel.h. */
#include "fake-kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/registry.h"

#include "../../src/iface/policy.h"

/* Descriptors of links, which are none of the process. */
#define FIRST_FD 100000
#define IS_TCX	 1

struct fake_kernel fake;

static bool exists(const struct fake_interface *interface)
{
	return interface->link.ifindex && !interface->deleted;
}

struct fake_interface *fake_find(int ifindex)
{
	for (int i = 0; i < fake.used && ifindex; i++) {
		if (fake.interface[i].link.ifindex == ifindex && exists(&fake.interface[i]))
			return &fake.interface[i];
	}
	return NULL;
}

static struct fake_interface *find_token(uint32_t token)
{
	for (int i = 0; i < fake.used; i++) {
		if (fake.interface[i].token == token)
			return &fake.interface[i];
	}
	fail_msg("nobody has token %u", token);
	return NULL;
}

/* What this kernel lets be done with an interface. */
static struct pe_plan plan_of(const struct pe_link *link)
{
	const struct pe_policy policy = { .xdp_mode = PE_XDP_AUTO, .egress = true };
	struct pe_plan plan;

	pe_policy_plan(&policy, link, false, &plan);
	return plan;
}

static bool is_counted(const struct fake_interface *interface)
{
	switch (interface->token == PE_TOKEN_NONE ? -1 : (int)interface->by) {
	case PE_BY_XDP:
		return (interface->xdp && !interface->native) || interface->tcx;
	case PE_BY_NATIVE:
		return interface->xdp && interface->native;
	case PE_BY_RECEIVE:
		return plan_of(&interface->link).traced;
	default:
		return false;
	}
}

/* After each step. */
static void check(struct fake_interface *interface)
{
	bool was_counted = interface->counted;

	interface->counted = is_counted(interface);
	if (was_counted && !interface->counted && !fake.may_lapse && exists(interface))
		fail_msg("nothing counts what %s receives", interface->link.name);
}

void fake_reset(enum pe_xdp_mode mode)
{
	memset(&fake, 0, sizeof(fake));
	fake.mode = mode;
	fake.slots = FAKE_INTERFACES;
	fake.now_ns = 1000 * PE_NS_PER_S;
}

struct pe_link *fake_add(int ifindex, const char *kind)
{
	struct fake_interface *interface = &fake.interface[fake.used++];
	struct pe_link *link = &interface->link;

	assert_null(fake_find(ifindex));
	assert_in_range(fake.used, 1, FAKE_INTERFACES);
	interface->token = PE_TOKEN_NONE;
	*link = (struct pe_link){ .ifindex = ifindex, .type = ARPHRD_ETHER, .peer_netnsid = -1 };
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	snprintf(link->name, sizeof(link->name), "%.8s%d", *kind ? kind : "eth", ifindex);
	return link;
}

void fake_delete(int ifindex)
{
	struct fake_interface *interface = fake_find(ifindex);

	interface->deleted = true;
	interface->xdp = interface->tcx = false;
}

void fake_take_off(int ifindex, bool xdp, bool tcx)
{
	struct fake_interface *interface = fake_find(ifindex);

	interface->xdp &= !xdp;
	interface->tcx &= !tcx;
	interface->counted = is_counted(interface);
}

struct pe_link *fake_report_added(int ifindex, const char *kind)
{
	struct pe_link *link = fake_add(ifindex, kind);

	fake.monitor_ops->added(link, fake.monitor_userdata);
	return link;
}

void fake_report_gone(int ifindex, enum pe_link_gone why)
{
	struct fake_interface *interface = fake_find(ifindex);

	fake_delete(ifindex);
	fake.monitor_ops->gone(&interface->link, why, fake.monitor_userdata);
}

void fake_report_deleted(int ifindex)
{
	fake_report_gone(ifindex, PE_LINK_DELETED);
}

void fake_receive(int ifindex, uint64_t kernel, uint64_t ours)
{
	struct fake_interface *interface = fake_find(ifindex);

	interface->stats.rx_packets += kernel;
	interface->stats.rx_bytes += kernel * 100;
	interface->row[PE_INGRESS].class[0].packets += ours;
	interface->row[PE_INGRESS].class[0].bytes += ours * 100;
}

/* ---- pe/clock.h, pe/log.h ---- */

uint64_t __wrap_pe_clock_monotonic_ns(void);
uint64_t __wrap_pe_clock_monotonic_ns(void)
{
	return fake.now_ns;
}

void __wrap_pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...);
void __wrap_pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...)
{
	char *text = level == PE_LOG_INFO ? fake.info : fake.warning;
	va_list ap;

	if (level < PE_LOG_INFO)
		return;
	fake.warnings += level > PE_LOG_INFO;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(fake.warning), fmt, ap);
	va_end(ap);
}

/* ---- pe/features.h ---- */

static int fake_read_features(struct pe_features *features, int ifindex,
			      struct pe_feature_state *ret_state)
{
	struct fake_interface *interface = fake_find(ifindex);

	fake.feature_reads++;
	if (!interface || fake.features_error)
		return interface ? fake.features_error : -ENODEV;
	*ret_state = interface->features;
	return 0;
}

static bool is_above(const struct fake_interface *upper, const struct pe_link *link);

/* Of what is wanted: netdev_sync_upper_features() in net/core/dev.c */
static unsigned int in_force(const struct fake_interface *interface)
{
	unsigned int active = interface->features.wanted;

	for (int i = 0; i < fake.used; i++) {
		if (is_above(&fake.interface[i], &interface->link))
			active &= fake.interface[i].features.wanted | ~PE_FEATURE_LRO;
	}
	return active;
}

static int fake_want_features(struct pe_features *features, int ifindex, unsigned int mask,
			      unsigned int wanted)
{
	struct fake_interface *interface = fake_find(ifindex);

	fake.feature_wants++;
	if (!interface || fake.features_error)
		return interface ? fake.features_error : -ENODEV;
	/* What XDP has switched off cannot be in force while it is on; nor is it to be put back on
	 * what may be another interface by now. */
	assert_false(interface->xdp && wanted & PE_FEATURES_LOST);
	assert_false(fake.has_events);
	interface->features.wanted = (interface->features.wanted & ~mask) | (wanted & mask);
	interface->features.active = in_force(interface);
	return 0;
}

/* ---- pe/xdp.h: slots ---- */

static int fake_take(struct pe_xdp *xdp, int ifindex, unsigned int framing, uint32_t *ret_token)
{
	struct fake_interface *interface = fake_find(ifindex);

	assert_non_null(interface);
	if (fake_take_early(interface, framing, ret_token))
		return 1;
	assert_int_equal(interface->token, PE_TOKEN_NONE);
	fake.takes++;
	if (!fake.slots)
		return -ENOSPC;
	fake.slots--;
	interface->token = *ret_token =
		PE_TOKEN(interface - fake.interface, interface->generation++);
	interface->by = fake.early ? PE_BY_RECEIVE : PE_BY_XDP;
	interface->framing = framing;
	check(interface);
	return fake.early;
}

static void fake_stop(struct pe_xdp *xdp, uint32_t token)
{
	fake.stops++;
}

static void fake_give_back(struct pe_xdp *xdp, uint32_t token)
{
	struct fake_interface *interface;

	if (fake_give_back_early(token))
		return;
	interface = find_token(token);
	/* Its program would count for the next one. */
	assert_false(interface->xdp || interface->tcx);
	interface->token = PE_TOKEN_NONE;
	interface->counted = false;
	fake.slots++;
}

static int fake_count_by(struct pe_xdp *xdp, uint32_t token, enum pe_xdp_by by,
			 unsigned int framing)
{
	struct fake_interface *interface = find_token(token);

	if (by == PE_BY_RECEIVE && fake.tracepoint_error)
		return fake.tracepoint_error;
	interface->by = by;
	interface->framing = framing;
	check(interface);
	return 0;
}

static void fake_read(struct pe_xdp *xdp, uint32_t token, struct pe_row *ret_row)
{
	memcpy(ret_row, find_token(token)->row, sizeof(*ret_row) * PE_DIRECTIONS);
}

static bool fake_egress(const struct pe_xdp *xdp)
{
	return true;
}

/* ---- pe/xdp.h: hooks ---- */

static bool is_above(const struct fake_interface *upper, const struct pe_link *link)
{
	return exists(upper) && (plan_of(&upper->link).below == link->ifindex ||
				 (link->master && link->master == upper->link.ifindex));
}

/* dev_xdp_attach() in net/core/dev.c */
static bool is_taken(const struct fake_interface *interface)
{
	for (int i = 0; i < fake.used; i++) {
		const struct fake_interface *upper = &fake.interface[i];

		if (is_above(upper, &interface->link) && (upper->xdp || upper->foreign))
			return true;
	}
	return interface->foreign || interface->xdp;
}

/* dev_disable_lro() and dev_disable_gro_hw(): the former goes down to those below. */
static void lose_features(struct fake_interface *interface, unsigned int lost)
{
	interface->features.wanted &= ~lost;
	interface->features.active &= ~lost;
	for (int i = 0; i < fake.used; i++) {
		if (exists(&fake.interface[i]) && is_above(interface, &fake.interface[i].link))
			lose_features(&fake.interface[i], PE_FEATURE_LRO);
	}
}

static int open_link(const struct fake_interface *interface, int which)
{
	fake.links++;
	return FIRST_FD + 2 * (int)(interface - fake.interface) + which;
}

static int fake_attach(struct pe_xdp *xdp, int ifindex, bool native, int *ret_fd)
{
	struct fake_interface *interface = fake_find(ifindex);

	if (fake.meanwhile)
		fake.meanwhile(ifindex);
	if (!interface)
		return -ENODEV;
	interface->attempts++;
	if (is_taken(interface))
		return -EBUSY;
	if (fake.xdp_error)
		return fake.xdp_error;
	if (native && fake.no_native)
		return -EOPNOTSUPP;
	/* In the driver it must count nothing until the tracepoint no longer does. */
	if (native && plan_of(&interface->link).traced)
		assert_int_equal(interface->by, PE_BY_RECEIVE);
	/* In place of native, too. */
	if (!native && fake.mode != PE_XDP_GENERIC)
		assert_false(interface->features.active &
			     (plan_of(&interface->link).traced ? ~0u : PE_FEATURES_LOST));
	if (!native)
		lose_features(interface, PE_FEATURES_LOST);
	interface->xdp = true;
	interface->native = native;
	interface->xdp_fd = *ret_fd = open_link(interface, 0);
	check(interface);
	return 0;
}

static bool fake_has_tcx(const struct pe_xdp *xdp)
{
	return !fake.no_tcx;
}

static int fake_attach_tcx(struct pe_xdp *xdp, uint32_t token, int ifindex, int *ret_fd)
{
	struct fake_interface *interface = fake_find(ifindex);

	if (!interface || fake.tcx_error)
		return interface ? fake.tcx_error : -ENODEV;
	assert_int_equal(interface->token, token);
	assert_false(interface->xdp || interface->tcx || fake.no_tcx);
	interface->tcx = true;
	interface->tcx_fd = *ret_fd = open_link(interface, IS_TCX);
	check(interface);
	return 0;
}

static void close_link(int fd)
{
	struct fake_interface *interface = &fake.interface[(fd - FIRST_FD) / 2];
	bool is_tcx = (fd - FIRST_FD) % 2 == IS_TCX;
	int *open_fd = is_tcx ? &interface->tcx_fd : &interface->xdp_fd;

	assert_int_equal(*open_fd, fd);
	*open_fd = 0;
	*(is_tcx ? &interface->tcx : &interface->xdp) = false;
	fake.links--;
	check(interface);
}

static void fake_detach_tcx(struct pe_xdp *xdp, uint32_t token, int fd)
{
	assert_int_equal((fd - FIRST_FD) % 2, IS_TCX);
	close_link(fd);
}

static void fake_detach(int fd)
{
	assert_int_equal((fd - FIRST_FD) % 2, 0);
	close_link(fd);
}

static bool fake_is_attached(int link_fd)
{
	const struct fake_interface *interface = &fake.interface[(link_fd - FIRST_FD) / 2];

	return (link_fd - FIRST_FD) % 2 == IS_TCX ? interface->tcx : interface->xdp;
}

static bool fake_is_ours(const struct pe_xdp *xdp, uint32_t id)
{
	return id == 1;
}

const struct pe_kernel fake_kernel = { .ops = &(const struct pe_kernel_ops){
					       .take = fake_take,
					       .stop = fake_stop,
					       .give_back = fake_give_back,
					       .read = fake_read,
					       .egress = fake_egress,
					       .count_by = fake_count_by,
					       .attach = fake_attach,
					       .detach = fake_detach,
					       .has_tcx = fake_has_tcx,
					       .attach_tcx = fake_attach_tcx,
					       .detach_tcx = fake_detach_tcx,
					       .is_attached = fake_is_attached,
					       .is_ours = fake_is_ours,
					       .provision = fake_provision,
					       .offer = fake_offer,
					       .early = fake_early,
					       .list_early = fake_list_early,
					       .withdraw = fake_withdraw,
					       .ignore = fake_ignore,
					       .read_features = fake_read_features,
					       .want_features = fake_want_features,
				       } };

/* ---- pe/registry.h ---- */

int __real_pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info,
			   uint32_t token, uint64_t now_ns, struct pe_member **ret_member);
int __wrap_pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info,
			   uint32_t token, uint64_t now_ns, struct pe_member **ret_member);
int __wrap_pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info,
			   uint32_t token, uint64_t now_ns, struct pe_member **ret_member)
{
	if (fake.no_series)
		return -ENOMEM;
	return __real_pe_registry_add(registry, info, token, now_ns, ret_member);
}

/* ---- pe/link.h ---- */

int __wrap_pe_monitor_new(const struct pe_monitor_ops *ops, void *userdata, size_t rcvbuf,
			  struct pe_monitor **ret_monitor);
int __wrap_pe_monitor_new(const struct pe_monitor_ops *ops, void *userdata, size_t rcvbuf,
			  struct pe_monitor **ret_monitor)
{
	fake.monitor_ops = ops;
	fake.monitor_userdata = userdata;
	*ret_monitor = NULL;
	return 0;
}

int __wrap_pe_monitor_start(struct pe_monitor *monitor);
int __wrap_pe_monitor_start(struct pe_monitor *monitor)
{
	fake.monitor_ops->synced(fake.monitor_userdata);
	return 0;
}

int __wrap_pe_monitor_dispatch(struct pe_monitor *monitor);
int __wrap_pe_monitor_dispatch(struct pe_monitor *monitor)
{
	if (fake.at_dispatch)
		fake.at_dispatch();
	return 0;
}

bool __wrap_pe_monitor_has_events(const struct pe_monitor *monitor);
bool __wrap_pe_monitor_has_events(const struct pe_monitor *monitor)
{
	return fake.has_events;
}

bool __wrap_pe_monitor_is_current(const struct pe_monitor *monitor);
bool __wrap_pe_monitor_is_current(const struct pe_monitor *monitor)
{
	return !fake.has_events;
}

size_t __wrap_pe_monitor_list_ports(const struct pe_monitor *monitor, int master, int *ret_ifindex,
				    size_t max);
size_t __wrap_pe_monitor_list_ports(const struct pe_monitor *monitor, int master, int *ret_ifindex,
				    size_t max)
{
	size_t count = 0;

	for (int i = 0; i < fake.used && count < max; i++) {
		if (exists(&fake.interface[i]) && fake.interface[i].link.master == master)
			ret_ifindex[count++] = fake.interface[i].link.ifindex;
	}
	return count;
}

const struct pe_link *__wrap_pe_monitor_find(const struct pe_monitor *monitor, int ifindex);
const struct pe_link *__wrap_pe_monitor_find(const struct pe_monitor *monitor, int ifindex)
{
	struct fake_interface *interface = fake_find(ifindex);

	return interface && !interface->unreported ? &interface->link : NULL;
}

bool __wrap_pe_monitor_exists(const struct pe_monitor *monitor, int ifindex);
bool __wrap_pe_monitor_exists(const struct pe_monitor *monitor, int ifindex)
{
	return fake_find(ifindex);
}

int __wrap_pe_monitor_read_stats(struct pe_monitor *monitor, int ifindex,
				 struct pe_link_stats *ret_stats);
int __wrap_pe_monitor_read_stats(struct pe_monitor *monitor, int ifindex,
				 struct pe_link_stats *ret_stats)
{
	struct fake_interface *interface = fake_find(ifindex);

	fake.stats_reads++;
	if (!interface)
		return -ENODEV;
	interface->reads++;
	*ret_stats = interface->stats;
	return 0;
}
