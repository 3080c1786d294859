/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl, loaded on first use.
 *
 * It brings twenty libraries along, which take 3 MB and some milliseconds of the start as soon as
 * they are linked; a daemon that is only scraped needs none of them.
 */
#ifndef PE_DELIVER_LIBCURL_H
#define PE_DELIVER_LIBCURL_H

#include <curl/curl.h>

#define PE_LIBCURL_FUNCTIONS(X) \
	X(easy_cleanup)         \
	X(easy_getinfo)         \
	X(easy_init)            \
	X(easy_setopt)          \
	X(easy_strerror)        \
	X(free)                 \
	X(global_init)          \
	X(multi_add_handle)     \
	X(multi_cleanup)        \
	X(multi_info_read)      \
	X(multi_init)           \
	X(multi_perform)        \
	X(multi_poll)           \
	X(multi_remove_handle)  \
	X(multi_setopt)         \
	X(multi_wakeup)         \
	X(slist_append)         \
	X(slist_free_all)       \
	X(url)                  \
	X(url_cleanup)          \
	X(url_get)              \
	X(url_set)              \
	X(url_strerror)

/* Its functions, without "curl_". */
struct pe_libcurl {
#define PE_MEMBER(name) __typeof__(curl_##name) *name;
	PE_LIBCURL_FUNCTIONS(PE_MEMBER)
#undef PE_MEMBER
};
extern struct pe_libcurl libcurl;

/*
 * Loads it unless that has been done; no member may be called before. 0, or -ENOENT and in *ret_why
 * what is wrong, for a person. Any thread; the first call reads files.
 */
int pe_libcurl_load(const char **ret_why);

#endif
