/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See login.h. A password that has not been seen before takes as long as bcrypt is meant to: the
 * connection is suspended and hashed for on another thread, and its neighbours are served.
 *
 * A login belongs to libmicrohttpd's thread, then to the hasher, then to libmicrohttpd's thread
 * again: suspending and resuming are what hands it over.
 */
#include "login.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"

struct pe_login {
	struct pe_hasher_job job; /* first: job and login have one address */
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

static void on_hashed(struct pe_hasher_job *job, bool valid)
{
	struct pe_login *login = (struct pe_login *)job;

	login->verdict = valid ? PE_LOGIN_ALLOWED : PE_LOGIN_DENIED;
	MHD_resume_connection(login->connection);
}

static enum pe_login_verdict wait_for_hash(struct pe_login *login, struct pe_hasher *hasher)
{
	static struct pe_log_once logged;

	/* Before the hasher has it, which may be done at once. */
	MHD_suspend_connection(login->connection);
	if (pe_hasher_add(hasher, &login->job) < 0) {
		if (pe_log_once(&logged, 60 * PE_NS_PER_S))
			pe_warn("http", "a request was answered with 503: too many passwords wait "
					"to be checked");
		login->verdict = PE_LOGIN_BUSY;
		MHD_resume_connection(login->connection);
	}
	return PE_LOGIN_WAIT;
}

static enum pe_login_verdict begin(struct pe_web_state *state, struct pe_hasher *hasher,
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
	return wait_for_hash(login, hasher);
}

enum pe_login_verdict pe_login_ask(struct pe_web_state *state, struct pe_hasher *hasher,
				   struct MHD_Connection *connection, struct pe_login **login)
{
	enum pe_login_verdict verdict;

	if (!*login)
		return begin(state, hasher, connection, login);
	verdict = (*login)->verdict;
	*login = pe_login_free(*login);
	return verdict;
}
