# shellcheck shell=bash
# Debian packages of other suites, without installing them; sourced by those who
# keep what they download and unpack in one folder.
#
# apt does all of it, with lists and a configuration of its own below that folder: it knows this
# machine's mirror and proxy, it checks the signature of each suite and the checksum of each
# package. The packages of this machine stay as they are.
# Expects: PE_KERNELS_CACHE if the folder is to be another. Sets cache, its absolute path. Several checkouts may
# share it: what depends on a file of the source is told apart by what the file says, not by its time.

cache=${PE_KERNELS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter/suites}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# These have to be newer than Debian 12 has them: QEMU 8 brings igb, iproute2 6.7 netkit.
backports=(qemu-system-\* qemu-utils seabios iproute2)
suites=(bullseye bookworm trixie sid)

# sum_of FILE: what it says, as a word.
sum_of() {
	sha256sum <"$1" | cut -c 1-16
}

# suites_lock: one at a time changes the folder, until the caller ends or closes descriptor 9.
suites_lock() {
	exec 9>"$cache/lock"
	flock 9
}

# For these suites. Images of containers have apt keep no cache of its lists: each call would read all
# of them.
apt_options=(-o "Dir::Cache::pkgcache=$cache/apt/pkgcache.bin")
apt_get() {
	APT_CONFIG=$cache/apt/apt.conf apt-get -qq "${apt_options[@]}" "$@"
}
apt_cache() {
	APT_CONFIG=$cache/apt/apt.conf apt-cache "${apt_options[@]}" "$@"
}

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
	[ -n "$base" ] || { echo "suites: apt has no source of $host" >&2; return 1; }
	mkdir -p "$cache"/apt/{lists/partial,archives/partial,none}
	for suite in "$host" "$host-backports" "${suites[@]}"; do
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

# The lists are read anew once a day, or where the folder was moved: the configuration has its path.
# Without network those at hand serve.
apt_refresh() {
	local stamp=$cache/apt/stamp
	if [ -n "$(find "$stamp" -mtime -1 2>/dev/null || true)" ] &&
		grep -qsF "\"$cache/apt/lists\"" "$cache/apt/apt.conf"; then
		return 0
	fi
	apt_configure
	if apt_get update >&2; then
		touch "$stamp"
	elif [ ! -e "$stamp" ]; then
		echo "suites: apt cannot read the lists of other suites" >&2
		return 1
	fi
}
