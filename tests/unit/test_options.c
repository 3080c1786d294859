/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options through their public door: values, sources and their precedence, messages, --help.
 * The list of options is read from --help=markdown, so that an option without a test here fails.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pe/cleanup.h"
#include "pe/catalogue.h"
#include "pe/clock.h"
#include "pe/link.h"
#include "pe/options.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define ARGV(...)    ((const char *const[]){ "packet-exporter", ##__VA_ARGS__, NULL })
#define ENV(...)     ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ENV	     ((const char *const[]){ NULL })

/* One call of pe_options_parse() and all that came of it. */
struct result {
	struct pe_options options;
	enum pe_options_action action;
	int r;
	char *out, *err;
};

static void result_fini(struct result *result)
{
	pe_options_fini(&result->options);
	free(result->out);
	free(result->err);
}

static void run(struct result *result, const char *const *argv, const char *const *env)
{
	size_t out_size, err_size;
	FILE *out, *err;
	int argc = 0;

	*result = (struct result){ .action = (enum pe_options_action) - 1 };
	/* What an option does not set must not be left from before. */
	memset(&result->options, 0xa5, sizeof(result->options));
	out = open_memstream(&result->out, &out_size);
	err = open_memstream(&result->err, &err_size);
	assert_true(out && err);
	while (argv[argc])
		argc++;
	result->r = pe_options_parse(&result->options, argc, (char *const *)argv, env, out, err,
				     &result->action);
	fclose(out);
	fclose(err);
}

static void expect_error(const char *const *argv, const char *const *env, const char *message)
{
	_cleanup_(result_fini) struct result result;
	struct pe_options zero = { 0 };
	char line[1024];

	run(&result, argv, env);
	snprintf(line, sizeof(line), "packet-exporter: %s\n", message);
	assert_string_equal(result.err, line);
	assert_string_equal(result.out, "");
	assert_int_equal(result.r, -EINVAL);
	assert_memory_equal(&result.options, &zero, sizeof(zero));
}

static void env_name(const char *name, char *env, size_t size)
{
	size_t i;

	snprintf(env, size, "PE_%s", name);
	for (i = 0; env[i]; i++)
		env[i] = strchr(".-", env[i]) ? '_' : (char)toupper((unsigned char)env[i]);
}

/* ---- the fields as text ---- */

static const struct field {
	const char *name;
	char type; /* b bool, u unsigned int, n ns, s string, l list */
	size_t offset;
} fields[] = {
#define F(name, type, member)                                   \
	{                                                       \
		name, type, offsetof(struct pe_options, member) \
	}
	F("interface.include", 's', interface_include),
	F("interface.exclude", 's', interface_exclude),
	F("xdp.mode", 'u', xdp_mode),
	F("egress", 'b', egress),
	F("drops", 'b', drops),
	F("dns", 'b', dns),
	F("tcp", 'b', tcp),
	F("flows", 'b', flows),
	F("max-interfaces", 'u', max_interfaces),
	F("netlink.rcvbuf", 'u', netlink_rcvbuf),
	F("workers", 'u', workers),
	F("flows.top", 'u', flows_top),
	F("flows.cache-size", 'u', flow_cache),
	F("flows.table-size", 'u', flow_table),
	F("flows.ring-size", 'u', ring_size),
	F("flows.idle-timeout", 'n', flow_idle_ns),
	F("departed.retention", 'n', departed_retention_ns),
	F("departed.max", 'u', departed_max),
	F("group.by", 'u', group_by),
	F("group.max", 'u', group_max),
	F("interface.detail", 'u', show.detail),
	F("interface.labels", 'u', show.iface_labels),
	F("metrics.created", 'b', show.created),
	F("metrics.include", 's', metrics.include),
	F("metrics.exclude", 's', metrics.exclude),
	F("metrics.legacy", 'b', show.legacy),
	F("identity", 'b', identity),
	F("identity.cni", 'b', identity_cni),
	F("identity.files", 'b', identity_files),
	F("identity.wait", 'n', identity_wait_ns),
	F("workload.rule", 'l', workload_rules),
	F("web.listen-address", 'l', listen),
	F("web.systemd-socket", 'b', web_systemd_socket),
	F("web.config.file", 's', web_config_file),
	F("web.telemetry-path", 's', telemetry_path),
	F("web.max-connections", 'u', web_max_connections),
	F("push.url", 's', push_url),
	F("push.job", 's', push_job),
	F("push.instance", 's', push_instance),
	F("push.grouping", 'l', push_grouping),
	F("push.interval", 'n', push_interval_ns),
	F("push.timeout", 'n', push_timeout_ns),
	F("push.departure-delay", 'n', push_departure_delay_ns),
	F("push.on-exit", 'u', push_on_exit),
	F("push.compression", 'b', push_gzip),
	F("push.metrics-include", 's', push_metrics.include),
	F("push.metrics-exclude", 's', push_metrics.exclude),
	F("push.username", 's', push_username),
	F("push.password-file", 's', push_password_file),
	F("push.bearer-token-file", 's', push_bearer_token_file),
	F("push.tls-ca-file", 's', push_tls_ca_file),
	F("push.tls-cert-file", 's', push_tls_cert_file),
	F("push.tls-key-file", 's', push_tls_key_file),
	F("remote-write.url", 'l', remote.urls),
	F("remote-write.protocol", 'u', remote_protocol),
	F("remote-write.interval", 'n', remote.interval_ns),
	F("remote-write.timeout", 'n', remote.timeout_ns),
	F("remote-write.label", 'l', remote.labels),
	F("remote-write.max-samples-per-send", 'u', remote.max_samples),
	F("remote-write.newest-first", 'b', remote.newest_first),
	F("remote-write.min-age", 'n', remote.min_age_ns),
	F("remote-write.departed-hold", 'n', remote.hold_ns),
	F("remote-write.metrics-include", 's', remote.metrics.include),
	F("remote-write.metrics-exclude", 's', remote.metrics.exclude),
	F("remote-write.header-file", 's', remote.header_file),
	F("remote-write.username", 's', remote.username),
	F("remote-write.password-file", 's', remote.password_file),
	F("remote-write.bearer-token-file", 's', remote.bearer_token_file),
	F("remote-write.tls-ca-file", 's', remote.tls_ca_file),
	F("remote-write.tls-cert-file", 's', remote.tls_cert_file),
	F("remote-write.tls-key-file", 's', remote.tls_key_file),
	F("otlp.url", 'l', otlp.urls),
	F("otlp.interval", 'n', otlp.interval_ns),
	F("otlp.timeout", 'n', otlp.timeout_ns),
	F("otlp.attribute", 'l', otlp.labels),
	F("otlp.max-samples-per-send", 'u', otlp.max_samples),
	F("otlp.newest-first", 'b', otlp.newest_first),
	F("otlp.min-age", 'n', otlp.min_age_ns),
	F("otlp.departed-hold", 'n', otlp.hold_ns),
	F("otlp.metrics-include", 's', otlp.metrics.include),
	F("otlp.metrics-exclude", 's', otlp.metrics.exclude),
	F("otlp.header-file", 's', otlp.header_file),
	F("otlp.username", 's', otlp.username),
	F("otlp.password-file", 's', otlp.password_file),
	F("otlp.bearer-token-file", 's', otlp.bearer_token_file),
	F("otlp.tls-ca-file", 's', otlp.tls_ca_file),
	F("otlp.tls-cert-file", 's', otlp.tls_cert_file),
	F("otlp.tls-key-file", 's', otlp.tls_key_file),
	F("spool.path", 's', spool_path),
	F("spool.max-size", 'u', spool_max_bytes),
	F("spool.max-age", 'n', spool_max_age_ns),
	F("user", 's', user),
	F("sandbox", 'b', sandbox),
	F("log.level", 'u', log_level),
	F("log.format", 'u', log_format),
#undef F
};

static const struct field *find_field(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(fields); i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	fail_msg("no field for --%s", name);
	return NULL;
}

