/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The encoder: exact texts in both formats, hostile values, resumed reading, refused memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pe/encode.h"
#include "pe/strbuf.h"

#include "encode-expected.h"
#include "malloc-failure.h"
#include "snapshot-fixture.h"

static const struct pe_encode_options om = { .format = PE_FORMAT_OPENMETRICS,
					     .show.detail = PE_DETAIL_FULL,
					     .show.created = true,
					     .no_process = true };
static const struct pe_encode_options text = { .format = PE_FORMAT_TEXT,
					       .show.detail = PE_DETAIL_FULL,
					       .no_process = true };

/* The whole answer, terminated; read `piece` bytes at a time. The caller frees. */
static char *encode_by(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
		       size_t piece, size_t *ret_len)
{
	struct pe_strbuf answer = PE_STRBUF_INIT;
	struct pe_encoder *encoder;
	char *buf = malloc(piece);
	ssize_t n;

	assert_non_null(buf);
	assert_int_equal(pe_encoder_new(snapshot, options, &encoder), 0);
	while ((n = pe_encoder_read(encoder, buf, piece)) > 0) {
		assert_true((size_t)n <= piece);
		pe_strbuf_add(&answer, buf, (size_t)n);
		if ((size_t)n < piece)
			break; /* short only at the end */
	}
	assert_int_equal(pe_encoder_read(encoder, buf, piece), 0);
	assert_int_equal(pe_encoder_read(encoder, buf, piece), 0);
	assert_null(pe_encoder_free(encoder));
	free(buf);
	pe_strbuf_addc(&answer, '\0');
	assert_int_equal(answer.error, 0);
	*ret_len = answer.len - 1;
	return answer.data;
}

static char *encode(struct pe_snapshot *snapshot, const struct pe_encode_options *options)
{
	size_t len;

	return encode_by(snapshot, options, 65536, &len);
}

/* What comes before the exporter's own families must be exactly this. */
static void assert_ifaces(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
			  const char *expected)
{
	char *answer = encode(snapshot, options);
	char *own = strstr(answer, "# HELP packet_exporter_interfaces_attached");

	assert_non_null(own);
	*own = '\0';
	assert_string_equal(answer, expected);
	free(answer);
}

static size_t count_of(const char *answer, const char *what)
{
	size_t count = 0;

	for (; (answer = strstr(answer, what)); answer++)
		count++;
	return count;
}

static struct pe_snapshot *new_snapshot(unsigned char ifaces)
{
	struct pe_snapshot *snapshot;
	unsigned char i;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, ifaces), 0);
	snapshot->self.created_ns = FIXTURE_START_NS;
	for (i = 0; i < ifaces; i++) {
		snprintf(snapshot->ifaces[i].info.name, IFNAMSIZ, "eth%hhu", i);
		snapshot->ifaces[i].body.created_ns = UINT64_C(1600000000012999999);
	}
	return snapshot;
}

static struct pe_flow_stats *add_stats(struct pe_snapshot *snapshot, enum pe_proto proto)
{
	struct pe_flow_stats *stats = pe_arena_alloc(snapshot->arena, 1, sizeof(*stats));

	assert_non_null(stats);
	snapshot->ifaces[0].body.flows.proto[proto] = stats;
	return stats;
}

static struct pe_snapshot *small_snapshot(void)
{
	struct pe_snapshot *snapshot = new_snapshot(1);
	struct pe_iface_sample *iface = &snapshot->ifaces[0];
	struct pe_row *in = &iface->body.row[PE_INGRESS], *out = &iface->body.row[PE_EGRESS];
	struct pe_flow_stats *tcp = add_stats(snapshot, PE_PROTO_TCP);

