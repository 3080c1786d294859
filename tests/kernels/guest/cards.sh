# shellcheck shell=bash
# Three drivers of cards. The first card of each pair is watched, the second is in a namespace and
# talks to it. What the exporter does to a card by default is nothing. A word is an option for it: with
# --xdp.mode=generic or native this fails.

cards=(virtio_net igb e1000e)
megabytes=30
rounds=5
options=()
[ -z "$word_of_test" ] || options=("$word_of_test")
# Of without and with, numbers of packets: one a round.
declare -A first=() second=() number=() without=() with=() features=() changes=()

in_peer() {
	nsenter --net="/run/netns/$card" "$@"
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
	second[$card]=${pair[1]}
	ip netns add "$card"
	ip link set "${pair[1]}" netns "$card"
	ip address add "10.0.$1.1/24" dev "${pair[0]}"
	ip link set "${pair[0]}" up
	ip -n "$card" address add "10.0.$1.2/24" dev "${pair[1]}"
	ip -n "$card" link set "${pair[1]}" up
}

received() {
	cat "/sys/class/net/${first[$card]}/statistics/rx_packets"
}

# rx_packets_of_tcp: how many packets the card receives for so many megabytes.
rx_packets_of_tcp() {
	local before sink
	before=$(received)
	timeout 200 traffic tcp-sink 5001 >/dev/null &
	sink=$!
	in_peer timeout 200 traffic tcp-send "10.0.${number[$card]}.1" 5001 $((megabytes * 1000000))
	wait $sink
	echo $(($(received) - before))
}

