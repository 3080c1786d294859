/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See login.h. A password that has not been seen before takes as long as bcrypt is meant to: the
 * connection is suspended and hashed for on another thread, and its neighbours are served.
 *
 * A login belongs to libmicrohttpd's thread, then to the worker, then to libmicrohttpd's thread
 * again: suspending and resuming are what hands it over.
 */
#include "login.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"

#define NETWORK_BYTES 8 /* of an IPv6 address */

struct pe_login {
	struct pe_bcrypt_job job; /* first: job and login have one address */
	struct MHD_Connection *connection;
	struct pe_web_state *state;
	enum pe_login_verdict verdict;
};

struct pe_login *pe_login_free(struct pe_login *login)
{
	if (!login)
		return NULL;
	explicit_bzero(&login->job.credentials, sizeof(login->job.credentials));
	pe_web_put(login->state);
	free(login);
	return NULL;
}

static void log_busy(void)
{
	static struct pe_log_once logged;

	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http", "a request was answered with 503: too many passwords wait "
				"to be checked");
}

static void on_hashed(struct pe_bcrypt_job *job, enum pe_bcrypt_verdict verdict)
{
	static const enum pe_login_verdict verdicts[] = {
		[PE_BCRYPT_VALID] = PE_LOGIN_ALLOWED,
		[PE_BCRYPT_INVALID] = PE_LOGIN_DENIED,
		[PE_BCRYPT_NOT_MADE] = PE_LOGIN_BUSY,
	};
	struct pe_login *login = (struct pe_login *)job;

	login->verdict = verdicts[verdict];
	if (verdict == PE_BCRYPT_NOT_MADE)
		log_busy();
	MHD_resume_connection(login->connection);
}

static enum pe_login_verdict wait_for_hash(struct pe_login *login, struct pe_bcrypt_worker *worker)
{
	/* Before the worker has it, which may be done at once. */
	MHD_suspend_connection(login->connection);
	if (pe_bcrypt_worker_add(worker, &login->job) < 0) {
		log_busy();
		login->verdict = PE_LOGIN_BUSY;
		MHD_resume_connection(login->connection);
	}
	return PE_LOGIN_WAIT;
}

/* Whoever has an IPv6 address has the other ones of its network, too. */
static struct pe_bcrypt_origin origin_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *addr = info ? info->client_addr : NULL;
	struct pe_bcrypt_origin origin = { 0 };

	if (addr && addr->sa_family == AF_INET) {
		const struct in_addr *v4 =
			&((const struct sockaddr_in *)(const void *)addr)->sin_addr;

		memcpy(origin.bytes, (const unsigned char[12]){ [10] = 0xff, [11] = 0xff }, 12);
		memcpy(origin.bytes + 12, v4, sizeof(*v4));
	} else if (addr && addr->sa_family == AF_INET6) {
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;

		memcpy(origin.bytes, v6, IN6_IS_ADDR_V4MAPPED(v6) ? 16 : NETWORK_BYTES);
	}
	return origin;
}

static enum pe_login_verdict begin(struct pe_web_state *state, struct pe_bcrypt_worker *worker,
				   struct MHD_Connection *connection, struct pe_login **ret_login)
{
	const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_AUTHORIZATION);
	struct pe_login *login;

	if (!state->users)
		return PE_LOGIN_ALLOWED;
	if (!header)
		return PE_LOGIN_DENIED;
	login = calloc(1, sizeof(*login));
	if (!login)
		return PE_LOGIN_BUSY;
	login->job.users = state->users;
	login->job.done = on_hashed;
	login->job.origin = origin_of(connection);
	login->connection = connection;
	if (!pe_credentials_parse(header, &login->job.credentials)) {
		pe_login_free(login);
		return PE_LOGIN_DENIED;
	}
	if (pe_users_recall(state->users, &login->job.credentials)) {
		pe_login_free(login);
		return PE_LOGIN_ALLOWED;
	}
	__atomic_add_fetch(&state->references, 1, __ATOMIC_RELAXED);
	login->state = state;
	*ret_login = login;
	return wait_for_hash(login, worker);
}

enum pe_login_verdict pe_login_ask(struct pe_web_state *state, struct pe_bcrypt_worker *worker,
				   struct MHD_Connection *connection, struct pe_login **login)
{
	enum pe_login_verdict verdict;

	if (!*login)
		return begin(state, worker, connection, login);
	verdict = (*login)->verdict;
	*login = pe_login_free(*login);
	return verdict;
}
