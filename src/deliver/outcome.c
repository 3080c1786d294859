/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See outcome.h. */
#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>

void pe_outcome_fail(struct pe_outcome *outcome, enum pe_sink_result result, int code,
		     const char *fmt, ...)
{
	va_list args;

	outcome->result = result;
	outcome->code = code;
	va_start(args, fmt);
	vsnprintf(outcome->reason, sizeof(outcome->reason), fmt, args);
	va_end(args);
}
