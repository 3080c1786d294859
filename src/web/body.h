/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies that are made as a whole: pages and JSON. Together they are bounded, however many slow
 * readers there are. Any thread; a response belongs to one.
 */
#ifndef PE_WEB_BODY_H
#define PE_WEB_BODY_H

#include <stdbool.h>

#include "pe/strbuf.h"

#define PE_BODIES_MAX ((size_t)16 << 20) /* bytes of all large ones that are being sent */
/* Those up to this are sent whatever others hold: a page as a browser asks for it. Connections
 * bound how many. */
#define PE_BODY_SMALL ((size_t)32 << 10)

struct MHD_Response;

/* What they have in common; zeroed is none. */
struct pe_bodies {
	size_t bytes; /* atomic */
};

/*
 * A response with the text as its body, compressed if `gzip`; without headers. The text is taken
 * and `text` empty then. 0; -EBUSY if it is large and there are too many; -ENOMEM. `bodies` must
 * outlive the response. The caller owns *ret_response.
 */
int pe_body_respond(struct pe_bodies *bodies, struct pe_strbuf *text, bool gzip,
		    struct MHD_Response **ret_response);

#endif
