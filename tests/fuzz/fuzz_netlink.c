/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages about links: pe_parse_link() and pe_parse_stats() against a second parser that knows
 * nothing of libnl.
 *
 * The first byte of the input is MODE_*, the rest one message or, with MODE_DATAGRAM, several as a
 * socket delivers them. The modes give broken headers and messages that get past them.
 */
#include "fuzz.h"

#include <errno.h>
#include <netlink/msg.h>

#include "../../src/net/parse.h"

#define MODE_DATAGRAM 0x01
#define MODE_LENGTH   0x02 /* nlmsg_len is right */
#define MODE_NEW      0x04 /* nlmsg_type is RTM_NEWLINK, family 0 */
#define MODE_DELETED  0x08
#define MODE_STATS    0x10 /* RTM_NEWSTATS */

#define TRAP 32 /* bytes behind a message */

#define HEADER	     16 /* struct nlmsghdr: length 4, type 2, flags 2, sequence 4, port 4 */
#define FIXED	     16 /* struct ifinfomsg: family 1, pad 1, type 2, index 4, flags 4, change 4 */
#define TYPE_NEW     16
#define TYPE_DELETED 17
#define TYPE_STATS   92
#define FIXED_STATS  12 /* struct if_stats_msg: family 1, pad 3, index 4, filter 4 */

/* ---- the second parser ---- */

static uint64_t host(const uint8_t *at, size_t size)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (size) {
	case 2:
		memcpy(&two, at, size);
		return two;
	case 4:
		memcpy(&four, at, size);
		return four;
	default:
		memcpy(&eight, at, size);
		return eight;
	}
}

struct attribute {
	unsigned int type;
	const uint8_t *data;
	size_t size;
};

/* 1 and the next attribute, 0 at the end, -1 if there are bytes that are none. */
static int next_attribute(const uint8_t **at, const uint8_t *end, struct attribute *ret)
{
	size_t left = (size_t)(end - *at), length, padded;

	if (left == 0)
		return 0;
	if (left < 4)
		return -1;
	length = host(*at, 2);
	if (length < 4 || length > left)
		return -1;
	*ret = (struct attribute){ host(*at + 2, 2) & 0x3fff, *at + 4, length - 4 };
	padded = (length + 3) / 4 * 4;
	*at += padded < left ? padded : left;
	return 1;
}

static bool expect_text(const struct attribute *attribute, char *ret, size_t room, bool cut)
{
	const uint8_t *nul = attribute->size ? memchr(attribute->data, 0, attribute->size) : NULL;
	size_t len = nul ? (size_t)(nul - attribute->data) : 0;

	if (!nul || (len >= room && !cut))
		return false;
	memset(ret, 0, room);
	memcpy(ret, attribute->data, len < room ? len : room - 1);
	return true;
}

static bool expect_number(const struct attribute *attribute, int min, int *ret)
{
	if (attribute->size < 4)
		return false;
	*ret = (int)(uint32_t)host(attribute->data, 4);
	return *ret >= min;
}

static bool expect_kind(const struct attribute *info, struct pe_link *link)
{
	const uint8_t *at = info->data, *end = at + info->size;
	struct attribute attribute;
	int more;

	while ((more = next_attribute(&at, end, &attribute)) > 0) {
		if (attribute.type == 1 /* IFLA_INFO_KIND */ &&
		    !expect_text(&attribute, link->kind, sizeof(link->kind), true))
			return false;
	}
	return more == 0;
}

static bool expect_xdp(const struct attribute *xdp, struct pe_link *link)
{
	const uint8_t *at = xdp->data, *end = at + xdp->size;
	struct attribute attribute;
	int more;

	link->xdp_id = 0;
	while ((more = next_attribute(&at, end, &attribute)) > 0) {
		/* IFLA_XDP_PROG_ID, _DRV_PROG_ID, _SKB_PROG_ID */
		if (attribute.type < 4 || attribute.type > 6)
			continue;
		if (attribute.size < 4)
			return false;
		link->xdp_id = (uint32_t)host(attribute.data, 4);
	}
	return more == 0;
}

/* Names with commas between them, until one does not fit. */
static bool expect_altnames(const struct attribute *list, struct pe_link *link)
{
	const uint8_t *at = list->data, *end = at + list->size;
	struct attribute attribute;
	char name[PE_LINK_ALTNAMES_MAX];
	bool full = false;
	int more;

	memset(link->altnames, 0, sizeof(link->altnames));
	while ((more = next_attribute(&at, end, &attribute)) > 0) {
		if (attribute.type != 53 /* IFLA_ALT_IFNAME */)
			continue;
		if (!expect_text(&attribute, name, sizeof(name), true))
			return false;
		full = full || strlen((const char *)attribute.data) + strlen(link->altnames) +
					       (link->altnames[0] != '\0') >
				       sizeof(link->altnames) - 1;
		if (full || !name[0])
			continue;
		if (link->altnames[0])
			strcat(link->altnames, ",");
		strcat(link->altnames, name);
	}
	return more == 0;
}

