# Every test speaks TAP; tests/README.md says what there is. `make check` runs the suites unit and
# integration; `make check-SUITE` runs one, `make list-SUITE` names its tests.

unit_tests = \
	tests/unit/test_accumulator \
	tests/unit/test_attacher \
	tests/unit/test_attacher_changes \
	tests/unit/test_audit \
	tests/unit/test_moved \
	tests/unit/test_base \
	tests/unit/test_catalogue \
	tests/unit/test_counters \
	tests/unit/test_encode \
	tests/unit/test_events \
	tests/unit/test_families \
	tests/unit/test_levels \
	tests/unit/test_grouping \
	tests/unit/test_groups \
	tests/unit/test_groups_model \
	tests/unit/test_healthcheck \
	tests/unit/test_http \
	tests/unit/test_http_limits \
	tests/unit/test_http_page \
	tests/unit/test_identities \
	tests/unit/test_identity \
	tests/unit/test_listen \
	tests/unit/test_load \
	tests/unit/test_negotiate \
	tests/unit/test_net \
	tests/unit/test_notify \
	tests/unit/test_offloads \
	tests/unit/test_options \
	tests/unit/test_otlp \
	tests/unit/test_page_api \
	tests/unit/test_page_html \
	tests/unit/test_page_kept \
	tests/unit/test_page_live \
	tests/unit/test_page_metrics \
	tests/unit/test_page_query \
	tests/unit/test_page_rows \
	tests/unit/test_policy \
	tests/unit/test_privileges \
	tests/unit/test_protobuf \
	tests/unit/test_reasons \
	tests/unit/test_registry \
	tests/unit/test_registry_model \
	tests/unit/test_ledger \
	tests/unit/test_lives \
	tests/unit/test_remote \
	tests/unit/test_remote_answer \
	tests/unit/test_remote_queue \
	tests/unit/test_maintenance \
	tests/unit/test_sample \
	tests/unit/test_sandbox \
	tests/unit/test_shard \
	tests/unit/test_sink \
	tests/unit/test_spaces \
	tests/unit/test_spool \
	tests/unit/test_text \
	tests/unit/test_top \
	tests/unit/test_watch \
	tests/unit/test_web \
	tests/unit/test_web_config \
	tests/unit/test_workers
bpf_tests = tests/bpf/test_egress tests/bpf/test_features tests/bpf/test_identity tests/bpf/test_ingress \
	tests/bpf/test_sweep tests/bpf/test_verifier
thread_tests = \
	tests/bpf/test_sweep \
	tests/unit/test_base \
	tests/unit/test_http \
	tests/unit/test_http_limits \
	tests/unit/test_http_page \
	tests/unit/test_page_kept \
	tests/unit/test_registry \
	tests/unit/test_registry_model \
	tests/unit/test_sink \
	tests/unit/test_web \
	tests/unit/test_workers
test_helpers = \
	tests/fleet/fleet \
	tests/integration/foreign-xdp \
	tests/integration/monitor-trace \
	tests/integration/push-sample \
	tests/integration/senders \
	tests/integration/witness \
	tests/unit/encode-sample
integration_scripts = \
	tests/integration/browser.py \
	tests/integration/conftest.py \
	tests/integration/cri.py \
	tests/integration/foreign.bpf.c \
	tests/integration/harness.py \
	tests/integration/network_namespaces.py \
	tests/integration/pytest.sh \
	tests/integration/receivers.sh \
	tests/integration/runtimes.sh \
	tests/integration/redirect.bpf.c \
	tests/integration/sanitized.py \
	tests/integration/short-memory.c \
	tests/integration/soak_model.py \
	tests/integration/soak_run.py \
	tests/integration/soak_world.py \
	tests/integration/takeover.c \
	tests/integration/test_api.py \
	tests/integration/test_attack.py \
	tests/integration/test_clock.py \
	tests/integration/test_coexist.py \
	tests/integration/test_container_names.py \
	tests/integration/test_dashboard.py \
	tests/integration/test_database.py \
	tests/integration/test_delivery.py \
	tests/integration/test_encoding.py \
	tests/integration/test_exact.py \
	tests/integration/test_fleet.py \
	tests/integration/test_healthcheck.py \
	tests/integration/test_host_name.py \
	tests/integration/test_hotplug.py \
	tests/integration/test_identity.py \
	tests/integration/test_ledger.py \
	tests/integration/test_limits.py \
	tests/integration/test_monitor.py \
	tests/integration/test_dns.py \
	tests/integration/test_drops.py \
	tests/integration/test_early.py \
	tests/integration/test_offloads.py \
	tests/integration/test_once.py \
	tests/integration/test_otlp.py \
	tests/integration/test_page.py \
	tests/integration/test_passages.py \
	tests/integration/test_privileges.py \
	tests/integration/test_names.py \
	tests/integration/test_push.py \
	tests/integration/test_rules.py \
	tests/integration/test_runtimes.py \
	tests/integration/test_sandbox.py \
	tests/integration/test_receivers.py \
	tests/integration/test_refused.py \
	tests/integration/test_remote_write.py \
	tests/integration/test_soak.py \
	tests/integration/test_spool.py \
	tests/integration/test_start.py \
	tests/integration/test_storm.py \
	tests/integration/test_systemd.py \
	tests/integration/test_tcp.py \
	tests/integration/test_waiting.py \
	tests/integration/test_web.py \
	tests/integration/witness.bpf.c \
	tests/npm/browser.mjs \
	tests/npm/dashboard.ts \
	tests/npm/install.sh \
	tests/npm/package-lock.json \
	tests/npm/package.json \
	tests/rules/alerts.test.yml
