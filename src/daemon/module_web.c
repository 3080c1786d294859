/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP server, and what it needs before anything is counted. */
#include <string.h>

#include "pe/http.h"
#include "pe/listen.h"
#include "pe/log.h"
#include "pe/web.h"

#include "modules.h"

#define TIMEOUT_S 30
#define SHARE_MS  1000

static int read_web_config(struct supervisor *s)
{
	char why[PE_WEB_WHY_MAX] = "";
	int r = pe_web_new(s->options->web_config_file, &s->web, why, sizeof(why));

	if (r < 0)
		pe_error("web", "%s", why);
	return r;
}

static void free_web_config(struct supervisor *s)
{
	pe_web_free(s->web);
}

const struct pe_module pe_module_web_config = {
	.name = "web configuration",
	.delivers = true,
	.start = read_web_config,
	.stop = free_web_config,
};

static int start_listening(struct supervisor *s)
{
	const struct pe_listen_options options = {
		.addresses = (const char *const *)s->options->listen.item,
		.count = s->options->listen.count,
		.systemd = s->options->web_systemd_socket,
	};
	char why[PE_LISTEN_WHY_MAX] = "";
	int r = pe_listeners_new(&options, &s->listeners, why, sizeof(why));

	if (r < 0)
		pe_error("web", "%s", why);
	return r;
}

static void stop_listening(struct supervisor *s)
{
	pe_listeners_free(s->listeners);
}

const struct pe_module pe_module_listeners = {
	.name = "listeners",
	.delivers = true,
	.start = start_listening,
	.stop = stop_listening,
};

static bool ready(void *userdata)
{
	struct supervisor *s = userdata;

	return __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE);
}

static int start_http(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	const struct pe_http_options options = {
		.listeners = s->listeners,
		.web = s->web,
		.telemetry_path = o->telemetry_path,
		.show = o->show,
		.max_connections = s->shares.connections,
		.timeout_s = TIMEOUT_S,
		.share_ms = SHARE_MS,
		.snapshot = pe_module_snapshot,
		.look = pe_module_snapshot,
		.ready = ready,
		.userdata = s,
	};
	int r = pe_http_new(&options, &s->http);

	if (r < 0) {
		pe_error("web", "cannot serve: %s", strerror(-r));
		return r;
	}
	pe_snapshot_sources_set_http(&s->sources, s->http);
	for (size_t i = 0; i < pe_listeners_count(s->listeners); i++)
		pe_info("web", "serving %s on %s", o->telemetry_path,
			pe_listeners_name(s->listeners, i));
	return 0;
}

static void stop_http(struct supervisor *s)
{
	pe_snapshot_sources_set_http(&s->sources, NULL);
	pe_http_free(s->http);
}

static void tick_http(struct supervisor *s)
{
	pe_http_tick(s->http);
}

static void reload_http(struct supervisor *s)
{
	pe_http_reload(s->http);
}

const struct pe_module pe_module_http = {
	.name = "http",
	.delivers = true,
	.start = start_http,
	.stop = stop_http,
	.tick = tick_http,
	.reload = reload_http,
};

static void refuse_logins(struct supervisor *s)
{
	pe_http_refuse_logins(s->http);
}

const struct pe_module pe_module_logins = {
	.name = "logins",
	.delivers = true,
	.stop = refuse_logins,
};
