/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See exposition.h. Written from https://prometheus.io/docs/specs/om/open_metrics_spec/ and
 * https://prometheus.io/docs/instrumenting/exposition_formats/.
 */
#include "exposition.h"

/* It goes through every byte: traced, it would take nearly all the time. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

#include "exposition_text.h"

#define INDEX_SIZE (1 << 14) /* more than twice the series of one answer */

enum type {
	COUNTER,
	GAUGE,
	HISTOGRAM,
	INFO,
	UNKNOWN,
};

struct family {
	char name[128];
	enum type type;
	bool has_help, has_type, has_unit, has_samples;
};

struct state {
	struct text text;
	bool openmetrics, with_created;
	struct family family;
	char (*known)[128]; /* families so far */
	struct exposition *out;
	uint64_t *index; /* places of series by hash, with a mark of this text */
	uint64_t mark;
	/* What has to follow: the rest of a histogram, or the creation of the series before. */
	char pending_created[ID_MAX];
	char group[ID_MAX]; /* the histogram's labels without le, with a mark in front */
	double le;
	uint64_t below;
	bool has_inf, has_count;
};

/* ---- samples ---- */

/* What follows the family's name in the sample's, or NULL if it belongs to another family. */
static const char *suffix_of(const struct state *state, const struct sample *sample)
{
	static const char *const suffixes[] = { "",	  "_total", "_created", "_bucket",
						"_count", "_sum",   "_info" };
	size_t len = strlen(state->family.name);

	if (sample->name_len < len || memcmp(sample->name, state->family.name, len) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strlen(suffixes[i]) == sample->name_len - len &&
		    memcmp(sample->name + len, suffixes[i], strlen(suffixes[i])) == 0)
			return suffixes[i];
	}
	return NULL;
}

/* Adds a series that must be new. */
static void add_series(struct state *state, const struct sample *sample)
{
	struct exposition *out = state->out;
	struct series *series;
	char id[ID_MAX];
	size_t len = identify(sample, NULL, id);
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)id[i]) * UINT64_C(1099511628211);
	hash ^= hash >> 32;
	for (;; hash++) {
		uint64_t *place = &state->index[hash % INDEX_SIZE];

		/* What others left is free, so that the index need not be cleared. */
		if ((*place & ~UINT64_C(0xffff)) != state->mark) {
			*place = state->mark | out->count;
			break;
		}
		text_check(&state->text, strcmp(out->series[*place & 0xffff].id, id) != 0,
			   "a series twice");
	}
	fuzz_check(out->count < INDEX_SIZE / 2, "more series than there is room for");
	if ((out->count & (out->count - 1)) == 0)
		out->series = realloc(out->series, 2 * (out->count + 1) * sizeof(*series));
	fuzz_check(out->series, "out of memory");
	series = &out->series[out->count++];
	memset(series, 0, sizeof(*series));
	series->id = strdup(id);
	series->name_len = sample->name_len;
	text_check(&state->text, series->id && sample->value_len < sizeof(series->value),
		   "the value is too long");
	memcpy(series->value, sample->value, sample->value_len);
	series->number = strtoull(series->value, NULL, 10);
}

/* ---- histograms ---- */

static void end_histogram(struct state *state)
{
	text_check(&state->text, !state->group[0] || state->has_count, "a histogram has no count");
	state->group[0] = '\0';
}

static void read_le(struct state *state, const struct sample *sample, double *ret_le)
{
	/* There are few different ones, and formatting is slow. */
	static struct {
		char text[32];
		double le;
	} seen[64];
	static size_t count;
	const struct label *le = NULL;
	char text[32], expected[64];

	for (size_t i = 0; i < sample->labels; i++) {
		if (sample->label[i].name_len == 2 && memcmp(sample->label[i].name, "le", 2) == 0)
			le = &sample->label[i];
	}
	text_check(&state->text, le && le->value_len < sizeof(text), "no le");
	memset(text, 0, sizeof(text));
	memcpy(text, le->value, le->value_len);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(seen[i].text, text) == 0) {
			*ret_le = seen[i].le;
			return;
		}
	}
	*ret_le = strtod(text, NULL);
	canonical(*ret_le, expected, sizeof(expected));
	text_check(&state->text, strcmp(text, expected) == 0, expected);
	fuzz_check(count < sizeof(seen) / sizeof(seen[0]), "more bounds than there is room for");
	strcpy(seen[count].text, text);
	seen[count++].le = *ret_le;
}

static void read_bucket(struct state *state, const struct sample *sample, const char *group)
{
	uint64_t count = strtoull(sample->value, NULL, 10);
	double le;

	read_le(state, sample, &le);
	if (strcmp(group, state->group) != 0) {
		end_histogram(state);
		strcpy(state->group, group);
		state->has_inf = state->has_count = false;
		state->below = 0;
		state->le = -INFINITY;
	}
	text_check(&state->text, !state->has_inf && le > state->le, "le does not rise");
	text_check(&state->text, count >= state->below, "the buckets are not cumulative");
	state->le = le;
	state->below = count;
	state->has_inf = isinf(le);
}

