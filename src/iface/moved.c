/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See moved.h. A ring: the next place is that of the oldest. Most moves are of interfaces that have
 * not passed a packet yet (a container's end of its veth), and those need no place.
 */
#include "moved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"

struct place {
	bool used;
	char kind[PE_LINK_KIND_MAX];
	unsigned char address[PE_LINK_ADDRESS_MAX];
	size_t address_len;
	struct pe_moved_stay stay;
};

struct pe_moved {
	struct place place[PE_MOVED_MAX];
	size_t next;
	size_t used;
};

int pe_moved_new(struct pe_moved **ret_moved)
{
	struct pe_moved *moved = calloc(1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	*ret_moved = moved;
	return 0;
}

struct pe_moved *pe_moved_free(struct pe_moved *moved)
{
	free(moved);
	return NULL;
}

static bool is_zero(const struct pe_count known[PE_DIRECTIONS])
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (known[d].packets || known[d].bytes)
			return false;
	}
	return true;
}

void pe_moved_put(struct pe_moved *moved, const struct pe_link *link,
		  const struct pe_moved_stay *stay)
{
	struct place *place = &moved->place[moved->next];

	if (link->address_len == 0 || is_zero(stay->known))
		return;
	moved->used += place->used ? 0 : 1;
	*place = (struct place){ .used = true, .address_len = link->address_len, .stay = *stay };
	memcpy(place->kind, link->kind, sizeof(place->kind));
	memcpy(place->address, link->address, link->address_len);
	moved->next = (moved->next + 1) % PE_MOVED_MAX;
}

static bool is_it(const struct place *place, const struct pe_link *link)
{
	return place->used && place->address_len == link->address_len &&
	       memcmp(place->address, link->address, link->address_len) == 0 &&
	       strcmp(place->kind, link->kind) == 0;
}

static bool went_back(const struct place *place, const struct pe_link_stats *now)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count count = pe_link_count(now, d),
				      *before = &place->stay.kernel[d];

		if (count.packets < before->packets || count.bytes < before->bytes)
			return true;
	}
	return false;
}

static struct place *find(struct pe_moved *moved, const struct pe_link *link,
			  const struct pe_link_stats *now)
{
	for (size_t i = 0; moved->used > 0 && i < PE_MOVED_MAX; i++) {
		struct place *place = &moved->place[i];

		if (is_it(place, link) && !(now && went_back(place, now)))
			return place;
	}
	return NULL;
}

bool pe_moved_has(struct pe_moved *moved, const struct pe_link *link)
{
	return find(moved, link, NULL);
}

void pe_moved_take(struct pe_moved *moved, const struct pe_link *link,
		   const struct pe_link_stats *now, struct pe_count ret_known[PE_DIRECTIONS])
{
	struct place *place = find(moved, link, now);

	memset(ret_known, 0, sizeof(*ret_known) * PE_DIRECTIONS);
	if (!place)
		return;
	memcpy(ret_known, place->stay.known, sizeof(place->stay.known));
	place->used = false;
	moved->used--;
}
