/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The push client alone, with numbers that grow: what test_push.py drives.
 *
 * Snapshot number K has K thousand packets, so that a test can tell at the gateway which state was
 * sent. Says "snapshot K NS" for each; obeys lines of standard input: "push DELAY_MS", "stats",
 * "stop" (also at its end).
 */
#include <errno.h>
#include <getopt.h>
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
	uint64_t stop_timeout_ns;
	size_t interfaces;
	unsigned int failing; /* snapshots, from the first on */
	unsigned int taken;
};

static int fill_iface(struct pe_snapshot *snapshot, size_t index, uint64_t number)
{
	struct pe_iface_sample *iface = &snapshot->ifaces[index];
	struct pe_flow_stats *tcp = pe_arena_alloc(snapshot->arena, 1, sizeof(*tcp));
	struct pe_row *row = &iface->row[PE_INGRESS];

	if (!tcp)
		return -ENOMEM;
	snprintf(iface->info.name, sizeof(iface->info.name), "veth%04zu", index % INTERFACES_MAX);
	snprintf(iface->info.kind, sizeof(iface->info.kind), "veth");
	iface->info.ifindex = (int)index + 2;
	iface->info.mode = PE_MODE_GENERIC;
	iface->created_ns = snapshot->taken_ns;
	row->class[PE_CLASS_IPV4 + PE_PROTO_TCP] =
		(struct pe_count){ number * 1000, number * 64000 };
	row->size[0] = number * 1000;
	iface->flows.active = 3;
	iface->flows.proto[PE_PROTO_TCP] = tcp;
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

static void print_stats(const struct pe_push *push)
{
	struct pe_push_sample sample;
	uint64_t observed = 0;

	pe_push_get_stats(push, &sample);
	for (size_t i = 0; i < PE_LATENCY_BUCKETS; i++)
		observed += sample.duration.bucket[i];
	printf("stats ok=%llu network=%llu rejected=%llu server=%llu observed=%llu "
	       "last_success_ns=%llu\n",
	       (unsigned long long)sample.requests[PE_PUSH_OK],
	       (unsigned long long)sample.requests[PE_PUSH_NETWORK],
	       (unsigned long long)sample.requests[PE_PUSH_REJECTED],
	       (unsigned long long)sample.requests[PE_PUSH_SERVER], (unsigned long long)observed,
	       (unsigned long long)sample.last_success_ns);
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

static int parse(struct config *config, int argc, char **argv)
{
	static const struct option table[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "job", required_argument, NULL, 'j' },
		{ "instance", required_argument, NULL, 'i' },
		{ "grouping", required_argument, NULL, 'g' },
		{ "interval-ms", required_argument, NULL, 'I' },
		{ "timeout-ms", required_argument, NULL, 't' },
		{ "on-exit", required_argument, NULL, 'x' },
		{ "gzip", no_argument, NULL, 'z' },
		{ "username", required_argument, NULL, 'U' },
		{ "password-file", required_argument, NULL, 'P' },
		{ "bearer-token-file", required_argument, NULL, 'B' },
		{ "tls-ca-file", required_argument, NULL, 'C' },
		{ "tls-cert-file", required_argument, NULL, 'c' },
		{ "tls-key-file", required_argument, NULL, 'k' },
		{ "stop-timeout-ms", required_argument, NULL, 'T' },
		{ "interfaces", required_argument, NULL, 'n' },
		{ "failing-snapshots", required_argument, NULL, 'f' },
		{ 0 },
	};
	struct pe_push_options *push = &config->push;
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		switch (c) {
		case 'u':
			push->url = optarg;
			break;
		case 'j':
			push->job = optarg;
			break;
		case 'i':
			push->instance = optarg;
			break;
		case 'g':
			if (add_grouping(config, optarg) < 0)
				return -EINVAL;
			break;
		case 'I':
			push->interval_ns = milliseconds(optarg);
			break;
		case 't':
			push->timeout_ns = milliseconds(optarg);
			break;
		case 'x':
			push->on_exit = parse_exit(optarg);
			break;
		case 'z':
			push->gzip = true;
			break;
		case 'U':
			push->username = optarg;
			break;
		case 'P':
			push->password_file = optarg;
			break;
		case 'B':
			push->bearer_token_file = optarg;
			break;
		case 'C':
			push->tls_ca_file = optarg;
			break;
		case 'c':
			push->tls_cert_file = optarg;
			break;
		case 'k':
			push->tls_key_file = optarg;
			break;
		case 'T':
			config->stop_timeout_ns = milliseconds(optarg);
			break;
		case 'n':
			config->interfaces = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			config->failing = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct config config = {
		.push = { .job = "sample",
			  .instance = "host",
			  .interval_ns = 15 * PE_NS_PER_S,
			  .timeout_ns = 10 * PE_NS_PER_S,
			  .on_exit = PE_PUSH_EXIT_NONE },
		.stop_timeout_ns = 5 * PE_NS_PER_S,
		.interfaces = 2,
	};
	struct pe_push *push = NULL;
	char error[512], line[128];
	uint64_t began_ns;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (parse(&config, argc, argv) < 0 || config.interfaces > INTERFACES_MAX)
		return 2;
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
			pe_push_request(push, milliseconds(line + 5));
		else
			print_stats(push);
	}
	print_stats(push);
	began_ns = pe_clock_monotonic_ns();
	push = pe_push_free(push, config.stop_timeout_ns);
	printf("stopped %llu\n", (unsigned long long)(pe_clock_monotonic_ns() - began_ns));
	return 0;
}
