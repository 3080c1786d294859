#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the image and runs docker-compose.yml on a real engine, with containers whose packets are
# known, and looks for exactly those packets on every way out: /metrics, Pushgateway, Prometheus.
#
#     docker/check.sh [SOURCE-DIR]
#
# The engine is a private dockerd, in PID and mount namespaces of its own, so that nothing it starts
# outlives it. It builds in the caller's network namespace with neither bridge nor firewall rules,
# and runs in a namespace without any way out: the host's interfaces, ports, nftables and containers
# are never touched. Images are kept in ~/.cache/packet-exporter/docker, which may be deleted.
#
# TAP; the exit status is 0 if nothing failed.

set -u
shopt -s inherit_errexit

source_dir=$(cd "${1:-$(dirname "$0")/..}" && pwd) || exit 1
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/packet-exporter
suite=bookworm
base=debian:$suite-slim
netns=pe-docker-$$
cgroup=/pe-docker-$$
compose_file=docker/docker-compose.yml
# shellcheck source=base.sh
. "$source_dir/docker/base.sh"
# shellcheck source=services.sh
. "$source_dir/docker/services.sh"
engine= # pid of the unshare(1) that holds the engine
monitor= # pid of ip(8)
work=
passed=0
failed=0

skip() {
	echo "1..0 # SKIP $*"
	exit
}

ok() {
	passed=$((passed + 1))
	echo "ok $((passed + failed)) - $1"
}

not_ok() {
	failed=$((failed + 1))
	echo "not ok $((passed + failed)) - $1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/# /'
}

# check NAME COMMAND...: one result; the command's output is shown when it fails.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$output"; fi
}

die() {
	not_ok "$@"
	finish
}

finish() {
	echo "1..$((passed + failed))"
	[ "$failed" -eq 0 ]
	exit
}

# wait_for SECONDS COMMAND...: until it succeeds; its last output and status.
wait_for() {
	local deadline=$((SECONDS + $1)) output
	shift
	until output=$("$@" 2>&1); do
		if [ $SECONDS -ge $deadline ]; then
			printf '%s\n' "$output"
			return 1
		fi
		sleep 0.2
	done
	printf '%s\n' "$output"
}

# No command of the client outlasts this.
docker() {
	timeout --foreground 300 docker "$@"
}

# ---- the engine ---------------------------------------------------------------------------------

engine_pid() {
	ps -o pid= --ppid "$engine" | tr -d ' '
}

engine_gone() {
	! kill -0 "$engine" 2>/dev/null
}

# start_engine NETNS-PATH OPTION...
start_engine() {
	local net=$1
	shift
	unshare --mount --pid --fork --kill-child --mount-proc \
		nsenter --net="$net" dockerd \
		--data-root "$cache/docker" --exec-root "$work/run" --pidfile "$work/dockerd.pid" \
		--host "$DOCKER_HOST" --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "$cgroup" "$@" >>"$work/dockerd.log" 2>&1 9>&- &
	engine=$!
	wait_for 60 docker info >"$work/info" || die "engine starts" "$(tail -n 20 "$work/dockerd.log")"
}

# Politely first, so that the engine unmounts and writes its state; then for certain.
stop_engine() {
	local pid
	[ -n "$engine" ] || return 0
	pid=$(engine_pid)
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait_for 30 engine_gone >/dev/null || kill -KILL "$engine" 2>/dev/null
	wait "$engine" 2>/dev/null
	engine=
}

cleanup() {
	trap - EXIT INT TERM HUP
	if [ -n "$engine" ]; then
		docker ps -aq 2>/dev/null | timeout 60 xargs -r docker rm -fv >/dev/null 2>&1
		docker volume ls -q 2>/dev/null | timeout 60 xargs -r docker volume rm >/dev/null 2>&1
		timeout 60 docker network prune -f >/dev/null 2>&1
		stop_engine
	fi
	[ -z "$monitor" ] || kill "$monitor" 2>/dev/null
	[ ! -e "/run/netns/$netns" ] || ip netns del "$netns"
	find /sys/fs/cgroup -depth -type d -path "*$cgroup*" -exec rmdir {} + 2>/dev/null
	[ -z "$work" ] || rm -rf "$work"
}

# ---- images -------------------------------------------------------------------------------------

# The base image without a registry. The package archive and how to reach it are the host's, as apt
# knows them; none of it is written in the Dockerfiles.
bootstrap_base() {
	local root=$work/root file
	file=$(base_tar) || return
	mkdir -p "$root/etc/apt/apt.conf.d"
	base_apt "$root"
	cp "$file" "$work/base.tar" &&
		tar -C "$root" -rf "$work/base.tar" ./etc/apt/apt.conf.d/90host || return
	docker import --change 'CMD ["bash"]' "$work/base.tar" "$base" || return
	rm -rf "$root" "$work/base.tar"
}

