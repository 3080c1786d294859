# Everything but main is in one library: the daemon, tests, fuzzers and benchmarks link it.

noinst_LIBRARIES += src/libpe.a
src_libpe_a_SOURCES = \
	include/pe/abi.h \
	include/pe/arena.h \
	include/pe/cleanup.h \
	include/pe/clock.h \
	include/pe/encode.h \
	include/pe/http.h \
	include/pe/link.h \
	include/pe/log.h \
	include/pe/loop.h \
	include/pe/options.h \
	include/pe/push.h \
	include/pe/registry.h \
	include/pe/ring.h \
	include/pe/sample.h \
	include/pe/shard.h \
	include/pe/strbuf.h \
	include/pe/supervisor.h \
	include/pe/workers.h \
	include/pe/xdp.h \
	src/base/arena.c \
	src/base/clock.c \
	src/base/log.c \
	src/base/loop.c \
	src/base/strbuf.c \
	src/xdp/attach.c \
	src/xdp/object.c \
	src/xdp/object.h \
	src/xdp/ring.c \
	src/xdp/slots.c \
	src/xdp/slots.h \
	src/xdp/sweep.c

pe_libs = src/libpe.a \
	$(LIBBPF_LIBS) $(LIBELF_LIBS) $(LIBNL_ROUTE_LIBS) $(LIBNL_LIBS) \
	$(LIBCURL_LIBS) $(MICROHTTPD_LIBS) $(ZLIB_LIBS)

bin_PROGRAMS += packet-exporter
packet_exporter_SOURCES = src/daemon/main.c
packet_exporter_LDADD = $(pe_libs)
