/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See san.h. The certificate may be anybody's: it has been verified only if the configuration says
 * so. Pure; any thread.
 */
#include "san.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

static bool is_listed(const struct pe_texts *allowed, const char *san)
{
	for (size_t i = 0; i < allowed->count; i++) {
		if (strcmp(allowed->item[i], san) == 0)
			return true;
	}
	return false;
}

/* Go writes IPv4 in IPv6 as IPv4, and no other address with dots. */
static bool format_ip(const char *ip, size_t len, char *text, size_t size)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff }, compatible[12];

	if (len == 16 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		ip += sizeof(mapped);
		len = 4;
	}
	if (len != 4 && len != 16)
		return false;
	if (!inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, text, (socklen_t)size))
		return false;
	if (len == 16 && memcmp(ip, compatible, sizeof(compatible)) == 0 && strchr(text, '.')) {
		const unsigned char *last = (const unsigned char *)ip + sizeof(compatible);

		snprintf(text, size, "::%x:%x", last[0] << 8 | last[1], last[2] << 8 | last[3]);
	}
	return true;
}

/* A name of the certificate as the text that Go makes of it; false if it has another kind. */
static bool format_san(unsigned int type, const char *san, size_t len, char *text, size_t size)
{
	switch (type) {
	case GNUTLS_SAN_DNSNAME:
	case GNUTLS_SAN_RFC822NAME:
	case GNUTLS_SAN_URI:
		if (len >= size || memchr(san, '\0', len))
			return false;
		memcpy(text, san, len);
		text[len] = '\0';
		return true;
	case GNUTLS_SAN_IPADDRESS:
		return format_ip(san, len, text, size);
	default:
		return false;
	}
}

bool pe_san_is_allowed(const struct pe_texts *allowed, const gnutls_datum_t *certificate)
{
	gnutls_x509_crt_t crt;
	bool found = false;

	if (gnutls_x509_crt_init(&crt) < 0)
		return false;
	if (gnutls_x509_crt_import(crt, certificate, GNUTLS_X509_FMT_DER) == 0) {
		for (unsigned int i = 0; !found; i++) {
			char san[1024], text[1024];
			size_t len = sizeof(san);
			const int type =
				gnutls_x509_crt_get_subject_alt_name(crt, i, san, &len, NULL);

			/* One that is too long for us is on no list; any other error is the end. */
			if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
				break;
			if (type >= 0 &&
			    format_san((unsigned int)type, san, len, text, sizeof(text)))
				found = is_listed(allowed, text);
		}
	}
	gnutls_x509_crt_deinit(crt);
	return found;
}