# is_few: the best of the rounds is as good as what is usual without the exporter, within 1.3. One
# sample says little: how many packets the other end sends depends on how busy the machine is.
is_few() {
	local best usual
	best=$(printf '%s\n' ${with[$card]} | sort -n | head -n 1)
	usual=$(printf '%s\n' ${without[$card]} | sort -n | awk '{ all[NR] = $1 }
		END { print all[int((NR + 1) / 2)] }')
	[ $((best * 10)) -le $((usual * 13)) ]
}

# Further rounds, with and without, for the cards that are not satisfied yet.
in_few_packets() {
	local round left
	for ((round = 2; round <= rounds; round++)); do
		left=()
		for card in "${cards[@]}"; do
			is_few || left+=("$card")
		done
		[ ${#left[@]} != 0 ] || break
		exporter_end TERM
		for card in "${left[@]}"; do
			# What a card does with features that are not its own says nothing.
			[ "$(features)" != "${features[$card]}" ] ||
				without[$card]+=" $(rx_packets_of_tcp)"
		done
		exporter_start "${few[@]}" "${options[@]}"
		for card in "${left[@]}"; do
			with[$card]+=" $(rx_packets_of_tcp)"
		done
	done
	for card in "${cards[@]}"; do
		if is_few; then
			ok "$card: receives TCP in as few packets"
		else
			not_ok "$card: receives TCP in as few packets"
		fi
		note "$card: ${with[$card]} packets for $megabytes MB of TCP, ${without[$card]} without the exporter"
	done
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

listens() {
	grep -qi ":$(printf %04x $((7000 + number[$card]))) " /proc/net/udp
}

has_received() {
	[ "$(received)" -ge "$enough" ]
}

# flow PACKETS: until each card has got so many more of its steady flow, of which a second has 100.
flow() {
	local enough
	local -A goal=()
	for card in "${cards[@]}"; do
		goal[$card]=$(($(received) + $1))
	done
	for card in "${cards[@]}"; do
		enough=${goal[$card]}
		wait_for 60 has_received || not_ok "$card: the flow goes on"
	done
}

# A steady flow to each card, from before the start to after SIGKILL.
steady() {
	local sinks=() senders=() missing came gap
	for card in "${cards[@]}"; do
		traffic udp-sink $((7000 + number[$card])) >"/tmp/sink.$card" &
		sinks+=($!)
		wait_for 60 listens || not_ok "$card: the sink listens"
	done
	for card in "${cards[@]}"; do
		# Without exec, the process would be a shell above the sender.
		(exec nsenter --net="/run/netns/$card" traffic udp-send "10.0.${number[$card]}.1" \
			$((7000 + number[$card])) 1000000 200 10000) &
		senders+=($!)
	done
	flow 50
	exporter_start "${options[@]}"
	flow 150
	same_features "while it runs"
	exporter_end TERM
	flow 150
	same_features "after SIGTERM"
	exporter_start "${few[@]}" "${options[@]}"
	flow 150
	exporter_end KILL
	flow 150
	same_features "after SIGKILL"
	kill "${senders[@]}"
	wait "${senders[@]}" || true
	wait_for 60 is_quiet || echo "packets arrive still"
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

# Nothing is on its way to a sink, or waits there to be read.
is_quiet() {
	local before
	before=$(</proc/net/dev)
	sleep 0.5
	[ "$before" = "$(</proc/net/dev)" ] &&
		awk '$5 ~ /:/ && $5 !~ /:0+$/ { waits = 1 } END { exit waits }' /proc/net/udp
}

listens_for_merged() {
	grep -qi ":$(printf %04x 7100) " /proc/net/udp
}

# merged_datagrams: those that the other end sends at once reach a socket that takes them merged.
# Their sender splits them: what a card hands over as one is one packet to it.
merged_datagrams() {
	local sink came merged bursts=50 count=20

	in_peer ethtool -K "${second[$card]}" tx-udp-segmentation off || true
	traffic udp-gro 7100 $((bursts * count)) >/tmp/merged &
	sink=$!
	wait_for 60 listens_for_merged || not_ok "$card: the sink listens"
	in_peer traffic udp-burst "10.0.${number[$card]}.1" 7100 $bursts $count 1000
	wait $sink
	read -r came merged </tmp/merged
	if [ "$merged" -gt 0 ]; then
		ok "$card: datagrams are merged"
	else
		not_ok "$card: datagrams are merged"
	fi
	note "$card: $came datagrams came, $merged of them merged"
}

# What the card counts; e1000e's bytes have the frames' check sequences, too.
counts() {
	local check=0 end=$((SECONDS + 60)) packets bytes seen_packets seen_bytes
	[ "$card" != e1000e ] || check=4
	snapshot /tmp/old
	ping -q -c 10 -i 0.02 "10.0.${number[$card]}.2" >/dev/null
	ping -q -c 5 -i 0.02 -s 4000 "10.0.${number[$card]}.2" >/dev/null
	in_peer traffic udp-send "10.0.${number[$card]}.1" 9 200 300 500
	merged_datagrams
	with[$card]=$(rx_packets_of_tcp)
	while snapshot /tmp/new; do
		difference /tmp/old /tmp/new | grep "^${first[$card]} ingress " >/tmp/row
		read -r _ _ packets bytes seen_packets seen_bytes _ </tmp/row
		if [ "$packets" = "$seen_packets" ] && [ "$bytes" = $((seen_bytes + check * packets)) ]; then
			ok "$card: ingress is what the card counts"
			return
		fi
		[ $SECONDS -lt $end ] || break
		sleep 1
	done
	not_ok "$card: ingress is what the card counts" "$(readable </tmp/row)"
}

has_hook() {
	ip link show dev "${first[$card]}" | grep -q 'prog/xdp'
}

load virtio_pci virtio_net igb e1000e
# A flavour for virtual machines has no drivers of cards that are none.
there=()
for card in "${cards[@]}"; do
	if [ -n "$(devices)" ]; then
		feature "card_$card" yes
		there+=("$card")
	elif modprobe -qn "$card"; then
		feature "card_$card" no
	else
		feature "card_$card" module
	fi
done
cards=("${there[@]}")
ulimit -l unlimited
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
for card in "${cards[@]}"; do
	make_pair $((${#number[@]} + 1))
	wait_for 60 reachable || not_ok "$card: the peer answers"
	without[$card]=$(rx_packets_of_tcp)
	features[$card]=$(features)
	changes[$card]=$(carrier_changes)
done
steady
exporter_start "${few[@]}" "${options[@]}"
for card in "${cards[@]}"; do
	# A card that lost its carrier first gets it back.
	wait_for 60 reachable || true
	counts
done
in_few_packets
exporter_end TERM
for card in "${cards[@]}"; do
	if [ "$(carrier_changes)" = "${changes[$card]}" ]; then
		ok "$card: the carrier never changes"
	else
		not_ok "$card: the carrier never changes" "$(($(carrier_changes) - changes[$card])) changes"
	fi
done

# Who asks for it gets a hook, and the features that this switched back at the end.
exporter_start "${few[@]}" --xdp.mode=generic
for card in "${cards[@]}"; do
	wait_for 60 has_hook || not_ok "$card: has a hook with --xdp.mode=generic"
	# Or else nothing is put back.
	[ "$card" != virtio_net ] || [ "$(features)" != "${features[$card]}" ] ||
		not_ok "$card: a hook switches offloads off"
done
exporter_end TERM
same_features "after --xdp.mode=generic"
cat /tmp/exporter.log
