# shellcheck shell=bash
# The Debian package on a Debian that has nothing else: installed, started by systemd, upgraded, removed,
# purged. For check.sh to source.
# Expects: check, deb, source_dir, suite, version, work.

machine=$work/machine
# Files, because each check is a process of its own: the pid of the unshare(1) that holds the booted system,
# and of its systemd.
machine_holder=$work/machine.holder
machine_init=$work/machine.init

# chrooted COMMAND…: before the boot.
chrooted() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		unshare --mount --pid --fork --kill-child sh -c '
			archives=/var/cache/apt/archives
			mount -t proc proc "$0/proc" || exit
			[ ! -d $archives ] || mount -t overlay overlay "$0$archives" \
				-o "lowerdir=$archives,upperdir=$1/upper,workdir=$1/work" ||
				echo "packages: packages are downloaded again" >&2
			shift
			exec chroot "$0" "$@"' "$machine" "$work/archives" "$@"
}

# Its apt must find what the package depends on; nothing of it is there yet.
machine_make() {
	local file
	file=$(base_tar) && mkdir -p "$machine" "$work"/archives/{upper,work} &&
		tar -C "$machine" -xf "$file" && base_apt "$machine" &&
		cp -L /etc/resolv.conf /etc/hosts "$machine/etc/" &&
		cp "$(deb)" "$machine/root/packet-exporter.deb" || return
	chrooted apt-get -qq update &&
		chrooted apt-get -qq -y --no-install-recommends install systemd &&
		chrooted apt-get -qq -y --no-install-recommends satisfy "$(dpkg-deb -f "$(deb)" Depends)"
}

# What `make deb` would make of the next version, as far as installing it can tell.
machine_next() {
	dpkg-deb -R "$(deb)" "$work/next" &&
		sed -i "s/^Version: .*/&+1/" "$work/next/DEBIAN/control" &&
		dpkg-deb -b "$work/next" "$machine/root/next.deb"
}

# In mount and PID namespaces of its own. What the unit is to permit, the container must.
machine_boot() {
	unshare --mount --pid --fork --kill-child --mount-proc sh -c '
		mount --make-rprivate /
		umount -R /sys/fs/cgroup 2>/dev/null
		mount -t cgroup2 none /sys/fs/cgroup || exit
		echo uninitialized >"$0/etc/machine-id"
		exec env SYSTEMD_NSPAWN_LOCK=0 systemd-nspawn -q -D "$0" --register=no --keep-unit \
			--private-network --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN \
			--system-call-filter="bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
			--boot --console=pipe systemd.unit=basic.target' "$machine" \
		</dev/null >"$work/boot.log" 2>&1 &
	echo $! >"$machine_holder"
	wait_for is_up || { cat "$work/boot.log"; return 1; }
}

is_up() {
	local pid
	pid=$(pgrep -P "$(<"$machine_holder")") && pgrep -P "$pid" >"$machine_init" || return
	there systemctl is-active -q basic.target
}

# unshare(1) ignores SIGTERM while it waits; with it the kernel kills all that is in there.
machine_stop() {
	[ -e "$machine_holder" ] || return 0
	kill -KILL "$(<"$machine_holder")" 2>/dev/null
	rm -f "$machine_holder"
	wait_for machine_is_gone
}

machine_is_gone() {
	! kill -0 "$(<"$machine_init")" 2>/dev/null
}

# wait_for COMMAND…: until it succeeds; for as long as only a failure takes.
wait_for() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return
		sleep 0.1
	done
}

