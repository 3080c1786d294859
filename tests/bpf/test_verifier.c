/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much the verifier has to look at until the programs are loaded: the time of a start is mostly
 * that. A branch in the wrong place multiplies it, and nothing else shows it. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "pe/clock.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "dns.skel.h"
#include "dns_plain.skel.h"
#include "identity.skel.h"
#include "packet_exporter.skel.h"
#include "tcp.skel.h"

/* The largest has 30,300 on Linux 6.18. A kernel's verifier may get worse, but not by so much. */
#define INSTRUCTIONS_MAX 40000

/* Checks all programs of an object that is loaded. False if the kernel does not say. */
static bool check_object(const struct bpf_object *object)
{
	const struct bpf_program *program;
	unsigned int reported = 0;

	for (program = bpf_object__next_program(object, NULL); program;
	     program = bpf_object__next_program(object, (struct bpf_program *)program)) {
		struct bpf_prog_info info = { 0 };
		__u32 size = sizeof(info);

		if (bpf_program__fd(program) < 0)
			continue;
		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
		reported += info.verified_insns > 0;
		if (info.verified_insns >= INSTRUCTIONS_MAX)
			fail_msg("%s: %u instructions", bpf_program__name(program),
				 info.verified_insns);
	}
	return reported > 0;
}

static void check_dns(bool plain)
{
	struct dns_bpf *usual = NULL;
	struct dns_plain_bpf *old = NULL;

	if (plain)
		old = dns_plain_bpf__open_and_load();
	else
		usual = dns_bpf__open_and_load();
	assert_true(usual || old);
	check_object(usual ? usual->obj : old->obj);
	dns_bpf__destroy(usual);
	dns_plain_bpf__destroy(old);
}

static void check(bool plain)
{
	const struct pe_xdp_options options = {
		.max_interfaces = 16,
		.rings = 1,
		.flows = true,
		.flow_cache = 1024,
		.ring_size = 1 << 16,
		.active_ns = 60 * PE_NS_PER_S,
		.native = true,
		.egress = true,
		.plain = plain,
	};
	struct pe_xdp *xdp;
	bool reported;

	assert_int_equal(pe_xdp_open(&options, &xdp), 0);
	reported = check_object(xdp->skel->obj);
	check_dns(!(xdp->features & FEATURE_CASTS));
	pe_xdp_close(xdp);
	if (!reported)
		skip(); /* before Linux 5.16 it does not say */
}

static void test_usual(void **state)
{
	(void)state;
	check(false);
}

static void test_plain(void **state)
{
	(void)state;
	check(true);
}

static void test_identity(void **state)
{
	struct identity_bpf *skel = identity_bpf__open_and_load();
	bool reported;

	(void)state;
	assert_non_null(skel);
	reported = check_object(skel->obj);
	identity_bpf__destroy(skel);
	if (!reported)
		skip();
}

static void test_tcp(void **state)
{
	struct tcp_bpf *skel = tcp_bpf__open();
	bool reported;

	(void)state;
	assert_non_null(skel);
	skel->rodata->pe_listen_overflows = 1;
	skel->rodata->pe_cpus = PE_TCP_CPUS_MAX;
	assert_int_equal(tcp_bpf__load(skel), 0);
	reported = check_object(skel->obj);
	tcp_bpf__destroy(skel);
	if (!reported)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
