/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot of 1,000 interfaces, for the benchmarks of encoders. */
#ifndef PE_BENCH_INTERFACES_H
#define PE_BENCH_INTERFACES_H

#include "../unit/snapshot-fixture.h"

#define INTERFACES 1000

/* Leaves what a container's interface has: TCP, UDP, ICMP, ARP; no faults. */
static inline void interfaces_thin_out(struct pe_iface_sample *iface)
{
	static const unsigned int classes[] = {
		PE_CLASS_IPV4 + PE_PROTO_TCP,	 PE_CLASS_IPV4 + PE_PROTO_UDP,
		PE_CLASS_IPV4 + PE_PROTO_ICMP,	 PE_CLASS_IPV6 + PE_PROTO_TCP,
		PE_CLASS_IPV6 + PE_PROTO_ICMPV6, PE_CLASS_ARP,
	};
	static const uint64_t protos = 1 << PE_PROTO_TCP | 1 << PE_PROTO_UDP | 1 << PE_PROTO_ICMP |
				       1 << PE_PROTO_ICMPV6;
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_row *row = &iface->body.row[d], all = *row;

		memset(row, 0, sizeof(*row));
		memcpy(row->tcp, all.tcp, sizeof(row->tcp));
		for (i = 0; i < PE_SIZE_BUCKETS / 2; i++)
			row->size[i] = all.size[i] & 0xffffff;
		for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
			row->class[classes[i]].packets = all.class[classes[i]].packets & 0xffffff;
			row->class[classes[i]].bytes = all.class[classes[i]].bytes & 0xffffffff;
		}
	}
	memset(iface->body.unobserved, 0, sizeof(iface->body.unobserved));
	for (i = 0; i < PE_PROTO_COUNT; i++)
		if (!(protos >> i & 1))
			iface->body.flows.proto[i] = NULL;
}

/* With all that an interface can have, or with what those of containers usually have. */
static inline struct pe_snapshot *interfaces_snapshot(bool everything)
{
	struct pe_snapshot *snapshot = fixture_snapshot(INTERFACES, everything, false);
	size_t i;

	for (i = 0; i < INTERFACES && !everything; i++)
		interfaces_thin_out(&snapshot->ifaces[i]);
	return snapshot;
}

#endif
