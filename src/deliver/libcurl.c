/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define SONAME "libcurl.so.4"

struct pe_libcurl libcurl;
static bool loaded;
static char why[256];

static void fail(const char *reason)
{
	snprintf(why, sizeof(why), "%s", reason ? reason : SONAME);
}

static void load(void)
{
	void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	bool complete = library;

#define RESOLVE(name) complete = complete && (libcurl.name = dlsym(library, "curl_" #name));
	PE_LIBCURL_FUNCTIONS(RESOLVE)
	/* Copied: the next call of dlerror() may free its text. */
	if (!complete)
		fail(dlerror());
	else if (libcurl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		fail(SONAME " does not start");
	else
		loaded = true;
}

int pe_libcurl_load(const char **ret_why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	*ret_why = why;
	return loaded ? 0 : -ENOENT;
}
