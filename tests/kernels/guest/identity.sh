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

# What its group has of TCP connections, under the names of the kernel's counters of its namespace.
# Resets that answer what is for no socket are seen since 6.10.
tcp_counted() {
	scrape | awk '
		/^packet_exporter_group_tcp_/ && /kind="veth"/ {
			name = $1
			sub(/.*(outcome|direction)="/, "", name)
			sub(/".*/, "", name)
			if ($1 ~ /retransmitted_segments/)
				name = "again"
			if ($1 ~ /listen_overflows/)
				name = "full"
			sum[name] += $NF
		}
		END {
			print "ActiveOpens", sum["opened"] - sum["unsent"]
			print "PassiveOpens", sum["accepted"] + 0
			print "AttemptFails", sum["refused"] + sum["timed_out"] + sum["failed"]
			print "EstabResets", sum["reset"] + sum["stalled"]
			print "RetransSegs", sum["again"] + 0
			print "ListenOverflows", sum["full"] + 0
		}'
}

tcp_of_kernel() {
	ip netns exec inside awk '
		/^Tcp(Ext)?:/ && $1 != last { n = split($0, name); last = $1; next }
		/^Tcp(Ext)?:/ { for (i = 2; i <= n; i++) print name[i], $i }' /proc/net/snmp /proc/net/netstat |
		grep -E '^(ActiveOpens|PassiveOpens|AttemptFails|EstabResets|RetransSegs|ListenOverflows) '
}

tcp_agrees() {
	[ "$(tcp_counted)" = "$(tcp_of_kernel)" ]
}

# Of the three that are refused, who answered had no socket.
knows_resets() {
	local counted sent
	counted=$(scrape | awk '/^packet_exporter_group_tcp_resets_total\{.*kind="veth".*direction="sent"/ { sum += $NF }
		END { print sum + 0 }')
	sent=$(ip netns exec inside awk '
		/^Tcp:/ && !n { n = split($0, name); next }
		/^Tcp:/ { for (i = 2; i <= n; i++) if (name[i] == "OutRsts") print $i }' /proc/net/snmp)
	[ "$counted" = "$sent" ]
}

# Three that are refused, five that succeed, and four for which a queue is full, all of the container's own.
tcp_connections() {
	local i
	ip -n inside link set lo up
	in_container httpd -p 127.0.0.1:80 -h /tests
	for i in 1 2 3; do
		in_container bash -c 'exec 4<>/dev/tcp/127.0.0.1/9' 2>/dev/null && return 1
	done
	for i in 1 2 3 4 5; do
		in_container bash -c 'exec 4<>/dev/tcp/127.0.0.1/80 && echo "GET /init HTTP/1.0
" >&4 && cat <&4 >/dev/null' || return 1
	done
	in_container traffic tcp-full 81 4 || return 1
	tcp_of_kernel | grep -qx 'AttemptFails 3' && tcp_of_kernel | grep -qx 'ListenOverflows [4-9]'
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
		feature "container_$when" yes
	else
		not_ok "a container that starts $when it is known" "$(grep -v subsystem=net /tmp/exporter.log)"
	fi
	if tcp_connections && wait_for 20 tcp_agrees; then
		ok "its connections are those that the kernel counts, $when"
		feature tcp yes
		feature_since 6.10 tcp_resets knows_resets
	else
		not_ok "its connections are those that the kernel counts, $when" "$(tcp_of_kernel)" \
			"$(tcp_counted)" "$(scrape | grep group_tcp_connections)" "$(grep -E "bpf|tcp" /tmp/exporter.log)"
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
