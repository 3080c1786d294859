# shellcheck shell=bash
# Whose packets: what docker-compose does to its services, containers that share a namespace, names
# that collide, and names that are odd. For docker/check.sh to source, which starts the engine and the
# exporter.
#
# Each container sends a known number of echo requests to the gateways of its networks as it starts, so
# that each start of a service adds to the sum of its workload, and to no other's.

services_each=10 # by each container of a service, to each of its gateways
# The last byte is no text; the engine keeps U+FFFD for it, which is shown as the bytes that it is.
services_odd=$'q"uo\te\n\\n é\xff'
services_odd_shown=$'q\\"uo\te\\n\\\\n é�ef�bf�bd'

services_write() {
	cat >"$work/services.yml" <<-'END'
		version: "3.8"
		x-sends: &sends
		  image: ${PE_SERVICE_IMAGE}
		  command: [sh, -c, '${PE_SERVICE_SENDS} && sleep 3600']
		  stop_signal: SIGKILL
		services:
		  web: {<<: *sends, networks: [front]}
		  both: {<<: *sends, networks: [front, back]}
		  side: {<<: *sends, network_mode: "service:both"}
		  hosted: {<<: *sends, network_mode: host, command: [sleep, "3600"]}
		networks: {front: , back: }
	END
}

# services_sends COUNT: what a container does to send that many requests to the gateway of each network.
services_sends() {
	echo "for i in \$(ip route | sed -n 's|[.]0/.*|.1|p'); do ping -q -A -c $1 \$i || exit; done"
}

# services PROJECT ARGUMENT...: docker-compose on them.
services() {
	PE_SERVICE_IMAGE=${services_image:-pe-check/busybox} PE_SERVICE_SENDS=$(services_sends $services_each) \
		timeout --foreground 300 docker-compose -f "$work/services.yml" -p "$@" 9>&-
}

# services_run COUNT OPTION... IMAGE: a container that sends and goes.
services_run() {
	local count=$1
	shift
	docker run --rm "$@" sh -c "$(services_sends "$count")" >/dev/null
}

# Beside the services: two of one name, one after the other, the second with another image; labels with
# what needs escapes; one in the host's namespace, which sends to a container.
services_others() {
	local address
	services two up -d web &&
		services_run 3 --name pe-twin pe-check/twin-a &&
		services_run 4 --name pe-twin pe-check/twin-b &&
		services_run 5 --label com.docker.compose.project="$services_odd" \
			--label com.docker.compose.service="$services_odd" pe-check/busybox || return
	address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' two_web_1) &&
		docker run --rm --network host pe-check/busybox ping -q -A -c 6 "$address"
}

# Echo packets of veths' groups: ingress, egress and workload, escaped as they are.
services_sums() {
	fetch "$exporter/metrics" | awk '
		!/^packet_exporter_group_packets_total{.*kind="veth"/ || !/protocol="icmp"/ { next }
		{
			match($0, /workload="([^"\\]|\\.)*"/)
			workload = substr($0, RSTART + 10, RLENGTH - 11)
			sum[workload, /direction="egress"/ ? "egress" : "ingress"] += $NF
			if ($NF) seen[workload]
		}
		END { for (i in seen) print sum[i, "ingress"], sum[i, "egress"], i }' | LC_ALL=C sort -k 3
}

# services_equal WANTED: these are the sums.
services_equal() {
	diff -U 0 <(LC_ALL=C sort -k 3 <<<"$1") <(services_sums)
}

# services_sum WORKLOAD WANTED: as many requests, and answers.
services_sum() {
	services_sums | grep -xF "$2 $2 $1" || {
		services_sums
		return 1
	}
}

# services_info COUNT LABEL...: so many interfaces have all of these labels.
services_info() {
	local wanted=$1 label page
	shift
	page=$(fetch "$exporter/metrics" | grep '^packet_exporter_interface_info{') || return
	for label; do
		page=$(grep -F "$label" <<<"$page")
	done
	[ "$(grep -c . <<<"$page")" = "$wanted" ] || {
		printf 'not %s with: %s\n%s\n' "$wanted" "$*" "$page"
		return 1
	}
}

