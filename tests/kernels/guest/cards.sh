# shellcheck shell=bash
# Three drivers of cards. The first card of each pair is watched, the second is in a namespace and
# talks to it. What the exporter does to a card by default is nothing.

cards=(virtio_net igb e1000e)
megabytes=30
declare -A first=() number=() baseline=() features=() changes=()

in_peer() {
	ip netns exec "$card" "$@"
}

carrier_changes() {
	cat "/sys/class/net/${first[$card]}/carrier_changes"
}

# The features of a card, without the words that say which cannot be changed.
features() {
	ethtool -k "${first[$card]}" | sed 's/ \[.*//'
}

reachable() {
	ping -q -c 1 -W 1 "10.0.${number[$card]}.2" >/dev/null 2>&1
}

# The two devices of this driver, in the order of their addresses, which is that of QEMU's options.
devices() {
	local device driver
	for device in /sys/class/net/*; do
		driver=$(readlink "$device/device/driver") || continue
		[ "${driver##*/}" != "$card" ] || echo "$(<"$device/address") ${device##*/}"
	done | sort | cut -d ' ' -f 2
}

# make_pair NUMBER: the second device goes into a namespace.
make_pair() {
	local pair
	number[$card]=$1
	mapfile -t pair < <(devices)
	first[$card]=${pair[0]}
	ip netns add "$card"
	ip link set "${pair[1]}" netns "$card"
	ip address add "10.0.$1.1/24" dev "${pair[0]}"
	ip link set "${pair[0]}" up
	ip -n "$card" address add "10.0.$1.2/24" dev "${pair[1]}"
	ip -n "$card" link set "${pair[1]}" up
}

# rx_packets_of_tcp: how many packets the card receives for so many megabytes.
rx_packets_of_tcp() {
	local counter=/sys/class/net/${first[$card]}/statistics/rx_packets before sink
	before=$(<"$counter")
	timeout 60 traffic tcp-sink 5001 >/dev/null &
	sink=$!
	in_peer timeout 60 traffic tcp-send "10.0.${number[$card]}.1" 5001 $((megabytes * 1000000))
	wait $sink
	echo $(($(<"$counter") - before))
}

# same_features WHEN
same_features() {
	local difference
	for card in "${cards[@]}"; do
		if difference=$(diff <(echo "${features[$card]}") <(features)); then
			ok "$card: the features are as before $1"
		else
			not_ok "$card: the features are as before $1" "$difference"
		fi
	done
}

# A steady flow to each card, from before the start to after SIGKILL.
steady() {
	local sinks=() senders=() missing came gap
	for card in "${cards[@]}"; do
		traffic udp-sink $((7000 + number[$card])) >"/tmp/sink.$card" &
		sinks+=($!)
	done
	sleep 1
	for card in "${cards[@]}"; do
		# Without exec, the process would be a shell above the sender.
		(exec ip netns exec "$card" traffic udp-send "10.0.${number[$card]}.1" \
			$((7000 + number[$card])) 1000000 200 10000) &
		senders+=($!)
	done
	sleep 1
	exporter_start
	sleep 2
	same_features "while it runs"
	exporter_end TERM
	sleep 2
	same_features "after SIGTERM"
	exporter_start
	sleep 2
	exporter_end KILL
	sleep 2
	same_features "after SIGKILL"
	kill "${senders[@]}"
	sleep 1
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	for card in "${cards[@]}"; do
		read -r missing came gap <"/tmp/sink.$card"
		if [ "$missing" = 0 ] && [ "$came" -gt 0 ]; then
			ok "$card: a steady flow loses nothing"
		else
			not_ok "$card: a steady flow loses nothing"
		fi
		note "$card: $missing packets are missing, $came came, the longest gap is $gap ms"
	done
}

# What the card counts; e1000e's bytes have the frames' check sequences, too.
counts() {
	local expected packets bytes seen_packets seen_bytes check=0
	[ "$card" != e1000e ] || check=4
	snapshot /tmp/old
	ping -q -c 10 -i 0.02 "10.0.${number[$card]}.2" >/dev/null
	ping -q -c 5 -i 0.02 -s 4000 "10.0.${number[$card]}.2" >/dev/null
	in_peer traffic udp-send "10.0.${number[$card]}.1" 9 200 300 500
	expected=${baseline[$card]}
	packets=$(rx_packets_of_tcp)
	if [ $((packets * 10)) -le $((expected * 13)) ]; then
		ok "$card: receives TCP in as few packets"
	else
		not_ok "$card: receives TCP in as few packets" "$packets instead of $expected"
	fi
	note "$card: $packets packets for $megabytes MB of TCP, $expected without the exporter"
	sleep 1
	snapshot /tmp/new
	difference /tmp/old /tmp/new | grep "^${first[$card]} ingress " >/tmp/row
	read -r _ _ packets bytes seen_packets seen_bytes _ </tmp/row
	if [ "$packets" = "$seen_packets" ] && [ "$bytes" = $((seen_bytes + check * packets)) ]; then
		ok "$card: ingress is what the card counts"
	else
		not_ok "$card: ingress is what the card counts" "$(readable </tmp/row)"
	fi
}

load virtio_pci virtio_net igb e1000e
ulimit -l unlimited
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
for card in "${cards[@]}"; do
	make_pair $((${#number[@]} + 1))
	wait_for 30 reachable || not_ok "$card: the peer answers"
	baseline[$card]=$(rx_packets_of_tcp)
	features[$card]=$(features)
	changes[$card]=$(carrier_changes)
done
steady
exporter_start
sleep 1
for card in "${cards[@]}"; do
	# A card that lost its carrier first gets it back.
	wait_for 10 reachable || true
	counts
done
exporter_end TERM
for card in "${cards[@]}"; do
	if [ "$(carrier_changes)" = "${changes[$card]}" ]; then
		ok "$card: the carrier never changes"
	else
		not_ok "$card: the carrier never changes" "$(($(carrier_changes) - changes[$card])) changes"
	fi
done

# Who asks for it gets a hook, and the features that this switched back at the end.
exporter_start --xdp.mode=generic
sleep 1
exporter_end TERM
sleep 1
same_features "after --xdp.mode=generic"
cat /tmp/exporter.log
