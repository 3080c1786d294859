/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP server as a whole, over loopback: whatever a client sends, in whatever pieces, the
 * server ends the connection once the client has; whoever sent a byte gets an answer, all that
 * comes begins as one, and each that was counted has come. What never came past TLS is only ended.
 *
 * The input is a byte of what is asked (1: users; 2: TLS; 4: bytes in the place of TLS; 8: ends
 * with a reset), a byte of how many bytes go at a time (0: all), and what the client sends. The
 * seeds are the stages of test_waiting.py and the shapes of test_refused.py. Unlike other targets
 * it has threads: those of the server.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/http.h"
#include "pe/listen.h"
#include "pe/log.h"
#include "pe/strbuf.h"
#include "pe/web.h"

#include "server_pair.h"

#define USERS	   1
#define TLS	   2
#define BARE	   4
#define RESET	   8
#define VARIANTS   4
#define DEADLINE_S 10
#define PIECES_MAX 64

struct server {
	char path[32]; /* of its configuration */
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
};

struct peer {
	int fd;
	gnutls_session_t tls; /* NULL without */
	bool gone;	      /* the server has closed */
	struct pe_strbuf in;
};

/* Those of a peer that resets count later what they answer, if at all. */
static struct server servers[2][VARIANTS];
static gnutls_certificate_credentials_t trust_all;

/* ---- the server ---- */

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	(void)userdata;
	return pe_snapshot_new(ret_snapshot);
}

static bool on_ready(void *userdata)
{
	(void)userdata;
	return true;
}

/* pe_web_new() reads only files, and looks whether they change. */
static void write_config(struct server *server, unsigned int variant)
{
	struct pe_strbuf text = PE_STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(server->path, sizeof(server->path), "/tmp/fuzz-http-XXXXXX");
	fd = mkstemp(server->path);
	fuzz_check(fd >= 0, "errno %d", errno);
	if (variant & TLS)
		pe_strbuf_adds(&text, "tls_server_config:\n" SERVER_CERT SERVER_KEY);
	/* Of "secret", as cheap as there is. */
	if (variant & USERS)
		pe_strbuf_adds(&text,
			       "basic_auth_users:\n  alice: "
			       "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n");
	n = write(fd, text.data ? text.data : "", text.len);
	fuzz_check(n == (ssize_t)text.len, "errno %d", errno);
	pe_strbuf_fini(&text);
}

static void start(struct server *server, unsigned int variant)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	const struct pe_listen_options listen = { .addresses = addresses, .count = 1 };
	struct pe_http_options options = {
		.telemetry_path = "/metrics",
		.max_connections = 64,
		.timeout_s = 60,
		.share_ms = 100,
		.snapshot = on_snapshot,
		.look = on_snapshot,
		.ready = on_ready,
	};
	char why[PE_WEB_WHY_MAX] = "";
	int r = pe_listeners_new(&listen, &server->listeners, why, sizeof(why));

	fuzz_check(r == 0, "%s", why);
	write_config(server, variant);
	r = pe_web_new(server->path, &server->web, why, sizeof(why));
	fuzz_check(r == 0, "%s", why);
	options.listeners = server->listeners;
	options.web = server->web;
	r = pe_http_new(&options, &server->http);
	fuzz_check(r == 0, "returned %d", r);
}

static void stop_all(void)
{
	for (unsigned int i = 0; i < 2 * VARIANTS; i++) {
		struct server *server = &servers[i / VARIANTS][i % VARIANTS];

		if (!server->http)
			continue;
		pe_http_free(server->http);
		pe_web_free(server->web);
		pe_listeners_free(server->listeners);
		unlink(server->path);
	}
	gnutls_certificate_free_credentials(trust_all);
}

static uint64_t count_answers(const struct server *server)
{
	struct pe_http_sample sample;
	uint64_t sum = 0;

	pe_http_get_stats(server->http, &sample);
	for (size_t i = 0; i < PE_HTTP_CODES; i++)
		sum += sample.requests[i].count;
	return sum;
}

/* ---- the client ---- */

