/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See connection.h. A first line without a space libmicrohttpd 0.9.75 closes before any of its
 * callbacks: parse_initial_message_line() fails, and NOTIFY_COMPLETED is only for what has reached
 * the URI. What is left is NOTIFY_CONNECTION at the end. Without TLS the socket can still be
 * written to then, thanks to MHD_USE_TURBO. With TLS it cannot, for the session is freed: the last
 * moment is just before its goodbye.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/page.h"

#include "refusal.h"
#include "tls_input.h"
#include "tls_memory.h"
#include "web_state.h"

struct pe_connection {
	struct pe_connection_slot slot;
	struct pe_refusal refusal;
	struct pe_tls_input tls_input;
	struct pe_web_state *web; /* whose TLS it speaks, NULL if none */
	struct MHD_Connection *mhd;
	bool requested;	       /* a request line has come once */
	unsigned int answered; /* what came and was no request, with this status; else 0 */
	char *query;	       /* of the last one; NULL if it has none */
};

struct pe_connection *pe_connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static gnutls_session_t session_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

struct pe_connection_slot *pe_connection_slot(struct pe_connection *connection)
{
	return &connection->slot;
}

/* The status for what came and never became a request, 0 if nothing did. An eviction is counted as
 * such. */
static unsigned int status_of_rest(const struct pe_connection *connection)
{
	const union MHD_ConnectionInfo *timeout =
		MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CONNECTION_TIMEOUT);
	const int fd = connection->slot.fd;

	if (connection->requested || connection->slot.evicted ||
	    !pe_refusal_is_due(&connection->refusal, fd))
		return 0;
	return pe_refusal_status(fd, timeout->connection_timeout);
}

static void on_goodbye(void *userdata)
{
	struct pe_connection *connection = userdata;
	const unsigned int status = status_of_rest(connection);

	if (status)
		pe_refusal_answer(&connection->refusal, connection->slot.fd,
				  session_of(connection->mhd), status);
	connection->answered = status;
}

/* A connection keeps the configuration whose TLS it speaks. */
static void begin_input(struct pe_connection *connection, struct pe_web *web,
			struct MHD_Connection *mhd, int fd)
{
	static struct pe_log_once logged;
	gnutls_session_t session = session_of(mhd);
	struct pe_web_state *state = pe_web_get(web);

	if (!state->tls) {
		pe_refusal_begin(&connection->refusal, fd);
		pe_web_put(state);
		return;
	}
	connection->web = state;
	if (session && !pe_tls_memory_is_short() && pe_tls_prepare(state->tls, session) == 0) {
		pe_tls_input_attach(&connection->tls_input, session, fd, &connection->refusal,
				    on_goodbye, connection);
		return;
	}
	/* Not prepared, it has no certificate either: its handshake would fail. */
	shutdown(fd, SHUT_RDWR);
	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http", "a connection was refused: no memory for TLS");
}

struct pe_connection *pe_connection_new(struct pe_connection_limit *limit, struct pe_web *web,
					struct MHD_Connection *mhd, int fd)
{
	struct pe_connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	connection->mhd = mhd;
	begin_input(connection, web, mhd, fd);
	pe_connection_slot_take(limit, &connection->slot, fd);
	return connection;
}

unsigned int pe_connection_end(struct pe_connection *connection)
{
	unsigned int status;

	if (!connection)
		return 0;
	status = connection->answered ? connection->answered : status_of_rest(connection);
	if (status && !connection->web)
		pe_refusal_send(connection->slot.fd, status);
	pe_connection_slot_release(&connection->slot);
	pe_web_put(connection->web);
	free(connection->query);
	free(connection);
	return status;
}

bool pe_connection_begin(struct pe_connection *connection, const char *query)
{
	connection->requested = true;
	pe_refusal_begin(&connection->refusal, connection->slot.fd);
	free(connection->query);
	/* No answer depends on what is beyond. */
	connection->query = *query ? strndup(query, PE_PAGE_QUERY_MAX) : NULL;
	return !*query || connection->query;
}

const char *pe_connection_query(const struct pe_connection *connection)
{
	return connection->query ? connection->query : "";
}

void pe_connection_refuse(struct pe_connection *connection, struct MHD_Connection *mhd,
			  unsigned int status)
{
	pe_refusal_answer(&connection->refusal, connection->slot.fd, session_of(mhd), status);
	/* As libmicrohttpd would without MHD_USE_TURBO; it also waits for the event of it. */
	if (!connection->web)
		shutdown(connection->slot.fd, SHUT_WR);
}
