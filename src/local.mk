# Everything but main is in one library: the daemon, tests, fuzzers and benchmarks link it.

noinst_LIBRARIES += src/libpe.a
src_libpe_a_SOURCES = \
	include/pe/abi.h \
	include/pe/arena.h \
	include/pe/catalogue.h \
	include/pe/cleanup.h \
	include/pe/clock.h \
	include/pe/drops.h \
	include/pe/encode.h \
	include/pe/endpoint.h \
	include/pe/features.h \
	include/pe/flow.h \
	include/pe/group.h \
	include/pe/gzip.h \
	include/pe/http.h \
	include/pe/identity.h \
	include/pe/ifkey.h \
	include/pe/interfaces.h \
	include/pe/link.h \
	include/pe/listen.h \
	include/pe/log.h \
	include/pe/loop.h \
	include/pe/memory.h \
	include/pe/options.h \
	include/pe/page.h \
	include/pe/push.h \
	include/pe/registry.h \
	include/pe/ring.h \
	include/pe/sample.h \
	include/pe/shard.h \
	include/pe/sink.h \
	include/pe/strbuf.h \
	include/pe/table.h \
	include/pe/supervisor.h \
	include/pe/tasks.h \
	include/pe/text.h \
	include/pe/thread.h \
	include/pe/top.h \
	include/pe/user.h \
	include/pe/utf8.h \
	include/pe/web.h \
	include/pe/workers.h \
	include/pe/xdp.h \
	src/base/arena.c \
	src/base/clock.c \
	src/base/endpoint.c \
	src/base/gzip.c \
	src/base/log.c \
	src/base/loop.c \
	src/base/memory.c \
	src/base/strbuf.c \
	src/base/table.c \
	src/base/text.c \
	src/base/thread.c \
	src/base/user.c \
	src/base/utf8.c \
	src/collect/flow_table.h \
	src/collect/hash.h \
	src/collect/shard.c \
	src/collect/tokens.h \
	src/collect/top.c \
	src/collect/workers.c \
	src/config/checks.c \
	src/config/help.c \
	src/config/manual.c \
	src/config/manual.h \
	src/config/manual_markdown.c \
	src/config/options.c \
	src/config/source.c \
	src/config/source.h \
	src/config/table.c \
	src/config/table_delivery.c \
	src/config/table.h \
	src/config/value.c \
	src/daemon/calls.c \
	src/daemon/calls.h \
	src/daemon/files.c \
	src/daemon/files.h \
	src/daemon/landlock.c \
	src/daemon/landlock.h \
	src/daemon/limits.c \
	src/daemon/limits.h \
	src/daemon/module_identity.c \
	src/daemon/module_interfaces.c \
	src/daemon/module_kernel.c \
	src/daemon/module_once.c \
	src/daemon/module_push.c \
	src/daemon/module_series.c \
	src/daemon/module_snapshots.c \
	src/daemon/module_web.c \
	src/daemon/module_workers.c \
	src/daemon/modules.h \
	src/daemon/privileges.c \
	src/daemon/privileges.h \
	src/daemon/sandbox.c \
	src/daemon/sandbox.h \
	src/daemon/snapshot.c \
	src/daemon/snapshot.h \
	src/daemon/supervisor.c \
	src/deliver/credentials.c \
	src/deliver/credentials.h \
	src/deliver/grouping.c \
	src/deliver/grouping.h \
	src/deliver/libcurl.c \
	src/deliver/libcurl.h \
	src/deliver/outcome.c \
	src/deliver/outcome.h \
	src/deliver/push.c \
	src/deliver/push_body.c \
	src/deliver/push_body.h \
	src/deliver/push_group.c \
	src/deliver/push_group.h \
	src/deliver/schedule.c \
	src/deliver/schedule.h \
	src/deliver/sink.c \
	src/deliver/sink_log.c \
	src/deliver/sink_log.h \
	src/deliver/sink_ops.h \
	src/deliver/transfer.c \
	src/deliver/transfer.h \
	src/expose/catalogue.c \
	src/expose/encode.c \
	src/expose/families.c \
	src/expose/families.h \
	src/expose/families_counters.c \
	src/expose/families_flow.c \
	src/expose/families_group.c \
	src/expose/families_iface.c \
	src/expose/families_self.c \
	src/expose/families_top.c \
	src/expose/text_writer.c \
	src/expose/json_writer.c \
	src/expose/labels.c \
	src/expose/labels.h \
	src/expose/lines.c \
	src/expose/lines.h \
	src/expose/openmetrics_writer.c \
	src/expose/writer.h \
	src/identity/cgroups.c \
	src/identity/cgroups.h \
	src/identity/describe.c \
	src/identity/describe.h \
	src/identity/docker.c \
	src/identity/docker.h \
	src/identity/docker_config.c \
	src/identity/docker_config.h \
	src/identity/file.c \
	src/identity/file.h \
	src/identity/identities.c \
	src/identity/identity.c \
	src/identity/inside.h \
	src/identity/jansson.c \
	src/identity/jansson.h \
	src/identity/names.c \
	src/identity/names.h \
	src/identity/podman.c \
	src/identity/podman.h \
	src/identity/pods.c \
	src/identity/pods.h \
	src/identity/sources.c \
	src/identity/sources.h \
	src/identity/tables.c \
	src/identity/tables.h \
	src/identity/waits.c \
	src/identity/workload.c \
	src/identity/workload.h \
	src/iface/attach_log.c \
	src/iface/attach_log.h \
	src/iface/attacher.c \
	src/iface/attacher.h \
	src/iface/audit.c \
	src/iface/audit.h \
	src/iface/auditor.c \
	src/iface/auditor.h \
	src/iface/moved.c \
	src/iface/moved.h \
	src/iface/contribution.c \
	src/iface/contribution.h \
	src/iface/engine.h \
	src/iface/reuse.c \
	src/iface/reuse.h \
	src/iface/interfaces.c \
	src/iface/kernel.c \
	src/iface/kernel.h \
	src/iface/load.c \
	src/iface/load.h \
	src/iface/maintenance.c \
	src/iface/maintenance.h \
	src/iface/early.c \
	src/iface/early.h \
	src/iface/offloads.c \
	src/iface/offloads.h \
	src/iface/policy.c \
	src/iface/policy.h \
	src/iface/record.h \
	src/iface/relations.c \
	src/iface/relations.h \
	src/iface/records.c \
	src/iface/records.h \
	src/iface/watch.c \
	src/iface/watch.h \
	src/net/drops.c \
	src/net/dump.c \
	src/net/dump.h \
	src/net/features.c \
	src/net/links.c \
	src/net/links.h \
	src/net/monitor.c \
	src/net/parse.c \
	src/net/parse.h \
	src/net/reader.c \
	src/net/reader.h \
	src/net/requests.c \
	src/net/requests.h \
	src/net/socket.c \
	src/net/socket.h \
	src/series/accumulator.c \
	src/series/accumulator.h \
	src/series/collect.c \
	src/series/groups.c \
	src/series/groups.h \
	src/series/ifaces.c \
	src/series/inside.h \
	src/series/member.c \
	src/series/registry.c \
	src/series/sample.c \
	src/web/activation.c \
	src/web/activation.h \
	src/web/address.c \
	src/web/address.h \
	src/web/connection.c \
	src/web/connection.h \
	src/web/connection_limit.c \
	src/web/connection_limit.h \
	src/web/bcrypt_worker.c \
	src/web/bcrypt_worker.h \
	src/web/body.c \
	src/web/body.h \
	src/web/http.c \
	src/web/listen.c \
	src/web/login.c \
	src/web/login.h \
	src/web/negotiate.c \
	src/web/negotiate.h \
	src/web/page/api.c \
	src/web/page/api.h \
	src/web/page/health.c \
	src/web/page/health.h \
	src/web/page/html.c \
	src/web/page/html.h \
	src/web/page/html_details.c \
	src/web/page/html_rows.c \
	src/web/page/live.c \
	src/web/page/live.h \
	src/web/page/page.c \
	src/web/page/query.c \
	src/web/page/query.h \
	src/web/page/rows.c \
	src/web/page/rows.h \
	src/web/page/table.c \
	src/web/page/table.h \
	src/web/san.c \
	src/web/san.h \
	src/web/scrape.c \
	src/web/scrape.h \
	src/web/refusal.c \
	src/web/refusal.h \
	src/web/routes.c \
	src/web/routes.h \
	src/web/tls.c \
	src/web/tls.h \
	src/web/tls_input.c \
	src/web/tls_input.h \
	src/web/tls_memory.c \
	src/web/tls_memory.h \
	src/web/tls_names.c \
	src/web/tls_names.h \
	src/web/users.c \
	src/web/users.h \
	src/web/web.c \
	src/web/web_config.c \
	src/web/web_config.h \
	src/web/web_config_tls.c \
	src/web/web_reader.c \
	src/web/web_reader.h \
	src/web/web_state.h \
	src/web/yaml.c \
	src/web/yaml.h \
	src/xdp/attach.c \
	src/xdp/early.c \
	src/xdp/object.c \
	src/xdp/object.h \
	src/xdp/ring.c \
	src/xdp/slots.c \
	src/xdp/slots.h \
	src/xdp/sweep.c \
	src/xdp/tasks.c \
	src/xdp/ticks.c \
	src/xdp/ticks.h \
	src/xdp/tracepoints.c \
	src/xdp/tracepoints.h

