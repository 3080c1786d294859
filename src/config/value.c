/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One option's value: from text to field, with the reason when it is refused.
 *
 * Invariant: a refused value leaves the field as it was. Pure but for memory. One thread, at start.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

/* Flags, choices and numbers are written through one type each. */
_Static_assert(sizeof(enum pe_xdp_mode) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_iface_detail) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_push_exit) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_log_level) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_log_format) == sizeof(unsigned int), "enums are unsigned int");

#define DIGITS "0123456789"

/* ---- numbers ---- */

/* Reads decimal digits, at least one, and moves *text behind them. 0 or -EINVAL, also if it
 * overflows. */
static int parse_digits(const char **text, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -EINVAL;
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret_value = value;
	return 0;
}

/* A unit ends where the text or the next number begins. */
static bool is_unit(const char *text, const char *unit)
{
	size_t len = strcspn(text, DIGITS);

	return len == strlen(unit) && strncmp(text, unit, len) == 0;
}

static const struct unit {
	const char *name;
	uint64_t factor;
} duration_units[] = {
	{ "y", 365 * 86400 * PE_NS_PER_S },
	{ "w", 7 * 86400 * PE_NS_PER_S },
	{ "d", 86400 * PE_NS_PER_S },
	{ "h", 3600 * PE_NS_PER_S },
	{ "m", 60 * PE_NS_PER_S },
	{ "s", PE_NS_PER_S },
	{ "ms", PE_NS_PER_MS },
}, size_units[] = {
	{ "GiB", UINT64_C(1) << 30 }, { "MiB", UINT64_C(1) << 20 }, { "KiB", UINT64_C(1) << 10 },
	{ "G", UINT64_C(1) << 30 },   { "M", UINT64_C(1) << 20 },   { "K", UINT64_C(1) << 10 },
	{ "k", UINT64_C(1) << 10 },   { "", 1 },
};

#define DURATION_UNITS (sizeof(duration_units) / sizeof(*duration_units))
#define SIZE_UNITS     (sizeof(size_units) / sizeof(*size_units))
/* "w" and "y" are read but not written: "10d" says more than "1w3d". */
#define FIRST_WRITTEN_UNIT 2

int pe_parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, value;
	size_t unit = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	/* Units come from large to small, each once. */
	do {
		if (parse_digits(&text, &value) < 0)
			return -EINVAL;
		while (unit < DURATION_UNITS && !is_unit(text, duration_units[unit].name))
			unit++;
		if (unit == DURATION_UNITS ||
		    __builtin_mul_overflow(value, duration_units[unit].factor, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return -EINVAL;
		text += strlen(duration_units[unit++].name);
	} while (*text);
	*ret_ns = total;
	return 0;
}

static int parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t value;
	size_t i;

	if (parse_digits(&text, &value) < 0)
		return -EINVAL;
	for (i = 0; i < SIZE_UNITS; i++)
		if (strcmp(text, size_units[i].name) == 0)
			return __builtin_mul_overflow(value, size_units[i].factor, ret_bytes)
				       ? -EINVAL
				       : 0;
	return -EINVAL;
}

static int parse_count(const char *text, uint64_t *ret_count)
{
	return parse_digits(&text, ret_count) < 0 || *text ? -EINVAL : 0;
}

static void format_duration(uint64_t ns, char *text, size_t size)
{
	size_t i, len = 0;

	if (ns == 0)
		snprintf(text, size, "0s");
	for (i = FIRST_WRITTEN_UNIT; i < DURATION_UNITS && ns && len < size; i++) {
		uint64_t n = ns / duration_units[i].factor;

		ns %= duration_units[i].factor;
		if (n)
			len += (size_t)snprintf(text + len, size - len, "%" PRIu64 "%s", n,
						duration_units[i].name);
	}
}

static void format_size(uint64_t bytes, char *text, size_t size)
{
	size_t i;

	for (i = 0; bytes % size_units[i].factor; i++)
		;
	snprintf(text, size, "%" PRIu64 "%s", bytes / size_units[i].factor, size_units[i].name);
}

