/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser on crafted messages, the table, and the monitor on the interfaces that are here. Each
 * message is parsed in an allocation of its own size, so that AddressSanitizer sees a byte too
 * many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/net/parse.h"
#include "../../src/net/links.h"

#include "emulated.h"

/* ---- messages ---- */

struct message {
	union {
		struct nlmsghdr nlh;
		unsigned char bytes[2048];
	};
};

static struct nlattr *put(struct message *m, int type, const void *data, size_t len)
{
	unsigned char *at = (unsigned char *)m + NLMSG_ALIGN(m->nlh.nlmsg_len);
	struct nlattr *nla = (struct nlattr *)at;

	nla->nla_type = (uint16_t)type;
	nla->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy(at + NLA_HDRLEN, data, len);
	m->nlh.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->nlh.nlmsg_len) + nla->nla_len);
	return nla;
}

static struct nlattr *put_string(struct message *m, int type, const char *s)
{
	return put(m, type, s, strlen(s) + 1);
}

static struct nlattr *put_int(struct message *m, int type, int value)
{
	return put(m, type, &value, sizeof(value));
}

static void end_nest(const struct message *m, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)(m->bytes + m->nlh.nlmsg_len - (unsigned char *)nest);
}

static void put_kind(struct message *m, const char *kind)
{
	struct nlattr *info = put(m, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);

	put(m, IFLA_INFO_DATA, "\x01\x02\x03\x04", 4);
	put_string(m, IFLA_INFO_KIND, kind);
	end_nest(m, info);
}

static void put_altnames(struct message *m, const char *const *names)
{
	struct nlattr *list = put(m, IFLA_PROP_LIST | NLA_F_NESTED, NULL, 0);

	for (; *names; names++)
		put_string(m, IFLA_ALT_IFNAME, *names);
	end_nest(m, list);
}

static void begin(struct message *m, uint16_t type, unsigned char family, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_family = family,
				 .ifi_type = ARPHRD_ETHER,
				 .ifi_index = ifindex,
				 .ifi_flags = IFF_UP };

	memset(m, 0, sizeof(*m));
	m->nlh.nlmsg_type = type;
	m->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(ifi));
	memcpy(NLMSG_DATA(&m->nlh), &ifi, sizeof(ifi));
}

static const struct rtnl_link_stats64 some_stats = { .rx_packets = UINT64_C(1) << 40,
						     .rx_bytes = 2,
						     .tx_packets = 3,
						     .tx_bytes = UINT64_MAX,
						     .rx_errors = 5,
						     .tx_errors = 6,
						     .rx_dropped = 7,
						     .tx_dropped = 8 };

/* All that the parser knows, the name first. */
static void full_message(struct message *m)
{
	begin(m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(m, IFLA_IFNAME, "veth0");
	put_string(m, IFLA_IFALIAS, "front door");
	put_int(m, IFLA_MTU, 1500);
	put_int(m, IFLA_MASTER, 3);
	put_int(m, IFLA_LINK, 8);
	put_int(m, IFLA_LINK_NETNSID, 5);
	put(m, IFLA_STATS64, &some_stats, sizeof(some_stats));
	put_altnames(m, (const char *[]){ "enp1s0", "uplink", NULL });
	put_kind(m, "veth");
}

static int parse_bytes(const struct message *m, size_t size, struct pe_parse_result *ret_result)
{
	struct nlmsghdr *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, m, size);
	r = pe_parse_link(copy, size, ret_result);
	free(copy);
	return r;
}

static int parse(const struct message *m, struct pe_parse_result *ret_result)
{
	return parse_bytes(m, m->nlh.nlmsg_len, ret_result);
}

static void assert_malformed(const struct message *m)
{
	struct pe_parse_result result, before;

	memset(&result, 0x5a, sizeof(result));
	before = result;
	assert_int_equal(parse(m, &result), -EBADMSG);
	assert_memory_equal(&result, &before, sizeof(result));
}

/* ---- parser ---- */

