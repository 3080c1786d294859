/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server knows of a connection beside libmicrohttpd: its slot, its TLS, and whether what
 * came of it was answered.
 *
 * Used by libmicrohttpd's thread of the connection.
 */
#ifndef PE_WEB_CONNECTION_H
#define PE_WEB_CONNECTION_H

#include <microhttpd.h>

#include "connection_limit.h"

struct pe_connection;
struct pe_web;

/*
 * A connection begins on this socket and takes a slot; with TLS it keeps the configuration in force
 * now. Without memory for it, or for its TLS, its socket is shut, so that libmicrohttpd closes it;
 * NULL is the former.
 */
struct pe_connection *pe_connection_new(struct pe_connection_limit *limit, struct pe_web *web,
					struct MHD_Connection *mhd, int fd);

/*
 * It ends; libmicrohttpd has ended its TLS, and not yet closed its socket. Returns the status of an
 * answer if something came that libmicrohttpd never took for a request, else 0. That answer is
 * sent, with TLS just before the session's goodbye. NULL is fine.
 */
unsigned int pe_connection_end(struct pe_connection *connection);

/* NULL if there was no memory for one: then it is about to end. */
struct pe_connection *pe_connection_of(struct MHD_Connection *mhd);

struct pe_connection_slot *pe_connection_slot(struct pe_connection *connection);

/* A request line has come, with this behind its '?'; as much of it is copied as says whether it is
 * too long. False without memory. */
bool pe_connection_begin(struct pe_connection *connection, const char *query);

/* The query of the request at hand, as it came, cut to PE_PAGE_QUERY_MAX bytes; "" if there is
 * none. */
const char *pe_connection_query(const struct pe_connection *connection);

/* The request ends with an error, and the connection with it: answers with this status if nothing
 * was. */
void pe_connection_refuse(struct pe_connection *connection, struct MHD_Connection *mhd,
			  unsigned int status);

#endif
