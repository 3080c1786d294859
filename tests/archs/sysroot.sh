# shellcheck shell=bash
# Debian's libraries for another architecture, unpacked in ~/.cache/packet-exporter/ARCH, which may be deleted:
# apt resolves what they depend on, for a machine of that kind that has nothing. No package of another
# architecture is installed on this machine. For tests/archs/check.sh and tests/packages/arm64.sh to source.
# Expects: base_mirror, suite.

sysroot_libraries=(libbpf-dev libc6-dev libcap-dev libcurl4-openssl-dev libelf-dev libgnutls28-dev libjansson-dev
	libmicrohttpd-dev libnl-3-dev libseccomp-dev libsnappy-dev libyaml-dev zlib1g-dev)

# sysroot_cache ARCH, sysroot ARCH: the folder, and the root in it.
sysroot_cache() {
	echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/$1"
}

sysroot() {
	echo "$(sysroot_cache "$1")/root"
}

# sysroot_apt ARCH COMMAND…: apt as of a machine of that kind; it has this machine's way to the archive, and its
# keys.
sysroot_apt() {
	local arch=$1 cache
	shift
	cache=$(sysroot_cache "$arch")
	apt-get -qq -y -o APT::Architecture="$arch" -o APT::Architectures::="$arch" -o APT::Install-Recommends=false \
		-o APT::Sandbox::User=root -o Dir::State="$cache/state" \
		-o Dir::State::status="$cache/status" -o Dir::Cache="$cache" \
		-o Dir::Etc::SourceList="$cache/sources.list" -o Dir::Etc::SourceParts=- \
		-o Acquire::Languages=none "$@"
}

# sysroot_make ARCH TRIPLET [PACKAGE…]: whoever comes second waits for it. Made anew when the list of packages
# or this changes, and once a month.
sysroot_make() {
	local arch=$1 triplet=$2 cache root stamp deb link to
	local -a packages=("${sysroot_libraries[@]}" "${@:3}")
	cache=$(sysroot_cache "$arch") root=$(sysroot "$arch")
	mkdir -p "$cache"/{state/lists/partial,archives/partial} || return
	exec 8>"$cache.lock"
	flock 8 || return
	stamp=$root/made-of-$(md5sum <<<"${packages[*]} $(declare -f sysroot_make)" | cut -c 1-8)
	if [ -n "$(find "$stamp" -mtime -30 2>/dev/null)" ]; then
		exec 8>&-
		return
	fi
	echo "deb $(base_mirror) $suite main" >"$cache/sources.list"
	: >"$cache/status"
	rm -rf "$root" "$cache"/archives/*.deb
	mkdir -p "$root/usr/lib/$triplet" && ln -s usr/lib "$root/lib" &&
		sysroot_apt "$arch" update && sysroot_apt "$arch" --download-only install "${packages[@]}" || return
	for deb in "$cache"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -C "$root" -x --keep-directory-symlink --exclude=./usr/share/doc \
				--exclude=./usr/share/locale --exclude=./usr/share/man --exclude=./var || return
	done
	rm -f "$cache"/archives/*.deb
	# What links lead to is in it, not on this machine.
	find "$root/usr/lib" -type l -lname '/*' -printf '%p %l\n' | while read -r link to; do
		ln -sfn "$root$to" "$link"
	done
	touch "$stamp"
	exec 8>&-
}

# sysroot_configure ARCH TRIPLET CONFIGURE [OPTION…]: for that architecture, with what is in its root.
sysroot_configure() {
	local root triplet=$2 configure=$3
	root=$(sysroot "$1")
	PKG_CONFIG_LIBDIR=$root/usr/lib/$triplet/pkgconfig:$root/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
		"$configure" -q --disable-dependency-tracking --host="$triplet" PKG_CONFIG=pkg-config \
		CC="$triplet-gcc --sysroot=$root" "${@:4}"
}
