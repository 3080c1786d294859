/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of DNS, at every level, and of how it is counted. Directions are those of queries. What
 * an alert reads of those that containers send exists at zero. One thread at a time.
 */
#include "families.h"

static const struct pe_dns_row nothing;

static const struct pe_dns_counts *counts_of(const struct pe_emit *emit, size_t direction)
{
	return &(emit->body->dns ? emit->body->dns : &nothing)->of[direction];
}

static bool is_at_zero(const struct pe_emit *emit, size_t direction)
{
	return pe_emit_is_host(emit) || (emit->zeros && direction == PE_INGRESS);
}

/* offset: in struct pe_dns_counts */
static void emit_queries(struct pe_emit *emit)
{
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(counts_of(emit, d), emit->family->offset),
				  is_at_zero(emit, d));
}

/* Likewise, of what is rare. */
static void emit_rare(struct pe_emit *emit)
{
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(counts_of(emit, d), emit->family->offset),
				  pe_emit_is_host(emit));
}

#define RCODE(rcode, name) [PE_DNS_##rcode] = PE_LABELS("rcode", name),
static const struct pe_labels rcode_labels[PE_DNS_RCODES] = { PE_DNS_RCODES_X(RCODE) };

static bool is_usual(size_t rcode)
{
	return rcode == PE_DNS_NOERROR || rcode == PE_DNS_SERVFAIL || rcode == PE_DNS_NXDOMAIN ||
	       rcode == PE_DNS_REFUSED;
}

static void emit_answers(struct pe_emit *emit)
{
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++)
		for (size_t i = 0; i < PE_DNS_RCODES; i++)
			pe_emit_direction(emit, d, &rcode_labels[i], counts_of(emit, d)->answers[i],
					  is_at_zero(emit, d) && is_usual(i));
}

static const struct pe_labels time_le[] = { PE_DNS_BOUNDS_US(PE_LE) PE_LE_INF };

/* Empty ones are many lines: only the host has them. */
static void emit_time(struct pe_emit *emit)
{
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_dns_counts *counts = counts_of(emit, d);
		const struct pe_histogram histogram = {
			.le = time_le,
			.buckets = counts->time,
			.count = PE_DNS_BUCKETS,
			.sum = { counts->time_sum_ns, DURATION_DECIMALS },
		};

		if (pe_histogram_total(&histogram) == 0 && !pe_emit_is_host(emit))
			continue;
		pe_emit_begin_direction(emit, d);
		pe_emit_histogram(emit, NULL, &histogram);
	}
}

static const struct pe_family families[] = {
	{ .name = "dns_queries",
	  .type = PE_COUNTER,
	  .help = "DNS queries by UDP and TCP to port 53.",
	  .label_names = "direction",
	  .details = "Direction: of the query, as an interface sees it: on the host's end of a "
		     "veth those of its container are `ingress`, and those to a resolver in it "
		     "`egress`. Each is one of the answers, unanswered, repeated or untracked "
		     "ones, in the end. By TCP since Linux 6.12. Not of interfaces that are "
		     "stacked on others (VLAN, macvlan, bond): those below have theirs.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_queries,
	  .offset = offsetof(struct pe_dns_counts, queries) },
	{ .name = "dns_answers",
	  .type = PE_COUNTER,
	  .help = "DNS answers that came within 5 seconds, by their code.",
	  .label_names = "direction, rcode",
	  .details = "Direction: of the query. Code: `noerror`, `formerr`, `servfail`, "
		     "`nxdomain`, `notimp`, `refused`, `yxdomain`, `yxrrset`, `nxrrset`, "
		     "`notauth`, `notzone`, `other`.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_answers },
	{ .name = "dns_unanswered",
	  .type = PE_COUNTER,
	  .help = "DNS queries without an answer for 5 seconds, or until their interface went.",
	  .label_names = "direction",
	  .details = "They are found within two seconds more.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_queries,
	  .offset = offsetof(struct pe_dns_counts, unanswered) },
	{ .name = "dns_repeated",
	  .type = PE_COUNTER,
	  .help = "DNS queries that were sent again, unchanged, while they had no answer.",
	  .label_names = "direction",
	  .details = "From the same port with the same id, within 5 seconds. What becomes of the "
		     "last one is counted, and its time is that since the first.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_rare,
	  .offset = offsetof(struct pe_dns_counts, repeated) },
	{ .name = "dns_untracked",
	  .type = PE_COUNTER,
	  .help = "DNS queries of which it is not known what became of them.",
	  .label_names = "direction",
	  .details = "More than 4,096 of the interface were without an answer, or 16,384 of all.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_rare,
	  .offset = offsetof(struct pe_dns_counts, untracked) },
	{ .name = "dns_unmatched_answers",
	  .type = PE_COUNTER,
	  .help = "DNS answers by UDP to no query that was waiting for one.",
	  .label_names = "direction",
	  .details = "Too late, to a repeated or untracked query, or never asked for.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_rare,
	  .offset = offsetof(struct pe_dns_counts, unmatched) },
	{ .name = "dns_answer_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Time from a DNS query to its answer.",
	  .label_names = "direction",
	  .details = "As they pass the interface. Buckets from 0.1 ms to 2.5 s.",
	  .wants = PE_WANTS_DNS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_time },
};

const struct pe_family_table pe_families_dns = {
	families,
	sizeof(families) / sizeof(families[0]),
};

/* ---- the exporter itself ---- */

static void emit_missed(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->snapshot->self.created_ns);
	pe_emit_number(emit, NULL, emit->snapshot->self.dns_missed);
}

static const struct pe_family self_families[] = {
	{ .name = "packet_exporter_dns_missed_packets",
	  .type = PE_COUNTER,
	  .help = "Packets not looked at for DNS because they interrupted the look at another.",
	  .details = "On the same CPU; kernels since 5.12 tell.",
	  .wants = PE_WANTS_DNS,
	  .emit = emit_missed },
};

const struct pe_family_table pe_families_dns_self = {
	self_families,
	sizeof(self_families) / sizeof(self_families[0]),
};
