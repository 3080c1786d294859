# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a veth is: network namespaces and control groups that are named as container runtimes name
them. Real runtimes: docker/check.sh.

The exporter runs as nobody, with the three capabilities that it needs and no others.
"""
import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import random
import re
import signal

from harness import SANITIZED, IdentifyingExporter as Exporter, Namespace, needs_root, run, wait_for

pytestmark = needs_root

CLONE_NEWUTS, CLONE_NEWNET = 0x04000000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
CAPABILITIES = "-all,+net_admin,+bpf,+perfmon"
AS_NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={CAPABILITIES}",
    f"--ambient-caps={CAPABILITIES}", f"--bounding-set={CAPABILITIES}", "--no-new-privs",
)  # fmt: skip
ID = "0123456789abcdef" * 4
UID = "1b2c3d4e-0a1b-4c2d-8e3f-001122334455"
LINE = re.compile(
    r'subsystem=identity msg="(\d+): (?:nobody|container \\"(.*?)\\" pod \\"(.*?)\\" namespace '
    r'\\"(.*?)\\" workload \\"(.*?)\\" image \\"(.*?)\\" runtime \\"(.*?)\\" id \\"(.*?)\\" )'
)
FIELDS = ("container", "pod", "namespace", "workload", "image", "runtime", "id")


def identities_by_index(log):
    """By name and ifindex, since a name may be used again: what was said of it, one after the other; None
    for nobody."""
    names = {index: name for name, index in re.findall(r'subsystem=net msg="(\S+) \((\d+)\): \w+"', log)}
    said = {}
    for index, *values in LINE.findall(log):
        if index in names:
            said.setdefault((names[index], index), []).append(dict(zip(FIELDS, values)) if values[5] else None)
    return said


def identities(log):
    """Likewise by name alone."""
    return {name: said for (name, _), said in identities_by_index(log).items()}


class Groups:
    """Control groups of a test, where processes are limited, below one of its own."""

    def __init__(self):
        root = pathlib.Path("/sys/fs/cgroup/pids")
        if not root.exists():
            root = root.parent
        self.top = root / f"pe-names-{os.getpid()}"

    def make(self, path):
        folder = self.top / path
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        def remove():
            for folder, _, _ in os.walk(self.top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            return not self.top.exists()

        wait_for(remove, "the control groups are empty")


class Box:
    """A process in a control group, with network and host name of its own, and a veth to the host."""

    def __init__(self, host, veth, group, name, program=("sleep", "60"), runs=True):
        ready, go = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(go[1])  # or it would never see that the test has gone
                (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
                if LIBC.unshare(CLONE_NEWNET | CLONE_NEWUTS) == 0:
                    LIBC.sethostname(name.encode(), len(name))
                    os.write(ready[1], b"x")
                    if not os.read(go[0], 1):
                        os._exit(1)
                    os.execvp(program[0], program)
            finally:
                os._exit(1)
        assert os.read(ready[0], 1) == b"x"
        if veth:
            host.ip("link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        for fd in (*ready, go[0]):
            os.close(fd)
        self.go = go[1]
        if runs:
            self.run()

    def run(self):
        """Until then it is a copy of the test, in its control group and namespaces."""
        os.write(self.go, b"x")
        os.close(self.go)

    def wait(self):
        os.waitpid(self.pid, 0)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        self.wait()


def run_plugin(host, tmp_path, name, namespace):
    """Something with the environment of a CNI plugin, started by what is called containerd."""
    runtime = tmp_path / "containerd"
    if not runtime.exists():
        runtime.symlink_to("/bin/bash")
    run(
        "nsenter", f"--net=/run/netns/{host.name}", runtime, "-c", "/bin/true; exit 0",
        env={"CNI_ARGS": f"K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}",
             "CNI_CONTAINERID": ID, "SECRET": "x"},
    )  # fmt: skip


def test_kinds(tmp_path):
    """What is there before and what comes later; the second interface; what is nobody's."""
    with Namespace() as host, Groups() as groups, contextlib.ExitStack() as stack:

        def box(veth, path, name="host-name"):
            new = Box(host, veth, groups.make(path), name)
            stack.callback(new.close)
            return new

        box("before", "lxc.payload.early")
        rule = r"--workload.rule=^l(.)te$=\1"
        with Exporter(host, rule, "--identity.wait=1s", prefix=AS_NOBODY) as exporter:
            assert identities(exporter.log())["before"][0]["workload"] == "early"
            late = box("lxc", "lxc.payload.late/init.scope")
            box("podman", f"machine.slice/libpod-{ID}.scope/container")
            run_plugin(host, tmp_path, "cart-7d4b9c6f5b-x2k9q", "shop")
            box("pod", f"kubepods/pod{UID}/{ID}", "cart")
            box("docker", f"system.slice/docker-{'e' * 64}.scope")
            box("docker-2", f"system.slice/docker-{'f' * 64}.scope")
            nobody = box("nobody", "system.slice/some.service")
            host.ip("link", "set", "nobody", "up")
            run("nsenter", "-t", str(nobody.pid), "-n", "ip", "link", "set", "eth0", "up")
            host.ip("link", "add", "second", "type", "veth", "peer", "name", "eth1", "netns", str(late.pid))
            everybody = {"before", "lxc", "podman", "pod", "docker", "docker-2", "nobody", "second"}
            wait_for(lambda: everybody <= identities(exporter.log()).keys(), "all are identified")
            seen = identities(exporter.log())

    none = dict.fromkeys(FIELDS, "")
    lxc = none | {"container": "late", "workload": "a", "runtime": "lxc"}
    assert seen["lxc"] == seen["second"] == [lxc]
    assert seen["podman"] == [none | {"runtime": "podman", "id": ID[:12]}]
    assert seen["docker"] == [none | {"runtime": "docker", "id": "e" * 12}]
    assert seen["pod"] == [none | {
        "pod": "cart-7d4b9c6f5b-x2k9q", "namespace": "shop", "workload": "cart",
        "runtime": "containerd", "id": ID[:12],
    }]  # fmt: skip
    assert seen["nobody"] == [None]
    assert "SECRET" not in exporter.lines
    # Nobody may read them: said once, whoever else comes.
    for missed in ("Docker's containers have no names", "Podman's containers have no images"):
        assert exporter.lines.count(missed) == 1


