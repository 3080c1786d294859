/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See attacher.h. */
#include "attacher.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pe/clock.h"

#include "policy.h"

#define TOKEN_TRIES 8
/* A limit that is reached all the time is logged so seldom. */
#define REPEAT_NS (3600 * PE_NS_PER_S)
/* After one failure is logged, the next ones of its kind are only counted for so long. */
#define GROUP_NS (60 * PE_NS_PER_S)

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

/* Whether a failure of this kind is logged by itself. */
static bool is_first(struct pe_attacher *attacher, enum pe_attach_error error)
{
	struct pe_attacher_grouped *grouped = &attacher->grouped[error];
	uint64_t now_ns = pe_clock_monotonic_ns();

	if (now_ns < grouped->until_ns) {
		grouped->more++;
		return false;
	}
	grouped->until_ns = now_ns + GROUP_NS;
	return true;
}

void pe_attacher_log_more(struct pe_attacher *attacher)
{
	static const char *const what[PE_ATTACH_ERRORS] = {
		[PE_ATTACH_BUSY] = "other XDP programs are attached to",
		[PE_ATTACH_REFUSED] = "XDP cannot be attached to",
		[PE_ATTACH_NO_MEMORY] = "there is no memory to attach to",
	};
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (int i = 0; i < PE_ATTACH_ERRORS; i++) {
		struct pe_attacher_grouped *grouped = &attacher->grouped[i];

		if (!grouped->more || now_ns < grouped->until_ns)
			continue;
		if (what[i])
			pe_warn("xdp",
				"%s %u more interfaces; mode and mode_reason of "
				"packet_exporter_interface_info show which",
				what[i], grouped->more);
		grouped->more = 0;
	}
}