static void test_parse_full(void **state)
{
	struct pe_parse_result result;
	struct message m;

	full_message(&m);
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_NEW);
	assert_int_equal(result.link.ifindex, 7);
	assert_string_equal(result.link.name, "veth0");
	assert_string_equal(result.link.alias, "front door");
	assert_string_equal(result.link.altnames, "enp1s0,uplink");
	assert_string_equal(result.link.kind, "veth");
	assert_int_equal(result.link.type, ARPHRD_ETHER);
	assert_int_equal(result.link.flags, IFF_UP);
	assert_int_equal(result.link.master, 3);
	assert_int_equal(result.link.peer, 8);
	assert_int_equal(result.link.peer_netnsid, 5);
	assert_true(result.link.has_stats);
	assert_int_equal(result.link.stats.rx_packets, UINT64_C(1) << 40);
	assert_int_equal(result.link.stats.rx_bytes, 2);
	assert_int_equal(result.link.stats.tx_packets, 3);
	assert_int_equal(result.link.stats.tx_bytes, UINT64_MAX);
	assert_int_equal(result.link.stats.rx_errors, 5);
	assert_int_equal(result.link.stats.tx_errors, 6);
	assert_int_equal(result.link.stats.rx_dropped, 7);
	assert_int_equal(result.link.stats.tx_dropped, 8);
}

static void test_parse_address(void **state)
{
	unsigned char address[PE_LINK_ADDRESS_MAX + 1] = { 2, 0, 0, 0, 0, 7 };
	struct pe_parse_result result;
	struct message m;

	full_message(&m);
	put(&m, IFLA_ADDRESS, address, 6);
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.link.address_len, 6);
	assert_memory_equal(result.link.address, address, 6);
	put(&m, IFLA_ADDRESS, address, sizeof(address));
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.link.address_len, 0);
}

static void test_parse_xdp(void **state)
{
	static const int ids[] = { IFLA_XDP_PROG_ID, IFLA_XDP_SKB_PROG_ID, IFLA_XDP_DRV_PROG_ID };
	struct pe_parse_result result;
	struct nlattr *nest;
	struct message m;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		full_message(&m);
		nest = put(&m, IFLA_XDP | NLA_F_NESTED, NULL, 0);
		put_int(&m, ids[i], 4711);
		end_nest(&m, nest);
		assert_int_equal(parse(&m, &result), 0);
		assert_int_equal(result.link.xdp_id, 4711);
	}
	full_message(&m);
	nest = put(&m, IFLA_XDP | NLA_F_NESTED, NULL, 0);
	put(&m, IFLA_XDP_PROG_ID, "x", 1);
	end_nest(&m, nest);
	assert_malformed(&m);
	full_message(&m);
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.link.xdp_id, 0);
}

static void test_parse_minimal(void **state)
{
	struct pe_parse_result result;
	struct message m;

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 1);
	put_string(&m, IFLA_IFNAME, "lo");
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_NEW);
	assert_string_equal(result.link.alias, "");
	assert_string_equal(result.link.kind, "");
	assert_int_equal(result.link.master, 0);
	assert_int_equal(result.link.peer, 0);
	assert_int_equal(result.link.peer_netnsid, -1);
	assert_false(result.link.has_stats);
}

static void test_parse_meaning(void **state)
{
	struct pe_parse_result result;
	struct message m;

	begin(&m, RTM_DELLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_DELETED);

	put_int(&m, IFLA_NEW_NETNSID, 0);
	put_int(&m, IFLA_NEW_IFINDEX, 9);
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_MOVED);
	assert_int_equal(result.link.ifindex, 7);

	/* A bridge port left, or joined: the interface itself is where it was. */
	begin(&m, RTM_DELLINK, AF_BRIDGE, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_OTHER);
	m.nlh.nlmsg_type = RTM_NEWLINK;
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_OTHER);

	begin(&m, RTM_NEWADDR, AF_UNSPEC, 7);
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.type, PE_PARSE_OTHER);
}

/* Cut off by the sender: nlmsg_len says so, the rest is not there. */
static void test_parse_shortened(void **state)
{
	struct pe_parse_result result;
	struct message m;
	size_t whole, valid = 0;

	full_message(&m);
	whole = m.nlh.nlmsg_len;
	for (size_t len = sizeof(m.nlh); len < whole; len++) {
		m.nlh.nlmsg_len = (uint32_t)len;
		if (parse_bytes(&m, len, &result) < 0)
			continue;
		/* Only at the border of an attribute, or in the padding behind one. */
		valid++;
		assert_string_equal(result.link.name, "veth0");
		assert_string_equal(result.link.kind, "");
	}
	/* Eight borders, and three paddings: 2 bytes after the name, 1 after the alias and 1 after
	 * the alternative names. */
	assert_int_equal(valid, 8 + 2 + 1 + 1);
}

