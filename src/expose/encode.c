/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder: walks over families and what they are of, and has the writer write one pair at a
 * time.
 *
 * Invariant: `out` of the writer holds what was written and not yet read, from `read_at` on; it is
 * refilled only when empty. One thread at a time.
 */
#include "pe/encode.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/cleanup.h"

#include "families.h"
#include "walk.h"

#define ITEM_LABELS_MAX                                                     \
	((int)PE_GROUP_LABELS > (int)PE_IFACE_LABELS ? (int)PE_GROUP_LABELS \
						     : (int)PE_IFACE_LABELS + 1)

/* The texts of labels; that of one item ends where that of the next begins. */
struct texts {
	struct pe_strbuf text;
	size_t *at;
};

struct pe_encoder {
	struct pe_snapshot *snapshot;
	struct pe_emit emit;
	unsigned int has;	/* PE_WANTS_* that can be met */
	size_t first[PE_PARTS]; /* the place of a part's first family in the catalogue */
	struct texts groups, ifaces;
	struct pe_label label[ITEM_LABELS_MAX]; /* of the item at hand */
	/* What is rendered next. */
	size_t part;
	size_t family;
	size_t item;
	bool done;
	size_t read_at;
};

const char *pe_format_content_type(enum pe_format format)
{
	switch (format) {
	case PE_FORMAT_OPENMETRICS:
		return "application/openmetrics-text; version=1.0.0; charset=utf-8";
	case PE_FORMAT_PROTOBUF:
		return "application/vnd.google.protobuf; "
		       "proto=io.prometheus.client.MetricFamily; encoding=delimited";
	case PE_FORMAT_TEXT:
		break;
	}
	return "text/plain; version=0.0.4; charset=utf-8";
}

static const struct pe_writer_ops *writer_of(enum pe_format format)
{
	if (format == PE_FORMAT_PROTOBUF)
		return &pe_protobuf_writer;
	return format == PE_FORMAT_OPENMETRICS ? &pe_openmetrics_writer : &pe_text_writer;
}

static void set_label(struct pe_label *label, const char *name, const char *value)
{
	*label = (struct pe_label){ { name, strlen(name) }, { value, strlen(value) } };
}

static size_t label_group(const struct pe_encoder *encoder, size_t i, struct pe_label *ret_label)
{
	const struct pe_group_sample *group = &encoder->snapshot->groups[i];
	size_t n = 0;

	for (unsigned int l = 0; l < PE_GROUP_LABELS; l++)
		if (encoder->snapshot->group_by & PE_GROUP_BIT(l))
			set_label(&ret_label[n++], pe_group_label_name((enum pe_group_label)l),
				  group->label[l]);
	return n;
}

static size_t label_iface(const struct pe_encoder *encoder, size_t i, struct pe_label *ret_label)
{
	const struct pe_iface_sample *iface = &encoder->snapshot->ifaces[i];
	size_t n = 0;

	set_label(&ret_label[n++], "interface", iface->info.name);
	for (size_t l = 0; encoder->emit.show.iface_labels >> l; l++)
		if (encoder->emit.show.iface_labels >> l & 1)
			set_label(&ret_label[n++], pe_identity_labels[l].name,
				  pe_identity_label_value(iface->identity, &pe_identity_labels[l]));
	return n;
}

/* They are the same in every family. */
static int render_texts(const struct pe_encoder *encoder, size_t count,
			size_t (*label)(const struct pe_encoder *encoder, size_t i,
					struct pe_label *ret_label),
			struct texts *ret_texts)
{
	struct pe_label labels[ITEM_LABELS_MAX];
	struct pe_label_set set = { 0 };
	size_t i, l, n;

	ret_texts->at = calloc(count + 1, sizeof(*ret_texts->at));
	if (!ret_texts->at)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		pe_label_set_clear(&set);
		n = label(encoder, i, labels);
		for (l = 0; l < n; l++)
			pe_label_set_add(&set, labels[l].name.data, labels[l].value.data);
		pe_strbuf_add(&ret_texts->text, set.text.data, set.text.len);
		ret_texts->at[i + 1] = ret_texts->text.len;
	}
	if (set.text.error)
		ret_texts->text.error = set.text.error;
	pe_label_set_fini(&set);
	return ret_texts->text.error;
}

static void free_texts(struct texts *texts)
{
	pe_strbuf_fini(&texts->text);
	free(texts->at);
}

