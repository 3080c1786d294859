/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds frames, header by header, for the tests of the BPF programs. */
#ifndef PE_TEST_FRAMES_H
#define PE_TEST_FRAMES_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdint.h>
#include <string.h>

struct frame {
	unsigned char data[4096];
	size_t len;
};

static inline void frame_add(struct frame *f, const void *data, size_t len)
{
	memcpy(f->data + f->len, data, len);
	f->len += len;
}

static inline void frame_fill(struct frame *f, size_t until)
{
	while (f->len < until)
		f->data[f->len++] = 0;
}

static inline void frame_u16(struct frame *f, unsigned int value)
{
	unsigned char b[2] = { (unsigned char)(value >> 8), (unsigned char)value };

	frame_add(f, b, 2);
}

static inline void frame_eth(struct frame *f, unsigned int ethertype)
{
	static const unsigned char macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	f->len = 0;
	frame_add(f, macs, sizeof(macs));
	frame_u16(f, ethertype);
}

/* A tag behind an Ethernet type of 0x8100 or 0x88a8; `next` is what follows. */
static inline void frame_vlan(struct frame *f, unsigned int id, unsigned int next)
{
	frame_u16(f, id);
	frame_u16(f, next);
}

/* 10.0.0.1 → 10.0.0.2; `payload` is what the header says follows it. */
static inline void frame_ipv4(struct frame *f, unsigned int protocol, unsigned int options,
			      unsigned int fragment, unsigned int payload)
{
	unsigned char ip[60] = { 0 };

	ip[0] = (unsigned char)(0x40 | (5 + options / 4));
	*(uint16_t *)&ip[2] = htons((uint16_t)(20 + options + payload));
	*(uint16_t *)&ip[6] = htons((uint16_t)fragment);
	ip[8] = 64;
	ip[9] = (unsigned char)protocol;
	memcpy(&ip[12], "\x0a\0\0\1\x0a\0\0\2", 8);
	memset(&ip[20], 1 /* no operation */, options);
	frame_add(f, ip, 20 + options);
}

/* fd00::1 → fd00::2 */
static inline void frame_ipv6(struct frame *f, unsigned int next, unsigned int payload)
{
	unsigned char ip[40] = { 0x60 };

	*(uint16_t *)&ip[4] = htons((uint16_t)payload);
	ip[6] = (unsigned char)next;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
	frame_add(f, ip, sizeof(ip));
}

/* An extension header of (1 + words) * 8 bytes. */
static inline void frame_extension(struct frame *f, unsigned int next, unsigned int words)
{
	unsigned char header[2] = { (unsigned char)next, (unsigned char)words };
	size_t start = f->len;

	frame_add(f, header, sizeof(header));
	frame_fill(f, start + (1 + words) * 8);
}

static inline void frame_fragment(struct frame *f, unsigned int next, unsigned int field)
{
	unsigned char header[2] = { (unsigned char)next, 0 };

	frame_add(f, header, sizeof(header));
	frame_u16(f, field);
	frame_add(f, "abcd", 4);
}

static inline void frame_udp(struct frame *f, unsigned int payload)
{
	frame_u16(f, 4000);
	frame_u16(f, 53);
	frame_u16(f, 8 + payload);
	frame_u16(f, 0);
	frame_fill(f, f->len + payload);
}

static inline void frame_tcp(struct frame *f, unsigned int flags)
{
	unsigned char rest[16] = { 0 };

	frame_u16(f, 40000);
	frame_u16(f, 443);
	rest[8] = 0x50;
	rest[9] = (unsigned char)flags;
	frame_add(f, rest, sizeof(rest));
}

#endif
