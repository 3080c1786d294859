/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces that left and come back: what is known of them, and of nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/iface/away.h"

static struct pe_link make_link(unsigned int number, const char *kind, uint64_t packets)
{
	struct pe_link link = { .ifindex = 7, .address_len = 6, .has_stats = true };

	memcpy(link.address, &number, sizeof(number));
	strcpy(link.kind, kind);
	link.stats = (struct pe_link_stats){ packets, packets * 100, packets, packets * 100 };
	return link;
}

static void put(struct pe_away *away, unsigned int number, uint64_t packets)
{
	const struct pe_count known[PE_DIRECTIONS] = { { packets, packets * 100 },
						       { packets, packets * 100 } };
	struct pe_link link = make_link(number, "veth", packets);

	pe_away_put(away, &link, known);
}

/* The packets that are known of a link when it appears. */
static uint64_t take(struct pe_away *away, const struct pe_link *link)
{
	struct pe_count known[PE_DIRECTIONS];

	memset(known, 0xff, sizeof(known));
	pe_away_take(away, link, link->has_stats ? &link->stats : NULL, known);
	assert_int_equal(known[PE_INGRESS].packets, known[PE_EGRESS].packets);
	assert_int_equal(known[PE_EGRESS].bytes, known[PE_EGRESS].packets * 100);
	return known[PE_INGRESS].packets;
}

static void test_known_again(void **state)
{
	struct pe_away *away;
	struct pe_link link;

	assert_int_equal(pe_away_new(&away), 0);
	put(away, 1, 5);
	put(away, 2, 6);
	link = make_link(2, "veth", 9);
	link.ifindex = 99;
	strcpy(link.name, "other");
	assert_int_equal(take(away, &link), 6);
	assert_int_equal(take(away, &link), 0);
	link = make_link(1, "veth", 5);
	assert_int_equal(take(away, &link), 5);
	pe_away_free(away);
}

static void test_somebody_else(void **state)
{
	struct pe_away *away;
	struct pe_link link;

	assert_int_equal(pe_away_new(&away), 0);
	put(away, 1, 5);
	link = make_link(2, "veth", 9);
	assert_int_equal(take(away, &link), 0);
	link = make_link(1, "bridge", 9);
	assert_int_equal(take(away, &link), 0);
	link = make_link(1, "veth", 4);
	assert_int_equal(take(away, &link), 0);
	link = make_link(1, "veth", 9);
	link.address_len = 0;
	assert_int_equal(take(away, &link), 0);
	pe_away_free(away);
}

/* It has gone again: there is nothing that could have gone back. */
static void test_gone_again(void **state)
{
	struct pe_away *away;
	struct pe_link link = make_link(1, "veth", 0), other = make_link(2, "veth", 9);

	assert_int_equal(pe_away_new(&away), 0);
	assert_false(pe_away_has(away, &link));
	put(away, 1, 5);
	link.has_stats = false;
	assert_true(pe_away_has(away, &link));
	assert_false(pe_away_has(away, &other));
	assert_int_equal(take(away, &link), 5);
	assert_false(pe_away_has(away, &link));
	pe_away_free(away);
}

/* The oldest are forgotten; one that has not passed a packet takes no place. */
static void test_bounded(void **state)
{
	struct pe_away *away;
	struct pe_link link;

	assert_int_equal(pe_away_new(&away), 0);
	for (unsigned int i = 1; i <= PE_AWAY_MAX + 1; i++)
		put(away, i, 1);
	put(away, PE_AWAY_MAX + 2, 0);
	link = make_link(1, "veth", 9);
	assert_int_equal(take(away, &link), 0);
	for (unsigned int i = 2; i <= PE_AWAY_MAX + 1; i++) {
		link = make_link(i, "veth", 9);
		assert_int_equal(take(away, &link), 1);
	}
	pe_away_free(away);
	pe_away_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_again),
		cmocka_unit_test(test_somebody_else),
		cmocka_unit_test(test_gone_again),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
