/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people call it. Pure; any thread. */
#ifndef PE_IDENTITY_WORKLOAD_H
#define PE_IDENTITY_WORKLOAD_H

#include <stddef.h>

#include "pe/identity.h"

/* A text that may have to be cut: only between characters, and terminated. */
void pe_identity_copy(char *to, size_t size, const char *from, size_t len);

/* A pod's name without what a controller has generated. */
void pe_workload_of_pod(const char *pod, char ret_workload[PE_IDENTITY_NAME_MAX]);

/* An image without tag and digest. */
void pe_workload_of_image(const char *image, char ret_workload[PE_IDENTITY_NAME_MAX]);

/* What the first rule that matches makes of it, in place. */
void pe_workload_apply(const struct pe_workload_rule *rules, size_t count,
		       char workload[PE_IDENTITY_NAME_MAX]);

#endif
