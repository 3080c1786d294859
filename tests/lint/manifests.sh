#!/bin/sh
# docker/kubernetes as a cluster would take it: what kustomize makes of it has no field that the API does
# not know, and says what docker/README.md says. No cluster is asked. TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
source=${PE_SRCDIR:-.}
build=${PE_BUILDDIR:-build}
name='docker/kubernetes is what a cluster takes'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

command -v kubectl >/dev/null || { skip "$name" "kubectl is not installed"; finish; }
/usr/bin/python3 -c 'import kubernetes' 2>/dev/null || {
	skip "$name" "python3-kubernetes is not installed"
	finish
}
# No configuration of whoever runs this.
if HOME=$work KUBECONFIG=/dev/null kubectl kustomize "$source/docker/kubernetes" >"$work/all.yml" 2>"$work/errors"; then
	result 'kustomize warns of nothing' "$(cat "$work/errors")"
	"$build/packet-exporter" --help=markdown >"$work/reference"
	result "$name" "$(
		/usr/bin/python3 -B "$source/tests/lint/manifests.py" "$work/all.yml" \
			"$source/docker/kubernetes/podmonitor.yaml" "$work/reference" \
			"$source/docker/Dockerfile" 2>&1
	)"
else
	result 'kustomize reads docker/kubernetes' "$(cat "$work/errors")"
fi
finish
