/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web configuration: TLS, headers, users, as --web.config.file has them, in the format of
 * Prometheus' exporter toolkit
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md).
 *
 * The file, the certificates and the keys are read when it is made, so that this may come before
 * privileges are given up. The server looks about once a second, when it is asked something,
 * whether one of them has changed, and reads them again; what is then wrong leaves in force what
 * was right before.
 */
#ifndef PE_WEB_H
#define PE_WEB_H

#include <stddef.h>

struct pe_web;

#define PE_WEB_WHY_MAX 1024

/*
 * Reads the file; NULL is a server without TLS and users. 0 or -errno with one line in `why`, which
 * names the file and the line: -EINVAL, what open(2) says, -ENOMEM. The caller owns *ret_web. Any
 * thread.
 */
int pe_web_new(const char *file, struct pe_web **ret_web, char *why, size_t why_size);

/* NULL is fine. Returns NULL. */
struct pe_web *pe_web_free(struct pe_web *web);

/*
 * The i-th of the files that were read last: the configuration, certificate, key, CA. NULL behind
 * the last. Valid until it is reloaded, so this is for the start.
 */
const char *pe_web_file(const struct pe_web *web, size_t i);

#endif
