/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kernel.h. */
#include "kernel.h"

const struct pe_kernel_ops pe_kernel_ops = {
	.take = pe_xdp_take,
	.stop = pe_xdp_stop,
	.give_back = pe_xdp_give_back,
	.read = pe_xdp_read,
	.egress = pe_xdp_egress,
	.count_by = pe_xdp_count_by,
	.attach = pe_xdp_attach,
	.detach = pe_xdp_detach,
	.has_tcx = pe_xdp_has_tcx,
	.attach_tcx = pe_xdp_attach_tcx,
	.detach_tcx = pe_xdp_detach_tcx,
	.is_attached = pe_xdp_is_attached,
	.is_ours = pe_xdp_is_ours,
	.provision = pe_xdp_provision,
	.offer = pe_xdp_offer,
	.early = pe_xdp_early,
	.list_early = pe_xdp_list_early,
	.withdraw = pe_xdp_withdraw,
	.ignore = pe_xdp_ignore,
	.read_features = pe_features_read,
	.want_features = pe_features_want,
};