import_busybox() {
	install -D "$(command -v busybox)" "$work/busybox/bin/busybox"
	tar -C "$work/busybox" -c . |
		docker import --change 'ENTRYPOINT ["/bin/busybox"]' - pe-check/busybox
}

build_images() {
	docker image inspect "$base" >/dev/null 2>&1 ||
		docker pull "$base" >/dev/null 2>&1 ||
		bootstrap_base || return
	import_busybox || return
	compose -f docker/test-images/docker-compose.build.yml build || return
	# What earlier checks left behind; younger layers are the cache of the next one.
	docker image prune -f --filter until=168h
}

# ---- the run ------------------------------------------------------------------------------------

compose() {
	(cd "$source_dir" && timeout --foreground 1200 docker-compose -f "$compose_file" "$@")
}

inside() {
	nsenter --net="/run/netns/$netns" "$@"
}

fetch() {
	inside curl -sS -f --max-time 5 "$@"
}

shows_page() {
	fetch -H 'Accept: text/html' "$exporter/" | grep -q '<title>Packet Exporter</title>'
}

# The interface on the host's side of a container.
veth_of() {
	local index
	# By netlink: what /sys shows depends on where the container's was mounted from.
	index=$(docker exec "$1" /bin/busybox ip link show eth0 |
		sed -n 's/.*eth0@if\([0-9]*\):.*/\1/p') || return
	inside ip -o link | sed -n "s/^$index: \([^@:]*\)[@:].*/\1/p"
}

start_container() {
	docker run -d --name "$1" pe-check/busybox sleep 3600 >/dev/null || die "containers start"
}

ping_from_container() {
	docker run --rm pe-check/busybox ping -q -A -w 60 -c "$1" "$2" >/dev/null
}

# sum_samples FILTER...: sum of the samples of a text exposition (stdin) that contain every filter.
sum_samples() {
	awk 'BEGIN { for (i = 1; i < ARGC; i++) filter[i] = ARGV[i]; n = ARGC; ARGC = 1 }
	/^#/ { next }
	{ for (i = 1; i < n; i++) if (!index($0, filter[i])) next; sum += $NF }
	END { printf "%.0f\n", sum }' "$@"
}

# equals WANTED URL FILTER...
equals() {
	local wanted=$1 url=$2 page sum
	shift 2
	page=$(fetch "$url") || return
	sum=$(sum_samples "$@" <<<"$page")
	[ "$sum" = "$wanted" ] || {
		echo "$url has $sum, not $wanted, in samples with: $*"
		return 1
	}
}

# query WANTED PROMQL: the one value of an instant query.
query() {
	local answer
	answer=$(fetch --get --data-urlencode "query=$2" "$prometheus/api/v1/query") || return
	grep -q "\"value\":\[[0-9.]*,\"$1\"\]" <<<"$answer" || {
		echo "$2 is not $1: $answer"
		return 1
	}
}

# Every packet the kernel saw on the interface is there: counted, or named as not observed.
as_kernel() {
	local veth=$1 page rx tx
	page=$(fetch "$exporter/metrics") || return
	read -r rx tx < <(inside ip -s -o link show dev "$veth" |
		awk '{ gsub(/\\/, "\n"); print }' |
		awk '/RX:/ { getline; rx = $2 } /TX:/ { getline; print rx, $2 }')
	page=$(grep -E '^packet_exporter_(unobserved_)?packets_total' <<<"$page" |
		grep -F "\"$veth\"")
	[ "$rx $tx" = "$(sum_samples '"ingress"' <<<"$page") $(sum_samples '"egress"' <<<"$page")" ] || {
		printf '%s\nthe kernel has %s received, %s sent\n' "$page" "$rx" "$tx"
		return 1
	}
}

# of_process PID FILE: a file of a container's process, as the engine numbers them.
of_process() {
	nsenter -t "$(engine_pid)" --pid --mount cat "/proc/$1/$2"
}

confined() {
	local pid status
	pid=$(docker inspect -f '{{.State.Pid}}' "$1") && status=$(of_process "$pid" status) || return
	grep -E '^(Cap|NoNewPrivs|Seccomp)' <<<"$status"
	# NET_ADMIN (12) and SYS_ADMIN (21), or NET_ADMIN, PERFMON (38) and BPF (39).
	grep -qE '^CapBnd:\s+(0000000000201000|000000c000001000)$' <<<"$status" &&
		grep -qE '^NoNewPrivs:\s+1$' <<<"$status" &&
		grep -qE '^Seccomp:\s+2$' <<<"$status" &&
		of_process "$pid" mountinfo | awk '$5 == "/" { print $6; ro = /(^| )ro[, ]/ } END { exit !ro }'
}

