/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a request may come in. Called by the threads of libmicrohttpd.
 */
#ifndef PE_WEB_LOGIN_H
#define PE_WEB_LOGIN_H

#include "bcrypt_worker.h"
#include "web_state.h"

struct MHD_Connection;
struct pe_login;

enum pe_login_verdict {
	PE_LOGIN_ALLOWED,
	PE_LOGIN_DENIED,
	PE_LOGIN_BUSY, /* too many wait for their hash */
	PE_LOGIN_WAIT, /* the connection is suspended; ask again when it calls */
};

/*
 * Asked when the headers of a request have come. With PE_LOGIN_WAIT *login is what waits, to be
 * given again; otherwise it is freed and NULL.
 */
enum pe_login_verdict pe_login_ask(struct pe_web_state *state, struct pe_bcrypt_worker *worker,
				   struct MHD_Connection *connection, struct pe_login **login);

/* Of a request that ended before it was asked again. NULL is fine. Returns NULL. */
struct pe_login *pe_login_free(struct pe_login *login);

#endif
