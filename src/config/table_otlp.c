/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of OTLP, which are those of remote write but for the protocol; see table.c. */
#include "table.h"

#include "pe/clock.h"

#include "table_targets.h"

#define MINUTE_NS (60 * PE_NS_PER_S)
#define DAY_NS	  (86400 * PE_NS_PER_S)

#define FIELD(member) .offset = offsetof(struct pe_options, member)

static const struct pe_option options[] = {
	{
		.section = "OTLP",
		.name = "otlp.url",
		.arg = "URL",
		.type = PE_OPTION_LIST,
		.max = PE_SINKS_OF_PROTOCOL_MAX,
		.initial_text = "no OTLP",
		FIELD(otlp.urls),
		.help = "Send to the OpenTelemetry collector, or other receiver of OTLP/HTTP, at "
			"this "
			"address, which ends in /v1/metrics. May be repeated: each has a queue of "
			"its own.",
	},
	TARGETS_PACE("otlp", otlp),
	{
		.name = "otlp.attribute",
		.arg = "NAME=VALUE",
		.type = PE_OPTION_LIST,
		.max = PE_REMOTE_LABELS_MAX - 2,
		.initial_text =
			"service.name=packet_exporter, service.instance.id and host.name=host name",
		FIELD(otlp.labels),
		.check = pe_option_check_label,
		.help = "An attribute of the resource. May be repeated; one of the name of a "
			"default "
			"replaces it.",
	},
	TARGETS_REST("otlp", otlp),
};

const struct pe_option_table pe_option_table_otlp = {
	options,
	sizeof(options) / sizeof(*options),
};
