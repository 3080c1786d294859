#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# README's two commands in the other order, on a machine that has nothing yet: `bootstrap run` builds
# without the packages of the tests; `bootstrap check` must then not leave out what configure had not
# found, and installs all that its tests use. `make check-order` calls it.
#
# What differs there is what is installed: check must have the same tests as here, and those run that
# need more than a compiler and the libraries: lints, tests that run other programs, one of each kind
# that links a library of its own. The others would do again what they do here.
#
# The machine is a Debian in a folder, made by debootstrap from where this machine's apt has its
# packages; what apt has downloaded for this machine is not downloaded again. It is entered in mount and
# PID namespaces of its own, so that nothing outlives this script; the exporter runs in a network
# namespace of its own.
#
# TAP; the exit status is 0 if nothing failed.

set -u
suite=bookworm
source_dir=${PE_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
# shellcheck source=../../docker/base.sh
. "$source_dir/docker/base.sh"
work=${PE_BUILDDIR:-$source_dir/build}/order
root=$work/root
netns=pe-order-$$
# Of what was compiled: here, and where the machine has it and the program.
cache=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/ccache}
ccache=/opt/ccache
# shellcheck source=../tap.sh
. "$source_dir/tests/tap.sh"

cleanup() {
	trap - EXIT INT TERM HUP
	[ ! -e "/run/netns/$netns" ] || ip netns del "$netns"
	rm -rf --one-file-system "$root" "$work/archives"
}

# ---- the machine ---------------------------------------------------------------------------------

make_root() {
	local file
	file=$(base_tar) && mkdir -p "$root" && tar -C "$root" -xf "$file" && base_apt "$root" &&
		cp -L /etc/resolv.conf /etc/hosts "$root/etc/" && put_cache && checkout
}

# The files of the clone as they are now.
checkout() {
	mkdir -p "$root$source_dir" &&
		git -c safe.directory='*' -C "$source_dir" ls-files | (
			cd "$source_dir" && while read -r file; do
				[ ! -e "$file" ] || printf '%s\0' "$file"
			done
		) | tar -C "$source_dir" --null -T - -c | tar -C "$root$source_dir" -x
}

# This machine's ccache, with the library that it alone needs. It compares what each file includes and the
# compiler: what differs there, or is missing, is compiled as if nothing were cached, or fails as it would.
put_cache() {
	local name library
	mkdir -p "$root$ccache"/{bin,lib,cache} && cp "$(command -v ccache)" "$root$ccache/bin/" || return
	for name in gcc clang; do
		ln -s ccache "$root$ccache/bin/$name"
	done
	for library in $(ldd "$root$ccache/bin/ccache" | sed -n 's,.* => \(/[^ ]*\).*,\1,p'); do
		[ -e "$root/usr$library" ] || [ -e "$root$library" ] || cp "$library" "$root$ccache/lib/"
	done
}

# On the machine, in a folder of the same name. Its apt finds the packages that were downloaded for this one, and
# adds to a layer of its own.
there() {
	env -i PATH=$ccache/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
		LD_LIBRARY_PATH=$ccache/lib CCACHE_DIR=$ccache/cache CCACHE_DEPEND=1 \
		CCACHE_BASEDIR="$source_dir" CCACHE_NOHASHDIR=1 \
		unshare --mount --pid --fork --kill-child sh -c '
			archives=/var/cache/apt/archives
			mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" &&
				mkdir -p "$0/dev/pts" && mount -t devpts devpts "$0/dev/pts" &&
				mount --bind "$2" "$0$CCACHE_DIR" || exit
			[ ! -d $archives ] || mount -t overlay overlay "$0$archives" \
				-o "lowerdir=$archives,upperdir=$1/upper,workdir=$1/work" ||
				echo "order: packages are downloaded again" >&2
			folder=$3
			shift 3
			exec chroot "$0" sh -c "cd \"\$0\" && exec \"\$@\"" "$folder" "$@"' \
		"$root" "$work/archives" "$cache" "$source_dir" "$@"
}

# ---- the two commands ----------------------------------------------------------------------------

