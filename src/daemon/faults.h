/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What interfaces themselves dropped and found faulty, for the registry. Any thread: the kernel's
 * list is read and handed over by one at a time.
 */
#ifndef PE_DAEMON_FAULTS_H
#define PE_DAEMON_FAULTS_H

#include "pe/registry.h"

struct pe_snapshot_faults;

/* 0 or -ENOMEM. */
int pe_snapshot_faults_new(struct pe_snapshot_faults **ret_faults);
/* NULL is fine. Returns NULL. */
struct pe_snapshot_faults *pe_snapshot_faults_free(struct pe_snapshot_faults *faults);

/* Reads them into the registry, which keeps what it had where that fails. Blocks for the list: see
 * pe_fault_reader_read(). */
void pe_snapshot_faults_read(struct pe_snapshot_faults *faults, struct pe_registry *registry);

#endif
