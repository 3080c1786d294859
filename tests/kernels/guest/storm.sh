# shellcheck shell=bash
# Two hundred veths at once: they come, receive and go before anybody has looked at them, then again while
# the exporter is stopped. Every packet is in the counters of the host, and nothing stays attached.

each=10
exporter_options=("${few[@]}" --interface.exclude='^lo$')

# blow FIRST LAST: veths s$n here and p$n in a namespace, which receive and go, all of them at once.
blow() {
	local n
	ip netns add storm
	for n in $(seq "$1" "$2"); do
		echo "link add s$n type veth peer name p$n netns storm"
	done | ip -batch -
	for n in $(seq "$1" "$2"); do
		echo "link set s$n up"
	done | ip -batch -
	for n in $(seq "$1" "$2"); do
		echo "link set p$n up"
	done | ip -n storm -batch -
	ip netns exec storm traffic frames p "$1" "$2" $each
	ip netns del storm
}

# host NAME [LABEL]: the sum of a counter of the host's, of ingress. Namespaces send messages of IPv6, too.
host() {
	grep "^packet_exporter_host_$1_total{.*direction=\"ingress\".*${2:-}" /tmp/scrape |
		awk '{ sum += $NF } END { printf "%.0f\n", sum }'
}

attached_interfaces() {
	awk '/^packet_exporter_interfaces_attached\{/ { sum += $NF } END { print sum }' /tmp/scrape
}

# All of it is counted, the last of these veths have gone, and nothing went by unobserved.
counts_all() {
	scrape >/tmp/scrape
	[ "$(host packets 'family="other"')" = "$expected" ] && [ "$(host unobserved_packets)" = 0 ] &&
		[ "$(attached_interfaces)" = 2 ]
}

# counted NAME: says it once what was sent is counted.
counted() {
	if wait_for 90 counts_all; then
		ok "$1"
	else
		not_ok "$1" "$(host packets 'family="other"') of $expected, unobserved: $(host unobserved_packets)" \
			"$(grep -v '^#' /tmp/scrape | grep -E '_interfaces_attached|_missed_|overruns' /tmp/scrape)"
		false
	fi
}

load veth
ulimit -l unlimited
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
# With no interface at all, the exporter detaches after some seconds.
ip link add stays type veth peer name too
ip link set stays up
ip link set too up
if exporter_start "${exporter_options[@]}"; then
	blow 1 200
	expected=$((200 * each))
	counted "all packets of a storm of 200 are counted" && feature hotplug yes
	# Fewer than the places of interfaces that the kernel side meets first.
	kill -STOP "$exporter"
	blow 201 300
	kill -CONT "$exporter"
	expected=$((300 * each))
	counted "also those of 100 that it learns of too late" && feature early yes
	exporter_end TERM
else
	not_ok "starts" "$(</tmp/exporter.log)"
fi
ip link del stays
if wait_for 60 nothing_attached; then
	ok "nothing stays attached"
else
	not_ok "nothing stays attached" "$(attached)"
fi
