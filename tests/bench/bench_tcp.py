# SPDX-License-Identifier: GPL-2.0-or-later
"""What a TCP connection costs with --tcp=on and without, in turn; and a packet of one that is established.

Both ends are in a container and are of one thread, so that its CPU time has all that the kernel does for
them. What the programs themselves take, all together and for both ends, is the kernel's own run time of
them, without what it takes of a program that does nothing, which the same connections pass.
"""
import contextlib
import json
import socket
import time

from bench import Container, Exporter, Namespace, figure, main, median, quick, run, wait_attached
from bench_identity import run_times
from bench_traffic import held

ROUNDS = quick(12, 2)
CONNECTIONS = quick(3_000, 300)
PACKETS = quick(20_000, 2_000)
TARGET_US = 2
EMPTY = "pass_on"  # of tcx.bpf.c


def listen():
    return socket.create_server(("127.0.0.1", 0), backlog=16)


def connect(listener, count):
    """Nanoseconds of CPU a connection that carries a byte each way."""
    address = listener.getsockname()
    begin = time.thread_time_ns()
    for _ in range(count):
        with socket.create_connection(address) as client:
            server, _ = listener.accept()
            with server:
                client.send(b"x")
                server.send(server.recv(1))
                client.recv(1)
    return (time.thread_time_ns() - begin) / count


def talk(client, server):
    """Nanoseconds of CPU a segment of a connection that is there, one at a time."""
    begin = time.thread_time_ns()
    for _ in range(PACKETS // 2):
        client.send(b"x")
        server.send(server.recv(1))
        client.recv(1)
    return (time.thread_time_ns() - begin) / PACKETS


def sums(programs):
    """Nanoseconds and runs so far."""
    programs = list(programs)
    return [sum(p.get(name, 0) for p in programs) for name in ("run_time_ns", "run_cnt")]


def loaded():
    return json.loads(run("bpftool", "-j", "prog", "show"))


def own(exporter, container, listener):
    """(nanoseconds, runs) of the programs for a connection, over an empty one; and that of a run of this."""
    ids = exporter.holds("prog")

    def both():
        programs = loaded()
        return sums(p for p in programs if p["id"] in ids and p.get("name", "").startswith("pe_tcp_")) + sums(
            p for p in programs if p.get("name") == EMPTY)

    with run_times(), held(container, "tcx-pass", "lo"):
        connect(listener, 100)
        before = both()
        connect(listener, CONNECTIONS)
        ns, runs, empty_ns, empty_runs = (b - a for a, b in zip(before, both()))
    empty = empty_ns / empty_runs
    return (ns - runs * empty) / CONNECTIONS, runs / CONNECTIONS, empty


def tcp():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("pe-b"))
        container = stack.enter_context(Container(host, 1))
        container.ip("link", "set", "lo", "up")
        stack.enter_context(container.inside())
        listener = stack.enter_context(listen())
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        server = stack.enter_context(listener.accept()[0])
        for end in client, server:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = {(what, switch): [] for what in (connect, talk) for switch in ("on", "off")}
        owns = []
        for number in range(ROUNDS):
            for switch in ("on", "off") if number % 2 else ("off", "on"):
                with Exporter(host, "--identity=off", "--drops=off", f"--tcp={switch}") as exporter:
                    wait_attached(exporter, 1)
                    connect(listener, CONNECTIONS // 10)
                    times[connect, switch].append(connect(listener, CONNECTIONS))
                    times[talk, switch].append(talk(client, server))
                    if switch == "on":
                        owns.append(own(exporter, container, listener))
    for what, name in ((connect, "a connection, both ends"), (talk, "a segment of an established one")):
        ours, theirs = times[what, "on"], times[what, "off"]
        figure(f"tcp: {name}", median(ours), "ns", median(theirs), "--tcp=off",
               ratio=median(a / b for a, b in zip(ours, theirs)))
    ns, runs, empty = (median(column) for column in zip(*owns))
    figure(f"tcp: of it the programs themselves, {runs:.0f} runs", ns / 1000, "µs over empty", runs * empty / 1000,
           "as many runs of an empty program", target=f"at most {TARGET_US}")


if __name__ == "__main__":
    main(tcp)
