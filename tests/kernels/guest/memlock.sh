# shellcheck shell=bash
# Before 5.11 the kernel charges maps to RLIMIT_MEMLOCK. A refusal because of it says so.

# as_nobody COMMAND…: with the capabilities that the exporter asks for, and no others. The process
# becomes the command: call it in a subshell.
as_nobody() {
	local caps=-all,+net_admin,+bpf,+perfmon
	exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
		--inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps "$@"
}

if (ulimit -l 64 && as_nobody timeout 120 packet-exporter --workers=1) >/tmp/exporter.log 2>&1; then
	not_ok "64 KiB are refused" "$(</tmp/exporter.log)"
elif grep -q RLIMIT_MEMLOCK /tmp/exporter.log; then
	ok "a refusal for want of locked memory names RLIMIT_MEMLOCK"
else
	not_ok "a refusal for want of locked memory names RLIMIT_MEMLOCK" "$(</tmp/exporter.log)"
fi

ulimit -l unlimited
as_nobody packet-exporter --workers=1 >/tmp/exporter.log 2>&1 &
exporter=$!
if ready_within 120; then
	ok "starts with enough of it"
	# Landlock came with 5.13. What is not there is logged once, and the other half holds.
	traffic get $web_port /metrics >/tmp/metrics 2>&1 || true
	if grep -qxF 'packet_exporter_sandbox_active{kind="landlock"} 0' /tmp/metrics &&
		grep -qxF 'packet_exporter_sandbox_active{kind="seccomp"} 1' /tmp/metrics &&
		[ "$(grep -c 'no Landlock' /tmp/exporter.log)" = 1 ] &&
		[ "$(sed -n 's/^Seccomp:\t//p' /proc/$exporter/status)" = 2 ]; then
		ok "a kernel without Landlock has a sandbox of system calls, and says so"
	else
		not_ok "a kernel without Landlock has a sandbox of system calls, and says so" \
			"$(grep sandbox_active /tmp/metrics)" "$(</tmp/exporter.log)"
	fi
	exporter_end TERM
else
	not_ok "starts with enough of it" "$(</tmp/exporter.log)"
fi
