/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Docker's own files, where they may be read. A container's is there before its interface is, and
 * may have gone soon after; so it is read when it appears. One thread.
 */
#ifndef PE_IDENTITY_DOCKER_H
#define PE_IDENTITY_DOCKER_H

#include <stddef.h>

#include "pe/identity.h"

struct pe_docker;

/*
 * Watches a folder with a folder for each container. 0; -ENOENT if there is none, -EACCES if it may
 * not be read, or another -errno. `rules` are borrowed.
 */
int pe_docker_new(const char *folder, const struct pe_workload_rule *rules, size_t rule_count,
		  struct pe_docker **ret_docker);
/* NULL is fine. Returns NULL. */
struct pe_docker *pe_docker_free(struct pe_docker *docker);

/* To be polled for input. */
int pe_docker_fd(const struct pe_docker *docker);

/* Reads what has changed, and calls back for each container that is new, or another than it was.
 * Some 100 µs each. */
void pe_docker_dispatch(struct pe_docker *docker,
			void (*changed)(const char *id, struct pe_identity *identity,
					void *userdata),
			void *userdata);

/* Who a container is, by its whole id: 0 and *ret_identity, borrowed until the next call; or why
 * its file cannot be read. Reads the file, unless that has been done: some 50 µs. */
int pe_docker_find(struct pe_docker *docker, const char *id, struct pe_identity **ret_identity);

#endif
