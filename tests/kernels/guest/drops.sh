# shellcheck shell=bash
# What the kernel drops of a veth's packets, by its reason or, before 5.17, their protocol: as many as
# the kernel counts itself. As nobody with the three capabilities and no other.

ulimit -l unlimited
load veth
case $release in
5.1[0-6].*) reason=ipv4 ;;
*) reason=no_socket ;;
esac

# without_socket: packets to nobody, by the kernel's own count.
without_socket() {
	awk '/^Udp: [0-9]/ { print $3 }' /proc/net/snmp
}

dropped() {
	scrape | sed -nE "s/^packet_exporter_drops_total\{interface=\"d0\",direction=\"ingress\",reason=\"$reason\"\} //p"
}

counts_all() {
	[ "$(dropped)" = "$(($(without_socket) - before))" ]
}

capabilities=-all,+net_admin,+bpf,+perfmon
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=$capabilities --ambient-caps=$capabilities \
	--bounding-set=$capabilities --no-new-privs \
	packet-exporter --workers=1 --identity=off --log.level=debug >/tmp/exporter.log 2>&1 &
exporter=$!
if ! ready_within 300; then
	not_ok "the exporter starts" "$(</tmp/exporter.log)"
fi
ip netns add inside
ip link add d0 type veth peer name d1 netns inside
ip address add 10.99.0.1/24 dev d0
ip link set d0 up
ip -n inside address add 10.99.0.2/24 dev d1
ip -n inside link set d1 up
before=$(without_socket)
ip netns exec inside traffic udp-send 10.99.0.1 9 50 64 1000
if wait_for 60 counts_all && [ "$(dropped)" -gt 40 ]; then
	ok "dropped for want of a socket are counted as $reason"
	feature_since 5.17 drop_reasons [ "$reason" = no_socket ]
else
	not_ok "dropped for want of a socket are counted as $reason" \
		"$(dropped) of $(($(without_socket) - before))" "$(scrape | grep drops)" "$(</tmp/exporter.log)"
fi
exporter_end TERM
ip netns del inside
if wait_for 60 nothing_attached; then
	ok "nothing stays attached"
else
	not_ok "nothing stays attached" "$(attached)"
fi
