/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A certificate and its key, of nobody, as keys of a web configuration's tls_server_config. */
#ifndef PE_FUZZ_SERVER_PAIR_H
#define PE_FUZZ_SERVER_PAIR_H

#define SERVER_CERTIFICATE                                                       \
	"    -----BEGIN CERTIFICATE-----\n"                                      \
	"    MIIBdjCCARugAwIBAgIUL1jWcBAI7eD1SU2b2SD7llXkydwwCgYIKoZIzj0EAwIw\n" \
	"    DzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjcxNzAxMTFaGA8yMTI2MTEwMzE3MDEx\n" \
	"    MVowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMpo\n" \
	"    g1MkXDfUCl4Q3BWKnnGpt5Y+iGhziUOAAMxjSV8EFIbMPq2AiAANRYhEYT66BfM7\n" \
	"    7aZx5VdmW3CjLuD76DmjUzBRMB0GA1UdDgQWBBRYHIYOr0otJTMQerxDkUSUV1XF\n" \
	"    mTAfBgNVHSMEGDAWgBRYHIYOr0otJTMQerxDkUSUV1XFmTAPBgNVHRMBAf8EBTAD\n" \
	"    AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCCB1EwAVlJ9q7WdbL7IgTdqbad7JRBf5i8\n" \
	"    NiTPEOeFLQIhANYhSJlnD2pFKhOWBWQf5QJCNrkDhFFe7z8I/u780wNn\n"         \
	"    -----END CERTIFICATE-----\n"
#define SERVER_CERT "  cert: |\n" SERVER_CERTIFICATE
#define SERVER_CA   "  client_ca: |\n" SERVER_CERTIFICATE
#define SERVER_KEY                                                               \
	"  key: |\n"                                                             \
	"    -----BEGIN PRIVATE KEY-----\n"                                      \
	"    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBa5OG1mll7LhPbVB\n" \
	"    hJLxFFklSimtc1lOBeuXaZ8BssOhRANCAATKaINTJFw31ApeENwVip5xqbeWPoho\n" \
	"    c4lDgADMY0lfBBSGzD6tgIgADUWIRGE+ugXzO+2mceVXZltwoy7g++g5\n"         \
	"    -----END PRIVATE KEY-----\n"

#endif
