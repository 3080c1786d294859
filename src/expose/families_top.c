/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families with addresses: the largest flows, and the two metrics of the original exporter.
 *
 * Labels hold less than a flow's key (ICMP has no ports, protocols without a name are all "other",
 * the original exporter had no ports at all), so flows that would look the same are added up first:
 * no series occurs twice. One thread at a time.
 */
#include "families.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "pe/endpoint.h"

/* The bits of a tag that a label shows. */
#define TAG_SHOWN PE_FLOW_TAG(0, 1, 1)

static int compare_keys(const void *a, const void *b)
{
	const struct pe_top_flow *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* Reduces a key to what the labels show; ip_proto becomes an enum pe_proto. */
static void strip_key(struct pe_flow_key *key, bool ports)
{
	enum pe_proto proto = pe_proto_from_ip(key->ip_proto);

	key->ip_proto = (__u8)proto;
	key->slot = 0;
	key->tag &= TAG_SHOWN;
	if (!ports || !pe_proto_has_ports(proto)) {
		key->sport = 0;
		key->dport = 0;
	}
}

/* Makes the scratch large enough. */
static bool reserve_top(struct pe_emit *emit, size_t count)
{
	struct pe_top_flow *top;

	if (count <= emit->top_size)
		return true;
	top = reallocarray(emit->top, count, sizeof(*top));
	if (!top) {
		emit->no_memory = true;
		return false;
	}
	emit->top = top;
	emit->top_size = count;
	return true;
}

/* Fills the scratch with the interface's largest flows, one for each label set. Returns how many.
 */
static size_t gather(struct pe_emit *emit, bool ports)
{
	const struct pe_flow_sample *flows = &emit->body->flows;
	struct pe_top_flow *top;
	size_t i, n = 0;

	if (!emit->snapshot->top_flows || flows->top_count == 0 ||
	    !reserve_top(emit, flows->top_count))
		return 0;
	top = emit->top;
	memcpy(top, flows->top, flows->top_count * sizeof(*top));
	for (i = 0; i < flows->top_count; i++)
		strip_key(&top[i].key, ports);
	qsort(top, flows->top_count, sizeof(*top), compare_keys);
	for (i = 1; i < flows->top_count; i++) {
		if (compare_keys(&top[n], &top[i]) != 0) {
			top[++n] = top[i];
			continue;
		}
		top[n].count.packets += top[i].count.packets;
		top[n].count.bytes += top[i].count.bytes;
		if (top[n].since_ns > top[i].since_ns)
			top[n].since_ns = top[i].since_ns;
	}
	return n + 1;
}

static void add_endpoint(struct pe_emit *emit, unsigned int nth, const char *name,
			 const struct pe_flow_key *key, int port)
{
	struct pe_strbuf *text = &emit->endpoint[nth];

	text->len = 0;
	pe_text_endpoint(text, nth ? key->daddr : key->saddr, PE_FLOW_IS_IPV6(key->tag), port);
	pe_strbuf_addc(text, '\0');
	emit->no_memory |= text->error < 0;
	if (text->error == 0)
		pe_label_set_add_plain(&emit->labels, name,
				       (struct pe_span){ text->data, text->len - 1 });
}

static void emit_top_flow(struct pe_emit *emit, const struct pe_top_flow *top)
{
	const struct pe_flow_key *key = &top->key;
	const enum pe_proto proto = (enum pe_proto)key->ip_proto;
	const bool ports = pe_proto_has_ports(proto);
	uint64_t number = pe_number_at(&top->count, emit->family->offset);

	if (number == 0)
		return;
	/* The series began when the flow became one of the largest, not with the interface. */
	pe_emit_begin(emit, top->since_ns);
	pe_label_set_add_all(&emit->labels, &emit->base);
	pe_label_set_add_all(&emit->labels, &pe_direction_labels[PE_FLOW_DIRECTION(key->tag)]);
	pe_label_set_add_all(&emit->labels, &pe_proto_labels[proto]);
	add_endpoint(emit, 0, "source", key, ports ? ntohs(key->sport) : PE_NO_PORT);
	add_endpoint(emit, 1, "destination", key, ports ? ntohs(key->dport) : PE_NO_PORT);
	pe_emit_number(emit, NULL, number);
}

static const struct pe_labels all_others = PE_TWO_LABELS("source", "other", "destination", "other");

/* All packets that are in no flow shown: of smaller flows, or of lost records. offset: in struct
 * pe_count */
static void emit_top_flows(struct pe_emit *emit)
{
	const size_t offset = emit->family->offset;
	size_t count = gather(emit, true), d, i;

	for (i = 0; i < count; i++)
		emit_top_flow(emit, &emit->top[i]);
	for (d = 0; d < PE_DIRECTIONS; d++) {
		for (i = 0; i < PE_PROTO_COUNT; i++) {
			const struct pe_count others = pe_flow_rest(&emit->body->flows, d, i);
			uint64_t rest = pe_number_at(&others, offset) +
					pe_number_at(&emit->body->row[d].lost[i], offset);

			if (rest == 0)
				continue;
			pe_emit_begin_item(emit);
			pe_label_set_add_all(&emit->labels, &pe_direction_labels[d]);
			pe_label_set_add_all(&emit->labels, &pe_proto_labels[i]);
			pe_emit_number(emit, &all_others, rest);
		}
	}
}

/* ---- the original exporter's ---- */

/* It knew no families, so a protocol's IPv4 and IPv6 are one; ARP is beside the protocols. */
#define LEGACY_ARP   PE_PROTO_COUNT
#define LEGACY_COUNT (PE_PROTO_COUNT + 1)

/* Flows are read after the counters and may be ahead of them. */
static void take_count(struct pe_count *count, const struct pe_count *part)
{
	count->packets -= part->packets < count->packets ? part->packets : count->packets;
	count->bytes -= part->bytes < count->bytes ? part->bytes : count->bytes;
}

static void legacy_totals(const struct pe_emit *emit, struct pe_count *ret_totals)
{
	const struct pe_row *row = &emit->body->row[PE_INGRESS];

	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		ret_totals[i] = row->class[PE_CLASS_IPV4 + i];
		pe_count_add(&ret_totals[i], &row->class[PE_CLASS_IPV6 + i]);
	}
	ret_totals[LEGACY_ARP] = row->class[PE_CLASS_ARP];
	pe_count_add(&ret_totals[PE_PROTO_OTHER], &row->class[PE_CLASS_OTHER]);
}

