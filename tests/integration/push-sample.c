/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The push sink alone, with numbers that grow: what test_push.py drives.
 *
 * Snapshot number K has K thousand packets, so that a test can tell at the gateway which state was
 * sent. Says "snapshot K NS" for each; obeys lines of standard input: "push DELAY_MS", "reload",
 * "stats", "stop" (also at its end).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/log.h"
#include "pe/push.h"
#include "pe/sample.h"

#define GROUPING_MAX   64
#define INTERFACES_MAX 10000

struct config {
	struct pe_push_options push;
	struct pe_push_label grouping[GROUPING_MAX];
	char host[PE_PUSH_HOST_MAX]; /* of --host */
	uint64_t stop_timeout_ns;
	size_t interfaces;
	unsigned int failing; /* snapshots, from the first on */
	unsigned int taken;
};

static int fill_iface(struct pe_snapshot *snapshot, size_t index, uint64_t number)
{
	struct pe_iface_sample *iface = &snapshot->ifaces[index];
	struct pe_flow_stats *tcp = pe_arena_alloc(snapshot->arena, 1, sizeof(*tcp));
	struct pe_row *row = &iface->body.row[PE_INGRESS];

	if (!tcp)
		return -ENOMEM;
	snprintf(iface->info.name, sizeof(iface->info.name), "veth%04zu", index % INTERFACES_MAX);
	snprintf(iface->info.kind, sizeof(iface->info.kind), "veth");
	iface->info.ifindex = (int)index + 2;
	iface->info.mode = PE_MODE_GENERIC;
	iface->body.created_ns = snapshot->taken_ns;
	row->class[PE_CLASS_IPV4 + PE_PROTO_TCP] =
		(struct pe_count){ number * 1000, number * 64000 };
	row->size[0] = number * 1000;
	iface->body.flows.active = 3;
	iface->body.flows.proto[PE_PROTO_TCP] = tcp;
	tcp->flows[PE_INGRESS] = number;
	tcp->duration[2] = number;
	tcp->duration_sum_ns = number * PE_NS_PER_MS * 60;
	tcp->size[1] = number;
	tcp->size_sum_bytes = number * 1000;
	return 0;
}

