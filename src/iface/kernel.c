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
	.spare = pe_xdp_spare,
	.offer = pe_xdp_offer,
	.newcomer = pe_xdp_newcomer,
	.newcomers = pe_xdp_newcomers,
	.dismiss = pe_xdp_dismiss,
	.ignore = pe_xdp_ignore,
	.read_features = pe_features_read,
	.want_features = pe_features_want,
};
