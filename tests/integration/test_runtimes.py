# SPDX-License-Identifier: GPL-2.0-or-later
"""Real runtimes: their containers live for 0 to 0.9 seconds, several at a time, and each is known by its
own name. Docker is in docker/check.sh. PE_CONTAINERS is how many there are of each; 100 for figures.
"""
import os
import pathlib
import re
import subprocess

from harness import IdentifyingExporter as Exporter, Namespace, needs_root, wait_for
import pytest

from test_container_names import AS_NOBODY, identities_by_index

pytestmark = [needs_root, pytest.mark.long]

# With a folder of the test in place of the host's.
WITH_FILES = (
    "unshare", "--mount", "bash", "-c",
    'mkdir -p "$1/$2" "$0" && mount --bind "$1" "$0" && shift 2 && exec "$@"',
)  # fmt: skip
COUNT = int(os.environ.get("PE_CONTAINERS", "8"))
SCRIPT = pathlib.Path(__file__).with_name("runtimes.sh")
RUNTIMES = {
    "lxc": "lxc", "nspawn": "systemd-nspawn", "podman": "podman", "cri": "containerd", "pods": "containerd",
}  # fmt: skip


def empty_groups():
    subprocess.run(
        "find /sys/fs/cgroup -depth -type d '(' -path '*/pe-runtimes*' -o -path '*/libpod_parent*' ')' "
        "-exec rmdir '{}' + 2>/dev/null", shell=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", RUNTIMES)
def test_runtime(kind, tmp_path):
    with Namespace() as host:
        prefix, options = AS_NOBODY, ()
        if kind == "podman":
            # As user 0, without its power over files.
            prefix = (*WITH_FILES, "/var/lib/containers", tmp_path / "containers", "storage/overlay-containers",
                      "setpriv", *AS_NOBODY[4:])  # fmt: skip
        elif kind == "pods":
            # As those that are older than the exporter: what CNI is told is not known.
            prefix = (*WITH_FILES, "/var/log/pods", tmp_path / "pods", "", *AS_NOBODY)
            options = ("--identity.cni=off",)
            kind = "cri"
        with Exporter(host, *options, prefix=prefix) as exporter:
            # Not by ip(8), which takes the control groups away.
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{host.name}", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "--mount-proc", SCRIPT, kind, str(COUNT), str(min(COUNT, 8)), tmp_path],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            expected = dict((line.split() + [None])[:2] for line in process.stdout)
            assert process.wait() == 0
            assert len(expected) == COUNT

            def known():
                return {v: s for v, s in identities_by_index(exporter.log()).items() if any(s)}

            wait_for(lambda: len(known()) >= COUNT, "all are known")
            seen = known()
        empty_groups()

    first = {veth: said[0] for veth, said in seen.items()}
    assert all(first.values()), "known from the first on"
    assert all(len(set(map(str, said))) == 1 for said in seen.values()), "no name changes"
    names = {v: i["workload"] if kind == "cri" else i["container"] for v, i in first.items()}
    assert sorted(names.values()) == sorted(expected)
    assert {i["runtime"] for i in first.values()} == {RUNTIMES[kind]}
    for (veth, _), name in names.items():
        assert expected[name] in (None, veth)
    if kind == "podman":
        assert {(i["image"], i["workload"]) for i in first.values()} == {("localhost/box:1.0", "localhost/box")}
    if kind == "cri":
        for identity in first.values():
            number = re.match(r"box-(\d+)-7d4b9c6f5b-x2k9q$", identity["pod"])[1]
            assert identity["namespace"] == f"space-{number}"
