/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder of bodies that wait for one receiver, a file each, so that they outlive the exporter and
 * a loss of power: each is written aside and synced, then renamed; pe_spool_sync() makes the names
 * last. Its name says nothing of the order.
 *
 * The folder is that of the receiver in the spool's, named after a hash of who it is; the file
 * "target" there says that to a person. It is locked as long as it is open. One thread at a time;
 * all block for the disk.
 */
#ifndef PE_DELIVER_SPOOL_H
#define PE_DELIVER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/strbuf.h"

#include "spool_file.h"

#define PE_SPOOL_TARGET "target"

struct pe_spool;

/* `path`: the spool's folder, which exists; `target`: lines that tell receivers apart, without
 * credentials. Copied. Nothing is opened yet. 0 or -ENOMEM. The caller owns *ret_spool. */
int pe_spool_new(const char *path, const char *target, struct pe_spool **ret_spool);
/* NULL is fine. Returns NULL. */
struct pe_spool *pe_spool_free(struct pe_spool *spool);

/* Opens it, unless it is open. 1; 0 if it was open; -EBUSY if another exporter has it, or another
 * -errno. */
int pe_spool_open(struct pe_spool *spool);
void pe_spool_close(struct pe_spool *spool);

/* Calls `fn` for each file, in no order; a damaged one is removed, and its header is zeroed but for
 * `samples`, 0 if those are unknown. 0 or -errno. */
typedef int (*pe_spool_fn)(uint64_t number, const struct pe_spool_header *header, bool damaged,
			   void *userdata);
int pe_spool_list(struct pe_spool *spool, pe_spool_fn fn, void *userdata);

/* Writes one; length and crc of the header are set here. 0, and its number; or -errno, and nothing
 * is there. */
int pe_spool_write(struct pe_spool *spool, struct pe_spool_header *header,
		   const struct pe_strbuf *data, uint64_t *ret_number);
/* After files were written: 0 or -errno. */
int pe_spool_sync(struct pe_spool *spool);

/* Whether a file of that name is one of a body, and which. */
bool pe_spool_file_number(const char *name, uint64_t *ret_number);

/* Whether such an error says nothing of a file: it can be read later. */
bool pe_spool_is_busy(int error);

/* The body of a file, exactly as large as it is. 0, -ENOMEM, -EBADMSG if it is damaged, or another
 * -errno. */
int pe_spool_read(struct pe_spool *spool, uint64_t number, struct pe_strbuf *ret_data);
void pe_spool_remove(struct pe_spool *spool, uint64_t number);

#endif
