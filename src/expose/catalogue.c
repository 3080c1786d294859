/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of families as documents show them. Reads only the tables; any thread.
 */
#include "pe/catalogue.h"

#include <stdio.h>
#include <string.h>

#include "families.h"

static const struct {
	const char *name, *suffix;
} types[] = {
	[PE_COUNTER] = { "counter", "_total" }, [PE_COUNTER_UNSUFFIXED] = { "counter", "" },
	[PE_GAUGE] = { "gauge", "" },		[PE_HISTOGRAM] = { "histogram", "" },
	[PE_INFO] = { "info", "_info" },
};

static const char *condition(unsigned int wants)
{
	/* The other condition is the one to be named. */
	switch (wants == PE_WANTS_FLOWS ? wants : wants & ~(unsigned int)PE_WANTS_FLOWS) {
	case PE_WANTS_FLOWS:
		return "Not with `--flows=off`.";
	case PE_WANTS_TCP:
	case PE_WANTS_TCP | PE_WANTS_OVERFLOWS:
		return "Not with `--tcp=off`.";
	case PE_WANTS_DNS:
		return "Only with `--dns=on`.";
	case PE_WANTS_DNS | PE_WANTS_DETAIL:
		return "Only with `--dns=on` and `--interface.detail=full`.";
	case PE_WANTS_TOP:
		return "Only with `--flows.top`.";
	case PE_WANTS_PUSH:
		return "Only with `--push.url`.";
	case PE_WANTS_SINKS:
		return "Only with `--remote-write.url` or `--otlp.url`.";
	case PE_WANTS_LEDGER:
		return "Not in scrapes and pushes: only with `--remote-write.url` or "
		       "`--otlp.url`.";
	case PE_WANTS_PROCESS:
		return "Not pushed: the Pushgateway has its own.";
	case PE_WANTS_DETAIL:
		return "Only with `--interface.detail=full`.";
	case PE_WANTS_IDENTITY:
		return "Only with `--identity=on`.";
	case PE_WANTS_LEGACY:
		return "Only with `--metrics.legacy`.";
	default:
		return "";
	}
}

static void join_labels(const struct pe_part *part, const struct pe_family *family, char *ret,
			size_t size)
{
	const char *own = family->label_names;

	if (!own)
		own = family->values ? family->values->name : "";
	snprintf(ret, size, "%s%s%s", part->label_names, *part->label_names && *own ? ", " : "",
		 own);
}

bool pe_catalogue_get(size_t index, struct pe_catalogue_entry *ret_entry)
{
	const struct pe_part *part = pe_parts;
	const struct pe_family *family;

	while (part < pe_parts + PE_PARTS && index >= part->table->count)
		index -= part++->table->count;
	if (part == pe_parts + PE_PARTS)
		return false;
	family = &part->table->families[index];
	*ret_entry = (struct pe_catalogue_entry){
		.section = index == 0 ? part->section : NULL,
		.type = types[family->type].name,
		.help = family->help,
		.details = family->details && !part->repeats ? family->details : "",
		.condition = condition(pe_family_wants(family, part->level)),
	};
	join_labels(part, family, ret_entry->labels, sizeof(ret_entry->labels));
	snprintf(ret_entry->name, sizeof(ret_entry->name), "%s%s%s", part->prefix, family->name,
		 types[family->type].suffix);
	return true;
}

/* Whether "interface, direction" has the name. */
static bool lists(const char *names, const char *name)
{
	const size_t len = strlen(name);

	for (; *names; names += strspn(names, ", ")) {
		const size_t at = strcspn(names, ",");

		if (at == len && memcmp(names, name, len) == 0)
			return true;
		names += at;
	}
	return false;
}

bool pe_catalogue_has_label(const char *name)
{
	struct pe_catalogue_entry entry;
	size_t i;

	for (i = 0; pe_catalogue_get(i, &entry); i++)
		if (lists(entry.labels, name))
			return true;
	for (i = 0; i < PE_GROUP_LABELS; i++)
		if (strcmp(name, pe_group_label_name((enum pe_group_label)i)) == 0)
			return true;
	return strcmp(name, "le") == 0;
}
