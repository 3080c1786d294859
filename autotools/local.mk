# What is installed beside the program, and packages of all of it.

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

# ---- packages ----
# Of one version, that of configure.ac, and of one date: the last commit's, or configure.ac's where there
# is no clone.

EXTRA_DIST += autotools/debian/changelog.in autotools/debian/control autotools/debian/copyright \
	autotools/debian/postrm autotools/debian/prerm autotools/debian/rules autotools/debian/source/format \
	autotools/rpm/packet-exporter.spec.in
source_date = $${SOURCE_DATE_EPOCH:-$$(git -c safe.directory='*' -C $(top_srcdir) log -1 --format=%ct \
	2>/dev/null || stat -c %Y $(top_srcdir)/configure.ac)}
V_EDIT = $(AM_V_GEN)LC_ALL=C date -ud "@$(source_date)" \
	'+s/@VERSION[@]/$(VERSION)/;s/@DATE[@]/'$(date_format)/ | sed -f - $< >$@.tmp && mv $@.tmp $@

# `make deb` leaves the package in deb/.
deb_tree = deb/$(PACKAGE)-$(VERSION)
.PHONY: deb deb-tree
deb-tree: all
	rm -rf $(deb_tree)
	$(MKDIR_P) $(deb_tree)
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=$(deb_tree)
	chmod -R u+w $(deb_tree)
	cp -R $(deb_tree)/autotools/debian $(deb_tree)/debian
	$(MAKE) $(AM_MAKEFLAGS) $(deb_tree)/debian/changelog
%/debian/changelog: $(top_srcdir)/autotools/debian/changelog.in
	$(V_EDIT)
%/debian/changelog: date_format = '%a, %d %b %Y %T %z'
deb: deb-tree
	cd $(deb_tree) && dpkg-buildpackage -b -us -uc
clean-local:
	rm -rf deb

# In the distribution: `rpmbuild -ta` finds it there.
noinst_DATA = autotools/rpm/packet-exporter.spec
EXTRA_DIST += autotools/rpm/packet-exporter.spec
autotools/rpm/packet-exporter.spec: $(top_srcdir)/autotools/rpm/packet-exporter.spec.in Makefile
	@$(MKDIR_P) autotools/rpm
	$(V_EDIT)
autotools/rpm/packet-exporter.spec: date_format = '%a %b %d %Y'
CLEANFILES += autotools/rpm/packet-exporter.spec autotools/rpm/packet-exporter.spec.tmp
