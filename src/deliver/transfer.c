/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP request of a sink, by libcurl.
 *
 * The body is complete before the first byte is sent, so that curl can send it again when a
 * kept-alive connection turns out dead. The multi interface is used for one reason: another thread
 * can end a transfer that hangs.
 *
 * Only the sink's thread calls this, except for pe_transfer_cancel().
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "transfer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/push.h"

#include "credentials.h"
#include "grouping.h"
#include "libcurl.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define ANSWER_BYTES_MAX 4096
/* Of an answer, with its headers. */
#define RECEIVED_BYTES_MAX ((size_t)64 * 1024)
#define POLL_MS_MAX	   1000
#define CODE_CURL	   1000
#define RETRY_AFTER_S_MAX  300

struct pe_transfer {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *own; /* the last of those that stay */
	struct pe_credentials credentials;
	uint64_t cancel_ns; /* atomic */
	pe_transfer_tick tick;
	void *userdata;
	char error[CURL_ERROR_SIZE];
	size_t received; /* of the answer, with its headers */
	size_t answer_len;
	char answer[ANSWER_BYTES_MAX];
	bool any_2xx;
	bool written; /* the answer says how many samples were written */
};

static void cleanup_transfer(struct pe_transfer **transfer)
{
	pe_transfer_free(*transfer);
}

/* False if it is too much; libcurl then ends the connection. */
static bool receive(struct pe_transfer *transfer, size_t len)
{
	transfer->received += len;
	return transfer->received <= RECEIVED_BYTES_MAX;
}

static size_t on_header(char *data, size_t size, size_t count, void *userdata)
{
	static const char written[] = "X-Prometheus-Remote-Write-Samples-Written:";
	struct pe_transfer *transfer = userdata;
	const size_t len = size * count;

	if (len >= sizeof(written) - 1 && strncasecmp(data, written, sizeof(written) - 1) == 0)
		transfer->written = true;
	return receive(transfer, len) ? len : 0;
}

static size_t on_answer(char *data, size_t size, size_t count, void *userdata)
{
	struct pe_transfer *transfer = userdata;
	size_t len = size * count;
	size_t room = sizeof(transfer->answer) - transfer->answer_len;

	if (!receive(transfer, len))
		return 0;
	memcpy(transfer->answer + transfer->answer_len, data, len < room ? len : room);
	transfer->answer_len += len < room ? len : room;
	return len;
}

static int poll_ms(uint64_t now_ns, uint64_t until_ns)
{
	uint64_t ms = until_ns > now_ns ? (until_ns - now_ns) / PE_NS_PER_MS + 1 : 0;

	return ms < POLL_MS_MAX ? (int)ms : POLL_MS_MAX;
}

static CURLcode finished_code(struct pe_transfer *transfer)
{
	CURLMsg *message;
	CURLcode rc = CURLE_RECV_ERROR;
	int left;

	while ((message = libcurl.multi_info_read(transfer->multi, &left))) {
		if (message->msg == CURLMSG_DONE)
			rc = message->data.result;
	}
	return rc;
}

/* Drives the transfer to its end; true if it was cancelled instead. */
static bool drive(struct pe_transfer *transfer, CURLcode *ret_code)
{
	for (;;) {
		uint64_t now_ns, cancel_ns, tick_ns;
		int running = 0;

		if (libcurl.multi_perform(transfer->multi, &running) != CURLM_OK) {
			*ret_code = CURLE_OUT_OF_MEMORY;
			return false;
		}
		if (running == 0) {
			*ret_code = finished_code(transfer);
			return false;
		}
		tick_ns = transfer->tick ? transfer->tick(transfer->userdata) : PE_TRANSFER_NEVER;
		now_ns = pe_clock_monotonic_ns();
		cancel_ns = __atomic_load_n(&transfer->cancel_ns, __ATOMIC_ACQUIRE);
		if (now_ns >= cancel_ns)
			return true;
		/* Ends by itself at curl's own timers, and at once by libcurl.multi_wakeup(). */
		libcurl.multi_poll(transfer->multi, NULL, 0,
				   poll_ms(now_ns, pe_min_ns(cancel_ns, tick_ns)), NULL);
	}
}

