/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The features of real interfaces, read and switched, in a network namespace of this process. Needs
 * root.
 *
 * Linked with --wrap=ioctl, so that a test can be on a kernel that lacks a feature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/btf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/features.h"

#define VETH	"veth0"
#define MACVLAN "macvlan0"
#define GONE	99999
/* macvlan alone can be asked for LRO here; its veth below has none, so it does not come. */
#define ADD_LINKS                                            \
	"ip link add " VETH " type veth peer name veth1 && " \
	"ip link add link veth1 name " MACVLAN " type macvlan"

static struct {
	bool no_gro_hw;	   /* the kernel does not know it */
	int strings_error; /* errno of asking for names */
	unsigned int sets; /* ETHTOOL_SFEATURES */
	unsigned int lookups;
} on_ioctl;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifreq;
	struct ethtool_gstrings *strings;
	uint32_t command;
	va_list ap;
	int r;

	va_start(ap, request);
	ifreq = va_arg(ap, struct ifreq *);
	va_end(ap);
	if (request != SIOCETHTOOL)
		return __real_ioctl(fd, request, ifreq);
	strings = (struct ethtool_gstrings *)ifreq->ifr_data;
	memcpy(&command, strings, sizeof(command));
	on_ioctl.sets += command == ETHTOOL_SFEATURES;
	on_ioctl.lookups += command == ETHTOOL_GSTRINGS;
	if (command == ETHTOOL_GSTRINGS && on_ioctl.strings_error) {
		errno = on_ioctl.strings_error;
		return -1;
	}
	r = __real_ioctl(fd, request, ifreq);
	for (uint32_t i = 0; !r && command == ETHTOOL_GSTRINGS && i < strings->len; i++) {
		char *name = (char *)&strings->data[i * ETH_GSTRING_LEN];

		if (on_ioctl.no_gro_hw && strcmp(name, "rx-gro-hw") == 0)
			memcpy(name, "something", sizeof("something"));
	}
	return r;
}

/* As the kernel says to those who do not know names: an older way, of another code path. */
static bool has_gro(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GGRO };
	struct ifreq request = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(__real_ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
	return value.data;
}

static int index_of(const char *name)
{
	return (int)if_nametoindex(name);
}

static int setup(void **state)
{
	struct pe_features *features;

	memset(&on_ioctl, 0, sizeof(on_ioctl));
	assert_int_equal(system(ADD_LINKS), 0);
	assert_int_equal(pe_features_new(&features), 0);
	*state = features;
	return 0;
}

static int teardown(void **state)
{
	assert_null(pe_features_free(*state));
	return system("ip link del " VETH);
}

static struct pe_feature_state read_state(struct pe_features *features, const char *name)
{
	struct pe_feature_state read;

	assert_int_equal(pe_features_read(features, index_of(name), &read), 0);
	return read;
}

static void test_switch_gro(void **state)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			pe_features_want(*state, index_of(VETH), PE_FEATURE_GRO, PE_FEATURE_GRO),
			0);
		assert_true(has_gro(VETH));
		assert_int_equal(read_state(*state, VETH).active, PE_FEATURE_GRO);
		assert_int_equal(read_state(*state, VETH).wanted, PE_FEATURE_GRO);
		assert_false(has_gro("veth1"));
		assert_int_equal(read_state(*state, "veth1").active, 0);

		assert_int_equal(pe_features_want(*state, index_of(VETH), PE_FEATURE_GRO, 0), 0);
		assert_false(has_gro(VETH));
		assert_int_equal(read_state(*state, VETH).active, 0);
		assert_int_equal(read_state(*state, VETH).wanted, 0);
	}
	/* Names are asked for once. */
	assert_int_equal(on_ioctl.lookups, 1);
}

/* Somebody else's switch. */
static void test_read_gro(void **state)
{
	assert_int_equal(read_state(*state, VETH).active, 0);
	assert_int_equal(system("ethtool -K " VETH " gro on"), 0);
	assert_int_equal(read_state(*state, VETH).active, PE_FEATURE_GRO);
}

/* It is wanted, and the interface cannot have it now: that is what generic XDP takes away. */
static void test_wanted_is_not_active(void **state)
{
	struct pe_feature_state read = read_state(*state, MACVLAN);
	const unsigned int others = read.wanted;

	assert_false(others & PE_FEATURES_LOST);
	assert_int_equal(
		pe_features_want(*state, index_of(MACVLAN), PE_FEATURE_LRO, PE_FEATURE_LRO), 0);
	read = read_state(*state, MACVLAN);
	assert_int_equal(read.wanted, others | PE_FEATURE_LRO);
	assert_false(read.active & PE_FEATURE_LRO);

	/* Not in the mask: it stays. */
	assert_int_equal(pe_features_want(*state, index_of(MACVLAN), PE_FEATURE_GRO, 0), 0);
	assert_int_equal(read_state(*state, MACVLAN).wanted & PE_FEATURES_LOST, PE_FEATURE_LRO);
	assert_int_equal(pe_features_want(*state, index_of(MACVLAN), PE_FEATURES_LOST, 0), 0);
	assert_int_equal(read_state(*state, MACVLAN).wanted & PE_FEATURES_LOST, 0);
}

