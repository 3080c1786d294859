#!/bin/bash
# Containers of real runtimes, in the network namespace that it is started in, each alive for up to a
# second, several at a time:
#
#   runtimes.sh lxc|nspawn|podman|cri|shared|sidecars COUNT AT-A-TIME FOLDER
#
# Prints a line for each: its name, and that of its host's end of the veth where that is chosen. To be
# started with mount and pid namespaces of its own: folders of the host that a runtime uses are covered.
set -euo pipefail
kind=$1 count=$2 at_a_time=$3 work=$4
group=/sys/fs/cgroup/pe-runtimes-$(stat -L -c %i /proc/self/ns/net) # process ids are those of other tests, too
export group kind work
mount --make-rprivate /
mount -t tmpfs tmpfs /run

# The unified hierarchy alone, whatever else the host has, and the namespace's own interfaces. LXC makes its
# groups below that of process 1, and another name of one that is there already.
one_hierarchy() {
	mount -t sysfs sysfs /sys
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir -p "$group"
	echo 1 >"$group/cgroup.procs"
	echo $$ >"$group/cgroup.procs"
}

root() {
	local applet
	mkdir -p "$work"/lxc "$work"/root/{bin,dev,etc,proc,sbin,sys,usr}
	cp "$(command -v busybox)" "$work/root/bin/busybox"
	for applet in sh sleep; do
		ln -sf busybox "$work/root/bin/$applet"
	done
	touch "$work/root/etc/os-release"
}

# life NUMBER: 0 to 0.9 seconds, the same for the same number.
life() {
	echo "0.$(($1 * 7 % 10))"
}

prepare_lxc() {
	one_hierarchy
	root
	ip link add br0 type bridge
	ip link set br0 up
}
run_lxc() {
	cat >"$work/config$1" <<-END
		lxc.uts.name = other-$1
		lxc.rootfs.path = dir:$work/root
		lxc.init.cmd = /bin/sleep $(life "$1")
		lxc.net.0.type = veth
		lxc.net.0.veth.pair = lxc$1
		lxc.net.0.link = br0
		lxc.net.0.flags = up
		lxc.apparmor.profile = unconfined
	END
	lxc-start -F -n "box-$1" -P "$work/lxc" -f "$work/config$1" -o "$work/log$1" >&2
	echo "box-$1 lxc$1"
}

prepare_nspawn() {
	one_hierarchy
	root
}
# It takes its control group for itself, and a folder only once: each has both of its own.
run_nspawn() {
	mkdir -p "$group-$1" "$work/nspawn$1"
	cp -r "$work/root/." "$work/nspawn$1"
	echo "$BASHPID" >"$group-$1/cgroup.procs"
	systemd-nspawn -q --register=no --keep-unit -D "$work/nspawn$1" -M "box-$1" --network-veth \
		--as-pid2 /bin/sleep "$(life "$1")" >&2
	echo "box-$1 ve-box-$1"
}

prepare_podman() {
	root
	mkdir -p /var/lib/containers "$work"/{containers,networks} /etc/containers
	mount --bind "$work/containers" /var/lib/containers
	tar -C "$work/root" -c . | podman_ import - localhost/box:1.0 >&2
}
podman_() {
	podman --cgroup-manager=cgroupfs --events-backend=file --runtime=runc --log-level=error \
		--network-config-dir="$work/networks" "$@"
}
run_podman() {
	podman_ run --rm --name "box-$1" --hostname "other-$1" --network podman localhost/box:1.0 \
		/bin/sleep "$(life "$1")" >&2
	echo "box-$1"
}