def test_short_lives():
    """A hundred, eight at a time, from nothing to a fifth of a second: each by its own name."""
    lives = [random.choice((0, 0, 0.05, 0.2)) for _ in range(25 if SANITIZED else 100)]
    with Namespace() as host, Groups() as groups:
        with Exporter(host, prefix=AS_NOBODY) as exporter:

            def live(number):
                group = groups.make(f"lxc.payload.box-{number}")
                Box(host, f"box{number}", group, "x", ("sleep", str(lives[number]))).wait()

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(live, range(len(lives))))
            wait_for(lambda: len(identities(exporter.log())) >= len(lives), "all are identified")
            seen = identities(exporter.log())
    wrong = {veth: said for veth, said in seen.items()
             if not said[-1] or said[-1]["container"] != veth.replace("box", "box-")}  # fmt: skip
    assert not wrong
    assert sum(said[0] is not None for said in seen.values()) >= len(lives) - 1


def test_named_at_the_end():
    """Named by a program that starts before the veth is deleted, while of both nothing was read: also where
    the deletion is read first, as an earlier event of interfaces is."""
    with Namespace() as host, Groups() as groups:
        with Exporter(host, "--identity.wait=30s", prefix=AS_NOBODY) as exporter:
            box = Box(host, "veth1", groups.make("lxc.payload.web"), "x", ("true",), runs=False)
            run("nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", "link", "set", "eth0", "up")
            host.ip("link", "set", "veth1", "up")
            wait_for(lambda: exporter.scrape().sum("packets_total", interface="veth1"), "it is counted")
            exporter.pause()
            host.ip("link", "set", "lo", "alias", "earlier")
            box.run()
            box.wait()
            # The kernel deletes the veth with the namespace.
            wait_for(lambda: len(json.loads(host.ip("-j", "link"))) == 1, "it is gone")
            exporter.process.send_signal(signal.SIGCONT)
            wait_for(lambda: not exporter.scrape().live(interface="veth1"), "it is gone")
            metrics = wait_for(
                lambda: (m := exporter.scrape()).sum("identity_unresolved") == 0 and m, "it is known"
            )
    (info,) = metrics.find("interface_info", interface="veth1")
    assert (info.labels["runtime"], info.labels["container"]) == ("lxc", "web")
    assert metrics.sum("ungrouped_packets") == 0
    assert metrics.sum("group_packets_total", workload="web") == metrics.sum("packets_total", interface="veth1")


def test_off():
    with Namespace() as host, Groups() as groups:
        box = Box(host, "lxc", groups.make("lxc.payload.web"), "x")
        with Exporter(host, "--identity=off") as exporter:
            assert not identities(exporter.log())
        box.close()
