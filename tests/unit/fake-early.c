/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Provisional slots and early interfaces of fake-kernel.h. */
#include "fake-kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

/* Slots from here on are provisional ones. */
#define FIRST FAKE_INTERFACES

/* The latest one, deleted or not. */
static struct fake_interface *find(int ifindex)
{
	for (int i = fake.used; i-- > 0;) {
		if (fake.interface[i].link.ifindex == ifindex)
			return &fake.interface[i];
	}
	fail_msg("there was no interface %d", ifindex);
	return NULL;
}

static struct fake_interface *find_token(uint32_t token)
{
	for (int i = 0; i < fake.used; i++) {
		if (fake.interface[i].token == token)
			return &fake.interface[i];
	}
	return NULL;
}

static unsigned int count_early(void)
{
	unsigned int count = 0;

	for (int i = 0; i < fake.used; i++)
		count += fake.interface[i].is_early;
	return count;
}

void fake_receive_early(int ifindex, uint64_t packets)
{
	struct fake_interface *interface = find(ifindex);
	bool can = interface->token == PE_TOKEN_NONE && !interface->ignored && fake.offers;

	interface->unreported = !interface->link.owner;
	if (can) {
		interface->token = fake.offered[--fake.offers];
		interface->is_early = true;
	}
	fake_receive(ifindex, packets, interface->is_early ? packets : 0);
}

int fake_provision(struct pe_xdp *xdp, uint32_t *ret_token)
{
	if (count_early() + fake.offers >= fake.provisional_max)
		return -ENOSPC;
	*ret_token = PE_TOKEN(FIRST + fake.provisioned++, 0);
	return 0;
}

int fake_offer(struct pe_xdp *xdp, uint32_t token)
{
	if (fake.offer_error)
		return fake.offer_error;
	fake.offered[fake.offers++] = token;
	return 0;
}

uint32_t fake_early(struct pe_xdp *xdp, int ifindex)
{
	for (int i = 0; i < fake.used; i++) {
		if (fake.interface[i].is_early && fake.interface[i].link.ifindex == ifindex)
			return fake.interface[i].token;
	}
	return PE_TOKEN_NONE;
}

unsigned int fake_list_early(struct pe_xdp *xdp, int ret_ifindex[PE_EARLY_MAX])
{
	unsigned int count = 0;

	for (int i = 0; i < fake.used; i++) {
		if (fake.interface[i].is_early)
			ret_ifindex[count++] = fake.interface[i].link.ifindex;
	}
	return count;
}

void fake_withdraw(struct pe_xdp *xdp, int ifindex, uint32_t token)
{
	struct fake_interface *interface = find_token(token);

	assert_non_null(interface);
	assert_int_equal(interface->link.ifindex, ifindex);
	interface->is_early = false;
}

void fake_ignore(struct pe_xdp *xdp, int ifindex, bool ignored)
{
	find(ifindex)->ignored = ignored;
}

bool fake_take_early(struct fake_interface *interface, unsigned int framing, uint32_t *ret_token)
{
	if (!interface->is_early)
		return false;
	interface->is_early = false;
	interface->by = PE_BY_RECEIVE;
	interface->framing = framing;
	interface->counted = true;
	*ret_token = interface->token;
	return true;
}

bool fake_give_back_early(uint32_t token)
{
	struct fake_interface *interface = find_token(token);

	if (PE_TOKEN_SLOT(token) < FIRST)
		return false;
	/* Withdrawn first, or the next packet would count on it. */
	assert_false(interface && interface->is_early);
	if (interface)
		interface->token = PE_TOKEN_NONE;
	fake.returned++;
	return true;
}
