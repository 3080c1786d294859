/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and images of Podman's containers, from the list that it keeps of them. It is there before
 * a container's interface is. One thread.
 */
#ifndef PE_IDENTITY_PODMAN_H
#define PE_IDENTITY_PODMAN_H

#include <stddef.h>

#include "pe/identity.h"

/* Terminated, "" for what is unknown. */
struct pe_podman_name {
	char container[PE_IDENTITY_NAME_MAX];
	char image[PE_IDENTITY_NAME_MAX]; /* as it was started with it, tag included */
};

/* Of the container with this whole id, in the folder where the lists are. 0; -ENOENT if it is in
 * none of them, or why one could not be read. Reads all of it: some 10 µs for each container that
 * there is. */
int pe_podman_find(int folder, const char *id, struct pe_podman_name *ret_name);

/* Likewise in the text of such a list. 0; -ENOENT if it is not there, -ENOPKG without libjansson,
 * -EINVAL. */
int pe_podman_parse(const char *text, size_t len, const char *id, struct pe_podman_name *ret_name);

#endif
