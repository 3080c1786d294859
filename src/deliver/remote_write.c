/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote write and OTLP as a sink: what a state becomes, and what sends it; remote_send.c has a
 * request, remote_answer.c and otlp_answer.c what an answer means for what waits.
 *
 * Times rise from state to state, also where the wall clock is set back: then they go on with the
 * monotonic clock from the last one. What is sent again has the same times and values, which
 * receivers take for the duplicates that they are.
 *
 * The sink's thread alone, but for cancel() and sample().
 */
#include "pe/remote_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/push.h"
#include "pe/table.h"

#include "grouping.h"
#include "remote_sink.h"
#include "schedule.h"

#define QUEUE_BYTES_MAX ((size_t)8 * 1024 * 1024)

static void remote_write_free(void *self)
{
	struct pe_remote_sink *remote = self;

	if (!remote)
		return;
	for (size_t i = 0; i < PE_REMOTE_FORMATS; i++)
		pe_transfer_free(remote->transfer[i]);
	for (size_t i = 0; i < remote->label_count; i++) {
		free((char *)remote->labels[i].name);
		free((char *)remote->labels[i].value);
	}
	pe_remote_queue_fini(&remote->queue);
	pe_remote_watch_fini(&remote->watch);
	free(remote->header_file);
	pe_births_free(remote->births);
	free(remote->url);
	free(remote->shown);
	free(remote);
}

static void cleanup_remote_write(struct pe_remote_sink **remote)
{
	remote_write_free(*remote);
}

static const char *address(void *self)
{
	const struct pe_remote_sink *remote = self;

	return remote->shown;
}

/* ---- states ---- */

static void set_time(struct pe_remote_sink *remote, const struct pe_snapshot *snapshot)
{
	const uint64_t taken_ns = snapshot->taken_ns, now_ns = pe_clock_monotonic_ns();
	const bool again = taken_ns == remote->taken_ns;

	pe_births_begin(remote->births, again);
	if (again)
		return;
	/* The wall clock was set back since then: as if that were the last state. */
	if (!remote->time_ns && remote->spooled_ns >= snapshot->self.created_ns) {
		remote->time_ns = remote->spooled_ns;
		remote->monotonic_ns = now_ns;
	}
	/* What begins with the first state begins with the exporter: it counts since then, and
	 * nothing of an exporter before it is later. */
	remote->zero_ns = remote->time_ns ? remote->time_ns + PE_NS_PER_MS
					  : snapshot->self.created_ns;
	remote->time_ns = pe_schedule_state_ns(remote->interval_ns, remote->time_ns, taken_ns,
					       now_ns - remote->monotonic_ns);
	if (!remote->first_ns)
		remote->first_ns = now_ns;
	remote->taken_ns = taken_ns;
	remote->monotonic_ns = now_ns;
}

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct pe_remote_sink *remote = userdata;

	return pe_remote_queue_add(&remote->queue, batch, remote->format, remote->time_ns,
				   remote->state);
}

static int encode(void *self, struct pe_snapshot *snapshot)
{
	struct pe_remote_sink *remote = self;
	struct pe_remote_options options = {
		.format = remote->format,
		.host = *remote->host ? remote->host : NULL,
		.show = remote->show,
		.labels = remote->labels,
		.label_count = remote->label_count,
		.max_samples = remote->max_samples,
		.births = remote->births,
		.interval_ns = remote->interval_ns,
		.min_age_ns = remote->min_age_ns,
		.hold_ns = remote->hold_ns,
	};
	int r;

	set_time(remote, snapshot);
	options.time_ns = remote->time_ns;
	options.zero_ns = remote->zero_ns;
	/* A second more or less than the snapshot says is no reason for series to come and go. */
	if (remote->monotonic_ns - remote->first_ns > PE_NS_PER_S)
		options.since_first_ns = remote->monotonic_ns - remote->first_ns - PE_NS_PER_S;
	remote->state++;
	r = pe_remote_encode(snapshot, &options, take, remote);
	if (r < 0)
		pe_remote_queue_take_back(&remote->queue, remote->state);
	return r;
}

static bool pending(void *self)
{
	return pe_remote_ready(self);
}

static bool keep(void *self)
{
	struct pe_remote_sink *remote = self;

	return pe_remote_queue_keep(&remote->queue);
}

/* ---- requests ---- */

static void send_one(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	pe_remote_send(self, deadline_ns, outcome);
}