static void test_gone(void **state)
{
	struct pe_feature_state read = { 55, 66 };
	int ifindex = index_of(MACVLAN);

	assert_int_equal(pe_features_read(*state, GONE, &read), -ENODEV);
	assert_int_equal(pe_features_want(*state, GONE, PE_FEATURE_GRO, 0), -ENODEV);
	assert_int_equal(pe_features_read(*state, ifindex, &read), 0);
	read = (struct pe_feature_state){ 55, 66 };
	assert_int_equal(system("ip link del " MACVLAN), 0);
	assert_int_equal(pe_features_read(*state, ifindex, &read), -ENODEV);
	assert_int_equal(pe_features_want(*state, ifindex, PE_FEATURE_LRO, 0), -ENODEV);
	assert_int_equal(read.active, 55);
	assert_int_equal(read.wanted, 66);
}

/* It cannot be on, and nothing is asked of the kernel for it alone. */
static void test_unknown_feature(void **state)
{
	on_ioctl.no_gro_hw = true;
	assert_int_equal(
		pe_features_want(*state, index_of(VETH), PE_FEATURE_GRO_HW, PE_FEATURE_GRO_HW), 0);
	assert_int_equal(on_ioctl.sets, 0);
	assert_int_equal(pe_features_want(*state, index_of(VETH),
					  PE_FEATURE_GRO | PE_FEATURE_GRO_HW,
					  PE_FEATURE_GRO | PE_FEATURE_GRO_HW),
			 0);
	assert_int_equal(on_ioctl.sets, 1);
	assert_int_equal(read_state(*state, VETH).wanted, PE_FEATURE_GRO);
}

/* Names that could not be had are asked for again. */
static void test_no_names(void **state)
{
	struct pe_feature_state read = { 55, 66 };

	on_ioctl.strings_error = ENOMEM;
	assert_int_equal(pe_features_read(*state, index_of(VETH), &read), -ENOMEM);
	assert_int_equal(pe_features_want(*state, index_of(VETH), PE_FEATURE_GRO, 0), -ENOMEM);
	assert_int_equal(on_ioctl.sets, 0);
	assert_int_equal(read.active, 55);
	on_ioctl.strings_error = 0;
	assert_int_equal(read_state(*state, VETH).wanted, 0);
}

/* The number of a feature, from the types of this kernel: a value of an enum without a name. */
static uint64_t bit_by_type(const char *name)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	uint64_t bit = 0;

	assert_non_null(kernel);
	for (uint32_t id = 1; id < btf__type_cnt(kernel) && !bit; id++) {
		const struct btf_type *type = btf__type_by_id(kernel, id);
		const struct btf_enum *value = btf_enum(type);

		for (unsigned int i = 0; btf_is_enum(type) && i < btf_vlen(type); i++) {
			if (strcmp(btf__name_by_offset(kernel, value[i].name_off), name) == 0)
				bit = (uint64_t)1 << value[i].val;
		}
	}
	btf__free(kernel);
	return bit;
}

static void test_find(void **state)
{
	const uint64_t gro = bit_by_type("NETIF_F_GRO_BIT");

	assert_int_not_equal(gro, 0);
	assert_int_equal(pe_features_find(PE_FEATURE_GRO), gro);
	assert_int_equal(pe_features_find(PE_FEATURE_GRO_HW), bit_by_type("NETIF_F_GRO_HW_BIT"));
	on_ioctl.no_gro_hw = true;
	assert_int_equal(pe_features_find(PE_FEATURE_GRO_HW), 0);
	on_ioctl.strings_error = ENOMEM;
	assert_int_equal(pe_features_find(PE_FEATURE_GRO), 0);
}

/* The interface that names were asked of first has no say in what others have. */
static void test_loopback(void **state)
{
	assert_true(read_state(*state, "lo").active & PE_FEATURE_GRO);
	assert_int_equal(read_state(*state, VETH).active, 0);
	assert_null(pe_features_free(NULL));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_switch_gro),
		test(test_read_gro),
		test(test_wanted_is_not_active),
		test(test_gone),
		test(test_unknown_feature),
		test(test_no_names),
		test(test_loopback),
		test(test_find),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		perror("unshare");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
