/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many hosts' sinks of remote write in one process, without anything to count: what
 * test_remote_write.py lets come back to a receiver at once.
 *
 *	senders URL COUNT INTERVAL_MS
 *
 * Until its standard input ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/remote_write.h"
#include "pe/sample.h"

#define SENDERS_MAX 200

static int take_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	const uint64_t *created_ns = userdata;
	int r = pe_snapshot_new(ret_snapshot);

	if (r < 0)
		return r;
	(*ret_snapshot)->taken_ns = pe_clock_realtime_ns();
	(*ret_snapshot)->self.created_ns = *created_ns;
	return 0;
}

static int start(const char *url, size_t number, uint64_t interval_ns, uint64_t *created_ns,
		 struct pe_sink **ret_sink)
{
	char name[32];
	const struct pe_remote_write_options options = {
		.url = url,
		.job = "senders",
		.instance = name,
		.interval_ns = interval_ns,
		.timeout_ns = 10 * PE_NS_PER_S,
		.max_samples = 2000,
		.snapshot = take_snapshot,
		.userdata = created_ns,
	};

	snprintf(name, sizeof(name), "host-%zu", number);
	return pe_remote_write_new(&options, ret_sink);
}

int main(int argc, char **argv)
{
	struct pe_sink *sinks[SENDERS_MAX] = { NULL };
	uint64_t created_ns = pe_clock_realtime_ns(), interval_ns;
	size_t count;
	int r = 0;

	if (argc != 4 || (count = strtoul(argv[2], NULL, 10)) > SENDERS_MAX)
		return 2;
	interval_ns = strtoul(argv[3], NULL, 10) * PE_NS_PER_MS;
	/* Each failure of each of them is not worth a line. */
	pe_log_init(PE_LOG_ERROR, PE_LOG_LOGFMT);
	for (size_t i = 0; i < count && r == 0; i++)
		r = start(argv[1], i, interval_ns, &created_ns, &sinks[i]);
	if (r < 0)
		fprintf(stderr, "cannot start: %s\n", strerror(-r));
	while (r == 0 && getchar() != EOF)
		;
	pe_sinks_stop(sinks, count, PE_NS_PER_MS);
	for (size_t i = 0; i < count; i++)
		pe_sink_free(sinks[i]);
	return r < 0;
}