static int take_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct config *config = userdata;
	struct pe_snapshot *snapshot = NULL;
	unsigned int number = ++config->taken;
	int r;

	printf("snapshot %u %llu\n", number, (unsigned long long)pe_clock_monotonic_ns());
	if (number <= config->failing)
		return -EIO;
	r = pe_snapshot_new(&snapshot);
	if (r < 0)
		return r;
	snapshot->taken_ns = pe_clock_realtime_ns();
	snapshot->self.created_ns = snapshot->taken_ns;
	snapshot->self.process.resident_bytes = 1;
	r = pe_snapshot_alloc_ifaces(snapshot, config->interfaces);
	for (size_t i = 0; r == 0 && i < config->interfaces; i++)
		r = fill_iface(snapshot, i, number);
	if (r < 0) {
		pe_snapshot_unref(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

static uint64_t milliseconds(const char *text)
{
	return strtoull(text, NULL, 10) * PE_NS_PER_MS;
}

static void print_stats(const struct pe_sink *push)
{
	struct pe_sink_sample sample;
	uint64_t observed = 0;

	pe_sink_get_stats(push, &sample);
	for (size_t i = 0; i < PE_LATENCY_BUCKETS; i++)
		observed += sample.duration.bucket[i];
	printf("stats ok=%llu network=%llu rejected=%llu server=%llu observed=%llu "
	       "last_success_ns=%llu legacy_refused=%d\n",
	       (unsigned long long)sample.requests[PE_SINK_OK],
	       (unsigned long long)sample.requests[PE_SINK_NETWORK],
	       (unsigned long long)sample.requests[PE_SINK_REJECTED],
	       (unsigned long long)sample.requests[PE_SINK_SERVER], (unsigned long long)observed,
	       (unsigned long long)sample.last_success_ns, sample.reduced);
}

static int add_grouping(struct config *config, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || config->push.grouping_count == GROUPING_MAX)
		return -EINVAL;
	*equals = '\0';
	config->grouping[config->push.grouping_count++] =
		(struct pe_push_label){ .name = text, .value = equals + 1 };
	return 0;
}

static enum pe_push_exit parse_exit(const char *text)
{
	if (strcmp(text, "push") == 0)
		return PE_PUSH_EXIT_PUSH;
	return strcmp(text, "delete") == 0 ? PE_PUSH_EXIT_DELETE : PE_PUSH_EXIT_NONE;
}

/* Takes "--name=value": as text, as milliseconds, or in a way of its own. */
static int parse_argument(struct config *config, char *argument)
{
	struct pe_push_options *push = &config->push;
	const struct {
		const char *name;
		const char **text;
		uint64_t *duration_ns;
	} table[] = {
		{ "--url", &push->url, NULL },
		{ "--job", &push->job, NULL },
		{ "--instance", &push->instance, NULL },
		{ "--username", &push->username, NULL },
		{ "--password-file", &push->password_file, NULL },
		{ "--bearer-token-file", &push->bearer_token_file, NULL },
		{ "--tls-ca-file", &push->tls_ca_file, NULL },
		{ "--tls-cert-file", &push->tls_cert_file, NULL },
		{ "--tls-key-file", &push->tls_key_file, NULL },
		{ "--interval-ms", NULL, &push->interval_ns },
		{ "--timeout-ms", NULL, &push->timeout_ns },
		{ "--stop-timeout-ms", NULL, &config->stop_timeout_ns },
	};
	char *value = strchr(argument, '=');

	if (strcmp(argument, "--gzip") == 0) {
		push->gzip = true;
		return 0;
	}
	if (strcmp(argument, "--legacy") == 0) {
		push->show.legacy = true;
		return 0;
	}
	if (strcmp(argument, "--host") == 0) {
		pe_push_host_name(config->host);
		push->instance = config->host;
		push->instance_is_host = true;
		return 0;
	}
	if (!value)
		return -EINVAL;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, argument) != 0)
			continue;
		if (table[i].text)
			*table[i].text = value;
		else
			*table[i].duration_ns = milliseconds(value);
		return 0;
	}
	if (strcmp(argument, "--grouping") == 0)
		return add_grouping(config, value);
	if (strcmp(argument, "--on-exit") == 0)
		push->on_exit = parse_exit(value);
	else if (strcmp(argument, "--interfaces") == 0)
		config->interfaces = strtoul(value, NULL, 10);
	else if (strcmp(argument, "--failing-snapshots") == 0)
		config->failing = (unsigned int)strtoul(value, NULL, 10);
	else
		return -EINVAL;
	return config->interfaces > INTERFACES_MAX ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct config config = {
		.push = { .job = "sample",
			  .instance = "host",
			  .interval_ns = 15 * PE_NS_PER_S,
			  .timeout_ns = 10 * PE_NS_PER_S,
			  .on_exit = PE_PUSH_EXIT_NONE,
			  .show.detail = PE_DETAIL_FULL },
		.stop_timeout_ns = 5 * PE_NS_PER_S,
		.interfaces = 2,
	};
	struct pe_sink *push = NULL;
	char error[512], line[128];
	uint64_t began_ns;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (parse_argument(&config, argv[i]) < 0) {
			fprintf(stderr, "%s: bad argument\n", argv[i]);
			return 2;
		}
	}
	config.push.grouping = config.grouping;
	config.push.snapshot = take_snapshot;
	config.push.userdata = &config;
	if (pe_push_check(&config.push, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 2;
	}
	pe_log_init(PE_LOG_INFO, PE_LOG_LOGFMT);
	r = pe_push_new(&config.push, &push);
	if (r < 0) {
		fprintf(stderr, "cannot start: %s\n", strerror(-r));
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "stop\n") != 0) {
		if (strncmp(line, "push ", 5) == 0)
			pe_sink_request(push, milliseconds(line + 5));
		else if (strcmp(line, "reload\n") == 0)
			pe_sink_reload(push);
		else
			print_stats(push);
	}
	print_stats(push);
	began_ns = pe_clock_monotonic_ns();
	pe_sinks_stop(&push, 1, config.stop_timeout_ns);
	printf("stopped %llu\n", (unsigned long long)(pe_clock_monotonic_ns() - began_ns));
	pe_sink_free(push);
	return 0;
}
