/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See files.h. */
#include "files.h"

#include <sys/resource.h>

#include "pe/log.h"

#define OWN_FILES    64
#define WORKER_FILES 3

void pe_files_share(const struct pe_options *options, unsigned int extra,
		    struct pe_file_shares *ret_shares)
{
	const rlim_t own = OWN_FILES + WORKER_FILES * options->workers;
	struct rlimit files;
	rlim_t half, rest;

	ret_shares->links = options->max_interfaces;
	ret_shares->connections = options->web_max_connections;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	half = files.rlim_cur / 2;
	if (ret_shares->connections + extra > half)
		ret_shares->connections = half > extra ? (unsigned int)(half - extra) : 1;
	rest = own + extra + ret_shares->connections;
	rest = files.rlim_cur > rest ? files.rlim_cur - rest : 0;
	if (ret_shares->links > rest)
		ret_shares->links = (unsigned int)rest;
	if (ret_shares->connections < options->web_max_connections)
		pe_warn("web",
			"%u connections are served at the same time, not %u: the limit of "
			"open files is %llu",
			ret_shares->connections, options->web_max_connections,
			(unsigned long long)files.rlim_cur);
}
