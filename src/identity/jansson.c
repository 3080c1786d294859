/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jansson.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "pe/log.h"

#define SONAME "libjansson.so.4"

struct pe_jansson jansson;

static bool load(void)
{
	void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	bool complete = library;
	const char *reason;

#define RESOLVE(name) complete = complete && (jansson.name = dlsym(library, "json_" #name));
	PE_JANSSON_FUNCTIONS(RESOLVE)
	if (complete)
		return true;
	reason = dlerror();
	pe_warn("identity", "files of engines cannot be read: %s", reason ? reason : SONAME);
	return false;
}

static bool is_loaded(void)
{
	static bool tried, loaded;

	if (!tried)
		loaded = load();
	tried = true;
	return loaded;
}

int pe_jansson_parse(const char *text, size_t len, json_t **ret_root)
{
	if (!is_loaded())
		return -ENOPKG;
	*ret_root = jansson.loadb(text, len, 0, NULL);
	return *ret_root ? 0 : -EINVAL;
}
