/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options that all receivers of time series have, as entries of a table: `PREFIX` is that of
 * their names, a literal, and `member` the struct pe_remote_targets of struct pe_options. Expects
 * FIELD(), MINUTE_NS and DAY_NS of the table.
 */
#ifndef PE_CONFIG_TABLE_TARGETS_H
#define PE_CONFIG_TABLE_TARGETS_H

/* clang-format off */
/* How often. */
#define TARGETS_PACE(PREFIX, member) \
	{ \
		.name = PREFIX ".interval", \
		.arg = "DURATION", \
		.type = PE_OPTION_DURATION, \
		.min = PE_NS_PER_S, \
		.max = DAY_NS, \
		.initial = "15s", \
		FIELD(member.interval_ns), \
		.help = "Time from one sample of a series to the next.", \
	}, \
	{ \
		.name = PREFIX ".timeout", \
		.arg = "DURATION", \
		.type = PE_OPTION_DURATION, \
		.min = 100 * PE_NS_PER_MS, \
		.max = 10 * MINUTE_NS, \
		.initial = "30s", \
		FIELD(member.timeout_ns), \
		.help = "Give up a request after this long; it is sent again.", \
	}

/* What is sent, and with which credentials. */
#define TARGETS_REST(PREFIX, member) \
	{ \
		.name = PREFIX ".max-samples-per-send", \
		.arg = "N", \
		.type = PE_OPTION_COUNT, \
		.min = 1, \
		.max = 1000000, \
		.initial = "2000", \
		FIELD(member.max_samples), \
		.help = "Samples in a request. A receiver that refuses requests of that size gets " \
			"smaller ones.", \
	}, \
	{ \
		.name = PREFIX ".newest-first", \
		.arg = "on|off", \
		.type = PE_OPTION_SWITCH, \
		.initial = "off", \
		FIELD(member.newest_first), \
		.help = "After an outage send what is new before what waits, which takes a " \
			"receiver of samples out of order, as VictoriaMetrics is one. Others refuse " \
			"what is older then.", \
	}, \
	{ \
		.name = PREFIX ".min-age", \
		.arg = "DURATION", \
		.type = PE_OPTION_DURATION, \
		.min = 0, \
		.max = 30 * MINUTE_NS, \
		.initial = "30s", \
		FIELD(member.min_age_ns), \
		.help = "Interfaces that are younger have no series of their own: they count for " \
			"their group, and for the ledger when they end.", \
	}, \
	{ \
		.name = PREFIX ".departed-hold", \
		.arg = "DURATION", \
		.type = PE_OPTION_DURATION, \
		.min = 0, \
		.max = DAY_NS, \
		.initial = "1m", \
		FIELD(member.hold_ns), \
		.help = "How long the last value of an interface that is gone is repeated, at most " \
			"for --departed.retention. The longer, the nearer increase() is to the truth.", \
	}, \
	{ \
		.name = PREFIX ".metrics-include", \
		.arg = "REGEX", \
		.type = PE_OPTION_STRING, \
		.initial = "", \
		.initial_text = "all", \
		FIELD(member.metrics.include), \
		.check = pe_option_check_regex, \
		.help = "Of what --metrics.include and --metrics.exclude leave, send only " \
			"metrics of which it matches the whole name.", \
	}, \
	{ \
		.name = PREFIX ".metrics-exclude", \
		.arg = "REGEX", \
		.type = PE_OPTION_STRING, \
		.initial = "", \
		.initial_text = "none", \
		FIELD(member.metrics.exclude), \
		.check = pe_option_check_regex, \
		.help = "Of these, do not send metrics of which it matches the whole name.", \
	}, \
	{ \
		.name = PREFIX ".header-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		FIELD(member.header_file), \
		.help = "File with further headers of requests, \"Name: value\" a line, such as " \
			"X-Scope-OrgID.", \
	}, \
	{ \
		.name = PREFIX ".username", \
		.arg = "NAME", \
		.type = PE_OPTION_STRING, \
		.optional = true, \
		FIELD(member.username), \
		.help = "User name for basic authentication.", \
	}, \
	{ \
		.name = PREFIX ".password-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		FIELD(member.password_file), \
		.help = "File with its password, read before each request.", \
	}, \
	{ \
		.name = PREFIX ".bearer-token-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		FIELD(member.bearer_token_file), \
		.help = "File with a bearer token, read before each request.", \
	}, \
	{ \
		.name = PREFIX ".tls-ca-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		.initial_text = "the system's", \
		FIELD(member.tls_ca_file), \
		.help = "Certificates that the receiver's certificate is checked against.", \
	}, \
	{ \
		.name = PREFIX ".tls-cert-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		FIELD(member.tls_cert_file), \
		.help = "Client certificate.", \
	}, \
	{ \
		.name = PREFIX ".tls-key-file", \
		.arg = "FILE", \
		.type = PE_OPTION_FILE, \
		FIELD(member.tls_key_file), \
		.help = "Key of the client certificate.", \
	}
/* clang-format on */

#endif
