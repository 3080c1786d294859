/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the file descriptors that the process can open are shared out. */
#ifndef PE_DAEMON_FILES_H
#define PE_DAEMON_FILES_H

#include "pe/options.h"

struct pe_file_shares {
	unsigned int links;	  /* one descriptor an interface */
	unsigned int connections; /* one each */
};

/*
 * Raises the limit of open files as far as it can be. If the options want more than that, the
 * server gets half at most, and some are for ourselves, among them `extra` of the server's own.
 * One thread.
 */
void pe_files_share(const struct pe_options *options, unsigned int extra,
		    struct pe_file_shares *ret_shares);

#endif
