/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which families are left out: decided once, by their names. Reads only the catalogue; any thread.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "pe/catalogue.h"

/* With nothing to compile, `used` is false and there is nothing to free. */
struct pattern {
	regex_t regex;
	bool used;
};

static int compile(const char *text, struct pattern *ret_pattern)
{
	int r;

	*ret_pattern = (struct pattern){ 0 };
	if (!text || !*text)
		return 0;
	r = regcomp(&ret_pattern->regex, text, REG_EXTENDED);
	if (r != 0)
		return r == REG_ESPACE ? -ENOMEM : -EINVAL;
	ret_pattern->used = true;
	return 0;
}

static void pattern_fini(struct pattern *pattern)
{
	if (pattern->used)
		regfree(&pattern->regex);
}

/* The whole of it: of the matches that begin first, the longest is found. */
static bool matches(const struct pattern *pattern, const char *name)
{
	regmatch_t match;

	return regexec(&pattern->regex, name, 1, &match, 0) == 0 && match.rm_so == 0 &&
	       (size_t)match.rm_eo == strlen(name);
}

int pe_catalogue_leave_out(const char *include, const char *exclude, struct pe_family_set *set)
{
	struct pe_catalogue_entry entry;
	struct pattern with, without;
	bool any = false;
	int r = compile(include, &with);

	if (r < 0)
		return r;
	r = compile(exclude, &without);
	for (size_t i = 0; r == 0 && pe_catalogue_get(i, &entry); i++) {
		if ((with.used && !matches(&with, entry.name)) ||
		    (without.used && matches(&without, entry.name)))
			set->bit[i / 64] |= UINT64_C(1) << i % 64;
		any |= !(set->bit[i / 64] >> i % 64 & 1);
	}
	pattern_fini(&with);
	pattern_fini(&without);
	return r < 0 || any ? r : -ENOENT;
}
