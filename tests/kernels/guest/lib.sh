# shellcheck shell=bash
# What the tests of the guests share. TAP goes to descriptor 3, all else is the console.
tests=0
web_port=9817

ok() {
	tests=$((tests + 1))
	echo "ok - $release $test: $*" >&3
}

# not_ok NAME [LINE…]: the lines say what was seen.
not_ok() {
	tests=$((tests + 1))
	echo "not ok - $release $test: $1" >&3
	shift
	[ $# = 0 ] || note "$@"
}

# note LINE…: what a reader of a failure wants to know.
note() {
	printf '%s\n' "$@" | sed 's/^/# /' >&3
}

# feature NAME WORD: of the table src/config/kernels.def, whose words say what is missing, and why.
feature() {
	echo "# feature $release $1 $2" >&3
}

# missing_since VERSION: the word for what came to Linux with it, if it is not there: `older`, or on a kernel that
# has to have it `no`, which is no word of the table.
missing_since() {
	if [ "$(printf '%s\n' "$1" "$release" | sort -V | head -n 1)" = "$1" ]; then
		echo no
	else
		echo older
	fi
}

# feature_since VERSION NAME COMMAND…: it is there if the command succeeds.
feature_since() {
	local version=$1 name=$2
	shift 2
	if "$@"; then
		feature "$name" yes
	else
		feature "$name" "$(missing_since "$version")"
	fi
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# load MODULE…: those that the kernel has.
load() {
	modprobe -qa "$@" || true
}

# ready_within SECONDS: the exporter is.
ready_within() {
	traffic await $web_port /-/ready "$1" "$exporter"
}

# Without the programs that look for containers, drops and connections: most of what emulation takes for a
# start, and nothing to most tests.
few=(--identity=off --drops=off --tcp=off)

# exporter_start [OPTION…]: sets exporter to its process id. Its log is /tmp/exporter.log. The kernel
# verifies the programs in software emulation, too: this may take long on a busy machine.
exporter_start() {
	packet-exporter --workers=1 "$@" >/tmp/exporter.log 2>&1 &
	exporter=$!
	if ! ready_within 120; then
		echo "the exporter does not start:"
		cat /tmp/exporter.log
		traffic get $web_port /-/ready || echo "status $?"
		dmesg | tail -n 20
		return 1
	fi
}

# exporter_end SIGNAL
exporter_end() {
	kill "-$1" "$exporter"
	wait "$exporter" 2>/dev/null || true
}

scrape() {
	traffic get $web_port /metrics
}

# The counters of the kernel, from /proc/net/dev on standard input, in one read of one file:
# DEVICE DIRECTION kernel_packets|kernel_bytes VALUE
kernel_counts() {
	awk 'sub(/:/, " ") {
		print $1, "ingress", "kernel_bytes", $2
		print $1, "ingress", "kernel_packets", $3
		print $1, "egress", "kernel_bytes", $10
		print $1, "egress", "kernel_packets", $11
	}'
}

# The same of the exporter, from a scrape on standard input, and more names than the kernel has:
# DEVICE DIRECTION packets|bytes|unobserved_packets|… VALUE, summed over all other labels.
exporter_counts() {
	awk '/^packet_exporter_((unobserved|overcounted)_)?(packets|bytes)_total\{/ {
		name = $1
		sub(/_total\{.*/, "", name)
		sub(/^packet_exporter_/, "", name)
		match($1, /interface="[^"]*"/)
		device = substr($1, RSTART + 11, RLENGTH - 12)
		match($1, /direction="[^"]*"/)
		direction = substr($1, RSTART + 11, RLENGTH - 12)
		sum[device " " direction " " name] += $2
	} END { for (key in sum) printf "%s %.0f\n", key, sum[key] }'
}

# How the ingress of each device is counted, from a scrape: DEVICE mode MODE [REASON]
exporter_modes() {
	sed -nE 's/^packet_exporter_interface_mode\{(.*)\} 1$/,\1/p' |
		sed -E 's/.*,interface="([^"]*)".*,mode="([^"]*)".*/\1 mode \2 &/
			s/^([^ ]+ mode [^ ]+) .*,reason="([^"]*)".*/\1 \2/'
}

# The devices that have to be still for a snapshot, a pattern of lines of /proc/net/dev.
watched=:

is_still() {
	cmp -s <(grep "$watched" /tmp/before) <(grep "$watched" /tmp/after)
}

# snapshot FILE: both sides at one moment at which none of them moves: DEVICE DIRECTION NAME VALUE, the
# kernel's names with `kernel_` before, and DEVICE mode MODE REASON.
snapshot() {
	local attempt
	for attempt in $(seq 20); do
		grep -v ' lo:' /proc/net/dev >/tmp/before
		scrape >/tmp/scrape
		grep -v ' lo:' /proc/net/dev >/tmp/after
		! is_still || break
		sleep 0.2
	done
	[ "$attempt" -lt 20 ] || echo "snapshot: never quiet"
	{
		kernel_counts </tmp/after
		exporter_counts </tmp/scrape
		exporter_modes </tmp/scrape
	} >"$1"
}

# difference BEFORE AFTER: DEVICE DIRECTION, then packets and bytes of the kernel, of the exporter,
# unobserved and overcounted, then the mode at the end.
difference() {
	awk '
		$2 == "mode" { mode[$1] = $3 ($4 == "" ? "" : "/" $4); next }
		FNR == NR { old[$1, $2, $3] = $4; next }
		{ value[$1, $2, $3] = $4 - old[$1, $2, $3]; row[$1 " " $2] = 1 }
		function of(key, name, part) {
			split(key, part)
			return " " value[part[1], part[2], name "packets"] + 0 \
				" " value[part[1], part[2], name "bytes"] + 0
		}
		END {
			for (key in row) {
				split(key, part)
				print key of(key, "kernel_") of(key, "") of(key, "unobserved_") \
					of(key, "overcounted_"), part[1] in mode ? mode[part[1]] : "-"
			}
		}' "$1" "$2" | sort
}

# readable: a difference in words.
readable() {
	awk '{
		packets = $5 - $3
		bytes = $6 - $4
		verdict = packets || bytes ? "DIFFERS" : "equal"
		printf "%-8s %-13s %-7s kernel %5d/%-7d seen %5d/%-7d %+d/%+d",
			verdict, $1, $2, $3, $4, $5, $6, packets, bytes
		if (!packets && bytes) printf " (%+.2f bytes a packet)", bytes / $3
		if ($7 || $8) printf " unobserved %d/%d", $7, $8
		if ($9 || $10) printf " overcounted %d/%d", $9, $10
		printf " mode %s\n", $11
	}'
}

# Programs and links of the exporter: none may outlive it.
attached() {
	bpftool prog show | grep ' name pe_' || true
	bpftool link show | grep -E 'xdp|tracing' || true
	ip -details link show | grep 'prog/xdp' || true
}

nothing_attached() {
	[ -z "$(attached)" ]
}