/* Labels that the encoder has pointers of, and their text. */
static struct pe_labels item_labels(const struct pe_encoder *encoder, size_t count,
				    const struct texts *texts, size_t i)
{
	return (struct pe_labels){
		encoder->label,
		count,
		{ texts->text.data + texts->at[i], texts->at[i + 1] - texts->at[i] },
	};
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
	encoder->emit.show = options->show;
	encoder->emit.show.iface_labels &= (1u << PE_IFACE_LABELS) - 1;
	encoder->emit.writer.with_created = options->show.created;
	encoder->emit.writer.ops = writer_of(options->format);
	encoder->has = (snapshot->top_flows ? PE_WANTS_TOP : 0) |
		       (snapshot->no_flows ? 0 : PE_WANTS_FLOWS) |
		       (snapshot->tcp ? PE_WANTS_TCP : 0) |
		       (snapshot->overflows ? PE_WANTS_OVERFLOWS : 0) |
		       (snapshot->dns ? PE_WANTS_DNS : 0) |
		       (snapshot->self.push.enabled ? PE_WANTS_PUSH : 0) |
		       (snapshot->self.sink_count > 0 ? PE_WANTS_SINKS : 0) |
		       (snapshot->drop_reasons.counted ? PE_WANTS_DROPS : 0) |
		       (options->no_process ? 0 : PE_WANTS_PROCESS) |
		       (snapshot->self.identity_enabled ? PE_WANTS_IDENTITY : 0) |
		       (options->show.detail == PE_DETAIL_FULL ? PE_WANTS_DETAIL : 0) |
		       (options->show.legacy ? PE_WANTS_LEGACY : 0);
	for (size_t i = 1; i < PE_PARTS; i++)
		encoder->first[i] = encoder->first[i - 1] + pe_parts[i - 1].table->count;
	r = render_texts(encoder, snapshot->group_count, label_group, &encoder->groups);
	if (r == 0)
		r = render_texts(encoder, snapshot->iface_count, label_iface, &encoder->ifaces);
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
	free_texts(&encoder->groups);
	free_texts(&encoder->ifaces);
	free(encoder->emit.top);
	free(encoder);
	return NULL;
}

static int error_of(const struct pe_emit *emit)
{
	return emit->no_memory || emit->writer.out.error < 0 || emit->labels.text.error < 0
		       ? -ENOMEM
		       : 0;
}

static size_t item_count(const struct pe_encoder *encoder, enum pe_part_level level)
{
	switch (level) {
	case PE_PART_HOST:
		return encoder->snapshot->host ? 1 : 0;
	case PE_PART_GROUP:
		return encoder->snapshot->group_count;
	case PE_PART_IFACE:
		return encoder->snapshot->iface_count;
	case PE_PART_SELF:
		break;
	}
	return 1;
}

static void emit_item(struct pe_encoder *encoder, enum pe_part_level level, size_t i)
{
	const struct pe_snapshot *snapshot = encoder->snapshot;
	struct pe_emit *emit = &encoder->emit;
	size_t count;

	emit->iface = NULL;
	emit->group = NULL;
	emit->body = NULL;
	emit->base = (struct pe_labels){ 0 };
	emit->zeros = false;
	emit->labelled = -1;
	emit->at_ns = 0;
	switch (level) {
	case PE_PART_HOST:
		emit->body = &snapshot->host->body;
		emit->zeros = true;
		break;
	case PE_PART_GROUP:
		emit->group = &snapshot->groups[i];
		emit->body = &emit->group->body;
		emit->zeros = true;
		count = label_group(encoder, i, encoder->label);
		emit->base = item_labels(encoder, count, &encoder->groups, i);
		break;
	case PE_PART_IFACE:
		emit->iface = &snapshot->ifaces[i];
		emit->body = &emit->iface->body;
		count = label_iface(encoder, i, encoder->label);
		emit->base = item_labels(encoder, count, &encoder->ifaces, i);
		break;
	case PE_PART_SELF:
		break;
	}
	emit->family->emit(emit);
}

static bool is_wanted(const struct pe_encoder *encoder, const struct pe_part *part,
		      const struct pe_family *family)
{
	return (pe_family_wants(family, part->level) & ~encoder->has) == 0;
}

static bool is_left_out(const struct pe_encoder *encoder, size_t part, size_t family)
{
	const size_t i = encoder->first[part] + family;

	return encoder->emit.show.left_out.bit[i / 64] >> i % 64 & 1;
}

/* A snapshot never changes: what is written afterwards is as long. */
static void measure_family(struct pe_encoder *encoder, const struct pe_part *part, size_t count)
{
	struct pe_emit *emit = &encoder->emit;
	struct pe_writer *writer = &emit->writer;

	writer->measuring = true;
	writer->family_len = 0;
	for (size_t i = 0; i < count && !writer->out.error; i++) {
		emit_item(encoder, part->level, i);
		writer->family_len += writer->out.len;
		writer->out.len = 0;
	}
	writer->measuring = false;
	emit->begun = false;
}

