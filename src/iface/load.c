/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See load.h. */
#include "load.h"

#include "pe/clock.h"
#include "pe/sample.h"

/* Below this nothing is felt: at 0.3 µs a packet it is less than a thousandth of a core. */
#define BUSY_PACKETS_PER_S 1000
/* A few may be somebody's ping. */
#define BUSY_LARGE_PER_S 20
/* 64 << 6 is the kernel's page. */
#define LARGE_BUCKET 7
/* Calm is less than a fraction of that, for so long. */
#define CALM_FRACTION 4
#define CALM_FOR_NS   (10 * PE_NS_PER_S)
/* Between two rounds; a shorter time says little. */
#define ROUND_MIN_NS (PE_NS_PER_S / 2)

/* Whether `more` in `ns` is more than `a_second`. */
static bool is_more(uint64_t more, uint64_t a_second, uint64_t ns)
{
	return (double)more * PE_NS_PER_S > (double)a_second * ns;
}

static bool is_loaded(const struct pe_load_count *now, const struct pe_load_count *before,
		      uint64_t ns, uint64_t fraction)
{
	return is_more(now->packets - before->packets, BUSY_PACKETS_PER_S / fraction, ns) ||
	       is_more(now->large - before->large, BUSY_LARGE_PER_S / fraction, ns);
}

static struct pe_load_count sum(const struct pe_row *row)
{
	struct pe_load_count count = { .packets = pe_row_total(row).packets };

	for (int i = LARGE_BUCKET; i < PE_SIZE_BUCKETS; i++)
		count.large += row->size[i];
	return count;
}

bool pe_load_update(struct pe_load *load, uint64_t now_ns, const struct pe_row *received)
{
	struct pe_load_count now = sum(received);
	uint64_t ns = now_ns - load->at_ns;

	if (load->at_ns && ns < ROUND_MIN_NS)
		return load->busy;
	if (!load->at_ns) {
		load->busy = false;
	} else if (is_loaded(&now, &load->count, ns, 1)) {
		load->busy = true;
		load->calm_since_ns = 0;
	} else if (is_loaded(&now, &load->count, ns, CALM_FRACTION)) {
		load->calm_since_ns = 0;
	} else if (!load->calm_since_ns) {
		load->calm_since_ns = load->at_ns;
	}
	if (load->calm_since_ns && now_ns - load->calm_since_ns >= CALM_FOR_NS)
		load->busy = false;
	load->at_ns = now_ns;
	load->count = now;
	return load->busy;
}
