/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor: the one place that knows all modules and wires them together.
 *
 *   link monitor → interfaces (attach policy) → BPF object, registry
 *                      └→ identities (whose a veth is) ──→ registry
 *   rings → workers → shards ┐
 *   counters ────────────────┴→ registry → snapshot → encoder → HTTP server, push sink
 */
#ifndef PE_SUPERVISOR_H
#define PE_SUPERVISOR_H

#include "pe/options.h"

/*
 * Runs the exporter until SIGTERM or SIGINT, then stops it: last counters, last push, everything
 * detached. Errors at the start are logged with what to do about them. Blocks the whole time, in
 * the calling thread. 0 or -errno.
 */
int pe_supervisor_run(const struct pe_options *options);

#endif
