# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to know whose interfaces they are: when a program starts, for a packet, in memory
and in a snapshot.

Two exporters run at the same time, one with --identity=off. Programs are started in a container of
the first: both see the same seconds. What a packet costs is the run time of all BPF programs that
an exporter holds, each with packets of its own container, in turn.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from bench import (
    BUILD, CANNOT_RUN, Container, Exporter, Namespace, QUICK, clean_environment, cpu_s, figure,
    helper, ipv4, main, median, quick, run, udp, wait_attached, wait_for,
)

PER_SECOND = 2000
STORM_MS = quick(2000, 500)
ROUNDS = quick(7, 2)
PACKETS = quick(20000, 2000)
BPF_STATS_RUN_TIME = 0
CGROUPS = pathlib.Path("/sys/fs/cgroup/pids")
if not CGROUPS.exists():
    CGROUPS = CGROUPS.parent


@contextlib.contextmanager
def run_times():
    """The kernel takes the run time of BPF programs until this ends, however it does."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    stats = libbpf.bpf_enable_stats(BPF_STATS_RUN_TIME)
    if stats < 0:
        raise OSError(-stats, "run times of BPF programs")
    try:
        yield
    finally:
        os.close(stats)


def program_times(exporter, names):
    """Nanoseconds and runs so far of those of its programs, while run_times()."""
    held = exporter.holds("prog")
    found = [p for p in json.loads(run("bpftool", "-j", "prog", "show"))
             if p["id"] in held and p.get("name") in names]
    assert len(found) == len(names)
    return sum(p.get("run_time_ns", 0) for p in found), sum(p.get("run_cnt", 0) for p in found)


@contextlib.contextmanager
def container_cgroup():
    """A control group as Docker names it."""
    outer = CGROUPS / f"pe-bench-{os.getpid()}"
    inner = outer / f"docker-{'0123456789abcdef' * 4}.scope"
    inner.mkdir(parents=True)
    try:
        yield inner
    finally:
        # What was in it may be about to end.
        wait_for(lambda: not (inner / "cgroup.procs").read_text(), "the control group is empty")
        inner.rmdir()
        outer.rmdir()


def own_figures(program, *args):
    """Of a program that prints them itself."""
    environment = {**clean_environment(), "PE_BENCH_QUICK": "1" if QUICK else ""}
    done = subprocess.run([BUILD / "tests/bench" / program, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, env=environment)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode == CANNOT_RUN:
        sys.exit(CANNOT_RUN)
    if done.returncode:
        raise RuntimeError(f"{program} ended with {done.returncode}")
    print(done.stdout, end="", file=sys.__stdout__, flush=True)


def programs(exporter):
    """(run time in ns, runs) of the BPF programs that it holds, by name."""
    held, found = exporter.holds("prog"), {}
    for shown in json.loads(run("bpftool", "-j", "prog", "show")):
        if shown["id"] not in held:
            continue
        time_ns, runs = found.get(shown["name"], (0, 0))
        found[shown["name"]] = (time_ns + shown.get("run_time_ns", 0),
                                runs + shown.get("run_cnt", 0))
    return found


class Identifying(Exporter):
    common = ()


class Side:
    """An exporter with a container of its own."""

    def __init__(self, stack, number, kind):
        self.host = stack.enter_context(Namespace("pe-b"))
        self.container = stack.enter_context(Container(self.host, number))
        self.exporter = stack.enter_context(kind(self.host))
        self.pid = self.exporter.process.pid
        wait_attached(self.exporter, 1)
        with self.container.inside():
            self.socket = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            self.socket.bind(("eth0", 0))

    def packet_ns(self):
        """What all its programs take for each packet that its container sends."""
        frame = ipv4(socket.IPPROTO_UDP, udp(18))
        before = programs(self.exporter)
        for _ in range(PACKETS):
            self.socket.send(frame)
        after = programs(self.exporter)
        # The rest of the machine starts programs meanwhile.
        return sum(after[name][0] - before.get(name, (0, 0))[0] for name in after
                   if name != "pe_exec") / PACKETS


def packets(sides):
    values = {side: [] for side in sides}
    for number in range(ROUNDS):
        for side in sides[::-1 if number % 2 else 1]:
            values[side].append(side.packet_ns())
    ours, off = (median(values[side]) for side in sides)
    figure("a packet with identity, all BPF programs", ours, "ns", off, "--identity=off", "no more",
           median(a / b for a, b in zip(*values.values())))


def storm(sides):
    """CPUs that each exporter, pe_exec and the programs themselves keep busy; and the rate."""
    ours = sides[0]
    begin, before = time.monotonic(), programs(ours.exporter)["pe_exec"]
    used = [-cpu_s(side.pid) for side in sides]
    execs = helper(ours.container, "execs", PER_SECOND, STORM_MS)
    used = [sum(times) for times in zip(used, (cpu_s(side.pid) for side in sides))]
    took = time.monotonic() - begin
    after = programs(ours.exporter)["pe_exec"]
    if after[1] - before[1] < execs["execs"]:
        raise RuntimeError("pe_exec has not seen all of them")
    return {
        "on": used[0] / took, "off": used[1] / took,
        "pe_exec": (after[0] - before[0]) / (after[1] - before[1]) * PER_SECOND / 1e9,
        "execs": execs["cpu_ns"] / execs["execs"] * PER_SECOND / 1e9,
        "rate": execs["execs"] / execs["ns"] * 1e9,
    }


def execs(sides):
    storm(sides)
    rounds = [storm(sides) for _ in range(ROUNDS)]
    values = {key: median(one[key] for one in rounds) for key in rounds[0]}
    figure("execs in a storm", values["rate"], "/s", PER_SECOND, "as asked for")
    figure("identity in it, user side", values["on"] * 100, "% of a CPU", values["off"] * 100,
           "--identity=off", "≤ 0.5 % with the kernel side")
    figure("identity in it, kernel side, 2,000 a second", values["pe_exec"] * 100, "% of a CPU",
           values["execs"] * 100, "the programs themselves", "≤ 0.5 % with the user side")


def identity():
    with run_times(), contextlib.ExitStack() as stack:
        # The one that begins later has its programs behind the other's.
        sides = [Side(stack, 1, Identifying), Side(stack, 2, Exporter)]
        execs(sides)
        packets(sides)
    with container_cgroup() as cgroup:
        own_figures("exec_cost", cgroup)
    own_figures("known")
    own_figures("snapshot")


if __name__ == "__main__":
    main(identity)
