/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --once: counts for some time, prints what the page would show, and ends. Serves and pushes
 * nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/page.h"

#include "modules.h"

/* All that is written, or an error: a script must not take half of the table for all. */
static int print(struct pe_page *page)
{
	struct pe_strbuf table = PE_STRBUF_INIT;
	int r = pe_page_answer(page, PE_PATH_INDEX, "limit=1000", PE_PAGE_TABLE, &table);

	if (r > 0)
		r = fwrite(table.data, 1, table.len, stdout) == table.len && fflush(stdout) == 0
			    ? 0
			    : -EIO;
	pe_strbuf_fini(&table);
	return r;
}

static void on_end(void *userdata)
{
	struct supervisor *s = userdata;

	s->once_result = print(s->once);
	if (s->once_result < 0)
		pe_error("main", "cannot print the table: %s", strerror(-s->once_result));
	pe_loop_stop(s->loop);
}

/* The first look is what rates are counted from. */
static int start_once(struct supervisor *s)
{
	const struct pe_page_options options = {
		.telemetry_path = s->options->telemetry_path,
		.show = s->options->show,
		.snapshot = pe_module_snapshot,
		.userdata = s,
	};
	struct pe_strbuf table = PE_STRBUF_INIT;
	int r;

	if (!s->options->once_ns)
		return 0;
	/* Until the table is printed. */
	s->once_result = -EINTR;
	r = pe_page_new(&options, &s->once);
	if (r == 0)
		r = pe_page_answer(s->once, PE_PATH_INDEX, "", PE_PAGE_TABLE, &table);
	pe_strbuf_fini(&table);
	if (r >= 0)
		r = pe_loop_add_timer(s->loop, on_end, s, &s->once_timer);
	if (r >= 0)
		r = pe_source_arm(s->once_timer, pe_clock_monotonic_ns() + s->options->once_ns, 0);
	if (r < 0)
		pe_error("main", "cannot look: %s", strerror(-r));
	return r;
}

static void stop_once(struct supervisor *s)
{
	if (s->once && s->once_result == -EINTR)
		pe_error("main", "stopped before there was a table");
	pe_page_free(s->once);
}

const struct pe_module pe_module_once = {
	.name = "once",
	.start = start_once,
	.stop = stop_once,
};
