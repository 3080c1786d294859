# shellcheck shell=bash
# Debian packages of other suites, without installing them; sourced by `boot`.
#
# apt does all of it, with lists and a configuration of its own below the cache folder: it knows
# this machine's mirror and proxy, it checks the signature of each suite and the checksum of each
# package. The packages of this machine stay as they are.
# Expects: cache (absolute path of the cache folder).

# What the host and the guests run. Installed packages are used as they are; the rest, with
# what it depends on, is unpacked to $cache/tools.
tool_packages=(busybox-static cpio ethtool iproute2 iputils-ping kmod libteam-utils
	qemu-system-x86 wireguard-tools)
# These have to be newer than Debian 12 has them: QEMU 8 brings igb, iproute2 6.7 netkit.
backports=(qemu-system-\* qemu-utils seabios iproute2)
kernel_suites=(bullseye bookworm trixie sid)

# Where apt gets SUITE of this machine's sources from.
apt_base() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v suite="$1" '$1 == suite { print $2; exit }'
}

apt_configure() {
	local host base security suite
	host=$(. /etc/os-release && echo "$VERSION_CODENAME")
	base=$(apt_base "$host")
	security=$(apt_base "$host-security")
	[ -n "$base" ] || { echo "kernels: apt has no source of $host" >&2; return 1; }
	mkdir -p "$cache"/apt/{lists/partial,archives/partial,none}
	for suite in "$host" "$host-backports" "${kernel_suites[@]}"; do
		echo "deb $base $suite main"
	done | sort -u >"$cache/apt/sources.list"
	# The 5.10 that still gets fixes is in the security suite only.
	[ -z "$security" ] || echo "deb $security bullseye-security main" >>"$cache/apt/sources.list"
	cat >"$cache/apt/preferences" <<-PREFERENCES
		Package: *
		Pin: release n=$host
		Pin-Priority: 600

		Package: ${backports[*]}
		Pin: release n=$host-backports
		Pin-Priority: 700

		Package: *
		Pin: release *
		Pin-Priority: -1
	PREFERENCES
	cat >"$cache/apt/apt.conf" <<-CONF
		Dir::Etc::SourceList "$cache/apt/sources.list";
		Dir::Etc::SourceParts "-";
		Dir::Etc::Preferences "$cache/apt/preferences";
		Dir::Etc::PreferencesParts "$cache/apt/none";
		Dir::State::Lists "$cache/apt/lists";
		Dir::Cache::Archives "$cache/apt/archives";
		APT::Sandbox::User "root";
		APT::Install-Recommends "false";
		Acquire::Retries "3";
		Acquire::Languages "none";
	CONF
}

# The lists are read anew once a day, or where the cache folder was moved: the configuration has its
# path. Without network those at hand serve.
apt_refresh() {
	local kernels=$cache/apt/kernels
	if [ -n "$(find "$kernels" -mtime -1 2>/dev/null || true)" ] &&
		grep -qsF "\"$cache/apt/lists\"" "$cache/apt/apt.conf"; then
		return 0
	fi
	apt_configure
	if APT_CONFIG=$cache/apt/apt.conf apt-get -qq update >&2; then
		apt_kernels >"$kernels.new"
		mv "$kernels.new" "$kernels"
	elif [ ! -e "$kernels" ]; then
		echo "kernels: apt cannot read the lists of other suites" >&2
		return 1
	fi
}

# Programs for host and guests: $cache/tools has what is not installed here.
apt_tools() {
	local stamp=$cache/tools/stamp
	[ "$stamp" -nt "${BASH_SOURCE[0]}" ] && return
	apt_refresh
	rm -rf "$cache/tools" "$cache"/apt/archives/*.deb
	mkdir -p "$cache/tools"
	APT_CONFIG=$cache/apt/apt.conf apt-get -qq -y --download-only install "${tool_packages[@]}" >&2
	local deb
	for deb in "$cache"/apt/archives/*.deb; do
		[ ! -e "$deb" ] || dpkg-deb -x "$deb" "$cache/tools"
	done
	rm -f "$cache"/apt/archives/*.deb
	# A link to /bin/kmod means the one that was unpacked.
	local link target
	find "$cache/tools" -type l -lname '/*' | while read -r link; do
		target=$cache/tools$(readlink "$link")
		[ ! -e "$target" ] || ln -sf "$target" "$link"
	done
	touch "$stamp"
}

# Every kernel image of the suites, oldest first: VERSION PACKAGE
apt_kernels() {
	local -x APT_CONFIG=$cache/apt/apt.conf
	apt-cache pkgnames linux-image- |
		grep -E '^linux-image-[0-9.]+(-[0-9]+|\+deb[0-9.]+)-amd64$' |
		xargs apt-cache madison | awk '{ print $3, $1 }' | sort -uV
}

# apt_kernel NAME: the kernel of that name, as `VERSION PACKAGE`. A name is
#   5.10          the oldest of the class 5.10
#   5.10-newest   the newest of it
#   after-5.10    the oldest of the class that follows 5.10
#   newest        the newest of all
apt_kernel() {
	apt_refresh
	awk -v name="$1" '
		function class(version) { split(version, part, "."); return part[1] "." part[2] }
		{ all[++n] = $0; of[n] = class($1) }
		END {
			newest = sub(/-newest$/, "", name)
			after = sub(/^after-/, "", name)
			for (i = 1; i <= n; i++) {
				if (after && of[i] == name) { seen = 1; continue }
				if (after ? seen : name == "newest" || of[i] == name) {
					found = all[i]
					if (!newest && name != "newest") break
				}
			}
			if (found == "") exit 1
			print found
		}' "$cache/apt/kernels" || { echo "kernels: the suites have no kernel $1" >&2; return 1; }
}

# apt_unpack_kernel VERSION PACKAGE FOLDER: image and modules, which newer versions of Debian put
# into packages of their own.
apt_unpack_kernel() {
	local -x APT_CONFIG=$cache/apt/apt.conf
	local version=$1 package=$2 folder=$3 packages work
	work=$(mktemp -d "$cache/deb.XXXXXX")
	packages=$(apt-cache show "$package=$version" | grep -oE 'linux-(binary|modules)-[^ ]+' |
		sort -u | sed "s/\$/=$version/" || true)
	# shellcheck disable=SC2086 # a list of packages
	(cd "$work" && apt-get -qq download "$package=$version" $packages >&2)
	local deb
	for deb in "$work"/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	rm -rf "$work"
}
