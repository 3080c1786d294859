# shellcheck shell=bash
# Every kind of interface, once: t-KIND here, its peer in a namespace named KIND. What the exporter
# says of each under known traffic is compared with the interface's own counters, by the rules in
# kinds.table. With the word `report` the whole comparison comes on the TAP stream, too; a word that
# begins with `--` is an option for the exporter.

# The first needs some seconds until its ends know each other.
kinds=(batadv hsr bridge veth vlan macvlan macvtap ipvlan vxlan geneve gre gretap ip6gretap ip6tnl
	ipip sit erspan wireguard macsec bareudp bond team vrf ifb dummy tun tap vxcan netkit xfrm)

load bridge 8021q macvlan macvtap ipvlan vxlan geneve ip_gre ip6_gre ip6_tunnel ipip sit wireguard \
	macsec bareudp bonding team team_mode_roundrobin vrf ifb dummy tun vxcan can_raw netkit \
	batman_adv hsr xfrm_interface esp4 act_mirred sch_ingress cls_matchall

# Namespaces have no IPv6 but where it carries a tunnel: nothing but the test's own packets moves.
# Namespace N has 10.N.0.2 and fd00:N::2 below, and 10.N.1.2 above; .1 is here.
number=0
declare -A number_of

# Not `ip netns exec`, which mounts /sys anew each time.
in_peer() {
	nsenter --net="/run/netns/$kind" "$@"
}

peer() {
	ip -n "$kind" "$@"
}

# address_of ip|peer DEVICE
address_of() {
	"$1" -brief link show dev "$2" | awk '{ print $3 }'
}

# What follows are batches of ip: each of its starts takes long in emulation.

# lower: a veth pair to the namespace, u-KIND here and p0 there, with addresses.
lower() {
	ip -batch - <<-HERE
		link add u-$kind type veth peer name p0 netns $kind
		address add 10.$number.0.1/24 dev u-$kind
		link set u-$kind up
	HERE
	peer -batch - <<-THERE
		address add 10.$number.0.2/24 dev p0
		link set p0 up
	THERE
}

# ports: two veth pairs without addresses, a- and b- here, p1 and p2 there.
ports() {
	ip -batch - <<-HERE
		link add a-$kind type veth peer name p1 netns $kind
		link add b-$kind type veth peer name p2 netns $kind
	HERE
}

# upper: t-KIND here and o0 there get their addresses.
upper() {
	ip -batch - <<-HERE
		address add 10.$number.1.1/24 dev t-$kind
		link set t-$kind up
	HERE
	peer -batch - <<-THERE
		address add 10.$number.1.2/24 dev o0
		link set o0 up
	THERE
}

# over WORD…: a device of this kind on the veth, at both ends.
over() {
	lower
	ip link add link "u-$kind" name "t-$kind" type "$@"
	peer link add link p0 name o0 type "$@"
	upper
}

# tunnel LOCAL REMOTE WORD…: LOCAL and REMOTE are the options' names.
tunnel() {
	local local=$1 remote=$2 net=10.$number.0. type=$3
	shift 3
	lower
	if [[ $type = ip6* ]]; then
		net=fd00:$number::
		echo 0 >"/proc/sys/net/ipv6/conf/u-$kind/disable_ipv6"
		in_peer bash -c 'echo 0 >/proc/sys/net/ipv6/conf/p0/disable_ipv6'
		ip address add "${net}1/64" dev "u-$kind" nodad
		peer address add "${net}2/64" dev p0 nodad
	fi
	# shellcheck disable=SC2086 # nothing, or an option and its value
	ip link add "t-$kind" type "$type" ${local:+$local ${net}1} "$remote" "${net}2" "$@"
	# shellcheck disable=SC2086
	peer link add o0 type "$type" ${local:+$local ${net}2} "$remote" "${net}1" "$@"
	upper
}

make_veth() {
	ip link add t-veth type veth peer name o0 netns veth
	upper
}