static void show(const struct pe_options *options, const char *name, char *text, size_t size)
{
	const struct field *field = find_field(name);
	const void *at = (const char *)options + field->offset;
	const struct pe_strings *list = at;
	size_t i, len = 0;

	text[0] = '\0';
	switch (field->type) {
	case 'b':
		snprintf(text, size, "%s", *(const bool *)at ? "true" : "false");
		break;
	case 'u':
		snprintf(text, size, "%u", *(const unsigned int *)at);
		break;
	case 'n':
		snprintf(text, size, "%" PRIu64 "ms", *(const uint64_t *)at / PE_NS_PER_MS);
		break;
	case 's':
		snprintf(text, size, "%s", *(char *const *)at ? *(char *const *)at : "(null)");
		break;
	case 'l':
		for (i = 0; i < list->count; i++)
			len += (size_t)snprintf(text + len, size - len, "%s<%s>", i ? " " : "",
						list->item[i]);
		break;
	}
}

/* ---- values ---- */

static const struct {
	const char *name, *value, *shown;
} good[] = {
	{ "interface.include", "^(veth|br-)", "^(veth|br-)" },
	{ "interface.exclude", "^docker0$", "^docker0$" },
	{ "xdp.mode", "auto", "0" },
	{ "xdp.mode", "generic", "1" },
	{ "xdp.mode", "native", "2" },
	{ "egress", "on", "true" },
	{ "egress", "off", "false" },
	{ "drops", "on", "true" },
	{ "drops", "off", "false" },
	{ "dns", "on", "true" },
	{ "dns", "off", "false" },
	{ "flows", "on", "true" },
	{ "flows", "off", "false" },
	{ "tcp", "off", "false" },
	{ "identity", "off", "false" },
	{ "identity.cni", "off", "false" },
	{ "identity.files", "off", "false" },
	{ "identity.files", "auto", "true" },
	{ "identity.wait", "0s", "0ms" },
	{ "identity.wait", "500ms", "500ms" },
	{ "workload.rule", "^(.*)-canary$=\\1", "<^(.*)-canary$=\\1>" },
	{ "max-interfaces", "1", "1" },
	{ "max-interfaces", "16384", "16384" },
	{ "netlink.rcvbuf", "65536", "65536" },
	{ "netlink.rcvbuf", "100k", "102400" },
	{ "netlink.rcvbuf", "100K", "102400" },
	{ "netlink.rcvbuf", "100KiB", "102400" },
	{ "netlink.rcvbuf", "2M", "2097152" },
	{ "netlink.rcvbuf", "512MiB", "536870912" },
	{ "workers", "1", "1" },
	{ "workers", "256", "256" },
	{ "flows.top", "0", "0" },
	{ "flows.top", "1000", "1000" },
	{ "flows.cache-size", "64", "64" },
	{ "flows.cache-size", "1048576", "1048576" },
	{ "flows.table-size", "65", "65" },
	{ "flows.table-size", "16777216", "16777216" },
	{ "flows.ring-size", "4096", "4096" },
	{ "flows.ring-size", "1G", "1073741824" },
	{ "flows.ring-size", "1GiB", "1073741824" },
	{ "flows.idle-timeout", "1s", "1000ms" },
	{ "flows.idle-timeout", "1d", "86400000ms" },
	{ "departed.retention", "1m30s", "90000ms" },
	{ "departed.retention", "1w", "604800000ms" },
	{ "departed.max", "1", "1" },
	{ "departed.max", "65536", "65536" },
	{ "group.by", "kind", "1" },
	{ "group.by", "image,kind", "129" },
	{ "group.by", "kind,master,runtime,namespace,pod,container,workload,image", "255" },
	{ "group.by", "pod,pod", "16" },
	{ "group.max", "1", "1" },
	{ "group.max", "65536", "65536" },
	{ "interface.detail", "basic", "0" },
	{ "interface.detail", "full", "1" },
	{ "interface.labels", "container", "1" },
	{ "interface.labels", "workload,pod", "10" },
	{ "metrics.created", "true", "true" },
	{ "metrics.include", "packet_exporter_host_.*", "packet_exporter_host_.*" },
	{ "metrics.exclude", ".*_(seconds|info)", ".*_(seconds|info)" },
	{ "metrics.legacy", "true", "true" },
	{ "metrics.legacy", "false", "false" },
	{ "metrics.legacy", "1", "true" },
	{ "metrics.legacy", "0", "false" },
	{ "web.listen-address", ":0", "<:0>" },
	{ "web.listen-address", ":65535", "<:65535>" },
	{ "web.listen-address", "127.0.0.1:80", "<127.0.0.1:80>" },
	{ "web.listen-address", "[::1]:80", "<[::1]:80>" },
	{ "web.listen-address", "[fe80::1%eth0]:80", "<[fe80::1%eth0]:80>" },
	{ "web.listen-address", "node-1.my_net.example:80", "<node-1.my_net.example:80>" },
	{ "web.systemd-socket", "true", "true" },
	{ "web.config.file", "/etc/web.yml", "/etc/web.yml" },
	{ "web.telemetry-path", "/a/b-c_d", "/a/b-c_d" },
	{ "web.telemetry-path", "/-/metrics", "/-/metrics" },
	{ "web.max-connections", "1", "1" },
	{ "web.max-connections", "65536", "65536" },
	{ "push.url", "http://gw:9091", "http://gw:9091" },
	{ "push.url", "https://u:p@[::1]:9091/prefix", "https://u:p@[::1]:9091/prefix" },
	{ "push.job", "a/b", "a/b" },
	{ "push.instance", "host 1", "host 1" },
	{ "push.grouping", "rack=a=b", "<rack>" },
	{ "push.grouping", "rack=", "<rack>" },
	{ "push.interval", "1s", "1000ms" },
	{ "push.interval", "24h", "86400000ms" },
	{ "push.timeout", "100ms", "100ms" },
	{ "push.timeout", "10m", "600000ms" },
	{ "push.departure-delay", "0", "0ms" },
	{ "push.departure-delay", "1m", "60000ms" },
	{ "push.on-exit", "push", "0" },
	{ "push.on-exit", "delete", "1" },
	{ "push.on-exit", "none", "2" },
	{ "push.compression", "gzip", "true" },
	{ "push.compression", "none", "false" },
	{ "push.metrics-include", "packet_exporter_host_.*", "packet_exporter_host_.*" },
	{ "push.metrics-exclude", ".*_(seconds|info)", ".*_(seconds|info)" },
	{ "push.username", "me", "me" },
	{ "push.password-file", "/p", "/p" },
	{ "push.bearer-token-file", "/b", "/b" },
	{ "push.tls-ca-file", "/ca", "/ca" },
	{ "push.tls-cert-file", "/cert", "/cert" },
	{ "push.tls-key-file", "/key", "/key" },
	{ "remote-write.url", "http://h/api/v1/write", "<http://h/api/v1/write>" },
	{ "remote-write.protocol", "1", "0" },
	{ "remote-write.protocol", "2", "1" },
	{ "remote-write.protocol", "auto", "2" },
	{ "remote-write.interval", "1s", "1000ms" },
	{ "remote-write.timeout", "10m", "600000ms" },
	{ "remote-write.newest-first", "on", "true" },
	{ "remote-write.min-age", "0s", "0ms" },
	{ "remote-write.departed-hold", "1d", "86400000ms" },
	{ "remote-write.label", "job=a=b", "<job>" },
	{ "remote-write.max-samples-per-send", "1", "1" },
	{ "remote-write.metrics-include", "packet_exporter_host_.*", "packet_exporter_host_.*" },
	{ "remote-write.metrics-exclude", ".*_(seconds|info)", ".*_(seconds|info)" },
	{ "remote-write.header-file", "/h", "/h" },
	{ "spool.path", "/s", "/s" },
	{ "spool.max-size", "1MiB", "1048576" },
	{ "spool.max-age", "2h", "7200000ms" },
	{ "remote-write.username", "me", "me" },
	{ "remote-write.password-file", "/p", "/p" },
	{ "remote-write.bearer-token-file", "/b", "/b" },
	{ "remote-write.tls-ca-file", "/ca", "/ca" },
	{ "remote-write.tls-cert-file", "/cert", "/cert" },
	{ "remote-write.tls-key-file", "/key", "/key" },
	{ "otlp.url", "http://h/v1/metrics", "<http://h/v1/metrics>" },
	{ "otlp.interval", "1s", "1000ms" },
	{ "otlp.timeout", "10m", "600000ms" },
	{ "otlp.newest-first", "on", "true" },
	{ "otlp.min-age", "0s", "0ms" },
	{ "otlp.departed-hold", "0s", "0ms" },
	{ "otlp.attribute", "a.b=c=d", "<a.b>" },
	{ "otlp.max-samples-per-send", "1", "1" },
	{ "otlp.metrics-include", "packet_exporter_host_.*", "packet_exporter_host_.*" },
	{ "otlp.metrics-exclude", ".*_(seconds|info)", ".*_(seconds|info)" },
	{ "otlp.header-file", "/h", "/h" },
	{ "otlp.username", "me", "me" },
	{ "otlp.password-file", "/p", "/p" },
	{ "otlp.bearer-token-file", "/b", "/b" },
	{ "otlp.tls-ca-file", "/ca", "/ca" },
	{ "otlp.tls-cert-file", "/cert", "/cert" },
	{ "otlp.tls-key-file", "/key", "/key" },
	{ "user", "nobody", "nobody" },
	{ "user", "0", "0" },
	{ "user", "4294967294", "4294967294" }, /* a number needs no entry */
	{ "sandbox", "on", "true" },
	{ "sandbox", "off", "false" },
	{ "log.level", "debug", "0" },
	{ "log.level", "info", "1" },
	{ "log.level", "warn", "2" },
	{ "log.level", "error", "3" },
	{ "log.format", "logfmt", "0" },
	{ "log.format", "json", "1" },
};

