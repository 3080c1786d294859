/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See audit.h. */
#include "audit.h"

#include <string.h>

#include "counts.h"

/* While nothing moves, the kernel is asked only this seldom. */
#define QUIET_ROUNDS 16
/* After the last packet: the second comparison is the one that confirms a difference. */
#define CONFIRMING_ROUNDS 3
/* Ends of a bracket that says nothing; the difference to what is accounted for still fits. */
#define UNBOUNDED     (INT64_MAX / 2)
#define UNBOUNDED_LOW (-UNBOUNDED)

/* What is accounted for already, as the kernel's count less ours. */
static int64_t net_packets(const struct pe_audit *audit, enum pe_direction d)
{
	return (int64_t)(audit->unobserved[d].packets - audit->overcounted[d].packets);
}

static int64_t net_bytes(const struct pe_audit *audit, enum pe_direction d)
{
	return (int64_t)(audit->unobserved[d].bytes - audit->overcounted[d].bytes);
}

static uint64_t positive(int64_t number)
{
	return number > 0 ? (uint64_t)number : 0;
}

static bool is_zero(const struct pe_count *count)
{
	return !count->packets && !count->bytes;
}

static void add(struct pe_count *sum, const struct pe_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

/* Accounts for what puts the difference into the brackets. */
static void account(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    enum pe_direction d, const struct pe_audit_bracket *packets,
		    const struct pe_audit_bracket *bytes)
{
	const enum pe_unobserved reason = audit->compared ? PE_UNOBSERVED_LOST
							  : PE_UNOBSERVED_BEFORE_ATTACH;
	const struct pe_count missing = { positive(packets->low - net_packets(audit, d)),
					  positive(bytes->low - net_bytes(audit, d)) };
	const struct pe_count excess = { positive(net_packets(audit, d) - packets->high),
					 positive(net_bytes(audit, d) - bytes->high) };

	if (!is_zero(&missing) &&
	    !pe_registry_add_unobserved(registry, member, d, reason, &missing))
		add(&audit->unobserved[d], &missing);
	if (!is_zero(&excess) && !pe_registry_add_overcounted(registry, member, d, &excess))
		add(&audit->overcounted[d], &excess);
}

/* The part that is certain of two brackets: the difference may have grown in between. */
static struct pe_audit_bracket either(struct pe_audit_bracket a, struct pe_audit_bracket b)
{
	return (struct pe_audit_bracket){ a.low < b.low ? a.low : b.low,
					  a.high > b.high ? a.high : b.high };
}

static bool is_audited(const struct pe_audit *audit, enum pe_direction d)
{
	return d == PE_INGRESS || audit->egress;
}

/* The bracket that two readings make: each first reading is compared with the other's second. */
static struct pe_audit_bracket bracket(uint64_t kernel_before, uint64_t kernel_now,
				       uint64_t ours_before, uint64_t ours_now)
{
	return (struct pe_audit_bracket){ (int64_t)(kernel_before - ours_now),
					  (int64_t)(kernel_now - ours_before) };
}

/* A driver may begin its counters anew: they are taken to go on from where they were. */
static uint64_t go_on(uint64_t last, __u64 *base, uint64_t now)
{
	if (now + *base < last)
		*base = last - now;
	return now + *base;
}

static void take_kernel(struct pe_audit *audit, const struct pe_link_stats *stats)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count now = pe_link_count(stats, d);
		struct pe_count *last = &audit->kernel[d], *base = &audit->base[d];

		last->packets = go_on(last->packets, &base->packets, now.packets);
		last->bytes = go_on(last->bytes, &base->bytes, now.bytes);
	}
}

static void take_ours(struct pe_audit *audit, const struct pe_row *ours)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++)
		audit->ours[d] = pe_row_total(&ours[d]);
}

/* Accounts for what `kernel` has more than ours; what ours has more stays open. */
static void account_missing(struct pe_audit *audit, struct pe_registry *registry,
			    struct pe_member *member, const struct pe_count kernel[PE_DIRECTIONS],
			    const struct pe_row *ours)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count now = pe_row_total(&ours[d]);
		const struct pe_audit_bracket packets = {
			(int64_t)(kernel[d].packets - now.packets), UNBOUNDED
		};
		const struct pe_audit_bracket bytes = { (int64_t)(kernel[d].bytes - now.bytes),
							UNBOUNDED };

		if (is_audited(audit, d))
			account(audit, registry, member, d, &packets, &bytes);
	}
}

void pe_audit_begin(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    const struct pe_link *link, bool egress,
		    const struct pe_count known[PE_DIRECTIONS], const struct pe_row *ours)
{
	memset(audit, 0, sizeof(*audit));
	audit->egress = egress;
	memset(audit->uncounted, true, sizeof(audit->uncounted));
	memcpy(audit->unobserved, known, sizeof(audit->unobserved));
	if (!link->has_stats)
		return;
	take_kernel(audit, &link->stats);
	account_missing(audit, registry, member, audit->kernel, ours);
}

enum pe_audit_due pe_audit_due(struct pe_audit *audit, const struct pe_row *ours)
{
	struct pe_count in = pe_row_total(&ours[PE_INGRESS]), out = pe_row_total(&ours[PE_EGRESS]);
	struct pe_count seen = { in.packets + out.packets, in.bytes + out.bytes };
	bool moved = seen.packets != audit->seen.packets || seen.bytes != audit->seen.bytes;

