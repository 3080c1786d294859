/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See attacher.h. */
#include "attacher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"

#define TOKEN_TRIES 8

struct pe_attacher {
	const struct pe_attacher_options *options;
	unsigned int links;
	struct pe_offloads offloads; /* that generic XDP has switched off */
	bool owes;		     /* some of them could be put back, but for are_current() */
	struct pe_attach_log log;
	pthread_mutex_t mutex; /* stats */
	struct pe_interfaces_stats stats;
};

int pe_attacher_new(const struct pe_attacher_options *options, struct pe_attacher **ret_attacher)
{
	struct pe_attacher *attacher = calloc(1, sizeof(*attacher));

	if (!attacher)
		return -ENOMEM;
	attacher->options = options;
	pthread_mutex_init(&attacher->mutex, NULL);
	*ret_attacher = attacher;
	return 0;
}

void pe_attacher_count_error(struct pe_attacher *attacher, int error)
{
	pthread_mutex_lock(&attacher->mutex);
	attacher->stats.errors[pe_policy_error(error)]++;
	pthread_mutex_unlock(&attacher->mutex);
}

void pe_attacher_plan(const struct pe_attacher *attacher, struct pe_iface *iface)
{
	pe_policy_plan(attacher->options->policy, iface->link, iface->attachment.refused,
		       &iface->plan);
}

static int count_by(struct pe_attacher *attacher, const struct pe_iface *iface, enum pe_xdp_by by)
{
	const struct pe_kernel *kernel = attacher->options->kernel;

	return kernel->ops->count_by(kernel->xdp, iface->attachment.token, by,
				     by == PE_BY_NATIVE ? iface->plan.native_framing
							: iface->plan.framing);
}

/* Gives the interface a slot. 0 or -errno. */
static int take_slot(struct pe_attacher *attacher, struct pe_iface *iface)
{
	const struct pe_attacher_options *options = attacher->options;
	const struct pe_kernel *kernel = options->kernel;
	struct pe_attachment *attachment = &iface->attachment;
	uint32_t token;
	int r = -EEXIST;

	/* A name that a departed interface's flows still have is passed over. */
	for (int i = 0; i < TOKEN_TRIES && r == -EEXIST; i++) {
		r = kernel->ops->take(kernel->xdp, iface->link->ifindex, iface->plan.framing,
				      &token);
		if (r < 0)
			return r;
		attachment->early = r;
		if (attachment->early) {
			attachment->token = token;
			attachment->mode = PE_MODE_TRACEPOINT;
			return 0;
		}
		r = options->announce(token, options->userdata);
		if (r < 0)
			kernel->ops->give_back(kernel->xdp, token);
	}
	if (!r)
		attachment->token = token;
	return r;
}

/* ---- receive offloads ---- */

static void warn_of_offloads(const char *where)
{
	pe_warn("xdp",
		"a receive offload that generic XDP switched off could not be put back%s; see "
		"ethtool -k",
		where);
}

void pe_attacher_put_back(struct pe_attacher *attacher)
{
	const struct pe_attacher_relations *relations = &attacher->options->relations;

	attacher->owes = attacher->offloads.count && !relations->are_current(relations->userdata);
	if (attacher->offloads.count && !attacher->owes &&
	    pe_offloads_restore(&attacher->offloads, attacher->options->kernel, relations->is_used,
				relations->userdata))
		warn_of_offloads("");
}

void pe_attacher_put_back_owed(struct pe_attacher *attacher)
{
	if (attacher->owes)
		pe_attacher_put_back(attacher);
}

bool pe_attacher_has_offloads(const struct pe_attacher *attacher)
{
	return attacher->offloads.count > 0;
}

void pe_attacher_forget(struct pe_attacher *attacher, const struct pe_link *link, bool moved)
{
	if (pe_offloads_forget(&attacher->offloads, link->ifindex) && moved)
		pe_warn("xdp",
			"%s has moved to another namespace before the receive offloads that "
			"generic XDP switched off could be put back; see ethtool -k there",
			link->name);
}

struct pe_attacher *pe_attacher_free(struct pe_attacher *attacher)
{
	if (!attacher)
		return NULL;
	if (pe_offloads_fini(&attacher->offloads))
		warn_of_offloads(", because the interfaces keep changing");
	pthread_mutex_destroy(&attacher->mutex);
	free(attacher);
	return NULL;
}