static void expect_field(const char *const *argv, const char *const *env, const char *name,
			 const char *shown)
{
	_cleanup_(result_fini) struct result result;
	char text[512];

	run(&result, argv, env);
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, "");
	assert_int_equal(result.r, 0);
	assert_int_equal(result.action, PE_OPTIONS_RUN);
	show(&result.options, name, text, sizeof(text));
	assert_string_equal(text, shown);
}

/* Each by --x=v, by --x v and by the environment. */
static void test_good_values(void **state)
{
	char flag[256], bare[128], env[128], setting[256];
	size_t i;

	for (i = 0; i < COUNT(good); i++) {
		env_name(good[i].name, env, sizeof(env));
		snprintf(flag, sizeof(flag), "--%s=%s", good[i].name, good[i].value);
		snprintf(bare, sizeof(bare), "--%s", good[i].name);
		snprintf(setting, sizeof(setting), "%s=%s", env, good[i].value);
		expect_field(ARGV(flag), NO_ENV, good[i].name, good[i].shown);
		if (strncmp(good[i].name, "metrics.", 8) != 0 &&
		    strcmp(good[i].name, "web.systemd-socket") != 0)
			expect_field(ARGV(bare, good[i].value), NO_ENV, good[i].name,
				     good[i].shown);
		expect_field(ARGV(), ENV("HOME=/", setting), good[i].name, good[i].shown);
	}
}

#define SIZE(range) " (allowed: " range ", as 65536, 64KiB, 16MiB)"
#define ADDRESS	    "is not an address (allowed: [HOST]:PORT, as :9817, 127.0.0.1:9817, [::1]:9817)"
#define PATH	    "is not a path (allowed: '/' and printable characters but ?#%\"<>\\, as /metrics)"
#define TAKEN                                                                                   \
	"is taken by another page (allowed: a path other than /, /-/healthy and /-/ready, not " \
	"below /api/v1/)"
#define LARGE                                                                                 \
	"is too large (allowed: 4096 characters with repetitions written out, repetitions 3 " \
	"deep, groups 63 deep)"
#define NO_USER	     "is no user of this system, by name or by number"
#define NOT_DURATION "is not a duration (allowed: 1s to 1d, as 15s, 1m30s)"
#define BAD_DURATION "is out of range (allowed: 1s to 1d, as 15s, 1m30s)"

#define GROUP_LABELS "kind, master, runtime, namespace, pod, container, workload, image"

static const struct {
	const char *name, *value, *why;
} bad[] = {
	{ "interface.include", "(", "is not a regular expression: Unmatched ( or \\(" },
	{ "identity", "yes", "is not one of on, off" },
	{ "identity.cni", "yes", "is not one of on, off" },
	{ "identity.files", "on", "is not one of auto, off" },
	{ "identity.wait", "61s", "is out of range (allowed: 0s to 1m, as 15s, 1m30s)" },
	{ "workload.rule", "web", "is not REGEX=REPLACEMENT" },
	{ "workload.rule", "(=x", "is not a regular expression: Unmatched ( or \\(" },
	{ "workload.rule", "(a)=\\2", "has no group \\2" },
	{ "interface.exclude", "[z-a]", "is not a regular expression: Invalid range end" },
	{ "interface.include", "a++++++++++++++++++++++++++++++", LARGE },
	{ "interface.include", "(((a{20}){20}){20})", LARGE },
	{ "interface.include", "a{20}{,20}{20,}", LARGE },
	{ "interface.include", "(a|(b?)*[+]){2}?", LARGE },
	{ "interface.include", "(b|[]+(]a|\\{){,2000}", LARGE },
	{ "interface.exclude", "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a",
	  LARGE },
	{ "xdp.mode", "fast", "is not one of auto, generic, native" },
	{ "xdp.mode", "auto|generic", "is not one of auto, generic, native" },
	{ "xdp.mode", "gen", "is not one of auto, generic, native" },
	{ "egress", "yes", "is not one of on, off" },
	{ "max-interfaces", "0", "is out of range (allowed: 1 to 16384)" },
	{ "max-interfaces", "16385", "is out of range (allowed: 1 to 16384)" },
	{ "max-interfaces", "-1", "is not a whole number (allowed: 1 to 16384)" },
	{ "max-interfaces", "+1", "is not a whole number (allowed: 1 to 16384)" },
	{ "max-interfaces", " 1", "is not a whole number (allowed: 1 to 16384)" },
	{ "max-interfaces", "1k", "is not a whole number (allowed: 1 to 16384)" },
	{ "max-interfaces", "0x10", "is not a whole number (allowed: 1 to 16384)" },
	{ "netlink.rcvbuf", "65535", "is out of range" SIZE("64KiB to 512MiB") },
	{ "netlink.rcvbuf", "513M", "is out of range" SIZE("64KiB to 512MiB") },
	{ "netlink.rcvbuf", "1MB", "is not a size" SIZE("64KiB to 512MiB") },
	{ "netlink.rcvbuf", "M", "is not a size" SIZE("64KiB to 512MiB") },
	{ "netlink.rcvbuf", "17179869185GiB", "is not a size" SIZE("64KiB to 512MiB") },
	{ "workers", "257", "is out of range (allowed: 1 to 256)" },
	{ "workers", "0", "is out of range (allowed: 1 to 256)" },
	{ "flows.top", "1001", "is out of range (allowed: 0 to 1000)" },
	{ "flows.cache-size", "63", "is out of range (allowed: 64 to 1048576)" },
	{ "flows.cache-size", "65", "is not a power of two (allowed: 64 to 1048576)" },
	{ "flows.table-size", "18446744073709551616",
	  "is not a whole number (allowed: 64 to 16777216)" },
	{ "flows.table-size", "4294967360", "is out of range (allowed: 64 to 16777216)" },
	{ "flows.ring-size", "5000", "is not a power of two" SIZE("4KiB to 1GiB") },
	{ "flows.ring-size", "2G", "is out of range" SIZE("4KiB to 1GiB") },
	{ "flows.idle-timeout", "999ms", BAD_DURATION },
	{ "departed.retention", "8d", "is out of range (allowed: 1s to 7d, as 15s, 1m30s)" },
	{ "departed.max", "0", "is out of range (allowed: 1 to 65536)" },
	{ "group.by", "kinds", "is not a list of " GROUP_LABELS ", separated by commas" },
	{ "group.by", "kind,", "is not a list of " GROUP_LABELS ", separated by commas" },
	{ "group.by", ",kind", "is not a list of " GROUP_LABELS ", separated by commas" },
	{ "group.by", "kind, pod", "is not a list of " GROUP_LABELS ", separated by commas" },
	{ "interface.labels", "image",
	  "is not a list of container, pod, namespace, workload, separated by commas" },
	{ "group.max", "0", "is out of range (allowed: 1 to 65536)" },
	{ "interface.detail", "fuller", "is not one of basic, full" },
	{ "metrics.legacy", "maybe", "is not one of true, false, 1, 0" },
	{ "web.listen-address", "9817", ADDRESS },
	{ "web.listen-address", ":", ADDRESS },
	{ "web.listen-address", ":65536", ADDRESS },
	{ "web.listen-address", ":080000", ADDRESS },
	{ "web.listen-address", ":80x", ADDRESS },
	{ "web.listen-address", ":-1", ADDRESS },
	{ "web.listen-address", "::1:80", ADDRESS },
	{ "web.listen-address", "[::1]80", ADDRESS },
	{ "web.listen-address", "[::1:80", ADDRESS },
	{ "web.listen-address", "[]:80", ADDRESS },
	{ "web.listen-address", "[::1%]:80", ADDRESS },
	{ "web.listen-address", "[127.0.0.1]:80", ADDRESS },
	{ "web.listen-address", "http://host:80", ADDRESS },
	{ "web.listen-address", "a b:80", ADDRESS },
	{ "web.telemetry-path", "metrics", PATH },
	{ "web.telemetry-path", "/a b", PATH },
	{ "web.telemetry-path", "/a?b", PATH },
	{ "web.telemetry-path", "/m\xc3\xa4", PATH },
	{ "web.telemetry-path", "/", TAKEN },
	{ "web.telemetry-path", "/-/healthy", TAKEN },
	{ "web.telemetry-path", "/api/v1/metrics", TAKEN },
	{ "web.telemetry-path", "/-/ready", TAKEN },
	{ "web.max-connections", "0", "is out of range (allowed: 1 to 65536)" },
	{ "push.grouping", "rack", "is not a label (allowed: NAME=VALUE, as rack=r12)" },
	{ "push.grouping", "=a", "is not a label (allowed: NAME=VALUE, as rack=r12)" },
	{ "push.interval", "abc", NOT_DURATION },
	{ "push.interval", "15", NOT_DURATION },
	{ "push.interval", "1s1m", NOT_DURATION },
	{ "push.interval", "0", BAD_DURATION },
	{ "push.interval", "2d", BAD_DURATION },
	{ "push.timeout", "99ms", "is out of range (allowed: 100ms to 10m, as 15s, 1m30s)" },
	{ "push.departure-delay", "2d", "is out of range (allowed: 0s to 1d, as 15s, 1m30s)" },
	{ "push.on-exit", "Push", "is not one of push, delete, none" },
	{ "push.compression", "zstd", "is not one of gzip, none" },
	{ "user", "no-such-user", NO_USER },
	{ "user", "nobody ", NO_USER },
	{ "user", "-1", NO_USER },
	{ "user", "4294967295", NO_USER }, /* stands for none */
	{ "user", "99999999999", NO_USER },
	{ "sandbox", "true", "is not one of on, off" },
	{ "log.level", "trace", "is not one of debug, info, warn, error" },
	{ "log.format", "text", "is not one of logfmt, json" },
};