# The program, libraries, certificates, and who is who: nothing that could run but the program and its
# loader.
image_files() {
	local id files
	id=$(docker create "$PE_IMAGE") || return
	files=$(docker export "$id" | tar -t)
	docker rm "$id" >/dev/null
	# What the engine itself puts in each container.
	! grep -vE '/$|^(packet-exporter|lib|lib64|[.]dockerenv|dev/console)$|^etc/(hostname|hosts|mtab|resolv.conf)$|^usr/lib(64|/[a-z0-9_]*-linux-gnu)?/(lib|ld-)[^/]*[.]so[.0-9]*$|^etc/(passwd|group|nsswitch.conf|ssl/certs/ca-certificates.crt)$' <<<"$files"
}

# With users, at another address, which its health check is not given.
secured() {
	mkdir -p "$work/web"
	# shellcheck disable=SC2016 # a hash
	printf "basic_auth_users:\n  prometheus: '%s'\n" \
		'$2b$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBuG' >"$work/web/web.yml"
	docker run -d --name pe-secured --network none --cap-drop ALL --cap-add NET_ADMIN \
		--cap-add "${PE_CAP_BPF:-SYS_ADMIN}" --cap-add "${PE_CAP_PERFMON:-SYS_ADMIN}" \
		--read-only --health-interval 1s -v "$work/web:/web:ro" \
		"$PE_IMAGE" --web.config.file=/web/web.yml --web.listen-address=:9999 &&
		wait_for 60 healthy pe-secured || {
		docker logs pe-secured
		docker inspect -f '{{json .State.Health}}' pe-secured
		return 1
	}
	docker stop pe-secured && docker rm pe-secured
}

image_small() {
	local size
	size=$(docker image inspect -f '{{.Size}}' "$PE_IMAGE") && echo "$size bytes" &&
		[ "$size" -le $((40 << 20)) ]
}

# With all profiles.
compose_valid() {
	compose --profile grafana config | grep "PE_WEB_LISTEN_ADDRESS: 127.0.0.1:$PE_PORT"
}

# named VETH LABEL...: these are labels of the interface.
named() {
	local veth=$1 page label
	shift
	page=$(fetch "$exporter/metrics" | grep "^packet_exporter_interface_info{.*\"$veth\"") || return
	for label; do
		[[ $page = *"$label"* ]] || {
			echo "no $label: $page"
			return 1
		}
	done
}

# has_workload WORKLOAD: a group has a live interface of it.
has_workload() {
	local page
	page=$(fetch "$exporter/metrics" | grep '^packet_exporter_group_interfaces{') || return
	grep -qF "workload=\"$1\"} 1" <<<"$page" || {
		printf 'no %s:\n%s\n' "$1" "$page"
		return 1
	}
}

healthy() {
	docker inspect -f '{{.State.Health.Status}}' "$1" | grep -x healthy
}

exit_status() {
	docker inspect -f '{{.State.ExitCode}}' "$1" | grep -x "$2"
}

no_complaint() {
	! docker logs "$1" 2>&1 | grep -E 'level=(warn|error)'
}

nothing_attached() {
	! inside ip -d link | grep xdp
}

# ---- containers that come and go ------------------------------------------------------------------

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

icmp='protocol="icmp"'
exporter=http://127.0.0.1:9817
pushgateway=http://127.0.0.1:9091
prometheus=http://127.0.0.1:9090
packets='packet_exporter_packets_total{'