	iface->info.ifindex = 2;
	iface->info.mode = PE_MODE_GENERIC;
	strcpy(iface->info.kind, "veth");
	iface->info.alias = "say \"hi\"\\\n";
	iface->info.altnames = "enp1s0,up\"link";
	in->class[PE_CLASS_IPV4 + PE_PROTO_TCP] = (struct pe_count){ 3, 180 };
	in->class[PE_CLASS_ARP] = (struct pe_count){ 1, 70000 };
	in->size[0] = 3;
	in->size[PE_SIZE_BUCKETS - 1] = 1;
	in->tcp[PE_TCP_SYN] = 1;
	in->lost[PE_PROTO_TCP] = (struct pe_count){ 1, 60 };
	out->fragments = 1;
	out->vlan = 2;
	out->truncated = 3;
	iface->body.unobserved[PE_EGRESS][PE_UNOBSERVED_LOST] = (struct pe_count){ 5, 500 };
	iface->body.flows.active = 0;
	tcp->flows[PE_INGRESS] = 1;
	tcp->duration[2] = 1;
	tcp->duration_sum_ns = 60000007;
	tcp->size[0] = 1;
	tcp->size_sum_bytes = 120;
	/* A protocol that was made room for, but never counted, shows nothing. */
	add_stats(snapshot, PE_PROTO_UDP);
	return snapshot;
}

/* ---- exact texts ---- */

static void test_exact_texts(void **state)
{
	struct pe_snapshot *snapshot = small_snapshot();
	char *answer;

	assert_ifaces(snapshot, &om, expected_om);
	assert_ifaces(snapshot, &text, expected_text);
	answer = encode(snapshot, &om);
	assert_non_null(strstr(answer, expected_self_om));
	assert_string_equal(answer + strlen(answer) - 6, "# EOF\n");
	free(answer);
	pe_snapshot_unref(snapshot);
}

static void test_content_types(void **state)
{
	assert_string_equal(pe_format_content_type(PE_FORMAT_OPENMETRICS),
			    "application/openmetrics-text; version=1.0.0; charset=utf-8");
	assert_string_equal(pe_format_content_type(PE_FORMAT_TEXT),
			    "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(pe_format_content_type(PE_FORMAT_PROTOBUF),
			    "application/vnd.google.protobuf; "
			    "proto=io.prometheus.client.MetricFamily; encoding=delimited");
}