static void test_bad_values(void **state)
{
	char flag[256], env[128], setting[256], message[512];
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		env_name(bad[i].name, env, sizeof(env));
		snprintf(flag, sizeof(flag), "--%s=%s", bad[i].name, bad[i].value);
		snprintf(setting, sizeof(setting), "%s=%s", env, bad[i].value);
		snprintf(message, sizeof(message), "--%s: \"%s\" %s", bad[i].name, bad[i].value,
			 bad[i].why);
		expect_error(ARGV(flag), NO_ENV, message);
		snprintf(message, sizeof(message), "%s: \"%s\" %s", env, bad[i].value, bad[i].why);
		expect_error(ARGV(), ENV(setting), message);
	}
}

/* Whatever the value holds, the message is one line and not longer than a screen. */
static void test_bad_value_on_one_line(void **state)
{
	char flag[6000], message[512];
	int len;

	expect_error(ARGV("--log.level=a\nb\x1b[31m"), NO_ENV,
		     "--log.level: \"a\\x0ab\\x1b[31m\" is not one of debug, info, warn, error");
	len = snprintf(flag, sizeof(flag), "--log.level=");
	memset(flag + len, 'x', 1000);
	flag[len + 1000] = '\0';
	snprintf(message, sizeof(message),
		 "--log.level: \"%.200s…\" is not one of debug, info, warn, error", flag + len);
	expect_error(ARGV(flag), NO_ENV, message);

	len = snprintf(flag, sizeof(flag), "--push.url=http://user:secret@host/");
	memset(flag + len, 'x', 5000);
	flag[len + 5000] = '\0';
	expect_error(ARGV(flag), NO_ENV, "--push.url: the value is too long (allowed: 4096 bytes)");
}

static const struct {
	const char *text;
	uint64_t ms;
} durations[] = {
	{ "0", 0 },
	{ "0s", 0 },
	{ "1ms", 1 },
	{ "15s", 15000 },
	{ "1m30s", 90000 },
	{ "1h", 3600000 },
	{ "1d", 86400000 },
	{ "1w", 604800000 },
	{ "1y", UINT64_C(31536000000) },
	{ "1y2w3d4h5m6s7ms", UINT64_C(33019506007) },
	{ "90m", 5400000 },
	{ "584y", UINT64_C(18417024000000) },
};

static const char *const not_durations[] = {
	"",
	"s",
	"00",
	"1",
	"-1s",
	"+1s",
	" 1s",
	"1s ",
	"1.5s",
	"1S",
	"1us",
	"1s1m",
	"1s1s",
	"1m1",
	"1ms1s",
	"1sm",
	"1 s",
	"585y",
	"18446744073709551616ms",
};

static void test_durations(void **state)
{
	uint64_t ns;
	size_t i;

	for (i = 0; i < COUNT(durations); i++) {
		assert_int_equal(pe_parse_duration(durations[i].text, &ns), 0);
		assert_int_equal(ns, durations[i].ms * PE_NS_PER_MS);
	}
	for (i = 0; i < COUNT(not_durations); i++) {
		ns = 42;
		assert_int_equal(pe_parse_duration(not_durations[i], &ns), -EINVAL);
		assert_int_equal(ns, 42);
	}
}

/* ---- sources ---- */

#define EXCLUDE " exclude each other: the sockets that systemd passes have their addresses"

static void test_precedence(void **state)
{
	expect_field(ARGV("--workers=3"), ENV("PE_WORKERS=4"), "workers", "3");
	expect_field(ARGV(), ENV("PE_WORKERS=4"), "workers", "4");
	expect_field(ARGV(), ENV("PE_WORKERS=4", "PE_WORKERS=5"), "workers", "4");
	/* The last flag wins, and what does not count is not looked at. */
	expect_field(ARGV("--workers=3", "--workers", "7"), NO_ENV, "workers", "7");
	expect_field(ARGV("--workers=x", "--workers=7"), ENV("PE_WORKERS=y"), "workers", "7");
	/* An empty variable is not set. */
	expect_field(ARGV(), ENV("PE_FLOWS_TOP=", "PE_INTERFACE_EXCLUDE=", "PE_NOTHING="),
		     "flows.top", "0");
	expect_field(ARGV(), ENV("PE_INTERFACE_EXCLUDE="), "interface.exclude", "^lo$");
	expect_field(ARGV("--interface.exclude="), NO_ENV, "interface.exclude", "");
	/* An empty flag takes back what the environment says. */
	expect_field(ARGV("--push.url="), ENV("PE_PUSH_URL=http://gw"), "push.url", "(null)");
	expect_field(ARGV("--push.tls-ca-file="), ENV("PE_PUSH_TLS_CA_FILE=/x"), "push.tls-ca-file",
		     "(null)");
	expect_field(ARGV("--metrics.legacy"), ENV("PE_METRICS_LEGACY=0"), "metrics.legacy",
		     "true");
	expect_field(ARGV("--metrics.legacy=false"), ENV("PE_METRICS_LEGACY=1"), "metrics.legacy",
		     "false");
	expect_field(ARGV("--flows=off"), ENV("PE_WORKERS=4"), "workers", "0");
	expect_field(ARGV("--flows=off", "--flows.top=0"), NO_ENV, "flows", "false");
	expect_error(ARGV("--flows.top=2"), ENV("PE_FLOWS=off"),
		     "PE_FLOWS=off and --flows.top exclude each other: without flows there are no "
		     "largest ones");
	/* A flag takes no value from the next argument. */
	expect_error(ARGV("--metrics.legacy", "false"), NO_ENV,
		     "unexpected argument \"false\" (see --help)");
}