/* Cut off on the way: nlmsg_len promises more than there is. */
static void test_parse_truncated(void **state)
{
	struct pe_parse_result result;
	struct message m;

	full_message(&m);
	for (size_t size = 0; size < m.nlh.nlmsg_len; size++)
		assert_int_equal(parse_bytes(&m, size, &result), -EBADMSG);
	m.nlh.nlmsg_len = 0;
	assert_int_equal(parse_bytes(&m, sizeof(m), &result), -EBADMSG);
	m.nlh.nlmsg_len = UINT32_MAX;
	assert_int_equal(parse_bytes(&m, sizeof(m), &result), -EBADMSG);
}

static void test_parse_attribute_lengths(void **state)
{
	struct message m;
	struct nlattr *nla;

	/* Every wrong length of an attribute in the middle either ends inside the message, and then
	 * desynchronises what follows, or reaches behind its end. */
	for (unsigned int len = 0; len < 4; len++) {
		begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
		put_string(&m, IFLA_IFNAME, "veth0");
		nla = put_int(&m, IFLA_MASTER, 3);
		nla->nla_len = (uint16_t)len;
		assert_malformed(&m);
		nla->nla_len = (uint16_t)(NLA_HDRLEN + len);
		assert_malformed(&m);
		nla->nla_len = (uint16_t)(NLA_HDRLEN + 5 + len);
		assert_malformed(&m);
		nla->nla_len = (uint16_t)(UINT16_MAX - len);
		assert_malformed(&m);
	}
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_STATS64, &some_stats, offsetof(struct rtnl_link_stats64, rx_errors) - 1);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_LINKINFO, "\xff\xff\x01\x00veth", 8);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_LINKINFO, "\x09\x00", 2);
	assert_malformed(&m);
}

/* What a vxlan is on stands among what only its kind has. */
static void test_parse_vxlan(void **state)
{
	static const struct {
		struct nlattr attr;
		unsigned char value[4];
	} no_link = { { .nla_len = 5, .nla_type = IFLA_VXLAN_LEARNING }, { 1 } };
	struct pe_parse_result result;
	struct message m;

	for (int i = 0; i < 3; i++) {
		struct nlattr *info, *data;

		begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
		put_string(&m, IFLA_IFNAME, "vxlan0");
		info = put(&m, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
		put_string(&m, IFLA_INFO_KIND, i == 1 ? "geneve" : "vxlan");
		data = put(&m, IFLA_INFO_DATA | NLA_F_NESTED, &no_link, sizeof(no_link));
		if (i < 2)
			put_int(&m, IFLA_VXLAN_LINK, 9);
		end_nest(&m, data);
		end_nest(&m, info);
		assert_int_equal(parse_bytes(&m, m.nlh.nlmsg_len, &result), 0);
		assert_int_equal(result.link.peer, i == 0 ? 9 : 0);
	}
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "vxlan0");
	put_kind(&m, "vxlan"); /* with garbage */
	assert_malformed(&m);
}

static void test_parse_stats_sizes(void **state)
{
	unsigned char grown[sizeof(some_stats) + 64] = { 0 };
	struct pe_parse_result result;
	struct message m;

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_STATS64, &some_stats, offsetof(struct rtnl_link_stats64, rx_errors));
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.link.stats.tx_bytes, UINT64_MAX);

	memcpy(grown, &some_stats, sizeof(some_stats));
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_STATS64, grown, sizeof(grown));
	assert_int_equal(parse(&m, &result), 0);
	assert_int_equal(result.link.stats.rx_packets, UINT64_C(1) << 40);
}

