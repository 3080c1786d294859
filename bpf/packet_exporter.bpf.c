/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that runs in the kernel, as one object: ingress (XDP), egress (tracepoint), sweep.
 */
#include "ingress.h"
#include "egress.h"
#include "sweep.h"

char _license[] SEC("license") = "GPL";
