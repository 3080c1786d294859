#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Packages: what `make install` installs, the Debian package on a Debian of its own, where systemd runs
# it, the same package built a second time elsewhere, the rpm's list of files, and the program for arm64.
# `make check-packages` calls it.
#
# The Debian is made by debootstrap from where this machine's apt has its packages, in a folder, and is
# booted in mount and PID namespaces of its own, so that nothing outlives this script.
#
# TAP; the exit status is 0 if nothing failed.

set -u
suite=bookworm
source_dir=${PE_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build_dir=$(cd "${PE_BUILDDIR:-$source_dir/build}" && pwd) || exit 1
work=$build_dir/packages
# shellcheck source=../../docker/base.sh
. "$source_dir/docker/base.sh"
# shellcheck source=machine.sh
. "$source_dir/tests/packages/machine.sh"
# shellcheck source=../archs/sysroot.sh
. "$source_dir/tests/archs/sysroot.sh"
# shellcheck source=arm64.sh
. "$source_dir/tests/packages/arm64.sh"
# shellcheck source=../tap.sh
. "$source_dir/tests/tap.sh"

cleanup() {
	trap - EXIT INT TERM HUP
	machine_stop
	rm -rf --one-file-system "$work"
}

# same NAME EXPECTED ACTUAL: files of lines.
same() {
	diff -u --label "$1" "$2" --label found "$3"
}

# cached COMMAND…: what an earlier run has compiled of the same sources is not compiled again.
cached() {
	PATH=/usr/lib/ccache:$PATH CCACHE_MAXSIZE=500M \
		CCACHE_DIR=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/ccache \
		CCACHE_BASEDIR="$source_dir" CCACHE_NOHASHDIR=1 "$@"
}

version() {
	sed -n 's/^VERSION = //p' "$build_dir/Makefile"
}

# ---- make install --------------------------------------------------------------------------------

# What every way installs, below a prefix.
installed_files() {
	cat <<-END
		bin/packet-exporter
		lib/systemd/system/packet-exporter.service
		lib/systemd/system/packet-exporter.socket
		share/bash-completion/completions/packet-exporter
		share/man/man8/packet-exporter.8
		share/zsh/site-functions/_packet-exporter
	END
	for file in "$source_dir"/docker/grafana/dashboards/*.json; do
		[ ! -e "$file" ] || echo "share/packet-exporter/grafana/${file##*/}"
	done
	for file in "$source_dir"/docker/prometheus/packet-exporter.*.yml; do
		[ ! -e "$file" ] || echo "share/packet-exporter/prometheus/${file##*/}"
	done
}

# Nothing is outside of the prefix, and nothing is missing; it goes again.
installs() {
	local root=$work/install
	{
		echo etc/default/packet-exporter
		installed_files
	} | sort >"$work/expected"
	make -C "$build_dir" -s install DESTDIR="$root" >/dev/null || return
	(cd "$root/usr/local" && find . -type f | sed 's,^\./,,' | sort) >"$work/found"
	same 'make install' "$work/expected" "$work/found" || return
	find "$root" -type f -not -path "$root/usr/local/*" | grep . && return 1
	grep -qx 'ExecStart=/usr/local/bin/packet-exporter' \
		"$root/usr/local/lib/systemd/system/packet-exporter.service" || return
	# What the administrator wrote stays.
	echo '# mine' >"$root/usr/local/etc/default/packet-exporter"
	make -C "$build_dir" -s install DESTDIR="$root" >/dev/null || return
	grep -qx '# mine' "$root/usr/local/etc/default/packet-exporter" || return
	make -C "$build_dir" -s uninstall DESTDIR="$root" >/dev/null || return
	[ "$(find "$root" -type f)" = "$root/usr/local/etc/default/packet-exporter" ]
}

# ---- the Debian package --------------------------------------------------------------------------

# The distribution as the Debian package has it, once for all that is made of it.
has_sources() {
	make -C "$build_dir" -s deb-tree deb_tree="$work/sources"
}