static void test_parse_answer(void **state)
{
	const struct if_stats_msg head = { .ifindex = 7 };
	struct pe_link_stats stats = { 0 };
	struct message m;

	memset(&m, 0, sizeof(m));
	m.nlh.nlmsg_type = RTM_NEWSTATS;
	m.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(head));
	memcpy(NLMSG_DATA(&m.nlh), &head, sizeof(head));
	assert_int_equal(pe_parse_stats(&m.nlh, m.nlh.nlmsg_len, &stats), -EBADMSG);
	put_int(&m, IFLA_STATS_LINK_XSTATS, 1);
	put(&m, IFLA_STATS_LINK_64, &some_stats, sizeof(some_stats));
	for (size_t size = 0; size < m.nlh.nlmsg_len; size++)
		assert_int_equal(pe_parse_stats(&m.nlh, size, &stats), -EBADMSG);
	assert_int_equal(stats.tx_packets, 0);
	assert_int_equal(pe_parse_stats(&m.nlh, m.nlh.nlmsg_len, &stats), 0);
	assert_int_equal(stats.tx_packets, 3);
	assert_int_equal(stats.tx_bytes, UINT64_MAX);
	m.nlh.nlmsg_type = RTM_NEWLINK;
	assert_int_equal(pe_parse_stats(&m.nlh, m.nlh.nlmsg_len, &stats), -EBADMSG);
}

static void test_parse_strings(void **state)
{
	struct pe_parse_result result;
	char alias[PE_LINK_ALIAS_MAX + 1];
	struct message m;

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	assert_malformed(&m);
	put(&m, IFLA_IFNAME, NULL, 0);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "");
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put(&m, IFLA_IFNAME, "veth", 4);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "sixteen-letters.");
	assert_malformed(&m);

	/* Padding behind the NUL is none of ours. */
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put(&m, IFLA_IFNAME, "fifteen-letters\0junk", 20);
	assert_int_equal(parse(&m, &result), 0);
	assert_string_equal(result.link.name, "fifteen-letters");

	memset(alias, 'a', sizeof(alias));
	alias[PE_LINK_ALIAS_MAX - 1] = '\0';
	put_string(&m, IFLA_IFALIAS, alias);
	put_kind(&m, "a-kind-of-more-than-fifteen");
	assert_int_equal(parse(&m, &result), 0);
	assert_string_equal(result.link.alias, alias);
	assert_string_equal(result.link.kind, "a-kind-of-more-");

	alias[PE_LINK_ALIAS_MAX - 1] = 'a';
	alias[PE_LINK_ALIAS_MAX] = '\0';
	put_string(&m, IFLA_IFALIAS, alias);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_LINKINFO, "\x08\x00\x01\x00veth", 8);
	assert_malformed(&m);
}

static void expect_altnames(const char *const *names, const char *expected)
{
	struct pe_parse_result result;
	struct message m;

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put_altnames(&m, names);
	assert_int_equal(parse(&m, &result), 0);
	assert_string_equal(result.link.altnames, expected);
}

static void test_parse_altnames(void **state)
{
	char a[128], expected[PE_LINK_ALTNAMES_MAX + 1];
	struct pe_parse_result result;
	struct nlattr *list;
	struct message m;

	expect_altnames((const char *[]){ NULL }, "");
	expect_altnames((const char *[]){ "a", NULL }, "a");
	expect_altnames((const char *[]){ "a", "", "b", NULL }, "a,b");
	/* Two of the longest just fit; a whole name or none, and none behind one that does not. */
	memset(a, 'a', sizeof(a));
	a[127] = '\0';
	snprintf(expected, sizeof(expected), "%s,%s", a, a);
	assert_int_equal(strlen(expected), PE_LINK_ALTNAMES_MAX - 1);
	expect_altnames((const char *[]){ a, a, NULL }, expected);
	expect_altnames((const char *[]){ a, a, "c", NULL }, expected);
	snprintf(expected, sizeof(expected), "%s,b", a);
	expect_altnames((const char *[]){ a, "b", a, "c", NULL }, expected);

	/* Of two lists the last counts, and other properties are none of ours. */
	full_message(&m);
	list = put(&m, IFLA_PROP_LIST | NLA_F_NESTED, NULL, 0);
	put_string(&m, IFLA_IFNAME, "other");
	put_string(&m, IFLA_ALT_IFNAME, "last");
	end_nest(&m, list);
	assert_int_equal(parse(&m, &result), 0);
	assert_string_equal(result.link.altnames, "last");
	assert_string_equal(result.link.name, "veth0");

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	list = put(&m, IFLA_PROP_LIST | NLA_F_NESTED, NULL, 0);
	put(&m, IFLA_ALT_IFNAME, "unterminated", 12);
	end_nest(&m, list);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_PROP_LIST, "\x20\x00\x35\x00name", 8);
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "veth0");
	put(&m, IFLA_PROP_LIST,
	    "\x08\x00\x35\x00"
	    "abc\x00\x01",
	    9);
	assert_malformed(&m);
}