make_bridge() {
	ports
	ip link add t-bridge type bridge
	ip link set a-bridge master t-bridge up
	ip link set b-bridge master t-bridge up
	peer link set p1 name o0
	peer link set p2 up
	upper
	# The second port is a third station: what goes from port to port is not the bridge's.
	peer address add "10.$number.1.3/24" dev p2
}

make_vlan() { over vlan id 10; }
make_macvlan() { over macvlan mode bridge; }
make_macvtap() { over macvtap mode bridge; }
make_ipvlan() { over ipvlan mode l2; }
make_vxlan() { tunnel local remote vxlan id 7 dstport 4789; }
make_geneve() { tunnel '' remote geneve id 7; }
make_gre() { tunnel local remote gre; }
make_gretap() { tunnel local remote gretap; }
make_ip6gretap() { tunnel local remote ip6gretap; }
make_ip6tnl() { tunnel local remote ip6tnl mode any; }
make_ipip() { tunnel local remote ipip; }
make_sit() { tunnel local remote sit mode any; }
make_erspan() { tunnel local remote erspan seq key 7 erspan_ver 1 erspan 7; }

make_wireguard() {
	lower
	ip link add t-wireguard type wireguard
	peer link add o0 type wireguard
	(umask 077 && wg genkey >/tmp/key.here && wg genkey >/tmp/key.there)
	wg set t-wireguard listen-port 51820 private-key /tmp/key.here \
		peer "$(wg pubkey </tmp/key.there)" allowed-ips 0.0.0.0/0 endpoint "10.$number.0.2:51820"
	# Some seconds without a packet are enough for one that nobody receives.
	in_peer wg set o0 listen-port 51820 private-key /tmp/key.there \
		peer "$(wg pubkey </tmp/key.here)" allowed-ips 0.0.0.0/0 endpoint "10.$number.0.1:51820" \
		persistent-keepalive 5
	upper
}

make_macsec() {
	local here there one=00112233445566778899aabbccddeeff two=ffeeddccbbaa99887766554433221100
	lower
	ip link add link u-macsec t-macsec type macsec encrypt on
	peer link add link p0 o0 type macsec encrypt on
	here=$(address_of ip u-macsec)
	there=$(address_of peer p0)
	ip macsec add t-macsec tx sa 0 pn 1 on key 01 $one
	ip macsec add t-macsec rx port 1 address "$there"
	ip macsec add t-macsec rx port 1 address "$there" sa 0 pn 1 on key 02 $two
	peer macsec add o0 tx sa 0 pn 1 on key 02 $two
	peer macsec add o0 rx port 1 address "$here"
	peer macsec add o0 rx port 1 address "$here" sa 0 pn 1 on key 01 $one
	upper
}

# The other end of this tunnel is part of a route.
make_bareudp() {
	local net=10.$number
	lower
	ip link add t-bareudp type bareudp dstport 6635 ethertype ipv4
	peer link add o0 type bareudp dstport 6635 ethertype ipv4
	ip address add "$net.1.1/32" dev t-bareudp
	peer address add "$net.1.2/32" dev o0
	ip link set t-bareudp up
	peer link set o0 up
	ip route add "$net.1.2/32" encap ip id 7 src "$net.0.1" dst "$net.0.2" dev t-bareudp \
		src "$net.1.1"
	peer route add "$net.1.1/32" encap ip id 7 src "$net.0.2" dst "$net.0.1" dev o0 src "$net.1.2"
}

make_bond() {
	ports
	ip link add t-bond type bond mode active-backup miimon 100
	peer link add o0 type bond mode active-backup miimon 100
	ip link set a-bond master t-bond
	ip link set b-bond master t-bond
	peer link set p1 master o0
	peer link set p2 master o0
	upper
}

