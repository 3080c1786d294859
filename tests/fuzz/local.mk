# Fuzzing: `make fuzz` runs each target with libFuzzer (clang), FUZZ_SECONDS each, in a build of its
# own; `make check-fuzz` does so as a test, shortly, so that models do not go stale; `make check`
# replays the seeds with whatever compiler there is.
# A new target is three lines: its name here, its LDADD below, its seeds in corpus/.

# These read what was written with libprotobuf-c.
if HAVE_PROTOBUF_C
protobuf_fuzz_targets = tests/fuzz/fuzz_otlp_response tests/fuzz/fuzz_protobuf tests/fuzz/fuzz_remote tests/fuzz/fuzz_scrape
else
protobuf_fuzz_targets =
endif
fuzz_targets = \
	tests/fuzz/fuzz_certificate \
	tests/fuzz/fuzz_encode \
	tests/fuzz/fuzz_frames \
	tests/fuzz/fuzz_grouping \
	tests/fuzz/fuzz_headers \
	tests/fuzz/fuzz_http \
	tests/fuzz/fuzz_identity \
	tests/fuzz/fuzz_netlink \
	tests/fuzz/fuzz_options \
	tests/fuzz/fuzz_page \
	tests/fuzz/fuzz_shard \
	tests/fuzz/fuzz_spool \
	tests/fuzz/fuzz_tls \
	tests/fuzz/fuzz_web_config $(protobuf_fuzz_targets)
tests_fuzz_fuzz_certificate_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_encode_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_frames_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_grouping_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_headers_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_http_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_identity_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_netlink_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_options_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_otlp_response_CPPFLAGS = $(proto_cppflags)
tests_fuzz_fuzz_otlp_response_LDADD = $(fuzz_libs) $(proto_libs)
tests_fuzz_fuzz_page_LDADD = $(fuzz_libs) $(JANSSON_LIBS)
tests_fuzz_fuzz_protobuf_CPPFLAGS = $(proto_cppflags)
tests_fuzz_fuzz_protobuf_LDADD = $(fuzz_libs) $(proto_libs)
tests_fuzz_fuzz_remote_CPPFLAGS = $(proto_cppflags)
tests_fuzz_fuzz_remote_LDADD = $(fuzz_libs) $(proto_libs) $(SNAPPY_LIBS)
tests_fuzz_fuzz_scrape_CPPFLAGS = $(proto_cppflags)
tests_fuzz_fuzz_scrape_LDADD = $(fuzz_libs) $(proto_libs)
tests_fuzz_fuzz_shard_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_spool_LDADD = $(fuzz_libs) $(SNAPPY_LIBS)
tests_fuzz_fuzz_tls_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_web_config_LDADD = $(fuzz_libs)

check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/check.sh tests/fuzz/fuzz.h tests/fuzz/run tests/fuzz/corpus
exposition = tests/fuzz/exposition.c tests/fuzz/exposition.h tests/fuzz/exposition_text.h \
	tests/fuzz/snapshot_input.h
tests_fuzz_fuzz_encode_SOURCES = tests/fuzz/fuzz_encode.c $(exposition)
tests_fuzz_fuzz_remote_SOURCES = tests/fuzz/fuzz_remote.c tests/fuzz/decoded.h \
	tests/fuzz/decoded_gone.h tests/fuzz/decoded_otlp.h tests/fuzz/decoded_write.h $(exposition)
tests_fuzz_fuzz_scrape_SOURCES = tests/fuzz/fuzz_scrape.c tests/fuzz/decoded.h $(exposition)
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c tests/fuzz/server_pair.h
tests_fuzz_fuzz_tls_SOURCES = tests/fuzz/fuzz_tls.c tests/fuzz/server_pair.h
tests_fuzz_fuzz_page_SOURCES = tests/fuzz/fuzz_page.c tests/unit/html-check.h
tests_fuzz_fuzz_frames_SOURCES = tests/fuzz/fuzz_frames.c tests/fuzz/frame_model.h

if FUZZING
fuzz_libs = $(LIBFUZZER) $(pe_libs)
else
fuzz_libs = tests/fuzz/libreplay.a $(pe_libs)
endif
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz.h

# One of them: make fuzz FUZZ_TARGETS=encode
FUZZ_SECONDS = 60
FUZZ_TARGETS = $(fuzz_targets)
fuzz_env = PE_SRCDIR='$(abs_top_srcdir)' PE_BUILDDIR='$(abs_builddir)' CLANG='$(CLANG)' \
	MAKE='$(MAKE)'
suite_fuzz_env = $(fuzz_env)
suite_fuzz_variables = FUZZ_SECONDS=2 FUZZ_TARGETS='$(FUZZ_TARGETS)'
.PHONY: fuzz fuzz-build
fuzz:
	+$(fuzz_env) FUZZ_SECONDS='$(FUZZ_SECONDS)' $(top_srcdir)/tests/fuzz/run $(FUZZ_TARGETS)
fuzz-build:
	+$(fuzz_env) FUZZ_SECONDS=0 $(top_srcdir)/tests/fuzz/run $(FUZZ_TARGETS)
