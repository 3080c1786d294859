# shellcheck shell=bash
# A hundred containers that come and go, each of which sends packets as soon as it runs. For check.sh to source.
# Expects: base, cache, check, die, docker, engine_pid, exporter, fetch, inside, monitor, netns, no_complaint,
# sum_samples, wait_for, work.

storm_containers=100
storm_at_once=8
storm_bridge=pe-storm
storm_first=51 # packets of the first container; each sends one more than the one before

# Sends datagrams as soon as it runs. To a group, so that nobody answers and no address is asked
# for: these are all the packets that it sends.
storm_container() {
	timeout 120 docker run --rm --network $storm_bridge "$base" bash -c '
		exec 3>/dev/udp/239.255.0.1/9
		for ((i = 0; i < $0; i++)); do echo >&3; done' "$1"
}

# The programs and links that a process of the engine's holds, as bpftool asks for them.
held_by() {
	nsenter -t "$(engine_pid)" --pid --mount bash -c 'cat /proc/"$1"/fdinfo/* 2>/dev/null' - "$1" |
		awk '/^(prog|link)_id:/ { sub("_id:", "", $1); print $1, $2 }'
}

# Pages of the exporter, one after the other, and the programs and links that it holds, until the
# file `$work/storm/end` is there.
storm_watch() {
	local i pid
	pid=$(docker inspect -f '{{.State.Pid}}' pe-storm) || return
	for ((i = 1000; i < 3000; i++)); do
		fetch "$exporter/metrics" -o "$work/storm/part" &&
			mv "$work/storm/part" "$work/storm/page-$i"
		held_by "$pid" >>"$work/storm/held"
		[ ! -e "$work/storm/end" ] || return 0
		sleep 0.5
	done
}