/* The rest of protobuf is read by tests/fuzz/fuzz_scrape.c. */
static void test_exact_protobuf(void **state)
{
	static const struct pe_encode_options options = { .format = PE_FORMAT_PROTOBUF };
	/* Its length, name, help, type, and its only series: a counter of 0 with its time. */
	static const char family[] =
		"\x8c\x01\x0a\x26"
		"packet_exporter_netlink_overruns_total"
		"\x12\x46"
		"Times the kernel dropped messages because the receive buffer was full."
		"\x18\x00\x22\x18\x1a\x16\x09\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x0b"
		"\x08\x80\xe2\xcf\xaa\x06\x10\x95\x9a\xef\x3a";
	struct pe_snapshot *snapshot = small_snapshot();
	size_t len;
	char *answer = encode_by(snapshot, &options, 65536, &len);

	assert_non_null(memmem(answer, len, family, sizeof(family) - 1));
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* No interface: no family of interfaces, not even its metadata. */
static void test_nothing_but_the_exporter(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(0);

	assert_ifaces(snapshot, &om, "");
	assert_ifaces(snapshot, &text, "");
	pe_snapshot_unref(snapshot);
}

static void test_optional_families(void **state)
{
	static const struct {
		const char *name;
		unsigned int with; /* 1: process, 2: push, 4: top flows, 8: legacy */
	} cases[] = {
		{ "\nprocess_cpu_seconds_total 0.000000000\n", 1 },
		{ "\nprocess_start_time_seconds 0.000\n", 1 },
		{ "\npacket_exporter_push_requests_total{result=\"server\"} 0\n", 2 },
		{ "\npacket_exporter_push_last_success_timestamp_seconds 0.000\n", 2 },
		{ "# TYPE packet_exporter_push_duration_seconds histogram\n", 2 },
		{ "# TYPE packet_exporter_top_flow_bytes_total counter\n", 4 },
		{ "# TYPE total_packets counter\n", 8 },
		{ "# TYPE total_throughput histogram\n", 8 },
	};
	unsigned int with;
	size_t i;

	for (with = 0; with < 16; with++) {
		const struct pe_encode_options options = {
			.no_process = !(with & 1),
			.show.legacy = with & 8,
		};
		struct pe_snapshot *snapshot = small_snapshot();
		char *answer;

		snapshot->self.push.enabled = with & 2;
		snapshot->top_flows = with & 4;
		answer = encode(snapshot, &options);
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			assert_int_equal(count_of(answer, cases[i].name),
					 (with & cases[i].with) != 0);
		free(answer);
		pe_snapshot_unref(snapshot);
	}
}

static void test_departed_interface(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(1);
	char *answer;

	/* Live without traffic: seen by its info, its mode, its gauge and both histograms. */
	answer = encode(snapshot, &text);
	assert_int_equal(count_of(answer, "interface=\"eth0\""), 1 + 1 + 1 + 2 * (12 + 2));
	free(answer);
	snapshot->ifaces[0].departed = true;
	answer = encode(snapshot, &text);
	assert_int_equal(count_of(answer, "interface=\"eth0\""), 1);
	assert_int_equal(count_of(answer, "\npacket_exporter_interface_info{interface=\"eth0\""),
			 1);
	free(answer);
	snapshot->ifaces[0].body.row[PE_EGRESS].class[PE_CLASS_OTHER] = (struct pe_count){ 1, 60 };
	answer = encode(snapshot, &text);
	assert_int_equal(count_of(answer, "interface=\"eth0\""), 1 + 2 + 12 + 2);
	assert_int_equal(count_of(answer, "direction=\"ingress\""), 0);
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* The link's own counters have no sizes: the packets are in +Inf, count and sum are right. */
static void test_packets_without_size(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(1);
	struct pe_row *row = &snapshot->ifaces[0].body.row[PE_INGRESS];
	char *answer;

	row->class[PE_CLASS_OTHER] = (struct pe_count){ 10, 5000 };
	row->size[2] = 3;
	answer = encode(snapshot, &text);
	assert_non_null(strstr(answer, "direction=\"ingress\",le=\"65536\"} 3\n"));
	assert_non_null(strstr(answer, "direction=\"ingress\",le=\"+Inf\"} 10\n"));
	assert_non_null(
		strstr(answer, "size_bytes_count{interface=\"eth0\",direction=\"ingress\"} 10\n"));
	assert_non_null(
		strstr(answer, "size_bytes_sum{interface=\"eth0\",direction=\"ingress\"} 5000\n"));
	free(answer);
	pe_snapshot_unref(snapshot);
}

static void test_numbers(void **state)
{
	static const struct {
		uint64_t value;
		const char *expected;
	} cases[] = {
		{ 1, " 1\n" },
		{ UINT64_C(9007199254740993), " 9007199254740993\n" }, /* 2^53 + 1 */
		{ UINT64_C(10000000000000000000), " 10000000000000000000\n" },
		{ UINT64_MAX, " 18446744073709551615\n" },
	};
	struct pe_snapshot *snapshot = new_snapshot(1);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256], *answer;

		snapshot->ifaces[0].body.row[PE_EGRESS].vlan = cases[i].value;
		answer = encode(snapshot, &text);
		snprintf(line, sizeof(line),
			 "\npacket_exporter_vlan_packets_total{interface=\"eth0\","
			 "direction=\"egress\"}%s",
			 cases[i].expected);
		assert_int_equal(count_of(answer, line), 1);
		free(answer);
	}
	pe_snapshot_unref(snapshot);
}

static void test_seconds(void **state)
{
	const struct pe_encode_options options = { .format = PE_FORMAT_OPENMETRICS,
						   .show.created = true };
	struct pe_snapshot *snapshot = new_snapshot(0);
	struct pe_process_sample *process = &snapshot->self.process;
	char *answer;

	process->cpu_ns = UINT64_MAX;
	process->start_ns = UINT64_C(1700000000009999999);
	answer = encode(snapshot, &options);
	assert_non_null(strstr(answer, "\nprocess_cpu_seconds_total 18446744073.709551615\n"
				       "process_cpu_seconds_created 1700000000.009999\n"));
	assert_non_null(strstr(answer, "\nprocess_start_time_seconds 1700000000.009\n"));
	free(answer);
	pe_snapshot_unref(snapshot);
}

