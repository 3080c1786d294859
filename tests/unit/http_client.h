/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small HTTP client for the tests of the server: raw sockets, so that a test may send what no
 * library would. Every wait has a deadline; a test that would hang fails instead.
 */
#ifndef PE_TEST_HTTP_CLIENT_H
#define PE_TEST_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/strbuf.h"

#define CLIENT_DEADLINE_NS (120 * PE_NS_PER_S)

struct client {
	int fd;
	struct pe_strbuf in; /* received, not yet taken */
	bool ended;	     /* the server closed */
};

struct answer {
	int status;
	char head[4096]; /* with the empty line */
	struct pe_strbuf body;
	bool complete; /* as its framing says */
};

static inline void answer_fini(struct answer *answer)
{
	pe_strbuf_fini(&answer->body);
}

static inline void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	pe_strbuf_fini(&client->in);
}

#define _cleanup_client_ _cleanup_(client_close)
#define _cleanup_answer_ _cleanup_(answer_fini)

/* receive_bytes limits the socket's buffer, for a reader that is slow; 0 leaves it. */
static inline struct client client_connect_to(int family, unsigned int port, int receive_bytes)
{
	struct client client = { .fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port),
				   .sin6_addr = in6addr_loopback };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct sockaddr *addr = family == AF_INET6 ? (const struct sockaddr *)&v6
							 : (const struct sockaddr *)&v4;

	assert_true(client.fd >= 0);
	if (receive_bytes)
		assert_return_code(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
					      sizeof(receive_bytes)),
				   0);
	assert_return_code(connect(client.fd, addr, family == AF_INET6 ? sizeof(v6) : sizeof(v4)),
			   0);
	return client;
}

static inline struct client client_connect(unsigned int port)
{
	return client_connect_to(AF_INET, port, 0);
}

/* False if the server closed before it had read all. */
static inline bool client_send_bytes(struct client *client, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		const ssize_t n = send(client->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static inline void client_send(struct client *client, const char *text)
{
	assert_true(client_send_bytes(client, text, strlen(text)));
}

/* Waits for more input. False at the end. */
static inline bool client_fill(struct client *client)
{
	struct pollfd pollfd = { .fd = client->fd, .events = POLLIN };
	char buf[65536];
	ssize_t n;

	if (client->ended)
		return false;
	assert_int_equal(poll(&pollfd, 1, (int)(CLIENT_DEADLINE_NS / PE_NS_PER_MS)), 1);
	n = recv(client->fd, buf, sizeof(buf), 0);
	client->ended = n <= 0;
	if (n > 0)
		pe_strbuf_add(&client->in, buf, (size_t)n);
	assert_int_equal(client->in.error, 0);
	return n > 0;
}

/* Moves `len` bytes to `out` (NULL drops them). False if the server closed before. */
static inline bool client_take(struct client *client, size_t len, struct pe_strbuf *out)
{
	while (len > 0) {
		size_t n;

		if (client->in.len == 0 && !client_fill(client))
			return false;
		n = len < client->in.len ? len : client->in.len;
		if (out)
			pe_strbuf_add(out, client->in.data, n);
		client->in.len -= n;
		memmove(client->in.data, client->in.data + n, client->in.len);
		len -= n;
	}
	return true;
}

/* Takes up to and with `mark`, as a string. False if the server closed before. */
static inline bool client_take_until(struct client *client, const char *mark, char *out,
				     size_t size)
{
	for (;;) {
		const char *at = NULL;

		if (client->in.len > 0)
			at = memmem(client->in.data, client->in.len, mark, strlen(mark));
		if (at) {
			const size_t len = (size_t)(at - client->in.data) + strlen(mark);

			assert_true(len < size);
			memcpy(out, client->in.data, len);
			out[len] = '\0';
			return client_take(client, len, NULL);
		}
		if (!client_fill(client))
			return false;
	}
}

/* The value of a header, in a static buffer; NULL if it is not there. */
static inline const char *answer_header(const struct answer *answer, const char *name)
{
	static _Thread_local char value[512];
	const size_t len = strlen(name);

	for (const char *p = strstr(answer->head, "\r\n"); p && p[2]; p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, len) == 0 && p[2 + len] == ':') {
			p += 2 + len + 1;
			p += strspn(p, " ");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r"), p);
			return value;
		}
	}
	return NULL;
}

static inline bool client_read_chunks(struct client *client, struct pe_strbuf *body)
{
	char line[64];

	for (;;) {
		size_t len;

		if (!client_take_until(client, "\r\n", line, sizeof(line)))
			return false;
		len = strtoul(line, NULL, 16);
		if (len > 0 && !client_take(client, len, body))
			return false;
		if (!client_take_until(client, "\r\n", line, sizeof(line)))
			return false;
		assert_string_equal(line, "\r\n");
		if (len == 0)
			return true;
	}
}

/* Reads one answer. False if the server closed without one. */
static inline bool client_read(struct client *client, bool is_head, struct answer *ret_answer)
{
	struct answer *a = ret_answer;

	memset(a, 0, sizeof(*a));
	if (!client_take_until(client, "\r\n\r\n", a->head, sizeof(a->head)))
		return false;
	assert_int_equal(sscanf(a->head, "HTTP/1.%*d %d ", &a->status), 1);
	if (is_head) {
		a->complete = true;
	} else if (answer_header(a, "Transfer-Encoding")) {
		assert_string_equal(answer_header(a, "Transfer-Encoding"), "chunked");
		a->complete = client_read_chunks(client, &a->body);
	} else if (answer_header(a, "Content-Length")) {
		const size_t len = strtoul(answer_header(a, "Content-Length"), NULL, 10);

		a->complete = client_take(client, len, &a->body);
	} else {
		while (client_take(client, 1, &a->body))
			;
		a->complete = true;
	}
	return true;
}

/* One request on a connection that stays; `headers` are whole lines. */
static inline void client_ask(struct client *client, const char *method, const char *path,
			      const char *headers, struct answer *ret_answer)
{
	char request[4096];

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: test\r\n%s\r\n", method, path,
		 headers);
	client_send(client, request);
	assert_true(client_read(client, strcmp(method, "HEAD") == 0, ret_answer));
}

/* One request on a connection of its own. */
static inline void ask(unsigned int port, const char *method, const char *path, const char *headers,
		       struct answer *ret_answer)
{
	_cleanup_client_ struct client client = client_connect(port);

	client_ask(&client, method, path, headers, ret_answer);
}

static inline int ask_status(unsigned int port, const char *method, const char *path)
{
	_cleanup_answer_ struct answer answer = { 0 };

	ask(port, method, path, "", &answer);
	return answer.status;
}

/* All of a gzip stream, and nothing behind it. */
static inline void gunzip(const struct pe_strbuf *in, struct pe_strbuf *out)
{
	z_stream stream = { .next_in = (Bytef *)in->data, .avail_in = (uInt)in->len };
	char buf[4096];
	int r;

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	do {
		stream.next_out = (Bytef *)buf;
		stream.avail_out = sizeof(buf);
		r = inflate(&stream, Z_NO_FLUSH);
		assert_true(r == Z_OK || r == Z_STREAM_END);
		pe_strbuf_add(out, buf, sizeof(buf) - stream.avail_out);
	} while (r != Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
}

#endif
