/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The families through a writer of our own: labels as name and value, and what a family says of
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pe/catalogue.h"
#include "../../src/expose/families.h"

#include "snapshot-fixture.h"

/* A writer; `base` comes first. */
struct checker {
	struct pe_emit emit;
	const struct pe_family *family;
	bool known; /* of this part */
	size_t families;
	size_t samples, histograms;
};

static struct checker *checker_of(struct pe_writer *writer)
{
	return (struct checker *)((char *)writer - offsetof(struct checker, emit.writer));
}

static void begin_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	struct checker *checker = checker_of(writer);

	/* Once each, before its samples. The levels share families. */
	assert_false(checker->known);
	checker->known = true;
	checker->families++;
	assert_int_equal(strncmp(family->name, checker->emit.part->prefix,
				 strlen(checker->emit.part->prefix)),
			 0);
	assert_string_equal(family->name + strlen(checker->emit.part->prefix),
			    checker->family->name);
	assert_true(family->type == checker->family->type);
	if (family->unit)
		assert_string_equal(strstr(family->name, family->unit), family->unit);
}

static void add_names(struct pe_strbuf *names, const struct pe_labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		if (names->len)
			pe_strbuf_adds(names, ", ");
		pe_strbuf_add(names, labels->label[i].name.data, labels->label[i].name.len);
	}
}

/* Its text is that of its labels, none of which needs escaping here. */
static void check_text(const struct pe_labels *labels)
{
	struct pe_strbuf text = PE_STRBUF_INIT;

	for (size_t i = 0; i < labels->count; i++)
		pe_strbuf_addf(&text, "%s%.*s=\"%.*s\"", i ? "," : "",
			       (int)labels->label[i].name.len, labels->label[i].name.data,
			       (int)labels->label[i].value.len, labels->label[i].value.data);
	assert_int_equal(labels->text.len, text.len);
	if (text.len)
		assert_memory_equal(labels->text.data, text.data, text.len);
	pe_strbuf_fini(&text);
}

static void check_series(struct checker *checker, const struct pe_series *series)
{
	struct pe_catalogue_entry entry;
	struct pe_strbuf names = PE_STRBUF_INIT;

	assert_ptr_equal(checker->family, checker->emit.family);
	assert_true(pe_catalogue_get(checker->families - 1, &entry));
	add_names(&names, series->labels);
	if (series->more)
		add_names(&names, series->more);
	pe_strbuf_addc(&names, '\0');
	assert_string_equal(names.data, entry.labels);
	pe_strbuf_fini(&names);
	check_text(series->labels);
	if (series->more)
		check_text(series->more);
	assert_true(series->created_ns > 0);
}

static void check_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	struct checker *checker = checker_of(writer);

	assert_true(checker->family->type != PE_HISTOGRAM);
	assert_true(value.decimals <= 9);
	check_series(checker, series);
	checker->samples++;
}

/*
 * A bound has one name in a database, however it got there: as it is scraped from here, as a
 * gateway in Go shows what was pushed to it, and as OpenMetrics asks for it. That asks for "5.0"
 * instead of Go's "5" for all multiples of 0.001 up to 10, and for powers of ten.
 */
static void check_bounds(const struct pe_histogram *histogram)
{
	for (size_t i = 0; i + 1 < histogram->count; i++) {
		const char *text = histogram->le[i].label->value.data;
		double bound = strtod(text, NULL);
		int precision = 0, exponent;
		char go[32];

		do
			snprintf(go, sizeof(go), "%.*e", precision, bound);
		while (strtod(go, NULL) != bound && precision++ < 17);
		exponent = atoi(strchr(go, 'e') + 1);
		if (exponent >= -4 && exponent < 6)
			snprintf(go, sizeof(go), "%.*f",
				 precision > exponent ? precision - exponent : 0, bound);
		assert_string_equal(text, go);
		assert_false(exponent >= 0 && precision <= exponent && exponent < 6 &&
			     (bound <= 10 || (precision == 0 && *go == '1')));
	}
}

