#!/bin/sh
# The architecture as a test: a folder includes only lower layers, those of one layer never include
# each other, and each foreign library has one folder. TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
cd "${PE_SRCDIR:-.}" || exit 1

# The contract headers of each layer.
base='abi|abi_dns|abi_drops|arena|cleanup|clock|endpoint|flow|gzip|ifkey|log|loop|memory|row|strbuf|table|text|thread|user|utf8'
net='faults|features|link'
xdp='dns|drops|xdp|ring|tasks|tcp'
identity='identity'
series='group|sample|registry'
expose='encode|catalogue|otlp|remote'
collect='shard|top|workers'
deliver='push|remote_write|sink'
web='http|listen|page|web'
config='options'
iface='interfaces'
daemon='healthcheck|supervisor'

# may FOLDER HEADERS: every pe/ header that the folder includes is one of these.
may() {
	result "src/$1 includes only lower layers" "$(
		grep -rnE '^#include "pe/' "src/$1" | grep -vE "\"pe/($2)\.h\""
	)"
	result "src/$1 reaches into no other folder" "$(
		grep -rnE '^#include "(\.\./|src/)' "src/$1"
	)"
}

may base "$base"
may net "$base|$net"
may xdp "$base|$xdp"
may identity "$base|tasks|$identity"
may series "$base|$identity|$series"
may expose "$base|$identity|$series|$expose"
may collect "$base|$xdp|$series|$collect"
may deliver "$base|$series|$expose|$deliver"
may web "$base|$series|$expose|$web"
may config "$base|link|group|catalogue|$identity|$deliver|$web|$config"
may iface "$base|$net|$xdp|$identity|$series|$config|$iface"
may daemon "$base|$net|$xdp|$identity|$series|$collect|$deliver|$web|$config|$iface|$daemon"

# owns FOLDER HEADERS: the contracts that are the folder's.
owns() {
	echo "$2" | tr '|' '\n' | sed "s/^/owns $1 /"
}

result 'the table of src/README.md has each folder above those that it includes' "$(
	{
		owns base "$base"
		owns net "$net"
		owns xdp "$xdp"
		owns identity "$identity"
		owns series "$series"
		owns expose "$expose"
		owns collect "$collect"
		owns deliver "$deliver"
		owns web "$web"
		owns config "$config"
		owns iface "$iface"
		owns daemon "$daemon"
		sed -n 's,^| `src/\([a-z]*\)/` | \([0-9]*\) |.*,layer \1 \2,p' src/README.md
		grep -rE '^#include "pe/' src |
			sed -n 's,^src/\([a-z]*\)/.*"pe/\([a-z0-9_]*\)\.h".*,includes \1 \2,p' | sort -u
	} | awk '
		$1 == "owns" { owner[$3] = $2 }
		$1 == "layer" { layer[$2] = $3 }
		$1 != "includes" || $2 == owner[$3] { next }
		!($2 in layer) || !(owner[$3] in layer) || layer[$2] <= layer[owner[$3]] {
			print $2 " includes pe/" $3 ".h of " owner[$3]
		}'
)"

# only FOLDER PATTERN: nobody else includes this library.
only() {
	result "only src/$1 includes $2" "$(
		grep -rnE "^#include <($2)" src include | grep -v "^src/$1/"
	)"
}
only base 'zlib'
only net 'netlink/'
only xdp 'bpf/'
only web 'microhttpd|gnutls/|yaml|crypt|gmp'
only deliver 'curl/'
only identity 'jansson'
only expose 'snappy'
only daemon 'seccomp|sys/capability'

result 'bpf/ includes of ours only those of the ABI' "$(
	grep -nE '^#include "pe/' bpf/* | grep -vE '"pe/abi(_drops|_dns)?.h"'
)"
result 'every path of an XDP or TCX program passes the packet' "$(
	grep -nE 'XDP_(DROP|ABORTED|TX|REDIRECT)|TCX_(PASS|DROP|REDIRECT)|TC_ACT_' bpf/*
)"
result 'no source file is over 500 lines' "$(
	find src bpf include -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 500'
)"
# From its name to its closing brace.
result 'no function is over 60 lines' "$(
	find src bpf include -name '*.[ch]' -exec awk '
		FNR == 1 { first = 0 }
		/^[a-zA-Z_].*\(/ && !/;$/ {
			first = FNR
			name = $0
		}
		/^}/ && first {
			lines = FNR - first + 1
			if (lines > 60)
				print FILENAME ": " name ": " lines
			first = 0
		}' {} +
)"

if command -v clang-format >/dev/null; then
	result 'sources are formatted' "$(
		find src bpf include tests -name '*.[ch]' -exec clang-format --dry-run {} + 2>&1 |
			grep -E 'warning:' | cut -d: -f1 | sort -u
	)"
else
	skip "sources are formatted" "clang-format is not installed"
fi
finish
