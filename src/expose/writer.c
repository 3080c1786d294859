/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of exposition text.
 *
 * A sample is a few copies of text that is ready and one integer conversion; nothing here
 * allocates except by growing a buffer that is used again. One thread at a time.
 */
#include "writer.h"

#include "pe/clock.h"
#include "pe/utf8.h"

/* More than braces, separators and any number need. */
#define LINE_SLACK 64

static const struct pe_span suffix_none = PE_SPAN("");
static const struct pe_span suffix_total = PE_SPAN("_total");
static const struct pe_span suffix_info = PE_SPAN("_info");
static const struct pe_span suffix_bucket = PE_SPAN("_bucket");
static const struct pe_span suffix_count = PE_SPAN("_count");
static const struct pe_span suffix_sum = PE_SPAN("_sum");
static const struct pe_span suffix_created = PE_SPAN("_created");

void pe_writer_fini(struct pe_writer *writer)
{
	pe_strbuf_fini(&writer->out);
	pe_strbuf_fini(&writer->labels);
}

int pe_writer_error(const struct pe_writer *writer)
{
	return writer->out.error ? writer->out.error : writer->labels.error;
}

/* ---- metadata ---- */

/* Of the samples, where they have one; histograms' differ from line to line. */
static struct pe_span sample_suffix(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
		return suffix_total;
	case PE_INFO:
		return suffix_info;
	case PE_BARE_COUNTER:
	case PE_GAUGE:
	case PE_HISTOGRAM:
		break;
	}
	return suffix_none;
}

static const char *type_name(enum pe_type type, bool openmetrics)
{
	switch (type) {
	case PE_COUNTER:
		return "counter";
	case PE_BARE_COUNTER:
		return openmetrics ? "unknown" : "counter";
	case PE_GAUGE:
		break;
	case PE_HISTOGRAM:
		return "histogram";
	case PE_INFO:
		return openmetrics ? "info" : "gauge";
	}
	return "gauge";
}

/* "# WORD name " */
static void add_comment(struct pe_writer *writer, const char *word)
{
	struct pe_span suffix = sample_suffix(writer->type);

	pe_strbuf_adds(&writer->out, "# ");
	pe_strbuf_adds(&writer->out, word);
	pe_strbuf_addc(&writer->out, ' ');
	pe_strbuf_add(&writer->out, writer->name.data, writer->name.len);
	/* OpenMetrics names the family, the older format its samples. */
	if (!writer->openmetrics)
		pe_strbuf_add(&writer->out, suffix.data, suffix.len);
	pe_strbuf_addc(&writer->out, ' ');
}

static void add_help(struct pe_writer *writer, const char *help)
{
	add_comment(writer, "HELP");
	for (; *help; help++) {
		if (*help == '\n') {
			pe_strbuf_adds(&writer->out, "\\n");
			continue;
		}
		if (*help == '\\' || (*help == '"' && writer->openmetrics))
			pe_strbuf_addc(&writer->out, '\\');
		pe_strbuf_addc(&writer->out, *help);
	}
	pe_strbuf_addc(&writer->out, '\n');
}

void pe_writer_family(struct pe_writer *writer, const char *name, enum pe_type type,
		      const char *unit, const char *help)
{
	writer->name = (struct pe_span){ name, strlen(name) };
	writer->type = type;
	add_help(writer, help);
	add_comment(writer, "TYPE");
	pe_strbuf_adds(&writer->out, type_name(type, writer->openmetrics));
	pe_strbuf_addc(&writer->out, '\n');
	if (unit && writer->openmetrics) {
		add_comment(writer, "UNIT");
		pe_strbuf_adds(&writer->out, unit);
		pe_strbuf_addc(&writer->out, '\n');
	}
}

/* ---- labels ---- */

static void add_value(struct pe_strbuf *buf, const char *value)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)value;
	size_t len;

	for (; *s; s += len) {
		len = pe_utf8_length((const char *)s);
		/* U+FFFD itself as well, so that it always means a byte that could not be shown. */
		if (len == 0 || (len == 3 && memcmp(s, "\xef\xbf\xbd", 3) == 0)) {
			pe_strbuf_adds(buf, "\xef\xbf\xbd");
			pe_strbuf_addc(buf, hex[*s >> 4]);
			pe_strbuf_addc(buf, hex[*s & 15]);
			len = 1;
		} else if (*s == '\n') {
			pe_strbuf_adds(buf, "\\n");
		} else {
			if (*s == '\\' || *s == '"')
				pe_strbuf_addc(buf, '\\');
			pe_strbuf_add(buf, s, len);
		}
	}
}