static void read_histogram(struct state *state, const struct sample *sample, const char *suffix)
{
	char group[ID_MAX], *labels;

	identify(sample, "le", group);
	labels = strchr(group, '{');
	if (strcmp(suffix, "_bucket") == 0) {
		read_bucket(state, sample, labels);
		return;
	}
	text_check(&state->text, strcmp(labels, state->group) == 0, "not of the buckets before");
	if (strcmp(suffix, "_count") == 0) {
		text_check(&state->text, state->has_inf && !state->has_count, "a misplaced count");
		text_check(&state->text, strtoull(sample->value, NULL, 10) == state->below,
			   "the count is not that of +Inf");
		state->has_count = true;
	} else {
		text_check(&state->text, state->has_count, "not behind the count");
	}
}

/* ---- lines ---- */

/* The names a type's samples may have. */
static bool may_have(const struct state *state, const char *suffix)
{
	switch (state->family.type) {
	case COUNTER:
		return strcmp(suffix, state->openmetrics ? "_total" : "") == 0;
	case INFO:
		return strcmp(suffix, "_info") == 0;
	case HISTOGRAM:
		return strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_count") == 0 ||
		       strcmp(suffix, "_sum") == 0;
	case GAUGE:
	case UNKNOWN:
		break;
	}
	return *suffix == '\0';
}

/* OpenMetrics: the line behind the series whose creation it tells. */
static void read_created(struct state *state, const struct sample *sample)
{
	char id[ID_MAX], *labels;

	text_check(&state->text, state->with_created, "_created was not asked for");
	identify(sample, NULL, id);
	labels = strchr(id, '{');
	text_check(&state->text, strcmp(labels, state->pending_created) == 0,
		   "_created of another series");
	text_check(&state->text,
		   memchr(sample->value, '.', sample->value_len) && sample->value_len < 32,
		   "not a timestamp");
	memcpy(state->out->series[state->out->count - 1].created, sample->value, sample->value_len);
	state->pending_created[0] = '\0';
	state->out->created++;
}

static void read_sample_line(struct state *state)
{
	struct sample sample = read_sample(&state->text);
	const char *suffix = suffix_of(state, &sample);
	char id[ID_MAX];

	text_check(&state->text, suffix, "a sample of another family");
	state->family.has_samples = true;
	if (strcmp(suffix, "_created") == 0) {
		read_created(state, &sample);
		return;
	}
	text_check(&state->text, !state->pending_created[0], "no _created before this");
	text_check(&state->text, may_have(state, suffix), "a name that its type does not have");
	if (state->family.type == HISTOGRAM)
		read_histogram(state, &sample, suffix);
	else
		for (size_t i = 0; i < sample.labels; i++)
			text_check(&state->text,
				   sample.label[i].name_len != 2 ||
					   memcmp(sample.label[i].name, "le", 2) != 0,
				   "le is for histograms");
	if (state->family.type == INFO)
		text_check(&state->text, sample.value_len == 1 && *sample.value == '1',
			   "info is not 1");
	if (state->with_created && (state->family.type == COUNTER || strcmp(suffix, "_sum") == 0)) {
		identify(&sample, NULL, id);
		strcpy(state->pending_created, strchr(id, '{'));
	}
	add_series(state, &sample);
}

