#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Other architectures: one of the other byte order (s390x) and one of 32 bits (armhf). The program, its BPF
# programs and the unit tests are compiled for them, without a warning, and the tests run under QEMU's
# emulation of programs.
#
#   PE_ARCHS=some         s390x, with the tests of what has a byte order (the default, make check-archs)
#   PE_ARCHS=all          both, with all tests (make check-archs-all)
#   PE_ARCHS="armhf …"    these, with all tests; arm64 is one, too
#
# The libraries are unpacked in folders of their own (sysroot.sh). What compiles and links big-endian BPF
# objects is bpftool of that architecture, because libbpf wants its own byte order.
#
# TAP; the exit status is 0 if nothing failed.

set -u
suite=bookworm
source_dir=$(cd "${PE_SRCDIR:-$(dirname "$0")/../..}" && pwd)
build_dir=$(cd "${PE_BUILDDIR:-$source_dir/build}" && pwd) || exit 1
work=$build_dir/archs
# shellcheck source=../../docker/base.sh
. "$source_dir/docker/base.sh"
# shellcheck source=sysroot.sh
. "$source_dir/tests/archs/sysroot.sh"
# shellcheck source=../tap.sh
. "$source_dir/tests/tap.sh"

declare -A triplets=([arm64]=aarch64-linux-gnu [armhf]=arm-linux-gnueabihf [s390x]=s390x-linux-gnu)
declare -A emulators=([arm64]=aarch64 [armhf]=arm [s390x]=s390x)

# What tests leave out in it (tests/unit/emulated.h): what QEMU's emulation of programs does not pass on, such as
# filters of system calls.
skips='test_(calls|garbage|landlock|landlock_writing|memory_release_start|monitor)'

# A fifth of the time of all.
bytes='accumulator|base|counters|encode|identities|identity|levels|listen|lives|net|options|otlp|page_kept|protobuf|'
bytes+='reasons|remote_answer|remote_queue|sample|sandbox|shard|spaces|spool|top|web_config|workers'
case ${PE_ARCHS:-some} in
some) archs=s390x tests="tests/unit/test_($bytes)" ;;
all) archs='s390x armhf' tests='tests/unit/.*' ;;
*) archs=$PE_ARCHS tests='tests/unit/.*' ;;
esac

# cached COMMAND…: what an earlier run has compiled of the same sources is not compiled again.
cached() {
	PATH=/usr/lib/ccache:$PATH CCACHE_MAXSIZE=500M \
		CCACHE_DIR=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/ccache \
		CCACHE_BASEDIR="$source_dir" CCACHE_NOHASHDIR=1 "$@"
}

run() {
	"qemu-${emulators[$arch]}-static" -L "$root" "$@"
}

# A bpftool for configure: of that architecture where its byte order is another.
make_bpftool() {
	bpftool=$(PATH=$PATH:/usr/sbin command -v bpftool)
	[ "$arch" = s390x ] || return 0
	bpftool=$work/$arch/bpftool
	printf '#!/bin/sh\nexec qemu-%s-static -L %s %s/usr/sbin/bpftool "$@"\n' "${emulators[$arch]}" "$root" "$root" \
		>"$bpftool"
	chmod +x "$bpftool"
}

configures() {
	mkdir -p "$work/$arch" && make_bpftool && cd "$work/$arch" &&
		cached sysroot_configure "$arch" "$triplet" "$source_dir/configure" --enable-tests=required \
			--enable-werror BPFTOOL="$bpftool" CFLAGS='-Og -g0'
}

unit_tests() {
	make -C "$work/$arch" -s --no-print-directory list-unit | grep -xE "$tests"
}

# One after the other: `all` is a make of its own.
compiles() {
	cached make -C "$work/$arch" -s -j"$(nproc)" all || return
	# shellcheck disable=SC2046 # words
	cached make -C "$work/$arch" -s -k -j"$(nproc)" $(unit_tests)
}

is_for_it() {
	file=$(readelf -h "$work/$arch/packet-exporter" "$work/$arch/bpf/packet_exporter.bpfo") || return
	case $arch in
	s390x) [ "$(grep -c 'big endian' <<<"$file")" = 2 ] ;;
	armhf) grep -q ELF32 <<<"$file" && [ "$(grep -c 'little endian' <<<"$file")" = 2 ] ;;
	*) [ "$(grep -c 'little endian' <<<"$file")" = 2 ] ;;
	esac
}

says_the_same() {
	run "$work/$arch/packet-exporter" --help=man | cmp - "$build_dir/packet-exporter.8" &&
		run "$work/$arch/packet-exporter" --check-config --push.url=http://localhost:9091
}

# passes TEST: leaves what it printed beside it.
passes() {
	(cd "$work/$arch" && TIMEFORMAT='# %U s of CPU' && time run "./$1") >"$work/$arch/$1.out" 2>&1
}

# Two at a time; then each says what came of it.
run_tests() {
	local test
	while read -r test; do
		[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n || true
		(passes "$test" && : >"$work/$arch/$test.passed") &
	done
	wait
}

arch_tests() {
	local test triplet=${triplets[$arch]} root
	root=$(sysroot "$arch")
	check "$arch: Debian's libraries are there" sysroot_make "$arch" "$triplet" bpftool libcmocka-dev libcrypt-dev \
		libprotobuf-c-dev || return
	check "$arch: it is configured" configures || return
	check "$arch: it is compiled without a warning" compiles || return
	check "$arch: program and BPF programs are for it" is_for_it
	check "$arch: the program runs, and prints the man page that this machine's prints" says_the_same
	find "$work/$arch/tests" -name '*.passed' -delete
	unit_tests | run_tests
	for test in $(unit_tests); do
		check "$arch: $test" result_of "$test"
	done
}

# Nothing is left out but what is in `skips`.
result_of() {
	cat "$work/$arch/$1.out"
	[ -e "$work/$arch/$1.passed" ] &&
		! sed -n 's/^\[  SKIPPED \] \([a-z_]*\)$/\1/p' "$work/$arch/$1.out" | grep -vxE "$skips"
}

# All of it is read before any of it runs.
main() {
	local arch tool
	for arch in $archs; do
		for tool in "${triplets[$arch]}-gcc" "qemu-${emulators[$arch]}-static"; do
			command -v "$tool" >/dev/null || skip "$tool is not installed"
		done
	done
	export CMOCKA_MESSAGE_OUTPUT=STDOUT PE_EMULATED=1 PE_SRCDIR=$source_dir PE_BUILDDIR=$build_dir
	for arch in $archs; do
		arch_tests
	done
	finish
}

main "$@"
exit
