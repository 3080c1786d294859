# shellcheck shell=bash
# Whose a veth is, found out as nobody with the three capabilities and no other, where veth is a
# module: an object that names a type of a module does not load then.

ulimit -l unlimited
load veth
id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
group=/sys/fs/cgroup/libpod-$id.scope
grep -q ' /sys/fs/cgroup ' /proc/mounts || {
	mkdir -p /sys/fs/cgroup
	mount -t cgroup2 none /sys/fs/cgroup
}
mkdir -p "$group"

# in_container COMMAND…: in the namespace and the control group of a container.
in_container() {
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec ip netns exec inside "$@"
	)
}

names_it() {
	grep -q "runtime .*podman.* id .*0123456789ab" /tmp/exporter.log
}

capabilities=-all,+net_admin,+bpf,+perfmon
start_as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=$capabilities \
		--ambient-caps=$capabilities --bounding-set=$capabilities --no-new-privs \
		packet-exporter --workers=1 --log.level=debug >/tmp/exporter.log 2>&1 &
	exporter=$!
	ready_within 300
}

# before|after: whether the container is there when the exporter starts.
for when in after before; do
	ip netns add inside
	if [ $when = before ]; then
		ip link add v0 type veth peer name v1 netns inside
		in_container sleep 1000 3>&- &
	fi
	if ! start_as_nobody; then
		not_ok "the exporter starts as nobody" "$(</tmp/exporter.log)"
	fi
	if [ $when = after ]; then
		ip link add v0 type veth peer name v1 netns inside
		in_container sleep 1000 3>&- &
	fi
	if wait_for 60 names_it; then
		ok "a container that starts $when it is known"
	else
		not_ok "a container that starts $when it is known" "$(grep -v subsystem=net /tmp/exporter.log)"
	fi
	exporter_end KILL
	ip netns pids inside | xargs -r kill
	ip netns del inside
	wait_for 20 test ! -e /sys/class/net/v0 || true
done
if wait_for 60 nothing_attached; then
	ok "nothing stays attached"
else
	not_ok "nothing stays attached" "$(attached)"
fi
