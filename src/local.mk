# Everything but main is in one library: the daemon, tests, fuzzers and benchmarks link it.

noinst_LIBRARIES += src/libpe.a
src_libpe_a_SOURCES = \
	include/pe/abi.h \
	include/pe/arena.h \
	include/pe/catalogue.h \
	include/pe/cleanup.h \
	include/pe/clock.h \
	include/pe/encode.h \
	include/pe/features.h \
	include/pe/flow.h \
	include/pe/group.h \
	include/pe/group.h \
	include/pe/gzip.h \
	include/pe/http.h \
	include/pe/identity.h \
	include/pe/interfaces.h \
	include/pe/link.h \
	include/pe/listen.h \
	include/pe/log.h \
	include/pe/loop.h \
	include/pe/memory.h \
	include/pe/options.h \
	include/pe/push.h \
	include/pe/registry.h \
	include/pe/ring.h \
	include/pe/sample.h \
	include/pe/shard.h \
	include/pe/sink.h \
	include/pe/strbuf.h \
	include/pe/supervisor.h \
	include/pe/tasks.h \
	include/pe/thread.h \
	include/pe/user.h \
	include/pe/utf8.h \
	include/pe/web.h \
	include/pe/workers.h \
	include/pe/xdp.h \
	src/base/arena.c \
	src/base/clock.c \
	src/base/gzip.c \
	src/base/log.c \
	src/base/loop.c \
	src/base/memory.c \
	src/base/strbuf.c \
	src/base/thread.c \
	src/base/user.c \
	src/base/utf8.c \
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
	src/daemon/module_interfaces.c \
	src/daemon/module_kernel.c \
	src/daemon/module_push.c \
	src/daemon/module_series.c \
	src/daemon/module_web.c \
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
	src/expose/endpoint.c \
	src/expose/families.c \
	src/expose/families.h \
	src/expose/families_departed.c \
	src/expose/families_flow.c \
	src/expose/families_iface.c \
	src/expose/families_self.c \
	src/expose/families_top.c \
	src/expose/text_writer.c \
	src/expose/labels.c \
	src/expose/labels.h \
	src/expose/lines.c \
	src/expose/lines.h \
	src/expose/openmetrics_writer.c \
	src/expose/writer.h \
	src/identity/identity.c \
	src/iface/attacher.c \
	src/iface/attacher.h \
	src/iface/audit.c \
	src/iface/audit.h \
	src/iface/away.c \
	src/iface/away.h \
	src/iface/heirs.c \
	src/iface/heirs.h \
	src/iface/interfaces.c \
	src/iface/load.c \
	src/iface/load.h \
	src/iface/newcomers.c \
	src/iface/newcomers.h \
	src/iface/offloads.c \
	src/iface/offloads.h \
	src/iface/policy.c \
	src/iface/policy.h \
	src/iface/rounds.c \
	src/iface/watch.c \
	src/iface/watch.h \
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
	src/series/fold.c \
	src/series/fold.h \
	src/series/inside.h \
	src/series/registry.c \
	src/series/sample.c \
	src/series/table.c \
	src/series/table.h \
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
	src/web/http.c \
	src/web/listen.c \
	src/web/login.c \
	src/web/login.h \
	src/web/negotiate.c \
	src/web/index_page.c \
	src/web/index_page.h \
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
	src/web/web_state.h \
	src/web/yaml.c \
	src/web/yaml.h \
	src/xdp/attach.c \
	src/xdp/newcomers.c \
	src/xdp/object.c \
	src/xdp/object.h \
	src/xdp/ring.c \
	src/xdp/slots.c \
	src/xdp/slots.h \
	src/xdp/sweep.c \
	src/xdp/tasks.c

# Also for a make of one target, which skips BUILT_SOURCES.
src/xdp/attach.$(OBJEXT) src/xdp/newcomers.$(OBJEXT) src/xdp/object.$(OBJEXT) src/xdp/sweep.$(OBJEXT): bpf/packet_exporter.skel.h
src/xdp/object.$(OBJEXT): bpf/packet_exporter_plain.skel.h
src/xdp/tasks.$(OBJEXT): bpf/identity.skel.h

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
