/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of a file of the spool: a header of fixed size, then the body. Numbers are
 * little-endian. Nothing of a file is believed before its checksums (CRC-32C) are. Pure; any
 * thread.
 */
#ifndef PE_DELIVER_SPOOL_FILE_H
#define PE_DELIVER_SPOOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/remote.h"

#define PE_SPOOL_HEADER_BYTES 72

struct pe_spool_header {
	enum pe_remote_format format;
	uint64_t time_ns;    /* wall clock: of the samples */
	uint64_t run, state; /* which exporter encoded it, and the number of the state there */
	uint64_t samples;
	uint64_t length; /* of the body */
	bool ends, begins, unanswered;
	uint32_t crc; /* of the body */
};

/* Of `data` behind what `crc` is of; 0 at the start. */
uint32_t pe_crc32c(uint32_t crc, const void *data, size_t len);

void pe_spool_header_write(const struct pe_spool_header *header,
			   uint8_t ret_bytes[static PE_SPOOL_HEADER_BYTES]);

/* 0, or -EBADMSG if it is no header. */
int pe_spool_header_read(const uint8_t bytes[static PE_SPOOL_HEADER_BYTES],
			 struct pe_spool_header *ret_header);

#endif