# Without docker-compose, which takes longer; the networks go with the engine.
services_remove() {
	docker ps -aq --filter name='_(web|both|side|hosted)_' | timeout 60 xargs docker rm -f
}

# Pages, until the file `$work/pages/end` is there.
services_watch() {
	local i
	for ((i = 1000; i < 2000; i++)); do
		[ -d "$work/pages" ] || return
		fetch "$exporter/metrics" -o "$work/pages/part" && mv "$work/pages/part" "$work/pages/$i"
		[ ! -e "$work/pages/end" ] || return 0
		sleep 0.5
	done
}

# No counter of a group or of the host goes back from page to page, or goes away.
services_steady() {
	local pages=("$work"/pages/1*)
	echo "${#pages[@]} pages"
	awk '
		FNR == 1 { page++ }
		!/^packet_exporter_(group|host)_[a-z_]*_(total|count|sum|bucket){/ { next }
		{
			value = $NF; sub(/ [^ ]*$/, "")
			if (value < last[$0]) { print FILENAME, $0, last[$0], value; bad = 1 }
			last[$0] = value; in_page[$0] = page
		}
		END {
			for (i in in_page) if (in_page[i] != page) { print "gone:", i; bad = 1 }
			exit bad || page < 5
		}' "${pages[@]}"
}

# Both text formats, by their parsers; the labels are again what they were.
services_parsed() {
	fetch "$exporter/metrics" | promtool check metrics >"$work/promtool" 2>&1 || {
		cat "$work/promtool"
		return 1
	}
	fetch -H 'Accept: application/openmetrics-text; version=1.0.0' "$exporter/metrics" |
		/usr/bin/python3 -B -c '
import sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families
odd = sys.argv[1].encode(errors="surrogateescape").decode(errors="replace")
odd = odd.replace("\ufffd", "\ufffdef\ufffdbf\ufffdbd")
workloads = {s.labels.get("workload") for f in text_fd_to_metric_families(sys.stdin) for s in f.samples}
sys.exit(f"{odd}/{odd}" not in workloads and repr(workloads))' "$services_odd"
}

run_services() {
	local before watcher others
	services_write
	mkdir "$work/pages"
	for others in twin-a twin-b busybox:2; do
		docker tag pe-check/busybox "pe-check/$others" || die "images have names"
	done
	before=$(services_sums)
	services_watch 2>"$work/pages-errors" 9>&- &
	watcher=$!
	services_others >"$work/others" 2>&1 9>&- &
	others=$!

	check "docker-compose starts services" services one up -d
	check "a service is a workload" wait_for 20 services_sum one/web 10
	check "scaled to two" services one up -d --scale web=2
	check "both are its workload's" wait_for 20 services_sum one/web 20
	check "restarted" services one restart web
	check "both are, again" wait_for 20 services_sum one/web 40
	services_image=pe-check/busybox:2 check "scaled to one, and that replaced by another image" \
		services one up -d --no-deps --scale web=1 web
	check "the new one is" wait_for 20 services_sum one/web 50
	check "its image is the new one" services_info 1 'workload="one/web"' 'image="pe-check/busybox:2"'
	check "both networks of a container carry its name" \
		services_info 2 'container="one_both_1"' 'workload="one/both"'
	check "one that shares a namespace names no interface" services_info 0 _side_
	check "nor does one in the host's" services_info 0 _hosted_
	wait $others || not_ok "others come and go" "$(cat "$work/others")"
	check "two of one name are two" services_info 2 'container="pe-twin"'
	check "each with its own image" services_info 1 'container="pe-twin"' 'image="pe-check/twin-a"'
	check "labels that need escapes are read by both parsers" services_parsed
	check "all are removed" services_remove
	check "each packet is its workload's, also of those that shared a namespace, and of no other" \
		wait_for 20 services_equal "$before${before:+$'\n'}50 50 one/web
40 40 one/both
16 16 two/web
3 3 pe-check/twin-a
4 4 pe-check/twin-b
5 5 $services_odd_shown/$services_odd_shown"
	touch "$work/pages/end"
	wait $watcher
	check "no counter of a group or of the host went back" services_steady
}