# Also for a make of one target, which skips BUILT_SOURCES.
src/xdp/attach.$(OBJEXT) src/xdp/early.$(OBJEXT) src/xdp/object.$(OBJEXT) src/xdp/sweep.$(OBJEXT) src/xdp/ticks.$(OBJEXT) src/xdp/tracepoints.$(OBJEXT): bpf/packet_exporter.skel.h
src/xdp/object.$(OBJEXT): bpf/packet_exporter_plain.skel.h
src/xdp/tasks.$(OBJEXT): bpf/identity.skel.h

# What the page loads is in it: as C strings, line by line.
src/web/page/page_css.h: src/web/page/page.css
src/web/page/page_js.h: src/web/page/page.js
src/web/page/page_css.h src/web/page/page_js.h:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
		printf '#define PE_PAGE_%s \\\n' "`echo $(@F) | sed 's/page_\(.*\)\.h/\1/' | tr a-z A-Z`" && \
		sed 's/[\\"]/\\&/g; s/^\(.*\)$$/\t"\1\\n" \\/' $(srcdir)/src/web/page/`echo $(@F) | sed 's/_\(.*\)\.h/.\1/'` && \
		echo; } >$@.tmp && mv $@.tmp $@
src/web/page/html.$(OBJEXT): src/web/page/page_css.h src/web/page/page_js.h
EXTRA_DIST += src/web/page/page.css src/web/page/page.js
CLEANFILES += src/web/page/page_css.h src/web/page/page_js.h

pe_libs = src/libpe.a \
	$(LIBBPF_LIBS) $(LIBELF_LIBS) $(LIBCAP_LIBS) $(SECCOMP_LIBS) $(LIBNL_LIBS) \
	$(MICROHTTPD_LIBS) $(GNUTLS_LIBS) $(YAML_LIBS) $(CRYPT_LIBS) $(ZLIB_LIBS)

bin_PROGRAMS += packet-exporter
packet_exporter_SOURCES = src/daemon/main.c
packet_exporter_LDADD = $(pe_libs)

EXTRA_DIST += src/README.md

# The program prints its own man page, so a build for another machine has none.
if !CROSS_COMPILING
man_MANS = packet-exporter.8
endif
packet-exporter.8: packet-exporter$(EXEEXT)
	$(AM_V_GEN)./packet-exporter$(EXEEXT) --help=man >$@.tmp && mv $@.tmp $@
CLEANFILES += packet-exporter.8 packet-exporter.8.tmp
