/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of what waits for receivers of time series; see table.c. */
#include "table.h"

#include "pe/clock.h"

#define DAY_NS (86400 * PE_NS_PER_S)

#define FIELD(member) .offset = offsetof(struct pe_options, member)

static const struct pe_option options[] = {
	{
		.section = "Spool",
		.name = "spool.path",
		.arg = "FOLDER",
		.type = PE_OPTION_STRING,
		.optional = true,
		.initial_text = "memory",
		FIELD(spool_path),
		.help = "Keep what receivers of --remote-write.url and --otlp.url do not "
			"take in this folder, so "
			"that it outlives the exporter; it must be there, and --user be able to "
			"write in it. Without it 8 MiB of memory for each receiver are used.",
	},
	{
		.name = "spool.max-size",
		.arg = "SIZE",
		.type = PE_OPTION_SIZE,
		.min = 1024 * 1024,
		.max = UINT64_C(3) << 30,
		.initial = "256MiB",
		FIELD(spool_max_bytes),
		.help = "Size of what is in it for each receiver. Beyond, the oldest third is "
			"thinned to a sample each minute, then each four minutes, before anything "
			"is dropped.",
	},
	{
		.name = "spool.max-age",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = PE_NS_PER_S,
		.max = 30 * DAY_NS,
		.initial = "1h",
		FIELD(spool_max_age_ns),
		.help = "Drop what has waited longer, in memory, too. Prometheus takes nothing "
			"that is more than an hour older than what it has.",
	},
};

const struct pe_option_table pe_option_table_spool = {
	options,
	sizeof(options) / sizeof(*options),
};