lint_tests = tests/lint/complete.sh tests/lint/completion.sh tests/lint/documents.sh tests/lint/hardening.sh \
	tests/lint/layers.sh tests/lint/manifests.sh tests/lint/pointers.sh

if HAVE_CMOCKA
cmocka_tests = $(unit_tests) $(bpf_tests)
else
cmocka_tests =
endif
check_PROGRAMS += $(cmocka_tests) $(test_helpers)
TESTS += $(cmocka_tests) $(lint_tests) tests/integration/pytest.sh
EXTRA_DIST += tests/README.md tests/suites.sh $(lint_tests) tests/lint/tap.inc tests/driver.sh tests/tap.sh tests/lint/completion.py tests/lint/manifests.py tests/lint/pointers.py $(suite_archs) $(suite_order) $(suite_packages) tests/archs/sysroot.sh tests/packages/arm64.sh \
	tests/packages/machine.sh $(integration_scripts) $(bench_sources)

test_libs = $(pe_libs) $(CMOCKA_LIBS)

# Not what they link, which is the program's. Benchmarks and what sends for them are optimized as it is, too.
tests/bpf/%.$(OBJEXT) tests/fuzz/%.$(OBJEXT) tests/integration/%.$(OBJEXT) tests/proto/%.$(OBJEXT) \
tests/unit/%.$(OBJEXT): private CFLAGS += $(TEST_CFLAGS)

# A decoder that is not ours, for what is written as protobuf: the messages of the public schemas that
# are used, compiled by protoc-c.
proto_names = client otlp remote_write_1 remote_write_2 wire
proto_cppflags = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) -I$(top_builddir)/tests/proto
proto_libs = tests/proto/libproto.a $(PROTOBUF_C_LIBS) -lm
proto_sources = $(proto_names:%=tests/proto/%.pb-c.c)
proto_headers = $(proto_names:%=tests/proto/%.pb-c.h)
if HAVE_PROTOBUF_C
check_LIBRARIES += tests/proto/libproto.a
nodist_tests_proto_libproto_a_SOURCES = tests/proto/client.pb-c.c tests/proto/otlp.pb-c.c \
	tests/proto/remote_write_1.pb-c.c tests/proto/remote_write_2.pb-c.c \
	tests/proto/wire.pb-c.c
tests_proto_libproto_a_CPPFLAGS = $(proto_cppflags)
endif
EXTRA_DIST += $(proto_names:%=tests/proto/%.proto)
tests/proto/%.pb-c.c tests/proto/%.pb-c.h: $(top_srcdir)/tests/proto/%.proto
	@$(MKDIR_P) tests/proto
	$(AM_V_GEN)$(PROTOC_C) --proto_path=$(top_srcdir)/tests/proto --c_out=tests/proto $<
