/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options: one table (src/config/table.c) gives the flags, the environment and --help.
 *
 * --push.url=X ⇔ PE_PUSH_URL=X; a flag wins over the environment, the environment over the default.
 * A repeatable option's environment value is split at commas. Also PE_PORT (=>
 * --web.listen-address=:PORT) and PE_WORKERS, as the original exporter had them. Empty
 * variables count as not set, and what Kubernetes sets for a service named "pe" (PE_PORT=tcp://…)
 * is ignored, with one line on `err`. One thread, at start.
 */
#ifndef PE_OPTIONS_H
#define PE_OPTIONS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pe/encode.h"
#include "pe/identity.h"
#include "pe/log.h"
#include "pe/push.h"
#include "pe/remote_write.h"

enum pe_xdp_mode {
	PE_XDP_AUTO, /* generic where that changes nothing for the host; nothing on hardware */
	PE_XDP_GENERIC,
	PE_XDP_NATIVE,
};

struct pe_strings {
	char **item;
	size_t count;
};

/* Of which metrics; the set is of both, and of those for all ways. */
struct pe_metric_filter {
	char *include; /* POSIX ERE of a whole name; "" all */
	char *exclude; /* likewise; "" none */
	struct pe_family_set left_out;
};

/* The receivers of one protocol; without a URL it is off. */
struct pe_remote_targets {
	struct pe_strings urls; /* at most PE_SINKS_OF_PROTOCOL_MAX */
	uint64_t interval_ns;	/* default 15 s */
	uint64_t timeout_ns;	/* default 30 s */
	/* Of all series: NAME, a NUL, VALUE; for pe_options_remote_write() and pe_options_otlp() */
	struct pe_strings labels;
	unsigned int max_samples; /* default 2000 */
	bool newest_first;
	uint64_t min_age_ns; /* default 30 s */
	uint64_t hold_ns;    /* default 1 min */
	struct pe_metric_filter metrics;
	char *header_file;
	char *username;
	char *password_file;
	char *bearer_token_file;
	char *tls_ca_file;
	char *tls_cert_file;
	char *tls_key_file;
};

struct pe_options {
	/* interfaces */
	char *interface_include; /* POSIX ERE, unanchored; default "" matches all */
	char *interface_exclude; /* default "^lo$" */
	regex_t include, exclude;
	bool has_regex;
	enum pe_xdp_mode xdp_mode;
	bool egress;
	bool drops;
	bool dns;
	unsigned int max_interfaces; /* 1..16384, default 1024 */
	unsigned int netlink_rcvbuf; /* bytes, default 16 MiB */
	/* flows */
	bool flows;
	unsigned int workers;	 /* 1..256, default: the CPUs that may be used, at most 8; 0 without
				    flows */
	unsigned int flows_top;	 /* 0..1000 */
	unsigned int flow_cache; /* flows per CPU, power of two, 64..1048576; 0: chosen by their
				    number */
	unsigned int flow_table; /* flows remembered by the workers, 64..16777216, default 131072 */
	unsigned int ring_size;	 /* bytes of each ring, power of two, 4096..1 GiB, default 1 MiB */
	uint64_t flow_idle_ns;	 /* default 30 s */
	/* metrics */
	uint64_t departed_retention_ns; /* default 5 m */
	unsigned int departed_max;	/* default 4096 */
	struct pe_expose_options show;	/* left_out: by --metrics.* */
	struct pe_metric_filter metrics;
	unsigned int group_by;	/* set of PE_GROUP_BIT(), not empty; default PE_GROUP_BY_DEFAULT */
	unsigned int group_max; /* 1..65536 */
	bool tcp;		/* outcomes of connections */
	/* identity */
	bool identity;
	bool identity_cni;
	bool identity_files;
	uint64_t identity_wait_ns;	  /* default 2 s */
	struct pe_strings workload_rules; /* REGEX=REPLACEMENT */
	struct pe_workload_rule *rules;	  /* the same, compiled */
	size_t rule_count;
	/* web */
	struct pe_strings listen; /* default ":9817" */
	bool listen_is_default;
	bool web_systemd_socket;
	char *web_config_file;
	char *telemetry_path;
	unsigned int web_max_connections; /* default 512 */
	/* push; url NULL is off */
	char *push_url;
	char *push_job;
	char *push_instance; /* default: the host's name, which the pushes follow */
	bool push_instance_is_host;
	struct pe_strings push_grouping;  /* NAME, a NUL, VALUE; for pe_options_push() */
	uint64_t push_interval_ns;	  /* default 15 s */
	uint64_t push_timeout_ns;	  /* default 10 s */
	uint64_t push_departure_delay_ns; /* default 1 s */
	enum pe_push_exit push_on_exit;
	bool push_gzip;
	struct pe_metric_filter push_metrics;
	char *push_username;
	char *push_password_file;
	char *push_bearer_token_file;
	char *push_tls_ca_file;
	char *push_tls_cert_file;
	char *push_tls_key_file;
	/* receivers of time series */
	struct pe_remote_targets remote; /* of remote write */
	enum pe_remote_write_protocol remote_protocol;
	struct pe_remote_targets otlp; /* of OTLP/HTTP */

	/* what waits for receivers of time series */
	char *spool_path;	      /* a folder; NULL: memory */
	unsigned int spool_max_bytes; /* default 256 MiB */
	uint64_t spool_max_age_ns;    /* default 1 h */
	/* privileges */
	char *user; /* name or number; NULL: no change */
	bool sandbox;
	uint64_t once_ns; /* --once: count for so long, print, end; 0: go on */
	/* log */
	enum pe_log_level log_level;
	enum pe_log_format log_format;
};

enum pe_options_action {
	PE_OPTIONS_RUN,
	PE_OPTIONS_CHECK_CONFIG, /* --check-config: all is valid */
	PE_OPTIONS_HEALTHCHECK,	 /* --healthcheck: the options of the exporter to ask */
	PE_OPTIONS_EXIT,	 /* --help or --version was printed */
};

/*
 * Reads argv and the environment. On success the options are filled (the caller ends them with
 * pe_options_fini()) and *ret_action says what to do. On error -EINVAL, after one line on `err`
 * that names the option (or variable), the value and what is allowed. --help and --version print to
 * `out`. With --healthcheck no variable is warned of, as the exporter has done that.
 */
int pe_options_parse(struct pe_options *ret_options, int argc, char *const *argv,
		     const char *const *environ, FILE *out, FILE *err,
		     enum pe_options_action *ret_action);

/* Frees what the options own. Half-built and zeroed options are fine. */
void pe_options_fini(struct pe_options *options);

/*
 * True if the expressions let an interface be watched: the one to include matches its name or one
 * of its alternative names (separated by commas), and the one to exclude none of them.
 */
bool pe_options_match(const struct pe_options *options, const char *name, const char *altnames);

/*
 * The push options of these options but for `snapshot`. Strings are borrowed; `labels` has room for
 * push_grouping.count labels and is borrowed, too.
 */
void pe_options_push(const struct pe_options *options, struct pe_push_label *labels,
		     struct pe_push_options *ret_push);

/*
 * The options of the i-th receiver of remote write, or of OTLP, but for `snapshot`. Strings are
 * borrowed; `labels` has room for as many as remote.labels, or otlp.labels, and is borrowed, too.
 */
void pe_options_remote_write(const struct pe_options *options, size_t i,
			     struct pe_remote_label *labels,
			     struct pe_remote_write_options *ret_remote);
void pe_options_otlp(const struct pe_options *options, size_t i, struct pe_remote_label *labels,
		     struct pe_remote_write_options *ret_otlp);

/* "15s", "1m30s", "500ms", "2h", "1d": Prometheus' duration syntax. 0 or -EINVAL. */
int pe_parse_duration(const char *text, uint64_t *ret_ns);

#endif
