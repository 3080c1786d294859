/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See attach_log.h. */
#include "attach_log.h"

#include <errno.h>
#include <string.h>

#include "pe/clock.h"

/* A limit that is reached all the time is logged so seldom. */
#define REPEAT_NS (3600 * PE_NS_PER_S)
/* After one failure is logged, the next ones of its kind are only counted for so long. */
#define GROUP_NS (60 * PE_NS_PER_S)

const char *pe_attach_log_consequence(const struct pe_attachment *attachment)
{
	if (attachment->wants_tcx)
		return "ingress is to be counted by TCX";
	switch (attachment->mode) {
	case PE_MODE_TRACEPOINT:
		return "ingress is counted by the receive tracepoint";
	case PE_MODE_TCX:
		return "ingress is counted by TCX";
	default:
		return "ingress is not counted";
	}
}

/* Whether a failure of this kind is logged by itself. */
static bool is_first(struct pe_attach_log *log, enum pe_attach_error error)
{
	struct pe_attach_log_group *group = &log->group[error];
	uint64_t now_ns = pe_clock_monotonic_ns();

	if (now_ns < group->until_ns) {
		group->more++;
		return false;
	}
	group->until_ns = now_ns + GROUP_NS;
	return true;
}

void pe_attach_log_more(struct pe_attach_log *log)
{
	static const char *const what[PE_ATTACH_ERRORS] = {
		[PE_ATTACH_BUSY] = "other XDP programs are attached to",
		[PE_ATTACH_REFUSED] = "XDP cannot be attached to",
		[PE_ATTACH_NO_MEMORY] = "there is no memory to attach to",
	};
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (int i = 0; i < PE_ATTACH_ERRORS; i++) {
		struct pe_attach_log_group *group = &log->group[i];

		if (!group->more || now_ns < group->until_ns)
			continue;
		if (what[i])
			pe_warn("xdp",
				"%s %u more interfaces; mode and reason of "
				"packet_exporter_interface_mode show which",
				what[i], group->more);
		group->more = 0;
	}
}

void pe_attach_log_hardware(struct pe_attach_log *log, const struct pe_iface *iface)
{
	if (pe_log_once(&log->hardware, 0))
		pe_warn("xdp",
			"%s is hardware: the receive tracepoint counts what reaches the host; what "
			"the card itself drops is not in it, and its own counters are not "
			"compared; "
			"the same holds for other hardware; --xdp.mode=native attaches in drivers, "
			"many of which restart the card for that",
			iface->link->name);
}

void pe_attach_log_failure(struct pe_attach_log *log, const struct pe_iface *iface, int error,
			   unsigned int links, unsigned int max_interfaces)
{
	const struct pe_attachment *attachment = &iface->attachment;
	const struct pe_link *link = iface->link;
	enum pe_attach_error kind = pe_policy_error(error);

	if (error == -EMFILE) {
		if (pe_log_once(&log->no_files, REPEAT_NS))
			pe_warn("xdp",
				"%s: %u programs are attached, and more open files are not "
				"permitted; %s; raise the limit of open files (LimitNOFILE=, "
				"ulimit -n)",
				link->name, links, pe_attach_log_consequence(attachment));
		return;
	}
	if (error == -EAGAIN) {
		pe_debug("xdp",
			 "%s waits for a slot: those that are free have been so for moments only",
			 link->name);
		return;
	}
	if (kind == PE_ATTACH_VANISHED) {
		pe_debug("xdp", "%s went before it was attached", link->name);
		return;
	}
	if (kind == PE_ATTACH_NO_SLOT) {
		if (pe_log_once(&log->no_slot, REPEAT_NS))
			pe_warn("xdp",
				"%s is not counted: all %u slots are in use; raise "
				"--max-interfaces; trying again when one is free",
				link->name, max_interfaces);
		return;
	}
	if (!is_first(log, kind))
		return;
	if (kind == PE_ATTACH_BUSY)
		pe_warn("xdp",
			"%s: another XDP program is attached to it, to its bridge or to an "
			"interface above it, and is left alone; %s; trying again later",
			link->name, pe_attach_log_consequence(attachment));
	else
		pe_warn("xdp", "%s: XDP cannot be attached: %s; %s; trying again later", link->name,
			strerror(-error), pe_attach_log_consequence(attachment));
}
