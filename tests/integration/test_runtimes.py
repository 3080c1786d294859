# SPDX-License-Identifier: GPL-2.0-or-later
"""Real runtimes: their containers live for 0 to 0.9 seconds, several at a time, and each is known by its
own name. Docker is in docker/check.sh. PE_CONTAINERS is how many there are of each; 100 for figures.
"""
import contextlib
import fcntl
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


@pytest.fixture(autouse=True)
def control_groups():
    """Those that runtimes leave go with the last test that uses any: an empty one may be another's, which is
    about to enter it."""
    with open("/run/lock/pe-runtimes", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            subprocess.run(
                "find /sys/fs/cgroup -depth -type d '(' -path '*/pe-runtimes*' -o -path '*/libpod_parent*' ')' "
                "-exec rmdir '{}' + 2>/dev/null", shell=True, check=False,
            )  # fmt: skip


def start(host, kind, count, folder):
    """runtimes.sh; not by ip(8), which takes the control groups away."""
    return subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{host.name}", "unshare", "--mount", "--pid", "--fork",
         "--kill-child", "--mount-proc", SCRIPT, kind, str(count), str(min(count, 8)), folder],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def with_podman(folder):
    """As user 0, without its power over files."""
    return (*WITH_FILES, "/var/lib/containers", folder / "containers", "storage/overlay-containers",
            "setpriv", *AS_NOBODY[4:])  # fmt: skip


@pytest.mark.parametrize("kind", RUNTIMES)
def test_runtime(kind, tmp_path):
    with Namespace() as host:
        prefix, options = AS_NOBODY, ()
        if kind == "podman":
            prefix = with_podman(tmp_path)
        elif kind == "pods":
            # As those that are older than the exporter: what CNI plugins were started with is not known.
            prefix = (*WITH_FILES, "/var/log/pods", tmp_path / "pods", "", *AS_NOBODY)
            options = ("--identity.cni=off",)
            kind = "cri"
        with Exporter(host, *options, prefix=prefix) as exporter:
            process = start(host, kind, COUNT, tmp_path)
            expected = dict((line.split() + [None])[:2] for line in process.stdout)
            assert process.wait() == 0
            assert len(expected) == COUNT

            def known():
                return {v: s for v, s in identities_by_index(exporter.log()).items() if any(s)}

            wait_for(lambda: len(known()) >= COUNT, "all are known")
            seen = known()

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


def echoes(metrics):
    """Echo packets of veths by workload, and in which direction."""
    sums = {}
    for sample in metrics.find("group_packets_total", kind="veth", family="ipv4", protocol="icmp"):
        directions = sums.setdefault(sample.labels["workload"], {"ingress": 0, "egress": 0})
        directions[sample.labels["direction"]] += int(sample.value)
    return {workload: tuple(d.values()) for workload, d in sums.items() if any(d.values())}


def test_shared(tmp_path):
    """A pod, a container with two networks, containers in the namespaces of others and of the host, names that
    others have too, and one that needs escapes: packets are of whom the namespace was made for."""
    odd = 'q"uo\\te \u00e9\ufffdff'
    with Namespace() as host, Exporter(host, prefix=with_podman(tmp_path)) as exporter:
        assert start(host, "shared", 1, tmp_path).wait() == 0
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("identity_unresolved") == 0 and m, "all are known"
        )

    counts = {
        "shop": 5 + 6,
        # One with two networks and who shares them; the host; the first twin.
        "localhost/box": 2 * 3 + 7 + 8,
        "localhost/other": 9,
        "twin": 10,
        odd: 11,
    }
    assert echoes(metrics) == {workload: (count, count) for workload, count in counts.items()}
    names = sorted((i.labels["runtime"], i.labels["pod"], i.labels["container"], i.labels["image"])
                   for i in metrics.find("interface_info", kind="veth"))  # fmt: skip
    assert [name for name in names if name[0]] == [
        ("lxc", "", odd, ""),
        ("lxc", "", "twin", ""),
        # Podman gives the name of the first twin's interface to the second's.
        ("podman", "", "twin", "localhost/other:1.0"),
        ("podman", "", "two", "localhost/box:1.0"),
        ("podman", "", "two", "localhost/box:1.0"),
        ("podman", "shop", "", ""),
    ]


def test_sidecars(tmp_path):
    """A pod with two containers, whose name needs escapes."""
    odd = 'q"uo\\te\n\u00e9'
    with Namespace() as host, Exporter(host, prefix=AS_NOBODY) as exporter:
        assert start(host, "sidecars", 1, tmp_path).wait() == 0
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("identity_unresolved") == 0 and m, "all are known"
        )
    assert echoes(metrics) == {odd: (5 + 6, 5 + 6)}
    (info,) = metrics.find("interface_info", runtime="containerd")
    assert (info.labels["pod"], info.labels["namespace"], info.labels["container"]) == (odd, "space", "")
