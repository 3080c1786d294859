# shellcheck shell=bash
# CPUs that are possible and not there cost no memory; one that comes while the exporter counts is
# counted from its first packet on, and gets memory of its own; sweeps take none from the exporter. The
# guest has 255 possible CPUs and 512 MiB: see `boot`.

second=/sys/devices/system/cpu/cpu1/online

map_bytes() {
	scrape | sed -n 's/^packet_exporter_kernel_map_bytes //p'
}

# Of each of the exporter's threads: its CPUs, also those that are not there. One line, if all have the same.
affinity() {
	sed -n 's/^Cpus_allowed:[[:space:]]*//p' /proc/"${exporter:?}"/task/*/status | sort -u
}

# A thread that sweeps has one of its own, and ends.
is_whole() {
	[ "$(affinity)" = "$whole" ]
}

# Some of what was sent: a sweep has found it in a CPU's cache.
flows_have_ended() {
	scrape | grep -q '^packet_exporter_group_flow_duration_seconds_count{kind="veth".*} [1-9]'
}

has_grown() {
	[ "$(map_bytes)" -gt "$1" ]
}

in_far() {
	ip netns exec far "$@"
}

# send CPU COUNT: from beyond the veth, so that the CPU receives them.
send() {
	in_far taskset "$1" traffic udp-send 10.9.0.1 9 "$2" 100 20 3>&-
}

ulimit -l unlimited
echo 0 >$second
possible=$(</sys/devices/system/cpu/possible)
if exporter_start --interface.exclude= --identity=off --flows.idle-timeout=5s; then
	bytes=$(map_bytes)
	whole=$(affinity)
	if [ "$bytes" -lt 8000000 ]; then
		ok "CPUs that are not there have no memory"
		feature few_cpus yes
	else
		not_ok "CPUs that are not there have no memory" "$bytes bytes for CPUs $possible"
	fi
	ip netns add far
	ip link add v0 type veth peer name v1 netns far
	ip address add 10.9.0.1/24 dev v0
	in_far ip address add 10.9.0.2/24 dev v1
	ip link set v0 up
	in_far ip link set v1 up
	watched=v0:
	send 1 500
	snapshot /tmp/first
	echo 1 >$second
	# In two parts: a CPU that goes again meanwhile keeps what it has counted.
	send 2 3000
	echo 0 >$second
	send 1 500
	echo 1 >$second
	send 2 3000 &
	sender=$!
	if wait_for 60 has_grown "$bytes"; then
		ok "a CPU that comes gets memory"
	else
		not_ok "a CPU that comes gets memory" "still $(map_bytes) bytes" "$(</tmp/exporter.log)"
	fi
	wait $sender
	snapshot /tmp/second
	difference /tmp/first /tmp/second >/tmp/difference
	# 7,000 datagrams at least were received, and all were counted.
	if awk '$1 == "v0" { rows++; if ($3 != $5 || $4 != $6 || $7 || $9) bad = 1 }
		$1 == "v0" && $2 == "ingress" && $3 < 6500 { bad = 1 }
		END { exit bad || rows != 2 }' /tmp/difference; then
		ok "every packet of a CPU that comes is counted"
		feature cpu_hotplug yes
	else
		not_ok "every packet of a CPU that comes is counted" "$(readable </tmp/difference)"
	fi
	# What sweeps leaves the CPU that it sweeps, in a thread of its own: an affinity that is put back lacks the
	# CPUs that are not there.
	if wait_for 60 flows_have_ended && wait_for 20 is_whole; then
		ok "after sweeps the exporter may run on every CPU"
	else
		not_ok "after sweeps the exporter may run on every CPU" "at first $whole" "then $(affinity)" "$(scrape | grep flow_duration_seconds_count)"
	fi
	exporter_end TERM
else
	not_ok "starts with CPUs $possible" "$(</tmp/exporter.log)"
fi
