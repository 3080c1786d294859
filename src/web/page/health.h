/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the exporter is, in a line: what an administrator would look for first. Pure; any thread.
 */
#ifndef PE_WEB_PAGE_HEALTH_H
#define PE_WEB_PAGE_HEALTH_H

#include <stddef.h>

#include "pe/sample.h"
#include "pe/strbuf.h"

enum pe_health_level {
	PE_HEALTH_OK,
	PE_HEALTH_NOTE, /* something was not counted, or a limit was reached, since the start */
	PE_HEALTH_BAD,	/* it is so now */
};

struct pe_health_check {
	const char *name; /* a constant */
	enum pe_health_level level;
	char text[256]; /* a short sentence */
};

#define PE_HEALTH_CHECKS 8

/* Fills all checks; returns the worst level. */
enum pe_health_level pe_health(const struct pe_snapshot *snapshot,
			       struct pe_health_check ret_checks[PE_HEALTH_CHECKS]);

/* "ok", "note", "bad" */
const char *pe_health_level_name(enum pe_health_level level);

#endif
