/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
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

/* An option's number says what its value is. In parentheses, because the names are also macros. */

CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
	CURLcode code;
	va_list args;

	va_start(args, option);
	if (option < CURLOPTTYPE_OBJECTPOINT)
		code = libcurl.easy_setopt(easy, option, va_arg(args, long));
	else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
		code = libcurl.easy_setopt(easy, option, va_arg(args, curl_off_t));
	else
		code = libcurl.easy_setopt(easy, option, va_arg(args, void *));
	va_end(args);
	return code;
}

CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
	CURLMcode code;
	va_list args;

	va_start(args, option);
	if ((int)option < CURLOPTTYPE_OBJECTPOINT)
		code = libcurl.multi_setopt(multi, option, va_arg(args, long));
	else if ((int)option >= CURLOPTTYPE_OFF_T)
		code = libcurl.multi_setopt(multi, option, va_arg(args, curl_off_t));
	else
		code = libcurl.multi_setopt(multi, option, va_arg(args, void *));
	va_end(args);
	return code;
}

CURLcode(curl_easy_getinfo)(CURL *easy, CURLINFO info, ...)
{
	CURLcode code;
	va_list args;

	va_start(args, info);
	code = libcurl.easy_getinfo(easy, info, va_arg(args, void *));
	va_end(args);
	return code;
}
