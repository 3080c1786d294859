/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies of answers of OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response), in
 * protobuf. Whatever a receiver sends is fine; what is no such message says nothing. Pure; any
 * thread.
 */
#ifndef PE_OTLP_H
#define PE_OTLP_H

#include <stddef.h>
#include <stdint.h>

struct pe_otlp_partial {
	uint64_t rejected;   /* data points */
	const char *message; /* in the body, not terminated; NULL if there is none */
	size_t message_len;
};

/* What an ExportMetricsServiceResponse has as partial_success. The body may be cut short. */
void pe_otlp_read_partial(const char *body, size_t len, struct pe_otlp_partial *ret_partial);

/* The message of a google.rpc.Status, in the body; NULL and 0 if the body is none, or without. */
const char *pe_otlp_read_status(const char *body, size_t len, size_t *ret_len);

#endif
