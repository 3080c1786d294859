#!/bin/sh
# The program is hardened as configure says it is: read from the ELF file. That each look can fail is
# seen with a program that is compiled without. TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
build=${PE_BUILDDIR:-build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

pie() { readelf -hW "$1" | grep -qE 'Type: +DYN' && readelf -dW "$1" | grep -q 'FLAGS_1.*PIE'; }
relro() { readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS_1.*NOW'; }
stack() { readelf -lW "$1" | grep GNU_STACK | grep -q ' RW  *0x' && ! readelf -lW "$1" | grep -q RWE; }
protector() { readelf -W --dyn-syms "$1" | grep -q __stack_chk_fail; }
fortify() { [ "$(readelf -W --dyn-syms "$1" | grep -cE ' __[a-z]+_chk(@|$)')" -ge "${2:-1}" ]; }
cet() { readelf -nW "$1" | grep -qE 'IBT, SHSTK|BTI'; }

# unmarked OBJECT…: those that cet() does not find the mark in, of two or more, which readelf names.
unmarked() {
	readelf -nW "$@" | awk -v count=$# '
		function said() { if (file != "" && !marked) print file " is not" }
		sub(/^File: /, "") { said(); file = $0; marked = 0; files++; next }
		/IBT, SHSTK|BTI/ { marked = 1 }
		END { said(); if (files != count) print files + 0 " of " count " objects are read" }'
}

variable() {
	sed -n "s/^$1 = //p" "$build/Makefile"
}

case "$(variable PE_CFLAGS) $(variable PE_LDFLAGS)" in
*-stack-protector* | *relro*) ;;
*)
	echo '1..0 # SKIP configured with --disable-hardening'
	exit 0
	;;
esac

# Without any of it; what libraries bring is left out.
cat >"$work/soft.c" <<-'END'
	#include <stdio.h>
	int main(int argc, char **argv)
	{
		char text[64];
		snprintf(text, 64 + argc, "%s", argv[0]);
		return text[argc];
	}
END
cc=$(variable CC)
$cc -O2 -no-pie -fno-pie -fno-stack-protector -U_FORTIFY_SOURCE -Wl,-z,norelro,-z,lazy,-z,execstack \
	-fcf-protection=none "$work/soft.c" -o "$work/soft" 2>"$work/cc.out" ||
	$cc -O2 -no-pie -fno-pie -fno-stack-protector -U_FORTIFY_SOURCE \
		-Wl,-z,norelro,-z,lazy,-z,execstack "$work/soft.c" -o "$work/soft" 2>"$work/cc.out" ||
	result 'a program without hardening is compiled' "$(cat "$work/cc.out")"

# look NAME FUNCTION [FOR]: the program has it, and the other has it not.
look() {
	if ! "$2" "$build/packet-exporter" ${3:-}; then
		result "$1" 'it is not'
	elif "$2" "$work/soft"; then
		result "$1" 'this is said of any program'
	else
		result "$1" ''
	fi
}

look 'the program is position-independent' pie
look 'what is relocated is read-only, and relocated at once' relro
look 'the stack is not executable' stack
look 'functions protect their stack' protector
case "$(variable PE_CFLAGS) $(variable CFLAGS)" in
*-D_FORTIFY_SOURCE=*-O0*) ;;
*) look 'calls of the C library are checked (FORTIFY)' fortify 5 ;;
esac
# An executable has the mark only if the C library has it, too, which Debian's has not.
case "$(variable PE_CFLAGS)" in
*-fcf-protection* | *-mbranch-protection*)
	result 'objects are marked for control-flow enforcement' "$(
		unmarked "$build"/src/*/*.o
		! cet "$work/soft" || echo 'this is said of any program'
	)"
	;;
esac

finish