/* Until there is a sample or the family ends. Returns whether it ended. */
static bool write_family(struct pe_encoder *encoder, const struct pe_part *part,
			 const struct pe_family *family)
{
	struct pe_emit *emit = &encoder->emit;
	size_t count = item_count(encoder, part->level);

	emit->part = part;
	emit->family = family;
	if (emit->writer.ops->measured && encoder->item == 0)
		measure_family(encoder, part, count);
	while (encoder->item < count && emit->writer.out.len == 0)
		emit_item(encoder, part->level, encoder->item++);
	return encoder->item == count;
}

/* Fills the empty buffer; it stays empty only at the end. */
static void refill(struct pe_encoder *encoder)
{
	struct pe_strbuf *out = &encoder->emit.writer.out;

	out->len = 0;
	encoder->read_at = 0;
	while (out->len == 0 && !out->error && encoder->part < PE_PARTS) {
		const struct pe_part *part = &pe_parts[encoder->part];
		const struct pe_family *family;

		if (encoder->family == part->table->count) {
			encoder->part++;
			encoder->family = 0;
			continue;
		}
		family = &part->table->families[encoder->family];
		if (is_wanted(encoder, part, family) &&
		    !is_left_out(encoder, encoder->part, encoder->family) &&
		    !write_family(encoder, part, family))
			continue;
		encoder->family++;
		encoder->item = 0;
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
			if (error_of(emit) < 0)
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

static bool is_shown(struct pe_encoder *encoder, enum pe_part_level level, size_t i)
{
	struct pe_writer *writer = &encoder->emit.writer;

	return level != PE_PART_IFACE || !writer->ops->shows ||
	       writer->ops->shows(writer, &encoder->snapshot->ifaces[i]);
}

static void walk_family(struct pe_encoder *encoder, const struct pe_part *part,
			const struct pe_family *family)
{
	struct pe_emit *emit = &encoder->emit;
	const size_t count = item_count(encoder, part->level);

	if (!is_wanted(encoder, part, family))
		return;
	emit->part = part;
	emit->family = family;
	emit->begun = false;
	emit->writer.level = part->level;
	for (size_t i = 0; i < count && emit->writer.error == 0 && error_of(emit) == 0; i++)
		if (is_shown(encoder, part->level, i))
			emit_item(encoder, part->level, i);
}

static void add_parts(struct pe_encoder *encoder, enum pe_part_level level, size_t i)
{
	struct pe_emit *emit = &encoder->emit;

	for (emit->part = pe_parts; emit->part < pe_parts + PE_PARTS; emit->part++) {
		const struct pe_family_table *table = emit->part->table;

		for (size_t f = 0; emit->part->level == level && f < table->count; f++) {
			emit->family = &table->families[f];
			emit->begun = false;
			if (is_wanted(encoder, emit->part, emit->family))
				emit_item(encoder, level, i);
		}
	}
}

int pe_encoder_walk(struct pe_encoder *encoder, const struct pe_writer_ops *ops, void *self,
		    const pe_ledger_row *ledger)
{
	struct pe_emit *emit = &encoder->emit;
	struct pe_writer *writer = &emit->writer;
	const struct pe_writer before = *writer;
	int r;

	*writer = (struct pe_writer){ .ops = ops, .self = self };
	emit->ledger = ledger;
	if (ledger)
		encoder->has |= PE_WANTS_LEDGER;
	for (size_t i = 0; i < PE_PARTS; i++)
		for (size_t f = 0; f < pe_parts[i].table->count; f++)
			if (!is_left_out(encoder, i, f))
				walk_family(encoder, &pe_parts[i], &pe_parts[i].table->families[f]);
	ops->end(writer);
	r = error_of(emit);
	if (r == 0)
		r = writer->error;
	pe_strbuf_fini(&writer->out);
	*writer = before;
	encoder->has &= ~(unsigned int)PE_WANTS_LEDGER;
	return r;
}

int pe_encoder_add_json(struct pe_encoder *encoder, enum pe_part_level level, size_t i,
			struct pe_strbuf *out)
{
	struct pe_writer *writer = &encoder->emit.writer;
	const struct pe_writer before = *writer;
	int r;

	pe_strbuf_addc(out, '{');
	*writer = (struct pe_writer){ .ops = &pe_json_writer, .left_out = &encoder->emit.base };
	add_parts(encoder, level, i);
	writer->ops->end(writer);
	pe_strbuf_add(out, writer->out.data, writer->out.len);
	pe_strbuf_addc(out, '}');
	r = error_of(&encoder->emit);
	pe_strbuf_fini(&writer->out);
	*writer = before;
	return r < 0 ? r : out->error;
}