# there COMMAND…: in the booted system.
there() {
	nsenter -t "$(<"$machine_init")" -m -u -i -n -p -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# scrape [PATH [OPTION…]]: what it serves there, with the headers.
scrape() {
	nsenter -t "$(<"$machine_init")" -n curl -si --noproxy '*' "${@:2}" "http://127.0.0.1:9817${1:-/metrics}"
}

main_pid() {
	there systemctl show -P MainPID packet-exporter
}

# ---- its life ------------------------------------------------------------------------------------

# Where there is systemd, the package starts it; systemd waits until it is ready.
installs_and_starts() {
	files >"$work/before"
	there dpkg -i /root/packet-exporter.deb || return
	[ "$(there systemctl is-active packet-exporter)" = active ] || return
	[ "$(there systemctl show -P Type -P NotifyAccess packet-exporter | xargs)" = 'notify main' ] || return
	there systemctl show -P StatusText packet-exporter | grep -x 'Watched interfaces: [0-9]*' || return
	scrape | grep -q '^packet_exporter_build_info{' &&
		scrape / -H 'Accept: text/html' | grep -q '<title>Packet Exporter</title>'
}

is_not_root() {
	there sh -c '! grep "^Uid:.*\b0\b" /proc/$1/status && grep -x "NoNewPrivs:	1" /proc/$1/status' sh \
		"$(main_pid)"
}

# Nobody knows the number of its user beforehand, but systemd says whose it is.
is_healthy() {
	there packet-exporter --healthcheck || return
	there sh -c 'exec setpriv --reuid=65534 --clear-groups packet-exporter --healthcheck'
}

# With all that the unit takes away.
is_whole() {
	local page name
	nsenter -t "$(<"$machine_init")" -n sh -c 'ip link add v0 type veth peer name v1 &&
		ip link set v0 up && ip link set v1 up' || return
	wait_for has 'packet_exporter_interface_mode{interface="v0",mode="generic".*' || return
	page=$(scrape)
	for name in 'sandbox_active{kind="seccomp"} 1' 'sandbox_active{kind="landlock"} 1' \
		'egress_attached 1' 'denied_system_calls_total 0'; do
		grep -qxF "packet_exporter_$name" <<<"$page" || { echo "there is no $name"; return 1; }
	done
}

has() {
	scrape | grep -q "^$1"
}

reloads() {
	local before
	before=$(main_pid)
	there systemctl reload packet-exporter || return
	[ "$(there systemctl is-active packet-exporter)" = active ] && [ "$(main_pid)" = "$before" ] || return
	wait_for there sh -c 'journalctl -qu packet-exporter | grep -q "SIGHUP: reading"'
}

# A credential is what a user of its own can read; and a main loop that hangs is ended.
watchdog_ends_it() {
	local before
	there sh -c 'mkdir -p /etc/systemd/system/packet-exporter.service.d
		printf "http_server_config:\n  headers:\n    X-Frame-Options: deny\n" >/etc/web.yml
		chmod 600 /etc/web.yml
		cat >/etc/systemd/system/packet-exporter.service.d/test.conf <<-END
			[Service]
			WatchdogSec=2
			RestartSec=0
			LoadCredential=web.yml:/etc/web.yml
			Environment=PE_WEB_CONFIG_FILE=/run/credentials/packet-exporter.service/web.yml
		END
		systemctl daemon-reload && systemctl restart packet-exporter' || return
	scrape | grep -q 'X-Frame-Options: deny' || return
	before=$(main_pid)
	there sh -c "kill -STOP $before" || return
	wait_for is_another "$before" || return
	wait_for has packet_exporter_build_info || return
	there journalctl -qu packet-exporter | grep -q "watchdog" || return
	there sh -c 'rm -r /etc/systemd/system/packet-exporter.service.d /etc/web.yml && systemctl daemon-reload'
}

is_another() {
	case "$(main_pid)" in 0 | "$1") return 1 ;; esac
}

# The socket alone is there; the first request starts it.
socket_starts_it() {
	there sh -c 'echo PE_WEB_SYSTEMD_SOCKET=true >>/etc/default/packet-exporter
		systemctl stop packet-exporter && systemctl enable --now packet-exporter.socket' 2>&1 || return
	[ "$(there systemctl is-active packet-exporter)" = inactive ] || return
	scrape | grep -q '^packet_exporter_build_info{' || return
	# It answers before it reports that it is ready.
	wait_for there systemctl is-active -q packet-exporter
}

# It goes on with its socket and its configuration, as a new process.
upgrades() {
	local before
	before=$(main_pid)
	there dpkg -i /root/next.deb || return
	[ "$(there dpkg-query -W -f '${Version}' packet-exporter)" = "$(version)+1" ] || return
	is_another "$before" || return
	there grep -qx PE_WEB_SYSTEMD_SOCKET=true /etc/default/packet-exporter || return
	scrape | grep -q '^packet_exporter_build_info{'
}

removes() {
	local pid
	pid=$(main_pid)
	there dpkg -r packet-exporter || return
	! there test -e "/proc/$pid" || return
	there test -e /etc/default/packet-exporter || return
	! scrape
}

purges() {
	there dpkg -P packet-exporter || return
	files >"$work/after"
	same 'before the package' "$work/before" "$work/after"
}

# All that is not of a moment, or of dpkg itself.
files() {
	there find / -xdev \( -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/lib/dpkg \
		-o -path /var/cache/ldconfig -o -path /root \) -prune -o -print | sort
}

machine_tests() {
	check "its dependencies are found on a Debian with nothing else" machine_make || return
	check "that boots" machine_boot || return
	if check "the package is installed, and systemd starts it" installs_and_starts; then
		check "as a user of its own" is_not_root
		check "the health check finds it" is_healthy
		check "it has all that it needs, and its sandbox" is_whole
		check "it reloads" reloads
		check "with a credential it is configured, and a loop that hangs is ended" watchdog_ends_it
		check "the socket unit starts it" socket_starts_it
		check "the next version is made" machine_next && check "it is upgraded" upgrades
		check "it is removed" removes
		check "it is purged, and nothing is left" purges
	fi
	machine_stop
}