# Twice, of the same sources: here, and in a folder of another name, at another time, for somebody in
# another time zone with another umask. The second compiles everything itself: a cache has what the first has
# made.
builds() {
	mkdir -p "$work/one" "$work/another/folder" && cp -Rp "$work/sources" "$work/one/tree" &&
		cp -R "$work/sources" "$work/another/folder/sources" || return
	(cd "$work/one/tree" && cached dpkg-buildpackage -b -us -uc)
}

builds_again() {
	cd "$work/another/folder/sources" && umask 027 && TZ=Pacific/Auckland LC_ALL=C.UTF-8 \
		CCACHE_DISABLE=1 DEB_BUILD_OPTIONS=parallel=1 dpkg-buildpackage -b -us -uc
}

is_reproduced() {
	local file
	for file in "$work"/one/*.deb; do
		cmp "$file" "$work/another/folder/${file##*/}" || return
	done
	[ "$(ls "$work"/one/*.deb | wc -l)" = 2 ]
}

deb() {
	echo "$work/one/packet-exporter_$(version)_$(dpkg --print-architecture).deb"
}

has_its_files() {
	{
		echo etc/default/packet-exporter
		printf 'usr/share/doc/packet-exporter/%s\n' changelog.gz copyright
		installed_files | sed 's,^lib/,,;s,^systemd/,lib/&,;t;s,^,usr/,' |
			sed 's,zsh/site-functions,zsh/vendor-completions,;s,\.8$,&.gz,'
	} | sort >"$work/expected"
	dpkg-deb --fsys-tarfile "$(deb)" | tar -t | sed 's,^\./,,;/\/$/d;/^$/d' | sort >"$work/found"
	same 'the package' "$work/expected" "$work/found"
}

# Whatever dpkg-buildflags says beside configure.
is_hardened() {
	PE_BUILDDIR=$1 sh "$source_dir/tests/lint/hardening.sh"
}

has_one_version() {
	[ "$(dpkg-deb -f "$(deb)" Version)" = "$("$build_dir/packet-exporter" --version | cut -d ' ' -f 2)" ]
}

# ---- rpm -----------------------------------------------------------------------------------------

# It parses, rpmlint has nothing to say, and it lists what `make install` installs.
spec_is_right() {
	local spec=$build_dir/autotools/rpm/packet-exporter.spec
	# No rpm has asked for a BuildRoot since 4.6, of 2009; and an archive that is made here has no address.
	rpmlint "$spec" >"$work/rpmlint"
	grep -E ': [EW]: ' "$work/rpmlint" | grep -vE 'W: (no-buildroot-tag|invalid-url Source0:.*)$' && return 1
	grep -q ' 1 specfiles checked; 0 errors' "$work/rpmlint" || { cat "$work/rpmlint"; return 1; }
	rpmspec -P -D '_unitdir /usr/lib/systemd/system' "$spec" >"$work/spec" || return
	{
		echo /etc/default/packet-exporter
		installed_files | sed 's,^,/usr/,;s,\.8$,&*,;s,\(/packet-exporter\)/.*,\1,'
	} | sort -u >"$work/expected"
	sed -n '/^%files/,/^%changelog/p' "$work/spec" | grep -v '^%license\|^%doc' | sed 's/^%config([a-z]*) //' |
		grep ^/ | sort >"$work/found"
	same 'the spec' "$work/expected" "$work/found"
}

case "${1:-}" in there) "$@"; exit ;; esac

[ "$(id -u)" = 0 ] || skip "needs root"
for tool in debootstrap dh lintian rpmlint rpmspec systemd-nspawn aarch64-linux-gnu-gcc podman curl unshare; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
rm -rf --one-file-system "$work"
mkdir -p "$work"

check "make install installs below its prefix alone, and make uninstall removes it" installs
check "the rpm's spec is right" spec_is_right
must "the distribution is made" has_sources
if check "the Debian package is built" builds; then
	check "it has the version of the program" has_one_version
	check "it has the files that make install has" has_its_files
	check "its program is hardened" is_hardened "$work/one/tree"
	check "lintian finds no error and warns of nothing" \
		lintian --allow-root --fail-on error,warning "$work"/one/*.changes
	check "it is built again elsewhere" builds_again &&
		check "and is the same to the byte" is_reproduced
	machine_tests
fi
arm64_tests
finish
