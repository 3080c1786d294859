/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See tls_input.h. Up to TLS 1.2 a record's header says what is in it. TLS 1.3 hides that; what is
 * no longer than the alert with which a peer closes is taken for one, so that two bytes of data are
 * overlooked and no close is mistaken.
 */
#include "tls_input.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define APPLICATION_DATA 23
/* Two bytes of alert, one of type, and a tag. */
#define CLOSE_BYTES (2 + 1 + 16)

/* A record begins, of which the header has come. */
static void begin_record(struct pe_tls_input *input)
{
	const unsigned char *header = input->header;

	input->left = (size_t)header[3] << 8 | header[4];
	if (header[0] != APPLICATION_DATA || !input->finished)
		return;
	if (gnutls_protocol_get_version(input->session) < GNUTLS_TLS1_3 ||
	    input->left != CLOSE_BYTES)
		pe_refusal_begin(input->refusal, input->fd);
}

static void scan(struct pe_tls_input *input, const unsigned char *data, size_t size)
{
	while (size > 0) {
		size_t n = input->left;

		if (n > 0) {
			n = n < size ? n : size;
			input->left -= n;
			data += n;
			size -= n;
			continue;
		}
		n = sizeof(input->header) - input->header_len;
		n = n < size ? n : size;
		memcpy(input->header + input->header_len, data, n);
		input->header_len += n;
		data += n;
		size -= n;
		if (input->header_len == sizeof(input->header)) {
			input->header_len = 0;
			begin_record(input);
		}
	}
}

static ssize_t on_pull(gnutls_transport_ptr_t userdata, void *data, size_t size)
{
	struct pe_tls_input *input = userdata;
	const ssize_t n = recv(input->fd, data, size, 0);

	if (n > 0 && !input->refusal->known)
		scan(input, data, (size_t)n);
	return n;
}

static int on_pull_timeout(gnutls_transport_ptr_t userdata, unsigned int ms)
{
	const struct pe_tls_input *input = userdata;

	return gnutls_system_recv_timeout((gnutls_transport_ptr_t)(intptr_t)input->fd, ms);
}

/* The peer's part of the handshake has ended; what it sends now is data. */
static int on_finished(gnutls_session_t session, unsigned int type, unsigned int when,
		       unsigned int incoming, const gnutls_datum_t *message)
{
	struct pe_tls_input *input = gnutls_transport_get_ptr(session);

	(void)type;
	(void)when;
	(void)message;
	if (incoming)
		input->finished = true;
	return 0;
}

/* GnuTLS leaves its alerts to such a function; with none it sends them itself, also those that it
 * is asked for here. */
static int on_alert(gnutls_session_t session, gnutls_record_encryption_level_t encryption,
		    gnutls_alert_level_t level, gnutls_alert_description_t alert)
{
	struct pe_tls_input *input = gnutls_transport_get_ptr(session);
	const bool closes = alert == GNUTLS_A_CLOSE_NOTIFY;
	int r;

	(void)encryption;
	gnutls_alert_set_read_function(session, NULL);
	if (closes && input->finished)
		input->goodbye(input->userdata);
	r = gnutls_alert_send(session, level, alert);
	if (!closes)
		gnutls_alert_set_read_function(session, on_alert);
	return r;
}

void pe_tls_input_attach(struct pe_tls_input *input, gnutls_session_t session, int fd,
			 struct pe_refusal *refusal, void (*goodbye)(void *userdata),
			 void *userdata)
{
	*input = (struct pe_tls_input){
		.session = session,
		.fd = fd,
		.refusal = refusal,
		.goodbye = goodbye,
		.userdata = userdata,
	};
	gnutls_transport_set_ptr2(session, input, (gnutls_transport_ptr_t)(intptr_t)fd);
	gnutls_transport_set_pull_function(session, on_pull);
	gnutls_transport_set_pull_timeout_function(session, on_pull_timeout);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
					   on_finished);
	gnutls_alert_set_read_function(session, on_alert);
}
