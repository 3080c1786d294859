/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel side: loads it, and explains what keeps it from that. */
#include <errno.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/features.h"
#include "pe/log.h"
#include "pe/xdp.h"

#include "modules.h"
#include "privileges.h"

/* A flow that is quiet for this long leaves the kernel's cache; one that never pauses is reported.
 */
#define CACHE_IDLE_NS	PE_NS_PER_S
#define CACHE_ACTIVE_NS (5 * PE_NS_PER_S)

static void explain(int r)
{
	if (r == -EPERM && pe_privileges_lack_memlock())
		pe_error("xdp", "the kernel refuses the memory for BPF maps: before Linux 5.11 it "
				"counts against RLIMIT_MEMLOCK, which only root raises; start with "
				"LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (Docker) or "
				"ulimit -l unlimited");
	else if (r == -EPERM)
		pe_error("xdp", "loading BPF programs is not permitted, although the capabilities "
				"are there: by a seccomp filter, a security module or a user "
				"namespace");
	else if (r == -ENOMEM)
		pe_error("xdp",
			 "the kernel refuses the memory for BPF maps; lower "
			 "--max-interfaces, --flows.cache-size or --flows.ring-size, or raise "
			 "the limit (of the control group; before Linux 5.11 RLIMIT_MEMLOCK)");
	else if (r == -EOPNOTSUPP)
		pe_error("xdp", "the kernel has no BTF (/sys/kernel/btf/vmlinux); Linux 5.10 or "
				"newer with CONFIG_DEBUG_INFO_BTF is needed");
	else if (r < 0)
		pe_error("xdp", "cannot load BPF programs: %s (more with --log.level=debug)",
			 strerror(-r));
}

static int start_kernel(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	const struct pe_xdp_options options = {
		.max_interfaces = o->max_interfaces,
		.rings = o->workers,
		.flows = o->flows,
		.flow_cache = o->flow_cache,
		.ring_size = o->ring_size,
		.active_ns = CACHE_ACTIVE_NS,
		.gro_feature = pe_features_find(PE_FEATURE_GRO),
		.native = o->xdp_mode == PE_XDP_NATIVE,
		.egress = o->egress,
	};
	int r = pe_privileges_check();

	if (r < 0)
		return r;
	r = pe_xdp_open(&options, &s->xdp);
	if (r < 0)
		explain(r);
	else if (o->egress && !pe_xdp_egress(s->xdp))
		pe_warn("xdp", "egress is not counted: the kernel refuses the tracepoint "
			       "net_dev_start_xmit");
	return r;
}

static void stop_kernel(struct supervisor *s)
{
	pe_xdp_close(s->xdp);
}

static void look_after(struct supervisor *s)
{
	pe_xdp_sweep(s->xdp, CACHE_IDLE_NS);
	pe_xdp_follow_cpus(s->xdp);
	pe_xdp_rest(s->xdp);
}

const struct pe_module pe_module_kernel = {
	.name = "kernel side",
	.start = start_kernel,
	.stop = stop_kernel,
	.tick = look_after,
};
