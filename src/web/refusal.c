/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See refusal.h. */
#include "refusal.h"

#include <gnutls/gnutls.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_BYTES 128

/* tcpi_state; netinet/tcp.h has names for them, and an older struct tcp_info. */
#define STATE_CLOSE	 7
#define STATE_CLOSE_WAIT 8

/* An alert of TLS has 24 to some 60 bytes, the shortest answer has more. */
#define GOODBYE_MAX 80

/* False where the kernel cannot tell; it has counted what was sent since Linux 4.19. */
static bool get_info(int fd, struct tcp_info *ret_info)
{
	socklen_t len = sizeof(*ret_info);

	memset(ret_info, 0, sizeof(*ret_info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len) == 0 &&
	       len >= offsetof(struct tcp_info, tcpi_bytes_sent) +
			       sizeof(ret_info->tcpi_bytes_sent);
}

static uint64_t sent_bytes(const struct tcp_info *info)
{
	return info->tcpi_bytes_sent - info->tcpi_bytes_retrans + info->tcpi_notsent_bytes;
}

void pe_refusal_begin(struct pe_refusal *refusal, int fd)
{
	struct tcp_info info;

	refusal->known = get_info(fd, &info);
	refusal->sent_bytes = sent_bytes(&info);
}

static const char *phrase_of(unsigned int status)
{
	switch (status) {
	case MHD_HTTP_REQUEST_TIMEOUT:
		return "Request Timeout";
	case MHD_HTTP_URI_TOO_LONG:
		return "URI Too Long";
	case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
		return "Request Header Fields Too Large";
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

static size_t make_answer(char *text, size_t size, unsigned int status)
{
	return (size_t)snprintf(text, size,
				"HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
				status, phrase_of(status));
}

void pe_refusal_send(int fd, unsigned int status)
{
	char text[ANSWER_BYTES];

	send(fd, text, make_answer(text, sizeof(text), status), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void pe_refusal_answer(const struct pe_refusal *refusal, int fd, gnutls_session_t tls,
		       unsigned int status)
{
	struct tcp_info info;
	char text[ANSWER_BYTES];

	if (!refusal->known || !get_info(fd, &info) || sent_bytes(&info) != refusal->sent_bytes)
		return;
	if (tls)
		gnutls_record_send(tls, text, make_answer(text, sizeof(text), status));
	else
		pe_refusal_send(fd, status);
}

bool pe_refusal_is_due(const struct pe_refusal *refusal, int fd)
{
	struct tcp_info info;

	if (!refusal->known || !get_info(fd, &info) || info.tcpi_state == STATE_CLOSE)
		return false;
	/* The end of the peer's data counts as a byte. */
	return info.tcpi_bytes_received > (info.tcpi_state == STATE_CLOSE_WAIT) &&
	       sent_bytes(&info) - refusal->sent_bytes < GOODBYE_MAX;
}

unsigned int pe_refusal_status(int fd, unsigned int timeout_s)
{
	struct tcp_info info;

	if (get_info(fd, &info) && info.tcpi_last_data_recv >= timeout_s * 1000)
		return MHD_HTTP_REQUEST_TIMEOUT;
	return MHD_HTTP_BAD_REQUEST;
}
