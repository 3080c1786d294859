#!/usr/bin/env bash
# Boots the kernels and runs their tests, two guests at a time, as one TAP stream.
#
#   PE_KERNELS=some   the oldest kernel of the class 5.10 and the newest that Debian has; the loop
#                     of starts on the oldest of the class after 5.10, too (the default)
#   PE_KERNELS=all    everything on the oldest and newest 5.10, on 6.1, 6.12 and the newest
set -euo pipefail
cd "${PE_SRCDIR:-$(dirname "$0")/../..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each guest: its kernel and its test. The longest come first.
if [ "${PE_KERNELS:-some}" = all ]; then
	guests=()
	for kernel in 5.10 5.10-newest 6.1 6.12 newest; do
		case $kernel in
		5.10*) guests+=("$kernel memlock+kinds") ;;
		*) guests+=("$kernel kinds") ;;
		esac
		guests+=("$kernel cards" "$kernel drops+starts" "$kernel cpus")
	done
else
	# Sixty starts in two guests, each on a CPU; a guest's number of them is part of its name. Most of them
	# are without the programs that look for containers, which are most of what emulation takes for a
	# start; the others and other tests have these. Each guest less is a boot less.
	guests=('5.10 memlock+kinds+identity+drops+starts 16' '5.10 starts 45,--identity=off,--drops=off' 'newest kinds+identity' 'newest cards'
		'5.10 cards' 'after-5.10 drops+starts 10' 'after-5.10 cpus')
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
done | awk '
	/^1\.\./ { next }
	/^(not )?ok / { count++; sub(/ok -/, "ok " count " -") }
	{ print }
	END { print "1.." count + 0 }'