static size_t list_below(const struct pe_attacher *attacher, const struct pe_iface *iface,
			 int *ret_ifindex)
{
	const struct pe_attacher_relations *relations = &attacher->options->relations;

	return relations->list_below(iface, ret_ifindex, relations->userdata);
}

/* ---- hooks ---- */

static void detach_xdp(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	if (attachment->link_fd < 0)
		return;
	attacher->options->kernel->ops->detach(attachment->link_fd);
	attachment->link_fd = -1;
	attacher->links--;
	pe_attacher_put_back(attacher);
}

static void detach_tcx(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	const struct pe_kernel *kernel = attacher->options->kernel;

	if (attachment->tcx_fd < 0)
		return;
	kernel->ops->detach_tcx(kernel->xdp, attachment->token, attachment->tcx_fd);
	attachment->tcx_fd = -1;
	attacher->links--;
}

/* The way for an interface as it is now. Most kinds need no look at the features. */
static struct pe_way find_way(struct pe_attacher *attacher, const struct pe_iface *iface)
{
	unsigned int own = 0, below = 0;
	int ifindex[PE_OFFLOADS_MAX];
	size_t count;

	if (!iface->plan.needs_features)
		return iface->plan.way;
	count = list_below(attacher, iface, ifindex);
	/* In doubt they are there. */
	if (pe_offloads_look(attacher->options->kernel, ifindex, count, &own, &below) < 0)
		own = PE_FEATURE_GRO | PE_FEATURES_LOST;
	return pe_plan_way(&iface->plan, own, below);
}

/* Attaches the program in this mode. 0 or -errno. */
static int attach_as(struct pe_attacher *attacher, struct pe_iface *iface, enum pe_mode mode)
{
	const struct pe_kernel *kernel = attacher->options->kernel;
	struct pe_attachment *attachment = &iface->attachment;
	bool native = mode == PE_MODE_NATIVE;
	int ifindex[PE_OFFLOADS_MAX];
	int r = 0;

	/* In the driver it counts nothing until the tracepoint no longer does. */
	if (native && iface->plan.traced)
		count_by(attacher, iface, PE_BY_RECEIVE);
	if (!native)
		r = pe_offloads_save(&attacher->offloads, kernel, ifindex,
				     list_below(attacher, iface, ifindex));
	if (!r)
		r = kernel->ops->attach(kernel->xdp, iface->link->ifindex, native,
					&attachment->link_fd);
	if (r < 0) {
		pe_attacher_put_back(attacher);
		return r;
	}
	attacher->links++;
	attachment->wants_tcx = false;
	count_by(attacher, iface, native ? PE_BY_NATIVE : PE_BY_XDP);
	attachment->mode = mode;
	return 0;
}

/* Attaches the ingress program as the way is; where the driver refuses it, as auto would. 0 or
 * -errno; *way is what it came to. */
static int attach(struct pe_attacher *attacher, struct pe_iface *iface, struct pe_way *way)
{
	struct pe_attachment *attachment = &iface->attachment;
	/* One may have two until TCX has gone: for that, there is a descriptor more. */
	unsigned int max_links = attacher->options->max_links + (attachment->tcx_fd >= 0);
	int r;

	if (attacher->links >= max_links)
		return -EMFILE;
	r = attach_as(attacher, iface, way->mode);
	if (r < 0 && way->mode == PE_MODE_NATIVE && r != -EBUSY && r != -ENODEV) {
		attachment->refused = true;
		pe_attacher_plan(attacher, iface);
		*way = find_way(attacher, iface);
		r = pe_way_is_xdp(way) ? attach_as(attacher, iface, way->mode) : 0;
	}
	if (!r)
		attachment->reason = way->reason;
	return r;
}

/* Ingress by the receive tracepoint, or by TCX if that is attached. 0 or -errno. */
static int fall_back(struct pe_attacher *attacher, struct pe_iface *iface)
{
	struct pe_attachment *attachment = &iface->attachment;
	int r;

	if (attachment->mode == PE_MODE_TRACEPOINT)
		return 0;
	if (attachment->tcx_fd >= 0) {
		attachment->mode = PE_MODE_TCX;
		return 0;
	}
	if (!iface->plan.traced)
		return -EOPNOTSUPP;
	r = count_by(attacher, iface, PE_BY_RECEIVE);
	if (!r)
		attachment->mode = PE_MODE_TRACEPOINT;
	return r;
}

