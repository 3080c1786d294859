# shellcheck shell=bash
# DNS of a container, in a VLAN of its veth: of queries to a server on the host so many answers of each
# code, and those that have none. As nobody with the three capabilities and no other.

ulimit -l unlimited
load veth 8021q

# What the veth has: the code, or what became of the others, and how many.
counted() {
	scrape | sed -nE 's/^packet_exporter_dns_(queries|unanswered|repeated|untracked|unmatched_answers)_total\{interface="d0",direction="ingress"\} /\1 /p
		s/^packet_exporter_dns_answers_total\{interface="d0",direction="ingress",rcode="([a-z]*)"\} /\1 /p
		s/^packet_exporter_dns_answer_duration_seconds_count\{interface="d0",direction="ingress"\} /timed /p' | sort
}

agrees() {
	[ "$(counted)" = "$expected" ]
}

# 64 queries: codes 0 to 14 four times, of which 11 to 14 have no name, and four without an answer.
expected=$(for code in formerr noerror notauth notimp notzone nxdomain nxrrset; do
	echo "$code 4"
done
printf '%s\n' 'other 16' 'queries 64' 'refused 4' 'servfail 4' 'timed 60' 'unanswered 4' 'yxdomain 4' 'yxrrset 4')

capabilities=-all,+net_admin,+bpf,+perfmon
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=$capabilities --ambient-caps=$capabilities \
	--bounding-set=$capabilities --no-new-privs \
	packet-exporter --workers=1 --identity=off --drops=off --tcp=off --dns=on --interface.detail=full \
	--log.level=debug >/tmp/exporter.log 2>&1 &
exporter=$!
if ! ready_within 300; then
	not_ok "the exporter starts" "$(</tmp/exporter.log)"
fi
ip netns add inside
ip link add d0 type veth peer name d1 netns inside
ip link add link d0 name d0.7 type vlan id 7
ip address add 10.98.0.1/24 dev d0.7
ip link set d0 up
ip link set d0.7 up
ip -n inside link add link d1 name d1.7 type vlan id 7
ip -n inside address add 10.98.0.2/24 dev d1.7
ip -n inside link set d1 up
ip -n inside link set d1.7 up
traffic dns-serve 10.98.0.1 &
server=$!
answers=$(ip netns exec inside traffic dns-ask 10.98.0.1 64)
if [ "$answers" = 60 ] && wait_for 60 agrees; then
	ok "queries, answers by their code, and those without"
	feature dns yes
else
	not_ok "queries, answers by their code, and those without" "$answers answers" "$(counted)" \
		"$(scrape | grep _dns_)" "$(</tmp/exporter.log)"
fi
if [[ $(bpftool prog show) = *' name pe_dns_send '* ]]; then
	ok "its programs are loaded"
else
	not_ok "its programs are loaded" "$(bpftool prog show)"
fi
exporter_end TERM
kill $server
ip netns del inside
if wait_for 60 nothing_attached; then
	ok "nothing stays attached"
else
	not_ok "nothing stays attached" "$(attached)"
fi
