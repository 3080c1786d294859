/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pe_remote_cut() for bodies of OTLP. */
#ifndef PE_EXPOSE_OTLP_CUT_H
#define PE_EXPOSE_OTLP_CUT_H

#include "pe/remote.h"

/* More than the largest body that there is: 1,000,000 samples. */
#define PE_REMOTE_PLAIN_MAX ((size_t)1 << 30)

int pe_otlp_cut(const struct pe_remote_batch *batch, size_t max_samples, pe_remote_take take,
		void *userdata);

#endif