static void test_parse_values(void **state)
{
	static const int types[] = { IFLA_MASTER, IFLA_LINK, IFLA_LINK_NETNSID };
	struct pe_parse_result result;
	struct message m;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
		put_string(&m, IFLA_IFNAME, "veth0");
		put_int(&m, types[i], -2);
		assert_malformed(&m);
	}
	begin(&m, RTM_NEWLINK, AF_UNSPEC, 0);
	put_string(&m, IFLA_IFNAME, "veth0");
	assert_malformed(&m);
	begin(&m, RTM_NEWLINK, AF_UNSPEC, -7);
	put_string(&m, IFLA_IFNAME, "veth0");
	assert_malformed(&m);

	begin(&m, RTM_NEWLINK, AF_UNSPEC, 7);
	put_string(&m, IFLA_IFNAME, "longer-name");
	put_string(&m, IFLA_IFNAME, "veth0");
	put_kind(&m, "bridge");
	put_kind(&m, "tun");
	assert_int_equal(parse(&m, &result), 0);
	assert_string_equal(result.link.name, "veth0");
	assert_string_equal(result.link.kind, "tun");
}

/* Every single byte of a message replaced: the answer is right or an error, never a stray read. */
static void test_parse_corrupted(void **state)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x04, 0x7f, 0x80, 0xff };
	struct pe_parse_result result;
	struct message m, broken;
	int bad = 0;

	full_message(&m);
	for (size_t i = 0; i < m.nlh.nlmsg_len; i++)
		for (size_t v = 0; v < sizeof(values); v++) {
			broken = m;
			broken.bytes[i] = values[v];
			if (parse_bytes(&broken, m.nlh.nlmsg_len, &result) < 0) {
				bad++;
				continue;
			}
			assert_non_null(memchr(result.link.name, '\0', sizeof(result.link.name)));
			assert_non_null(memchr(result.link.alias, '\0', sizeof(result.link.alias)));
			assert_non_null(
				memchr(result.link.altnames, '\0', sizeof(result.link.altnames)));
			assert_non_null(memchr(result.link.kind, '\0', sizeof(result.link.kind)));
		}
	assert_true(bad > 0);
}

/* ---- table ---- */

static struct pe_links_entry *new_entry(int ifindex)
{
	struct pe_links_entry *entry = calloc(1, sizeof(*entry));

	assert_non_null(entry);
	entry->link.ifindex = ifindex;
	return entry;
}

static void test_table(void **state)
{
	enum { COUNT = 5000 };
	struct pe_links table;
	struct pe_links_entry *entry, *list;
	size_t listed = 0;
	int ports[100];

	assert_int_equal(pe_links_init(&table), 0);
	assert_null(pe_links_find(&table, pe_ifkey_own(1)));
	assert_null(pe_links_take(&table, pe_ifkey_own(1)));
	for (int i = 1; i <= COUNT; i++)
		pe_links_insert(&table, new_entry(i * 4096));
	assert_int_equal(table.by_key.count, COUNT);
	for (int i = 1; i <= COUNT; i++) {
		entry = pe_links_find(&table, pe_ifkey_own(i * 4096));
		assert_non_null(entry);
		assert_int_equal(entry->link.ifindex, i * 4096);
		entry->seen = i % 3 != 0;
	}
	assert_null(pe_links_find(&table, pe_ifkey_own(4097)));

	list = pe_links_take_unseen(&table);
	for (entry = list; entry; entry = entry->next) {
		assert_int_equal(entry->link.ifindex / 4096 % 3, 0);
		assert_null(pe_links_find(&table, entry->link.key));
		listed++;
	}
	assert_int_equal(listed, COUNT / 3);
	assert_int_equal(table.by_key.count, COUNT - COUNT / 3);
	assert_null(pe_links_free_list(list));

	entry = pe_links_take(&table, pe_ifkey_own(4096));
	assert_int_equal(entry->link.ifindex, 4096);
	assert_null(pe_links_find(&table, pe_ifkey_own(4096)));
	free(entry);

	/* The marks were cleared: now none is seen. */
	list = pe_links_take_unseen(&table);
	assert_int_equal(table.by_key.count, 0);
	pe_links_free_list(list);
	for (int i = 1; i <= 100; i++) {
		entry = new_entry(i);
		entry->link.master = i % 10;
		pe_links_insert(&table, entry);
	}
	assert_int_equal(pe_links_list_ports(&table, 3, ports, 100), 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ports[i] % 10, 3);
	assert_int_equal(pe_links_list_ports(&table, 3, ports, 4), 4);
	assert_int_equal(pe_links_list_ports(&table, 11, ports, 100), 0);
	pe_links_fini(&table);
	pe_links_fini(&table);
}

