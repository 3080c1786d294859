/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why this kernel drops packets, as its BTF says: the values of enum skb_drop_reason and of the
 * enums of its subsystems. Pure; any thread.
 */
#ifndef PE_XDP_REASONS_H
#define PE_XDP_REASONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/abi_drops.h"

#define PE_REASON_MAX  40  /* bytes of a name with its terminator; a longer one is cut */
#define PE_REASONS_MAX 512 /* more are `other` */

struct btf;

struct pe_reason {
	uint16_t code; /* PE_DROP_CODE() */
	char name[PE_REASON_MAX];
};

struct pe_reasons {
	bool has_reasons; /* the tracepoint has them */
	bool has_sockets; /* and the socket */
	uint32_t first;	  /* reasons before it are no drops */
	uint32_t named;	  /* a bit for each subsystem whose reasons have names */
	struct pe_reason reason[PE_REASONS_MAX];
	size_t count;
};

/* 0, or -EOPNOTSUPP if there is no such tracepoint. */
int pe_reasons_read(const struct btf *kernel, struct pe_reasons *ret_reasons);

/* NULL if there is none. Borrowed. */
const char *pe_reasons_name(const struct pe_reasons *reasons, unsigned int code);

/* Calls back for the codes of those that most hosts meet, so that they have a place. */
void pe_reasons_list_usual(const struct pe_reasons *reasons,
			   void (*each)(unsigned int code, void *userdata), void *userdata);

#endif
