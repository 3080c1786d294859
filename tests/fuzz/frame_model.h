/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame must be counted as: the second parser of frames, written from include/pe/abi.h, the
 * README and the RFCs, not from bpf/. It reads byte by byte and notes how far it had to look.
 */
#ifndef PE_FUZZ_FRAME_MODEL_H
#define PE_FUZZ_FRAME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pe/flow.h"

struct seen {
	unsigned int class;
	bool flow;		/* the addresses are known */
	struct pe_flow_key key; /* without slot and tag */
	bool ipv6;
	unsigned int tcp_flags;
	bool vlan, fragment, truncated;
	size_t deepest; /* how many bytes had to be there */
};

struct reader {
	const uint8_t *data;
	size_t size, at;
	struct seen *seen;
};

/* The next bytes, or NULL if the frame ends before: then it is truncated. */
static inline const uint8_t *reader_take(struct reader *reader, size_t count)
{
	const uint8_t *bytes = reader->data + reader->at;

	if (reader->at + count > reader->seen->deepest)
		reader->seen->deepest = reader->at + count;
	if (reader->at + count > reader->size) {
		reader->seen->truncated = true;
		return NULL;
	}
	reader->at += count;
	return bytes;
}

static inline unsigned int be16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static inline unsigned int model_protocol(unsigned int number)
{
	static const struct {
		unsigned int number, protocol;
	} known[] = {
		{ 1, PE_PROTO_ICMP },	 { 2, PE_PROTO_IGMP },	 { 4, PE_PROTO_IPIP },
		{ 6, PE_PROTO_TCP },	 { 17, PE_PROTO_UDP },	 { 41, PE_PROTO_IPV6 },
		{ 47, PE_PROTO_GRE },	 { 50, PE_PROTO_ESP },	 { 51, PE_PROTO_AH },
		{ 58, PE_PROTO_ICMPV6 }, { 132, PE_PROTO_SCTP },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number == number)
			return known[i].protocol;
	}
	return PE_PROTO_OTHER;
}

/* Ports, or type and code, and the flags: where the protocol has them. */
static inline void model_transport(struct reader *reader, unsigned int number)
{
	struct pe_flow_key *key = &reader->seen->key;
	const uint8_t *at;

	switch (number) {
	case 6:
		/* Up to its flags a segment has to be there. */
		at = reader_take(reader, 14);
		if (at)
			reader->seen->tcp_flags = at[13];
		break;
	case 17:  /* UDP */
	case 33:  /* DCCP */
	case 132: /* SCTP */
	case 136: /* UDP-Lite */
		at = reader_take(reader, 4);
		break;
	case 1:
	case 58:
		at = reader_take(reader, 2);
		if (at)
			memcpy(&key->sport, at, 2);
		return;
	default:
		return;
	}
	if (at) {
		memcpy(&key->sport, at, 2);
		memcpy(&key->dport, at + 2, 2);
	}
}

static inline void model_set_protocol(struct seen *seen, unsigned int number)
{
	seen->key.ip_proto = (uint8_t)number;
	seen->class = (seen->ipv6 ? PE_CLASS_IPV6 : PE_CLASS_IPV4) + model_protocol(number);
}

/* RFC 791 */
static inline void model_ipv4(struct reader *reader)
{
	struct seen *seen = reader->seen;
	const uint8_t *ip;
	size_t start = reader->at;
	unsigned int fragment;

	seen->class = PE_CLASS_IPV4 + PE_PROTO_OTHER;
	ip = reader_take(reader, 20);
	if (!ip || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return;
	model_set_protocol(seen, ip[9]);
	seen->flow = true;
	memcpy(seen->key.saddr, ip + 12, 4);
	memcpy(seen->key.daddr, ip + 16, 4);
	fragment = be16(ip + 6);
	seen->fragment = (fragment & 0x2000) || (fragment & 0x1fff);
	if (fragment & 0x1fff)
		return;
	reader->at = start + (ip[0] & 15) * 4u;
	model_transport(reader, ip[9]);
}

/* RFC 8200; at most six extension headers are followed. */
static inline void model_ipv6(struct reader *reader)
{
	struct seen *seen = reader->seen;
	const uint8_t *ip, *extension;
	unsigned int next, count;

	seen->class = PE_CLASS_IPV6 + PE_PROTO_OTHER;
	seen->ipv6 = true;
	ip = reader_take(reader, 40);
	if (!ip || ip[0] >> 4 != 6)
		return;
	seen->flow = true;
	memcpy(seen->key.saddr, ip + 8, 16);
	memcpy(seen->key.daddr, ip + 24, 16);
	next = ip[6];
	for (count = 0; count < 6; count++) {
		bool is_fragment = next == 44;

		if (next != 0 && next != 43 && next != 60 && !is_fragment)
			break;
		extension = reader_take(reader, 8);
		if (!extension)
			return;
		next = extension[0];
		if (!is_fragment) {
			reader->at += extension[1] * 8u;
			continue;
		}
		/* Without offset and more to come it is whole (RFC 6946). */
		if (be16(extension + 2) & 0xfff9)
			seen->fragment = true;
		if (be16(extension + 2) >> 3) {
			model_set_protocol(seen, next);
			return;
		}
	}
	model_set_protocol(seen, next);
	model_transport(reader, next);
}

/* The Ethernet type behind up to two tags, or what the first nibble says. -1 if cut short. */
static inline int model_type(struct reader *reader, bool ethernet)
{
	const uint8_t *at = reader_take(reader, ethernet ? 14 : 1);
	unsigned int type, tags = 0;

	if (!at)
		return -1;
	if (!ethernet) {
		reader->at = 0;
		return at[0] >> 4 == 4 ? 0x0800 : at[0] >> 4 == 6 ? 0x86dd : 0;
	}
	type = be16(at + 12);
	while (tags++ < 2 && (type == 0x8100 || type == 0x88a8 || type == 0x9100)) {
		reader->seen->vlan = true;
		at = reader_take(reader, 4);
		if (!at)
			return -1;
		type = be16(at + 2);
	}
	return (int)type;
}

static inline struct seen model_parse(const uint8_t *data, size_t size, bool ethernet)
{
	struct seen seen = { .class = PE_CLASS_OTHER };
	struct reader reader = { data, size, 0, &seen };

	switch (model_type(&reader, ethernet)) {
	case 0x0800:
		model_ipv4(&reader);
		break;
	case 0x86dd:
		model_ipv6(&reader);
		break;
	case 0x0806:
		seen.class = PE_CLASS_ARP;
		break;
	default:
		break;
	}
	return seen;
}

/* Counts it in a row as the exporter has to. */
static inline void model_count(struct pe_row *row, const struct seen *seen, size_t length)
{
	unsigned int bucket = 0;

	row->class[seen->class].packets++;
	row->class[seen->class].bytes += length;
	while (bucket < PE_SIZE_BUCKETS - 1 && length > (size_t)64 << bucket)
		bucket++;
	row->size[bucket]++;
	row->vlan += seen->vlan;
	row->fragments += seen->fragment;
	row->truncated += seen->truncated;
	row->tcp[PE_TCP_SYN] += (seen->tcp_flags & 0x12) == 0x02;
	row->tcp[PE_TCP_SYNACK] += (seen->tcp_flags & 0x12) == 0x12;
	row->tcp[PE_TCP_FIN] += seen->tcp_flags & 0x01;
	row->tcp[PE_TCP_RST] += seen->tcp_flags >> 2 & 0x01;
}

#endif