static void check_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	struct checker *checker = checker_of(writer);
	const struct pe_labels *last = &histogram->le[histogram->count - 1];
	double below = -1;

	assert_true(checker->family->type == PE_HISTOGRAM);
	check_series(checker, series);
	for (size_t i = 0; i < histogram->count; i++) {
		double bound = strtod(histogram->le[i].label->value.data, NULL);

		assert_int_equal(histogram->le[i].count, 1);
		assert_string_equal(histogram->le[i].label->name.data, "le");
		check_text(&histogram->le[i]);
		assert_true(bound > below);
		below = bound;
	}
	assert_string_equal(last->label->value.data, "+Inf");
	check_bounds(histogram);
	checker->histograms++;
}

static void check_end(struct pe_writer *writer)
{
	(void)writer;
}

static const struct pe_writer_ops ops = {
	.family = begin_family,
	.sample = check_sample,
	.histogram = check_histogram,
	.end = check_end,
};

/* The labels of an item as the encoder gives them; `set` owns their text. */
static void set_item(struct pe_emit *emit, size_t i, struct pe_label_set *set)
{
	const struct pe_snapshot *snapshot = emit->snapshot;

	pe_label_set_clear(set);
	emit->iface = NULL;
	emit->group = NULL;
	switch (emit->part->level) {
	case PE_PART_HOST:
		emit->body = &snapshot->host->body;
		break;
	case PE_PART_GROUP:
		emit->group = &snapshot->groups[i];
		emit->body = &emit->group->body;
		for (unsigned int l = 0; l < PE_GROUP_LABELS; l++)
			if (snapshot->group_by & PE_GROUP_BIT(l))
				pe_label_set_add(set, pe_group_label_name((enum pe_group_label)l),
						 "x");
		break;
	case PE_PART_IFACE:
		emit->iface = &snapshot->ifaces[i];
		emit->body = &emit->iface->body;
		pe_label_set_add(set, "interface", emit->iface->info.name);
		break;
	case PE_PART_SELF:
		break;
	}
	emit->base = set->labels;
	emit->labelled = -1;
}

static size_t item_count(const struct pe_emit *emit)
{
	switch (emit->part->level) {
	case PE_PART_GROUP:
		return emit->snapshot->group_count;
	case PE_PART_IFACE:
		return emit->snapshot->iface_count;
	case PE_PART_HOST:
	case PE_PART_SELF:
		break;
	}
	return 1;
}

/* Each family of a snapshot without zeros has samples, with the labels that it declares. */
static void test_labels(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(3, true, false);
	pe_ledger_row ledger[FIXTURE_GROUPS] = { { { 1, 2 }, { 3, 4 } } };
	struct checker checker = {
		.emit = { .writer.ops = &ops, .snapshot = snapshot, .ledger = ledger },
	};
	struct pe_label_set labels = { 0 };
	size_t all = 0;

	for (size_t p = 0; p < PE_PARTS; p++) {
		checker.emit.part = &pe_parts[p];
		for (size_t f = 0; f < pe_parts[p].table->count; f++) {
			const struct pe_family *family = &pe_parts[p].table->families[f];

			all++;
			checker.emit.family = checker.family = family;
			checker.emit.begun = checker.known = false;
			for (size_t i = 0; i < item_count(&checker.emit); i++) {
				set_item(&checker.emit, i, &labels);
				family->emit(&checker.emit);
			}
			if (!checker.known)
				fail_msg("%s has no sample", family->name);
		}
	}
	assert_int_equal(checker.families, all);
	assert_true(checker.samples > all);
	assert_true(checker.histograms > 0);
	assert_false(checker.emit.no_memory);
	pe_label_set_fini(&labels);
	pe_label_set_fini(&checker.emit.labels);
	pe_strbuf_fini(&checker.emit.endpoint[0]);
	pe_strbuf_fini(&checker.emit.endpoint[1]);
	free(checker.emit.top);
	pe_snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
