/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page at "/": for a person who followed a port. Loads nothing from anywhere. Pure, any thread.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "index_page.h"

#include "pe/http.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static void add_escaped(struct pe_strbuf *page, const char *text)
{
	for (; *text; text++) {
		if (strchr("&<>\"'", *text))
			pe_strbuf_addf(page, "&#%d;", *text);
		else
			pe_strbuf_addc(page, *text);
	}
}

int pe_index_page_build(struct pe_strbuf *page, const char *telemetry_path)
{
	static const char head[] =
		"<!DOCTYPE html>\n"
		"<html lang=\"en\">\n"
		"<head>\n"
		"<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<title>Packet Exporter</title>\n"
		"<style>\n"
		":root { color-scheme: light dark; }\n"
		"body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; "
		"padding: 0 1rem; }\n"
		"</style>\n"
		"</head>\n"
		"<body>\n"
		"<h1>Packet Exporter</h1>\n"
		"<p>Version " PACKAGE_VERSION "</p>\n"
		"<ul>\n"
		"<li><a href=\"";
	static const char tail[] = "\">Metrics</a></li>\n"
				   "<li><a href=\"" PE_PATH_HEALTHY "\">Healthy</a></li>\n"
				   "<li><a href=\"" PE_PATH_READY "\">Ready</a></li>\n"
				   "</ul>\n"
				   "</body>\n"
				   "</html>\n";

	pe_strbuf_adds(page, head);
	add_escaped(page, telemetry_path);
	pe_strbuf_adds(page, tail);
	return page->error;
}
