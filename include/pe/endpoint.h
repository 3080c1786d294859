/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses as text: inet_ntop(3) goes through printf, and a snapshot may hold a million of them.
 * Pure; any thread.
 */
#ifndef PE_ENDPOINT_H
#define PE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/strbuf.h"

#define PE_NO_PORT (-1)

/* Appends "192.0.2.1:80" or "[2001:db8::1]:80"; without a port the address alone (RFC 5952).
 * `addr` has 16 bytes, IPv4 in the first four. */
void pe_text_endpoint(struct pe_strbuf *buf, const uint8_t *addr, bool ipv6, int port);

#endif
