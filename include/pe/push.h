/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Pushgateway as a sink (sink.h): PUT of text 0.0.4, by libcurl.
 *
 * See https://github.com/prometheus/pushgateway#api. One state at a time is under way, so two
 * states never arrive out of order. A 400 waits for the next interval, but for a push with the
 * legacy metrics, which is repeated without them. After a time-out without any answer, nothing is
 * sent until a HEAD is answered; so it is at the end, when there is time for one HEAD: without an
 * answer the last state is not sent, which the gateway could store before the older one; a DELETE
 * is. Redirects are not followed: they name another group.
 *
 * pe_sink_reload() tries legacy metrics that were refused again, and reads the host's name anew if
 * the instance is that. (While it is only a placeholder, it is read before each push.) Once a push
 * under another name was stored, the group of the old one, if it was pushed by us, is deleted.
 */
#ifndef PE_PUSH_H
#define PE_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/encode.h"
#include "pe/sample.h"
#include "pe/sink.h"

enum pe_push_exit {
	PE_PUSH_EXIT_PUSH,
	PE_PUSH_EXIT_DELETE,
	PE_PUSH_EXIT_NONE,
};

struct pe_push_label {
	const char *name;
	const char *value;
};

struct pe_push_options {
	const char *url; /* http(s)://[user:password@]host[:port][/prefix] */
	const char *job;
	const char *instance;
	bool instance_is_host;		      /* it is the host's name, and follows it: see above */
	const struct pe_push_label *grouping; /* further labels */
	size_t grouping_count;
	uint64_t interval_ns;
	uint64_t timeout_ns;
	enum pe_push_exit on_exit;
	bool gzip;
	struct pe_expose_options show;
	const char *username;	       /* each NULL if not given, and if the URL has one */
	const char *password_file;     /* re-read before each push */
	const char *bearer_token_file; /* re-read before each push */
	const char *tls_ca_file;
	const char *tls_cert_file;
	const char *tls_key_file;
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
};

/*
 * Starts the sink; the first push is made at once. 0 or -errno: -EINVAL for options that
 * pe_push_check() refuses. Options are copied; `snapshot` is called by the sink's thread until it
 * is stopped. The caller owns *ret_sink. Blocks for the start of that thread. One thread.
 */
int pe_push_new(const struct pe_push_options *options, struct pe_sink **ret_sink);

/* Room for a host's name, HOST_NAME_MAX bytes, and its NUL. */
#define PE_PUSH_HOST_MAX 65

/* The host's name as it is now (gethostname(2)); "localhost" if it has none. Any thread. */
void pe_push_host_name(char ret_name[PE_PUSH_HOST_MAX]);

/* Whether hosts are only called so until they get a name of their own. Pure. */
bool pe_push_is_placeholder(const char *name);

/*
 * Checks that url and grouping key can be pushed without harm: UTF-8, no empty job or instance,
 * label names as Prometheus wants them, none twice. 0 or -EINVAL with a message for a person in
 * `error`: one line, without credentials.
 */
int pe_push_check(const struct pe_push_options *options, char *error, size_t error_size);

/*
 * The address of the group: URL without credentials + /metrics/job/… with @base64 where the value
 * needs it. A string the caller frees, NULL if memory is refused. Pure. For tests.
 */
char *pe_push_group_url(const struct pe_push_options *options);

/* The URL with credentials and query replaced by "…", to be shown in logs. The caller frees. Pure.
 */
char *pe_push_redact_url(const char *url);

/*
 * Overwrites the password of a --push.url among these arguments with '*', in place: everybody on
 * the host reads them in /proc/PID/cmdline. Ends at NULL; `argv` is main()'s own, and nothing may
 * need it any more. True if there was one. One thread; never blocks.
 */
bool pe_push_hide_password(char **argv);

#endif