/* As fall_back(); where that cannot be, but TCX, it is for pe_attacher_finish(). */
static void fall_back_or_wait(struct pe_attacher *attacher, struct pe_iface *iface)
{
	const struct pe_kernel *kernel = attacher->options->kernel;

	iface->attachment.wants_tcx = fall_back(attacher, iface) < 0 && iface->plan.tcx &&
				      kernel->ops->has_tcx(kernel->xdp);
}

/* ---- from nothing to the best that can be had ---- */

int pe_attacher_begin(struct pe_attacher *attacher, struct pe_iface *iface)
{
	/* Native XDP comes before the tracepoint: going from one to the other is not exact. */
	bool can_wait = iface->plan.way.mode == PE_MODE_GENERIC;

	if (!can_wait || take_slot(attacher, iface) < 0 || fall_back(attacher, iface) < 0)
		return pe_attacher_advance(attacher, iface);
	iface->attachment.reason = PE_REASON_NEW;
	return 0;
}

/* Without XDP, as the way is. An early one's framing was not known until now. */
static int go_without(struct pe_attacher *attacher, struct pe_iface *iface,
		      const struct pe_way *way)
{
	int r = 0;

	if (way->mode == PE_MODE_TRACEPOINT)
		r = fall_back(attacher, iface);
	else
		fall_back_or_wait(attacher, iface);
	if (r == 0 && way->reason == PE_REASON_HARDWARE)
		pe_attach_log_hardware(&attacher->log, iface);
	iface->attachment.reason = way->reason;
	return r;
}

static void note_failure(struct pe_attacher *attacher, struct pe_iface *iface, int error)
{
	const struct pe_attacher_options *options = attacher->options;
	struct pe_attachment *attachment = &iface->attachment;
	bool is_ours = error == -EBUSY &&
		       options->relations.has_above(iface, options->relations.userdata);
	/* The same error, while it was because of ours, was not logged. */
	bool is_new = error != attachment->error || attachment->reason == PE_REASON_UPPER;

	attachment->reason = is_ours ? PE_REASON_UPPER : pe_policy_reason(error);
	if (is_ours)
		return;
	pe_attacher_count_error(attacher, error);
	if (is_new)
		pe_attach_log_failure(&attacher->log, iface, error, attacher->links,
				      options->max_interfaces);
}

int pe_attacher_advance(struct pe_attacher *attacher, struct pe_iface *iface)
{
	struct pe_attachment *attachment = &iface->attachment;
	struct pe_way way;
	int r = 0;

	if (attachment->token == PE_TOKEN_NONE)
		r = take_slot(attacher, iface);
	if (!r && attachment->link_fd < 0) {
		way = find_way(attacher, iface);
		if (pe_way_is_xdp(&way))
			r = attach(attacher, iface, &way);
		if (!r && !pe_way_is_xdp(&way))
			r = go_without(attacher, iface, &way);
		else if (r < 0 && r != -ENODEV)
			fall_back_or_wait(attacher, iface);
	}
	if (r < 0)
		note_failure(attacher, iface, r);
	attachment->error = r;
	return r;
}

static int attach_tcx(struct pe_attacher *attacher, struct pe_iface *iface)
{
	const struct pe_kernel *kernel = attacher->options->kernel;
	struct pe_attachment *attachment = &iface->attachment;
	int r = -EMFILE;

	if (attacher->links < attacher->options->max_links)
		r = kernel->ops->attach_tcx(kernel->xdp, attachment->token, iface->link->ifindex,
					    &attachment->tcx_fd);
	if (!r) {
		attacher->links++;
		attachment->mode = PE_MODE_TCX;
	} else {
		pe_attacher_count_error(attacher, r);
		if (r != attachment->tcx_error)
			pe_warn("xdp",
				"%s: TCX cannot be attached: %s; ingress is not counted; trying "
				"again later",
				iface->link->name, strerror(-r));
	}
	attachment->tcx_error = r;
	return r;
}

int pe_attacher_finish(struct pe_attacher *attacher, struct pe_iface *iface)
{
	struct pe_attachment *attachment = &iface->attachment;

	if (attachment->wants_tcx) {
		attachment->wants_tcx = false;
		return attach_tcx(attacher, iface);
	}
	if (attachment->link_fd >= 0)
		detach_tcx(attacher, attachment);
	return 0;
}

/* ---- what changes afterwards ---- */