make_team() {
	ports
	ip link add t-team type team
	peer link add o0 type team
	teamnl t-team setoption mode roundrobin
	in_peer teamnl o0 setoption mode roundrobin
	ip link set a-team master t-team
	ip link set b-team master t-team
	peer link set p1 master o0
	peer link set p2 master o0
	upper
	ip link set a-team up
	ip link set b-team up
	peer link set p1 up
	peer link set p2 up
}

make_vrf() {
	ip link add t-vrf type vrf table 100
	ip link set t-vrf up
	lower
	ip link set u-vrf master t-vrf
}

make_ifb() {
	lower
	ip link add t-ifb type ifb
	ip link set t-ifb up
	tc qdisc add dev u-ifb clsact
	tc filter add dev u-ifb ingress matchall action mirred egress redirect dev t-ifb
}

make_dummy() {
	ip link add t-dummy type dummy
	ip address add "10.$number.1.1/24" dev t-dummy
	ip link set t-dummy up
	ip neighbour add "10.$number.1.2" lladdr 02:00:00:00:00:01 dev t-dummy
}

has_device() {
	[ -e "/sys/class/net/t-$kind" ]
}

# make_mirror: a program at the other end sends everything back.
make_mirror() {
	traffic "$kind" "t-$kind" 3>&- &
	wait_for 60 has_device
	ip address add "10.$number.1.1/24" dev "t-$kind"
	ip link set "t-$kind" up
	[ "$kind" = tun ] ||
		ip neighbour add "10.$number.1.2" lladdr 02:00:00:00:00:01 dev "t-$kind"
}

make_tun() { make_mirror; }
make_tap() { make_mirror; }

make_vxcan() {
	ip link add t-vxcan type vxcan peer name o0 netns vxcan
	ip link set t-vxcan up
	peer link set o0 up
}

make_netkit() {
	ip link add t-netkit type netkit peer name o0 netns netkit
	upper
}

make_batadv() {
	lower
	ip link add t-batadv type batadv
	peer link add o0 type batadv
	ip link set u-batadv master t-batadv
	peer link set p0 master o0
	upper
	# It answers ARP itself, which its counters have otherwise; when there is some is up to chance.
	ip neighbour replace "10.$number.1.2" lladdr "$(address_of peer o0)" dev t-batadv
	peer neighbour replace "10.$number.1.1" lladdr "$(address_of ip t-batadv)" dev o0
}

make_hsr() {
	ports
	ip link set a-hsr up
	ip link set b-hsr up
	peer link set p1 up
	peer link set p2 up
	ip link add t-hsr type hsr slave1 a-hsr slave2 b-hsr version 1
	peer link add o0 type hsr slave1 p1 slave2 p2 version 1
	upper
}

make_xfrm() {
	local net=10.$number.0 key=0x000102030405060708090a0b0c0d0e0f10111213 in out
	lower
	ip link add t-xfrm type xfrm dev u-xfrm if_id 7
	peer link add o0 type xfrm dev p0 if_id 7
	for in in ip peer; do
		out="src $net.1 dst $net.2" back="src $net.2 dst $net.1" to=out from=in
		[ $in = ip ] || to=in from=out
		# shellcheck disable=SC2086 # lists of words
		{
			$in xfrm state add $out proto esp spi 1 reqid 1 mode tunnel if_id 7 \
				aead 'rfc4106(gcm(aes))' $key 128
			$in xfrm state add $back proto esp spi 2 reqid 1 mode tunnel if_id 7 \
				aead 'rfc4106(gcm(aes))' $key 128
			$in xfrm policy add dir $to tmpl $out proto esp reqid 1 mode tunnel if_id 7
			$in xfrm policy add dir $from tmpl $back proto esp reqid 1 mode tunnel if_id 7
		}
	done
	upper
}

# ---- traffic ----

ping_both() {
	ping -q -c 4 -i 0.02 -W 2 "$@" "10.$number.$net.2" >/dev/null 2>&1 || echo "$kind: lost pings"
	in_peer ping -q -c 3 -i 0.02 -W 2 "$@" "10.$number.$net.1" >/dev/null 2>&1 ||
		echo "$kind: lost pings back"
}

