/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ticks.h. */
#include "ticks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "pe/clock.h"

#include "object.h"

#include "packet_exporter.skel.h"

int pe_xdp_calibrate(struct pe_xdp *xdp)
{
	struct pe_sweep none = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &none, .ctx_size_in = sizeof(none));
	int r = bpf_prog_test_run_opts(bpf_program__fd(xdp->skel->progs.pe_now), &opts);

	if (r < 0)
		return r;
	xdp->epoch_ns = pe_clock_monotonic_ns();
	xdp->epoch_jiffies = opts.retval;
	return 0;
}

/* Jiffies advance with the monotonic clock, so one reading at the start is enough. */
uint32_t pe_xdp_now(const struct pe_xdp *xdp)
{
	uint64_t ns = pe_clock_monotonic_ns() - xdp->epoch_ns;

	return xdp->epoch_jiffies + (uint32_t)(ns / xdp->tick_ns);
}