/* Packets in, out, bytes in, out, … */
static bool expect_counters(const struct attribute *attribute, struct pe_link_stats *ret)
{
	uint8_t faults[32] = { 0 };

	if (attribute->size < 32)
		return false;
	ret->rx_packets = host(attribute->data, 8);
	ret->tx_packets = host(attribute->data + 8, 8);
	ret->rx_bytes = host(attribute->data + 16, 8);
	ret->tx_bytes = host(attribute->data + 24, 8);
	/* Of a kernel's structure that ends earlier they are zero. */
	memcpy(faults, attribute->data + 32, attribute->size < 64 ? attribute->size - 32 : 32);
	ret->rx_errors = host(faults, 8);
	ret->tx_errors = host(faults + 8, 8);
	ret->rx_dropped = host(faults + 16, 8);
	ret->tx_dropped = host(faults + 24, 8);
	return true;
}

static bool expect_attribute(const struct attribute *attribute, struct pe_parse_result *ret)
{
	struct pe_link *link = &ret->link;

	switch (attribute->type) {
	case 1: /* IFLA_ADDRESS */
		link->address_len = attribute->size <= sizeof(link->address) ? attribute->size : 0;
		memcpy(link->address, attribute->data, link->address_len);
		return true;
	case 3: /* IFLA_IFNAME */
		return expect_text(attribute, link->name, sizeof(link->name), false);
	case 5: /* IFLA_LINK */
		return expect_number(attribute, 0, &link->peer);
	case 10: /* IFLA_MASTER */
		return expect_number(attribute, 0, &link->master);
	case 18: /* IFLA_LINKINFO */
		return expect_kind(attribute, link);
	case 20: /* IFLA_IFALIAS */
		return expect_text(attribute, link->alias, sizeof(link->alias), false);
	case 23: /* IFLA_STATS64 */
		link->has_stats = expect_counters(attribute, &link->stats);
		return link->has_stats;
	case 37: /* IFLA_LINK_NETNSID */
		return expect_number(attribute, -1, &link->peer_netnsid);
	case 43: /* IFLA_XDP */
		return expect_xdp(attribute, link);
	case 52: /* IFLA_PROP_LIST */
		return expect_altnames(attribute, link);
	case 45: /* IFLA_NEW_NETNSID */
		if (ret->type == PE_PARSE_DELETED)
			ret->type = PE_PARSE_MOVED;
		return true;
	default:
		return true;
	}
}

/* False if the message is malformed. */
static bool expect_link(const uint8_t *message, size_t size, struct pe_parse_result *ret)
{
	const uint8_t *at, *end;
	struct attribute attribute;
	size_t length;
	int more;

	*ret = (struct pe_parse_result){ .type = PE_PARSE_OTHER };
	if (size < HEADER)
		return false;
	length = host(message, 4);
	if (length < HEADER || length > size)
		return false;
	if (host(message + 4, 2) != TYPE_NEW && host(message + 4, 2) != TYPE_DELETED)
		return true;
	if (length < HEADER + FIXED)
		return false;
	if (message[HEADER] != 0)
		return true;
	ret->type = host(message + 4, 2) == TYPE_NEW ? PE_PARSE_NEW : PE_PARSE_DELETED;
	ret->link.type = (unsigned short)host(message + HEADER + 2, 2);
	ret->link.ifindex = (int)(uint32_t)host(message + HEADER + 4, 4);
	ret->link.flags = (unsigned int)host(message + HEADER + 8, 4);
	ret->link.peer_netnsid = -1;
	if (ret->link.ifindex <= 0)
		return false;
	at = message + HEADER + FIXED;
	end = message + length;
	while ((more = next_attribute(&at, end, &attribute)) > 0) {
		if (!expect_attribute(&attribute, ret))
			return false;
	}
	return more == 0 && ret->link.name[0] != '\0';
}

/* The first counters there are, whatever comes behind them; false if there are none. */
static bool expect_stats(const uint8_t *message, size_t size, struct pe_link_stats *ret)
{
	const uint8_t *at, *end;
	struct attribute attribute;
	size_t length = size < HEADER ? 0 : host(message, 4);

	if (length < HEADER + FIXED_STATS || length > size || host(message + 4, 2) != TYPE_STATS)
		return false;
	at = message + HEADER + FIXED_STATS;
	end = message + length;
	while (next_attribute(&at, end, &attribute) > 0) {
		if (attribute.type == 1 /* IFLA_STATS_LINK_64 */)
			return expect_counters(&attribute, ret);
	}
	return false;
}

/* ---- the comparison ---- */

#define SAME(field)                                                             \
	fuzz_check(link->field == expected->field, #field " is %lld, not %lld", \
		   (long long)link->field, (long long)expected->field)

