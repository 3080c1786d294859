/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pe/healthcheck.h"
#include "pe/log.h"
#include "pe/options.h"
#include "pe/push.h"
#include "pe/supervisor.h"

#define EXIT_USAGE 2

int main(int argc, char **argv)
{
	struct pe_options options = { 0 };
	enum pe_options_action action;
	int r = pe_options_parse(&options, argc, argv, (const char *const *)environ, stdout, stderr,
				 &action);
	bool shown = pe_push_hide_password(argv);

	if (r < 0)
		return EXIT_USAGE;
	if (action == PE_OPTIONS_RUN) {
		/* The table says itself what is not counted. */
		if (options.once_ns && options.log_level == PE_LOG_INFO)
			options.log_level = PE_LOG_ERROR;
		pe_log_init(options.log_level, options.log_format);
		if (shown)
			pe_warn("push",
				"a password in --push.url, --remote-write.url or --otlp.url "
				"was visible to every user of this host until now: use "
				"--push.username and --push.password-file, or "
				"--push.bearer-token-file, or the like of the others");
		r = pe_supervisor_run(&options);
	} else if (action == PE_OPTIONS_CHECK_CONFIG) {
		puts("packet-exporter: the configuration is valid");
	} else if (action == PE_OPTIONS_HEALTHCHECK) {
		r = pe_healthcheck_ask(&options, stdout, stderr);
	}
	pe_options_fini(&options);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