small() {
	local net=1
	case $kind in
	vxcan) traffic can t-vxcan 20 && in_peer traffic can o0 15 && return ;;
	dummy | tun | tap)
		traffic udp-send "10.$number.1.2" 9 20 100 1000
		[ "$kind" = dummy ] || ping -q -c 4 -i 0.02 "10.$number.1.2" >/dev/null || true
		return
		;;
	vrf) ping -q -c 4 -i 0.02 -I t-vrf "10.$number.0.2" >/dev/null && return ;;
	ifb) net=0 ;;
	esac
	ping_both
	ping_both -s 3000
	traffic udp-send "10.$number.$net.2" 9 20 100 1000
	in_peer traffic udp-send "10.$number.$net.1" 9 15 100 1000
}

tcp() {
	local net=1 sink
	case $kind in
	vxcan | dummy | tun | tap | vrf) return ;;
	ifb) net=0 ;;
	esac
	if ! wait_for 30 reachable $net; then
		not_ok "tcp: $kind leads to its peer"
		return
	fi
	in_peer timeout 120 traffic tcp-sink 5001 >/dev/null &
	sink=$!
	timeout 120 traffic tcp-send "10.$number.$net.2" 5001 400000
	wait $sink || true
	timeout 120 traffic tcp-sink 5002 >/dev/null &
	sink=$!
	in_peer timeout 120 traffic tcp-send "10.$number.$net.1" 5002 300000
	wait $sink || true
}

# ---- comparison ----

# judge PHASE: a difference on standard input against the rules; DEVICE DIRECTION RULE ok|wrong for
# each row that has a rule.
judge() {
	awk -v phase="$1" '
		# Whether so many bytes can be so many messages of WireGuard, which are 32, 92 and 148 long.
		function messages(count, bytes, short, long) {
			for (short = 0; short <= count; short++)
				for (long = 0; long <= count - short; long++)
					if (32 * short + 148 * long + 92 * (count - short - long) == bytes)
						return 1
			return 0
		}
		function holds(rule, packets, bytes) {
			packets = $5 + $7 - $9 - $3
			bytes = $6 + $8 - $10 - $4
			if (rule == "idle") return !($3 + $5)
			if (phase == "small" && !$3) return 0
			if (rule == "exact") return $5 == $3 && $6 == $4 && !($7 + $8 + $9 + $10)
			if (rule == "audited") return packets == 0 && bytes == 0
			if (rule == "messages")
				return !($7 + $8 + $9 + $10) && messages($3 - $5, $4 - $6)
			if (rule == "packets") return $5 == $3 && !($7 + $9)
			if (rule ~ /^bytes/) return $5 == $3 && $6 - $4 == $3 * substr(rule, 6)
			if (rule == "none") return !($5 + $6)
			return rule == "free"
		}
		FNR == NR {
			rules["t-" $1, "ingress"] = $3
			rules["t-" $1, "egress"] = $4
			next
		}
		($1, $2) in rules {
			rule = rules[$1, $2]
			n = split(rule, part, "/")
			if (n == 2) rule = part[phase == "tcp" ? 2 : 1]
			print $1, $2, rule, holds(rule) ? "ok" : "wrong"
		}' /tests/kinds.table -
}

# Of what is audited, nothing from before is left to be reported: what is reported later is of later
# packets.
accounted() {
	echo begin >/tmp/begin
	snapshot /tmp/new && difference /tmp/begin /tmp/new | awk '$3 > 0' | judge tcp >/tmp/verdicts
	! grep -q ' audited wrong$' /tmp/verdicts
}

