/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side as this folder uses it: slots and hooks (pe/xdp.h), receive offloads
 * (pe/features.h). A table of functions, each as the function of the same name there, so that unit
 * tests can put a kernel of their own in its place and drive the attacher through every transition.
 */
#ifndef PE_IFACE_KERNEL_H
#define PE_IFACE_KERNEL_H

#include "pe/features.h"
#include "pe/xdp.h"

struct pe_kernel_ops {
	/* Slots and their counters. */
	int (*take)(struct pe_xdp *xdp, int ifindex, unsigned int framing, uint32_t *ret_token);
	void (*stop)(struct pe_xdp *xdp, uint32_t token);
	void (*give_back)(struct pe_xdp *xdp, uint32_t token);
	void (*read)(struct pe_xdp *xdp, uint32_t token, struct pe_row *ret_row);
	/* Hooks. */
	bool (*egress)(const struct pe_xdp *xdp);
	int (*count_by)(struct pe_xdp *xdp, uint32_t token, enum pe_xdp_by by,
			unsigned int framing);
	int (*attach)(struct pe_xdp *xdp, int ifindex, bool native, int *ret_fd);
	void (*detach)(int fd);
	bool (*has_tcx)(const struct pe_xdp *xdp);
	int (*attach_tcx)(struct pe_xdp *xdp, uint32_t token, int ifindex, int *ret_fd);
	void (*detach_tcx)(struct pe_xdp *xdp, uint32_t token, int fd);
	bool (*is_attached)(int fd);
	bool (*is_ours)(const struct pe_xdp *xdp, uint32_t id);
	/* Interfaces that are counted before they are known. */
	int (*provision)(struct pe_xdp *xdp, uint32_t *ret_token);
	int (*offer)(struct pe_xdp *xdp, uint32_t token);
	uint32_t (*early)(struct pe_xdp *xdp, int ifindex);
	unsigned int (*list_early)(struct pe_xdp *xdp, int ret_ifindex[PE_EARLY_MAX]);
	void (*withdraw)(struct pe_xdp *xdp, int ifindex, uint32_t token);
	void (*ignore)(struct pe_xdp *xdp, int ifindex, bool ignored);
	/* Receive offloads. */
	int (*read_features)(struct pe_features *features, int ifindex,
			     struct pe_feature_state *ret_state);
	int (*want_features)(struct pe_features *features, int ifindex, unsigned int mask,
			     unsigned int wanted);
};

/* One kernel side, and what its functions are called with. */
struct pe_kernel {
	const struct pe_kernel_ops *ops;
	struct pe_xdp *xdp;
	struct pe_features *features;
};

/* The real one. */
extern const struct pe_kernel_ops pe_kernel_ops;

#endif