CLEANFILES += tests/proto/*.pb-c.c tests/proto/*.pb-c.h
tests/fuzz/fuzz_otlp_response-fuzz_otlp_response.$(OBJEXT) \
tests/fuzz/fuzz_protobuf-fuzz_protobuf.$(OBJEXT) \
tests/fuzz/fuzz_remote-fuzz_remote.$(OBJEXT) \
tests/fuzz/fuzz_scrape-fuzz_scrape.$(OBJEXT): $(proto_headers)

# The kernel's side is replaced by fake-kernel.c.
fake_kernel = tests/unit/fake-kernel.c tests/unit/fake-kernel.h tests/unit/fake-early.c
fake_kernel_wraps = $(foreach name, \
	pe_clock_monotonic_ns pe_log pe_monitor_dispatch pe_monitor_exists pe_monitor_find pe_monitor_has_events \
	pe_monitor_is_current pe_monitor_list_ports pe_monitor_new pe_monitor_read_stats pe_monitor_start \
	pe_registry_add, \
	-Wl$(comma)--wrap=$(name))
comma = ,
attacher_scene = tests/unit/attacher-scene.h $(fake_kernel)
interfaces_scene = tests/unit/interfaces-scene.h $(fake_kernel)
tests_unit_test_reasons_SOURCES = tests/unit/test_reasons.c
tests_unit_test_reasons_LDADD = $(test_libs)
tests_unit_test_accumulator_SOURCES = tests/unit/test_accumulator.c tests/unit/registry-source.h
tests_unit_test_accumulator_LDADD = $(test_libs)
tests_unit_test_attacher_SOURCES = tests/unit/test_attacher.c $(attacher_scene)
tests_unit_test_attacher_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_attacher_LDADD = $(test_libs)
tests_unit_test_attacher_changes_SOURCES = tests/unit/test_attacher_changes.c $(attacher_scene)
tests_unit_test_attacher_changes_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_attacher_changes_LDADD = $(test_libs)
tests_unit_test_audit_LDADD = $(test_libs)
tests_unit_test_load_LDADD = $(test_libs)
tests_unit_test_moved_LDADD = $(test_libs)
tests_unit_test_base_SOURCES = tests/unit/test_base.c tests/unit/emulated.h
tests_unit_test_base_LDADD = $(test_libs)
tests_unit_test_catalogue_SOURCES = tests/unit/test_catalogue.c tests/unit/snapshot-fixture.h
tests_unit_test_catalogue_LDADD = $(test_libs)
tests_unit_test_counters_LDADD = $(test_libs)
tests_unit_test_encode_SOURCES = tests/unit/test_encode.c tests/unit/encode-expected.h
tests_unit_test_encode_LDADD = $(test_libs)
tests_unit_test_events_SOURCES = tests/unit/test_events.c $(interfaces_scene)
tests_unit_test_events_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_events_LDADD = $(test_libs)
tests_unit_test_families_LDADD = $(test_libs)
tests_unit_test_levels_LDADD = $(test_libs)
tests_unit_test_grouping_LDADD = $(test_libs)
tests_unit_test_healthcheck_LDADD = $(test_libs)
tests_unit_test_http_SOURCES = tests/unit/test_http.c tests/unit/http_client.h \
	tests/unit/http_server.h
tests_unit_test_http_LDADD = $(test_libs)
tests_unit_test_http_limits_SOURCES = tests/unit/test_http_limits.c tests/unit/emulated.h tests/unit/http_client.h \
	tests/unit/http_server.h
# Memory is refused in the middle of an answer.
tests_unit_test_http_limits_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pe_encoder_read
tests_unit_test_http_limits_LDADD = $(test_libs)
tests_unit_test_http_page_SOURCES = tests/unit/test_http_page.c tests/unit/http_client.h \
	tests/unit/http_server.h
tests_unit_test_http_page_LDADD = $(test_libs)
kernel_side_wraps = $(foreach name, pe_tasks_close pe_tasks_fd pe_tasks_lost pe_tasks_open \
	pe_tasks_peer pe_tasks_read pe_tasks_walk, -Wl$(comma)--wrap=$(name))
tests_unit_test_identities_LDFLAGS = $(AM_LDFLAGS) $(kernel_side_wraps) \
	-Wl,--wrap=pe_clock_monotonic_ns
tests_unit_test_identities_LDADD = $(test_libs)
tests_unit_test_identity_LDADD = $(test_libs)
tests_unit_test_listen_SOURCES = tests/unit/test_listen.c tests/unit/http_client.h
tests_unit_test_listen_LDADD = $(test_libs)
tests_unit_test_negotiate_LDADD = $(test_libs)
tests_unit_test_net_SOURCES = tests/unit/test_net.c tests/unit/emulated.h
tests_unit_test_net_LDADD = $(test_libs)
tests_unit_test_notify_LDADD = $(test_libs)
tests_unit_test_offloads_SOURCES = tests/unit/test_offloads.c $(interfaces_scene)
tests_unit_test_offloads_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_offloads_LDADD = $(test_libs)
tests_unit_test_options_LDADD = $(test_libs)
tests_unit_test_otlp_LDADD = $(test_libs)
# The clock of the page is the test's.
page_scene = tests/unit/page-scene.h
page_wraps = -Wl,--wrap=pe_clock_monotonic_ns
tests_unit_test_page_api_SOURCES = tests/unit/test_page_api.c tests/unit/api-answers.h \
	tests/unit/malloc-failure.h tests/unit/snapshot-fixture.h $(page_scene)
tests_unit_test_page_api_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_api_LDADD = $(test_libs) $(JANSSON_LIBS)
tests_unit_test_page_html_SOURCES = tests/unit/test_page_html.c tests/unit/html-check.h \
	tests/unit/snapshot-fixture.h $(page_scene)
tests_unit_test_page_html_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_html_LDADD = $(test_libs)
tests_unit_test_page_kept_SOURCES = tests/unit/test_page_kept.c tests/unit/live-scene.h \
	tests/unit/malloc-failure.h tests/unit/snapshot-fixture.h $(page_scene)
tests_unit_test_page_kept_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_kept_LDADD = $(test_libs) -lm
tests_unit_test_page_live_SOURCES = tests/unit/test_page_live.c tests/unit/live-scene.h \
	$(page_scene)
tests_unit_test_page_live_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_live_LDADD = $(test_libs) -lm
tests_unit_test_page_metrics_SOURCES = tests/unit/test_page_metrics.c tests/unit/api-answers.h \
	tests/unit/snapshot-fixture.h $(page_scene)
tests_unit_test_page_metrics_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_metrics_LDADD = $(test_libs) $(JANSSON_LIBS)
tests_unit_test_page_query_LDADD = $(test_libs)
tests_unit_test_page_rows_SOURCES = tests/unit/test_page_rows.c $(page_scene)
tests_unit_test_page_rows_LDFLAGS = $(AM_LDFLAGS) $(page_wraps)
tests_unit_test_page_rows_LDADD = $(test_libs)
tests_unit_test_policy_LDADD = $(test_libs)
tests_unit_test_privileges_LDADD = $(test_libs)
tests_unit_test_protobuf_SOURCES = tests/unit/test_protobuf.c tests/unit/malloc-failure.h
tests_unit_test_protobuf_LDADD = $(test_libs)
tests_unit_test_spaces_SOURCES = tests/unit/test_spaces.c tests/unit/registry-source.h \
	tests/unit/malloc-failure.h
tests_unit_test_spaces_LDADD = $(test_libs)
tests_unit_test_groups_SOURCES = tests/unit/test_groups.c tests/unit/registry-source.h \
	tests/unit/malloc-failure.h
tests_unit_test_groups_LDADD = $(test_libs)
tests_unit_test_groups_model_SOURCES = tests/unit/test_groups_model.c tests/unit/registry-source.h \
	tests/unit/malloc-failure.h
tests_unit_test_groups_model_LDADD = $(test_libs)
tests_unit_test_registry_SOURCES = tests/unit/test_registry.c tests/unit/registry-source.h
tests_unit_test_registry_model_SOURCES = tests/unit/test_registry_model.c tests/unit/registry-source.h
tests_unit_test_registry_model_LDADD = $(test_libs)
tests_unit_test_registry_LDADD = $(test_libs)
tests_unit_test_remote_SOURCES = tests/unit/test_remote.c tests/unit/malloc-failure.h \
	tests/unit/snapshot-fixture.h
tests_unit_test_remote_queue_SOURCES = tests/unit/test_remote_queue.c tests/unit/malloc-failure.h
tests_unit_test_remote_answer_LDADD = $(test_libs)
tests_unit_test_remote_answer_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pe_clock_monotonic_ns
tests_unit_test_spool_LDADD = $(test_libs)
tests_unit_test_remote_queue_LDADD = $(test_libs)
tests_unit_test_ledger_SOURCES = tests/unit/test_ledger.c tests/unit/remote-written.h
tests_unit_test_ledger_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pe_snappy_compress
tests_unit_test_ledger_LDADD = $(test_libs)
tests_unit_test_lives_SOURCES = tests/unit/test_lives.c tests/unit/remote-written.h
tests_unit_test_lives_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pe_snappy_compress
tests_unit_test_lives_LDADD = $(test_libs)
# See there.
tests_unit_test_remote_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pe_snappy_compress
tests_unit_test_remote_LDADD = $(test_libs)
tests_unit_test_maintenance_SOURCES = tests/unit/test_maintenance.c $(interfaces_scene)
tests_unit_test_maintenance_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_maintenance_LDADD = $(test_libs)
tests_unit_test_sample_LDADD = $(test_libs)
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c tests/unit/emulated.h
tests_unit_test_sandbox_LDADD = $(test_libs)
tests_unit_test_shard_LDADD = $(test_libs)
# The test's clock, chance and log.
tests_unit_test_sink_LDFLAGS = $(AM_LDFLAGS) $(foreach name, clock_nanosleep getrandom \
	pe_clock_monotonic_ns pe_log pthread_cond_timedwait, -Wl$(comma)--wrap=$(name))
tests_unit_test_sink_LDADD = $(test_libs)
tests_unit_test_text_LDADD = $(test_libs) $(JANSSON_LIBS)
tests_unit_test_top_LDADD = $(test_libs)
tests_unit_test_watch_SOURCES = tests/unit/test_watch.c $(interfaces_scene)
tests_unit_test_watch_LDFLAGS = $(AM_LDFLAGS) $(fake_kernel_wraps)
tests_unit_test_watch_LDADD = $(test_libs)
tests_unit_test_web_SOURCES = tests/unit/test_web.c tests/unit/http_client.h
tests_unit_test_web_LDADD = $(test_libs)
tests_unit_test_web_config_LDADD = $(test_libs)
tests_unit_test_workers_LDADD = $(test_libs)
tests_unit_encode_sample_SOURCES = tests/unit/encode-sample.c \
	tests/unit/snapshot-fixture.h tests/unit/malloc-failure.h
tests_unit_encode_sample_LDADD = $(pe_libs)
tests_bpf_test_egress_SOURCES = tests/bpf/test_egress.c tests/bpf/frames.h
tests_bpf_test_egress_LDADD = $(test_libs)
# A kernel without a feature.
tests_bpf_test_features_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=ioctl
tests_bpf_test_features_LDADD = $(test_libs)
tests_bpf_test_ingress_SOURCES = tests/bpf/test_ingress.c tests/bpf/frames.h
tests_bpf_test_ingress_LDADD = $(test_libs)
tests_bpf_test_identity_LDADD = $(test_libs)
tests_bpf_test_sweep_SOURCES = tests/bpf/test_sweep.c tests/bpf/frames.h
tests_bpf_test_sweep_LDADD = $(test_libs)
tests_bpf_test_verifier_LDADD = $(test_libs)
tests_integration_foreign_xdp_SOURCES = tests/integration/foreign-xdp.c
tests_integration_foreign_xdp_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/tests/integration
tests_integration_foreign_xdp_LDADD = $(LIBBPF_LIBS)
tests_integration_witness_SOURCES = tests/integration/witness.c
tests_integration_witness_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/tests/integration
tests_integration_witness_LDADD = $(LIBBPF_LIBS)
tests_integration_monitor_trace_SOURCES = tests/integration/monitor-trace.c
tests_integration_monitor_trace_LDADD = $(pe_libs)
tests_integration_push_sample_SOURCES = tests/integration/push-sample.c
tests_integration_push_sample_LDADD = $(pe_libs)
tests_integration_senders_SOURCES = tests/integration/senders.c
tests_integration_senders_LDADD = $(pe_libs)

# For tc, which loads it itself.
check_DATA = tests/integration/redirect.clang.o tests/integration/takeover.so
tests/integration/redirect.clang.o: $(top_srcdir)/tests/integration/redirect.bpf.c
	@$(MKDIR_P) tests/integration
	$(V_CLANG)$(CLANG) $(BPF_FLAGS) -c $< -o $@

# Preloaded into the exporter of this build.
tests/integration/takeover.so: $(top_srcdir)/tests/integration/takeover.c
	@$(MKDIR_P) tests/integration
	$(AM_V_CC)$(CC) $(DEFS) -D_GNU_SOURCE $(PE_CFLAGS) -O1 -fPIC -shared $< -o $@

tests/integration/foreign_xdp-foreign-xdp.$(OBJEXT): tests/integration/foreign.skel.h
tests/integration/witness-witness.$(OBJEXT): tests/integration/witness.skel.h
tests/integration/%.skel.h: $(top_srcdir)/tests/integration/%.bpf.c
	@$(MKDIR_P) tests/integration
	$(V_CLANG)$(CLANG) $(BPF_FLAGS) -c $< -o tests/integration/$*.clang.o
	$(V_SKEL)$(BPFTOOL) gen object tests/integration/$*.bpfo tests/integration/$*.clang.o
	$(V_SKEL)$(BPFTOOL) gen skeleton tests/integration/$*.bpfo name $*_bpf >$@
CLEANFILES += tests/integration/*.so tests/integration/*.o tests/integration/*.bpfo tests/integration/*.skel.h

TEST_EXTENSIONS = .sh
tap_driver = env AM_TAP_AWK='$(AWK)' PE_CHECK_TESTS='$(TEST_LOGS:.log=)' \
	$(SHELL) $(top_srcdir)/tests/driver.sh $(SHELL) $(top_srcdir)/autotools/tap-driver.sh
CLEANFILES += tests/*/*.seconds docker/*.seconds tests/kernels/base.cpio
# How far they are, and what is said of a failure.
AM_SH_LOG_DRIVER_FLAGS = --comments
LOG_DRIVER = $(tap_driver)
SH_LOG_DRIVER = $(tap_driver)
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	PE_BUILDDIR='$(abs_builddir)'; export PE_BUILDDIR; \
	PE_SRCDIR='$(abs_top_srcdir)'; export PE_SRCDIR;

# ---- suites ----
# Of each: its tests, the programs that they need beside themselves, variables of the environment.

suite_unit = $(lint_tests) $(cmocka_tests) $(fuzz_targets)
suite_integration = tests/integration/pytest.sh
# The benchmarks are only compiled, so that they do not rot.
suite_integration_programs = $(test_helpers) $(bench_programs) tests/integration/redirect.clang.o \
	tests/integration/takeover.so
suite_fuzz = tests/fuzz/check.sh
suite_docker = docker/check.sh
suite_order = tests/order/check.sh
suite_packages = tests/packages/check.sh
suite_archs = tests/archs/check.sh
suite_kernels = tests/kernels/check.sh
suite_kernels_programs = tests/kernels/traffic
# In a build --with-sanitizers=address,undefined.
# The seeds run with clang's sanitizers in the suite fuzz; of the BPF programs only the kernel's side
# runs in the other tests. tests/integration/sanitized.py chooses from the integration tests.
suite_sanitized = $(if $(cmocka_tests),$(unit_tests) tests/bpf/test_features tests/bpf/test_sweep) \
	tests/integration/pytest.sh
suite_sanitized_programs = $(test_helpers) tests/integration/redirect.clang.o
suite_sanitized_env = PE_SUITE=sanitized
# In a build --with-sanitizers=thread: what has threads.
suite_threads = $(thread_tests) tests/integration/pytest.sh
suite_threads_programs = $(test_helpers) tests/integration/redirect.clang.o
suite_threads_env = PE_SUITE=threads
suites = unit integration fuzz docker order packages archs kernels sanitized threads

# The log of its own: suites may run at the same time in the same folder, once they are compiled.
suite_programs = $(filter-out %.sh,$(suite_$*)) $(suite_$*_programs)
.PHONY: $(suites:%=check-%) $(suites:%=compile-%) $(suites:%=list-%)
$(suites:%=check-%): check-%: compile-%
	$(suite_$*_env) $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(suite_$*)' \
		check_PROGRAMS='$(suite_programs)' TEST_SUITE_LOG=check-$*.log $(suite_$*_variables)
$(suites:%=compile-%): compile-%: all
	$(MAKE) $(AM_MAKEFLAGS) $(suite_programs) $(check_LIBRARIES) packet-exporter
$(suites:%=list-%): list-%:
	@printf '%s\n' $(suite_$*)
compile-fuzz: fuzz-build

# Other architectures, with all tests.
.PHONY: check-archs-all
check-archs-all: all
	PE_ARCHS=all $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(suite_archs)' check_PROGRAMS=

# What takes long: thousands of interfaces and the like, then ten minutes of random operations;
# SOAK_SEED=N repeats a run of these (see tests/integration/test_soak.py).
.PHONY: soak
soak_env = PE_BUILDDIR='$(abs_builddir)' PE_SRCDIR='$(abs_top_srcdir)'
soak: compile-integration
	$(soak_env) $(top_srcdir)/tests/integration/pytest.sh -m soak
	$(soak_env) SOAK_SECONDS=$${SOAK_SECONDS:-600} PE_PYTEST='test_soak.py' \
		$(top_srcdir)/tests/integration/pytest.sh -n 0 -s

# What is exact must be so in every combination of hooks; `gro` leaves containers to the tracepoint.
# HOOKS="--xdp.mode=native,--flows=off gro" runs these combinations alone.
.PHONY: check-hooks
hook_modes = --xdp.mode=auto --xdp.mode=generic --xdp.mode=native gro
hook_combinations = $(foreach mode,$(hook_modes),$(foreach egress,on off,$(foreach flows,on off, \
	$(mode),--egress=$(egress),--flows=$(flows))))
check-hooks: compile-integration
	@failed=; for hooks in $${HOOKS:-$(hook_combinations)}; do \
		echo "# $$hooks"; \
		$(soak_env) PE_HOOKS="$$(echo $$hooks | tr , ' ')" SOAK_SECONDS=$${SOAK_SECONDS:-60} \
			PE_PYTEST='test_exact.py test_storm.py test_soak.py' \
			$(top_srcdir)/tests/integration/pytest.sh || failed="$$failed $$hooks"; \
	done; \
	if test -n "$$failed"; then echo "failed:$$failed"; exit 1; fi

# ---- a fleet ----

# A thousand hosts that write to a VictoriaMetrics, for some minutes; FLEET="HOSTS SECONDS" others.
# tests/integration/test_fleet.py has a few do so, for some seconds.
tests_fleet_fleet_SOURCES = tests/fleet/fleet.c
tests_fleet_fleet_LDADD = $(pe_libs)
EXTRA_DIST += tests/fleet/run
.PHONY: fleet
fleet: tests/fleet/fleet
	PE_BUILDDIR='$(abs_builddir)' $(top_srcdir)/tests/fleet/run $(FLEET)

# ---- benchmarks ----

bench_programs = \
	tests/bench/bench_attack \
	tests/bench/bench_datapath \
	tests/bench/bench_egress \
	tests/bench/bench_encode \
	tests/bench/bench_remote \
	tests/bench/bench_worker \
	tests/bench/exec_cost \
	tests/bench/execs \
	tests/bench/known \
	tests/bench/links \
	tests/bench/snapshot \
	tests/bench/traffic
bench_sources = \
	tests/bench/bench.bpf.c \
	tests/bench/bench.py \
	tests/bench/bench_cpus.py \
	tests/bench/bench_delivery.py \
	tests/bench/bench_dns.py \
	tests/bench/bench_drops.py \
	tests/bench/bench_tcp.py \
	tests/bench/bench_hotplug.py \
	tests/bench/bench_identity.py \
	tests/bench/bench_idle.py \
	tests/bench/bench_page.py \
	tests/bench/bench_scrape.py \
	tests/bench/bench_traffic.py \
	tests/bench/models.bpf.c \
	tests/bench/observe.bpf.c \
	tests/bench/tcx.bpf.c \
	tests/bench/twin.bpf.c \
	tests/bench/run
# Compiled by `make check`, so that they do not rot.
check_PROGRAMS += $(bench_programs)
bench_cppflags = $(AM_CPPFLAGS) -I$(top_builddir)/tests/bench
bench_packets = tests/bench/flows.h tests/bench/packets.h tests/bpf/frames.h
bench_drive = tests/bench/bench.h tests/bench/drive.h tests/bench/flows.h tests/bpf/frames.h
tests_bench_bench_attack_SOURCES = tests/bench/bench_attack.c $(bench_drive)
tests_bench_bench_attack_CPPFLAGS = $(bench_cppflags)
tests_bench_bench_attack_LDADD = $(pe_libs)
tests_bench_bench_datapath_SOURCES = tests/bench/bench_datapath.c tests/bench/lines.h \
	tests/bench/packets.h $(bench_drive)
tests_bench_bench_datapath_CPPFLAGS = $(bench_cppflags)
tests_bench_bench_datapath_LDADD = $(pe_libs) -lm
tests_bench_bench_egress_SOURCES = tests/bench/bench_egress.c tests/bench/bench.h tests/bench/lines.h \
	$(bench_packets)
tests_bench_bench_egress_CPPFLAGS = $(bench_cppflags)
tests_bench_bench_egress_LDADD = $(pe_libs)
bench_interfaces = tests/bench/bench.h tests/bench/interfaces.h tests/unit/snapshot-fixture.h
tests_bench_bench_encode_SOURCES = tests/bench/bench_encode.c $(bench_interfaces)
tests_bench_bench_encode_LDADD = $(pe_libs)
tests_bench_bench_remote_SOURCES = tests/bench/bench_remote.c $(bench_interfaces)
tests_bench_bench_remote_LDADD = $(pe_libs)
tests_bench_bench_worker_SOURCES = tests/bench/bench_worker.c tests/bench/bench.h
tests_bench_bench_worker_LDADD = $(pe_libs)
tests_bench_exec_cost_SOURCES = tests/bench/exec_cost.c tests/bench/bench.h
tests_bench_exec_cost_CPPFLAGS = $(bench_cppflags)
tests_bench_exec_cost_LDADD = $(pe_libs)
# Static, so that it starts as fast as a program can; nothing that this build asks of programs.
tests_bench_execs_SOURCES = tests/bench/execs.c
tests_bench_execs_CFLAGS = -Wall -Wextra -fno-sanitize=all
tests_bench_execs_LDFLAGS = -static
tests_bench_execs_LDADD =
tests_bench_known_SOURCES = tests/bench/known.c tests/bench/bench.h
tests_bench_known_LDFLAGS = $(AM_LDFLAGS) $(kernel_side_wraps)
tests_bench_known_LDADD = $(pe_libs)
tests_bench_snapshot_SOURCES = tests/bench/snapshot.c tests/bench/bench.h
tests_bench_snapshot_LDADD = $(pe_libs)
tests_bench_links_SOURCES = tests/bench/links.c tests/bench/bench.h tests/bench/observe.h
tests_bench_links_CPPFLAGS = $(bench_cppflags)
tests_bench_links_LDADD = $(pe_libs)
tests_bench_traffic_SOURCES = tests/bench/traffic.c tests/bench/bench.h
tests_bench_traffic_CPPFLAGS = $(bench_cppflags)
tests_bench_traffic_LDADD = $(pe_libs)

bench_skel = tests/bench/bench.skel.h
tests/bench/bench_attack-bench_attack.$(OBJEXT): $(bench_skel)
tests/bench/bench_datapath-bench_datapath.$(OBJEXT): $(bench_skel)
tests/bench/bench_egress-bench_egress.$(OBJEXT): tests/bench/models.skel.h tests/bench/twin.skel.h
tests/bench/exec_cost-exec_cost.$(OBJEXT): tests/bench/twin.skel.h
tests/bench/links-links.$(OBJEXT): tests/bench/observe.skel.h
# Automake names it so since another folder has a program of that name.
tests/bench/tests_bench_traffic-traffic.$(OBJEXT): tests/bench/tcx.skel.h tests/bench/twin.skel.h
tests/bench/%.skel.h: $(top_srcdir)/tests/bench/%.bpf.c
	@$(MKDIR_P) tests/bench
	$(V_CLANG)$(CLANG) $(BPF_FLAGS) -MMD -MP -MF tests/bench/$*.bpf.d -MT $@ -c $< \
		-o tests/bench/$*.clang.o
	$(V_SKEL)$(BPFTOOL) gen object tests/bench/$*.bpfo tests/bench/$*.clang.o
	$(V_SKEL)$(BPFTOOL) gen skeleton tests/bench/$*.bpfo name $*_bpf >$@.tmp && mv $@.tmp $@
-include tests/bench/bench.bpf.d tests/bench/models.bpf.d tests/bench/observe.bpf.d \
	tests/bench/tcx.bpf.d tests/bench/twin.bpf.d
CLEANFILES += bench.md bench.json tests/bench/*.o tests/bench/*.bpfo tests/bench/*.bpf.d \
	tests/bench/*.skel.h

# BENCH="datapath hotplug" runs these alone.
.PHONY: bench
bench: $(bench_programs) packet-exporter
	PE_BUILDDIR='$(abs_builddir)' $(top_srcdir)/tests/bench/run $(BENCH)

include tests/fuzz/local.mk
include tests/kernels/local.mk