static void test_lists(void **state)
{
	expect_field(ARGV("--web.listen-address=:1", "--web.listen-address", "[::1]:2"), NO_ENV,
		     "web.listen-address", "<:1> <[::1]:2>");
	expect_field(ARGV(), ENV("PE_WEB_LISTEN_ADDRESS=:1,[::1]:2"), "web.listen-address",
		     "<:1> <[::1]:2>");
	/* Flags replace the environment, they do not add to it. */
	expect_field(ARGV("--web.listen-address=:1"), ENV("PE_WEB_LISTEN_ADDRESS=:2,:3"),
		     "web.listen-address", "<:1>");
	expect_field(ARGV(), ENV("PE_PUSH_GROUPING=a=1,b=2"), "push.grouping", "<a> <b>");
	expect_field(ARGV("--push.grouping=a=1,b=2"), NO_ENV, "push.grouping", "<a>");
	expect_error(ARGV(), ENV("PE_WEB_LISTEN_ADDRESS=:1,"),
		     "PE_WEB_LISTEN_ADDRESS: \"\" " ADDRESS);
	expect_error(ARGV("--web.listen-address="), NO_ENV, "--web.listen-address: \"\" " ADDRESS);
}

static void test_list_is_bounded(void **state)
{
	const char *argv[67] = { "packet-exporter" };
	size_t i;

	for (i = 1; i <= 64; i++)
		argv[i] = "--web.listen-address=:1";
	{
		_cleanup_(result_fini) struct result result;

		run(&result, argv, NO_ENV);
		assert_int_equal(result.r, 0);
		assert_int_equal(result.options.listen.count, 64);
	}
	argv[65] = "--web.listen-address=:2";
	expect_error(argv, NO_ENV, "--web.listen-address: \":2\" is one too many (allowed: 64)");
}

static void test_port(void **state)
{
	expect_field(ARGV(), ENV("PE_PORT=1"), "web.listen-address", "<:1>");
	expect_field(ARGV(), ENV("PE_PORT=65535"), "web.listen-address", "<:65535>");
	expect_field(ARGV(), ENV("PE_PORT="), "web.listen-address", "<:9817>");
	expect_field(ARGV(), ENV("PE_PORT=1", "PE_WEB_LISTEN_ADDRESS=:2"), "web.listen-address",
		     "<:2>");
	expect_field(ARGV("--web.listen-address=:3"), ENV("PE_PORT=1"), "web.listen-address",
		     "<:3>");
	expect_error(ARGV(), ENV("PE_PORT=0"),
		     "PE_PORT: \"0\" is not a port (allowed: 1 to 65535)");
	expect_error(ARGV(), ENV("PE_PORT=65536"),
		     "PE_PORT: \"65536\" is not a port (allowed: 1 to 65535)");
	expect_error(ARGV(), ENV("PE_PORT=:80"),
		     "PE_PORT: \":80\" is not a port (allowed: 1 to 65535)");
	expect_error(ARGV(), ENV("PE_PORT=4294967297"),
		     "PE_PORT: \"4294967297\" is not a port (allowed: 1 to 65535)");
}

/* Who says where to listen and is not heard should know. */
static void test_systemd_and_address(void **state)
{
	static const char flag[] = "--web.systemd-socket";

	expect_error(ARGV(flag, "--web.listen-address=:1"), NO_ENV,
		     "--web.systemd-socket and --web.listen-address" EXCLUDE);
	/* Also what is the default. */
	expect_error(ARGV(flag), ENV("PE_WEB_LISTEN_ADDRESS=:9817"),
		     "--web.systemd-socket and PE_WEB_LISTEN_ADDRESS" EXCLUDE);
	expect_error(ARGV(flag), ENV("PE_PORT=1"), "--web.systemd-socket and PE_PORT" EXCLUDE);
	expect_error(ARGV("--web.listen-address=:1"), ENV("PE_WEB_SYSTEMD_SOCKET=1", "PE_PORT=1"),
		     "PE_WEB_SYSTEMD_SOCKET and --web.listen-address" EXCLUDE);
	expect_error(ARGV(flag), ENV("PE_WEB_LISTEN_ADDRESS=:1", "PE_PORT=1"),
		     "--web.systemd-socket and PE_WEB_LISTEN_ADDRESS" EXCLUDE);
	expect_field(ARGV(flag), ENV("PE_WEB_LISTEN_ADDRESS=", "PE_PORT="), "web.listen-address",
		     "<:9817>");
	expect_field(ARGV("--web.systemd-socket=false"),
		     ENV("PE_PORT=1", "PE_WEB_SYSTEMD_SOCKET=1"), "web.listen-address", "<:1>");
}

