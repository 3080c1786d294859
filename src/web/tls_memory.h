/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for the arithmetic of a handshake. GMP, which GnuTLS reckons with, ends the process when
 * it is refused memory. A reserve keeps it going through the handshakes that have begun, and no
 * other begins meanwhile.
 *
 * Any thread.
 */
#ifndef PE_WEB_TLS_MEMORY_H
#define PE_WEB_TLS_MEMORY_H

#include <stdbool.h>

/* Sets the reserve up for the whole process, once. 0 or -ENOMEM. */
int pe_tls_memory_init(void);

/* Whether the reserve was needed within the last second, or there is too little for a handshake. */
bool pe_tls_memory_is_short(void);

#endif
