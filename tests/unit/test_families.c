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

	/* Once each, before its samples. */
	assert_ptr_not_equal(checker->family, checker->emit.family);
	checker->family = checker->emit.family;
	checker->families++;
	assert_string_equal(family->name, checker->family->name);
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

/* Each family of a snapshot without zeros has samples, with the labels that it declares. */
static void test_labels(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(3, true, false);
	struct checker checker = { .emit = { .writer.ops = &ops, .snapshot = snapshot } };
	struct pe_label_set interface = { 0 };
	size_t all = 0;

	for (size_t i = 0; i < snapshot->departed_count; i++) {
		strcpy(snapshot->departed[i].kind, "veth");
		strcpy(snapshot->departed[i].master, "br0");
	}

	for (size_t t = 0; t < PE_FAMILY_TABLES; t++) {
		for (size_t f = 0; f < pe_family_tables[t]->count; f++) {
			const struct pe_family *family = &pe_family_tables[t]->families[f];
			size_t count = family->per_iface ? snapshot->iface_count : 1;

			all++;
			checker.emit.family = family;
			checker.emit.begun = false;
			for (size_t i = 0; i < count; i++) {
				checker.emit.iface = &snapshot->ifaces[i];
				pe_label_set_clear(&interface);
				pe_label_set_add(&interface, "interface",
						 snapshot->ifaces[i].info.name);
				checker.emit.iface_labels = interface.labels;
				checker.emit.labelled = -1;
				family->emit(&checker.emit);
			}
			if (checker.family != family)
				fail_msg("%s has no sample", family->name);
		}
	}
	assert_int_equal(checker.families, all);
	assert_true(checker.samples > all);
	assert_true(checker.histograms > 0);
	assert_false(checker.emit.no_memory);
	pe_label_set_fini(&interface);
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
