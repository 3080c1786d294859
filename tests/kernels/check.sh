#!/usr/bin/env bash
# Boots the kernels and runs their tests, two guests at a time, as one TAP stream. What they report of
# features is compared with src/config/kernels.def.
#
#   PE_KERNELS=some   the oldest kernel of the class 5.10 and the newest that Debian has; the loop
#                     of starts on the oldest of the class after 5.10, too (the default)
#   PE_KERNELS=all    everything on the oldest and newest 5.10, on 6.1, 6.12 and the newest, and on the
#                     flavours of these for virtual machines; the table is written anew. Of these, the
#                     kernels in PE_KERNELS_ONLY alone, if it is set: then the table stays
set -euo pipefail
cd "${PE_SRCDIR:-$(dirname "$0")/../..}"
table=src/config/kernels.def
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each guest: its kernel and its test. The longest come first.
if [ "${PE_KERNELS:-some}" = all ]; then
	guests=()
	for kernel in ${PE_KERNELS_ONLY:-newest 5.10 6.1 6.12 newest-cloud 5.10-newest-cloud 6.1-cloud 6.12-cloud 5.10-newest}; do
		guests+=("$kernel memlock+storm+kinds" "$kernel cards" "$kernel identity+drops+dns+starts 16" "$kernel cpus")
	done
else
	# Sixty starts of each of two kernels; a guest's number of them is part of its name. Most of them are without
	# the programs that look for containers, drops and connections, and without flows, which are most of what
	# emulation takes for a start; the others and other tests have these. Each guest less is a boot less.
	few=--identity=off,--drops=off,--tcp=off
	guests=('5.10 memlock+storm+kinds+identity+drops+dns+starts 6' 'newest kinds+identity'
		"5.10 starts 54,$few,--flows=off" "after-5.10 drops+starts 60,$few,--flows=off"
		'newest cards' '5.10 cards' 'after-5.10 cpus')
fi

number=0
for guest in "${guests[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || true
	done
	number=$((number + 1))
	# shellcheck disable=SC2086 # a kernel and a test
	(
		tests/kernels/boot $guest || echo "not ok - boot $guest"
	) >"$work/$number" &
done
wait
for number in $(seq "$number"); do
	cat "$work/$number"
	sed -n "s/^# feature /${guests[number - 1]%% *} /p" "$work/$number" >>"$work/reports"
done >"$work/results"

written=
[ "${PE_KERNELS:-some}${PE_KERNELS_ONLY:-}" != all ] || written=$work/table
awk -v write="$written" -f tests/kernels/table.awk "$work/reports" $table >>"$work/results"
[ -z "$written" ] || cmp -s "$written" $table || cp "$written" $table
awk '
	/^1\.\./ { next }
	/^(not )?ok / { count++; sub(/ok -/, "ok " count " -") }
	{ print }
	END { print "1.." count + 0 }' "$work/results"