static void describe_rejection(struct pe_transfer *transfer, enum pe_sink_result result,
			       long status, struct pe_outcome *outcome)
{
	const char *to = NULL;
	size_t len = transfer->answer_len;

	libcurl.easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &to);
	if (to) {
		_cleanup_free_ char *shown = pe_push_redact_url(to);

		pe_outcome_fail(outcome, result, (int)status,
				"HTTP %ld, a redirect to %s, is not followed", status,
				shown ? shown : "?");
		return;
	}
	while (len > 0 && strchr(" \t\r\n", transfer->answer[len - 1]))
		len--;
	pe_outcome_fail(outcome, result, (int)status, "HTTP %ld%s%.*s", status, len > 0 ? ": " : "",
			(int)len, transfer->answer);
}

/* libcurl quotes the whole address of a proxy that it cannot use, password included. */
static void hide_proxy(char error[static CURL_ERROR_SIZE])
{
	static const char start[] = "Unsupported proxy";
	char *quote = strncmp(error, start, sizeof(start) - 1) == 0 ? strchr(error, '\'') : NULL;

	if (quote)
		snprintf(quote, (size_t)(error + CURL_ERROR_SIZE - quote),
			 "…, the address in http_proxy, https_proxy or all_proxy");
}

/* Something was sent, and nothing came back. */
static bool is_unanswered(struct pe_transfer *transfer)
{
	long status = 0, sent = 0;

	libcurl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	libcurl.easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent > 0 && !status;
}

/* Of the connection, by the peer. */
static bool is_end(CURLcode rc)
{
	return rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR;
}

static bool is_success(const struct pe_transfer *transfer, long status)
{
	return status == 200 || status == 202 ||
	       (transfer->any_2xx && status >= 200 && status < 300);
}

/* What a peer asks for, in seconds or as a date; curl takes either. */
static uint64_t retry_after_ns(struct pe_transfer *transfer)
{
	curl_off_t seconds = 0;

	libcurl.easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	if (seconds > RETRY_AFTER_S_MAX)
		seconds = RETRY_AFTER_S_MAX;
	return (uint64_t)seconds * PE_NS_PER_S;
}

static void classify(struct pe_transfer *transfer, CURLcode rc, struct pe_outcome *outcome)
{
	long status = 0;

	libcurl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->received > RECEIVED_BYTES_MAX) {
		snprintf(transfer->error, sizeof(transfer->error),
			 "the answer is longer than %zu KiB", RECEIVED_BYTES_MAX / 1024);
		/* A refusal stays one, however long it is. */
		if (transfer->answer_len > 0 && !is_success(transfer, status))
			rc = CURLE_OK;
	}
	if (rc != CURLE_OK) {
		outcome->unanswered = rc == CURLE_OPERATION_TIMEDOUT && is_unanswered(transfer);
		outcome->broken_off = is_end(rc) && is_unanswered(transfer);
		hide_proxy(transfer->error);
		pe_outcome_fail(outcome, PE_SINK_NETWORK, CODE_CURL + (int)rc, "%s",
				*transfer->error ? transfer->error : libcurl.easy_strerror(rc));
		return;
	}
	outcome->result = PE_SINK_OK;
	outcome->code = (int)status;
	outcome->samples_written = transfer->written;
	outcome->retry_after_ns = retry_after_ns(transfer);
	if (!is_success(transfer, status))
		describe_rejection(transfer,
				   status >= 500 && status <= 599 ? PE_SINK_SERVER
								  : PE_SINK_REJECTED,
				   status, outcome);
}

