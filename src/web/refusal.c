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

void pe_refusal_begin(struct pe_refusal *word, int fd)
{
	struct tcp_info info;

	word->known = get_info(fd, &info);
	word->sent_bytes = sent_bytes(&info);
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
	default:
		return "Bad Request";
	}
}

void pe_refusal_answer(const struct pe_refusal *word, int fd, gnutls_session_t tls,
		       unsigned int status)
{
	struct tcp_info info;
	char text[128];
	int len;

	if (!word->known || !get_info(fd, &info) || sent_bytes(&info) != word->sent_bytes)
		return;
	len = snprintf(text, sizeof(text),
		       "HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
		       phrase_of(status));
	if (tls)
		gnutls_record_send(tls, text, (size_t)len);
	else
		send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool pe_refusal_is_due(int fd)
{
	struct tcp_info info;

	return get_info(fd, &info) && info.tcpi_bytes_received > 0 && sent_bytes(&info) == 0;
}
