/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is pushed: a snapshot as text, compressed if wanted.
 *
 * Complete before the first byte is sent: an encoder that fails costs a push, and never leaves
 * half a group. Compressed as it is encoded, it never exists in plain form as a whole. Memory stays
 * flat: it is reused from push to push. One thread at a time.
 */
#ifndef PE_DELIVER_PUSH_BODY_H
#define PE_DELIVER_PUSH_BODY_H

#include <stdbool.h>

#include "pe/encode.h"
#include "pe/sample.h"
#include "pe/strbuf.h"

struct pe_push_body;

/* 0 or -ENOMEM. The caller owns *ret_body. */
int pe_push_body_new(bool gzip, struct pe_push_body **ret_body);
/* NULL is fine. Returns NULL. */
struct pe_push_body *pe_push_body_free(struct pe_push_body *body);

/*
 * Encodes. 0, and in *ret_text what is to be sent, which lives until the next call; or -errno, and
 * nothing is kept.
 */
int pe_push_body_encode(struct pe_push_body *body, struct pe_snapshot *snapshot,
			const struct pe_expose_options *show, const struct pe_strbuf **ret_text);

#endif