static void format_number(enum pe_option_type type, uint64_t value, char *text, size_t size)
{
	if (type == PE_OPTION_DURATION)
		format_duration(value, text, size);
	else if (type == PE_OPTION_SIZE)
		format_size(value, text, size);
	else
		snprintf(text, size, "%" PRIu64, value);
}

static const struct {
	const char *what, *example;
	int (*parse)(const char *text, uint64_t *ret_value);
} numbers[] = {
	[PE_OPTION_COUNT] = { "a whole number", "", parse_count },
	[PE_OPTION_SIZE] = { "a size", ", as 65536, 64KiB, 16MiB", parse_size },
	[PE_OPTION_DURATION] = { "a duration", ", as 15s, 1m30s", pe_parse_duration },
};

static int parse_number(const struct pe_option *option, const char *text, uint64_t *ret_value,
			char *why, size_t why_size)
{
	char allowed[64];
	uint64_t value;

	pe_option_allowed(option, allowed, sizeof(allowed));
	if (numbers[option->type].parse(text, &value) < 0)
		snprintf(why, why_size, "is not %s (allowed: %s%s)", numbers[option->type].what,
			 allowed, numbers[option->type].example);
	else if (value < option->min || value > option->max)
		snprintf(why, why_size, "is out of range (allowed: %s%s)", allowed,
			 numbers[option->type].example);
	else if (option->power_of_two && (value & (value - 1)))
		snprintf(why, why_size, "is not a power of two (allowed: %s%s)", allowed,
			 numbers[option->type].example);
	else {
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

/* ---- choices ---- */

static const char *choices(const struct pe_option *option)
{
	if (option->type == PE_OPTION_SET)
		return option->set;
	return option->type == PE_OPTION_FLAG ? "true|false|1|0" : option->arg;
}

static int find_choice(const struct pe_option *option, const char *text, size_t text_len,
		       unsigned int *ret_index)
{
	const char *choice = choices(option);
	unsigned int i;

	for (i = 0; *choice; i++) {
		size_t len = strcspn(choice, "|");

		if (len == text_len && strncmp(choice, text, len) == 0) {
			*ret_index = i;
			return 0;
		}
		choice += len + (choice[len] == '|');
	}
	return -EINVAL;
}

static int parse_choice(const struct pe_option *option, const char *text, unsigned int *ret_index,
			char *why, size_t why_size)
{
	char allowed[PE_OPTION_ALLOWED_MAX];

	if (find_choice(option, text, strlen(text), ret_index) == 0)
		return 0;
	pe_option_allowed(option, allowed, sizeof(allowed));
	snprintf(why, why_size, "is not one of %s", allowed);
	return -EINVAL;
}

static int parse_set(const struct pe_option *option, const char *text, unsigned int *ret_set,
		     char *why, size_t why_size)
{
	char allowed[PE_OPTION_ALLOWED_MAX];
	unsigned int set = 0, index;
	bool valid = *text || option->min == 0;

	while (valid && *text) {
		const size_t len = strcspn(text, ",");

		valid = find_choice(option, text, len, &index) == 0 &&
			(text[len] == '\0' || text[len + 1]);
		if (valid)
			set |= 1u << index;
		text += len + (text[len] == ',');
	}
	if (valid) {
		*ret_set = set;
		return 0;
	}
	pe_option_allowed(option, allowed, sizeof(allowed));
	snprintf(why, why_size, "is not a list of %s, separated by commas", allowed);
	return -EINVAL;
}

void pe_option_allowed(const struct pe_option *option, char *text, size_t size)
{
	char min[32], max[32];
	const char *p;
	size_t len = 0;

	text[0] = '\0';
	switch (option->type) {
	case PE_OPTION_FLAG:
	case PE_OPTION_SWITCH:
	case PE_OPTION_CHOICE:
	case PE_OPTION_SET:
		for (p = choices(option); *p && len + 3 < size; p++) {
			if (*p == '|')
				text[len++] = ',';
			text[len++] = *p == '|' ? ' ' : *p;
		}
		text[len] = '\0';
		break;
	case PE_OPTION_COUNT:
	case PE_OPTION_SIZE:
	case PE_OPTION_DURATION:
		format_number(option->type, option->min, min, sizeof(min));
		format_number(option->type, option->max, max, sizeof(max));
		snprintf(text, size, "%s to %s", min, max);
		break;
	default:
		break;
	}
}

/* ---- strings ---- */

static int append(struct pe_strings *list, char **text)
{
	char **item = realloc(list->item, (list->count + 1) * sizeof(*item));

	if (!item)
		return -ENOMEM;
	list->item = item;
	item[list->count++] = PE_TAKE_PTR(*text);
	return 0;
}

static int set_string(const struct pe_option *option, void *field, const char *text, char *why,
		      size_t why_size)
{
	bool optional = option->optional || option->type == PE_OPTION_FILE;
	_cleanup_free_ char *copy = NULL;
	struct pe_strings *list = field;
	int err;

	if (strlen(text) > PE_OPTION_VALUE_MAX) {
		snprintf(why, why_size, "is too long (allowed: %d bytes)", PE_OPTION_VALUE_MAX);
		return -EINVAL;
	}
	err = option->check ? option->check(text, why, why_size) : 0;
	if (err < 0)
		return err;
	if (option->type == PE_OPTION_LIST && list->count >= option->max) {
		snprintf(why, why_size, "is one too many (allowed: %" PRIu64 ")", option->max);
		return -EINVAL;
	}
	if (*text || !optional) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	if (option->type == PE_OPTION_LIST)
		return append(list, &copy);
	free(*(char **)field);
	*(char **)field = PE_TAKE_PTR(copy);
	return 0;
}

/* ---- any value ---- */

int pe_option_set(const struct pe_option *option, struct pe_options *options, const char *text,
		  char *why, size_t why_size)
{
	void *field = pe_option_field(option, options);
	unsigned int index;
	uint64_t value;
	int err = 0;

	switch (option->type) {
	case PE_OPTION_HELP:
	case PE_OPTION_VERSION:
	case PE_OPTION_ONCE:
	case PE_OPTION_HEALTHCHECK:
	case PE_OPTION_CHECK:
		return -EINVAL;
	case PE_OPTION_FLAG:
	case PE_OPTION_SWITCH:
		err = parse_choice(option, text, &index, why, why_size);
		if (err == 0)
			*(bool *)field = index % 2 == 0;
		return err;
	case PE_OPTION_CHOICE:
		err = parse_choice(option, text, &index, why, why_size);
		if (err == 0)
			*(unsigned int *)field = index;
		return err;
	case PE_OPTION_SET:
		return parse_set(option, text, field, why, why_size);
	case PE_OPTION_COUNT:
	case PE_OPTION_SIZE:
		err = parse_number(option, text, &value, why, why_size);
		if (err == 0)
			*(unsigned int *)field = (unsigned int)value;
		return err;
	case PE_OPTION_DURATION:
		return parse_number(option, text, field, why, why_size);
	case PE_OPTION_STRING:
	case PE_OPTION_FILE:
	case PE_OPTION_LIST:
		return set_string(option, field, text, why, why_size);
	}
	return -EINVAL;
}

void pe_option_clear(const struct pe_option *option, struct pe_options *options)
{
	struct pe_strings *list;
	char **string;

	switch (option->type) {
	case PE_OPTION_STRING:
	case PE_OPTION_FILE:
		string = pe_option_field(option, options);
		free(PE_TAKE_PTR(*string));
		break;
	case PE_OPTION_LIST:
		list = pe_option_field(option, options);
		while (list->count)
			free(list->item[--list->count]);
		free(PE_TAKE_PTR(list->item));
		break;
	default:
		break;
	}
}
