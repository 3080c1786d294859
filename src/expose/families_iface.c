/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of interfaces alone: what identifies one, and how it is counted. A dashboard sees an
 * interface without traffic by them. One thread at a time.
 */
#include "families.h"

#include <stdio.h>

/* Those that every series of the interface has are in it already. */
static void add_identity(struct pe_emit *emit)
{
	for (size_t i = 0; i < PE_IDENTITY_LABELS; i++) {
		const struct pe_identity_label *label = &pe_identity_labels[i];

		if (i < PE_IFACE_LABELS && emit->show.iface_labels >> i & 1)
			continue;
		pe_label_set_add(&emit->labels, label->name,
				 pe_identity_label_value(emit->iface->identity, label));
	}
}

static void emit_info(struct pe_emit *emit)
{
	const struct pe_iface_info *info = &emit->iface->info;
	struct pe_label_set *labels = &emit->labels;
	char ifindex[16];

	snprintf(ifindex, sizeof(ifindex), "%d", info->ifindex);
	pe_emit_begin_item(emit);
	pe_label_set_add(labels, "ifindex", ifindex);
	pe_label_set_add(labels, "kind", info->kind);
	pe_label_set_add(labels, "master", info->master);
	pe_label_set_add(labels, "alias", info->alias);
	pe_label_set_add(labels, "altnames", info->altnames);
	add_identity(emit);
	pe_emit_number(emit, NULL, 1);
}

static void emit_mode(struct pe_emit *emit)
{
	const struct pe_iface_info *info = &emit->iface->info;

	if (emit->iface->departed)
		return;
	pe_emit_begin_item(emit);
	pe_label_set_add(&emit->labels, "mode", pe_mode_name(info->mode));
	pe_label_set_add(&emit->labels, "reason", pe_mode_reason_name(info->mode_reason));
	pe_emit_number(emit, NULL, 1);
}

/* offset: of an array by direction in struct pe_iface_sample. Most interfaces never have any. */
static void emit_faults(struct pe_emit *emit)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(
			emit, (unsigned int)d, NULL,
			pe_number_at(emit->iface, emit->family->offset + d * sizeof(uint64_t)),
			false);
}

#define LABEL_NAME(label, name) ", " #name

static const struct pe_family families[] = {
	{ .name = "interface",
	  .type = PE_INFO,
	  .help = "What an interface is, and whose.",
	  .label_names = "ifindex, kind, master, alias, altnames" PE_IDENTITY_LABELS_X(LABEL_NAME),
	  .details = "It stays as long as the series of the interface, so for "
		     "`--departed.retention` after its end. Kind: `veth`, `bridge`, ...; empty "
		     "for hardware. Master: the bridge, bond or the like that it belongs to. "
		     "Alias: what `ip link set ... alias` gave it. Altnames: its alternative "
		     "names (`ip link property add ... altname`), separated by commas, as many "
		     "as fit in 255 bytes. While an interface is down the kernel reports no "
		     "change of either; they are read again every ten seconds. The others are of "
		     "the container at its other end, empty if unknown.",
	  .emit = emit_info },
	{ .name = "interface_mode",
	  .type = PE_GAUGE,
	  .help = "How the ingress of a live interface is counted; always 1.",
	  .label_names = "mode, reason",
	  .details = "Mode: `native`, `generic`, `tracepoint`, `tcx`, `none`. Reason, why not "
		     "as `--xdp.mode` asks; empty if it is: `hardware` (a program would "
		     "restart many cards), `gro` and `offload` (generic XDP would switch GRO "
		     "or a receive offload off), `load` (XDP would slow the interface down), "
		     "`bridge`, `kind` (a program would not see its packets as its own "
		     "counters do), `upper` (this exporter's program is on an interface above "
		     "it), `busy` (another XDP program is on it, on its bridge or on an "
		     "interface above it, or this one was detached by somebody else), `new` "
		     "(XDP follows), `native_refused`, `refused`, `no_slot`, `no_memory`.",
	  .emit = emit_mode },
	{ .name = "interface_dropped",
	  .type = PE_COUNTER,
	  .help = "Packets that the interface itself dropped, by its own counters.",
	  .label_names = "direction",
	  .details = "What the driver and the layers next to it count as `rx_dropped` and "
		     "`tx_dropped` of `ip -s link`, since the interface was made; none while it "
		     "is zero. Of an interface that is gone, as it was last read.",
	  .emit = emit_faults,
	  .offset = offsetof(struct pe_iface_sample, dropped) },
	{ .name = "interface_errors",
	  .type = PE_COUNTER,
	  .help = "Packets that the interface found faulty, by its own counters.",
	  .label_names = "direction",
	  .details = "Likewise its `rx_errors` and `tx_errors`.",
	  .emit = emit_faults,
	  .offset = offsetof(struct pe_iface_sample, errors) },
};

const struct pe_family_table pe_families_iface = {
	families,
	sizeof(families) / sizeof(families[0]),
};