static void test_class_labels(void **state)
{
	size_t class, at;

	for (class = 0; class < PE_CLASS_COUNT; class ++) {
		struct pe_snapshot *snapshot = new_snapshot(1);
		char line[256], *answer;

		snapshot->ifaces[0].body.row[PE_EGRESS].class[class] = (struct pe_count){ 7, 8 };
		at = (size_t)snprintf(line, sizeof(line),
				      "\npacket_exporter_bytes_total{interface=\"eth0\","
				      "direction=\"egress\",family=\"");
		if (class < PE_CLASS_ARP)
			snprintf(line + at, sizeof(line) - at, "%s\",protocol=\"%s\"} 8\n",
				 class < PE_CLASS_IPV6 ? "ipv4" : "ipv6",
				 pe_proto_name((enum pe_proto)(class % PE_PROTO_COUNT)));
		else
			snprintf(line + at, sizeof(line) - at, "%s\",protocol=\"\"} 8\n",
				 class == PE_CLASS_ARP ? "arp" : "other");
		answer = encode(snapshot, &text);
		assert_int_equal(count_of(answer, line), 1);
		assert_int_equal(count_of(answer, "\npacket_exporter_packets_total{"), 1);
		free(answer);
		pe_snapshot_unref(snapshot);
	}
}

/* ---- hostile values ---- */

