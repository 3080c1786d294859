/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See attacher.h. */
#include "attacher.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pe/clock.h"

#include "policy.h"

#define TOKEN_TRIES 8
/* A limit that is reached all the time is told so seldom. */
#define REPEAT_NS (3600 * PE_NS_PER_S)

static const char *consequence(const struct pe_attachment *attachment)
{
	if (attachment->wants_tcx)
		return "ingress is to be counted by TCX";
	switch (attachment->mode) {
	case PE_MODE_TRACEPOINT:
		return "ingress is counted by the receive tracepoint";
	case PE_MODE_TCX:
		return "ingress is counted by TCX";
	default:
		return "ingress is not counted";
	}
}

static void log_failure(struct pe_attacher *attacher, const struct pe_link *link,
			const struct pe_attachment *attachment, int error)
{
	if (error == -EMFILE) {
		if (pe_log_once(&attacher->no_files_log, REPEAT_NS))
			pe_warn("xdp",
				"%s: %u programs are attached, and more open files are not "
				"permitted; %s; raise the limit of open files (LimitNOFILE=, "
				"ulimit -n)",
				link->name, attacher->links, consequence(attachment));
		return;
	}
	if (error == -EAGAIN) {
		pe_debug("xdp",
			 "%s waits for a place: those that are free have been so for moments only",
			 link->name);
		return;
	}
	switch (pe_policy_error(error)) {
	case PE_ATTACH_NO_SLOT:
		if (pe_log_once(&attacher->no_slot_log, REPEAT_NS))
			pe_warn("xdp",
				"%s is not counted: all %u places are taken; raise "
				"--max-interfaces; trying again when one is free",
				link->name, attacher->options->max_interfaces);
		return;
	case PE_ATTACH_BUSY:
		pe_warn("xdp",
			"%s: another XDP program is attached to it, to its bridge or to an "
			"interface above it, and is left alone; %s; trying again later",
			link->name, consequence(attachment));
		return;
	case PE_ATTACH_VANISHED:
		pe_debug("xdp", "%s went before it was attached", link->name);
		return;
	default:
		pe_warn("xdp", "%s: XDP cannot be attached: %s; %s; trying again later", link->name,
			strerror(-error), consequence(attachment));
	}
}

void pe_attacher_count_error(struct pe_attacher *attacher, int error)
{
	pthread_mutex_lock(&attacher->mutex);
	attacher->stats.errors[pe_policy_error(error)]++;
	pthread_mutex_unlock(&attacher->mutex);
}

/* Gives the interface a slot. 0 or -errno. */
static int take_slot(struct pe_attacher *attacher, const struct pe_link *link,
		     struct pe_attachment *attachment)
{
	uint32_t token;
	int r = -EEXIST;

	/* A name that a departed interface's flows still have is passed over. */
	for (int i = 0; i < TOKEN_TRIES && r == -EEXIST; i++) {
		r = pe_xdp_take(attacher->xdp, link->ifindex, pe_policy_shape(link), &token);
		if (r < 0)
			return r;
		attachment->newcomer = r;
		if (attachment->newcomer) {
			attachment->token = token;
			attachment->mode = PE_MODE_TRACEPOINT;
			return 0;
		}
		r = attacher->announce(token, attacher->userdata);
		if (r < 0)
			pe_xdp_give_back(attacher->xdp, token);
	}
	if (!r)
		attachment->token = token;
	return r;
}

static void detach_xdp(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	if (attachment->link_fd < 0)
		return;
	close(attachment->link_fd);
	attachment->link_fd = -1;
	attacher->links--;
}

static void detach_tcx(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	if (attachment->tcx_fd < 0)
		return;
	pe_xdp_detach_tcx(attacher->xdp, attachment->token, attachment->tcx_fd);
	attachment->tcx_fd = -1;
	attacher->links--;
}

/* Attaches the ingress program. 0 or -errno. */
static int attach(struct pe_attacher *attacher, const struct pe_link *link,
		  struct pe_attachment *attachment)
{
	bool wish = pe_policy_native(attacher->options->xdp_mode, link), native = wish;
	/* One may have two until TCX has gone: for that, there is a descriptor more. */
	unsigned int max_links = attacher->max_links + (attachment->tcx_fd >= 0);
	int r;

	if (attacher->links >= max_links)
		return -EMFILE;
	r = pe_xdp_attach(attacher->xdp, link->ifindex, native, &attachment->link_fd);
	if (r < 0 && native && r != -EBUSY && r != -ENODEV) {
		native = false;
		r = pe_xdp_attach(attacher->xdp, link->ifindex, native, &attachment->link_fd);
	}
	if (r < 0)
		return r;
	attacher->links++;
	if (attachment->mode == PE_MODE_TRACEPOINT)
		pe_xdp_receive(attacher->xdp, attachment->token, false);
	attachment->wants_tcx = false;
	attachment->mode = native ? PE_MODE_NATIVE : PE_MODE_GENERIC;
	attachment->reason = native == wish ? PE_REASON_NONE : PE_REASON_NATIVE_REFUSED;
	return 0;
}

/* Ingress by the receive tracepoint, or by TCX if that is attached. 0 or -errno. */
static int fall_back(struct pe_attacher *attacher, const struct pe_link *link,
		     struct pe_attachment *attachment)
{
	int r;

	if (attachment->mode == PE_MODE_TRACEPOINT)
		return 0;
	if (attachment->tcx_fd >= 0) {
		attachment->mode = PE_MODE_TCX;
		return 0;
	}
	if (!pe_policy_traced(link))
		return -EOPNOTSUPP;
	r = pe_xdp_receive(attacher->xdp, attachment->token, true);
	if (!r)
		attachment->mode = PE_MODE_TRACEPOINT;
	return r;
}

