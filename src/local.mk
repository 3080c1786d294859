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
	include/pe/http.h \
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
	include/pe/strbuf.h \
	include/pe/supervisor.h \
	include/pe/thread.h \
	include/pe/utf8.h \
	include/pe/web.h \
	include/pe/workers.h \
	include/pe/xdp.h \
	src/base/arena.c \
	src/base/clock.c \
	src/base/log.c \
	src/base/loop.c \
	src/base/memory.c \
	src/base/strbuf.c \
	src/base/thread.c \
	src/base/utf8.c \
	src/collect/hash.h \
	src/collect/shard.c \
	src/collect/tokens.h \
	src/collect/top.c \
	src/collect/workers.c \
	src/daemon/attacher.c \
	src/daemon/attacher.h \
	src/daemon/audit.c \
	src/daemon/audit.h \
	src/daemon/away.c \
	src/daemon/away.h \
	src/daemon/calls.c \
	src/daemon/calls.h \
	src/daemon/heirs.c \
	src/daemon/heirs.h \
	src/daemon/interfaces.c \
	src/daemon/interfaces.h \
	src/daemon/landlock.c \
	src/daemon/landlock.h \
	src/daemon/limits.c \
	src/daemon/limits.h \
	src/daemon/load.c \
	src/daemon/load.h \
	src/daemon/manual.c \
	src/daemon/manual.h \
	src/daemon/manual_markdown.c \
	src/daemon/newcomers.c \
	src/daemon/newcomers.h \
	src/daemon/offloads.c \
	src/daemon/offloads.h \
	src/daemon/options.c \
	src/daemon/options_help.c \
	src/daemon/options_source.c \
	src/daemon/options_source.h \
	src/daemon/options_table.c \
	src/daemon/options_table.h \
	src/daemon/options_value.c \
	src/daemon/policy.c \
	src/daemon/policy.h \
	src/daemon/privileges.c \
	src/daemon/privileges.h \
	src/daemon/rounds.c \
	src/daemon/sandbox.c \
	src/daemon/sandbox.h \
	src/daemon/snapshot.c \
	src/daemon/snapshot.h \
	src/daemon/supervisor.c \
	src/daemon/user.c \
	src/daemon/user.h \
	src/daemon/watch.c \
	src/daemon/watch.h \
	src/export/activation.c \
	src/export/activation.h \
	src/export/address.c \
	src/export/address.h \
	src/export/crowd.c \
	src/export/crowd.h \
	src/export/grouping.c \
	src/export/grouping.h \
	src/export/hasher.c \
	src/export/hasher.h \
	src/export/last_word.c \
	src/export/last_word.h \
	src/export/http.c \
	src/export/libcurl.c \
	src/export/libcurl.h \
	src/export/listen.c \
	src/export/login.c \
	src/export/login.h \
	src/export/negotiate.c \
	src/export/page.c \
	src/export/page.h \
	src/export/push.c \
	src/export/push_body.c \
	src/export/push_body.h \
	src/export/push_group.c \
	src/export/push_group.h \
	src/export/push_request.c \
	src/export/push_schedule.c \
	src/export/push_schedule.h \
	src/export/push_request.h \
	src/export/san.c \
	src/export/san.h \
	src/export/scrape.c \
	src/export/scrape.h \
	src/export/site.c \
	src/export/site.h \
	src/export/tls.c \
	src/export/tls.h \
	src/export/tls_memory.c \
	src/export/tls_memory.h \
	src/export/tls_names.c \
	src/export/tls_names.h \
	src/export/users.c \
	src/export/users.h \
	src/export/web.c \
	src/export/web_config.c \
	src/export/web_config.h \
	src/export/web_state.h \
	src/export/yaml.c \
	src/export/yaml.h \
	src/metrics/carry.c \
	src/metrics/carry.h \
	src/metrics/catalogue.c \
	src/metrics/encode.c \
	src/metrics/endpoint.c \
	src/metrics/families.h \
	src/metrics/families_departed.c \
	src/metrics/families_flow.c \
	src/metrics/families_iface.c \
	src/metrics/families_self.c \
	src/metrics/families_top.c \
	src/metrics/fold.c \
	src/metrics/fold.h \
	src/metrics/registry.c \
	src/metrics/sample.c \
	src/metrics/table.c \
	src/metrics/table.h \
	src/metrics/writer.c \
	src/metrics/writer.h \
	src/net/features.c \
	src/net/links.c \
	src/net/links.h \
	src/net/monitor.c \
	src/net/parse.c \
	src/net/parse.h \
	src/net/requests.c \
	src/net/requests.h \
	src/net/socket.c \
	src/net/socket.h \
	src/xdp/attach.c \
	src/xdp/newcomers.c \
	src/xdp/object.c \
	src/xdp/object.h \
	src/xdp/ring.c \
	src/xdp/slots.c \
	src/xdp/slots.h \
	src/xdp/sweep.c

# Also for a make of one target, which skips BUILT_SOURCES.
src/xdp/attach.$(OBJEXT) src/xdp/newcomers.$(OBJEXT) src/xdp/object.$(OBJEXT) src/xdp/sweep.$(OBJEXT): bpf/packet_exporter.skel.h
src/xdp/object.$(OBJEXT): bpf/packet_exporter_plain.skel.h

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
