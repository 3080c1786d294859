/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels and their text. One thread at a time. */
#include "labels.h"

#include <stdlib.h>

#include "pe/utf8.h"

void pe_label_set_fini(struct pe_label_set *set)
{
	pe_strbuf_fini(&set->text);
}

/* Neither a NUL, nor escaped, nor a part of a longer character. */
static inline bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void add_value(struct pe_strbuf *buf, const char *value, bool escapes)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)value;
	size_t len;

	for (; *s; s += len) {
		/* Most names have nothing but these. */
		for (len = 0; is_plain(s[len]); len++)
			;
		if (len) {
			pe_strbuf_add(buf, s, len);
			continue;
		}
		len = pe_utf8_length((const char *)s);
		/* U+FFFD itself as well, so that it always means a byte that could not be shown. */
		if (len == 0 || (len == 3 && memcmp(s, "\xef\xbf\xbd", 3) == 0)) {
			pe_strbuf_adds(buf, "\xef\xbf\xbd");
			pe_strbuf_addc(buf, hex[*s >> 4]);
			pe_strbuf_addc(buf, hex[*s & 15]);
			len = 1;
		} else if (*s == '\n' && escapes) {
			pe_strbuf_adds(buf, "\\n");
		} else {
			if (escapes && (*s == '\\' || *s == '"'))
				pe_strbuf_addc(buf, '\\');
			pe_strbuf_add(buf, s, len);
		}
	}
}

void pe_label_add_value(struct pe_strbuf *buf, struct pe_span value)
{
	add_value(buf, value.data, false);
}

/* Too many labels are a defect of this program, which must not go unnoticed. */
static void put(struct pe_label_set *set, const struct pe_label *label, size_t count)
{
	if (set->labels.count + count > PE_LABELS_MAX)
		abort();
	if (count == 0)
		return;
	memcpy(set->label + set->labels.count, label, count * sizeof(*label));
	set->labels.count += count;
}

static void end_text(struct pe_label_set *set)
{
	set->labels.label = set->label;
	set->labels.text = (struct pe_span){ set->text.data, set->text.len };
}

static void begin_text(struct pe_label_set *set, const char *name)
{
	if (set->text.len > 0)
		pe_strbuf_addc(&set->text, ',');
	pe_strbuf_adds(&set->text, name);
	pe_strbuf_adds(&set->text, "=\"");
}

void pe_label_set_add(struct pe_label_set *set, const char *name, const char *value)
{
	put(set, &(struct pe_label){ { name, strlen(name) }, { value, strlen(value) } }, 1);
	begin_text(set, name);
	add_value(&set->text, value, true);
	pe_strbuf_addc(&set->text, '"');
	end_text(set);
}

void pe_label_set_add_plain(struct pe_label_set *set, const char *name, struct pe_span value)
{
	put(set, &(struct pe_label){ { name, strlen(name) }, value }, 1);
	begin_text(set, name);
	pe_strbuf_add(&set->text, value.data, value.len);
	pe_strbuf_addc(&set->text, '"');
	end_text(set);
}

void pe_label_set_add_all(struct pe_label_set *set, const struct pe_labels *labels)
{
	put(set, labels->label, labels->count);
	if (set->text.len > 0)
		pe_strbuf_addc(&set->text, ',');
	pe_strbuf_add(&set->text, labels->text.data, labels->text.len);
	end_text(set);
}
