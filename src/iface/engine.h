/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of this folder lend each other: pointers, set once. Each part keeps its state to
 * itself.
 */
#ifndef PE_IFACE_ENGINE_H
#define PE_IFACE_ENGINE_H

#include "pe/interfaces.h"

#include "attacher.h"
#include "auditor.h"
#include "kernel.h"
#include "maintenance.h"
#include "early.h"
#include "records.h"

struct pe_engine {
	const struct pe_interfaces_options *options;
	const struct pe_kernel *kernel;
	struct pe_monitor *monitor;
	struct pe_records *records;
	struct pe_attacher *attacher;
	struct pe_auditor *auditor;
	struct pe_maintenance *maintenance;
};

/* As pe_interfaces_new(), on a kernel side of the caller's: for tests. */
int pe_interfaces_new_on(const struct pe_interfaces_options *options,
			 const struct pe_kernel *kernel, struct pe_interfaces **ret_interfaces);

/* Its parts: for tests. */
const struct pe_engine *pe_interfaces_engine(const struct pe_interfaces *interfaces);

#endif