static void compare(const struct pe_link *link, const struct pe_link *expected)
{
	SAME(ifindex);
	SAME(type);
	SAME(flags);
	SAME(master);
	SAME(peer);
	SAME(peer_netnsid);
	SAME(xdp_id);
	SAME(address_len);
	fuzz_check(memcmp(link->address, expected->address, expected->address_len) == 0,
		   "another address");
	SAME(has_stats);
	SAME(stats.rx_packets);
	SAME(stats.rx_bytes);
	SAME(stats.tx_packets);
	SAME(stats.tx_bytes);
	SAME(stats.rx_dropped);
	SAME(stats.tx_dropped);
	SAME(stats.rx_errors);
	SAME(stats.tx_errors);
	fuzz_check(strcmp(link->name, expected->name) == 0, "name is %s, not %s", link->name,
		   expected->name);
	fuzz_check(strcmp(link->alias, expected->alias) == 0, "alias is %s, not %s", link->alias,
		   expected->alias);
	fuzz_check(strcmp(link->altnames, expected->altnames) == 0, "altnames are %s, not %s",
		   link->altnames, expected->altnames);
	fuzz_check(strcmp(link->kind, expected->kind) == 0, "kind is %s, not %s", link->kind,
		   expected->kind);
}

static void check_stats(const struct nlmsghdr *nlh, size_t size)
{
	struct pe_link_stats stats, expected;
	bool valid;
	int r;

	memset(&expected, 0xa5, sizeof(expected));
	memcpy(&stats, &expected, sizeof(stats));
	valid = expect_stats((const uint8_t *)nlh, size, &expected);
	r = pe_parse_stats(nlh, size, &stats);
	fuzz_check(r == (valid ? 0 : -EBADMSG), "returned %d, not %d", r, valid ? 0 : -EBADMSG);
	fuzz_check(memcmp(&stats, &expected, sizeof(stats)) == 0, "other counters");
}

static void check_message(const struct nlmsghdr *nlh, size_t size)
{
	struct pe_parse_result result, expected, untouched;
	bool valid = expect_link((const uint8_t *)nlh, size, &expected);
	int r;

	check_stats(nlh, size);
	memset(&untouched, 0xa5, sizeof(untouched));
	memcpy(&result, &untouched, sizeof(result));
	r = pe_parse_link(nlh, size, &result);
	fuzz_check(r == (valid ? 0 : -EBADMSG), "returned %d, not %d", r, valid ? 0 : -EBADMSG);
	if (!valid) {
		fuzz_check(memcmp(&result, &untouched, sizeof(result)) == 0,
			   "an error, yet a result");
		return;
	}
	fuzz_check(result.type == expected.type, "type is %d, not %d", (int)result.type,
		   (int)expected.type);
	compare(&result.link, &expected.link);
}

/* As the monitor goes through what a socket delivered. */
static void check_datagram(const struct nlmsghdr *nlh, size_t size)
{
	int left = (int)size;

	for (; nlmsg_ok(nlh, left); nlh = nlmsg_next((struct nlmsghdr *)nlh, &left))
		check_message(nlh, nlh->nlmsg_len);
}

static void mend(uint8_t *message, size_t size, unsigned int mode)
{
	const uint32_t length = (uint32_t)size;
	const uint16_t type = mode & MODE_STATS ? TYPE_STATS
			      : mode & MODE_NEW ? TYPE_NEW
						: TYPE_DELETED;

	if (mode & MODE_LENGTH && size >= sizeof(length))
		memcpy(message, &length, sizeof(length));
	if (mode & (MODE_NEW | MODE_DELETED | MODE_STATS) && size > HEADER) {
		memcpy(message + 4, &type, sizeof(type));
		message[HEADER] = 0;
	}
}

/*
 * Attributes that look good behind the end: whoever goes on there takes this name. libnl is not
 * instrumented, so that a sanitizer alone would not see it read them.
 */
static void set_trap(uint8_t *message, size_t length)
{
	static const uint16_t trap[4] = { 8, 3 /* IFLA_IFNAME */, 0x6162, 0x0063 };
	size_t at = (length + 3) / 4 * 4;

	memset(message + length, 0, TRAP);
	for (; at + sizeof(trap) <= length + TRAP; at += sizeof(trap))
		memcpy(message + at, trap, sizeof(trap));
}

static void check(uint8_t *message, size_t length, unsigned int mode)
{
	mend(message, length, mode);
	if (mode & MODE_DATAGRAM)
		check_datagram((struct nlmsghdr *)message, length);
	else
		check_message((struct nlmsghdr *)message, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	unsigned int mode = fuzz_u8(&input);
	size_t length = input.left;
	/* Exactly as long as it is: the sanitizer sees the byte behind it read. */
	uint8_t *exact = malloc(length ? length : 1), *trapped = malloc(length + TRAP);

	fuzz_check(exact && trapped, "out of memory");
	fuzz_bytes(&input, exact, length);
	memcpy(trapped, exact, length);
	set_trap(trapped, length);
	check(exact, length, mode);
	check(trapped, length, mode);
	free(exact);
	free(trapped);
	return 0;
}