run_stack() {
	local id i name address veth job total=0 short=5 each=20
	local -a veths wanted pings
	# Not the default, which stands in prometheus.yml.
	local -x PE_PORT=9816
	local exporter=http://127.0.0.1:$PE_PORT

	check "the image is small" image_small
	check "and has no program but ours" image_files
	check "it is healthy by its own check, whatever its address, with users" secured
	check "the compose file is valid, also with Grafana" compose_valid

	# One container is older than the exporter.
	start_container pe-check-1
	check "docker-compose up" compose up -d
	id=$(compose ps -q exporter)
	check "without Grafana, unless that is asked for" test -z "$(docker ps -q --filter name=grafana)"
	check "the exporter is ready" wait_for 60 fetch "$exporter/-/ready"
	check "the page is where README says" shows_page
	[ "$failed" -eq 0 ] || {
		docker logs "$id" 2>&1 | tail -n 20 | sed 's/^/# /'
		return
	}
	check "it holds the few capabilities that it needs, on a read-only root" confined "$id"

	# Long-lived containers: each is sent its own number of echo requests, and answers them.
	for i in 1 2 3; do
		name=pe-check-$i
		[ $i = 1 ] || start_container $name
		address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' $name)
		veths[i]=$(veth_of $name)
		wanted[i]=$((i * 100))
		ping_from_container "${wanted[i]}" "$address" || die "$name answers"
	done
	# Short-lived ones, all at once, to the last of those.
	for ((i = 0; i < short; i++)); do
		ping_from_container $each "$address" &
		pings[i]=$!
	done
	wait "${pings[@]}"
	wanted[3]=$((wanted[3] + short * each))

	for i in 1 2 3; do
		veth=${veths[i]} total=$((total + wanted[i]))
		check "/metrics has the ${wanted[i]} requests to container $i" wait_for 20 \
			equals "${wanted[i]}" "$exporter/metrics" "$packets" "\"$veth\"" '"egress"' "$icmp"
		check "/metrics has the ${wanted[i]} answers of container $i" wait_for 20 \
			equals "${wanted[i]}" "$exporter/metrics" "$packets" "\"$veth\"" '"ingress"' "$icmp"
		check "/metrics names container $i" wait_for 20 named "$veth" "container=\"pe-check-$i\"" \
			'workload="pe-check/busybox"' 'runtime="docker"'
		check "/metrics has as many packets of container $i as the kernel" wait_for 20 \
			as_kernel "$veth"
		check "the Pushgateway has the packets of container $i" wait_for 60 \
			equals $((2 * wanted[i])) "$pushgateway/metrics" "$packets" "\"$veth\"" "$icmp" \
			'job="packet_exporter_push"'
	done
	# A request and its answer pass two veths each, and half of these are gone by now.
	check "/metrics keeps the packets of the containers that are gone" wait_for 20 \
		equals $((4 * total)) "$exporter/metrics" "$packets" '"veth' "$icmp"

	check "a compose service is a workload" wait_for 20 has_workload packet-exporter/pushgateway

	# Meanwhile Prometheus takes what there is so far.
	run_services
	check "Prometheus scrapes the exporter" wait_for 60 query 1 'up{job="packet_exporter"}'
	check "Prometheus scrapes the Pushgateway" wait_for 60 query 1 'up{job="pushgateway"}'
	for job in packet_exporter packet_exporter_push; do
		check "Prometheus has every packet of $job" wait_for 60 query $((4 * total)) \
			"sum(${packets}job=\"$job\",$icmp} and on (job, interface)
			packet_exporter_interface_info{workload=\"pe-check/busybox\"})"
	done
	check "Prometheus has the rules" wait_for 60 query 1 \
		'group(job_instance_direction:packet_exporter_host_bytes:rate5m{job="packet_exporter"})'
	check "the health check passes" wait_for 60 healthy "$id"

	check "docker-compose stop" compose stop
	check "the exporter ends with status 0" exit_status "$id" 0
	check "the exporter warned of nothing" no_complaint "$id"
	check "no program stays attached" wait_for 10 nothing_attached
	[ "$failed" -eq 0 ] || docker logs "$id" 2>&1 | tail -n 40 | sed 's/^/# /'
	check "docker-compose down" compose down -v
}

[ "$(id -u)" -eq 0 ] || skip "needs root"
for tool in bpftool dockerd docker docker-compose debootstrap busybox curl ip nsenter promtool ps \
	python3 unshare; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

mkdir -p "$cache"
exec 9>"$cache/docker.lock"
flock -n 9 || skip "another check uses $cache/docker"
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-docker.XXXXXX")
# The engine is sent all of the folder: without what is built there, which others change meanwhile.
mkdir "$work/source"
tar -C "$source_dir" -c --exclude=./build --exclude=./.git . | tar -C "$work/source" -x
source_dir=$work/source
ip netns add "$netns" || skip "no network namespace can be made"
inside ip link set lo up

export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/config
export PE_IMAGE=pe-check/packet-exporter PE_PUSHGATEWAY_IMAGE=pe-check/pushgateway
export PE_PROMETHEUS_IMAGE=pe-check/prometheus PE_DOCKER_ROOT=$cache/docker

start_engine /proc/self/ns/net --bridge=none --iptables=false --ip-forward=false
if build_images >"$work/build.log" 2>&1; then
	ok "the image is built"
else
	die "the image is built" "$(tail -n 40 "$work/build.log")"
fi
stop_engine

start_engine "/run/netns/$netns"
# An engine that knows the narrow capabilities gets by without SYS_ADMIN.
if docker run --rm --cap-add BPF --cap-add PERFMON pe-check/busybox true 2>/dev/null; then
	export PE_CAP_BPF=BPF PE_CAP_PERFMON=PERFMON
fi
run_stack
run_storm
finish
