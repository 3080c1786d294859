/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder: snapshots of arbitrary names, addresses, counts and times must give text that the
 * strict reader of exposition.h takes, the same numbers in both formats, the sums of the snapshot,
 * the names byte for byte, and the same text whatever the size of the pieces that are read.
 *
 * The input is a snapshot (snapshot_input.h).
 */
#include "fuzz.h"

#include "pe/encode.h"

#include "exposition.h"
#include "snapshot_input.h"

/* ---- what it says ---- */

static void check_equal(const struct exposition *a, const struct exposition *b)
{
	fuzz_check(a->count == b->count, "%zu series in one format, %zu in the other", a->count,
		   b->count);
	fuzz_check(a->families == b->families, "%zu families, %zu", a->families, b->families);
	for (size_t i = 0; i < a->count; i++) {
		fuzz_check(strcmp(a->series[i].id, b->series[i].id) == 0, "%s and %s",
			   a->series[i].id, b->series[i].id);
		fuzz_check(strcmp(a->series[i].value, b->series[i].value) == 0, "%s: %s and %s",
			   a->series[i].id, a->series[i].value, b->series[i].value);
	}
}

static void check_sum(const struct exposition *exposition, const char *name, uint64_t expected)
{
	uint64_t sum = exposition_sum(exposition, name);

	fuzz_check(sum == expected, "%s adds up to %llu, not %llu", name, (unsigned long long)sum,
		   (unsigned long long)expected);
}

static void add(struct pe_count *total, const struct pe_count *count, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		total->packets += count[i].packets;
		total->bytes += count[i].bytes;
	}
}

struct sums {
	struct pe_count total, unobserved, overcounted, top;
};

static void add_body(struct sums *sums, const struct pe_series_body *body)
{
	const struct pe_flow_sample *flows = &body->flows;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		add(&sums->total, body->row[d].class, PE_CLASS_COUNT);
		add(&sums->unobserved, body->unobserved[d], PE_UNOBSERVED_REASONS);
		add(&sums->overcounted, &body->overcounted[d], 1);
		if (flows->rest)
			add(&sums->top, flows->rest->count[d], PE_PROTO_COUNT);
		add(&sums->top, body->row[d].lost, PE_PROTO_COUNT);
	}
	for (size_t i = 0; i < flows->top_count; i++)
		add(&sums->top, &flows->top[i].count, 1);
}

/* `prefix` is that of a level. */
static void check_level(const struct exposition *exposition, const char *prefix,
			const struct sums *sums, bool detail)
{
	const struct {
		const char *name;
		uint64_t expected;
	} families[] = {
		{ "packets_total", sums->total.packets },
		{ "bytes_total", sums->total.bytes },
		{ "packet_size_bytes_sum", detail ? sums->total.bytes : 0 },
		{ "unobserved_packets_total", sums->unobserved.packets },
		{ "unobserved_bytes_total", sums->unobserved.bytes },
		{ "overcounted_packets_total", sums->overcounted.packets },
		{ "overcounted_bytes_total", sums->overcounted.bytes },
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s", prefix, families[i].name);
		check_sum(exposition, name, families[i].expected);
	}
}

static void check_sums(const struct exposition *exposition, const struct pe_snapshot *snapshot,
		       bool detail)
{
	struct sums ifaces = { 0 }, groups = { 0 }, host = { 0 };

	for (size_t i = 0; i < snapshot->iface_count; i++)
		add_body(&ifaces, &snapshot->ifaces[i].body);
	for (size_t i = 0; i < snapshot->group_count; i++)
		add_body(&groups, &snapshot->groups[i].body);
	if (snapshot->host)
		add_body(&host, &snapshot->host->body);
	check_level(exposition, "packet_exporter_", &ifaces, detail);
	check_level(exposition, "packet_exporter_group_", &groups, true);
	check_level(exposition, "packet_exporter_host_", &host, true);
	if (!snapshot->top_flows)
		return;
	check_sum(exposition, "packet_exporter_top_flow_packets_total", ifaces.top.packets);
	check_sum(exposition, "packet_exporter_top_flow_bytes_total", ifaces.top.bytes);
}