# What pages say of ingress on containers' interfaces, by awk: `packets` that containers sent by
# interface, what is `missing` by interface, and the `sum` of veths, with those that have departed, of
# the last page. An engine takes a container's own end back before it deletes it; that one sent nothing here.
storm_awk='
	function name() { match($0, /interface="[^"]*"/); return substr($0, RSTART + 11, RLENGTH - 12) }
	FNR == 1 && NR > 1 { sums = sums sum " "; if (sum < before) fell = 1; before = sum; sum = 0 }
	!/direction="ingress"/ || !/interface="veth|kind="veth"/ { next }
	/^packet_exporter_group_packets_total/ { sum += $NF }
	/^packet_exporter_packets_total/ && /protocol="udp"/ { packets[name()] = $NF }
	/^packet_exporter_unobserved_packets_total/ { missing[name()] = $NF }
'

# Each container has been seen, with exactly the packets that it sent.
storm_each() {
	local seen
	seen=$(awk "$storm_awk"'END { for (i in packets) print packets[i] }' "$work"/storm/page-* |
		sort -n)
	diff -U 0 <(seq $storm_first $((storm_first + storm_containers - 1))) - <<<"$seen"
}

storm_sum() {
	fetch "$exporter/metrics" | awk "$storm_awk"'END { print sum; exit sum != '"$1"' }'
}

storm_steady() {
	awk "$storm_awk"'END { print sums sum; exit fell }' "$work"/storm/page-*
}

# Their image, as the group in which they arrived; what is late is in the group without a workload.
storm_named() {
	local named
	named=$(fetch "$exporter/metrics" | sum_samples group_interfaces_arrived_total 'kind="veth"' \
		"master=\"$storm_bridge\"" 'workload="debian"')
	echo "$named of $storm_containers"
	[ "$named" -ge $((storm_containers * 99 / 100)) ] && [ "$named" -le $storm_containers ]
}

storm_observed() {
	awk "$storm_awk"'
		END { for (i in packets) if (missing[i]) { print i, missing[i]; bad = 1 }; exit bad }
	' "$work"/storm/page-*
}

# One whose name is late departs twice: from the group without a workload, and from its own.
storm_departed() {
	local page departed
	page=$(fetch "$exporter/metrics" | grep "master=\"$storm_bridge\"") || return
	grep '_group_interfaces' <<<"$page"
	departed=$(sum_samples group_interfaces_departed_total <<<"$page")
	[ "$departed" -ge $storm_containers ] &&
		[ "$departed" = "$(sum_samples group_interfaces_arrived_total <<<"$page")" ]
}

# No event of an interface that has a carrier, so that it can receive, are without our program, and
# each interface is seen with it. (A carrier that comes and goes within a second may not be reported.)
storm_in_time() {
	awk -v wanted=$storm_containers '
	{ sub(/@.*/, "", $2) }
	# Those of the bridge about its ports have no queue and no program.
	!/ qdisc / || !/ master '$storm_bridge' / { next }
	/name pe_ingress/ { attached[$2] }
	$3 ~ /[<,]LOWER_UP[,>]/ { up[$2]; if (!/name pe_ingress/) { print; bad = 1 } }
	END {
		print length(attached) " interfaces with the program, " length(up) " with a carrier"
		exit bad || length(attached) != wanted || length(up) < wanted / 2
	}' "$work/storm/links"
}

# Nearly every interface had a link of its own; some were too short-lived to be seen here.
none_left() {
	local kind id links=0 left=0
	while read -r kind id; do
		[ "$kind" != link ] || links=$((links + 1))
		! bpftool "$kind" show id "$id" 2>/dev/null || left=$((left + 1))
	done < <(sort -u "$work/storm/held")
	echo "$links links were held, $left programs and links are left"
	[ $left -eq 0 ] && [ $links -gt $((storm_containers / 2)) ]
}

run_storm() {
	local watcher total
	mkdir "$work/storm"
	# The engine's folder is kept from run to run, and with it what a run that was killed has left.
	docker network rm $storm_bridge >/dev/null 2>&1
	docker network create -o com.docker.network.bridge.name=$storm_bridge $storm_bridge >/dev/null &&
		docker run -d --name pe-storm --network host --cap-drop ALL --cap-add NET_ADMIN \
			--cap-add "${PE_CAP_BPF:-SYS_ADMIN}" --cap-add "${PE_CAP_PERFMON:-SYS_ADMIN}" \
			--read-only -v "$cache/docker/containers:/var/lib/docker/containers:ro" \
			"$PE_IMAGE" --departed.retention=15s >/dev/null &&
		wait_for 60 fetch "$exporter/-/ready" >/dev/null || die "the exporter starts"
	nsenter --net="/run/netns/$netns" ip -d -o monitor link >"$work/storm/links" 2>&1 9>&- &
	monitor=$!
	storm_watch 2>"$work/storm/errors" 9>&- &
	watcher=$!

	export -f storm_container
	export storm_bridge base
	check "$storm_containers containers send and go, $storm_at_once at a time" \
		xargs -P $storm_at_once -n 1 bash -c 'storm_container "$1"' - \
		< <(seq $storm_first $((storm_first + storm_containers - 1)))
	total=$((storm_containers * (2 * storm_first + storm_containers - 1) / 2))
	check "the sum is their $total packets" wait_for 20 storm_sum $total
	check "and stays when all have departed" wait_for 60 storm_departed
	check "and then still is" storm_sum $total
	check "nearly all were named before they counted" storm_named
	touch "$work/storm/end"
	wait $watcher
	kill "$monitor"
	monitor=
	check "each one has exactly the packets that it sent" storm_each
	check "the sum never went down" storm_steady
	check "no packet was unobserved" storm_observed
	check "every interface had the program before it could receive" storm_in_time
	check "the exporter warned of nothing in the storm" no_complaint pe-storm
	check "the exporter stops" docker stop pe-storm
	check "no program or link is left" wait_for 10 none_left
	docker rm pe-storm >/dev/null
	docker network rm $storm_bridge >/dev/null
}
