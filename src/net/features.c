/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pe/features.h. Features are bits whose numbers differ from kernel to kernel; the kernel lists
 * their names, the same for every interface, and they are looked up once.
 */
#include "pe/features.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/cleanup.h"

/* Blocks of 32 features; the kernel has 2. */
#define BLOCKS	 4
#define FEATURES 3
#define UNKNOWN	 (-1)
/* In every network namespace the first interface is lo. */
#define LOOPBACK_IFINDEX 1

static const char *const names[FEATURES] = { "rx-gro", "rx-gro-hw", "rx-lro" };

struct pe_features {
	int fd;
	bool has_bits;
	uint32_t blocks;
	int bit[FEATURES]; /* UNKNOWN if the kernel has no such feature */
};

int pe_features_new(struct pe_features **ret_features)
{
	struct pe_features *features = calloc(1, sizeof(*features));

	if (!features)
		return -ENOMEM;
	features->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* A host without IPv4 has this one. */
	if (features->fd < 0)
		features->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (features->fd < 0) {
		free(features);
		return -errno;
	}
	*ret_features = features;
	return 0;
}

struct pe_features *pe_features_free(struct pe_features *features)
{
	if (features)
		close(features->fd);
	free(features);
	return NULL;
}

static int call(const struct pe_features *features, int ifindex, void *data)
{
	struct ifreq request = { .ifr_data = data };

	if (!if_indextoname((unsigned int)ifindex, request.ifr_name))
		return errno == ENXIO ? -ENODEV : -errno;
	return ioctl(features->fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static int count_strings(const struct pe_features *features, int ifindex, uint32_t *ret_count)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} sets = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	int r = call(features, ifindex, &sets);

	if (r < 0)
		return r;
	if (!sets.info.sset_mask || sets.count > BLOCKS * 32)
		return -EOPNOTSUPP;
	*ret_count = sets.count;
	return 0;
}

static int look_up_bits(struct pe_features *features, int ifindex)
{
	_cleanup_free_ struct ethtool_gstrings *strings = NULL;
	uint32_t count = 0;
	int r;

	if (features->has_bits)
		return 0;
	r = count_strings(features, ifindex, &count);
	if (r < 0)
		return r;
	strings = calloc(1, sizeof(*strings) + (size_t)count * ETH_GSTRING_LEN);
	if (!strings)
		return -ENOMEM;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = count;
	r = call(features, ifindex, strings);
	if (r < 0)
		return r;
	for (int i = 0; i < FEATURES; i++) {
		features->bit[i] = UNKNOWN;
		for (uint32_t bit = 0; bit < count; bit++) {
			const char *name = (const char *)&strings->data[bit * ETH_GSTRING_LEN];

			if (strncmp(name, names[i], ETH_GSTRING_LEN) == 0)
				features->bit[i] = (int)bit;
		}
	}
	features->blocks = (count + 31) / 32;
	features->has_bits = true;
	return 0;
}

uint64_t pe_features_find(unsigned int feature)
{
	struct pe_features *features;
	uint64_t found = 0;

	if (pe_features_new(&features) < 0)
		return 0;
	if (look_up_bits(features, LOOPBACK_IFINDEX) == 0) {
		const int bit = features->bit[__builtin_ctz(feature)];

		found = bit == UNKNOWN || bit >= 64 ? 0 : (uint64_t)1 << bit;
	}
	pe_features_free(features);
	return found;
}

int pe_features_read(struct pe_features *features, int ifindex, struct pe_feature_state *ret_state)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[BLOCKS];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = BLOCKS } };
	struct pe_feature_state state = { 0 };
	int r = look_up_bits(features, ifindex);

	if (!r)
		r = call(features, ifindex, &get);
	if (r < 0)
		return r;
	for (int i = 0; i < FEATURES; i++) {
		const int bit = features->bit[i];

		if (bit == UNKNOWN)
			continue;
		state.active |= (get.block[bit / 32].active >> bit % 32 & 1) << i;
		state.wanted |= (get.block[bit / 32].requested >> bit % 32 & 1) << i;
	}
	*ret_state = state;
	return 0;
}

int pe_features_want(struct pe_features *features, int ifindex, unsigned int mask,
		     unsigned int wanted)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[BLOCKS];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES } };
	bool any = false;
	int r = look_up_bits(features, ifindex);

	if (r < 0)
		return r;
	for (int i = 0; i < FEATURES; i++) {
		const int bit = features->bit[i];

		if (bit == UNKNOWN || !(mask >> i & 1))
			continue;
		set.block[bit / 32].valid |= 1u << bit % 32;
		set.block[bit / 32].requested |= (wanted >> i & 1) << bit % 32;
		any = true;
	}
	/* The kernel takes exactly as many blocks as it has. */
	set.head.size = features->blocks;
	return any ? call(features, ifindex, &set) : 0;
}
