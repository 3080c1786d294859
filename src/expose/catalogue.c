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
	[PE_COUNTER] = { "counter", "_total" }, [PE_BARE_COUNTER] = { "counter", "" },
	[PE_GAUGE] = { "gauge", "" },		[PE_HISTOGRAM] = { "histogram", "" },
	[PE_INFO] = { "info", "_info" },
};

static const char *condition(unsigned int wants)
{
	switch (wants) {
	case PE_WANTS_TOP:
		return "Only with `--flows.top`.";
	case PE_WANTS_PUSH:
		return "Only with `--push.url`.";
	case PE_WANTS_PROCESS:
		return "Not pushed: the Pushgateway has its own.";
	case PE_WANTS_LEGACY:
		return "Only with `--metrics.legacy`.";
	default:
		return "";
	}
}

static const char *label_names(const struct pe_family *family)
{
	if (family->label_names)
		return family->label_names;
	return family->values ? family->values->name : "";
}

bool pe_catalogue_get(size_t index, struct pe_catalogue_entry *ret_entry)
{
	const struct pe_family *family;
	size_t table = 0;

	while (table < PE_FAMILY_TABLES && index >= pe_family_tables[table]->count)
		index -= pe_family_tables[table++]->count;
	if (table == PE_FAMILY_TABLES)
		return false;
	family = &pe_family_tables[table]->families[index];
	*ret_entry = (struct pe_catalogue_entry){
		.section = family->section,
		.type = types[family->type].name,
		.labels = label_names(family),
		.help = family->help,
		.details = family->details ? family->details : "",
		.condition = condition(family->wants),
	};
	snprintf(ret_entry->name, sizeof(ret_entry->name), "%s%s", family->name,
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
	return strcmp(name, "le") == 0;
}
