/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --healthcheck: asks a running exporter how it is, by a socket in the abstract namespace
 * (unix(7)), so that no port, password or certificate is involved. src/daemon/healthcheck_socket.h
 * has the other end.
 */
#ifndef PE_HEALTHCHECK_H
#define PE_HEALTHCHECK_H

#include <stdio.h>

#include "pe/options.h"

/*
 * Asks the exporter that runs in this network and PID namespace with these options, of which
 * --web.listen-address tells several apart. In a PID namespace other than the host's (a container)
 * it is found whatever its address, unless the options name one. Only a process of root, of this
 * user, of --user, or of systemd's service "packet-exporter" (DynamicUser=) is believed. One line
 * goes to `out` if it is healthy, to `err` if not. 0 if it is healthy; -EAGAIN if it says that it
 * is not, or does not answer; -ECONNREFUSED: there is none; -EPERM: somebody else has its socket;
 * other -errno. Blocks for at most 2 s. Any thread.
 */
int pe_healthcheck_ask(const struct pe_options *options, FILE *out, FILE *err);

#endif
