# shellcheck shell=bash
# Kernels, and the programs that boot them; sourced by `boot`, which has sourced ../suites.sh.

# What the host and the guests run. Installed packages are used as they are; the rest, with
# what it depends on, is unpacked to $cache/tools.
tool_packages=(busybox-static cpio ethtool iproute2 iputils-ping kmod libteam-utils
	qemu-system-x86 wireguard-tools)

# Programs for host and guests: $cache/tools has what is not installed here.
apt_tools() {
	local stamp made_by
	made_by=$(sum_of "${BASH_SOURCE[0]}")
	stamp=$cache/tools/made-by
	[ "$(cat "$stamp" 2>/dev/null)" != "$made_by" ] || return 0
	apt_refresh
	rm -rf "$cache/tools" "$cache"/apt/archives/*.deb
	mkdir -p "$cache/tools"
	apt_get -y --download-only install "${tool_packages[@]}" >&2
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
	echo "$made_by" >"$stamp"
}

# Every kernel image of the suites, oldest first: VERSION PACKAGE
apt_kernels() {
	local packages
	packages=$(apt_cache pkgnames linux-image- |
		grep -E '^linux-image-[0-9.]+(-[0-9]+|\+deb[0-9.]+)(-cloud)?-amd64$')
	# shellcheck disable=SC2086 # a list of packages
	apt_cache madison $packages | awk '{ print $3, $1 }' | sort -uV
}

# apt_kernel NAME: the kernel of that name, as `VERSION PACKAGE`. A name is
#   5.10          the oldest of the class 5.10
#   5.10-newest   the newest of it
#   after-5.10    the oldest of the class that follows 5.10
#   newest        the newest of all
# With `-cloud` behind it, it is the flavour for virtual machines, which has fewer modules.
apt_kernel() {
	local kernels
	kernels=$cache/apt/kernels-$(sum_of "$srcdir/tests/kernels/apt.sh")
	apt_refresh
	if [ ! "$kernels" -nt "$cache/apt/stamp" ]; then
		apt_kernels >"$kernels.new"
		mv "$kernels.new" "$kernels"
	fi
	awk -v name="$1" '
		function class(version) { split(version, part, "."); return part[1] "." part[2] }
		BEGIN { cloud = sub(/-cloud$/, "", name) }
		($2 ~ /-cloud-/) == cloud { all[++n] = $0; of[n] = class($1) }
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
		}' "$kernels" || { echo "kernels: the suites have no kernel $1" >&2; return 1; }
}

# apt_unpack_kernel VERSION PACKAGE FOLDER: image and modules, which newer versions of Debian put
# into packages of their own.
apt_unpack_kernel() {
	local version=$1 package=$2 folder=$3 packages work
	work=$(mktemp -d "$cache/deb.XXXXXX")
	packages=$(apt_cache show "$package=$version" | grep -oE 'linux-(binary|modules)-[^ ]+' |
		sort -u | sed "s/\$/=$version/" || true)
	# shellcheck disable=SC2086 # a list of packages
	(cd "$work" && apt_get download "$package=$version" $packages >&2)
	local deb
	for deb in "$work"/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	rm -rf "$work"
}
