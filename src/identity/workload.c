/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See workload.h. Suffixes as Kubernetes generates them (apimachinery, util/rand). */
#include "workload.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/utf8.h"

#define SUFFIX_LENGTH 5
/* A ReplicaSet's hash is a decimal number of 32 bits in that alphabet; of 10,000 one has fewer
 * than 6 digits. */
#define HASH_MIN   6
#define HASH_MAX   10
#define GROUPS_MAX 10

void pe_identity_copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size) {
		len = size - 1;
		/* Back to the beginning of the character that does not fit. */
		for (unsigned int i = 0; i < 3 && len > 0 && (from[len] & 0xc0) == 0x80; i++)
			len--;
	}
	memcpy(to, from, len);
	to[len] = '\0';
}

/* ---- pods ---- */

/* No vowels, so that there are no words, and no 0, 1, 3. */
static bool is_generated(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!text[i] || !strchr("bcdfghjklmnpqrstvwxz2456789", text[i]))
			return false;
	}
	return true;
}

static bool is_number(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return len > 0;
}

/* Where the last part of a name begins, behind its dash; 0 if there is none, or nothing before. */
static size_t last_part(const char *name, size_t len)
{
	size_t at = len;

	while (at > 0 && name[at - 1] != '-')
		at--;
	return at > 1 ? at : 0;
}

void pe_workload_of_pod(const char *pod, char ret_workload[PE_IDENTITY_NAME_MAX])
{
	size_t len = strlen(pod), at = last_part(pod, len), part = len - at;

	if (at && part == SUFFIX_LENGTH && is_generated(pod + at, part)) {
		len = at - 1; /* DaemonSet, Job; of Deployment and CronJob there is more */
		at = last_part(pod, len);
		part = len - at;
		if (at && part >= HASH_MIN && part <= HASH_MAX &&
		    (is_generated(pod + at, part) || is_number(pod + at, part)))
			len = at - 1;
	} else if (at && is_number(pod + at, part)) {
		len = at - 1; /* StatefulSet */
	}
	pe_identity_copy(ret_workload, PE_IDENTITY_NAME_MAX, pod, len);
}

/* ---- images ---- */

void pe_workload_of_image(const char *image, char ret_workload[PE_IDENTITY_NAME_MAX])
{
	size_t len = strcspn(image, "@");
	size_t colon = len;

	/* A colon before the last slash is a registry's port. */
	for (size_t i = len; i > 0 && image[i - 1] != '/'; i--) {
		if (image[i - 1] == ':')
			colon = i - 1;
	}
	/* An image without a name is known by its digest alone. */
	if (colon == strlen("sha256") && strncmp(image, "sha256", colon) == 0)
		colon = 0;
	pe_identity_copy(ret_workload, PE_IDENTITY_NAME_MAX, image, colon);
}

/* ---- rules ---- */

static int check_replacement(const struct pe_workload_rule *rule, char *why, size_t why_size)
{
	for (const char *at = rule->replacement; *at; at++) {
		if (*at != '\\')
			continue;
		at++;
		if (*at == '\\')
			continue;
		if (!isdigit((unsigned char)*at)) {
			snprintf(why, why_size,
				 "has a backslash before neither a digit nor a backslash");
			return -EINVAL;
		}
		if ((size_t)(*at - '0') > rule->regex.re_nsub) {
			snprintf(why, why_size, "has no group \\%c", *at);
			return -EINVAL;
		}
	}
	return 0;
}

int pe_workload_rule_parse(const char *text, struct pe_workload_rule *ret_rule, char *why,
			   size_t why_size)
{
	const char *divider = strrchr(text, '=');
	struct pe_workload_rule rule = { 0 };
	char *regex;
	int r;

	if (!divider || divider == text) {
		snprintf(why, why_size, "is not REGEX=REPLACEMENT");
		return -EINVAL;
	}
	regex = strndup(text, (size_t)(divider - text));
	if (!regex)
		return -ENOMEM;
	r = regcomp(&rule.regex, regex, REG_EXTENDED);
	free(regex);
	if (r) {
		char reason[128];

		regerror(r, &rule.regex, reason, sizeof(reason));
		snprintf(why, why_size, "has no valid regular expression: %s", reason);
		return r == REG_ESPACE ? -ENOMEM : -EINVAL;
	}
	rule.replacement = strdup(divider + 1);
	r = rule.replacement ? check_replacement(&rule, why, why_size) : -ENOMEM;
	if (r < 0) {
		regfree(&rule.regex);
		free(rule.replacement);
		return r;
	}
	*ret_rule = rule;
	return 0;
}

void pe_workload_rule_fini(struct pe_workload_rule *rule)
{
	if (!rule->replacement)
		return;
	regfree(&rule->regex);
	free(rule->replacement);
	rule->replacement = NULL;
}

struct text {
	char data[PE_IDENTITY_NAME_MAX * 2];
	size_t len;
};

static void append(struct text *text, const char *from, size_t len)
{
	if (len > sizeof(text->data) - text->len)
		len = sizeof(text->data) - text->len;
	memcpy(text->data + text->len, from, len);
	text->len += len;
}

static void replace(const struct pe_workload_rule *rule, const regmatch_t *match, char *workload)
{
	struct text result = { .len = 0 };

	append(&result, workload, (size_t)match[0].rm_so);
	for (const char *at = rule->replacement; *at; at++) {
		bool escaped = *at == '\\';
		const regmatch_t *group;

		at += escaped;
		if (!escaped || *at == '\\') {
			append(&result, at, 1);
			continue;
		}
		group = &match[*at - '0'];
		if (group->rm_so >= 0)
			append(&result, workload + group->rm_so,
			       (size_t)(group->rm_eo - group->rm_so));
	}
	append(&result, workload + match[0].rm_eo, strlen(workload + match[0].rm_eo));
	pe_identity_copy(workload, PE_IDENTITY_NAME_MAX, result.data, result.len);
}

void pe_workload_apply(const struct pe_workload_rule *rules, size_t count,
		       char workload[PE_IDENTITY_NAME_MAX])
{
	for (size_t i = 0; i < count; i++) {
		regmatch_t match[GROUPS_MAX];

		if (regexec(&rules[i].regex, workload, GROUPS_MAX, match, 0) == 0) {
			replace(&rules[i], match, workload);
			return;
		}
	}
}