static void connect_to(const struct server *server, struct peer *peer)
{
	const struct timeval deadline = { .tv_sec = DEADLINE_S };
	const int one = 1;
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(
					    (uint16_t)pe_listeners_port(server->listeners, 0)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int r;

	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fuzz_check(peer->fd >= 0, "errno %d", errno);
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
	do
		r = connect(peer->fd, (struct sockaddr *)&addr, sizeof(addr));
	while (r < 0 && (errno == EINTR || errno == EALREADY));
	fuzz_check(r == 0 || errno == EISCONN, "errno %d", errno);
}

static void begin_tls(struct peer *peer)
{
	int r = gnutls_init(&peer->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);

	fuzz_check(r == 0 && gnutls_set_default_priority(peer->tls) == 0, "out of memory");
	gnutls_credentials_set(peer->tls, GNUTLS_CRD_CERTIFICATE, trust_all);
	gnutls_transport_set_int(peer->tls, peer->fd);
	do
		r = gnutls_handshake(peer->tls);
	while (r < 0 && !gnutls_error_is_fatal(r));
	fuzz_check(r == 0, "%s", gnutls_strerror(r));
}

/* libFuzzer's alarm interrupts what has a time-out. */
static bool was_interrupted(const struct peer *peer, ssize_t n)
{
	if (peer->tls)
		return n == GNUTLS_E_INTERRUPTED;
	return n < 0 && errno == EINTR;
}

/* The server may close before it has got all. */
static void send_piece(struct peer *peer, const uint8_t *data, size_t size)
{
	ssize_t n;

	do {
		errno = 0;
		n = peer->tls ? gnutls_record_send(peer->tls, data, size)
			      : send(peer->fd, data, size, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	} while (was_interrupted(peer, n) || (n > 0 && size > 0));
	fuzz_check(n >= 0 || errno != EAGAIN, "it reads nothing for %d s", DEADLINE_S);
	peer->gone = n < 0;
}

static void send_all(struct peer *peer, const struct fuzz_input *input, size_t piece)
{
	size_t sent = 0;

	for (unsigned int i = 0; sent < input->left && !peer->gone; i++) {
		size_t n = input->left - sent;

		/* The rest at once, so that an input does not take too long. */
		if (piece && n > piece && i < PIECES_MAX)
			n = piece;
		send_piece(peer, input->at + sent, n);
		sent += n;
		if (piece)
			sched_yield();
	}
	if (peer->tls && !peer->gone)
		gnutls_bye(peer->tls, GNUTLS_SHUT_WR);
	shutdown(peer->fd, SHUT_WR);
}

/* To the end of the connection. */
static void receive_all(struct peer *peer)
{
	char data[16384];
	ssize_t n;

	do {
		errno = 0;
		n = peer->tls ? gnutls_record_recv(peer->tls, data, sizeof(data))
			      : recv(peer->fd, data, sizeof(data), 0);
		if (n > 0)
			pe_strbuf_add(&peer->in, data, (size_t)n);
	} while (n > 0 || was_interrupted(peer, n));
	fuzz_check(n == 0 || errno != EAGAIN, "it does not end within %d s", DEADLINE_S);
	/* TLS ends before the server counts what never became a request, and TCP after that. */
	while (peer->tls && (recv(peer->fd, data, sizeof(data), 0) > 0 || errno == EINTR))
		errno = 0;
}

static void close_peer(struct peer *peer, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (reset)
		setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (peer->tls)
		gnutls_deinit(peer->tls);
	close(peer->fd);
	pe_strbuf_fini(&peer->in);
}

/* ---- what must hold ---- */

static bool is_answer(const char *at, size_t left)
{
	return left > 12 && memcmp(at, "HTTP/1.", 7) == 0 && at[8] == ' ' && at[9] >= '1' &&
	       at[9] <= '5';
}

/* At most so many. */
static uint64_t count_received(const struct pe_strbuf *in)
{
	uint64_t count = 0;

	for (size_t i = 0; i < in->len; i++)
		count += is_answer(in->data + i, in->len - i);
	return count;
}

static void check_answers(const struct peer *peer, bool must_answer, uint64_t counted)
{
	if (must_answer)
		fuzz_check(peer->in.len > 0 && counted > 0, "no answer, %llu counted",
			   (unsigned long long)counted);
	fuzz_check(peer->in.len == 0 || is_answer(peer->in.data, peer->in.len), "\"%.*s\"",
		   (int)(peer->in.len < 40 ? peer->in.len : 40), peer->in.data);
	/* An answer that was counted and was no more sent would be one too many. */
	fuzz_check(peer->gone || peer->in.len == 0 || counted <= count_received(&peer->in),
		   "%llu counted, %llu received", (unsigned long long)counted,
		   (unsigned long long)count_received(&peer->in));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pe_log_init(PE_LOG_ERROR, PE_LOG_LOGFMT);
	gnutls_certificate_allocate_credentials(&trust_all);
	atexit(stop_all);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	const unsigned int what = fuzz_u8(&input);
	const unsigned int variant = what % VARIANTS;
	const size_t piece = fuzz_u8(&input);
	struct server *server = &servers[!!(what & RESET)][variant];
	struct peer peer = { .in = PE_STRBUF_INIT };
	uint64_t before;

	if (!server->http)
		start(server, variant);
	before = count_answers(server);
	connect_to(server, &peer);
	if (variant & TLS && !(what & BARE))
		begin_tls(&peer);
	send_all(&peer, &input, piece);
	if (!(what & RESET)) {
		receive_all(&peer);
		if (!(variant & TLS) || peer.tls)
			check_answers(&peer, !(variant & TLS) && input.left > 0,
				      count_answers(server) - before);
	}
	close_peer(&peer, what & RESET);
	return 0;
}
