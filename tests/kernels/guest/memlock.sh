# shellcheck shell=bash
# As nobody with three capabilities and no other. Before 5.11 the kernel charges maps to RLIMIT_MEMLOCK: a
# refusal because of it says so. What of the exporter works is told by itself.

# as_nobody COMMAND…: with the capabilities that the exporter asks for, and no others. The process
# becomes the command: call it in a subshell.
as_nobody() {
	local caps=-all,+net_admin,+bpf,+perfmon
	exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
		--inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps "$@"
}

# start_as_nobody KIBIBYTES: of memory that may be locked.
start_as_nobody() {
	(
		ulimit -l "$1"
		as_nobody packet-exporter --workers=1 --log.level=debug
	) >/tmp/exporter.log 2>&1 &
	exporter=$!
	ready_within 120
}

# says METRIC VALUE
says() {
	grep -qxF "packet_exporter_$1 $2" /tmp/metrics
}

is_sandboxed() {
	says 'sandbox_active{kind="seccomp"}' 1 && says denied_system_calls_total 0 &&
		[ "$(sed -n 's/^Seccomp:\t//p' /proc/$exporter/status)" = 2 ]
}

# What is not there is logged once, and the other half holds. Landlock came with 5.13.
has_landlock() {
	says 'sandbox_active{kind="landlock"}' 1
}

landlock_is_logged() {
	local lines
	lines=$(grep -c 'no Landlock' /tmp/exporter.log || true)
	if has_landlock; then [ "$lines" = 0 ]; else [ "$lines" = 1 ]; fi
}

# has WORD: the programs that were loaded do this.
has() {
	grep -q "loaded, with .*\b$1\b" /tmp/exporter.log
}

of_itself() {
	scrape >/tmp/metrics
	if is_sandboxed && landlock_is_logged; then
		ok "has a sandbox of system calls, and says once what it lacks"
	else
		not_ok "has a sandbox of system calls, and says once what it lacks" \
			"$(grep -E 'sandbox_active|denied' /tmp/metrics)" "$(</tmp/exporter.log)"
	fi
	feature_since 5.10 seccomp is_sandboxed
	feature_since 5.13 landlock has_landlock
	feature_since 5.10 egress says egress_attached 1
	feature_since 5.10 drops says drops_attached 1
	feature_since 5.18 frags has frags
	feature_since 6.2 netns has namespaces
	feature_since 6.12 pages has pages
}

if start_as_nobody 64; then
	feature memlock yes
elif grep -q RLIMIT_MEMLOCK /tmp/exporter.log; then
	ok "a refusal for want of locked memory names RLIMIT_MEMLOCK"
	feature memlock "$(missing_since 5.11)"
	wait $exporter || true
	start_as_nobody unlimited || true
else
	not_ok "a refusal for want of locked memory names RLIMIT_MEMLOCK" "$(</tmp/exporter.log)"
fi
if ready_within 120; then
	ok "starts with three capabilities"
	feature privileges yes
	of_itself
	exporter_end TERM
else
	not_ok "starts with three capabilities" "$(</tmp/exporter.log)"
fi
