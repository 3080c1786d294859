/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of the JSON API, as libjansson reads them. */
#ifndef PE_TESTS_API_ANSWERS_H
#define PE_TESTS_API_ANSWERS_H

#include <jansson.h>

#include "page-scene.h"

#include "pe/cleanup.h"

static struct scene scene;

static inline struct pe_page *new_page(struct pe_snapshot *snapshot,
				       const struct pe_expose_options *show)
{
	struct pe_page_options options = scene_options(&scene);
	struct pe_page *page;

	if (show)
		options.show = *show;
	scene_set(&scene, snapshot);
	assert_int_equal(pe_page_new(&options, &page), 0);
	return page;
}

static inline void free_page(struct pe_page *page)
{
	pe_page_free(page);
	scene_set(&scene, NULL);
}

/* An answer as text, with a NUL behind it. */
static inline int ask(struct pe_page *page, const char *path, const char *query,
		      struct pe_strbuf *text)
{
	int status;

	assert_true(pe_page_has(path, PE_PAGE_JSON));
	text->len = 0;
	status = pe_page_answer(page, path, query, PE_PAGE_JSON, text);
	pe_strbuf_addc(text, '\0');
	assert_int_equal(text->error, 0);
	assert_int_equal(text->data[text->len - 2], '\n');
	return status;
}

static inline json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s at %.200s", error.text, text + error.position);
	return root;
}

static inline void cleanup_json(json_t **root)
{
	json_decref(*root);
}

#define _cleanup_json_ _cleanup_(cleanup_json)
#define _cleanup_text_ _cleanup_(pe_strbuf_fini)

static inline json_t *get(struct pe_page *page, const char *path, const char *query)
{
	_cleanup_text_ struct pe_strbuf text = PE_STRBUF_INIT;

	assert_int_equal(ask(page, path, query, &text), 200);
	return parse(text.data);
}

static inline json_t *member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (!value)
		fail_msg("no member %s", name);
	return value;
}

static inline const char *string(json_t *object, const char *name)
{
	json_t *value = member(object, name);

	assert_true(json_is_string(value));
	return json_string_value(value);
}

static inline json_int_t integer(json_t *object, const char *name)
{
	json_t *value = member(object, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

#endif