static enum type read_type(struct state *state)
{
	static const struct {
		const char *openmetrics, *text;
		enum type type;
	} types[] = {
		{ "counter\n", "counter\n", COUNTER },	     { "gauge\n", "gauge\n", GAUGE },
		{ "histogram\n", "histogram\n", HISTOGRAM }, { "info\n", NULL, INFO },
		{ "unknown\n", "untyped\n", UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const char *name = state->openmetrics ? types[i].openmetrics : types[i].text;

		if (name && strncmp(state->text.at, name, strlen(name)) == 0) {
			state->text.at += strlen(name);
			return types[i].type;
		}
	}
	text_check(&state->text, false, "an unknown type");
	return UNKNOWN;
}

static void end_family(struct state *state)
{
	struct family *family = &state->family;

	end_histogram(state);
	text_check(&state->text, !state->pending_created[0], "no _created before this");
	if (!family->name[0])
		return;
	fuzz_check(family->has_help && family->has_type && family->has_samples,
		   "%s lacks metadata or samples", family->name);
	if (family->type == COUNTER) {
		size_t len = strlen(family->name);
		bool total = len > 6 && strcmp(family->name + len - 6, "_total") == 0;

		/* A name of the original exporter's, which in OpenMetrics cannot be a counter's. */
		if (!state->openmetrics && strcmp(family->name, "total_packets") == 0)
			return;
		fuzz_check(total != state->openmetrics, "a counter is called %s", family->name);
	}
}

static void begin_family(struct state *state, const char *name)
{
	struct exposition *out = state->out;

	end_family(state);
	for (size_t i = 0; i < out->families; i++)
		text_check(&state->text, strcmp(state->known[i], name) != 0, "a family twice");
	fuzz_check(out->families < 256, "too many families");
	strcpy(state->known[out->families++], name);
	state->family = (struct family){ .type = UNKNOWN };
	strcpy(state->family.name, name);
}

static void read_unit(struct state *state)
{
	const char *name = state->family.name;
	size_t len = strcspn(state->text.at, "\n"), name_len = strlen(name);

	text_check(&state->text, state->openmetrics, "UNIT is of OpenMetrics");
	text_check(&state->text,
		   len > 0 && name_len > len + 1 && name[name_len - len - 1] == '_' &&
			   memcmp(name + name_len - len, state->text.at, len) == 0,
		   "the unit is not the name's suffix");
	state->text.at += len;
	expect_text(&state->text, "\n");
}

static void once(struct state *state, bool *seen)
{
	text_check(&state->text, !*seen && !state->family.has_samples,
		   "metadata twice, or too late");
	*seen = true;
}

/* "# WORD name …" */
static void read_metadata(struct state *state)
{
	char word[8], name[128];
	size_t len;

	expect_text(&state->text, "# ");
	len = strcspn(state->text.at, " \n");
	text_check(&state->text, len < sizeof(word), "neither HELP, TYPE nor UNIT");
	snprintf(word, sizeof(word), "%.*s", (int)len, state->text.at);
	state->text.at += len;
	expect_text(&state->text, " ");
	len = name_length(state->text.at, true);
	text_check(&state->text, len > 0 && len < sizeof(name), "a bad name");
	snprintf(name, sizeof(name), "%.*s", (int)len, state->text.at);
	state->text.at += len;
	expect_text(&state->text, " ");
	if (strcmp(name, state->family.name) != 0)
		begin_family(state, name);
	if (strcmp(word, "HELP") == 0) {
		once(state, &state->family.has_help);
		skip_escaped(&state->text, state->openmetrics ? "\\n\"" : "\\n", '\n');
		state->text.at++;
	} else if (strcmp(word, "TYPE") == 0) {
		once(state, &state->family.has_type);
		state->family.type = read_type(state);
	} else if (strcmp(word, "UNIT") == 0) {
		once(state, &state->family.has_unit);
		read_unit(state);
	} else {
		text_check(&state->text, false, "neither HELP, TYPE nor UNIT");
	}
}

void exposition_read(char *text, size_t len, bool openmetrics, bool with_created,
		     struct exposition *ret)
{
	static char known[256][128];
	static uint64_t index[INDEX_SIZE];
	static uint64_t generation;
	static const char eof[] = "# EOF\n";
	struct state state = { .openmetrics = openmetrics,
			       .with_created = with_created,
			       .known = known,
			       .out = ret,
			       .index = index };

	state.mark = ++generation << 16;
	*ret = (struct exposition){ 0 };
	check_utf8(text, len);
	state.text.at = text;
	if (openmetrics) {
		fuzz_check(len >= strlen(eof) && strcmp(text + len - strlen(eof), eof) == 0,
			   "the end is not # EOF");
		text[len - strlen(eof)] = '\0';
	}
	while (*state.text.at) {
		state.text.line = state.text.at;
		if (*state.text.at == '#')
			read_metadata(&state);
		else
			read_sample_line(&state);
	}
	end_family(&state);
}

void exposition_free(struct exposition *exposition)
{
	for (size_t i = 0; i < exposition->count; i++)
		free(exposition->series[i].id);
	free(exposition->series);
	*exposition = (struct exposition){ 0 };
}

bool exposition_is(const struct series *series, const char *name)
{
	return strlen(name) == series->name_len && memcmp(series->id, name, series->name_len) == 0;
}

uint64_t exposition_sum(const struct exposition *exposition, const char *name)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < exposition->count; i++) {
		if (exposition_is(&exposition->series[i], name))
			sum += exposition->series[i].number;
	}
	return sum;
}

/* The end of a value: the quote that is not escaped. */
static const char *end_of_value(const char *at)
{
	for (; *at != '"'; at++)
		at += *at == '\\';
	return at;
}

bool exposition_label(const struct series *series, const char *label, char *ret, size_t size)
{
	const char *at = strchr(series->id, '{') + 1, *end;
	size_t used = 0, len = strlen(label);
	unsigned int byte;

	for (; *at; at = end + 2) {
		const char *value = strchr(at, '=') + 2;

		end = end_of_value(value);
		if ((size_t)(value - at) != len + 2 || memcmp(at, label, len) != 0)
			continue;
		for (at = value; at < end && used + 4 < size; at++) {
			if (*at == '\\') {
				at++;
				ret[used++] = *at == 'n' ? '\n' : *at;
			} else if (strncmp(at, "\xef\xbf\xbd", 3) == 0) {
				fuzz_check(sscanf(at + 3, "%2x", &byte) == 1, "no byte in %s",
					   series->id);
				ret[used++] = (char)byte;
				at += 4;
			} else {
				ret[used++] = *at;
			}
		}
		ret[used] = '\0';
		return true;
	}
	return false;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