static void add_decimal(struct pe_strbuf *buf, uint64_t ns, unsigned int decimals)
{
	uint64_t fraction = ns % PE_NS_PER_S;
	char digits[9];
	size_t i;

	for (i = sizeof(digits); i > 0; i--) {
		digits[i - 1] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	pe_strbuf_add_u64(buf, ns / PE_NS_PER_S);
	pe_strbuf_addc(buf, '.');
	pe_strbuf_add(buf, digits, decimals);
}

void pe_writer_labels(struct pe_writer *writer, uint64_t created_ns)
{
	writer->labels.len = 0;
	if (!writer->openmetrics || (writer->created_len > 0 && writer->created_ns == created_ns))
		return;
	/* The label buffer is empty and at hand: it lends its room. */
	/* Two interfaces can come in one millisecond and swap names: microseconds tell them apart.
	 */
	add_decimal(&writer->labels, created_ns, 6);
	pe_strbuf_addc(&writer->labels, '\n');
	if (writer->labels.error)
		return;
	memcpy(writer->created, writer->labels.data, writer->labels.len);
	writer->created_len = writer->labels.len;
	writer->created_ns = created_ns;
	writer->labels.len = 0;
}

void pe_writer_label(struct pe_writer *writer, const char *name, const char *value)
{
	if (writer->labels.len > 0)
		pe_strbuf_addc(&writer->labels, ',');
	pe_strbuf_adds(&writer->labels, name);
	pe_strbuf_adds(&writer->labels, "=\"");
	add_value(&writer->labels, value);
	pe_strbuf_addc(&writer->labels, '"');
}

void pe_writer_label_text(struct pe_writer *writer, const char *text, size_t len)
{
	if (writer->labels.len > 0)
		pe_strbuf_addc(&writer->labels, ',');
	pe_strbuf_add(&writer->labels, text, len);
}

/* ---- samples ---- */

static char *put(char *p, struct pe_span span)
{
	memcpy(p, span.data, span.len);
	return p + span.len;
}

/* Everything of a line but its value, and room for that. */
static bool begin_line(struct pe_writer *writer, struct pe_span suffix, struct pe_span label)
{
	struct pe_strbuf *out = &writer->out;
	const struct pe_span labels = { writer->labels.data, writer->labels.len };
	size_t need = writer->name.len + suffix.len + labels.len + label.len + LINE_SLACK;
	char *p;

	if (out->cap - out->len < need && pe_strbuf_reserve(out, need) < 0)
		return false;
	p = put(out->data + out->len, writer->name);
	p = put(p, suffix);
	if (labels.len + label.len > 0) {
		*p++ = '{';
		if (labels.len > 0)
			p = put(p, labels);
		if (label.len > 0) {
			if (labels.len > 0)
				*p++ = ',';
			p = put(p, label);
		}
		*p++ = '}';
	}
	*p++ = ' ';
	out->len = (size_t)(p - out->data);
	return true;
}

static void add_line(struct pe_writer *writer, struct pe_span suffix, struct pe_span label,
		     uint64_t value)
{
	if (!begin_line(writer, suffix, label))
		return;
	pe_strbuf_add_u64(&writer->out, value);
	pe_strbuf_addc(&writer->out, '\n');
}

static void add_line_ns(struct pe_writer *writer, struct pe_span suffix, struct pe_span label,
			uint64_t ns, unsigned int decimals)
{
	if (!begin_line(writer, suffix, label))
		return;
	add_decimal(&writer->out, ns, decimals);
	pe_strbuf_addc(&writer->out, '\n');
}

static void add_created(struct pe_writer *writer, struct pe_span label)
{
	if (writer->openmetrics && begin_line(writer, suffix_created, label))
		pe_strbuf_add(&writer->out, writer->created, writer->created_len);
}

void pe_writer_value(struct pe_writer *writer, struct pe_span label, uint64_t value)
{
	add_line(writer, sample_suffix(writer->type), label, value);
	if (writer->type == PE_COUNTER)
		add_created(writer, label);
}

void pe_writer_value_ns(struct pe_writer *writer, struct pe_span label, uint64_t ns,
			unsigned int decimals)
{
	add_line_ns(writer, sample_suffix(writer->type), label, ns, decimals);
	if (writer->type == PE_COUNTER)
		add_created(writer, label);
}

/* Buckets come as uint64_t and as __u64, which C takes for different types. */
static uint64_t bucket(const struct pe_histogram *histogram, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)histogram->buckets + i * sizeof(value), sizeof(value));
	return value;
}

uint64_t pe_histogram_total(const struct pe_histogram *histogram)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < histogram->count; i++)
		total += bucket(histogram, i);
	return total;
}

void pe_writer_histogram(struct pe_writer *writer, const struct pe_histogram *histogram)
{
	uint64_t below = 0;
	size_t i;

	for (i = 0; i < histogram->count; i++) {
		below += bucket(histogram, i);
		if (i + 1 == histogram->count && below < histogram->observations)
			below = histogram->observations;
		add_line(writer, suffix_bucket, histogram->le[i], below);
	}
	add_line(writer, suffix_count, PE_NO_LABEL, below);
	if (histogram->sum_is_ns)
		add_line_ns(writer, suffix_sum, PE_NO_LABEL, histogram->sum, 9);
	else
		add_line(writer, suffix_sum, PE_NO_LABEL, histogram->sum);
	add_created(writer, PE_NO_LABEL);
}