tests_refused() {
	local output
	output=$(there sh -c 'mkdir build/required && cd build/required &&
		../../configure -q --enable-tests=required' 2>&1) && return 1
	grep -q 'Debian package: libcmocka-dev' <<<"$output"
}

no_tests_yet() {
	! there make -C build -s list-unit | grep -E 'tests/(unit|bpf)/'
}

# Until it is ready; then it is ended as by Ctrl-C.
runs() {
	local pid status
	ip netns add "$netns" && ip -n "$netns" link set lo up || return
	nsenter --net="/run/netns/$netns" "$0" there autotools/bootstrap run \
		--push.url=http://127.0.0.1:9 >"$work/run.out" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		nsenter --net="/run/netns/$netns" curl -sf --noproxy '*' -o "$work/ready" \
			http://127.0.0.1:9817/-/ready && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.2
	done
	cat "$work/run.out"
	nsenter --net="/run/netns/$netns" curl -sf --noproxy '*' http://127.0.0.1:9817/metrics |
		grep -q '^packet_exporter_build_info{' || { kill $pid; wait $pid; return 1; }
	# The page, where it was said to be.
	nsenter --net="/run/netns/$netns" curl -sf --noproxy '*' -H 'Accept: text/html' \
		"$(sed -n 's/^page: *//p' "$work/run.out")" | grep -q '<title>Packet Exporter</title>' ||
		{ kill $pid; wait $pid; return 1; }
	ip netns pids "$netns" | xargs ps -o pid=,comm= -p | awk '/packet-exporter/ { print $1 }' |
		xargs -r kill
	wait $pid
	status=$?
	[ $status = 0 ]
}

# The tests that run there: lints, those that run other programs, and one of each kind. What complete.sh
# says of the list is compared as a whole; test_features runs the programs of test_egress, which takes long.
chosen() {
	(cd "$source_dir" && ls tests/lint/*.sh | grep -v complete.sh && {
		grep -lE '\<(system|popen|exec[lv]p?e?|posix_spawnp?) *\(' tests/unit/test_*.c \
			tests/bpf/test_*.c | grep -v test_egress
		ls tests/unit/test_protobuf.c tests/fuzz/fuzz_headers.c tests/fuzz/fuzz_scrape.c
	} | sed 's/\.c$//')
}

checks() {
	local tests
	tests=$(chosen | sed ':a;N;$!ba;s/\n/\\ /g')
	there env MAKEFLAGS="-- suite_unit=$tests" autotools/bootstrap check unit >"$work/check.out" 2>&1 || {
		cat "$work/check.out"
		return 1
	}
}

# All of the clone's, now that configure has found what they need.
all_listed() {
	local part
	for part in $(there sed -n "/^parts='/,/'\$/s/^\(parts='\)\?\([a-z]*\) build\>.*/\2/p" autotools/bootstrap); do
		diff -u <(make -C "${PE_BUILDDIR:-$source_dir/build}" -s --no-print-directory "list-$part") \
			<(there make -C build -s --no-print-directory "list-$part") || return
	done
	for part in unit/test_ bpf/test_ fuzz/fuzz_; do
		there make -C build -s --no-print-directory list-unit | grep -q "^tests/$part" || return
	done
}

# Nothing has failed, and nothing was skipped for want of a program.
chosen_passed() {
	local test results
	tail -n 1 "$work/check.out" | grep -xE '[0-9]+ passed, 0 failed' || return
	for test in $(chosen); do
		results=$root$source_dir/build/${test%.sh}.trs
		grep -q '^:test-result: PASS' "$results" || { echo "no result of $test"; return 1; }
	done
}

case "${1:-}" in there) "$@"; exit ;; esac

[ "$(id -u)" = 0 ] || skip "needs root"
[ -e "$source_dir/.git" ] || skip "this is no clone"
for tool in ccache debootstrap git ip unshare nsenter curl; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
rm -rf --one-file-system "$root" "$work/archives"
mkdir -p "$work"/archives/{upper,work} "$cache"

must "a machine with nothing" make_root
must "run builds on it" there autotools/bootstrap run --check-config
check "configure has left out the unit and BPF tests" no_tests_yet
check "and refuses to if they are required" tests_refused
check "run serves metrics and ends with status 0" runs
must "check succeeds after run" checks
check "it has every test that it has here" all_listed
check "those that need what is installed have passed in it" chosen_passed
finish
