/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See spool_file.h. */
#include "spool_file.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define VERSION 1

static const char magic[8] = "pe-spool";

enum { ENDS = 1, BEGINS = 2, UNANSWERED = 4, FLAGS = 7 };

/* Where a field is. */
enum {
	AT_VERSION = 8,
	AT_FORMAT = 12,
	AT_TIME = 16,
	AT_RUN = 24,
	AT_STATE = 32,
	AT_SAMPLES = 40,
	AT_LENGTH = 48,
	AT_FLAGS = 56,
	AT_BODY_CRC = 60,
	AT_ZERO = 64,
	AT_CRC = 68,
};

static uint32_t table[256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
		table[i] = crc;
	}
}

uint32_t pe_crc32c(uint32_t crc, const void *data, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_table);
	crc = ~crc;
	for (const uint8_t *p = data; len > 0; p++, len--)
		crc = crc >> 8 ^ table[(crc ^ *p) & 0xff];
	return ~crc;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

void pe_spool_header_write(const struct pe_spool_header *header,
			   uint8_t ret_bytes[static PE_SPOOL_HEADER_BYTES])
{
	memset(ret_bytes, 0, PE_SPOOL_HEADER_BYTES);
	memcpy(ret_bytes, magic, sizeof(magic));
	put32(ret_bytes + AT_VERSION, VERSION);
	put32(ret_bytes + AT_FORMAT, (uint32_t)header->format);
	put64(ret_bytes + AT_TIME, header->time_ns);
	put64(ret_bytes + AT_RUN, header->run);
	put64(ret_bytes + AT_STATE, header->state);
	put64(ret_bytes + AT_SAMPLES, header->samples);
	put64(ret_bytes + AT_LENGTH, header->length);
	put32(ret_bytes + AT_FLAGS, (header->ends ? ENDS : 0u) | (header->begins ? BEGINS : 0u) |
					    (header->unanswered ? UNANSWERED : 0u));
	put32(ret_bytes + AT_BODY_CRC, header->crc);
	put32(ret_bytes + AT_CRC, pe_crc32c(0, ret_bytes, AT_CRC));
}

int pe_spool_header_read(const uint8_t bytes[static PE_SPOOL_HEADER_BYTES],
			 struct pe_spool_header *ret_header)
{
	const uint32_t flags = get32(bytes + AT_FLAGS), format = get32(bytes + AT_FORMAT);

	if (memcmp(bytes, magic, sizeof(magic)) != 0 || get32(bytes + AT_VERSION) != VERSION ||
	    get32(bytes + AT_CRC) != pe_crc32c(0, bytes, AT_CRC) || (flags & ~(uint32_t)FLAGS) ||
	    format > PE_REMOTE_OTLP || get32(bytes + AT_ZERO))
		return -EBADMSG;
	*ret_header = (struct pe_spool_header){
		.format = (enum pe_remote_format)format,
		.time_ns = get64(bytes + AT_TIME),
		.run = get64(bytes + AT_RUN),
		.state = get64(bytes + AT_STATE),
		.samples = get64(bytes + AT_SAMPLES),
		.length = get64(bytes + AT_LENGTH),
		.ends = flags & ENDS,
		.begins = flags & BEGINS,
		.unanswered = flags & UNANSWERED,
		.crc = get32(bytes + AT_BODY_CRC),
	};
	return 0;
}