static bool mended(void *self)
{
	return pe_remote_refresh(self);
}

static void set_tick(void *self, uint64_t (*tick)(void *userdata), void *userdata)
{
	struct pe_remote_sink *remote = self;

	for (size_t i = 0; i < PE_REMOTE_FORMATS; i++)
		if (remote->transfer[i])
			pe_transfer_set_tick(remote->transfer[i], tick, userdata);
}

static void cancel(void *self, uint64_t at_ns)
{
	struct pe_remote_sink *remote = self;

	for (size_t i = 0; i < PE_REMOTE_FORMATS; i++)
		if (remote->transfer[i])
			pe_transfer_cancel(remote->transfer[i], at_ns);
}

static void sample(void *self, struct pe_sink_sample *ret_sample)
{
	struct pe_remote_sink *remote = self;

	ret_sample->url = remote->shown;
	pe_remote_queue_sample(&remote->queue, ret_sample);
}

#define SHARED_OPS                                                                                \
	.address = address, .queues = true, .pending = pending, .mended = mended,                 \
	.set_tick = set_tick, .keep = keep, .sample = sample, .encode = encode, .send = send_one, \
	.cancel = cancel, .free = remote_write_free

static const struct pe_sink_ops remote_write_ops = {
	.subsystem = "remote_write",
	.thread = "pe-remote-write",
	.delivery = "write",
	.peer = "receiver",
	SHARED_OPS,
};

static const struct pe_sink_ops otlp_ops = {
	.subsystem = "otlp",
	.thread = "pe-otlp",
	.delivery = "export",
	.peer = "receiver",
	SHARED_OPS,
};

/* ---- life ---- */

static int add_label(struct pe_remote_sink *remote, const char *name, const char *value)
{
	struct pe_remote_label *label;

	for (size_t i = 0; i < remote->label_count; i++)
		if (strcmp(remote->labels[i].name, name) == 0)
			return 0;
	if (remote->label_count == PE_REMOTE_LABELS_MAX)
		return -EINVAL;
	label = &remote->labels[remote->label_count++];
	label->name = strdup(name);
	label->value = strdup(value);
	return label->name && label->value ? 0 : -ENOMEM;
}

/* Those that were given win over job and instance. */
static int copy_labels(struct pe_remote_sink *remote, const struct pe_remote_write_options *options)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < options->label_count; i++) {
		const char *name = options->labels[i].name;

		if (strcmp(name, "host.name") == 0)
			*remote->host = '\0';
		r = add_label(remote, options->otlp ? pe_otlp_label(name) : name,
			      options->labels[i].value);
	}
	if (r == 0)
		r = add_label(remote, "job", options->job);
	if (r == 0)
		r = add_label(remote, "instance", options->instance);
	return r;
}

static int new_transfer(const struct pe_remote_write_options *options, enum pe_remote_format format,
			struct pe_transfer **ret_transfer)
{
	const struct pe_remote_headers *its = pe_remote_headers(format);
	const char *headers[2] = { NULL };
	char version[64];
	const struct pe_transfer_options transfer = {
		.content_type = its->content_type,
		.content_encoding = its->content_encoding,
		.headers = headers,
		.any_2xx = true,
		.username = options->username,
		.password_file = options->password_file,
		.bearer_token_file = options->bearer_token_file,
		.tls_ca_file = options->tls_ca_file,
		.tls_cert_file = options->tls_cert_file,
		.tls_key_file = options->tls_key_file,
	};

	if (its->version) {
		snprintf(version, sizeof(version), "X-Prometheus-Remote-Write-Version: %s",
			 its->version);
		headers[0] = version;
	}
	return pe_transfer_new_to(options->url, &transfer, ret_transfer);
}

static int new_transfers(struct pe_remote_sink *remote,
			 const struct pe_remote_write_options *options)
{
	int r = new_transfer(options, remote->format, &remote->transfer[remote->format]);

	/* What waits may be of an older version. */
	if (r == 0 && remote->format == PE_REMOTE_WRITE_2)
		r = new_transfer(options, PE_REMOTE_WRITE_1, &remote->transfer[PE_REMOTE_WRITE_1]);
	return r == 0 ? pe_remote_read_headers(remote) : r;
}

