/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See load.h. */
#include "load.h"

#include "pe/clock.h"

/* Below this, no copy is felt: less than a fiftieth of what a core copies. */
#define HEAVY_BYTES_PER_S   ((uint64_t)64 << 20)
#define HEAVY_PACKETS_PER_S 50000
/* Calm is less than a fraction of that, for so long. */
#define CALM_FRACTION 4
#define CALM_FOR_NS   (10 * PE_NS_PER_S)
/* Between two rounds; a shorter time says little. */
#define ROUND_MIN_NS (PE_NS_PER_S / 2)

static bool is_more(const struct pe_count *more, uint64_t ns, uint64_t fraction)
{
	uint64_t bytes = HEAVY_BYTES_PER_S / fraction, packets = HEAVY_PACKETS_PER_S / fraction;

	return (double)more->bytes * PE_NS_PER_S > (double)bytes * ns ||
	       (double)more->packets * PE_NS_PER_S > (double)packets * ns;
}

bool pe_load_round(struct pe_load *load, uint64_t now_ns, const struct pe_count *count)
{
	uint64_t ns = now_ns - load->at_ns;
	struct pe_count more = { count->packets - load->count.packets,
				 count->bytes - load->count.bytes };

	if (load->at_ns && ns < ROUND_MIN_NS)
		return load->heavy;
	if (!load->at_ns) {
		load->heavy = false;
	} else if (is_more(&more, ns, 1)) {
		load->heavy = true;
		load->calm_since_ns = 0;
	} else if (is_more(&more, ns, CALM_FRACTION)) {
		load->calm_since_ns = 0;
	} else if (!load->calm_since_ns) {
		load->calm_since_ns = load->at_ns;
	}
	if (load->calm_since_ns && now_ns - load->calm_since_ns >= CALM_FOR_NS)
		load->heavy = false;
	load->at_ns = now_ns;
	load->count = *count;
	return load->heavy;
}
