# clang → bpftool gen object → bpftool gen skeleton. The linked object ends in .bpfo, because make would
# take a .bpf.o for the host compiler's work.

bpf_sources = \
	bpf/packet_exporter.bpf.c \
	bpf/packet_exporter_plain.bpf.c \
	bpf/account.h \
	bpf/drops.bpf.c \
	bpf/drops.h \
	bpf/constants.h \
	bpf/cookie.h \
	bpf/dns.bpf.c \
	bpf/dns.h \
	bpf/dns_pending.h \
	bpf/dns_plain.bpf.c \
	bpf/extent.h \
	bpf/flow.h \
	bpf/histogram.h \
	bpf/identity.bpf.c \
	bpf/identity_kernel.h \
	bpf/identity_names.h \
	bpf/identity_net.h \
	bpf/identity_task.h \
	bpf/ingress.h \
	bpf/kernel.h \
	bpf/maps.h \
	bpf/netns.h \
	bpf/early.h \
	bpf/origin.h \
	bpf/parse.h \
	bpf/skb.h \
	bpf/sweep.h \
	bpf/table.h \
	bpf/tcp.bpf.c \
	bpf/tcp_ended.h \
	bpf/tcp_kernel.h \
	bpf/tcp_overflows.h \
	bpf/tcp_spaces.h \
	bpf/tcx.h \
	bpf/tracepoints.h
EXTRA_DIST += $(bpf_sources)

# What is compiled says which files it is of: the same wherever it is built.
BPF_FLAGS = -target $(BPF_TARGET) -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	-ffile-prefix-map=$(top_srcdir)=. -ffile-prefix-map=$(abs_top_srcdir)=. \
	-ffile-prefix-map=$(abs_top_builddir)=. \
	-I$(top_srcdir)/include -I$(top_srcdir)/bpf $(BPF_CPPFLAGS)

V_CLANG = $(v_clang_@AM_V@)
v_clang_ = $(v_clang_@AM_DEFAULT_V@)
v_clang_0 = @echo "  CLANG   " $@;
V_SKEL = $(v_skel_@AM_V@)
v_skel_ = $(v_skel_@AM_DEFAULT_V@)
v_skel_0 = @echo "  SKEL    " $@;

bpf/%.clang.o: $(top_srcdir)/bpf/%.bpf.c
	@$(MKDIR_P) bpf
	$(V_CLANG)$(CLANG) $(BPF_FLAGS) -MMD -MP -MF bpf/$*.bpf.d -MT $@ -c $< -o $@

bpf/%.bpfo: bpf/%.clang.o
	$(V_SKEL)$(BPFTOOL) gen object $@ $<

bpf/%.skel.h: bpf/%.bpfo
	$(V_SKEL)$(BPFTOOL) gen skeleton $< name $(subst packet_exporter,pe,$*)_bpf >$@.tmp && mv $@.tmp $@

bpf_objects = dns dns_plain drops identity packet_exporter packet_exporter_plain tcp
-include $(bpf_objects:%=bpf/%.bpf.d)

.PRECIOUS: bpf/%.clang.o bpf/%.bpfo
BUILT_SOURCES += $(bpf_objects:%=bpf/%.skel.h)
CLEANFILES += bpf/*.o bpf/*.bpfo bpf/*.d bpf/*.skel.h
