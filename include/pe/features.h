/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The features of network interfaces that attaching generic XDP switches off: GRO, which stays
 * switched on by name and no longer merges, and receive offloads, which stay off for good
 * (generic_xdp_install() in net/core/dev.c). As `ethtool -k` shows them; see
 * Documentation/networking/netdev-features.rst. Not thread-safe; the supervisor's thread.
 */
#ifndef PE_FEATURES_H
#define PE_FEATURES_H

#include <stdint.h>

struct pe_features;

#define PE_FEATURE_GRO	  1u /* rx-gro: merges received packets in software */
#define PE_FEATURE_GRO_HW 2u /* rx-gro-hw: the card or the hypervisor does */
#define PE_FEATURE_LRO	  4u /* rx-lro: likewise, without the way back */
/* What attaching generic XDP switches off, and nothing switches on again. */
#define PE_FEATURES_LOST (PE_FEATURE_GRO_HW | PE_FEATURE_LRO)

struct pe_feature_state {
	unsigned int active; /* PE_FEATURE_*: in force */
	unsigned int wanted; /* asked for, whether the interface can have it now or not */
};

/* Opens a socket. 0 or -errno; the caller owns *ret_features. Does not block. */
int pe_features_new(struct pe_features **ret_features);

/* NULL is fine. Returns NULL. */
struct pe_features *pe_features_free(struct pe_features *features);

/*
 * The bit of one feature, PE_FEATURE_*, where the kernel keeps those of an interface
 * (net_device.features); 0 in a kernel without it, or that does not say. Some µs. Any thread.
 */
uint64_t pe_features_find(unsigned int feature);

/*
 * The state of an interface (ETHTOOL_GFEATURES). Some µs, and the kernel's lock of all interfaces.
 * 0, -ENODEV if it has gone, or another -errno; *ret_state is untouched on error.
 */
int pe_features_read(struct pe_features *features, int ifindex, struct pe_feature_state *ret_state);

/*
 * Asks for the features in `wanted`, and no longer for the others in `mask` (ETHTOOL_SFEATURES;
 * needs CAP_NET_ADMIN). 0 or -errno as above. As long as the driver needs; some restart their
 * queues.
 */
int pe_features_want(struct pe_features *features, int ifindex, unsigned int mask,
		     unsigned int wanted);

#endif
