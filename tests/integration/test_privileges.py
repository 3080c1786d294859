# SPDX-License-Identifier: GPL-2.0-or-later
"""It runs as any user with three capabilities, and keeps no more than these."""
import contextlib
import pathlib
import subprocess

import pytest
from harness import (
    EXPORTER, Container, IdentifyingExporter as Exporter, Namespace, clean_environment, ipv4,
    needs_root, udp, wait_for,
)

pytestmark = needs_root

# linux/capability.h
NET_ADMIN, SYS_ADMIN, PERFMON, BPF = 12, 21, 38, 39
NEEDED = {"net_admin": NET_ADMIN, "perfmon": PERFMON, "bpf": BPF}
NOBODY = 65534


def mask(*capabilities):
    return sum(1 << c for c in capabilities)


def as_nobody(capabilities):
    given = ",".join(f"+{c}" for c in capabilities)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            f"--inh-caps=-all,{given}", f"--ambient-caps=-all,{given}"]


def rights(pid):
    """(user, capability sets, no_new_privs) of each thread."""
    threads = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = dict(
            line.split(":", 1) for line in task.joinpath("status").read_text().splitlines()
        )
        sets = {name: int(fields[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
        threads.append((int(fields["Uid"].split()[1]), sets, int(fields["NoNewPrivs"])))
    return threads


def exchange(host, exporter):
    """What it may do is enough: hot-plug, both directions, a bridge, flows, departure."""
    # Without queries of its own.
    host.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", 0)
    host.ip("link", "set", "br0", "up")
    with Container(host, 1) as container:
        host.ip("link", "set", container.interface, "master", "br0")
        frame = ipv4(17, udp(58))
        with container.packet_socket("eth0") as out, host.packet_socket("veth1") as back:
            for _ in range(100):
                out.send(frame)
                back.send(frame)
        wait_for(
            lambda: exporter.scrape().totals("veth1")
            == {"ingress": (100, 10000), "egress": (100, 10000)},
            "both directions are counted",
        )
        wait_for(
            lambda: exporter.scrape().sum("flows_total", interface="veth1") == 2,
            "the flows arrive",
        )
        info = exporter.scrape().live(interface="br0")[0].labels
        assert (info["mode"], info["reason"]) == ("tracepoint", "bridge")
        host.ip("link", "del", "veth1")
        wait_for(lambda: not exporter.scrape().live(interface="veth1"), "gone")


def test_root_gives_up():
    """All but the three is gone, in each thread and for good."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--workers=2"))
        few = mask(NET_ADMIN, PERFMON, BPF)
        threads = rights(exporter.process.pid)
        assert len(threads) >= 4
        for _, sets, no_new_privs in threads:
            assert sets == {"Inh": 0, "Prm": few, "Eff": few, "Bnd": few, "Amb": 0}
            assert no_new_privs == 1
        exchange(host, exporter)


@pytest.mark.parametrize("given, kept", [
    (["net_admin", "perfmon", "bpf"], mask(NET_ADMIN, PERFMON, BPF)),
    (["net_admin", "sys_admin"], mask(NET_ADMIN, SYS_ADMIN)),
    (["net_admin", "bpf", "sys_admin", "chown"], mask(NET_ADMIN, BPF, SYS_ADMIN)),
])
def test_any_user(given, kept):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, prefix=as_nobody(given)))
        for user, sets, no_new_privs in rights(exporter.process.pid):
            assert user == NOBODY
            assert (sets["Prm"], sets["Eff"], sets["Inh"], sets["Amb"]) == (kept, kept, 0, 0)
            assert no_new_privs == 1
        exchange(host, exporter)


@pytest.mark.parametrize("missing", [["net_admin"], ["perfmon"], ["bpf"], ["perfmon", "bpf"]])
def test_missing(missing):
    """One line names what is missing, and only that."""
    given = [c for c in NEEDED if c not in missing]
    with Namespace() as host:
        done = subprocess.run(
            ["ip", "netns", "exec", host.name, *as_nobody(given), EXPORTER,
             "--web.listen-address=127.0.0.1:9817"],
            capture_output=True, text=True, timeout=30, check=False, env=clean_environment(),
        )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "level=error" in line]
    assert len(lines) == 1, done.stderr
    for name in NEEDED:
        assert (f"CAP_{name.upper()} (" in lines[0]) == (name in missing), lines[0]


def test_privileged_port():
    """A port under 1024 is bound before the right to do so is given up."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, port=80))
        assert exporter.scrape().find("build_info")


@pytest.mark.parametrize("user", ["nobody", str(NOBODY), "4242"])
def test_another_user(user):
    """Root becomes it after its port is bound, keeps the three, and all goes on."""
    uid = 4242 if user == "4242" else NOBODY
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, f"--user={user}", port=80))
        few = mask(NET_ADMIN, PERFMON, BPF)
        pid = exporter.process.pid
        for effective, sets, no_new_privs in rights(pid):
            assert effective == uid
            assert sets == {"Inh": 0, "Prm": few, "Eff": few, "Bnd": few, "Amb": 0}
            assert no_new_privs == 1
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == [str(uid)] * 4
        assert fields["Gid"].split() == [str(uid)] * 4
        assert set(fields["Groups"].split()) <= {str(NOBODY)}
        exchange(host, exporter)
        # Although what it reads them from is no longer its own.
        metrics = exporter.scrape()
        values = {s.name: s.value for s in metrics.samples if s.name.startswith("process_")}
        # One more for the scrape's connection.
        files = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
        assert values["process_open_fds"] in (files, files + 1)
        assert values["process_threads"] == len(rights(pid))
        assert min(values.values()) > 0


def test_another_user_takes_rights():
    with Namespace() as host:
        done = subprocess.run(
            ["ip", "netns", "exec", host.name, *as_nobody(NEEDED), EXPORTER, "--user=root",
             "--web.listen-address=127.0.0.1:9817"],
            capture_output=True, text=True, timeout=30, check=False, env=clean_environment(),
        )
    assert done.returncode == 1
    assert "cannot become the user root: Operation not permitted; it takes CAP_SETUID and " \
        "CAP_SETGID" in done.stderr


def test_user_that_is_not_there():
    done = subprocess.run([EXPORTER, "--user=no-such-user"], capture_output=True, text=True,
                          timeout=30, check=False, env=clean_environment())
    assert done.returncode == 2
    assert done.stderr == ('packet-exporter: --user: "no-such-user" is no user of this system, by '
                           'name or by number\n')
