# shellcheck shell=bash
# A minimal Debian without a registry, for docker/check.sh and tests/order/check.sh to source: one is
# made by debootstrap a week, and kept in ~/.cache/packet-exporter, which may be deleted.
# Expects: suite.

# Packages come from where this machine's apt has its own.
base_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" \
		2>/dev/null | head -n 1
}

# base_apt ROOT: its apt reaches the archive as this machine's does. Nobody reads descriptions there.
base_apt() {
	{
		echo 'Acquire::Languages "none";'
		apt-config dump | grep -E '^Acquire::(https?::|Check-)'
		[ -z "${http_proxy:-}" ] || echo "Acquire::http::Proxy \"$http_proxy\";"
		[ -z "${https_proxy:-}" ] || echo "Acquire::https::Proxy \"$https_proxy\";"
	} >"$1/etc/apt/apt.conf.d/90host"
}

# base_make FILE: the archive of a root folder.
base_make() {
	local root uri status
	root=$(mktemp -d "$1.XXXXXX") && chmod 755 "$root" || return
	uri=$(base_mirror)
	mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
	# Nobody reads its documents, and it need not survive a crash.
	printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
		'path-exclude=/usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/quick"
	# What it mounts goes with it, even if it is killed.
	unshare --mount --fork --kill-child debootstrap --variant=minbase "$suite" "$root" \
		${uri:+"$uri"} &&
		rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* &&
		tar -C "$root" -cf "$1.new" . &&
		mv "$1.new" "$1"
	status=$?
	rm -rf --one-file-system "$root"
	return $status
}

# base_tar: prints the archive's path. Whoever comes second waits for it; an old one is better than
# none.
base_tar() {
	local file=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/debian-$suite.tar
	mkdir -p "${file%/*}" || return
	(
		flock 8 || exit
		[ -n "$(find "$file" -mtime -7 2>/dev/null)" ] || base_make "$file" >&2 || [ -e "$file" ]
	) 8>"$file.lock" && echo "$file"
}
