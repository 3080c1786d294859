/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that runs in the kernel, as one object: ingress (XDP, TCX), tracepoints, sweep.
 */
#include "ingress.h"
#include "tcx.h"
#include "tracepoints.h"
#include "sweep.h"

char _license[] SEC("license") = "GPL";