static void test_unknown(void **state)
{
	_cleanup_(result_fini) struct result result;

	expect_error(ARGV("--push-url=x"), NO_ENV,
		     "unknown option \"--push-url\", did you mean --push.url?");
	expect_error(ARGV("-push.url=x"), NO_ENV,
		     "unknown option \"-push.url\", did you mean --push.url?");
	expect_error(ARGV("--log.levle"), NO_ENV,
		     "unknown option \"--log.levle\", did you mean --log.level?");
	expect_error(ARGV("--push.ur"), NO_ENV,
		     "unknown option \"--push.ur\", did you mean --push.url?");
	expect_error(ARGV("--frobnicate"), NO_ENV, "unknown option \"--frobnicate\" (see --help)");
	expect_error(ARGV("--"
			  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		     NO_ENV,
		     "unknown option \"--"
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" "
		     "(see --help)");
	expect_error(ARGV("-x"), NO_ENV, "unknown option \"-x\" (see --help)");
	expect_error(ARGV("-"), NO_ENV, "unknown option \"-\" (see --help)");
	expect_error(ARGV("--="), NO_ENV, "unknown option \"--\" (see --help)");
	expect_error(ARGV("eth0"), NO_ENV, "unexpected argument \"eth0\" (see --help)");
	expect_error(ARGV(""), NO_ENV, "unexpected argument \"\" (see --help)");
	expect_error(ARGV("http://me:secret@gw/"), NO_ENV,
		     "unexpected argument \"http://…@gw/\" (see --help)");
	expect_error(ARGV("--egress=on", "--", "--egress=on"), NO_ENV,
		     "unexpected argument \"--egress=on\" (see --help)");
	expect_error(ARGV("--push.url"), NO_ENV,
		     "--push.url: the value is missing (allowed: --push.url=URL)");
	expect_error(ARGV("--log.level", "--metrics.legacy"), NO_ENV,
		     "--log.level: the value is missing "
		     "(allowed: --log.level=debug|info|warn|error)");
	expect_error(ARGV("--version=1"), NO_ENV,
		     "--version: \"1\" is not allowed: it takes no value");
	expect_error(ARGV("--help=html"), NO_ENV,
		     "--help: \"html\" is not allowed (allowed: man, markdown, bash-completion, "
		     "zsh-completion)");
	expect_field(ARGV("--egress=off", "--"), NO_ENV, "egress", "false");
	expect_field(ARGV("--interface.include=--x"), NO_ENV, "interface.include", "--x");
	expect_field(ARGV("--interface.include", "-x"), NO_ENV, "interface.include", "-x");

	/* An unknown variable is only a warning. */
	run(&result, ARGV(), ENV("PE_X=1", "PEX=1", "PE_FLOWS_TOP=5", "PE_A\nB=1"));
	assert_int_equal(result.r, 0);
	assert_int_equal(result.options.flows_top, 5);
	assert_string_equal(
		result.err,
		"packet-exporter: warning: environment variable PE_X is not an option\n"
		"packet-exporter: warning: environment variable \"PE_A\\x0aB\" is not an option\n");
}

#define LINKS                                                                                   \
	" PE_* that Kubernetes made for a service (enableServiceLinks: false in the pod keeps " \
	"them away)\n"

static void expect_links(const char *const *argv, const char *const *env, const char *line)
{
	_cleanup_(result_fini) struct result result;

	run(&result, argv, env);
	assert_int_equal(result.r, 0);
	assert_string_equal(result.err, line);
	assert_string_equal(result.options.listen.item[0], ":9817");
}

/* A service named "pe", or "pe-web". */
static void test_service_links(void **state)
{
	_cleanup_(result_fini) struct result result;

	expect_links(ARGV(), ENV("PE_PORT=tcp://10.96.0.1:9817"),
		     "packet-exporter: warning: ignoring 1 environment variable" LINKS);
	expect_links(ARGV(),
		     ENV("PE_SERVICE_HOST=10.96.0.1", "PE_SERVICE_PORT=9817",
			 "PE_SERVICE_PORT_METRICS=9817", "PE_PORT=udp://10.96.0.1:9817",
			 "PE_PORT_9817_TCP=tcp://10.96.0.1:9817", "PE_PORT_9817_TCP_PROTO=tcp",
			 "PE_PORT_9817_TCP_PORT=9817", "PE_PORT_9817_TCP_ADDR=10.96.0.1",
			 "PE_PORT_53_UDP=udp://10.96.0.1:53", "PE_PORT_5_SCTP_ADDR=fd00::1",
			 "PE_WEB_SERVICE_HOST=10.96.0.2", "PE_WEB_PORT=sctp://[fd00::2]:5",
			 "PE_WEB_PORT_5_SCTP_PROTO=sctp"),
		     "packet-exporter: warning: ignoring 13 environment variables" LINKS);
	/* It is no port, so it does not exclude sockets either. */
	expect_links(ARGV("--web.systemd-socket"), ENV("PE_PORT=tcp://10.96.0.1:9817"),
		     "packet-exporter: warning: ignoring 1 environment variable" LINKS);
	/* What is like them and is none of them. */
	run(&result, ARGV(),
	    ENV("PE_SERVICE=1", "PE_SERVICE_HOSTS=1", "PE_WEB_PORT=9817", "PE_PORT_TCP=1",
		"PE_PORT_1_TCP_X=1", "PE_PORT_1_ICMP=1", "PE_PORTS=tcp://x"));
	assert_int_equal(result.r, 0);
	assert_null(strstr(result.err, "Kubernetes"));
	expect_error(ARGV(), ENV("PE_PORT=http://x"),
		     "PE_PORT: \"http://x\" is not a port (allowed: 1 to 65535)");
}

/* ---- what is derived ---- */

static void test_host_defaults(void **state)
{
	_cleanup_(result_fini) struct result result;
	char name[256] = "";

	run(&result, ARGV(), NO_ENV);
	assert_int_equal(result.r, 0);
	assert_true(result.options.workers >= 1 && result.options.workers <= 8);
	assert_true(result.options.workers <= (unsigned long)sysconf(_SC_NPROCESSORS_CONF));
	gethostname(name, sizeof(name) - 1);
	assert_string_equal(result.options.push_instance, name);
	assert_true(result.options.push_instance_is_host);
}

static void expect_match_of(const char *include, const char *exclude, const char *name,
			    const char *altnames, bool want)
{
	_cleanup_(result_fini) struct result result;
	char include_flag[64], exclude_flag[64];

	snprintf(include_flag, sizeof(include_flag), "--interface.include=%s", include);
	snprintf(exclude_flag, sizeof(exclude_flag), "--interface.exclude=%s", exclude);
	run(&result, ARGV(include_flag, exclude_flag), NO_ENV);
	assert_int_equal(result.r, 0);
	assert_int_equal(pe_options_match(&result.options, name, altnames), want);
}

static void expect_match(const char *include, const char *exclude, const char *name, bool want)
{
	expect_match_of(include, exclude, name, "", want);
}

static void test_match_altnames(void **state)
{
	char longest[PE_LINK_ALTNAMES_MAX];

	expect_match_of("^uplink$", "", "eth0", "", false);
	expect_match_of("^uplink$", "", "eth0", "uplink", true);
	expect_match_of("^uplink$", "", "eth0", "enp1s0,uplink,enx02", true);
	expect_match_of("^uplink$", "", "eth0", "enp1s0,uplink2", false);
	expect_match_of("^uplink$", "", "uplink", "enp1s0", true);
	/* One at a time: an expression does not reach from one to the next. */
	expect_match_of("^eth0,enp1s0$", "", "eth0", "enp1s0", false);
	expect_match_of("^enp1s0,enx$", "", "eth0", "enp1s0,enx", false);
	expect_match_of("", "^enp", "eth0", "enp1s0", false);
	expect_match_of("", "^enp", "eth0", "enx,enp1s0", false);
	expect_match_of("", "^enp", "eth0", "enx,xenp", true);
	expect_match_of("", "", "eth0", "enp1s0", true);
	/* To exclude wins, whichever names they match. */
	expect_match_of("^eth0$", "^enp1s0$", "eth0", "enp1s0", false);
	expect_match_of("^enp1s0$", "^eth0$", "eth0", "enp1s0", false);
	expect_match_of("^$", "", "eth0", "enp1s0", false);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	expect_match_of("^a{255}$", "", "eth0", longest, true);
}

static void test_match(void **state)
{
	_cleanup_(result_fini) struct result result;

	run(&result, ARGV(), NO_ENV);
	assert_false(pe_options_match(&result.options, "lo", ""));
	assert_true(pe_options_match(&result.options, "lo1", ""));
	assert_true(pe_options_match(&result.options, "eth0", ""));

	expect_match("", "", "lo", true);
	expect_match("^(veth|br)[0-9]+$", "", "veth12", true);
	expect_match("^(veth|br)[0-9]+$", "", "veth", false);
	expect_match("eth", "veth", "eth0", true);
	expect_match("eth", "veth", "veth0", false);
	expect_match("eth", "veth", "br0", false);
}

/* Without the password, and before anything is started. */
static void test_credentials_twice(void **state)
{
	static const char url[] = "--push.url=http://user:secret@gw";

	expect_error(
		ARGV(url, "--push.username=u"), NO_ENV,
		"--push.*: credentials in the URL and a user name beside it exclude each other");
	expect_error(ARGV(url, "--push.password-file=/p"), NO_ENV,
		     "--push.*: a password in the URL and a password file exclude each other");
	expect_error(ARGV(url), ENV("PE_PUSH_BEARER_TOKEN_FILE=/t"),
		     "--push.*: credentials in the URL and a bearer token exclude each other");
	expect_field(ARGV("--push.url=http://user@gw", "--push.password-file=/p"), NO_ENV,
		     "push.password-file", "/p");
}

static void test_push(void **state)
{
	_cleanup_(result_fini) struct result result;
	struct pe_push_label labels[2];
	struct pe_push_options push;

	run(&result,
	    ARGV("--push.url=https://gw/p", "--push.job=j", "--push.instance=i",
		 "--push.grouping=rack=r=1", "--push.grouping=empty=", "--push.interval=20s",
		 "--push.timeout=3s", "--push.on-exit=delete", "--push.compression=none",
		 "--push.username=u", "--push.password-file=/p", "--push.tls-ca-file=/ca",
		 "--push.tls-cert-file=/c", "--push.tls-key-file=/k", "--metrics.legacy"),
	    NO_ENV);
	assert_string_equal(result.err, "");
	assert_int_equal(result.r, 0);
	pe_options_push(&result.options, labels, &push);
	assert_string_equal(push.url, "https://gw/p");
	assert_string_equal(push.job, "j");
	assert_string_equal(push.instance, "i");
	assert_false(push.instance_is_host);
	assert_ptr_equal(push.grouping, labels);
	assert_int_equal(push.grouping_count, 2);
	assert_string_equal(labels[0].name, "rack");
	assert_string_equal(labels[0].value, "r=1");
	assert_string_equal(labels[1].name, "empty");
	assert_string_equal(labels[1].value, "");
	assert_int_equal(push.interval_ns, 20 * PE_NS_PER_S);
	assert_int_equal(push.timeout_ns, 3 * PE_NS_PER_S);
	assert_int_equal(push.on_exit, PE_PUSH_EXIT_DELETE);
	assert_false(push.gzip);
	assert_true(push.show.legacy);
	assert_string_equal(push.username, "u");
	assert_string_equal(push.password_file, "/p");
	assert_null(push.bearer_token_file);
	assert_string_equal(push.tls_ca_file, "/ca");
	assert_string_equal(push.tls_cert_file, "/c");
	assert_string_equal(push.tls_key_file, "/k");
	assert_null(push.snapshot);
}

/* The push sink's own check runs only with a URL; what it refuses names the right option. */
static void test_push_check(void **state)
{
	static const struct {
		const char *flag, *source;
	} wrong[] = {
		{ "--push.job=", "--push.job" },
		{ "--push.job=\xff", "--push.job" },
		{ "--push.instance=", "--push.instance" },
		{ "--push.grouping=a-b=1", "--push.grouping" },
		{ "--push.grouping=job=1", "--push.grouping" },
		{ "--push.grouping=a=\xff", "--push.grouping" },
		{ "--push.tls-key-file=/k", "--push.*" },
		{ "--push.password-file=/p", "--push.*" },
	};
	char start[128];
	size_t i;

	for (i = 0; i < COUNT(wrong); i++) {
		_cleanup_(result_fini) struct result without, with;

		run(&without, ARGV(wrong[i].flag), NO_ENV);
		assert_int_equal(without.r, 0);
		run(&with, ARGV(wrong[i].flag, "--push.url=http://gw"), NO_ENV);
		assert_int_equal(with.r, -EINVAL);
		snprintf(start, sizeof(start), "packet-exporter: %s: ", wrong[i].source);
		assert_memory_equal(with.err, start, strlen(start));
		assert_ptr_equal(strchr(with.err, '\n'), with.err + strlen(with.err) - 1);
	}
	{
		_cleanup_(result_fini) struct result result;

		run(&result, ARGV(), ENV("PE_PUSH_URL=ftp://user:secret@gw"));
		assert_int_equal(result.r, -EINVAL);
		assert_memory_equal(result.err, "packet-exporter: PE_PUSH_URL: ", 30);
		assert_null(strstr(result.err, "secret"));
	}
}

/* Credentials are not what distinguishes the metrics of one from those of another. */
static void test_receivers(void **state)
{
	static const char *const twice = "there are two receivers that only differ in their "
					 "credentials, or not at all";
	_cleanup_(result_fini) struct result result;
	char message[256];

	snprintf(message, sizeof(message), "http://…@h/w: %s", twice);
	expect_error(ARGV("--remote-write.url=http://a:b@h/w", "--remote-write.url=http://c@h/w"),
		     NO_ENV, message);
	snprintf(message, sizeof(message), "http://h/w: %s", twice);
	expect_error(ARGV("--remote-write.url=http://h/w", "--otlp.url=http://h/w"), NO_ENV,
		     message);
	expect_error(ARGV("--otlp.url=http://h/v1", "--otlp.attribute=direction=up"), NO_ENV,
		     "--otlp.*: attribute direction would hide that of the same name of the "
		     "points");
	run(&result, ARGV("--remote-write.url=http://h/w", "--otlp.url=http://h/v1"), NO_ENV);
	assert_string_equal(result.err, "");
}

/* For all ways, and further ones for each. */
static void test_metric_filters(void **state)
{
	_cleanup_(result_fini) struct result result;
	struct pe_remote_write_options remote, otlp;
	struct pe_remote_label labels[1];
	struct pe_push_options push;
	struct pe_family_set set = { 0 };

	run(&result,
	    ARGV("--metrics.exclude=process_.*", "--push.metrics-include=packet_exporter_host_.*",
		 "--remote-write.metrics-exclude=.*_info", "--otlp.metrics-exclude=.*_total"),
	    NO_ENV);
	assert_string_equal(result.err, "");
	pe_options_push(&result.options, NULL, &push);
	result.options.remote.urls.item = result.options.otlp.urls.item = (char *[]){ "http://h" };
	pe_options_remote_write(&result.options, 0, labels, &remote);
	pe_options_otlp(&result.options, 0, labels, &otlp);
	result.options.remote.urls.item = result.options.otlp.urls.item = NULL;
	assert_int_equal(pe_catalogue_leave_out("", "process_.*", &set), 0);
	assert_memory_equal(&result.options.show.left_out, &set, sizeof(set));
	assert_int_equal(pe_catalogue_leave_out("", ".*_info", &set), 0);
	assert_memory_equal(&remote.show.left_out, &set, sizeof(set));
	set = result.options.show.left_out;
	assert_int_equal(pe_catalogue_leave_out("packet_exporter_host_.*", "", &set), 0);
	assert_memory_equal(&push.show.left_out, &set, sizeof(set));
	set = result.options.show.left_out;
	assert_int_equal(pe_catalogue_leave_out("", ".*_total", &set), 0);
	assert_memory_equal(&otlp.show.left_out, &set, sizeof(set));
	expect_error(ARGV("--push.metrics-exclude=.*"), NO_ENV,
		     "--push.metrics-include= and --push.metrics-exclude=.* leave no metric over");
	expect_error(ARGV("--metrics.include=("), NO_ENV,
		     "--metrics.include: \"(\" is not a regular expression: Unmatched ( or \\(");
}

static void test_check_config(void **state)
{
	static const char *const files[] = {
		"push.password-file", "push.bearer-token-file", "push.tls-ca-file",
		"push.tls-cert-file", "push.tls-key-file",	"otlp.header-file",
	};
	char path[] = "/tmp/test_options.XXXXXX";
	char flag[128], setting[256], env[128], message[256];
	int fd = mkstemp(path);
	size_t i;

	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < COUNT(files); i++) {
		_cleanup_(result_fini) struct result readable, unchecked;

		snprintf(flag, sizeof(flag), "--%s=%s", files[i], path);
		run(&readable, ARGV("--check-config", flag), NO_ENV);
		assert_string_equal(readable.err, "");
		assert_int_equal(readable.r, 0);
		assert_int_equal(readable.action, PE_OPTIONS_CHECK_CONFIG);

		snprintf(flag, sizeof(flag), "--%s=%s/none", files[i], path);
		snprintf(message, sizeof(message),
			 "--%s: \"%s/none\" cannot be read: Not a directory", files[i], path);
		expect_error(ARGV(flag, "--check-config"), NO_ENV, message);
		snprintf(message, sizeof(message), "--%s: \"/tmp\" cannot be read: Is a directory",
			 files[i]);
		snprintf(flag, sizeof(flag), "--%s=/tmp", files[i]);
		expect_error(ARGV("--check-config", flag), NO_ENV, message);
		env_name(files[i], env, sizeof(env));
		snprintf(setting, sizeof(setting), "%s=/nonexistent/f", env);
		snprintf(message, sizeof(message),
			 "%s: \"/nonexistent/f\" cannot be read: No such file or directory", env);
		expect_error(ARGV("--check-config"), ENV(setting), message);

		/* The daemon itself reads them before each push and need not have them yet. */
		run(&unchecked, ARGV(), ENV(setting));
		assert_int_equal(unchecked.r, 0);
	}
	unlink(path);
	/* A value that is wrong is found by --check-config as well. */
	expect_error(ARGV("--check-config", "--workers=0"), NO_ENV,
		     "--workers: \"0\" is out of range (allowed: 1 to 256)");
}

