#!/bin/sh
# Installs what package.json names, once, and prints the folder node_modules. It is kept in
# ~/.cache/packet-exporter, which may be deleted; only then, and when package.json changes, the registry is
# asked. Nothing of the packages runs meanwhile.
set -eu
cd "$(dirname "$0")"
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter
folder=$cache/npm-$(cat package.json package-lock.json | sha256sum | cut -c 1-16)

fail() {
	echo "tests/npm: $*" >&2
	exit 1
}

install() {
	work=$(mktemp -d "$cache/npm-new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp package.json package-lock.json "$work"
	(cd "$work" && timeout 600 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) \
		>"$work/log" 2>&1 || fail "npm cannot install: $(cat "$work/log")"
	mv -T "$work" "$folder"
}

if [ ! -d "$folder" ]; then
	command -v npm >/dev/null || fail 'npm is not installed'
	mkdir -p "$cache"
	exec 9>"$cache/npm.lock"
	flock 9
	[ -d "$folder" ] || install
fi
echo "$folder/node_modules"
