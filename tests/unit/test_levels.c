/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host, groups and interfaces: what each level shows, from when on, and how many series that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pe/encode.h"
#include "pe/strbuf.h"

#include "snapshot-fixture.h"

#define LINE_MAX_BYTES 512

static const struct pe_encode_options basic[] = {
	{ .format = PE_FORMAT_TEXT },
	{ .format = PE_FORMAT_OPENMETRICS },
};

/* The whole answer, terminated; the caller frees. */
static char *encode(struct pe_snapshot *snapshot, const struct pe_encode_options *options)
{
	struct pe_strbuf answer = PE_STRBUF_INIT;
	struct pe_encoder *encoder;
	char buf[4096];
	ssize_t n;

	assert_int_equal(pe_encoder_new(snapshot, options, &encoder), 0);
	while ((n = pe_encoder_read(encoder, buf, sizeof(buf))) > 0)
		pe_strbuf_add(&answer, buf, (size_t)n);
	assert_int_equal(n, 0);
	pe_encoder_free(encoder);
	pe_strbuf_addc(&answer, '\0');
	assert_int_equal(answer.error, 0);
	return answer.data;
}

/* Lines that are no metadata and have the text in them. */
static size_t series_with(const char *answer, const char *text)
{
	size_t count = 0;

	while (*answer) {
		const size_t len = strcspn(answer, "\n");

		count += *answer != '#' && memmem(answer, len, text, strlen(text));
		answer += len + (answer[len] == '\n');
	}
	return count;
}

/* `count` veths, their host, and the groups of their kind and of hardware. */
static struct pe_snapshot *new_snapshot(size_t count)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, count), 0);
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, 3), 0);
	snapshot->group_by = PE_GROUP_BY_DEFAULT;
	snapshot->groups[1].label[PE_GROUP_KIND] = "veth";
	snapshot->groups[2].label[PE_GROUP_KIND] = "veth";
	snapshot->groups[2].label[PE_GROUP_MASTER] = "docker0";
	for (size_t i = 0; i < count; i++) {
		snprintf(snapshot->ifaces[i].info.name, IFNAMSIZ, "veth%u", (unsigned int)i);
		strcpy(snapshot->ifaces[i].info.kind, "veth");
	}
	return snapshot;
}

static void add_packets(struct pe_series_body *body, size_t direction, size_t class)
{
	body->row[direction].class[class].packets += 3;
	body->row[direction].class[class].bytes += 270;
	body->row[direction].size[1] += 3;
}

/* Every veth says that it is there, and asks who else is. */
static void add_quiet(struct pe_series_body *body)
{
	add_packets(body, PE_INGRESS, PE_CLASS_IPV6 + PE_PROTO_ICMPV6);
	add_packets(body, PE_EGRESS, PE_CLASS_IPV6 + PE_PROTO_ICMPV6);
}

/* A service with its name lookups, which was up before the exporter. */
static void add_busy(struct pe_series_body *body)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		add_packets(body, d, PE_CLASS_IPV4 + PE_PROTO_TCP);
		add_packets(body, d, PE_CLASS_IPV4 + PE_PROTO_UDP);
		add_packets(body, d, PE_CLASS_ARP);
		body->row[d].tcp[PE_TCP_SYN] = 1;
	}
	body->unobserved[PE_INGRESS][PE_UNOBSERVED_BEFORE_ATTACH] = (struct pe_count){ 1, 90 };
}

static void test_series_of_an_interface(void **state)
{
	for (size_t format = 0; format < 2; format++) {
		struct pe_snapshot *snapshot = new_snapshot(4);
		char *answer;

		add_quiet(&snapshot->ifaces[1].body);
		add_quiet(&snapshot->ifaces[2].body);
		add_busy(&snapshot->ifaces[2].body);
		add_quiet(&snapshot->ifaces[3].body);
		snapshot->ifaces[3].departed = true;
		answer = encode(snapshot, &basic[format]);
		assert_int_equal(series_with(answer, "interface=\"veth0\""), 2);
		assert_int_equal(series_with(answer, "interface=\"veth1\""), 6);
		assert_int_equal(series_with(answer, "interface=\"veth2\""), 20);
		assert_int_equal(series_with(answer, "interface=\"veth3\""), 5);
		assert_int_equal(series_with(answer, "interface_info{interface=\"veth3\""), 1);
		assert_int_equal(series_with(answer, "interface_mode{interface=\"veth3\""), 0);
		assert_int_equal(series_with(answer, "_created"), 0);
		free(answer);
		pe_snapshot_unref(snapshot);
	}
}

