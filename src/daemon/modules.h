/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modules of the daemon, as the supervisor sees them: what each does at the start, at the stop,
 * each second and on SIGHUP. The supervisor's thread alone calls them.
 */
#ifndef PE_DAEMON_MODULES_H
#define PE_DAEMON_MODULES_H

#include "pe/interfaces.h"
#include "pe/listen.h"
#include "pe/loop.h"
#include "pe/page.h"
#include "pe/ring.h"
#include "pe/web.h"

#include "files.h"
#include "healthcheck_socket.h"
#include "limits.h"
#include "notify.h"
#include "snapshot.h"

/* What they share. Each pointer is NULL until its module has started. */
struct supervisor {
	const struct pe_options *options;
	struct pe_loop *loop;
	struct pe_source *timer;
	struct pe_source *promote;
	struct pe_source *brackets;
	struct pe_source *netlink; /* NULL until the interfaces have been listed */
	struct pe_file_shares shares;
	struct pe_xdp *xdp;
	struct pe_dns *dns;	/* NULL also if --dns=off, or the kernel cannot */
	struct pe_drops *drops; /* NULL also if --drops=off, or the kernel cannot */
	struct pe_ring **rings;
	struct pe_workers *workers;
	struct pe_registry *registry;
	struct pe_identities *identities; /* NULL also if --identity=off, or the kernel cannot */
	struct pe_source *identity_timer, *identity_input;
	struct pe_tcp *tcp; /* NULL also if --tcp=off, or the kernel cannot */
	bool named;	    /* what ran at the start */
	bool is_tcp_full;   /* which is logged once */
	struct pe_interfaces *interfaces;
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
	struct pe_sink *push;
	struct pe_sink *remote[PE_SINKS_MAX]; /* of --remote-write.url, then of --otlp.url */
	size_t remote_count;
	struct pe_healthcheck *healthcheck; /* NULL also if its socket could not be had */
	struct pe_snapshot_sources sources;
	bool looked_for_packets; /* in the first minute */
	struct pe_page *once;	 /* of --once */
	struct pe_source *once_timer;
	int once_result; /* 0 if the table has been printed */
	bool ready;	 /* atomic */
	bool listed;	 /* the first dump has been made */
	unsigned int ticks;
	bool netlink_failed; /* the monitor wants to be called again */
	struct pe_log_once netlink_log;
	struct pe_limits limits;
	struct pe_notify notify;
	struct pe_log_once notify_log;
	bool reported_ready; /* the service manager knows */
};

/* Each function may be NULL. */
struct pe_module {
	const char *name;
	bool delivers; /* by HTTP or push: left out with --once */
	/* 0, or -errno after a line of log. */
	int (*start)(struct supervisor *s);
	/* Also ends what `start` did before it failed. */
	void (*stop)(struct supervisor *s);
	void (*tick)(struct supervisor *s);
	void (*reload)(struct supervisor *s);
};

extern const struct pe_module pe_module_web_config;
extern const struct pe_module pe_module_listeners;
extern const struct pe_module pe_module_healthcheck_socket;
extern const struct pe_module pe_module_kernel;
extern const struct pe_module pe_module_dns;
extern const struct pe_module pe_module_drops;
extern const struct pe_module pe_module_identity;
extern const struct pe_module pe_module_tcp;
extern const struct pe_module pe_module_workers;
extern const struct pe_module pe_module_registry;
extern const struct pe_module pe_module_interfaces;
extern const struct pe_module pe_module_snapshots;
extern const struct pe_module pe_module_http;
extern const struct pe_module pe_module_first_list;
extern const struct pe_module pe_module_push;
extern const struct pe_module pe_module_remote_write;
extern const struct pe_module pe_module_link_events;
extern const struct pe_module pe_module_logins;
extern const struct pe_module pe_module_once;
extern const struct pe_module pe_module_notify;
extern const struct pe_module pe_module_report;
extern const struct pe_module pe_module_healthcheck;

/* To be called after link events: a wait may have begun, or ended. */
void pe_module_identity_arm(struct supervisor *s);

/* A snapshot of everything, to be served or pushed; `userdata` is the supervisor. Any thread. */
int pe_module_snapshot(struct pe_snapshot **ret_snapshot, void *userdata);

#endif