	audit->seen = seen;
	audit->quiet = moved ? 0 : audit->quiet + 1;
	if (moved && audit->compared)
		return PE_AUDIT_BRACKET;
	return audit->quiet < CONFIRMING_ROUNDS || !audit->compared ||
			       audit->quiet % QUIET_ROUNDS < CONFIRMING_ROUNDS
		       ? PE_AUDIT_NOW
		       : PE_AUDIT_NOT;
}

void pe_audit_open(struct pe_audit *audit, const struct pe_row *ours,
		   const struct pe_link_stats *kernel)
{
	take_kernel(audit, kernel);
	take_ours(audit, ours);
	audit->is_open = true;
}

static void compare(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    enum pe_direction d, const struct pe_count *kernel_before,
		    const struct pe_count *ours_before)
{
	const struct pe_count *kernel = &audit->kernel[d], *ours = &audit->ours[d];
	const struct pe_audit_bracket packets = bracket(kernel_before->packets, kernel->packets,
							ours_before->packets, ours->packets);
	const struct pe_audit_bracket bytes =
		bracket(kernel_before->bytes, kernel->bytes, ours_before->bytes, ours->bytes);
	struct pe_audit_bracket sure_packets = packets, sure_bytes = bytes;

	/* Before it is attached no packet can be on its way to us. */
	if (audit->compared && audit->has_bracket) {
		sure_packets = either(packets, audit->packets[d]);
		sure_bytes = either(bytes, audit->bytes[d]);
	}
	if (!audit->compared || audit->has_bracket)
		account(audit, registry, member, d, &sure_packets, &sure_bytes);
	audit->packets[d] = packets;
	audit->bytes[d] = bytes;
}

void pe_audit_close(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    const struct pe_row *ours, const struct pe_link_stats *kernel, bool attached)
{
	struct pe_count kernel_before[PE_DIRECTIONS], ours_before[PE_DIRECTIONS];
	bool was_open = audit->is_open, was_attached = audit->was_attached;

	memcpy(kernel_before, audit->kernel, sizeof(kernel_before));
	memcpy(ours_before, audit->ours, sizeof(ours_before));
	pe_audit_open(audit, ours, kernel);
	audit->was_attached = attached;
	if (!was_open)
		return;
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		if (is_audited(audit, d))
			compare(audit, registry, member, d, &kernel_before[d], &ours_before[d]);
	}
	audit->has_bracket = audit->compared;
	/* What passed between a reading and the attaching is missing in the next one, too. */
	audit->compared |= was_attached && attached;
}

void pe_audit_uncounted(struct pe_audit *audit, struct pe_registry *registry,
			struct pe_member *member, const bool uncounted[PE_DIRECTIONS],
			const struct pe_link_stats *kernel)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count now = pe_link_count(kernel, d);

		if (uncounted[d] && audit->uncounted[d])
			account(audit, registry, member, d,
				&(struct pe_audit_bracket){ (int64_t)now.packets, UNBOUNDED },
				&(struct pe_audit_bracket){ (int64_t)now.bytes, UNBOUNDED });
		else if (uncounted[d])
			audit->unobserved[d] = now;
		audit->uncounted[d] = uncounted[d];
	}
	audit->compared |= !uncounted[PE_INGRESS];
}

void pe_audit_end(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		  const struct pe_link *link, const struct pe_row *ours)
{
	/* Of what it received, the message of its end may have less than was read before. */
	if (audit->is_open)
		account_missing(audit, registry, member, audit->kernel, ours);
	if (!link->has_stats)
		return;
	take_kernel(audit, &link->stats);
	account_missing(audit, registry, member, audit->kernel, ours);
}

void pe_audit_above(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_above[PE_DIRECTIONS])
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count now = pe_row_total(&ours[d]), *kernel = &audit->kernel[d];

		ret_above[d] = (struct pe_count){ 0 };
		if (!is_audited(audit, d))
			continue;
		ret_above[d].packets =
			positive((int64_t)(now.packets - kernel->packets) + net_packets(audit, d));
		ret_above[d].bytes =
			positive((int64_t)(now.bytes - kernel->bytes) + net_bytes(audit, d));
	}
}

void pe_audit_end_above(struct pe_audit *audit, struct pe_registry *registry,
			struct pe_member *member, const struct pe_row *ours,
			const bool final[PE_DIRECTIONS])
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count now = pe_row_total(&ours[d]), *kernel = &audit->kernel[d];

		if (final[d] && is_audited(audit, d))
			account(audit, registry, member, d,
				&(struct pe_audit_bracket){
					UNBOUNDED_LOW, (int64_t)(kernel->packets - now.packets) },
				&(struct pe_audit_bracket){ UNBOUNDED_LOW,
							    (int64_t)(kernel->bytes - now.bytes) });
	}
}

void pe_audit_known(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_known[PE_DIRECTIONS])
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		ret_known[d] = pe_row_total(&ours[d]);
		ret_known[d].packets += audit->unobserved[d].packets;
		ret_known[d].packets -= audit->overcounted[d].packets;
		ret_known[d].bytes += audit->unobserved[d].bytes;
		ret_known[d].bytes -= audit->overcounted[d].bytes;
	}
}

void pe_audit_kernel(const struct pe_audit *audit, struct pe_count ret_kernel[PE_DIRECTIONS])
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		ret_kernel[d].packets = audit->kernel[d].packets - audit->base[d].packets;
		ret_kernel[d].bytes = audit->kernel[d].bytes - audit->base[d].bytes;
	}
}