# Containers that share a namespace, have two networks, or have a name that another has or that needs
# escapes. Each sends its number of echo requests to each of its gateways, of which it has one at least.
sends() {
	echo "gateways=\$(ip route | sed -n 's|[.]0/.*|.1|p'); [ -n \"\$gateways\" ] || exit 1"
	echo "for i in \$gateways; do ping -q -A -c $1 \$i || exit; done"
}
podman_sends() {
	local count=$1
	shift
	podman_ run --rm --cap-add NET_RAW "$@" /bin/sh -c "$(sends "$count")" >&2
}
lxc_sends() {
	cat >"$work/config$2" <<-END
		lxc.rootfs.path = dir:$work/root
		lxc.mount.auto = proc
		lxc.init.cmd = /bin/sh /sends$1
		lxc.net.0.type = veth
		lxc.net.0.veth.pair = $2
		lxc.net.0.link = br0
		lxc.net.0.flags = up
		lxc.net.0.ipv4.address = 10.99.0.2/24
		lxc.apparmor.profile = unconfined
	END
	sends "$1" >"$work/root/sends$1"
	lxc-start -F -n "$3" -P "$work/lxc" -f "$work/config$2" -o "$work/log$2" >&2
}
prepare_shared() {
	prepare_podman
	podman_ tag localhost/box:1.0 localhost/other:1.0
	podman_ network create front >&2
	podman_ network create back >&2
}
run_shared() {
	local odd=$'q"uo\\te \xc3\xa9\xff' # the last byte is no text

	podman_ pod create --name shop --infra-image localhost/box:1.0 --infra-command "/bin/sleep 100" >&2
	podman_sends 5 --pod shop localhost/box:1.0
	podman_sends 6 --pod shop localhost/other:1.0
	podman_ run -d --name two --network front,back localhost/box:1.0 /bin/sleep 100 >&2
	podman_sends 3 --network container:two localhost/other:1.0
	busybox ping -q -A -c 7 "$(podman_ inspect -f '{{.NetworkSettings.Networks.back.IPAddress}}' two)" >&2
	podman_sends 4 --name hosted --network host localhost/other:1.0
	podman_sends 8 --name twin localhost/box:1.0
	podman_sends 9 --name twin localhost/other:1.0
	# shellcheck disable=SC2016 # the other one's
	unshare --mount bash -euo pipefail -c '
		prepare_lxc
		ip addr add 10.99.0.1/24 dev br0
		lxc_sends 10 lxc1 twin
		lxc_sends 11 lxc2 "$0"' "$odd"
}

prepare_cri() {
	root
	mkdir -p "$work/cni" "$work/pods" /var/lib/cni /var/log/pods
	mount -t tmpfs tmpfs /var/lib/cni
	mount --bind "$work/pods" /var/log/pods
	cat >"$work/cni/10-bridge.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "bridge", "plugins": [{"type": "bridge", "bridge": "cni0",
		"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}]}
	END
	cat >"$work/containerd.toml" <<-END
		version = 2
		root = "$work/containerd"
		state = "/run/containerd"
		[grpc]
		  address = "$work/socket"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  disable_apparmor = true
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$work/cni"
	END
	# With an environment as it has from systemd: what it gives its plugins is read to 4 KiB.
	env -i PATH="$PATH" containerd -c "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
	/usr/bin/python3 "$(dirname "$0")/cri.py" image "$work/image.tar" "$work/root"
	until ctr -a "$work/socket" version >/dev/null 2>&1; do sleep 0.1; done
	ctr -a "$work/socket" -n k8s.io images import "$work/image.tar" >&2
}

prepare_sidecars() {
	prepare_cri
	ip link add cni0 type bridge
	ip addr add 10.88.0.1/16 dev cni0
	ip link set cni0 up
}

"prepare_$kind"
if [ "$kind" = cri ]; then
	/usr/bin/python3 "$(dirname "$0")/cri.py" pods "$work/socket" "$count" "$at_a_time"
elif [ "$kind" = sidecars ]; then
	/usr/bin/python3 "$(dirname "$0")/cri.py" sidecars "$work/socket" "$(sends 5)" "$(sends 6)"
else
	export -f life lxc_sends one_hierarchy podman_ podman_sends prepare_lxc root "run_$kind" sends
	seq "$count" | xargs -P "$at_a_time" -I{} bash -euo pipefail -c "run_$kind {}"
fi