/* ---- monitor ---- */

struct seen {
	struct pe_monitor *monitor;
	int loopback;
	unsigned int added, synced, other;
};

static void on_added(struct pe_link *link, void *userdata)
{
	struct seen *seen = userdata;

	seen->added++;
	if (link->type != ARPHRD_LOOPBACK)
		return;
	seen->loopback = link->ifindex;
	assert_true(link->has_stats);
	assert_ptr_equal(pe_monitor_find(seen->monitor, link->ifindex), link);
}

static void on_changed(struct pe_link *link, const struct pe_link *before, void *userdata)
{
	((struct seen *)userdata)->other++;
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	((struct seen *)userdata)->other++;
}

static void on_synced(void *userdata)
{
	((struct seen *)userdata)->synced++;
}

/* The one interface that is everywhere, and needs no privilege to be seen. */
static void test_monitor(void **state)
{
	static const struct pe_monitor_ops ops = {
		.added = on_added, .changed = on_changed, .gone = on_gone, .synced = on_synced
	};
	struct pe_monitor_stats self;
	struct pe_link_stats stats;
	struct seen seen = { 0 };

	SKIP_IF_EMULATED();
	assert_int_equal(pe_monitor_new(&ops, &seen, 0, &seen.monitor), 0);
	assert_int_equal(pe_monitor_start(seen.monitor), 0);
	assert_true(seen.loopback > 0);
	assert_int_equal(seen.synced, 1);
	assert_int_equal(seen.other, 0);
	pe_monitor_get_stats(seen.monitor, &self);
	assert_true(self.messages >= seen.added);
	assert_int_equal(self.invalid, 0);

	pe_monitor_request_resync(seen.monitor);
	assert_false(pe_monitor_is_current(seen.monitor));
	assert_int_equal(pe_monitor_dispatch(seen.monitor), 0);
	assert_int_equal(seen.synced, 2);
	/* Events of others may come at any time. */
	for (int i = 0; i < 1000 && !pe_monitor_is_current(seen.monitor); i++)
		pe_monitor_dispatch(seen.monitor);
	assert_true(pe_monitor_is_current(seen.monitor));
	pe_monitor_get_stats(seen.monitor, &self);
	assert_true(self.resyncs >= 1);

	assert_string_equal(pe_monitor_find(seen.monitor, seen.loopback)->kind, "");
	assert_null(pe_monitor_find(seen.monitor, INT32_MAX));
	assert_int_equal(pe_monitor_read_stats(seen.monitor, seen.loopback, &stats), 0);
	assert_int_equal(stats.rx_packets, stats.tx_packets);
	memset(&stats, 0x5a, sizeof(stats));
	assert_int_equal(pe_monitor_read_stats(seen.monitor, INT32_MAX, &stats), -ENODEV);
	assert_int_equal(stats.rx_packets, UINT64_C(0x5a5a5a5a5a5a5a5a));
	assert_int_equal(pe_monitor_read_stats(seen.monitor, seen.loopback, &stats), 0);

	assert_null(pe_monitor_free(seen.monitor));
	assert_null(pe_monitor_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_full),
		cmocka_unit_test(test_parse_address),
		cmocka_unit_test(test_parse_xdp),
		cmocka_unit_test(test_parse_minimal),
		cmocka_unit_test(test_parse_meaning),
		cmocka_unit_test(test_parse_shortened),
		cmocka_unit_test(test_parse_truncated),
		cmocka_unit_test(test_parse_attribute_lengths),
		cmocka_unit_test(test_parse_vxlan),
		cmocka_unit_test(test_parse_stats_sizes),
		cmocka_unit_test(test_parse_answer),
		cmocka_unit_test(test_parse_strings),
		cmocka_unit_test(test_parse_altnames),
		cmocka_unit_test(test_parse_values),
		cmocka_unit_test(test_parse_corrupted),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
