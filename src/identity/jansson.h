/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libjansson, loaded when the first file is read: on a host without Docker and Podman nobody needs
 * it.
 */
#ifndef PE_IDENTITY_JANSSON_H
#define PE_IDENTITY_JANSSON_H

#include <jansson.h>

#define PE_JANSSON_FUNCTIONS(X) \
	X(array_get)            \
	X(array_size)           \
	X(delete)               \
	X(loadb)                \
	X(object_get)           \
	X(string_value)

/* Its functions, without "json_". */
struct pe_jansson {
#define PE_MEMBER(name) __typeof__(json_##name) *name;
	PE_JANSSON_FUNCTIONS(PE_MEMBER)
#undef PE_MEMBER
};
extern struct pe_jansson jansson;

/*
 * Reads a text, with the library loaded if need be; no member may be called before. 0, and the
 * caller ends *ret_root with jansson.delete(); -EINVAL for what is no JSON, or -ENOPKG: the library
 * is not there, as the log says once. One thread; the first call reads files.
 */
int pe_jansson_parse(const char *text, size_t len, json_t **ret_root);

#endif
