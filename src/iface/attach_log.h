/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is logged of interfaces that cannot be attached to: the first of each kind of failure, then
 * only how many more. The supervisor's thread.
 */
#ifndef PE_ATTACH_LOG_H
#define PE_ATTACH_LOG_H

#include "pe/log.h"

#include "record.h"

/* Failures of one kind are logged one by one only until there are many. */
struct pe_attach_log_group {
	uint64_t until_ns; /* of the monotonic clock: the group gathers */
	unsigned int more;
};

/* All zero: nothing was logged. */
struct pe_attach_log {
	struct pe_attach_log_group group[PE_ATTACH_ERRORS];
	struct pe_log_once no_slot;
	struct pe_log_once no_files;
	struct pe_log_once hardware;
};

/* `links` are attached, `max_interfaces` could have a slot. */
void pe_attach_log_failure(struct pe_attach_log *log, const struct pe_iface *iface, int error,
			   unsigned int links, unsigned int max_interfaces);

/* What is counted of hardware, the first time that there is some. */
void pe_attach_log_hardware(struct pe_attach_log *log, const struct pe_iface *iface);

/* How many failures there were beyond those that were logged. To be called each second. */
void pe_attach_log_more(struct pe_attach_log *log);

/* How ingress is counted instead, to end a message with. */
const char *pe_attach_log_consequence(const struct pe_attachment *attachment);

#endif
