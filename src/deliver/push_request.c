/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP request of the push client, by libcurl.
 *
 * The body is complete before the first byte is sent, so that curl can send it again when a
 * kept-alive connection turns out dead. The multi interface is used for one reason: another thread
 * can end a transfer that hangs.
 *
 * Only the push thread calls this, except for pe_request_cancel().
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/encode.h"

#include "grouping.h"
#include "libcurl.h"
#include "push_body.h"
#include "push_request.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define SECRET_BYTES_MAX 4096
#define ANSWER_BYTES_MAX 4096
/* Of an answer, with its headers. What has come of it until then says all there is to say. */
#define RECEIVED_BYTES_MAX ((size_t)64 * 1024)
#define POLL_MS_MAX	   1000
#define CODE_CURL	   1000

struct pe_request {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	char *url_before, *url_after; /* what is around the instance */
	char *username;
	char *password;
	char *password_file;
	char *token_file;
	struct pe_push_body *body;
	uint64_t cancel_ns; /* atomic */
	char error[CURL_ERROR_SIZE];
	size_t received; /* of the answer, with its headers */
	size_t answer_len;
	char answer[ANSWER_BYTES_MAX];
};

static void cleanup_request(struct pe_request **request)
{
	pe_request_free(*request);
}

static void __attribute__((format(printf, 4, 5)))
fail(struct pe_outcome *outcome, enum pe_push_result result, int code, const char *fmt, ...)
{
	va_list args;

	outcome->result = result;
	outcome->code = code;
	va_start(args, fmt);
	vsnprintf(outcome->reason, sizeof(outcome->reason), fmt, args);
	va_end(args);
}

/* ---- credentials ---- */

