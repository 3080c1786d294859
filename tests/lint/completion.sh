#!/bin/sh
# What shells complete by: they know every option, and at a terminal bash and zsh make of a beginning
# what it should be. TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
source=$(cd "${PE_SRCDIR:-.}" && pwd) || exit 1
program=$(cd "${PE_BUILDDIR:-build}" && pwd)/packet-exporter || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

"$program" --help=bash-completion >"$work/packet-exporter"
"$program" --help=zsh-completion >"$work/_packet-exporter"
"$program" --help=markdown | sed -n 's/^| \(`-[a-zA-Z]`, \)\{0,1\}`--\([a-z.-]*\).*/--\2/p' | sort >"$work/options"
grep -o -- '--[a-z][a-z.-]*=\{0,1\} ' "$work/packet-exporter" | tr -d '= ' | sort -u >"$work/bash"
sed -n "s/^\t'\**\(--[a-z.-]*\).*/\1/p" "$work/_packet-exporter" | tr -d '=' | sort >"$work/zsh"
for shell in bash zsh; do
	[ -s "$work/options" ] || echo 'no options' >"$work/options"
	result "$shell completes every option" "$(diff "$work/options" "$work/$shell")"
done

# What is typed, $ for a tabulator; what the command's arguments then are.
cat >"$work/lines" <<'END'
--xdp.m$ge$|<--xdp.mode=generic>
--xdp.mode n$|<--xdp.mode><native>
--interface.labels=pod,work$|<--interface.labels=pod,workload>
--check$--ver$|<--check-config><--version>
--help=z$|<--help=zsh-completion>
--onc$ --sandbox=of$|<--once><--sandbox=off>
--web.config.file=opt$|<--web.config.file=options>
--push.job=opt$|<--push.job=opt>
END
for shell in bash zsh; do
	if ! command -v $shell >/dev/null; then
		skip "$shell completes at a terminal" "$shell is not installed"
		continue
	fi
	cut -d '|' -f 1 "$work/lines" |
		python3 -B "$source/tests/lint/completion.py" $shell "$work" >"$work/typed" 2>&1
	result "$shell completes at a terminal" "$(
		cut -d '|' -f 2 "$work/lines" | diff - "$work/typed"
	)"
done

finish
