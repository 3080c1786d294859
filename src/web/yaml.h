/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A YAML file as a tree, each node with its line: the part of YAML that configuration files are
 * written in. Pure but for memory; any thread.
 */
#ifndef PE_WEB_YAML_H
#define PE_WEB_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/arena.h"

#define PE_YAML_MAX_BYTES ((size_t)1024 * 1024)
#define PE_YAML_MAX_DEPTH 8
#define PE_YAML_MAX_NODES 8192

enum pe_yaml_kind {
	PE_YAML_NULL, /* empty, ~, null */
	PE_YAML_SCALAR,
	PE_YAML_SEQUENCE,
	PE_YAML_MAPPING,
};

struct pe_yaml {
	enum pe_yaml_kind kind;
	size_t line;	  /* from 1 */
	bool plain;	  /* a scalar without quotes */
	const char *text; /* of a scalar, UTF-8 without NUL */
	const char *key;  /* if this is a value in a mapping */
	size_t key_line;
	struct pe_yaml *first; /* of the elements or values, in their order */
	struct pe_yaml *next;
};

struct pe_yaml_error {
	size_t line; /* 0 if it is about no line */
	char text[320];
};

/*
 * Parses one document; an empty file is PE_YAML_NULL. The tree is the arena's. 0; -EINVAL with the
 * error: what is not YAML, and also aliases, anchors, tags, a second document, keys that are no
 * scalars or come twice, and what exceeds the bounds above; -ENOMEM.
 */
int pe_yaml_parse(const char *data, size_t len, struct pe_arena *arena,
		  const struct pe_yaml **ret_root, struct pe_yaml_error *ret_error);

/* Fills the error; for whoever reads the tree. It is logged, and the file may be another one than
 * was meant, with secrets: nothing that is in it may be quoted. Returns -EINVAL. */
int pe_yaml_refuse(struct pe_yaml_error *error, size_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
