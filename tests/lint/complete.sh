#!/bin/sh
# Nothing is forgotten: every file of the repository is in the distribution, and every file that is
# named like a test is one that a suite runs. (That each file of tests/integration has a result is
# said by its conftest.py.) TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
source=${PE_SRCDIR:-.}
build=${PE_BUILDDIR:-build}
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

name='every file in git is in the distribution'
# What only a clone has a use for.
clone_only='\.ci/.*|.*\.?gitignore|\.gitattributes|\.editorconfig'
if [ ! -e "$source/.git" ]; then
	skip "$name" "this is no clone"
elif ! make -C "$build" -s distdir distdir="$work/dist" >"$work/make.out" 2>&1; then
	result "$name" "$(cat "$work/make.out")"
else
	# Whoever owns the clone.
	git -c safe.directory='*' -C "$source" ls-files | grep -vxE "$clone_only" >"$work/files"
	[ -s "$work/files" ] || echo '(git lists nothing)' >"$work/files"
	result "$name" "$(while read -r file; do
		[ -e "$work/dist/$file" ] || echo "$file"
	done <"$work/files")"
fi

make -C "$build" -s --no-print-directory list-unit >"$work/tests"
for kind in unit/test_ bpf/test_ fuzz/fuzz_; do
	result "a suite runs every tests/$kind*.c" "$(
		cd "$source" && for file in tests/"$kind"*.c; do
			grep -qx "${file%.c}" "$work/tests" || echo "$file"
		done
	)"
done
result 'a suite runs every tests/lint/*.sh' "$(
	cd "$source" && for file in tests/lint/*.sh; do
		grep -qx "$file" "$work/tests" || echo "$file"
	done
)"
result 'the tests that are chosen for sanitizers exist' "$(
	python3 -B "$source/tests/integration/sanitized.py"
)"

finish
