/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a server that a test has started. */
#ifndef PE_TESTS_HTTP_SERVER_H
#define PE_TESTS_HTTP_SERVER_H

#include "pe/http.h"
#include "pe/listen.h"
#include "pe/web.h"

/* In this order: what serves, what it is served with, where. */
static inline void server_end(struct pe_http **http, struct pe_web **web,
			      struct pe_listeners **listeners)
{
	*http = pe_http_free(*http);
	*web = pe_web_free(*web);
	*listeners = pe_listeners_free(*listeners);
}

#endif
