/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See web_reader.h. */
#include "web_reader.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Whoever calls this has read the key, so it is one of those that we know. */
int pe_web_wrong_type(struct pe_web_reader *reader, const struct pe_yaml *value,
		      const char *expected)
{
	return pe_yaml_refuse(reader->error, value->line, "%s%s%s is expected",
			      value->key ? value->key : "", value->key ? ": " : "", expected);
}

int pe_web_read_keys(struct pe_web_reader *reader, const struct pe_yaml *mapping,
		     const struct pe_web_key *keys, size_t count)
{
	if (mapping->kind == PE_YAML_NULL)
		return 0;
	if (mapping->kind != PE_YAML_MAPPING)
		return pe_web_wrong_type(reader, mapping, "a mapping");
	for (const struct pe_yaml *value = mapping->first; value; value = value->next) {
		size_t i = 0;
		int r;

		while (i < count && strcmp(keys[i].name, value->key) != 0)
			i++;
		if (i == count)
			return pe_yaml_refuse(reader->error, value->key_line, "unknown key");
		r = keys[i].read(reader, value, keys[i].offset);
		if (r < 0)
			return r;
	}
	return 0;
}

int pe_web_read_text(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
{
	const char **field = (const char **)((char *)reader->config + offset);

	if (value->kind != PE_YAML_NULL && value->kind != PE_YAML_SCALAR)
		return pe_web_wrong_type(reader, value, "a text");
	if (value->kind == PE_YAML_SCALAR && *value->text)
		*field = value->text;
	return 0;
}

int pe_web_read_path(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
{
	const char **field = (const char **)((char *)reader->config + offset);
	size_t size;
	char *path;
	int r = pe_web_read_text(reader, value, offset);

	if (r < 0 || !*field || **field == '/')
		return r;
	size = strlen(reader->directory) + 1 + strlen(*field) + 1;
	path = pe_arena_alloc(reader->config->arena, 1, size);
	if (!path)
		return -ENOMEM;
	snprintf(path, size, "%s/%s", reader->directory, *field);
	*field = path;
	return 0;
}

int pe_web_read_bool(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
{
	/* YAML 1.1, as the toolkit's parser has it. */
	static const char *const words[][11] = {
		{ "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF" },
		{ "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON" },
	};

	if (value->kind == PE_YAML_NULL)
		return 0;
	for (size_t i = 0; value->kind == PE_YAML_SCALAR && value->plain && i < 2; i++) {
		for (size_t j = 0; j < PE_WEB_COUNT(words[i]); j++) {
			if (strcmp(value->text, words[i][j]) == 0) {
				*(bool *)((char *)reader->config + offset) = i;
				return 0;
			}
		}
	}
	return pe_web_wrong_type(reader, value, "true or false");
}

/* Which of the names in a table whose rows begin with them; `count` if none is. */
size_t pe_web_find_name(const char *text, const void *table, size_t count, size_t row_size)
{
	size_t i = 0;

	while (i < count &&
	       strcmp(*(const char *const *)((const char *)table + i * row_size), text) != 0)
		i++;
	return i;
}

int pe_web_unknown_name(struct pe_web_reader *reader, const struct pe_yaml *value, const char *what)
{
	if (value->kind != PE_YAML_SCALAR)
		return pe_web_wrong_type(reader, value, "a text");
	return pe_yaml_refuse(reader->error, value->line, "not a known %s", what);
}