/* The options are those of the exporter to ask. Strange variables it has warned of itself. */
static void test_healthcheck(void **state)
{
	_cleanup_(result_fini) struct result usual, port, flag;

	run(&usual, ARGV("--healthcheck"), ENV("PE_STRANGE=1"));
	assert_int_equal(usual.r, 0);
	assert_int_equal(usual.action, PE_OPTIONS_HEALTHCHECK);
	assert_string_equal(usual.err, "");
	assert_true(usual.options.listen_is_default);
	run(&port, ARGV("--healthcheck"), ENV("PE_PORT=9817"));
	assert_int_equal(port.action, PE_OPTIONS_HEALTHCHECK);
	assert_false(port.options.listen_is_default);
	run(&flag, ARGV("--healthcheck", "--web.listen-address=:9"), NO_ENV);
	assert_false(flag.options.listen_is_default);
	assert_string_equal(flag.options.listen.item[0], ":9");
	expect_error(ARGV("--healthcheck=1"), NO_ENV,
		     "--healthcheck: \"1\" is not allowed: it takes no value");
}

/* ---- --help ---- */

static void test_version(void **state)
{
	_cleanup_(result_fini) struct result result;

	/* It ends the parsing: what follows is not looked at. */
	run(&result, ARGV("--version", "--nonsense"), ENV("PE_WORKERS=x"));
	assert_int_equal(result.r, 0);
	assert_int_equal(result.action, PE_OPTIONS_EXIT);
	assert_string_equal(result.err, "");
	assert_memory_equal(result.out, "packet-exporter ", 16);
	assert_ptr_equal(strchr(result.out, '\n'), result.out + strlen(result.out) - 1);
	assert_true(strlen(result.out) > 17);
}

