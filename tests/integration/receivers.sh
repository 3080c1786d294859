#!/usr/bin/env bash
# Newer databases than Debian 12 has, as programs that are not installed; prints the folder with
#
#   victoria-metrics   of trixie, the first Debian whose takes OTLP
#   prometheus         of sid, the first whose takes remote write 2.0
#
# They are Go, and run with this Debian's C library. They are kept with what tests/suites.sh
# downloads, and only downloaded where they are missing: tests have no network.
set -euo pipefail
shopt -s inherit_errexit
srcdir=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/suites.sh
. "$srcdir/tests/suites.sh"

programs=(victoria-metrics/trixie prometheus/sid)
folder=$cache/receivers

is_there() {
	[ "$(cat "$folder/programs" 2>/dev/null)" = "${programs[*]}" ]
}

fetch() {
	local program
	apt_refresh
	work=$(mktemp -d "$cache/receivers.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	(cd "$work" && apt_get download "${programs[@]}" >&2)
	for program in "${programs[@]%/*}"; do
		dpkg-deb --fsys-tarfile "$work/$program"_*.deb |
			tar -x -C "$work" --strip-components=3 "./usr/bin/$program"
		"$work/$program" --version >/dev/null
	done
	rm "$work"/*.deb
	echo "${programs[*]}" >"$work/programs"
	chmod 755 "$work"
	rm -rf "$folder"
	mv -T "$work" "$folder"
}

if ! is_there; then
	suites_lock
	is_there || fetch
fi
echo "$folder"