static void test_names(void **state)
{
	static const struct {
		const char *name, *label;
	} cases[] = {
		{ "eth0", "eth0" },
		{ "a\"b\\c", "a\\\"b\\\\c" },
		{ "new\nline", "new\\nline" },
		{ "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
		{ "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
		/* Every byte that is no part of UTF-8 is seen, and seen as itself. */
		{ "x\xff", "x\xef\xbf\xbd"
			   "ff" },
		{ "x\xfe", "x\xef\xbf\xbd"
			   "fe" },
		{ "\x80", "\xef\xbf\xbd"
			  "80" },
		{ "\xc3", "\xef\xbf\xbd"
			  "c3" },
		{ "\xc3(", "\xef\xbf\xbd"
			   "c3(" },
		{ "\xe2\x82", "\xef\xbf\xbd"
			      "e2\xef\xbf\xbd"
			      "82" },
		{ "\xc0\xaf", "\xef\xbf\xbd"
			      "c0\xef\xbf\xbd"
			      "af" },
		{ "\xe0\x9f\xbf", "\xef\xbf\xbd"
				  "e0\xef\xbf\xbd"
				  "9f\xef\xbf\xbd"
				  "bf" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd"
				  "ed\xef\xbf\xbd"
				  "a0\xef\xbf\xbd"
				  "80" },
		{ "\xf0\x8f\xbf\xbf", "\xef\xbf\xbd"
				      "f0\xef\xbf\xbd"
				      "8f\xef\xbf\xbd"
				      "bf\xef\xbf\xbd"
				      "bf" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd"
				      "f4\xef\xbf\xbd"
				      "90\xef\xbf\xbd"
				      "80\xef\xbf\xbd"
				      "80" },
		/* U+FFFD in the name itself must not look like a replacement. */
		{ "\xef\xbf\xbd"
		  "ff",
		  "\xef\xbf\xbd"
		  "ef\xef\xbf\xbd"
		  "bf\xef\xbf\xbd"
		  "bdff" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pe_snapshot *snapshot = new_snapshot(1);
		char line[256], *answer;

		strcpy(snapshot->ifaces[0].info.name, cases[i].name);
		snprintf(line, sizeof(line), "\npacket_exporter_flows_active{interface=\"%s\"} 0\n",
			 cases[i].label);
		answer = encode(snapshot, i % 2 ? &text : &om);
		assert_int_equal(count_of(answer, line), 1);
		free(answer);
		pe_snapshot_unref(snapshot);
	}
}

/* ---- top flows ---- */

static struct pe_top_flow *add_top(struct pe_snapshot *snapshot, size_t count)
{
	struct pe_flow_sample *flows = &snapshot->ifaces[0].body.flows;

	flows->top = pe_arena_alloc(snapshot->arena, count, sizeof(*flows->top));
	assert_non_null(flows->top);
	flows->top_count = count;
	snapshot->top_flows = true;
	return flows->top;
}

#define TOP(name) "\npacket_exporter_top_flow_" name "{interface=\"eth0\",direction="

static void test_top_flows(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(1);
	struct pe_top_flow *top = add_top(snapshot, 3);
	struct pe_iface_sample *iface = &snapshot->ifaces[0];
	size_t i;
	char *answer;

	top[0].key.ip_proto = IPPROTO_TCP;
	top[0].key.tag = PE_FLOW_TAG(9, 1, PE_EGRESS);
	top[0].key.slot = 77;
	inet_pton(AF_INET6, "2001:db8::1", top[0].key.saddr);
	top[0].key.sport = htons(65535);
	top[0].count = (struct pe_count){ 10, 1000 };
	top[0].since_ns = UINT64_C(1650000000500000000);
	/* Two kinds of ICMP between the same hosts look the same. */
	for (i = 1; i < 3; i++) {
		top[i].key.ip_proto = IPPROTO_ICMP;
		top[i].key.tag = PE_FLOW_TAG(9, 0, PE_INGRESS);
		top[i].key.sport = htons((uint16_t)(i << 8));
		memcpy(top[i].key.saddr, (uint8_t[]){ 10, 0, 255, 1 }, 4);
		memcpy(top[i].key.daddr, (uint8_t[]){ 10, 0, 0, 2 }, 4);
		top[i].count = (struct pe_count){ i, i * 100 };
		top[i].since_ns = (1700 - i) * PE_NS_PER_S;
	}
	assert_non_null(pe_flow_rest_make(&iface->body.flows, snapshot->arena));
	iface->body.flows.rest->count[PE_EGRESS][PE_PROTO_TCP] = (struct pe_count){ 5, 50 };
	iface->body.row[PE_EGRESS].lost[PE_PROTO_TCP] = (struct pe_count){ 2, 20 };
	iface->body.row[PE_INGRESS].lost[PE_PROTO_UDP] = (struct pe_count){ 1, 10 };
	answer = encode(snapshot, &om);
	assert_int_equal(count_of(answer, TOP("packets_total")), 4);
	assert_non_null(strstr(
		answer,
		TOP("packets_total") "\"egress\",protocol=\"tcp\","
				     "source=\"[2001:db8::1]:65535\",destination=\"[::]:0\"} "
				     "10" TOP("packets_created") "\"egress\",protocol=\"tcp\","
								 "source=\"[2001:db8::1]:65535\","
								 "destination=\"[::]:0\"} "
								 "1650000000.500000\n"));
	assert_non_null(
		strstr(answer,
		       TOP("bytes_total") "\"ingress\",protocol=\"icmp\","
					  "source=\"10.0.255.1\",destination=\"10.0.0.2\"} 300" TOP(
						  "bytes_created") "\"ingress\",protocol=\"icmp\","
								   "source=\"10.0.255.1\","
								   "destination=\"10.0.0.2\"} "
								   "1698.000000\n"));
	assert_non_null(strstr(answer,
			       TOP("bytes_total") "\"egress\",protocol=\"tcp\","
						  "source=\"other\",destination=\"other\"} 70\n"));
	assert_non_null(strstr(answer,
			       TOP("packets_total") "\"ingress\",protocol=\"udp\","
						    "source=\"other\",destination=\"other\"} 1\n"));
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* Every address as inet_ntop(3) writes it, except the deprecated ::a.b.c.d. */
static void test_addresses(void **state)
{
	const size_t count = 2000;
	struct pe_snapshot *snapshot = new_snapshot(1);
	struct pe_top_flow *top = add_top(snapshot, count);
	struct fixture random = { .state = 7 };
	size_t i, j;
	char *answer;

	for (i = 0; i < count; i++) {
		top[i].key.ip_proto = IPPROTO_UDP;
		top[i].key.tag = PE_FLOW_TAG(0, i % 2, PE_INGRESS);
		top[i].key.sport = htons((uint16_t)i);
		top[i].count.packets = 1;
		fixture_numbers(&random, top[i].key.saddr, 16);
		/* Runs of zero groups, of every length and place. */
		for (j = 0; j < 8; j++)
			if (fixture_number(&random) % 8 < i % 8)
				memset(top[i].key.saddr + j * 2, 0, 2);
		if (i % 16 == 1)
			inet_pton(AF_INET6, "::ffff:192.0.2.1", top[i].key.saddr);
		else if (i % 2)
			top[i].key.saddr[0] = 0x20;
		else
			memset(top[i].key.saddr + 4, 0, 12);
	}
	answer = encode(snapshot, &text);
	for (i = 0; i < count; i++) {
		char address[INET6_ADDRSTRLEN], label[128];

		inet_ntop(i % 2 ? AF_INET6 : AF_INET, top[i].key.saddr, address, sizeof(address));
		snprintf(label, sizeof(label), i % 2 ? "source=\"[%s]:%zu\"" : "source=\"%s:%zu\"",
			 address, i);
		if (count_of(answer, label) != 1)
			fail_msg("%s is missing", label);
	}
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* ---- legacy ---- */

#define OTHER(protocol) \
	"source=\"other\",dest=\"other\",interface=\"eth0\",protocol=\"" protocol "\""
#define THROUGHPUT(protocol, packets, bytes)                                                       \
	"total_throughput_bucket{" OTHER(                                                          \
		protocol) ",le=\"+Inf\"} " packets "\n"                                            \
			  "total_throughput_count{" OTHER(protocol) "} " packets "\n"              \
								    "total_throughput_sum{" OTHER( \
									    protocol) "} " bytes   \
										      "\n"

static void test_legacy(void **state)
{
	const struct pe_encode_options options = { .show.legacy = true, .no_process = true };
	struct pe_snapshot *snapshot = new_snapshot(1);
	struct pe_row *in = &snapshot->ifaces[0].body.row[PE_INGRESS];
	struct pe_top_flow *top;
	size_t i;
	char *answer;

	in->class[PE_CLASS_IPV4 + PE_PROTO_TCP] = (struct pe_count){ 10, 1000 };
	in->class[PE_CLASS_IPV6 + PE_PROTO_TCP] = (struct pe_count){ 5, 500 };
	in->class[PE_CLASS_IPV4 + PE_PROTO_OTHER] = (struct pe_count){ 1, 100 };
	in->class[PE_CLASS_OTHER] = (struct pe_count){ 2, 200 };
	in->class[PE_CLASS_ARP] = (struct pe_count){ 3, 126 };
	snapshot->ifaces[0].body.row[PE_EGRESS].class[PE_CLASS_ARP] = (struct pe_count){ 9, 9 };
	answer = encode(snapshot, &options);
	assert_non_null(strstr(
		answer,
		"# HELP total_packets Packets received, under the name of the original exporter.\n"
		"# TYPE total_packets counter\n"
		"total_packets{" OTHER(
			"other") "} 3\n"
				 "total_packets{" OTHER(
					 "tcp") "} 15\n"
						"total_packets{" OTHER(
							"arp") "} 3\n"
							       "# HELP total_throughput Bytes "
							       "(_sum) and packets (_count) "
							       "received, under the "
							       "name of the original exporter.\n"
							       "# TYPE total_throughput "
							       "histogram\n" THROUGHPUT(
								       "other", "3",
								       "300") THROUGHPUT("tcp",
											 "15",
											 "1500")
								       THROUGHPUT(
									       "arp", "3",
									       "126") "# HELP "
										      "packet_"
										      "exporter_"
										      "interfaces_"
										      "attached"));
	free(answer);

	/* Two ports of one pair of hosts are one series; egress is not shown. */
	top = add_top(snapshot, 3);
	for (i = 0; i < 3; i++) {
		top[i].key.ip_proto = IPPROTO_TCP;
		top[i].key.tag = PE_FLOW_TAG(0, 0, i == 2 ? PE_EGRESS : PE_INGRESS);
		top[i].key.sport = htons((uint16_t)i);
		memcpy(top[i].key.saddr, (uint8_t[]){ 10, 0, 0, 1 }, 4);
		memcpy(top[i].key.daddr, (uint8_t[]){ 10, 0, 0, 2 }, 4);
		top[i].count = (struct pe_count){ 4, 2000 };
	}
	answer = encode(snapshot, &options);
	assert_int_equal(count_of(answer, "total_packets{source=\"10.0.0.1\""), 1);
	assert_non_null(strstr(answer, "total_packets{source=\"10.0.0.1\",dest=\"10.0.0.2\","
				       "interface=\"eth0\",protocol=\"tcp\"} 8\n"));
	assert_non_null(strstr(answer, "total_packets{source=\"other\",dest=\"other\","
				       "interface=\"eth0\",protocol=\"tcp\"} 7\n"));
	/* Flows that are ahead of the counters leave no rest, not a huge one. */
	assert_non_null(strstr(answer, "total_throughput_sum{source=\"10.0.0.1\",dest=\"10.0.0.2\","
				       "interface=\"eth0\",protocol=\"tcp\"} 4000\n"));
	assert_non_null(strstr(answer, THROUGHPUT("tcp", "7", "0")));
	free(answer);

	/* A counter's name there ends in _total. */
	answer = encode(snapshot, &(struct pe_encode_options){ .format = PE_FORMAT_OPENMETRICS,
							       .show.created = true,
							       .show.legacy = true });
	assert_non_null(strstr(answer, "# TYPE total_packets unknown\n"));
	assert_non_null(strstr(answer, "# TYPE total_throughput histogram\n"));
	assert_int_equal(count_of(answer, "total_packets_created"), 0);
	assert_true(count_of(answer, "total_throughput_created") > 0);
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* ---- reading ---- */

static void test_resumed_reading(void **state)
{
	static const size_t pieces[] = { 1, 7, 4096, 1 << 20 };
	struct pe_snapshot *snapshot = fixture_snapshot(13, true, true);
	size_t format, i;

	for (format = PE_FORMAT_TEXT; format <= PE_FORMAT_PROTOBUF; format++) {
		const struct pe_encode_options options = {
			.format = (enum pe_format)format,
			.show.legacy = true,
		};
		size_t len, again_len;
		char *whole = encode_by(snapshot, &options, 65536, &len);

		assert_true(len > 10000);
		for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			char *again = encode_by(snapshot, &options, pieces[i], &again_len);

			assert_int_equal(again_len, len);
			assert_memory_equal(again, whole, len);
			free(again);
		}
		free(whole);
	}
	pe_snapshot_unref(snapshot);
}

/* An encoder that outlives the caller's reference, or is left half-way, frees the snapshot. */
static void test_abandoned(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(3, true, true);
	struct pe_encoder *encoder;
	char buf[100];

	assert_int_equal(pe_encoder_new(snapshot, &om, &encoder), 0);
	pe_snapshot_unref(snapshot);
	assert_int_equal(pe_encoder_read(encoder, buf, sizeof(buf)), sizeof(buf));
	assert_null(pe_encoder_free(encoder));
	assert_null(pe_encoder_free(NULL));
}

/* Whichever allocation is refused: an error, never an answer that only looks complete. */
static void refuse_memory(enum pe_format format)
{
	const struct pe_encode_options options = { .format = format, .show.legacy = true };
	struct pe_snapshot *snapshot;
	static char buf[1 << 20], whole[1 << 20];
	ssize_t n = -1, size;
	long after;

	snapshot = fixture_snapshot(3, true, true);
	for (after = 1000; n < 0; after = after == 1000 ? 0 : after + 1) {
		struct pe_encoder *encoder = NULL;

		malloc_failure_after = after;
		n = pe_encoder_new(snapshot, &options, &encoder);
		if (n == 0)
			n = pe_encoder_read(encoder, buf, sizeof(buf));
		malloc_failure_after = -1;
		if (n < 0) {
			assert_int_equal(n, -ENOMEM);
			if (encoder)
				assert_int_equal(pe_encoder_read(encoder, buf, sizeof(buf)),
						 -ENOMEM);
		}
		pe_encoder_free(encoder);
		if (after == 1000) {
			assert_true(n > 0 && n < (ssize_t)sizeof(buf));
			memcpy(whole, buf, (size_t)n);
			size = n;
			n = -1;
		}
	}
	assert_true(after > 10);
	assert_int_equal(n, size);
	assert_memory_equal(buf, whole, (size_t)size);
	assert_int_equal(snapshot->references, 1);
	pe_snapshot_unref(snapshot);
}

static void test_refused_memory(void **state)
{
	if (!malloc_failure_works)
		return;
	refuse_memory(PE_FORMAT_OPENMETRICS);
	refuse_memory(PE_FORMAT_PROTOBUF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_texts),
		cmocka_unit_test(test_exact_protobuf),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_nothing_but_the_exporter),
		cmocka_unit_test(test_optional_families),
		cmocka_unit_test(test_departed_interface),
		cmocka_unit_test(test_packets_without_size),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_class_labels),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_top_flows),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_resumed_reading),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_refused_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
