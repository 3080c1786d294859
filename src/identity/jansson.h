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
 * Loads it unless that has been done; no member may be called before. 0, or -ENOPKG and in *ret_why
 * what is wrong, for a person. One thread; the first call reads files.
 */
int pe_jansson_load(const char **ret_why);

#endif
