/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder: walks over families and interfaces, and has the writer write one pair at a time.
 *
 * Invariant: `out` of the writer holds what was written and not yet read, from `read_at` on; it is
 * refilled only when empty. One thread at a time.
 */
#include "pe/encode.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/cleanup.h"

#include "families.h"

struct pe_encoder {
	struct pe_snapshot *snapshot;
	struct pe_emit emit;
	unsigned int has; /* PE_WANTS_* that can be met */
	/* The label of each interface; the text of one ends where that of the next begins. */
	struct pe_strbuf texts;
	size_t *label_at;
	struct pe_label label; /* of the interface at hand */
	/* What is rendered next. */
	size_t table;
	size_t family;
	size_t iface;
	bool done;
	size_t read_at;
};

const char *pe_format_content_type(enum pe_format format)
{
	if (format == PE_FORMAT_OPENMETRICS)
		return "application/openmetrics-text; version=1.0.0; charset=utf-8";
	return "text/plain; version=0.0.4; charset=utf-8";
}

/* The texts of the interfaces' labels, one behind the other. */
static int render_labels(struct pe_encoder *encoder)
{
	const struct pe_snapshot *snapshot = encoder->snapshot;
	struct pe_label_set set = { 0 };
	size_t i;

	encoder->label_at = calloc(snapshot->iface_count + 1, sizeof(*encoder->label_at));
	if (!encoder->label_at)
		return -ENOMEM;
	for (i = 0; i < snapshot->iface_count; i++) {
		pe_label_set_clear(&set);
		pe_label_set_add(&set, "interface", snapshot->ifaces[i].info.name);
		pe_strbuf_add(&encoder->texts, set.text.data, set.text.len);
		encoder->label_at[i + 1] = encoder->texts.len;
	}
	if (set.text.error)
		encoder->texts.error = set.text.error;
	pe_label_set_fini(&set);
	return encoder->texts.error;
}

static void free_encoder(struct pe_encoder **encoder)
{
	*encoder = pe_encoder_free(*encoder);
}

int pe_encoder_new(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
		   struct pe_encoder **ret_encoder)
{
	_cleanup_(free_encoder) struct pe_encoder *encoder = calloc(1, sizeof(*encoder));
	int r;

	if (!encoder)
		return -ENOMEM;
	encoder->snapshot = pe_snapshot_ref(snapshot);
	encoder->emit.snapshot = snapshot;
	encoder->emit.writer.ops = options->format == PE_FORMAT_OPENMETRICS ? &pe_openmetrics_writer
									    : &pe_text_writer;
	encoder->has = (snapshot->top_flows ? PE_WANTS_TOP : 0) |
		       (snapshot->self.push.enabled ? PE_WANTS_PUSH : 0) |
		       (options->no_process ? 0 : PE_WANTS_PROCESS) |
		       (options->legacy ? PE_WANTS_LEGACY : 0);
	r = render_labels(encoder);
	if (r < 0)
		return r;
	*ret_encoder = PE_TAKE_PTR(encoder);
	return 0;
}

struct pe_encoder *pe_encoder_free(struct pe_encoder *encoder)
{
	if (!encoder)
		return NULL;
	pe_snapshot_unref(encoder->snapshot);
	pe_strbuf_fini(&encoder->emit.writer.out);
	pe_label_set_fini(&encoder->emit.labels);
	pe_strbuf_fini(&encoder->emit.endpoint[0]);
	pe_strbuf_fini(&encoder->emit.endpoint[1]);
	pe_strbuf_fini(&encoder->texts);
	free(encoder->emit.top);
	free(encoder->label_at);
	free(encoder);
	return NULL;
}

static void emit_iface(struct pe_encoder *encoder, size_t i)
{
	const struct pe_snapshot *snapshot = encoder->snapshot;
	struct pe_emit *emit = &encoder->emit;

	emit->iface = &snapshot->ifaces[i];
	encoder->label = (struct pe_label){
		PE_SPAN("interface"),
		{ emit->iface->info.name, strlen(emit->iface->info.name) },
	};
	emit->iface_labels = (struct pe_labels){
		&encoder->label,
		1,
		{ encoder->texts.data + encoder->label_at[i],
		  encoder->label_at[i + 1] - encoder->label_at[i] },
	};
	emit->labelled = -1;
	emit->family->emit(emit);
}

/* Until there is a sample or the family ends. Returns whether it ended. */
static bool write_family(struct pe_encoder *encoder, const struct pe_family *family)
{
	struct pe_emit *emit = &encoder->emit;
	size_t count = family->per_iface ? encoder->snapshot->iface_count : 1;

	emit->family = family;
	while (encoder->iface < count && emit->writer.out.len == 0) {
		if (family->per_iface)
			emit_iface(encoder, encoder->iface);
		else
			family->emit(emit);
		encoder->iface++;
	}
	return encoder->iface == count;
}

/* Fills the empty buffer; it stays empty only at the end. */
static void refill(struct pe_encoder *encoder)
{
	struct pe_strbuf *out = &encoder->emit.writer.out;

	out->len = 0;
	encoder->read_at = 0;
	while (out->len == 0 && !out->error && encoder->table < PE_FAMILY_TABLES) {
		const struct pe_family_table *table = pe_family_tables[encoder->table];
		const struct pe_family *family;

		if (encoder->family == table->count) {
			encoder->table++;
			encoder->family = 0;
			continue;
		}
		family = &table->families[encoder->family];
		if ((family->wants & ~encoder->has) == 0 && !write_family(encoder, family))
			continue;
		encoder->family++;
		encoder->iface = 0;
		encoder->emit.begun = false;
	}
	if (out->len == 0 && !encoder->done) {
		encoder->done = true;
		encoder->emit.writer.ops->end(&encoder->emit.writer);
	}
}

ssize_t pe_encoder_read(struct pe_encoder *encoder, char *buf, size_t size)
{
	const struct pe_emit *emit = &encoder->emit;
	const struct pe_strbuf *out = &emit->writer.out;
	size_t done = 0;

	while (done < size) {
		size_t n = out->len - encoder->read_at;

		if (n == 0) {
			refill(encoder);
			if (emit->no_memory || out->error < 0 || emit->labels.text.error < 0)
				return -ENOMEM;
			if (out->len == 0)
				break;
			continue;
		}
		if (n > size - done)
			n = size - done;
		memcpy(buf + done, out->data + encoder->read_at, n);
		encoder->read_at += n;
		done += n;
	}
	return (ssize_t)done;
}
