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
# shellcheck source=storm.sh
. "$source_dir/docker/storm.sh"
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

# With all profiles. All that listens or is published does so on loopback.
compose_valid() {
	local config places
	config=$(PE_REMOTE_WRITE_URL=http://127.0.0.1:8428/api/v1/write \
		compose --profile grafana --profile victoria config) &&
		grep "PE_WEB_LISTEN_ADDRESS: 127.0.0.1:$PE_PORT" <<<"$config" &&
		grep "PE_REMOTE_WRITE_URL: http://127.0.0.1:8428/api/v1/write" <<<"$config" || return
	places=$(grep -E 'listen[-_]?addr|HTTP_ADDR|^ *- (.*:)?[0-9]+:[0-9]+(/tcp)?$|host_ip' -i <<<"$config")
	echo "$places"
	[ "$(wc -l <<<"$places")" -ge 5 ] && ! grep -v '127\.0\.0\.1' <<<"$places"
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

# ---- all of it -----------------------------------------------------------------------------------

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
	check "the compose file is valid, also with Grafana and VictoriaMetrics" compose_valid

	# One container is older than the exporter.
	start_container pe-check-1
	check "docker-compose up" compose up -d
	id=$(compose ps -q exporter)
	check "without Grafana and VictoriaMetrics, unless these are asked for" test -z \
		"$(docker ps -q --filter name=grafana --filter name=victoria)"
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