static void test_series_of_a_host(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(1000);

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		add_quiet(&snapshot->ifaces[i].body);
		add_quiet(&snapshot->groups[2].body);
		add_quiet(&snapshot->host->body);
	}
	snapshot->self.identity_enabled = true;
	for (size_t format = 0; format < 2; format++) {
		char *answer = encode(snapshot, &basic[format]);
		const size_t count = series_with(answer, "");

		if (count > 6500)
			fail_msg("%zu series, %zu of the host, %zu of groups", count,
				 series_with(answer, "packet_exporter_host_"),
				 series_with(answer, "packet_exporter_group_"));
		free(answer);
	}
	pe_snapshot_unref(snapshot);
}

/* A database takes a series' first value as where it begins: it has to be there before it counts.
 */
static void test_zeros(void **state)
{
	static const struct {
		const char *name, *labels;
	} levels[] = {
		{ "host", "" },
		{ "group", "kind=\"\",master=\"\",namespace=\"\",workload=\"\"," },
		{ "group", "kind=\"veth\",master=\"\",namespace=\"\",workload=\"\"," },
	};
	static const char *const counts[] = { "packets", "bytes" };
	static const char *const classes[] = {
		"family=\"ipv4\",protocol=\"tcp\"",  "family=\"ipv4\",protocol=\"udp\"",
		"family=\"ipv4\",protocol=\"icmp\"", "family=\"ipv6\",protocol=\"tcp\"",
		"family=\"ipv6\",protocol=\"udp\"",  "family=\"ipv6\",protocol=\"icmpv6\"",
	};
	struct pe_snapshot *snapshot = new_snapshot(0);
	char *answer = encode(snapshot, &basic[0]);

	for (size_t i = 0; i < 3 * 2 * 2 * 6; i++) {
		char line[LINE_MAX_BYTES];

		snprintf(line, sizeof(line), "packet_exporter_%s_%s_total{%sdirection=\"%s\",%s} 0",
			 levels[i / 24].name, counts[i / 12 % 2], levels[i / 24].labels,
			 i / 6 % 2 ? "egress" : "ingress", classes[i % 6]);
		if (series_with(answer, line) != 1)
			fail_msg("%s", line);
	}
	assert_int_equal(series_with(answer, "host_tcp_segments_total{"), 8);
	assert_int_equal(series_with(answer, "host_unobserved_packets_total{"), 4);
	assert_int_equal(series_with(answer, "host_overcounted_bytes_total{"), 2);
	assert_int_equal(series_with(answer, "host_flows_total{"), 8);
	assert_int_equal(series_with(answer, "host_flow_duration_seconds_count{"), 4);
	/* Of groups it is those alone: members, active flows, packets, bytes, flows. */
	assert_int_equal(series_with(answer, "master=\"docker0\""), 3 + 1 + 2 * 12 + 8);
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* The detail of an interface is what groups have. */
static void test_detail(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(1, false, false);
	struct pe_encode_options options = basic[0];
	static const char *const details[] = { "packet_size_bytes_sum{",
					       "tcp_segments_total{",
					       "fragments_total{",
					       "vlan_packets_total{",
					       "truncated_packets_total{",
					       "flows_total{",
					       "flows_active{",
					       "flow_duration_seconds_sum{",
					       "flow_size_bytes_sum{",
					       "flow_lost_packets_total{",
					       "flow_lost_bytes_total{" };

	for (int full = 0; full < 2; full++) {
		char *answer;

		options.show.detail = full ? PE_DETAIL_FULL : PE_DETAIL_BASIC;
		answer = encode(snapshot, &options);
		for (size_t i = 0; i < sizeof(details) / sizeof(*details); i++) {
			char name[LINE_MAX_BYTES];

			snprintf(name, sizeof(name), "packet_exporter_%sinterface=", details[i]);
			assert_int_equal(series_with(answer, name) > 0, full);
			snprintf(name, sizeof(name), "packet_exporter_group_%skind=", details[i]);
			assert_true(series_with(answer, name) > 0);
			snprintf(name, sizeof(name), "packet_exporter_host_%s", details[i]);
			name[strlen(name) - 1] = '\0';
			assert_true(series_with(answer, name) > 0);
		}
		free(answer);
	}
	pe_snapshot_unref(snapshot);
}

/* Of an identity: on the info always and once, on the other series of an interface if chosen. */
static void test_interface_labels(void **state)
{
	static const struct pe_identity names = { .container = "a\"b\\c\nd\xff",
						  .namespace = "prod",
						  .workload = "shop/web" };
	struct pe_snapshot *snapshot = new_snapshot(2);
	struct pe_encode_options options = basic[0];
	char *answer;

	assert_int_equal(pe_identity_new(&names, &snapshot->ifaces[0].identity), 0);
	add_quiet(&snapshot->ifaces[0].body);
	answer = encode(snapshot, &options);
	assert_int_equal(
		series_with(answer,
			    "packet_exporter_interface_info{interface=\"veth0\",ifindex=\"0\","
			    "kind=\"veth\",master=\"\",alias=\"\",altnames=\"\",container="
			    "\"a\\\"b\\\\c\\nd\xef\xbf\xbd"
			    "ff\",pod=\"\",namespace=\"prod\","
			    "workload=\"shop/web\",image=\"\",runtime=\"\",container_id=\"\","
			    "pod_uid=\"\"} 1"),
		1);
	assert_int_equal(series_with(answer, "interface=\"veth0\",direction="), 4);
	free(answer);
	options.show.iface_labels = 1u << PE_IFACE_CONTAINER | 1u << PE_IFACE_WORKLOAD;
	answer = encode(snapshot, &options);
	assert_int_equal(series_with(answer,
				     "interface=\"veth0\",container=\"a\\\"b\\\\c\\nd\xef\xbf\xbd"
				     "ff\",workload=\"shop/web\","),
			 6);
	assert_int_equal(series_with(answer, "interface=\"veth1\",container=\"\",workload=\"\","),
			 2);
	assert_int_equal(series_with(answer, "workload=\"shop/web\",ifindex=\"0\",kind=\"veth\","
					     "master=\"\",alias=\"\",altnames=\"\",pod=\"\","
					     "namespace=\"prod\",image=\"\","),
			 1);
	free(answer);
	pe_snapshot_unref(snapshot);
}

/* Groups have the labels that distinguish them, in a fixed order. */
static void test_group_labels(void **state)
{
	struct pe_snapshot *snapshot = new_snapshot(0);
	char *answer;

	snapshot->group_by = PE_GROUP_BIT(PE_GROUP_IMAGE) | PE_GROUP_BIT(PE_GROUP_POD);
	snapshot->groups[0].label[PE_GROUP_IMAGE] = "x\"";
	snapshot->groups[0].interfaces = 2;
	snapshot->groups[0].arrived = 5;
	snapshot->groups[0].departed = 3;
	snapshot->groups[1].label[PE_GROUP_POD] = "web-0";
	answer = encode(snapshot, &basic[0]);
	assert_int_equal(
		series_with(answer, "packet_exporter_group_interfaces{pod=\"\",image=\"x\\\"\"} 2"),
		1);
	assert_int_equal(series_with(answer,
				     "packet_exporter_group_interfaces_arrived_total{pod=\"\","
				     "image=\"x\\\"\"} 5"),
			 1);
	assert_int_equal(series_with(answer,
				     "packet_exporter_group_interfaces_departed_total{pod=\"\","
				     "image=\"x\\\"\"} 3"),
			 1);
	assert_int_equal(
		series_with(answer, "packet_exporter_group_interfaces{pod=\"web-0\",image=\"\"} 0"),
		1);
	free(answer);
	pe_snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_of_an_interface),
		cmocka_unit_test(test_series_of_a_host),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_interface_labels),
		cmocka_unit_test(test_group_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
