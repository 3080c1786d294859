/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See yaml.h. libyaml's events become nodes as they come, so that what is too deep or too much is
 * refused before the rest is read. An alias would make a small file a large tree, and no
 * configuration needs one.
 */
#include "yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "pe/cleanup.h"

struct parser {
	yaml_parser_t yaml;
	struct pe_arena *arena;
	struct pe_yaml_error *error;
	size_t nodes;
};

int pe_yaml_refuse(struct pe_yaml_error *error, size_t line, const char *fmt, ...)
{
	va_list args;

	error->line = line;
	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int next_event(struct parser *p, yaml_event_t *ret_event)
{
	const yaml_parser_t *yaml = &p->yaml;

	if (yaml_parser_parse(&p->yaml, ret_event))
		return 0;
	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* The reader knows an offset only. */
	return pe_yaml_refuse(p->error,
			      yaml->error == YAML_READER_ERROR ? 0 : yaml->problem_mark.line + 1,
			      "not YAML: %s%s%s", yaml->context ? yaml->context : "",
			      yaml->context ? ", " : "", yaml->problem ? yaml->problem : "unknown");
}

static void cleanup_event(yaml_event_t *event)
{
	yaml_event_delete(event);
}

/* ---- nodes ---- */

static bool is_null(const yaml_event_t *event)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
		if (strcmp(text, nulls[i]) == 0)
			return true;
	}
	return false;
}

/* What a node of any kind may not have. */
static int check_properties(struct parser *p, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	const size_t line = event->start_mark.line + 1;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor || event->type == YAML_ALIAS_EVENT)
		return pe_yaml_refuse(p->error, line, "anchors and aliases are not supported");
	if (tag)
		return pe_yaml_refuse(p->error, line, "tags are not supported");
	return 0;
}

static int make_node(struct parser *p, const yaml_event_t *event, struct pe_yaml **ret_node)
{
	const size_t line = event->start_mark.line + 1;
	struct pe_yaml *node;
	int r = check_properties(p, event);

	if (r < 0)
		return r;
	if (++p->nodes > PE_YAML_MAX_NODES)
		return pe_yaml_refuse(p->error, line, "more than %d values", PE_YAML_MAX_NODES);
	node = pe_arena_alloc(p->arena, 1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->line = line;
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		node->kind = PE_YAML_SEQUENCE;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		node->kind = PE_YAML_MAPPING;
	} else {
		const char *text = (const char *)event->data.scalar.value;

		if (strlen(text) != event->data.scalar.length)
			return pe_yaml_refuse(p->error, line, "a text with a NUL character");
		node->kind = is_null(event) ? PE_YAML_NULL : PE_YAML_SCALAR;
		node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		node->text = pe_arena_strdup(p->arena, text, event->data.scalar.length);
		if (!node->text)
			return -ENOMEM;
	}
	*ret_node = node;
	return 0;
}

static int read_node(struct parser *p, const yaml_event_t *event, unsigned int depth,
		     struct pe_yaml **ret_node);

static int read_sequence(struct parser *p, struct pe_yaml *sequence, unsigned int depth)
{
	struct pe_yaml **end = &sequence->first;
	int r;

	for (;;) {
		_cleanup_(cleanup_event) yaml_event_t event = { 0 };

		r = next_event(p, &event);
		if (r < 0 || event.type == YAML_SEQUENCE_END_EVENT)
			return r;
		r = read_node(p, &event, depth, end);
		if (r < 0)
			return r;
		end = &(*end)->next;
	}
}

static int check_key(struct parser *p, const struct pe_yaml *mapping, const struct pe_yaml *key)
{
	if (!key->text)
		return pe_yaml_refuse(p->error, key->line, "a key that is not a text");
	for (const struct pe_yaml *other = mapping->first; other; other = other->next) {
		if (strcmp(other->key, key->text) == 0)
			return pe_yaml_refuse(p->error, key->line,
					      "a key that is there twice (first in line %zu)",
					      other->key_line);
	}
	return 0;
}

static int read_mapping(struct parser *p, struct pe_yaml *mapping, unsigned int depth)
{
	struct pe_yaml **end = &mapping->first;

	for (;;) {
		_cleanup_(cleanup_event) yaml_event_t key_event = { 0 };
		_cleanup_(cleanup_event) yaml_event_t event = { 0 };
		struct pe_yaml *key, *value;
		int r = next_event(p, &key_event);

		if (r < 0 || key_event.type == YAML_MAPPING_END_EVENT)
			return r;
		r = make_node(p, &key_event, &key);
		if (r == 0)
			r = check_key(p, mapping, key);
		if (r == 0)
			r = next_event(p, &event);
		if (r == 0)
			r = read_node(p, &event, depth, &value);
		if (r < 0)
			return r;
		value->key = key->text;
		value->key_line = key->line;
		*end = value;
		end = &value->next;
	}
}

/* Recursion ends at PE_YAML_MAX_DEPTH. */
static int read_node(struct parser *p, const yaml_event_t *event, unsigned int depth,
		     struct pe_yaml **ret_node)
{
	struct pe_yaml *node = NULL;
	int r = make_node(p, event, &node);

	if (r < 0)
		return r;
	if (depth >= PE_YAML_MAX_DEPTH)
		return pe_yaml_refuse(p->error, node->line, "nested deeper than %d",
				      PE_YAML_MAX_DEPTH);
	if (node->kind == PE_YAML_SEQUENCE)
		r = read_sequence(p, node, depth + 1);
	else if (node->kind == PE_YAML_MAPPING)
		r = read_mapping(p, node, depth + 1);
	if (r == 0)
		*ret_node = node;
	return r;
}

/* ---- the document ---- */

static int read_document(struct parser *p, struct pe_yaml **ret_root)
{
	struct pe_yaml *root = NULL;

	for (;;) {
		_cleanup_(cleanup_event) yaml_event_t event = { 0 };
		int r = next_event(p, &event);

		if (r < 0)
			return r;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (root)
				return pe_yaml_refuse(p->error, event.start_mark.line + 1,
						      "a second document");
			break;
		case YAML_STREAM_END_EVENT:
			if (!root)
				root = pe_arena_alloc(p->arena, 1, sizeof(*root));
			*ret_root = root;
			return root ? 0 : -ENOMEM;
		default:
			r = read_node(p, &event, 0, &root);
			if (r < 0)
				return r;
		}
	}
}

int pe_yaml_parse(const char *data, size_t len, struct pe_arena *arena,
		  const struct pe_yaml **ret_root, struct pe_yaml_error *ret_error)
{
	struct parser p = { .arena = arena, .error = ret_error };
	struct pe_yaml *root = NULL;
	int r;

	*ret_error = (struct pe_yaml_error){ 0 };
	if (len > PE_YAML_MAX_BYTES)
		return pe_yaml_refuse(ret_error, 0, "larger than %zu bytes", PE_YAML_MAX_BYTES);
	if (!yaml_parser_initialize(&p.yaml))
		return -ENOMEM;
	yaml_parser_set_input_string(&p.yaml, (const unsigned char *)data, len);
	r = read_document(&p, &root);
	yaml_parser_delete(&p.yaml);
	if (r == 0)
		*ret_root = root;
	return r;
}