# run PHASE: the traffic, and the comparison, for which the exporter has as long as its audit takes.
run() {
	local end device direction rule verdict
	wait_for 60 accounted || not_ok "$1: all from before is reported"
	end=$((SECONDS + 150))
	# The same moment: a neighbour's probe that comes after it belongs to both sides of the difference.
	mv /tmp/new /tmp/old
	for kind in "${made[@]}"; do
		number=${number_of[$kind]}
		"$1"
	done
	while snapshot /tmp/new && difference /tmp/old /tmp/new >/tmp/rows &&
		judge "$1" </tmp/rows >/tmp/verdicts && grep -q wrong /tmp/verdicts &&
		[ $SECONDS -lt $end ]; do
		sleep 1
	done
	[ "$report" = no ] || note "$1" "$(readable </tmp/rows)"
	while read -r device direction rule verdict; do
		if [ "$verdict" = ok ]; then
			ok "$1: $device $direction is $rule"
		else
			not_ok "$1: $device $direction is $rule" \
				"$(grep "^$device $direction " /tmp/rows | readable)"
		fi
	done </tmp/verdicts
}

# reachable [NET]
reachable() {
	ping -q -c 1 -W 1 "10.$number.${1:-1}.2" >/dev/null 2>&1
}

# All of these have got an ingress hook and are in the metrics.
all_known() {
	local known
	known=" $(scrape | exporter_modes | awk '{ printf "%s ", $1 }')"
	for kind in "${made[@]}"; do
		[[ $known = *" t-$kind "* ]] || return 1
	done
}

# The ways of counting are the same as a moment ago, and none of them is for now.
settled() {
	local before now
	before=$(scrape | exporter_modes)
	sleep 1
	now=$(scrape | exporter_modes)
	[ "$before" = "$now" ] && ! grep -q '^t-.* new$' <<<"$now"
}

# The kernel is older than the kind, or it was built without.
cannot_make() {
	local since word=module
	since=$(awk -v kind="$kind" '$1 == kind { print $2 }' /tests/kinds.table)
	if [ "$(missing_since "$since")" = older ]; then
		word=older
	elif ! grep -qiE 'unknown device type|not supported' /tmp/error; then
		word=no
	fi
	note "no $kind: $(head -n 1 /tmp/error)"
	feature "kind_$kind" "$word"
}

# counts_by MODE: some interface; which one is for src/iface/policy.c.
counts_by() {
	grep -qE "^[^ ]+ mode $1( |\$)" /tmp/modes
}

report_modes() {
	scrape | exporter_modes >/tmp/modes
	note "$(sort /tmp/modes | tr '\n' ';')"
	feature_since 5.10 generic counts_by generic
	# Before, GRO is on for all of them, by name alone.
	feature_since 5.13 veths grep -q '^t-veth mode generic' /tmp/modes
	feature_since 5.10 tracepoint counts_by tracepoint
	feature_since 6.6 tcx counts_by tcx
}

made=() options=() report=no
# Of the devices below some send by themselves, all the time.
watched='^ *t-'
for word in ${word_of_test//,/ }; do
	case $word in
	report) report=yes ;;
	--*) options+=("$word") ;;
	esac
done
no_ipv6='echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
eval "$no_ipv6"
for kind in "${kinds[@]}"; do
	number=$((number + 1))
	number_of[$kind]=$number
	ip netns add "$kind"
	# A new namespace does not inherit it.
	in_peer bash -c "$no_ipv6; ip link set lo up"
	# In a condition, `set -e` would be off.
	set +e
	(set -e && "make_$kind") 2>/tmp/error
	status=$?
	set -e
	if [ $status = 0 ]; then
		made+=("$kind")
		feature "kind_$kind" yes
	else
		cannot_make
	fi
done
for kind in "${made[@]}"; do
	number=${number_of[$kind]}
	case $kind in vrf | ifb | dummy | vxcan) continue ;; esac
	wait_for 60 reachable || not_ok "$kind leads to its peer"
done
ulimit -l unlimited
exporter_start "${few[@]}" "${options[@]}"
wait_for 60 all_known || not_ok "every device is in the metrics"
wait_for 60 settled || not_ok "every device is counted as it is going to be"
report_modes
run small
run tcp
exporter_end TERM
cat /tmp/exporter.log
