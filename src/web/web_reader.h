/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a web configuration's values by tables of their keys. All functions but the last return
 * 0, -ENOMEM, or -EINVAL with the reader's error set. Pure, any thread.
 */
#ifndef PE_WEB_WEB_READER_H
#define PE_WEB_WEB_READER_H

#include <stddef.h>

#include "web_config.h"

struct pe_web_reader {
	struct pe_web_config *config;
	const char *directory; /* of the file, for its relative paths */
	struct pe_yaml_error *error;
};

/* Reads a value to the config, at `offset` where that says which of several alike. */
typedef int (*pe_web_read_fn)(struct pe_web_reader *reader, const struct pe_yaml *value,
			      size_t offset);

struct pe_web_key {
	const char *name;
	pe_web_read_fn read;
	size_t offset;
};

#define PE_WEB_COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define PE_WEB_FIELD(member) offsetof(struct pe_web_config, member)

/* Each key of the mapping by its row of the table; -EINVAL for one that has none. */
int pe_web_read_keys(struct pe_web_reader *reader, const struct pe_yaml *mapping,
		     const struct pe_web_key *keys, size_t count);

/* For the tables. */
int pe_web_read_text(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset);
int pe_web_read_path(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset);
int pe_web_read_bool(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset);
int pe_web_read_tls(struct pe_web_reader *reader, const struct pe_yaml *section, size_t offset);

/* -EINVAL, and what was expected or is not known as the error. */
int pe_web_wrong_type(struct pe_web_reader *reader, const struct pe_yaml *value,
		      const char *expected);
int pe_web_unknown_name(struct pe_web_reader *reader, const struct pe_yaml *value,
			const char *what);

/* Which of the names in a table whose rows begin with them; `count` if none is. */
size_t pe_web_find_name(const char *text, const void *table, size_t count, size_t row_size);

#endif
