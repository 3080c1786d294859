/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Pushgateway as a sink: what a push, a probe and a DELETE are.
 *
 * A gateway refuses what contradicts the types of others' series, and the names of the legacy
 * metrics may be others' as well. A refusal for them must not cost the rest, so a push that is
 * answered 400 is repeated without them, and they are tried again now and then.
 *
 * The sink's thread alone, but for what pe_transfer_cancel() does.
 */
#include "pe/push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/encode.h"
#include "pe/log.h"

#include "push_body.h"
#include "push_group.h"
#include "sink_ops.h"
#include "transfer.h"

#define HTTP_BAD_REQUEST 400
/* Until the legacy metrics are tried again. */
#define LEGACY_PAUSE_NS (15 * 60 * PE_NS_PER_S)

static const char subsystem[] = "push";

struct push {
	struct pe_transfer *transfer;
	struct pe_push_group group;
	struct pe_push_body *body;
	const struct pe_strbuf *text; /* of `body` */

	struct pe_expose_options show;

	/* What --metrics.legacy adds. */
	bool legacy_sent;	  /* `text` has it */
	bool legacy_refused;	  /* the gateway accepts only the rest */
	uint64_t legacy_after_ns; /* when to try it again */
	bool instead;		  /* of a push with it, that was refused */
	char *refusal;		  /* the reason of that, NULL if memory is short */
};

static void push_free(void *self)
{
	struct push *push = self;

	if (!push)
		return;
	pe_transfer_free(push->transfer);
	pe_push_body_free(push->body);
	pe_push_group_fini(&push->group);
	free(push->refusal);
	free(push);
}

static void cleanup_push(struct push **push)
{
	push_free(*push);
}

static const char *address(void *self)
{
	struct push *push = self;

	return push->group.url;
}

static void prepare(void *self, bool reload)
{
	struct push *push = self;

	if (reload)
		push->legacy_after_ns = 0;
	pe_push_group_follow(&push->group, reload);
}

/* ---- a push ---- */

static void end_instead(struct push *push)
{
	push->instead = false;
	free(push->refusal);
	push->refusal = NULL;
}

static int encode(void *self, struct pe_snapshot *snapshot)
{
	struct push *push = self;
	struct pe_expose_options show = push->show;
	int r;

	push->legacy_sent = show.legacy && !push->instead &&
			    pe_clock_monotonic_ns() >= push->legacy_after_ns;
	show.legacy = push->legacy_sent;
	r = pe_push_body_encode(push->body, snapshot, &show, &push->text);
	if (r < 0)
		end_instead(push);
	return r;
}

/* A push without the legacy metrics was stored, after one with them was refused. */
static void suspend_legacy(struct push *push)
{
	push->legacy_after_ns = pe_clock_monotonic_ns() + LEGACY_PAUSE_NS;
	if (!push->legacy_refused)
		pe_warn(subsystem,
			"%s refuses the series of --metrics.legacy: pushing without them, and "
			"trying again every %llu minutes: %s",
			push->group.url, (unsigned long long)(LEGACY_PAUSE_NS / PE_NS_PER_S / 60),
			push->refusal ? push->refusal : "out of memory");
	push->legacy_refused = true;
}

static void resume_legacy(struct push *push)
{
	if (push->legacy_refused)
		pe_info(subsystem, "%s accepts the series of --metrics.legacy again",
			push->group.url);
	push->legacy_refused = false;
}

static void put(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct push *push = self;
	bool stored;

	pe_transfer_request(push->transfer, "PUT", push->group.url, push->text, deadline_ns,
			    outcome);
	if (push->legacy_sent && outcome->result == PE_SINK_REJECTED &&
	    outcome->code == HTTP_BAD_REQUEST) {
		push->instead = outcome->again = true;
		push->refusal = strdup(outcome->reason);
		return;
	}
	stored = !outcome->cancelled && outcome->result == PE_SINK_OK;
	if (stored && push->instead)
		suspend_legacy(push);
	else if (stored && push->legacy_sent)
		resume_legacy(push);
	end_instead(push);
	outcome->reduced = push->legacy_refused;
}

/* ---- other requests ---- */

/* A HEAD, which changes nothing. */
static void probe(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct push *push = self;

	pe_transfer_request(push->transfer, "HEAD", push->group.url, NULL, deadline_ns, outcome);
}

/* What was pushed under the name before must not stay beside it. */
static bool clean_up(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct push *push = self;
	const char *url = pe_push_group_left(&push->group);

	if (!url)
		return false;
	pe_transfer_request(push->transfer, "DELETE", url, NULL, deadline_ns, outcome);
	pe_push_group_deleted(&push->group, outcome);
	return true;
}

static void finish(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct push *push = self;

	pe_transfer_request(push->transfer, "DELETE", push->group.url, NULL, deadline_ns, outcome);
}

static void cancel(void *self, uint64_t at_ns)
{
	struct push *push = self;

	pe_transfer_cancel(push->transfer, at_ns);
}

static const struct pe_sink_ops push_ops = {
	.subsystem = subsystem,
	.thread = "pe-push",
	.delivery = "push",
	.peer = "gateway",
	.finish_name = "delete",
	.address = address,
	.prepare = prepare,
	.encode = encode,
	.send = put,
	.probe = probe,
	.clean_up = clean_up,
	.finish = finish,
	.cancel = cancel,
	.free = push_free,
};

/* ---- life ---- */

static int new_transfer(const struct pe_push_options *options, struct pe_transfer **ret_transfer)
{
	const struct pe_transfer_options transfer = {
		.content_type = pe_format_content_type(PE_FORMAT_TEXT),
		.content_encoding = options->gzip ? "gzip" : NULL,
		.username = options->username,
		.password_file = options->password_file,
		.bearer_token_file = options->bearer_token_file,
		.tls_ca_file = options->tls_ca_file,
		.tls_cert_file = options->tls_cert_file,
		.tls_key_file = options->tls_key_file,
	};

	return pe_transfer_new_to(options->url, &transfer, ret_transfer);
}

static enum pe_sink_last last_of(enum pe_push_exit on_exit)
{
	if (on_exit == PE_PUSH_EXIT_PUSH)
		return PE_SINK_LAST_DELIVERY;
	return on_exit == PE_PUSH_EXIT_DELETE ? PE_SINK_LAST_FINISH : PE_SINK_LAST_NOTHING;
}

int pe_push_new(const struct pe_push_options *options, struct pe_sink **ret_sink)
{
	const struct pe_sink_options sink = {
		.ops = &push_ops,
		.interval_ns = options->interval_ns,
		.timeout_ns = options->timeout_ns,
		.last = last_of(options->on_exit),
		.snapshot = options->snapshot,
		.userdata = options->userdata,
	};
	_cleanup_(cleanup_push) struct push *push = NULL;
	char error[256];
	int r;

	r = pe_push_check(options, error, sizeof(error));
	if (r < 0)
		return r;
	push = calloc(1, sizeof(*push));
	if (!push)
		return -ENOMEM;
	push->show = options->show;
	r = pe_push_group_init(&push->group, options);
	if (r == 0)
		r = pe_push_body_new(options->gzip, &push->body);
	if (r == 0)
		r = new_transfer(options, &push->transfer);
	if (r == 0)
		r = pe_sink_new(&sink, push, ret_sink);
	if (r == 0)
		(void)PE_TAKE_PTR(push);
	return r;
}
