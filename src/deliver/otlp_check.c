/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of the resource, from which some receivers make labels of each series. Pure; any
 * thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pe/utf8.h"

#include "remote_sink.h"

#define TEXT_BYTES_MAX 1024

const char *pe_otlp_label(const char *attribute)
{
	if (strcmp(attribute, "service.name") == 0)
		return "job";
	return strcmp(attribute, "service.instance.id") == 0 ? "instance" : attribute;
}

/* How receivers that know labels write an attribute's name. */
static void to_label(const char *attribute, char ret_label[TEXT_BYTES_MAX + 1])
{
	size_t i;

	for (i = 0; attribute[i]; i++)
		ret_label[i] = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_",
				      attribute[i])
				       ? attribute[i]
				       : '_';
	ret_label[i] = '\0';
}

static bool is_text(const char *text)
{
	return strlen(text) <= TEXT_BYTES_MAX && pe_utf8_valid(text);
}

static bool is_given_before(const struct pe_remote_write_options *options, size_t i)
{
	const char *name = pe_otlp_label(options->labels[i].name);

	for (size_t before = 0; before < i; before++)
		if (strcmp(pe_otlp_label(options->labels[before].name), name) == 0)
			return true;
	return false;
}

int pe_otlp_check_attributes(const struct pe_remote_write_options *options, char *error,
			     size_t error_size)
{
	for (size_t i = 0; i < options->label_count; i++) {
		const char *name = options->labels[i].name;
		char label[TEXT_BYTES_MAX + 1];

		if (!is_text(name) || !is_text(options->labels[i].value)) {
			snprintf(error, error_size,
				 "an attribute is not valid UTF-8, or longer than %d bytes",
				 TEXT_BYTES_MAX);
			return -EINVAL;
		}
		to_label(name, label);
		if (pe_remote_otlp_has_attribute(name) || pe_remote_otlp_has_attribute(label)) {
			snprintf(error, error_size,
				 "attribute %s would hide that of the same name of the points",
				 name);
			return -EINVAL;
		}
		if (is_given_before(options, i)) {
			snprintf(error, error_size, "attribute %s is given twice", name);
			return -EINVAL;
		}
	}
	return 0;
}
