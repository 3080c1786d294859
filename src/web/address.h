/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listen addresses: text in, listening sockets out. Any thread; resolving a name may block. */
#ifndef PE_WEB_ADDRESS_H
#define PE_WEB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name that resolves to more than this many addresses listens on the first of them. */
#define PE_ADDRESS_SOCKETS 8

struct pe_address {
	char host[256]; /* "" is every address; without brackets */
	bool ipv6;	/* was in brackets */
	uint16_t port;	/* 0 lets the kernel choose */
};

/* "[HOST]:PORT", an IPv6 address in brackets. 0 or -EINVAL. Pure. */
int pe_address_parse(const char *text, struct pe_address *ret_address);

/*
 * Listens on every address that the text stands for: one socket without a host (dual-stack where
 * the kernel has IPv6), one for each address of a name that this host has. All get the same port.
 * Fills fds (PE_ADDRESS_SOCKETS places; the caller owns them) and the port. Returns how many, or
 * -errno: -EINVAL, -EADDRINUSE, -EACCES, -EADDRNOTAVAIL (not an address of this host alone, or the
 * name does not resolve); nothing is then left open.
 */
int pe_address_listen(const char *text, int fds[PE_ADDRESS_SOCKETS], uint16_t *ret_port);

#endif