/* As fall_back(); where that cannot be, but TCX, it is for pe_attacher_finish(). */
static void fall_back_or_wait(struct pe_attacher *attacher, const struct pe_link *link,
			      struct pe_attachment *attachment, int error)
{
	enum pe_attach_error why = pe_policy_error(error);

	attachment->wants_tcx = fall_back(attacher, link, attachment) < 0 &&
				(why == PE_ATTACH_BUSY || why == PE_ATTACH_REFUSED) &&
				pe_policy_tcx(link) && pe_xdp_has_tcx(attacher->xdp);
}

int pe_attacher_begin(struct pe_attacher *attacher, const struct pe_link *link,
		      struct pe_attachment *attachment)
{
	/* Native XDP comes before the tracepoint: going from one to the other is not exact. */
	bool can_wait = pe_policy_xdp(link) && !pe_policy_native(attacher->options->xdp_mode, link);

	if (!can_wait || take_slot(attacher, link, attachment) < 0 ||
	    fall_back(attacher, link, attachment) < 0)
		return pe_attacher_advance(attacher, link, attachment);
	attachment->reason = PE_REASON_NEW;
	return 0;
}

int pe_attacher_advance(struct pe_attacher *attacher, const struct pe_link *link,
			struct pe_attachment *attachment)
{
	int r = 0;

	if (attachment->token == PE_TOKEN_NONE)
		r = take_slot(attacher, link, attachment);
	if (!r && !pe_policy_xdp(link)) {
		r = fall_back(attacher, link, attachment);
		attachment->reason = PE_REASON_BRIDGE;
	} else if (!r && attachment->link_fd < 0) {
		r = attach(attacher, link, attachment);
		if (r < 0 && r != -ENODEV)
			fall_back_or_wait(attacher, link, attachment, r);
	}
	if (r < 0) {
		attachment->reason = pe_policy_reason(r);
		pe_attacher_count_error(attacher, r);
		if (r != attachment->error)
			log_failure(attacher, link, attachment, r);
	}
	attachment->error = r;
	return r;
}

static int attach_tcx(struct pe_attacher *attacher, const struct pe_link *link,
		      struct pe_attachment *attachment)
{
	int r = -EMFILE;

	if (attacher->links < attacher->max_links)
		r = pe_xdp_attach_tcx(attacher->xdp, attachment->token, link->ifindex,
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
				link->name, strerror(-r));
	}
	attachment->tcx_error = r;
	return r;
}

int pe_attacher_finish(struct pe_attacher *attacher, const struct pe_link *link,
		       struct pe_attachment *attachment)
{
	if (attachment->wants_tcx) {
		attachment->wants_tcx = false;
		return attach_tcx(attacher, link, attachment);
	}
	if (attachment->link_fd >= 0)
		detach_tcx(attacher, attachment);
	return 0;
}

bool pe_attacher_yield(struct pe_attacher *attacher, const struct pe_link *link,
		       struct pe_attachment *attachment, bool heavy)
{
	if (!heavy) {
		if (attachment->reason != PE_REASON_LOAD)
			return false;
		pe_attacher_advance(attacher, link, attachment);
		return true;
	}
	if (attachment->mode != PE_MODE_GENERIC || attacher->options->xdp_mode != PE_XDP_AUTO ||
	    !pe_policy_traced(link) || fall_back(attacher, link, attachment) < 0)
		return false;
	detach_xdp(attacher, attachment);
	attachment->reason = PE_REASON_LOAD;
	return true;
}

void pe_attacher_detach(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	detach_xdp(attacher, attachment);
	detach_tcx(attacher, attachment);
}

bool pe_attacher_is_on(const struct pe_attachment *attachment)
{
	return (attachment->link_fd >= 0 && pe_xdp_is_attached(attachment->link_fd)) ||
	       (attachment->tcx_fd >= 0 && pe_xdp_is_attached(attachment->tcx_fd));
}

static bool is_off(int fd)
{
	return fd >= 0 && !pe_xdp_is_attached(fd);
}

bool pe_attacher_is_taken_off(const struct pe_attachment *attachment)
{
	return is_off(attachment->link_fd) || is_off(attachment->tcx_fd);
}

bool pe_attacher_taken_off(struct pe_attacher *attacher, const struct pe_link *link,
			   struct pe_attachment *attachment)
{
	bool was_xdp = attachment->link_fd >= 0;

	if (is_off(attachment->tcx_fd))
		detach_tcx(attacher, attachment);
	if (is_off(attachment->link_fd))
		detach_xdp(attacher, attachment);
	if (attachment->link_fd >= 0)
		return false;
	attachment->mode = PE_MODE_NONE;
	attachment->reason = PE_REASON_BUSY;
	attachment->error = -EBUSY;
	/* TCX itself is tried again with XDP only, not at once. */
	if (was_xdp)
		fall_back_or_wait(attacher, link, attachment, -EBUSY);
	pe_warn("xdp", "%s: somebody else has detached the %s program; %s; trying again later",
		link->name, was_xdp ? "XDP" : "TCX", consequence(attachment));
	return true;
}

void pe_attacher_observe(struct pe_attacher *attacher, uint64_t ns)
{
	pthread_mutex_lock(&attacher->mutex);
	pe_latency_observe(&attacher->stats.latency, ns);
	pthread_mutex_unlock(&attacher->mutex);
}

void pe_attacher_get_stats(struct pe_attacher *attacher, struct pe_attacher_stats *ret_stats)
{
	pthread_mutex_lock(&attacher->mutex);
	*ret_stats = attacher->stats;
	pthread_mutex_unlock(&attacher->mutex);
}