static void perform(struct pe_transfer *transfer, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	uint64_t now_ns = pe_clock_monotonic_ns();
	uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / PE_NS_PER_MS : 0;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (left_ms == 0) {
		pe_outcome_fail(outcome, PE_SINK_NETWORK, -ETIMEDOUT, "no time left to send");
		return;
	}
	if (left_ms > INT_MAX)
		left_ms = INT_MAX;
	libcurl.easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	*transfer->error = '\0';
	transfer->received = transfer->answer_len = 0;
	transfer->written = false;
	if (libcurl.multi_add_handle(transfer->multi, transfer->easy) == CURLM_OK) {
		outcome->cancelled = drive(transfer, &rc);
		libcurl.multi_remove_handle(transfer->multi, transfer->easy);
	}
	if (outcome->cancelled)
		outcome->unanswered = is_unanswered(transfer);
	else
		classify(transfer, rc, outcome);
}

static int set_request(struct pe_transfer *transfer, const char *method, const char *url,
		       const struct pe_strbuf *body)
{
	const bool head = strcmp(method, "HEAD") == 0;
	CURL *easy = transfer->easy;

	if (libcurl.easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	libcurl.easy_setopt(easy, CURLOPT_HTTPHEADER, body ? transfer->headers : NULL);
	if (body) {
		libcurl.easy_setopt(easy, CURLOPT_NOBODY, 0L);
		libcurl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
		libcurl.easy_setopt(easy, CURLOPT_POSTFIELDS, body->data ? body->data : "");
	} else {
		libcurl.easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		libcurl.easy_setopt(easy, CURLOPT_NOBODY, (long)head);
	}
	if (libcurl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, head ? NULL : method) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

void pe_transfer_request(struct pe_transfer *transfer, const char *method, const char *url,
			 const struct pe_strbuf *body, uint64_t deadline_ns,
			 struct pe_outcome *ret_outcome)
{
	*ret_outcome = (struct pe_outcome){ 0 };
	if (pe_credentials_set(&transfer->credentials, transfer->easy, ret_outcome) < 0)
		return;
	if (set_request(transfer, method, url, body) < 0)
		pe_outcome_fail(ret_outcome, PE_SINK_NETWORK, -ENOMEM, "out of memory");
	else
		perform(transfer, deadline_ns, ret_outcome);
}

size_t pe_transfer_answer(const struct pe_transfer *transfer, const char **ret_answer)
{
	*ret_answer = transfer->answer;
	return transfer->answer_len;
}

void pe_transfer_cancel(struct pe_transfer *transfer, uint64_t at_ns)
{
	__atomic_store_n(&transfer->cancel_ns, at_ns, __ATOMIC_RELEASE);
	libcurl.multi_wakeup(transfer->multi);
}

/* ---- life ---- */

static int add_header(struct pe_transfer *transfer, const char *header)
{
	struct curl_slist *headers = libcurl.slist_append(transfer->headers, header);

	if (!headers)
		return -ENOMEM;
	transfer->headers = headers;
	return 0;
}

static int add_value(struct pe_transfer *transfer, const char *name, const char *value)
{
	char *header;
	int r;

	if (asprintf(&header, "%s: %s", name, value) < 0)
		return -ENOMEM;
	r = add_header(transfer, header);
	free(header);
	return r;
}

static int make_headers(struct pe_transfer *transfer, const struct pe_transfer_options *options)
{
	int r = add_value(transfer, "Content-Type", options->content_type);

	if (r == 0 && options->content_encoding)
		r = add_value(transfer, "Content-Encoding", options->content_encoding);
	for (size_t i = 0; r == 0 && options->headers && options->headers[i]; i++)
		r = add_header(transfer, options->headers[i]);
	/* Without a value it is not sent: waiting for "100 Continue" costs a second with servers
	 * that do not know it. */
	if (r == 0)
		r = add_header(transfer, "Expect:");
	for (transfer->own = transfer->headers; r == 0 && transfer->own->next;)
		transfer->own = transfer->own->next;
	return r;
}

void pe_transfer_set_tick(struct pe_transfer *transfer, pe_transfer_tick tick, void *userdata)
{
	transfer->tick = tick;
	transfer->userdata = userdata;
}

int pe_transfer_set_headers(struct pe_transfer *transfer, const char *const *headers)
{
	struct curl_slist *more = NULL;

	for (; *headers; headers++) {
		struct curl_slist *longer = libcurl.slist_append(more, *headers);

		if (!longer) {
			libcurl.slist_free_all(more);
			return -ENOMEM;
		}
		more = longer;
	}
	libcurl.slist_free_all(transfer->own->next);
	transfer->own->next = more;
	return 0;
}

static int set_fixed_options(struct pe_transfer *transfer,
			     const struct pe_transfer_options *options)
{
	CURL *easy = transfer->easy;
	int bad = 0;

	bad |= libcurl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	bad |= libcurl.easy_setopt(easy, CURLOPT_USERAGENT, "packet-exporter/" PACKAGE_VERSION) !=
	       CURLE_OK;
	bad |= libcurl.easy_setopt(easy, CURLOPT_SSLCERT, options->tls_cert_file) != CURLE_OK;
	bad |= libcurl.easy_setopt(easy, CURLOPT_SSLKEY, options->tls_key_file) != CURLE_OK;
	if (options->tls_ca_file) {
		/* Instead of the system's authorities, not beside them. */
		bad |= libcurl.easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK;
		bad |= libcurl.easy_setopt(easy, CURLOPT_CAINFO, options->tls_ca_file) != CURLE_OK;
	}
	libcurl.easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* the file may be renewed */
	libcurl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	libcurl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	libcurl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that hangs must not make the end of a transfer wait for it. */
	libcurl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	libcurl.easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	libcurl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	libcurl.easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	libcurl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	libcurl.easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	libcurl.multi_setopt(transfer->multi, CURLMOPT_MAXCONNECTS, 1L);
	return bad ? -ENOMEM : 0;
}

int pe_transfer_new(const struct pe_transfer_options *options, struct pe_transfer **ret_transfer)
{
	_cleanup_(cleanup_transfer) struct pe_transfer *transfer = calloc(1, sizeof(*transfer));
	int r;

	if (!transfer)
		return -ENOMEM;
	transfer->cancel_ns = PE_TRANSFER_NEVER;
	transfer->any_2xx = options->any_2xx;
	transfer->multi = libcurl.multi_init();
	transfer->easy = libcurl.easy_init();
	if (!transfer->multi || !transfer->easy)
		return -ENOMEM;
	r = pe_credentials_init(&transfer->credentials, options->username, options->password,
				options->password_file, options->bearer_token_file);
	if (r == 0)
		r = make_headers(transfer, options);
	if (r == 0)
		r = set_fixed_options(transfer, options);
	if (r < 0)
		return r;
	*ret_transfer = PE_TAKE_PTR(transfer);
	return 0;
}

int pe_transfer_new_to(const char *url, const struct pe_transfer_options *options,
		       struct pe_transfer **ret_transfer)
{
	struct pe_transfer_options transfer = *options;
	_cleanup_free_ char *user = NULL;
	_cleanup_free_ char *password = NULL;
	int r = pe_push_url_credentials(url, &user, &password);

	if (r < 0)
		return r;
	/* At most one of both has credentials. */
	if (!transfer.username)
		transfer.username = user;
	transfer.password = password;
	if (password && !transfer.username)
		transfer.username = "";
	return pe_transfer_new(&transfer, ret_transfer);
}

struct pe_transfer *pe_transfer_free(struct pe_transfer *transfer)
{
	if (!transfer)
		return NULL;
	libcurl.easy_cleanup(transfer->easy);
	libcurl.multi_cleanup(transfer->multi);
	libcurl.slist_free_all(transfer->headers);
	pe_credentials_fini(&transfer->credentials);
	free(transfer);
	return NULL;
}