/* Reads a small regular file whole, without one newline at its end. */
static int read_secret(const char *path, char secret[static SECRET_BYTES_MAX + 2])
{
	/* Not blocking: somebody may have put a FIFO there. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const size_t max = SECRET_BYTES_MAX + 1;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (len < max) {
		ssize_t n = read(fd, secret + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > SECRET_BYTES_MAX)
		return -EFBIG;
	if (len > 0 && secret[len - 1] == '\n')
		len--;
	secret[len] = '\0';
	return strlen(secret) == len ? 0 : -EILSEQ;
}

/* A line break would let the token's file write headers of its own. */
static bool is_header_value(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int set_basic(struct pe_request *request, const char *password)
{
	CURLcode rc = libcurl.easy_setopt(request->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);

	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(request->easy, CURLOPT_USERNAME, request->username);
	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(request->easy, CURLOPT_PASSWORD, password);
	return rc == CURLE_OK ? 0 : -ENOMEM;
}

static int set_bearer(struct pe_request *request, const char *token)
{
	CURLcode rc = libcurl.easy_setopt(request->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);

	if (rc == CURLE_OK)
		rc = libcurl.easy_setopt(request->easy, CURLOPT_XOAUTH2_BEARER, token);
	return rc == CURLE_OK ? 0 : -ENOMEM;
}

/* Files are read each time: secrets are rotated while we run. */
static int set_credentials(struct pe_request *request, struct pe_outcome *outcome)
{
	const char *path = request->token_file ? request->token_file : request->password_file;
	char secret[SECRET_BYTES_MAX + 2];
	int r = 0;

	if (path)
		r = read_secret(path, secret);
	if (r == 0 && request->token_file)
		r = is_header_value(secret) ? set_bearer(request, secret) : -EILSEQ;
	else if (r == 0 && request->username)
		r = set_basic(request, request->password_file ? secret : request->password);
	if (r < 0) {
		errno = -r;
		fail(outcome, PE_PUSH_NETWORK, r, "cannot use credentials%s%s: %m",
		     path ? " of " : "", path ? path : "");
	}
	return r;
}

/* ---- transfer ---- */

/* False if it is too much; libcurl then ends the connection. */
static bool receive(struct pe_request *request, size_t len)
{
	request->received += len;
	return request->received <= RECEIVED_BYTES_MAX;
}

static size_t on_header(char *data, size_t size, size_t count, void *userdata)
{
	return receive(userdata, size * count) ? size * count : 0;
}

static size_t on_answer(char *data, size_t size, size_t count, void *userdata)
{
	struct pe_request *request = userdata;
	size_t len = size * count;
	size_t room = sizeof(request->answer) - request->answer_len;

	if (!receive(request, len))
		return 0;
	memcpy(request->answer + request->answer_len, data, len < room ? len : room);
	request->answer_len += len < room ? len : room;
	return len;
}

static int poll_ms(uint64_t now_ns, uint64_t until_ns)
{
	uint64_t ms = until_ns > now_ns ? (until_ns - now_ns) / PE_NS_PER_MS + 1 : 0;

	return ms < POLL_MS_MAX ? (int)ms : POLL_MS_MAX;
}

static CURLcode finished_code(struct pe_request *request)
{
	CURLMsg *message;
	CURLcode rc = CURLE_RECV_ERROR;
	int left;

	while ((message = libcurl.multi_info_read(request->multi, &left))) {
		if (message->msg == CURLMSG_DONE)
			rc = message->data.result;
	}
	return rc;
}

/* Drives the transfer to its end; true if it was cancelled instead. */
static bool drive(struct pe_request *request, CURLcode *ret_code)
{
	for (;;) {
		uint64_t now_ns, cancel_ns;
		int running = 0;

		if (libcurl.multi_perform(request->multi, &running) != CURLM_OK) {
			*ret_code = CURLE_OUT_OF_MEMORY;
			return false;
		}
		if (running == 0) {
			*ret_code = finished_code(request);
			return false;
		}
		now_ns = pe_clock_monotonic_ns();
		cancel_ns = __atomic_load_n(&request->cancel_ns, __ATOMIC_ACQUIRE);
		if (now_ns >= cancel_ns)
			return true;
		/* Ends by itself at curl's own timers, and at once by libcurl.multi_wakeup(). */
		libcurl.multi_poll(request->multi, NULL, 0, poll_ms(now_ns, cancel_ns), NULL);
	}
}

static void describe_rejection(struct pe_request *request, enum pe_push_result result, long status,
			       struct pe_outcome *outcome)
{
	const char *to = NULL;
	size_t len = request->answer_len;

	libcurl.easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &to);
	if (to) {
		_cleanup_free_ char *shown = pe_push_redact_url(to);

		fail(outcome, result, (int)status, "HTTP %ld, a redirect to %s, is not followed",
		     status, shown ? shown : "?");
		return;
	}
	while (len > 0 && strchr(" \t\r\n", request->answer[len - 1]))
		len--;
	fail(outcome, result, (int)status, "HTTP %ld%s%.*s", status, len > 0 ? ": " : "", (int)len,
	     request->answer);
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
static bool is_unanswered(struct pe_request *request)
{
	long status = 0, sent = 0;

	libcurl.easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	libcurl.easy_getinfo(request->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent > 0 && !status;
}

static bool is_success(long status)
{
	return status == 200 || status == 202;
}

static void classify(struct pe_request *request, CURLcode rc, struct pe_outcome *outcome)
{
	long status = 0;

	libcurl.easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (request->received > RECEIVED_BYTES_MAX) {
		snprintf(request->error, sizeof(request->error),
			 "the answer is longer than %zu KiB", RECEIVED_BYTES_MAX / 1024);
		/* A refusal is one, however much is said about it. */
		if (request->answer_len > 0 && !is_success(status))
			rc = CURLE_OK;
	}
	if (rc != CURLE_OK) {
		outcome->unanswered = rc == CURLE_OPERATION_TIMEDOUT && is_unanswered(request);
		hide_proxy(request->error);
		fail(outcome, PE_PUSH_NETWORK, CODE_CURL + (int)rc, "%s",
		     *request->error ? request->error : libcurl.easy_strerror(rc));
		return;
	}
	outcome->result = PE_PUSH_OK;
	outcome->code = (int)status;
	if (!is_success(status))
		describe_rejection(
			request, status >= 500 && status <= 599 ? PE_PUSH_SERVER : PE_PUSH_REJECTED,
			status, outcome);
}

static void transfer(struct pe_request *request, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	uint64_t now_ns = pe_clock_monotonic_ns();
	uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / PE_NS_PER_MS : 0;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (left_ms == 0) {
		fail(outcome, PE_PUSH_NETWORK, -ETIMEDOUT, "no time left to send");
		return;
	}
	if (left_ms > INT_MAX)
		left_ms = INT_MAX;
	libcurl.easy_setopt(request->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	*request->error = '\0';
	request->received = request->answer_len = 0;
	if (libcurl.multi_add_handle(request->multi, request->easy) == CURLM_OK) {
		outcome->cancelled = drive(request, &rc);
		libcurl.multi_remove_handle(request->multi, request->easy);
	}
	if (outcome->cancelled)
		outcome->unanswered = is_unanswered(request);
	else
		classify(request, rc, outcome);
}

void pe_request_put(struct pe_request *request, struct pe_snapshot *snapshot, bool legacy,
		    uint64_t deadline_ns, struct pe_outcome *ret_outcome)
{
	const struct pe_strbuf *body;
	int r;

	*ret_outcome = (struct pe_outcome){ 0 };
	r = pe_push_body_encode(request->body, snapshot, legacy, &body);
	if (r < 0) {
		errno = -r;
		fail(ret_outcome, PE_PUSH_NETWORK, r, "cannot encode the metrics: %m");
		return;
	}
	if (set_credentials(request, ret_outcome) < 0)
		return;
	libcurl.easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	libcurl.easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	libcurl.easy_setopt(request->easy, CURLOPT_POSTFIELDS, body->data ? body->data : "");
	libcurl.easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "PUT");
	transfer(request, deadline_ns, ret_outcome);
}

void pe_request_delete(struct pe_request *request, uint64_t deadline_ns,
		       struct pe_outcome *ret_outcome)
{
	*ret_outcome = (struct pe_outcome){ 0 };
	if (set_credentials(request, ret_outcome) < 0)
		return;
	libcurl.easy_setopt(request->easy, CURLOPT_HTTPHEADER, NULL);
	libcurl.easy_setopt(request->easy, CURLOPT_HTTPGET, 1L); /* no body */
	libcurl.easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
	transfer(request, deadline_ns, ret_outcome);
}

void pe_request_delete_at(struct pe_request *request, const char *url, uint64_t deadline_ns,
			  struct pe_outcome *ret_outcome)
{
	if (libcurl.easy_setopt(request->easy, CURLOPT_URL, url) != CURLE_OK) {
		*ret_outcome = (struct pe_outcome){ 0 };
		fail(ret_outcome, PE_PUSH_NETWORK, -ENOMEM, "out of memory");
		return;
	}
	pe_request_delete(request, deadline_ns, ret_outcome);
	libcurl.easy_setopt(request->easy, CURLOPT_URL, request->url);
}

void pe_request_probe(struct pe_request *request, uint64_t deadline_ns,
		      struct pe_outcome *ret_outcome)
{
	*ret_outcome = (struct pe_outcome){ 0 };
	if (set_credentials(request, ret_outcome) < 0)
		return;
	libcurl.easy_setopt(request->easy, CURLOPT_HTTPHEADER, NULL);
	libcurl.easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, NULL);
	libcurl.easy_setopt(request->easy, CURLOPT_NOBODY, 1L); /* HEAD */
	transfer(request, deadline_ns, ret_outcome);
	libcurl.easy_setopt(request->easy, CURLOPT_NOBODY, 0L);
}

void pe_request_cancel(struct pe_request *request, uint64_t at_ns)
{
	__atomic_store_n(&request->cancel_ns, at_ns, __ATOMIC_RELEASE);
	libcurl.multi_wakeup(request->multi);
}

const char *pe_request_url(const struct pe_request *request)
{
	return request->url;
}

int pe_request_turn(struct pe_request *request, const char *instance, char **ret_left)
{
	_cleanup_free_ char *url =
		pe_push_address(request->url_before, instance, request->url_after);

	if (!url || libcurl.easy_setopt(request->easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	*ret_left = request->url;
	request->url = PE_TAKE_PTR(url);
	return 0;
}

/* ---- life ---- */

static int copy_string(char **ret_copy, const char *text)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int copy_credentials(struct pe_request *request, const struct pe_push_options *options)
{
	int r = pe_push_url_credentials(options->url, &request->username, &request->password);

	/* At most one of both has credentials. */
	if (r == 0 && options->username)
		r = copy_string(&request->username, options->username);
	if (r == 0 && request->password && !request->username)
		r = copy_string(&request->username, "");
	if (r == 0 && !request->password)
		r = copy_string(&request->password, "");
	if (r == 0)
		r = copy_string(&request->password_file, options->password_file);
	if (r == 0)
		r = copy_string(&request->token_file, options->bearer_token_file);
	return r;
}

static int add_header(struct pe_request *request, const char *header)
{
	struct curl_slist *headers = libcurl.slist_append(request->headers, header);

	if (!headers)
		return -ENOMEM;
	request->headers = headers;
	return 0;
}

static int make_headers(struct pe_request *request, bool gzip)
{
	_cleanup_free_ char *type = NULL;
	int r;

	if (asprintf(&type, "Content-Type: %s", pe_format_content_type(PE_FORMAT_TEXT)) < 0) {
		type = NULL;
		return -ENOMEM;
	}
	r = add_header(request, type);
	if (r == 0 && gzip)
		r = add_header(request, "Content-Encoding: gzip");
	/* Without a value it is not sent: waiting for "100 Continue" costs a second with servers
	 * that do not know it. */
	if (r == 0)
		r = add_header(request, "Expect:");
	return r;
}

static int set_fixed_options(struct pe_request *request, const struct pe_push_options *options)
{
	CURL *easy = request->easy;
	int bad = 0;

	bad |= libcurl.easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK;
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
	libcurl.easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	libcurl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	libcurl.easy_setopt(easy, CURLOPT_HEADERDATA, request);
	libcurl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	libcurl.easy_setopt(easy, CURLOPT_WRITEDATA, request);
	libcurl.multi_setopt(request->multi, CURLMOPT_MAXCONNECTS, 1L);
	return bad ? -ENOMEM : 0;
}

int pe_request_new(const struct pe_push_options *options, struct pe_request **ret_request)
{
	_cleanup_(cleanup_request) struct pe_request *request = NULL;
	int r;

	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->cancel_ns = PE_REQUEST_NEVER;
	r = pe_push_body_new(options->gzip, &request->body);
	if (r < 0)
		return r;
	request->multi = libcurl.multi_init();
	request->easy = libcurl.easy_init();
	r = pe_push_address_parts(options, &request->url_before, &request->url_after);
	if (r < 0)
		return r;
	request->url = pe_push_address(request->url_before, options->instance, request->url_after);
	if (!request->multi || !request->easy || !request->url)
		return -ENOMEM;
	r = copy_credentials(request, options);
	if (r == 0)
		r = make_headers(request, options->gzip);
	if (r == 0)
		r = set_fixed_options(request, options);
	if (r < 0)
		return r;
	*ret_request = PE_TAKE_PTR(request);
	return 0;
}

struct pe_request *pe_request_free(struct pe_request *request)
{
	if (!request)
		return NULL;
	libcurl.easy_cleanup(request->easy);
	libcurl.multi_cleanup(request->multi);
	libcurl.slist_free_all(request->headers);
	pe_push_body_free(request->body);
	free(request->url);
	free(request->url_before);
	free(request->url_after);
	free(request->username);
	free(request->password);
	free(request->password_file);
	free(request->token_file);
	free(request);
	return NULL;
}
