/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Docker writes of a container: config.v2.json. One thread. */
#ifndef PE_IDENTITY_DOCKER_CONFIG_H
#define PE_IDENTITY_DOCKER_CONFIG_H

#include <stddef.h>

#include "pe/identity.h"

/*
 * Who it is, in the words of such a file; `rules` as in struct pe_identities_options. `id` is the
 * container's whole id, which the file must have, too. 0; -EINVAL, -ENOPKG without libjansson or
 * -ENOMEM. The caller owns the one reference.
 */
int pe_docker_config_parse(const char *text, size_t len, const char *id,
			   const struct pe_workload_rule *rules, size_t rule_count,
			   struct pe_identity **ret_identity);

#endif
