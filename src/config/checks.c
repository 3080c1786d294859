/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of single strings that the option table names. Pure but for memory. One thread, at start.
 */
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "pe/http.h"
#include "pe/page.h"
#include "pe/user.h"

#define DIGITS "0123456789"

#define REGEX_MAX	  4096
#define REGEX_DEPTH	  64
#define REGEX_REPETITIONS 3

/* ---- regular expressions ---- */

/* Behind a bracket expression of which p is behind the '['. */
static const char *skip_bracket(const char *p)
{
	p += *p == '^';
	p += *p == ']';
	while (*p && *p != ']') {
		const char kind = p[1];

		if (*p++ != '[' || !kind || !strchr(".:=", kind))
			continue;
		do
			p++;
		while (*p && !(p[0] == kind && p[1] == ']'));
		p += *p ? 2 : 0;
	}
	return *p ? p + 1 : p;
}

/* How often "{N,M}" writes out what is before it; goes on from the '{' to behind the '}'. */
static size_t take_copies(const char **p)
{
	char *end;
	const size_t from = strtoul(*p, &end, 10);
	const size_t to = *end == ',' ? strtoul(end + 1, &end, 10) : 0;
	const size_t most = from > to ? from : to;

	*p = end + (*end == '}');
	return most > REGEX_MAX ? REGEX_MAX + 1 : most + 1;
}

/* What a regular expression has had so far, in one group. */
struct regex_group {
	size_t size, last_size;	      /* the last is what a repetition is of */
	unsigned int deep, last_deep; /* repetitions of repetitions */
};

static void add_to_group(struct regex_group *group, size_t size, unsigned int deep)
{
	group->size += group->last_size;
	group->last_size = size;
	group->last_deep = deep;
	if (group->deep < deep)
		group->deep = deep;
}

/*
 * Whether glibc can take it. It writes repetitions out, "(a{99}){99}" and "a++++" to a multiple for
 * each, takes time that grows exponentially with their depth, and stack with that of groups: a line
 * of text could ask for gigabytes and hours.
 */
static bool is_small_regex(const char *p)
{
	struct regex_group group[REGEX_DEPTH] = { 0 }, *at = group;

	while (*p) {
		const char c = *p++;

		if (strchr("+*?{", c)) {
			at->size++;
			at->last_size *= c == '{' ? take_copies(&p) : 2;
			if (++at->last_deep > at->deep)
				at->deep = at->last_deep;
		} else if (c == '(') {
			if (++at == group + REGEX_DEPTH)
				return false;
			*at = (struct regex_group){ 0 };
		} else if (c == ')' && at > group) {
			at--;
			add_to_group(at, at[1].size + at[1].last_size + 1, at[1].deep);
		} else {
			if (c == '[')
				p = skip_bracket(p);
			else if (c == '\\' && *p)
				p++;
			add_to_group(at, 1, 0);
		}
		if (at->size + at->last_size > REGEX_MAX || at->deep > REGEX_REPETITIONS)
			return false;
	}
	return true;
}

int pe_option_check_regex(const char *text, char *why, size_t why_size)
{
	char reason[256];
	regex_t regex;
	int err;

	if (!is_small_regex(text)) {
		snprintf(why, why_size,
			 "is too large (allowed: %d characters with repetitions written out, "
			 "repetitions %d deep, groups %d deep)",
			 REGEX_MAX, REGEX_REPETITIONS, REGEX_DEPTH - 1);
		return -EINVAL;
	}
	err = regcomp(&regex, text, REG_EXTENDED | REG_NOSUB);
	if (err == 0) {
		regfree(&regex);
		return 0;
	}
	regerror(err, &regex, reason, sizeof(reason));
	snprintf(why, why_size, "is not a regular expression: %s", reason);
	return -EINVAL;
}

/* ---- addresses ---- */

static bool is_host(const char *host, size_t len)
{
	static const char allowed[] = DIGITS "abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     ".-_";
	char address[INET6_ADDRSTRLEN + IF_NAMESIZE];
	struct in6_addr in6;
	char *scope;

	if (len == 0)
		return true;
	if (host[0] != '[')
		return len < 254 && strspn(host, allowed) == len;
	if (len < 2 || host[len - 1] != ']' || len - 2 >= sizeof(address))
		return false;
	memcpy(address, host + 1, len - 2);
	address[len - 2] = '\0';
	/* "fe80::1%eth0": whether there is such an interface is seen when it is bound. */
	scope = strchr(address, '%');
	if (scope) {
		*scope++ = '\0';
		if (!*scope || strpbrk(scope, "[]/ \t\r\n"))
			return false;
	}
	return inet_pton(AF_INET6, address, &in6) == 1;
}

static bool is_port(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 5 && strspn(text, DIGITS) == len && atoi(text) <= UINT16_MAX;
}

int pe_option_check_rule(const char *text, char *why, size_t why_size)
{
	const char *divider = strrchr(text, '=');
	struct pe_workload_rule rule;
	char *regex = divider ? strndup(text, (size_t)(divider - text)) : NULL;
	int r = regex ? pe_option_check_regex(regex, why, why_size) : 0;

	free(regex);
	if (r == 0)
		r = pe_workload_rule_parse(text, &rule, why, why_size);
	if (r == 0)
		pe_workload_rule_fini(&rule);
	return r;
}

int pe_option_check_listen(const char *text, char *why, size_t why_size)
{
	const char *colon = strrchr(text, ':');

	if (colon && is_host(text, (size_t)(colon - text)) && is_port(colon + 1))
		return 0;
	snprintf(why, why_size,
		 "is not an address (allowed: [HOST]:PORT, as :9817, 127.0.0.1:9817, [::1]:9817)");
	return -EINVAL;
}

int pe_option_check_path(const char *text, char *why, size_t why_size)
{
	const char *p;

	for (p = text; *p > ' ' && *p < 0x7f && !strchr("?#%\"<>\\", *p); p++)
		;
	if (text[0] != '/' || *p) {
		snprintf(why, why_size,
			 "is not a path (allowed: '/' and printable characters but ?#%%\"<>\\, "
			 "as /metrics)");
		return -EINVAL;
	}
	if (pe_http_is_reserved(text)) {
		snprintf(why, why_size,
			 "is taken by another page (allowed: a path other than %s, %s and %s, not "
			 "below %s)",
			 PE_PATH_INDEX, PE_PATH_HEALTHY, PE_PATH_READY, PE_PATH_API);
		return -EINVAL;
	}
	return 0;
}

int pe_option_check_label(const char *text, char *why, size_t why_size)
{
	const char *equals = strchr(text, '=');

	if (equals && equals > text)
		return 0;
	snprintf(why, why_size, "is not a label (allowed: NAME=VALUE, as rack=r12)");
	return -EINVAL;
}

/* ---- users ---- */

int pe_option_check_user(const char *text, char *why, size_t why_size)
{
	struct pe_user user;
	int r = *text ? pe_user_find(text, &user) : 0;

	if (*text)
		pe_user_fini(&user);
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		snprintf(why, why_size, "is no user of this system, by name or by number");
	else
		snprintf(why, why_size, "cannot be looked up: %s", strerror(-r));
	return -EINVAL;
}
