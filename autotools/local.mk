# What is installed beside the program.

# ---- documents that the program prints of itself ----
# They are in the distribution, too: what is compiled for another machine cannot print them.

completions = completions/packet-exporter completions/_packet-exporter
documents = packet-exporter.8 $(completions)
if HAVE_DOCUMENTS
dist_man_MANS = packet-exporter.8
dist_bashcompletion_DATA = completions/packet-exporter
dist_zshcompletion_DATA = completions/_packet-exporter
endif
if !CROSS_COMPILING
packet-exporter.8: packet-exporter$(EXEEXT)
	$(AM_V_GEN)./packet-exporter$(EXEEXT) --help=man >$@.tmp && mv $@.tmp $@
completions/packet-exporter: packet-exporter$(EXEEXT)
	@$(MKDIR_P) completions
	$(AM_V_GEN)./packet-exporter$(EXEEXT) --help=bash-completion >$@.tmp && mv $@.tmp $@
completions/_packet-exporter: packet-exporter$(EXEEXT)
	@$(MKDIR_P) completions
	$(AM_V_GEN)./packet-exporter$(EXEEXT) --help=zsh-completion >$@.tmp && mv $@.tmp $@
CLEANFILES += $(documents) $(documents:=.tmp)
endif

# ---- systemd ----

systemdsystemunit_DATA = autotools/systemd/packet-exporter.service
dist_systemdsystemunit_DATA = autotools/systemd/packet-exporter.socket
autotools/systemd/packet-exporter.service: $(top_srcdir)/autotools/systemd/packet-exporter.service.in Makefile
	@$(MKDIR_P) autotools/systemd
	$(AM_V_GEN)sed -e 's,@bindir[@],$(bindir),' -e 's,@sysconfdir[@],$(sysconfdir),' $< >$@.tmp && \
		mv $@.tmp $@
EXTRA_DIST += autotools/systemd/packet-exporter.service.in autotools/systemd/packet-exporter.default
CLEANFILES += autotools/systemd/packet-exporter.service autotools/systemd/packet-exporter.service.tmp

# Its name there is not that of its file. One that is there is the administrator's.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/default'
	test -e '$(DESTDIR)$(sysconfdir)/default/packet-exporter' || \
		$(INSTALL_DATA) $(top_srcdir)/autotools/systemd/packet-exporter.default \
			'$(DESTDIR)$(sysconfdir)/default/packet-exporter'
uninstall-local:
	! cmp -s $(top_srcdir)/autotools/systemd/packet-exporter.default \
		'$(DESTDIR)$(sysconfdir)/default/packet-exporter' || \
		rm -f '$(DESTDIR)$(sysconfdir)/default/packet-exporter'
