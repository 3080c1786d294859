/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels of series in both versions of remote write, those of all series among them; see decoded.h.
 */
#ifndef PE_FUZZ_DECODED_WRITE_H
#define PE_FUZZ_DECODED_WRITE_H

#include "pe/remote.h"

#include "decoded.h"

#include "remote_write_2.pb-c.h"

/* Before, behind and among those of the series; one is empty. */
static const struct pe_remote_label common[] = {
	{ "job", "packet_exporter" },
	{ "instance", "h\xc3\xb6st:\xff" },
	{ "Zone", "z\n1" },
	{ "zz_none", "" },
};
#define COMMON 3

/* Takes those of all series out. */
static inline void check_common(struct decoded *decoded)
{
	static const char *const values[] = { "packet_exporter",
					      "h\xc3\xb6st:\xef\xbf\xbd"
					      "ff",
					      "z\n1" };
	size_t found = 0, kept = 0;

	for (size_t i = 0; i < decoded->labels; i++) {
		bool is_common = false;

		for (size_t c = 0; c < COMMON; c++)
			if (strcmp(decoded->label[i].name, common[c].name) == 0) {
				fuzz_check(strcmp(decoded->label[i].value, values[c]) == 0,
					   "%s is %s", common[c].name, decoded->label[i].value);
				is_common = true;
			}
		if (is_common)
			found++;
		else
			decoded->label[kept++] = decoded->label[i];
	}
	fuzz_check(found == COMMON, "%zu of the labels of all series", found);
	decoded->labels = kept;
}

/* In order, none twice, none empty; __name__ is the name. */
static inline void add_label(struct decoded *decoded, const char **last, const char *name,
			     const char *value)
{
	fuzz_check(*name && *value, "an empty label: %s", name);
	fuzz_check(!*last || strcmp(*last, name) < 0, "%s comes behind %s", name, *last);
	*last = name;
	if (strcmp(name, "__name__") == 0)
		decoded->name = value;
	else
		decoded_add(decoded, name, value);
}

static inline const char *symbol(const Write2__Request *request, uint32_t number)
{
	fuzz_check(number < request->n_symbols, "no symbol %u", number);
	return request->symbols[number];
}

#endif