static void test_letters(void **state)
{
	static const char *const words[] = { "--version", "--help" };
	static const char *const letters[] = { "-V", "-h" };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(result_fini) struct result word, letter;

		run(&word, ARGV(words[i]), NO_ENV);
		run(&letter, ARGV(letters[i], "--nonsense"), NO_ENV);
		assert_int_equal(letter.action, PE_OPTIONS_EXIT);
		assert_string_equal(letter.out, word.out);
	}
	expect_error(ARGV("-hV"), NO_ENV, "unknown option \"-hV\" (see --help)");
	expect_error(ARGV("-"), NO_ENV, "unknown option \"-\" (see --help)");
}

static void test_once(void **state)
{
	static const struct {
		const char *arg;
		uint64_t ns;
	} valid[] = {
		{ "--once", 5000000000 },
		{ "--once=1s", 1000000000 },
		{ "--once=1m30s", 90000000000 },
		{ "--once=1h", 3600000000000 },
	};

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		_cleanup_(result_fini) struct result result;

		/* The value is its own: what follows is another option, or a mistake. */
		run(&result, ARGV(valid[i].arg, "--workers=2"), NO_ENV);
		assert_int_equal(result.action, PE_OPTIONS_RUN);
		assert_int_equal(result.options.once_ns, valid[i].ns);
		assert_int_equal(result.options.workers, 2);
	}
	expect_error(ARGV("--once=0s"), NO_ENV,
		     "--once: \"0s\" is not allowed (allowed: 1s to 1h)");
	expect_error(ARGV("--once=2h"), NO_ENV,
		     "--once: \"2h\" is not allowed (allowed: 1s to 1h)");
	expect_error(ARGV("--once=soon"), NO_ENV,
		     "--once: \"soon\" is not allowed (allowed: 1s to 1h)");
	expect_error(ARGV("--once", "5s"), NO_ENV, "unexpected argument \"5s\" (see --help)");
}

/* Takes a cell off the row; true if it is code, whose back-quotes are then removed. */
static bool next_cell(char **row, char *cell, size_t size)
{
	char *p = *row, *end;

	for (end = p; *end && !(end[0] == ' ' && end[1] == '|'); end++)
		;
	snprintf(cell, size, "%.*s", (int)(end - p), p);
	*row = *end ? end + 3 : end;
	if (cell[0] != '`')
		return false;
	memmove(cell, cell + 1, strlen(cell));
	cell[strlen(cell) - 1] = '\0';
	return true;
}

/* One row of the table against the parser, the tests above and --help. */
static void check_row(char *row, const char *help, size_t *settings)
{
	char name[128], initial[128], env[128], want[512], text[512];
	_cleanup_(result_fini) struct result by_default = { 0 }, by_value = { 0 };
	bool tested = false, has_initial;
	size_t i;

	assert_memory_equal(row, "| ", 2);
	row += 2;
	/* A letter before it. */
	if (row[2] != '-')
		row += strlen("`-V`, ");
	assert_true(next_cell(&row, name, sizeof(name)));
	assert_memory_equal(name, "--", 2);
	name[strcspn(name, "[=")] = '\0';
	snprintf(want, sizeof(want), " %s", name);
	assert_non_null(strstr(help, want));
	has_initial = next_cell(&row, initial, sizeof(initial));
	if (!next_cell(&row, env, sizeof(env)))
		return;

	++*settings;
	env_name(name + 2, want, sizeof(want));
	assert_string_equal(env, want);
	snprintf(want, sizeof(want), "%s]", env);
	assert_non_null(strstr(help, want));

	run(&by_default, ARGV(), NO_ENV);
	assert_int_equal(by_default.r, 0);
	show(&by_default.options, name + 2, text, sizeof(text));
	for (i = 0; i < COUNT(good); i++)
		if (strcmp(good[i].name, name + 2) == 0 && strcmp(good[i].shown, text) != 0)
			tested = true;
	if (!tested)
		fail_msg("%s has no test with another value than its default", name);

	if (!has_initial)
		return;
	/* The documented default is what an absent option means. */
	snprintf(want, sizeof(want), "%s=%s", name, initial);
	run(&by_value, ARGV(want), NO_ENV);
	assert_int_equal(by_value.r, 0);
	show(&by_value.options, name + 2, want, sizeof(want));
	assert_string_equal(text, want);
	snprintf(want, sizeof(want), "[default: %s; %s]", initial, env);
	snprintf(text, sizeof(text), "[default: %s;\n%33s%s]", initial, "", env);
	assert_true(strstr(help, want) || strstr(help, text));
}

static void test_table(void **state)
{
	_cleanup_(result_fini) struct result markdown, help;
	char *line, *rest, *end, *save = NULL;
	size_t settings = 0, rows = 0;

	run(&markdown, ARGV("--help=markdown"), NO_ENV);
	run(&help, ARGV("--help"), NO_ENV);
	assert_int_equal(markdown.action, PE_OPTIONS_EXIT);
	assert_int_equal(help.action, PE_OPTIONS_EXIT);
	rest = strstr(markdown.out, "| option |");
	assert_non_null(rest);
	end = strstr(rest, "\n\n");
	assert_non_null(end);
	*end = '\0';
	while ((line = strtok_r(rest, "\n", &save))) {
		rest = NULL;
		if (++rows > 2)
			check_row(line, help.out, &settings);
	}
	assert_int_equal(settings, COUNT(fields));
	assert_int_equal(rows, COUNT(fields) + 2 + 5);

	for (line = strtok_r(help.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_true(strlen(line) <= 80);
}

/* Every line is text or one of the macros that it needs: no value and no help can be a request. */
static void test_man(void **state)
{
	static const char *const macros[] = { "TH", "SH", "SS", "TP", "PP", "RS",
					      "RE", "nf", "fi", "ad", "nh", "ta" };
	_cleanup_(result_fini) struct result man;
	char *line, *save = NULL;

	run(&man, ARGV("--help=man"), NO_ENV);
	assert_int_equal(man.action, PE_OPTIONS_EXIT);
	assert_memory_equal(man.out, ".TH ", 4);
	for (line = strtok_r(man.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool known = *line != '.' && *line != '\'';

		for (size_t i = 0; !known && i < COUNT(macros); i++)
			known = strncmp(line + 1, macros[i], 2) == 0 &&
				(line[3] == ' ' || line[3] == '\0');
		if (!known)
			fail_msg("not a macro: %s", line);
	}
}

static void test_fini(void **state)
{
	struct pe_options options = { 0 };

	pe_options_fini(&options);
	pe_options_fini(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_value_on_one_line),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_list_is_bounded),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_systemd_and_address),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_service_links),
		cmocka_unit_test(test_host_defaults),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_match_altnames),
		cmocka_unit_test(test_credentials_twice),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_push_check),
		cmocka_unit_test(test_receivers),
		cmocka_unit_test(test_metric_filters),
		cmocka_unit_test(test_check_config),
		cmocka_unit_test(test_healthcheck),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_man),
		cmocka_unit_test(test_fini),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