bool pe_attacher_follow(struct pe_attacher *attacher, struct pe_iface *iface)
{
	struct pe_attachment *attachment = &iface->attachment;
	struct pe_way way;

	if (!iface->plan.needs_features || attachment->token == PE_TOKEN_NONE)
		return false;
	if (attachment->mode != PE_MODE_GENERIC && attachment->reason != PE_REASON_GRO &&
	    attachment->reason != PE_REASON_OFFLOAD &&
	    attachment->reason != PE_REASON_NATIVE_REFUSED)
		return false;
	way = find_way(attacher, iface);
	if (pe_way_is_xdp(&way) == (attachment->link_fd >= 0))
		return false;
	if (pe_way_is_xdp(&way)) {
		pe_attacher_advance(attacher, iface);
		return true;
	}
	/* First that, so that no packet passes uncounted. */
	if (go_without(attacher, iface, &way) < 0)
		return false;
	detach_xdp(attacher, attachment);
	/* Where only TCX is left, which cannot come before XDP has gone. */
	if (attachment->mode == PE_MODE_GENERIC)
		attachment->mode = PE_MODE_NONE;
	return true;
}

bool pe_attacher_set_busy(struct pe_attacher *attacher, struct pe_iface *iface, bool busy)
{
	struct pe_attachment *attachment = &iface->attachment;

	if (!busy) {
		if (attachment->reason != PE_REASON_LOAD)
			return false;
		pe_attacher_advance(attacher, iface);
		return true;
	}
	if (attachment->mode != PE_MODE_GENERIC || iface->plan.xdp_mode != PE_XDP_AUTO ||
	    !iface->plan.traced || fall_back(attacher, iface) < 0)
		return false;
	detach_xdp(attacher, attachment);
	attachment->reason = PE_REASON_LOAD;
	return true;
}

static bool is_off(const struct pe_attacher *attacher, int fd)
{
	return fd >= 0 && !attacher->options->kernel->ops->is_attached(fd);
}

static bool is_on(const struct pe_attacher *attacher, int fd)
{
	return fd >= 0 && attacher->options->kernel->ops->is_attached(fd);
}

bool pe_attacher_is_on(const struct pe_attacher *attacher, const struct pe_iface *iface)
{
	return is_on(attacher, iface->attachment.link_fd) ||
	       is_on(attacher, iface->attachment.tcx_fd);
}

bool pe_attacher_is_taken_off(const struct pe_attacher *attacher, const struct pe_iface *iface)
{
	return is_off(attacher, iface->attachment.link_fd) ||
	       is_off(attacher, iface->attachment.tcx_fd);
}

bool pe_attacher_taken_off(struct pe_attacher *attacher, struct pe_iface *iface)
{
	struct pe_attachment *attachment = &iface->attachment;
	bool was_xdp = attachment->link_fd >= 0;

	if (is_off(attacher, attachment->tcx_fd))
		detach_tcx(attacher, attachment);
	if (is_off(attacher, attachment->link_fd))
		detach_xdp(attacher, attachment);
	if (attachment->link_fd >= 0)
		return false;
	attachment->mode = PE_MODE_NONE;
	attachment->reason = PE_REASON_BUSY;
	attachment->error = -EBUSY;
	/* TCX itself is tried again with XDP only, not at once. */
	if (was_xdp)
		fall_back_or_wait(attacher, iface);
	pe_warn("xdp", "%s: somebody else has detached the %s program; %s; trying again later",
		iface->link->name, was_xdp ? "XDP" : "TCX", pe_attach_log_consequence(attachment));
	return true;
}

void pe_attacher_detach(struct pe_attacher *attacher, struct pe_iface *iface)
{
	detach_xdp(attacher, &iface->attachment);
	detach_tcx(attacher, &iface->attachment);
}

/* ---- statistics ---- */

void pe_attacher_log_more(struct pe_attacher *attacher)
{
	pe_attach_log_more(&attacher->log);
}

unsigned int pe_attacher_links(const struct pe_attacher *attacher)
{
	return attacher->links;
}

void pe_attacher_observe(struct pe_attacher *attacher, uint64_t ns)
{
	pthread_mutex_lock(&attacher->mutex);
	pe_latency_observe(&attacher->stats.latency, ns);
	pthread_mutex_unlock(&attacher->mutex);
}

void pe_attacher_get_stats(struct pe_attacher *attacher, struct pe_interfaces_stats *ret_stats)
{
	pthread_mutex_lock(&attacher->mutex);
	*ret_stats = attacher->stats;
	pthread_mutex_unlock(&attacher->mutex);
}