/* What somebody may put right when the receiver refuses requests. */
static int watch_files(struct pe_remote_sink *remote, const struct pe_remote_write_options *options)
{
	const char *const files[] = { options->header_file,   options->password_file,
				      options->tls_ca_file,   options->bearer_token_file,
				      options->tls_cert_file, options->tls_key_file };
	int r = 0;

	if (options->header_file && !(remote->header_file = strdup(options->header_file)))
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(*files); i++)
		r = pe_remote_watch_add(&remote->watch, files[i]);
	return r;
}

/* Who it is for the spool: where it writes to, and as whom. */
static int open_spool(struct pe_remote_sink *remote, const struct pe_remote_write_options *options)
{
	struct pe_strbuf target = { 0 };
	struct pe_spool *spool = NULL;
	int r = 0;

	if (!options->spool_path)
		return 0;
	pe_strbuf_addf(&target, "%s %s\n", remote->ops->subsystem, remote->url);
	for (size_t i = 0; i < remote->label_count; i++)
		pe_strbuf_addf(&target, "%s=%s\n", remote->labels[i].name, remote->labels[i].value);
	pe_strbuf_addc(&target, '\0');
	r = target.error ? target.error : pe_spool_new(options->spool_path, target.data, &spool);
	pe_strbuf_fini(&target);
	return r < 0 ? r
		     : pe_remote_queue_open(&remote->queue, spool, options->spool_bytes,
					    &remote->spooled_ns);
}

/* What distinguishes it from the others of a fleet. */
static uint32_t hash_of(const struct pe_remote_sink *remote)
{
	uint32_t hash = PE_HASH_START;

	for (size_t i = 0; i < remote->label_count; i++)
		hash = pe_hash_string(hash, remote->labels[i].value);
	return pe_hash_string(hash, remote->url);
}

/* Which protocol it speaks first, and how it understands the answers. */
static void set_protocol(struct pe_remote_sink *remote,
			 const struct pe_remote_write_options *options)
{
	remote->answer = pe_remote_answer;
	remote->ops = &remote_write_ops;
	if (options->otlp) {
		remote->format = PE_REMOTE_OTLP;
		remote->answer = pe_otlp_answer;
		remote->ops = &otlp_ops;
		pe_push_host_name(remote->host);
	} else if (options->protocol != PE_REMOTE_WRITE_PROTOCOL_1) {
		remote->format = PE_REMOTE_WRITE_2;
		remote->falls_back = options->protocol == PE_REMOTE_WRITE_PROTOCOL_AUTO;
	}
}

int pe_remote_write_new(const struct pe_remote_write_options *options, struct pe_sink **ret_sink)
{
	struct pe_sink_options sink = {
		.interval_ns = options->interval_ns,
		.timeout_ns = options->timeout_ns,
		.last = PE_SINK_LAST_DELIVERY,
		.snapshot = options->snapshot,
		.userdata = options->userdata,
	};
	_cleanup_(cleanup_remote_write) struct pe_remote_sink *remote = NULL;
	char error[256];
	int r = pe_remote_write_check(options, error, sizeof(error));

	if (r < 0)
		return r;
	remote = calloc(1, sizeof(*remote));
	if (!remote)
		return -ENOMEM;
	pe_remote_queue_init(&remote->queue, QUEUE_BYTES_MAX);
	remote->queue.max_age_ns = options->max_age_ns;
	remote->queue.otlp = options->otlp;
	remote->queue.newest_first = options->newest_first;
	set_protocol(remote, options);
	remote->show = options->show;
	remote->max_samples = options->max_samples;
	remote->interval_ns = options->interval_ns;
	remote->min_age_ns = options->min_age_ns;
	remote->hold_ns = options->hold_ns;
	remote->shown = pe_push_redact_url(options->url);
	r = remote->shown ? pe_push_bare_url(options->url, &remote->url) : -ENOMEM;
	if (r == 0)
		r = pe_births_new(&remote->births);
	if (r == 0)
		r = copy_labels(remote, options);
	if (r == 0)
		r = watch_files(remote, options);
	if (r == 0)
		r = new_transfers(remote, options);
	if (r == 0)
		r = open_spool(remote, options);
	if (r < 0)
		return r;
	sink.ops = remote->ops;
	sink.phase_ns = pe_schedule_phase_ns(hash_of(remote), options->interval_ns);
	r = pe_sink_new(&sink, remote, ret_sink);
	if (r == 0)
		(void)PE_TAKE_PTR(remote);
	return r;
}