static void log_failure(struct pe_attacher *attacher, const struct pe_link *link,
			const struct pe_attachment *attachment, int error)
{
	enum pe_attach_error kind = pe_policy_error(error);

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
	if (kind == PE_ATTACH_VANISHED) {
		pe_debug("xdp", "%s went before it was attached", link->name);
		return;
	}
	if (kind == PE_ATTACH_NO_SLOT) {
		if (pe_log_once(&attacher->no_slot_log, REPEAT_NS))
			pe_warn("xdp",
				"%s is not counted: all %u places are taken; raise "
				"--max-interfaces; trying again when one is free",
				link->name, attacher->options->max_interfaces);
		return;
	}
	if (!is_first(attacher, kind))
		return;
	if (kind == PE_ATTACH_BUSY)
		pe_warn("xdp",
			"%s: another XDP program is attached to it, to its bridge or to an "
			"interface above it, and is left alone; %s; trying again later",
			link->name, consequence(attachment));
	else
		pe_warn("xdp", "%s: XDP cannot be attached: %s; %s; trying again later", link->name,
			strerror(-error), consequence(attachment));
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
		r = pe_xdp_take(attacher->xdp, link->ifindex, pe_policy_shape(link, false), &token);
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

static void warn_of_offloads(const char *where)
{
	pe_warn("xdp",
		"a receive offload that generic XDP switched off could not be put back%s; see "
		"ethtool -k",
		where);
}

void pe_attacher_put_back(struct pe_attacher *attacher)
{
	const struct pe_attacher_relations *relations = &attacher->relations;

	attacher->owes = attacher->offloads.count && !relations->is_current(relations->userdata);
	if (attacher->offloads.count && !attacher->owes &&
	    pe_offloads_restore(&attacher->offloads, attacher->features, relations->is_used,
				relations->userdata))
		warn_of_offloads("");
}

void pe_attacher_forget(struct pe_attacher *attacher, const struct pe_link *link, bool moved)
{
	if (pe_offloads_forget(&attacher->offloads, link->ifindex) && moved)
		pe_warn("xdp",
			"%s has moved to another namespace before the receive offloads that "
			"generic "
			"XDP switched off could be put back; see ethtool -k there",
			link->name);
}

void pe_attacher_fini(struct pe_attacher *attacher)
{
	if (pe_offloads_fini(&attacher->offloads))
		warn_of_offloads(", because the interfaces keep changing");
}

static void detach_xdp(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	if (attachment->link_fd < 0)
		return;
	close(attachment->link_fd);
	attachment->link_fd = -1;
	attacher->links--;
	pe_attacher_put_back(attacher);
}

static void detach_tcx(struct pe_attacher *attacher, struct pe_attachment *attachment)
{
	if (attachment->tcx_fd < 0)
		return;
	pe_xdp_detach_tcx(attacher->xdp, attachment->token, attachment->tcx_fd);
	attachment->tcx_fd = -1;
	attacher->links--;
}

/* What receives as it sends is seen by the egress tracepoint alone. */
static bool is_blind(const struct pe_attacher *attacher, const struct pe_link *link)
{
	return (pe_policy_shape(link, false) & PE_SLOT_ORIGIN) == PE_ORIGIN_LOOP &&
	       !pe_xdp_egress(attacher->xdp);
}

/* What --xdp.mode comes to on this interface: where native cannot be, it is as auto. */
static enum pe_xdp_mode mode_for(const struct pe_attacher *attacher, const struct pe_link *link,
				 const struct pe_attachment *attachment)
{
	enum pe_xdp_mode mode = attacher->options->xdp_mode;

	return mode == PE_XDP_NATIVE && (attachment->refused || !pe_policy_may_native(link))
		       ? PE_XDP_AUTO
		       : mode;
}

static struct pe_way look_for_way(struct pe_attacher *attacher, enum pe_xdp_mode mode,
				  const struct pe_link *link)
{
	unsigned int own = 0, below = 0;
	int ifindex[PE_OFFLOADS_MAX];
	size_t count;

	/* Most kinds need no look at the features. */
	if (is_blind(attacher, link))
		return (struct pe_way){ PE_MODE_NONE, PE_REASON_KIND };
	if (mode != PE_XDP_AUTO || !pe_policy_may_xdp(mode, link))
		return pe_policy_way(mode, link, 0, 0);
	count = attacher->relations.list_below(link, ifindex, attacher->relations.userdata);
	/* In doubt they are there. */
	if (pe_offloads_look(attacher->features, ifindex, count, &own, &below) < 0)
		own = PE_FEATURE_GRO | PE_FEATURES_LOST;
	return pe_policy_way(mode, link, own, below);
}

/* The way for an interface as it is now. */
static struct pe_way find_way(struct pe_attacher *attacher, const struct pe_link *link,
			      const struct pe_attachment *attachment)
{
	enum pe_xdp_mode mode = mode_for(attacher, link, attachment);
	struct pe_way way = look_for_way(attacher, mode, link);

	if (mode != attacher->options->xdp_mode)
		way.reason = PE_REASON_NATIVE_REFUSED;
	return way;
}

/* Attaches the program in this mode. 0 or -errno. */
static int attach_as(struct pe_attacher *attacher, const struct pe_link *link, enum pe_mode mode,
		     struct pe_attachment *attachment)
{
	bool native = mode == PE_MODE_NATIVE;
	int ifindex[PE_OFFLOADS_MAX];
	int r = 0;

	/* In the driver it counts nothing until the tracepoint no longer does. */
	if (native && pe_policy_traced(link))
		pe_xdp_count_by(attacher->xdp, attachment->token, PE_BY_RECEIVE,
				pe_policy_shape(link, false));
	if (!native)
		r = pe_offloads_save(&attacher->offloads, attacher->features, ifindex,
				     attacher->relations.list_below(link, ifindex,
								    attacher->relations.userdata));
	if (!r)
		r = pe_xdp_attach(attacher->xdp, link->ifindex, native, &attachment->link_fd);
	if (r < 0) {
		pe_attacher_put_back(attacher);
		return r;
	}
	attacher->links++;
	attachment->wants_tcx = false;
	pe_xdp_count_by(attacher->xdp, attachment->token, native ? PE_BY_NATIVE : PE_BY_XDP,
			pe_policy_shape(link, native));
	attachment->mode = mode;
	return 0;
}

static bool is_xdp(const struct pe_way *way)
{
	return way->mode == PE_MODE_NATIVE || way->mode == PE_MODE_GENERIC;
}

/* Attaches the ingress program as the way is; where the driver refuses it, as auto would. 0 or
 * -errno; *way is what it came to. */
static int attach(struct pe_attacher *attacher, const struct pe_link *link, struct pe_way *way,
		  struct pe_attachment *attachment)
{
	/* One may have two until TCX has gone: for that, there is a descriptor more. */
	unsigned int max_links = attacher->max_links + (attachment->tcx_fd >= 0);
	int r;

	if (attacher->links >= max_links)
		return -EMFILE;
	r = attach_as(attacher, link, way->mode, attachment);
	if (r < 0 && way->mode == PE_MODE_NATIVE && r != -EBUSY && r != -ENODEV) {
		attachment->refused = true;
		*way = find_way(attacher, link, attachment);
		r = is_xdp(way) ? attach_as(attacher, link, way->mode, attachment) : 0;
	}
	if (!r)
		attachment->reason = way->reason;
	return r;
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
	if (!pe_policy_traced(link) || is_blind(attacher, link))
		return -EOPNOTSUPP;
	r = pe_xdp_count_by(attacher->xdp, attachment->token, PE_BY_RECEIVE,
			    pe_policy_shape(link, false));
	if (!r)
		attachment->mode = PE_MODE_TRACEPOINT;
	return r;
}

/* As fall_back(); where that cannot be, but TCX, it is for pe_attacher_finish(). */
static void fall_back_or_wait(struct pe_attacher *attacher, const struct pe_link *link,
			      struct pe_attachment *attachment)
{
	attachment->wants_tcx = fall_back(attacher, link, attachment) < 0 && pe_policy_tcx(link) &&
				pe_xdp_has_tcx(attacher->xdp);
}

int pe_attacher_begin(struct pe_attacher *attacher, const struct pe_link *link,
		      struct pe_attachment *attachment)
{
	/* Native XDP comes before the tracepoint: going from one to the other is not exact. */
	bool can_wait = pe_policy_may_xdp(mode_for(attacher, link, attachment), link);

	if (!can_wait || take_slot(attacher, link, attachment) < 0 ||
	    fall_back(attacher, link, attachment) < 0)
		return pe_attacher_advance(attacher, link, attachment);
	attachment->reason = PE_REASON_NEW;
	return 0;
}

/* Without XDP, as the way is. A newcomer's shape was not known until now. */
static int go_without(struct pe_attacher *attacher, const struct pe_link *link,
		      const struct pe_way *way, struct pe_attachment *attachment)
{
	int r = 0;

	if (way->mode == PE_MODE_TRACEPOINT)
		r = fall_back(attacher, link, attachment);
	else
		fall_back_or_wait(attacher, link, attachment);
	attachment->reason = way->reason;
	return r;
}

static void note_failure(struct pe_attacher *attacher, const struct pe_link *link,
			 struct pe_attachment *attachment, int error)
{
	bool is_ours = error == -EBUSY &&
		       attacher->relations.has_above(link, attacher->relations.userdata);
	/* The same error, while it was because of ours, was not logged. */
	bool is_news = error != attachment->error || attachment->reason == PE_REASON_UPPER;

	attachment->reason = is_ours ? PE_REASON_UPPER : pe_policy_reason(error);
	if (is_ours)
		return;
	pe_attacher_count_error(attacher, error);
	if (is_news)
		log_failure(attacher, link, attachment, error);
}

int pe_attacher_advance(struct pe_attacher *attacher, const struct pe_link *link,
			struct pe_attachment *attachment)
{
	struct pe_way way;
	int r = 0;

	if (attachment->token == PE_TOKEN_NONE)
		r = take_slot(attacher, link, attachment);
	if (!r && attachment->link_fd < 0) {
		way = find_way(attacher, link, attachment);
		if (is_xdp(&way))
			r = attach(attacher, link, &way, attachment);
		if (!r && !is_xdp(&way))
			r = go_without(attacher, link, &way, attachment);
		else if (r < 0 && r != -ENODEV)
			fall_back_or_wait(attacher, link, attachment);
	}
	if (r < 0)
		note_failure(attacher, link, attachment, r);
	attachment->error = r;
	return r;
}

bool pe_attacher_follow(struct pe_attacher *attacher, const struct pe_link *link,
			struct pe_attachment *attachment)
{
	struct pe_way way;

	if (mode_for(attacher, link, attachment) != PE_XDP_AUTO ||
	    attachment->token == PE_TOKEN_NONE || !pe_policy_may_xdp(PE_XDP_AUTO, link))
		return false;
	if (attachment->mode != PE_MODE_GENERIC && attachment->reason != PE_REASON_GRO &&
	    attachment->reason != PE_REASON_OFFLOAD &&
	    attachment->reason != PE_REASON_NATIVE_REFUSED)
		return false;
	way = find_way(attacher, link, attachment);
	if (is_xdp(&way) == (attachment->link_fd >= 0))
		return false;
	if (is_xdp(&way)) {
		pe_attacher_advance(attacher, link, attachment);
		return true;
	}
	/* First that, so that no packet passes uncounted. */
	if (go_without(attacher, link, &way, attachment) < 0)
		return false;
	detach_xdp(attacher, attachment);
	/* Where only TCX is left, which cannot come before XDP has gone. */
	if (attachment->mode == PE_MODE_GENERIC)
		attachment->mode = PE_MODE_NONE;
	return true;
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
	if (attachment->mode != PE_MODE_GENERIC ||
	    mode_for(attacher, link, attachment) != PE_XDP_AUTO || !pe_policy_traced(link) ||
	    fall_back(attacher, link, attachment) < 0)
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
		fall_back_or_wait(attacher, link, attachment);
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

void pe_attacher_get_stats(struct pe_attacher *attacher, struct pe_interfaces_stats *ret_stats)
{
	pthread_mutex_lock(&attacher->mutex);
	*ret_stats = attacher->stats;
	pthread_mutex_unlock(&attacher->mutex);
}
