/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jansson.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define SONAME "libjansson.so.4"

struct pe_jansson jansson;
static char why[256];

static bool load(void)
{
	void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	bool complete = library;
	const char *reason;

#define RESOLVE(name) complete = complete && (jansson.name = dlsym(library, "json_" #name));
	PE_JANSSON_FUNCTIONS(RESOLVE)
	if (complete)
		return true;
	/* Copied: the next call of dlerror() may free its text. */
	reason = dlerror();
	snprintf(why, sizeof(why), "%s", reason ? reason : SONAME);
	return false;
}

int pe_jansson_load(const char **ret_why)
{
	static bool tried, loaded;

	if (!tried)
		loaded = load();
	tried = true;
	*ret_why = why;
	return loaded ? 0 : -ENOPKG;
}
