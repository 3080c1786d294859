/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of exposition text.
 *
 * A sample is a few copies of text that is ready and one integer conversion; nothing here
 * allocates except by growing a buffer that is used again. One thread at a time.
 */
#include "lines.h"

#include "pe/clock.h"

/* More than braces, separators and any number need. */
#define LINE_SLACK 64

struct pe_span pe_lines_suffix(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
		return PE_TEXT("_total");
	case PE_INFO:
		return PE_TEXT("_info");
	case PE_COUNTER_UNSUFFIXED:
	case PE_GAUGE:
	case PE_HISTOGRAM:
		break;
	}
	return PE_TEXT("");
}

void pe_lines_begin(struct pe_writer *writer, const struct pe_metadata *family)
{
	writer->family = *family;
	writer->name_len = strlen(family->name);
	writer->suffix = pe_lines_suffix(family->type);
}

void pe_lines_comment(struct pe_writer *writer, const char *word, struct pe_span suffix,
		      const char *text, const char *escaped)
{
	struct pe_strbuf *out = &writer->out;

	pe_strbuf_adds(out, "# ");
	pe_strbuf_adds(out, word);
	pe_strbuf_addc(out, ' ');
	pe_strbuf_add(out, writer->family.name, writer->name_len);
	pe_strbuf_add(out, suffix.data, suffix.len);
	pe_strbuf_addc(out, ' ');
	for (; *text; text++) {
		if (*text == '\n') {
			pe_strbuf_adds(out, "\\n");
			continue;
		}
		if (strchr(escaped, *text))
			pe_strbuf_addc(out, '\\');
		pe_strbuf_addc(out, *text);
	}
	pe_strbuf_addc(out, '\n');
}

void pe_lines_seconds(struct pe_strbuf *buf, uint64_t ns, unsigned int decimals)
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

static char *put(char *p, const char *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

/* "name<suffix>{labels", and the comma before a further label if `more_follow`. */
static char *put_begin(char *p, const struct pe_writer *writer, struct pe_span suffix,
		       const struct pe_series *series, bool more_follow)
{
	struct pe_span labels = series->labels->text;
	struct pe_span more = series->more ? series->more->text : (struct pe_span){ 0 };

	p = put(p, writer->family.name, writer->name_len);
	p = put(p, suffix.data, suffix.len);
	if (labels.len + more.len == 0 && !more_follow)
		return p;
	*p++ = '{';
	if (labels.len)
		p = put(p, labels.data, labels.len);
	if (labels.len && more.len)
		*p++ = ',';
	if (more.len)
		p = put(p, more.data, more.len);
	*p++ = more_follow ? ',' : '}';
	if (more_follow && labels.len + more.len == 0)
		p--;
	return p;
}

/* Room for a line, but for `le`. */
static char *reserve(struct pe_writer *writer, struct pe_span suffix,
		     const struct pe_series *series, size_t le)
{
	struct pe_strbuf *out = &writer->out;
	size_t need = writer->name_len + suffix.len + series->labels->text.len +
		      (series->more ? series->more->text.len : 0) + le + LINE_SLACK;

	if (out->cap - out->len < need && pe_strbuf_reserve(out, need) < 0)
		return NULL;
	return out->data + out->len;
}

/* "name<suffix>{labels} " and room for any number behind it. False without memory. */
static bool begin_line(struct pe_writer *writer, struct pe_span suffix,
		       const struct pe_series *series)
{
	char *p = reserve(writer, suffix, series, 0), *begin = p;

	if (!p)
		return false;
	p = put_begin(p, writer, suffix, series, false);
	*p++ = ' ';
	writer->labels_at = writer->out.len + writer->name_len + suffix.len;
	writer->labels_len = (size_t)(p - begin) - writer->name_len - suffix.len;
	writer->out.len += (size_t)(p - begin);
	return true;
}

bool pe_lines_name_again(struct pe_writer *writer, struct pe_span suffix)
{
	struct pe_strbuf *out = &writer->out;
	size_t need = writer->name_len + suffix.len + writer->labels_len + LINE_SLACK;
	char *p;

	if (out->cap - out->len < need && pe_strbuf_reserve(out, need) < 0)
		return false;
	p = out->data + out->len;
	p = put(p, writer->family.name, writer->name_len);
	p = put(p, suffix.data, suffix.len);
	p = put(p, out->data + writer->labels_at, writer->labels_len);
	out->len = (size_t)(p - out->data);
	return true;
}

static void add_value(struct pe_writer *writer, struct pe_value value)
{
	if (value.decimals)
		pe_lines_seconds(&writer->out, value.number, value.decimals);
	else
		pe_strbuf_add_u64(&writer->out, value.number);
	pe_strbuf_addc(&writer->out, '\n');
}

void pe_lines_sample(struct pe_writer *writer, struct pe_span suffix,
		     const struct pe_series *series, struct pe_value value)
{
	if (begin_line(writer, suffix, series))
		add_value(writer, value);
}

/* Buckets come as uint64_t and as __u64, which C treats as different types. */
uint64_t pe_histogram_bucket(const struct pe_histogram *histogram, size_t i)
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
		total += pe_histogram_bucket(histogram, i);
	return total;
}

/* All bucket lines begin alike: that is put together for the first one. */
static void add_bucket(struct pe_writer *writer, const struct pe_series *series, struct pe_span le,
		       uint64_t below, size_t *begin_at, size_t *begin_len)
{
	const struct pe_span suffix = PE_TEXT("_bucket");
	struct pe_strbuf *out = &writer->out;
	char *p = reserve(writer, suffix, series, le.len);

	if (!p)
		return;
	if (*begin_len) {
		p = put(p, out->data + *begin_at, *begin_len);
	} else {
		char *begin = p;

		p = put_begin(p, writer, suffix, series, true);
		*begin_at = out->len;
		*begin_len = (size_t)(p - begin);
	}
	p = put(p, le.data, le.len);
	*p++ = '}';
	*p++ = ' ';
	out->len = (size_t)(p - out->data);
	pe_strbuf_add_u64(out, below);
	pe_strbuf_addc(out, '\n');
}

void pe_lines_histogram(struct pe_writer *writer, const struct pe_series *series,
			const struct pe_histogram *histogram)
{
	struct pe_value below = { 0 };
	size_t i, begin_at = 0, begin_len = 0;

	for (i = 0; i < histogram->count; i++) {
		below.number += pe_histogram_bucket(histogram, i);
		if (i + 1 == histogram->count && below.number < histogram->observations)
			below.number = histogram->observations;
		add_bucket(writer, series, histogram->le[i].text, below.number, &begin_at,
			   &begin_len);
	}
	pe_lines_sample(writer, PE_TEXT("_count"), series, below);
	if (pe_lines_name_again(writer, PE_TEXT("_sum")))
		add_value(writer, histogram->sum);
}
