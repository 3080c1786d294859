/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces that left and come back: what is known of them, and of nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/iface/moved.h"

static struct pe_link make_link(unsigned int number, const char *kind, uint64_t packets)
{
	struct pe_link link = { .ifindex = 7, .address_len = 6, .has_stats = true };

	memcpy(link.address, &number, sizeof(number));
	strcpy(link.kind, kind);
	link.stats = (struct pe_link_stats){ .rx_packets = packets,
					     .rx_bytes = packets * 100,
					     .tx_packets = packets,
					     .tx_bytes = packets * 100 };
	return link;
}

/* Of `known` packets the kernel had counted these when it was last asked. */
static void put_stay(struct pe_moved *moved, unsigned int number, uint64_t known, uint64_t kernel)
{
	const struct pe_count was_known = { known, known * 100 };
	const struct pe_count was_there = { kernel, kernel * 100 };
	const struct pe_moved_stay stay = { { was_known, was_known }, { was_there, was_there } };
	struct pe_link link = make_link(number, "veth", kernel);

	pe_moved_put(moved, &link, &stay);
}

static void put(struct pe_moved *moved, unsigned int number, uint64_t packets)
{
	put_stay(moved, number, packets, packets);
}

/* The packets that are known of a link when it appears. */
static uint64_t take(struct pe_moved *moved, const struct pe_link *link)
{
	struct pe_count known[PE_DIRECTIONS];

	memset(known, 0xff, sizeof(known));
	pe_moved_take(moved, link, link->has_stats ? &link->stats : NULL, known);
	assert_int_equal(known[PE_INGRESS].packets, known[PE_EGRESS].packets);
	assert_int_equal(known[PE_EGRESS].bytes, known[PE_EGRESS].packets * 100);
	return known[PE_INGRESS].packets;
}

static void test_known_again(void **state)
{
	struct pe_moved *moved;
	struct pe_link link;

	assert_int_equal(pe_moved_new(&moved), 0);
	put(moved, 1, 5);
	put(moved, 2, 6);
	link = make_link(2, "veth", 9);
	link.ifindex = 99;
	strcpy(link.name, "other");
	assert_int_equal(take(moved, &link), 6);
	assert_int_equal(take(moved, &link), 0);
	link = make_link(1, "veth", 5);
	assert_int_equal(take(moved, &link), 5);
	pe_moved_free(moved);
}

static void test_somebody_else(void **state)
{
	struct pe_moved *moved;
	struct pe_link link;

	assert_int_equal(pe_moved_new(&moved), 0);
	put(moved, 1, 5);
	link = make_link(2, "veth", 9);
	assert_int_equal(take(moved, &link), 0);
	link = make_link(1, "bridge", 9);
	assert_int_equal(take(moved, &link), 0);
	link = make_link(1, "veth", 4);
	assert_int_equal(take(moved, &link), 0);
	link = make_link(1, "veth", 9);
	link.address_len = 0;
	assert_int_equal(take(moved, &link), 0);
	pe_moved_free(moved);
}

/* More is known than the kernel had counted: its counters say whether it is the same one. */
static void test_known_above(void **state)
{
	struct pe_moved *moved;
	struct pe_link link;

	assert_int_equal(pe_moved_new(&moved), 0);
	put_stay(moved, 1, 8, 5);
	link = make_link(1, "veth", 4);
	assert_int_equal(take(moved, &link), 0);
	link = make_link(1, "veth", 5);
	assert_int_equal(take(moved, &link), 8);
	pe_moved_free(moved);
}

/* It has gone again: there is nothing that could have gone back. */
static void test_gone_again(void **state)
{
	struct pe_moved *moved;
	struct pe_link link = make_link(1, "veth", 0), other = make_link(2, "veth", 9);

	assert_int_equal(pe_moved_new(&moved), 0);
	assert_false(pe_moved_has(moved, &link));
	put(moved, 1, 5);
	link.has_stats = false;
	assert_true(pe_moved_has(moved, &link));
	assert_false(pe_moved_has(moved, &other));
	assert_int_equal(take(moved, &link), 5);
	assert_false(pe_moved_has(moved, &link));
	pe_moved_free(moved);
}

/* The oldest are forgotten; one that has not passed a packet takes no place. */
static void test_bounded(void **state)
{
	struct pe_moved *moved;
	struct pe_link link;

	assert_int_equal(pe_moved_new(&moved), 0);
	for (unsigned int i = 1; i <= PE_MOVED_MAX + 1; i++)
		put(moved, i, 1);
	put(moved, PE_MOVED_MAX + 2, 0);
	link = make_link(1, "veth", 9);
	assert_int_equal(take(moved, &link), 0);
	for (unsigned int i = 2; i <= PE_MOVED_MAX + 1; i++) {
		link = make_link(i, "veth", 9);
		assert_int_equal(take(moved, &link), 1);
	}
	pe_moved_free(moved);
	pe_moved_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_again), cmocka_unit_test(test_somebody_else),
		cmocka_unit_test(test_known_above), cmocka_unit_test(test_gone_again),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