static const struct pe_labels legacy_arp = PE_LABELS("protocol", "arp");
static const struct pe_labels legacy_le = PE_LE_INF;
static const struct pe_labels legacy_others = PE_TWO_LABELS("source", "other", "dest", "other");

/* Both have the same series: its histogram of bytes has one bucket, and so its count is packets. */
static void end_legacy(struct pe_emit *emit, size_t proto, const struct pe_count *count)
{
	pe_label_set_add_all(&emit->labels, &emit->base);
	pe_label_set_add_all(&emit->labels,
			     proto == LEGACY_ARP ? &legacy_arp : &pe_proto_labels[proto]);
	if (emit->family->type == PE_HISTOGRAM)
		pe_emit_histogram(emit, NULL,
				  &(struct pe_histogram){
					  .le = &legacy_le,
					  .buckets = &count->packets,
					  .count = 1,
					  .sum = { .number = count->bytes },
				  });
	else
		pe_emit_number(emit, NULL, count->packets);
}

/* Ingress only, as XDP saw it. */
static void emit_legacy(struct pe_emit *emit)
{
	struct pe_count totals[LEGACY_COUNT];
	size_t count = gather(emit, false), i;

	legacy_totals(emit, totals);
	for (i = 0; i < count; i++) {
		const struct pe_top_flow *top = &emit->top[i];
		const struct pe_flow_key *key = &top->key;

		if (PE_FLOW_DIRECTION(key->tag) != PE_INGRESS || top->count.packets == 0)
			continue;
		take_count(&totals[key->ip_proto], &top->count);
		pe_emit_begin(emit, top->since_ns);
		add_endpoint(emit, 0, "source", key, PE_NO_PORT);
		add_endpoint(emit, 1, "dest", key, PE_NO_PORT);
		end_legacy(emit, key->ip_proto, &top->count);
	}
	for (i = 0; i < LEGACY_COUNT; i++) {
		if (totals[i].packets == 0)
			continue;
		pe_emit_begin(emit, emit->body->created_ns);
		pe_label_set_add_all(&emit->labels, &legacy_others);
		end_legacy(emit, i, &totals[i]);
	}
}

static const struct pe_family families[] = {
	{ .name = "top_flow_packets",
	  .type = PE_COUNTER,
	  .help = "Packets of the largest flows, and of all others together.",
	  .label_names = "direction, protocol, source, destination",
	  .details = "The `--flows.top` largest of each interface; all others together are "
		     "`source=\"other\"`.",
	  .wants = PE_WANTS_TOP,
	  .emit = emit_top_flows,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "top_flow_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes of the largest flows, and of all others together.",
	  .label_names = "direction, protocol, source, destination",
	  .wants = PE_WANTS_TOP,
	  .emit = emit_top_flows,
	  .offset = offsetof(struct pe_count, bytes) },
};

const struct pe_family_table pe_families_top = {
	families,
	sizeof(families) / sizeof(families[0]),
};

static const struct pe_family legacy[] = {
	{ .name = "total_packets",
	  .type = PE_COUNTER_UNSUFFIXED,
	  .help = "Packets received, under the name of the original exporter.",
	  .label_names = "source, dest, interface, protocol",
	  .details = "Ingress only. Addresses need `--flows.top`; without it, and for all but "
		     "the largest flows, `source` and `dest` are `other`.",
	  .wants = PE_WANTS_LEGACY,
	  .emit = emit_legacy },
	{ .name = "total_throughput",
	  .type = PE_HISTOGRAM,
	  .help = "Bytes (_sum) and packets (_count) received, under the name of the original "
		  "exporter.",
	  .label_names = "source, dest, interface, protocol",
	  .details = "Its one bucket is `+Inf`.",
	  .wants = PE_WANTS_LEGACY,
	  .emit = emit_legacy },
};

const struct pe_family_table pe_families_legacy = {
	legacy,
	sizeof(legacy) / sizeof(legacy[0]),
};