static void check_label(const struct series *series, const char *label, const char *expected)
{
	char value[1024] = "";

	fuzz_check(exposition_label(series, label, value, sizeof(value)) &&
			   strcmp(value, expected) == 0,
		   "%s of %s is not %s", label, series->id, expected);
}

static const struct series *next_of(const struct exposition *exposition, const char *name,
				    size_t *at)
{
	while (*at < exposition->count && !exposition_is(&exposition->series[*at], name))
		++*at;
	fuzz_check(*at < exposition->count, "too few of %s", name);
	return &exposition->series[(*at)++];
}

static void check_identity(const struct series *series, const struct pe_identity *identity,
			   size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_label(series, pe_identity_labels[i].name,
			    pe_identity_label_value(identity, &pe_identity_labels[i]));
}

/* Each interface has one info, its labels are what it is called; each live one has a mode. */
static void check_infos(const struct exposition *exposition, const struct pe_snapshot *snapshot,
			bool labels)
{
	size_t info_at = 0, mode_at = 0;

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];
		const struct pe_iface_info *info = &iface->info;
		const struct series *series =
			next_of(exposition, "packet_exporter_interface_info", &info_at);
		char ifindex[16];

		snprintf(ifindex, sizeof(ifindex), "%d", info->ifindex);
		check_label(series, "interface", info->name);
		check_label(series, "ifindex", ifindex);
		check_label(series, "kind", info->kind);
		check_label(series, "master", info->master);
		check_label(series, "alias", info->alias);
		check_label(series, "altnames", info->altnames);
		check_identity(series, iface->identity, PE_IDENTITY_LABELS);
		if (iface->departed)
			continue;
		series = next_of(exposition, "packet_exporter_interface_mode", &mode_at);
		check_label(series, "interface", info->name);
		check_label(series, "mode", pe_mode_name(info->mode));
		if (labels)
			check_identity(series, iface->identity, PE_IFACE_LABELS);
	}
}

/* Each group has its labels. */
static void check_groups(const struct exposition *exposition, const struct pe_snapshot *snapshot)
{
	size_t at = 0;

	for (size_t i = 0; i < snapshot->group_count; i++) {
		const struct series *series =
			next_of(exposition, "packet_exporter_group_interfaces", &at);

		for (unsigned int l = 0; l < PE_GROUP_LABELS; l++)
			if (snapshot->group_by & PE_GROUP_BIT(l))
				check_label(series, pe_group_label_name((enum pe_group_label)l),
					    snapshot->groups[i].label[l]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	uint8_t bits = fuzz_u8(&input);
	size_t piece = 1 + fuzz_u8(&input) * 3, len;
	const bool detail = bits & WITH_DETAIL, created = bits & WITH_CREATED;
	struct pe_encode_options options = options_of(bits);
	struct pe_snapshot *snapshot = build(&input, bits);
	struct exposition expositions[2];

	for (int format = 0; format < 2; format++) {
		static char text[TEXT_MAX];

		options.format = format ? PE_FORMAT_OPENMETRICS : PE_FORMAT_TEXT;
		len = encode(snapshot, &options, TEXT_MAX / 2, text);
		check_pieces(snapshot, &options, text, len, piece);
		exposition_read(text, len, format, format && created, &expositions[format]);
		check_sums(&expositions[format], snapshot, detail);
		check_infos(&expositions[format], snapshot, bits & WITH_LABELS);
		check_groups(&expositions[format], snapshot);
	}
	check_equal(&expositions[0], &expositions[1]);
	for (int format = 0; format < 2; format++)
		exposition_free(&expositions[format]);
	pe_snapshot_unref(snapshot);
	return 0;
}
