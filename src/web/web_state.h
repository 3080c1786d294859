/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web configuration in force. A state is immutable and counted: a connection keeps the one it
 * began with while newer ones replace it. Any thread.
 */
#ifndef PE_WEB_WEB_STATE_H
#define PE_WEB_WEB_STATE_H

#include <stdint.h>

#include "pe/web.h"

#include "tls.h"
#include "users.h"
#include "web_config.h"

struct pe_web_state {
	unsigned int references; /* atomic */
	struct pe_web_config *config;
	struct pe_tls *tls;	/* NULL without TLS; all states of a pe_web have it, or none */
	struct pe_users *users; /* NULL if everybody may come in */
};

/* The state in force, with a reference for the caller. If it is due, first looks whether a file has
 * changed and reads all of them again. */
struct pe_web_state *pe_web_get(struct pe_web *web);

/* Whether a state can have users, now or when the file has changed. Constant. */
bool pe_web_may_have_users(const struct pe_web *web);

/* Gives the reference back. NULL is fine. Returns NULL. */
struct pe_web_state *pe_web_put(struct pe_web_state *state);

/* Reads all files again, changed or not, and logs the result. 0 or -errno; what was in force stays
 * then. */
int pe_web_reload(struct pe_web *web);

/* Whether the last reading succeeded, and when (monotonic) the last that did was. */
void pe_web_get_stats(struct pe_web *web, bool *ret_successful, uint64_t *ret_success_ns);

#endif
