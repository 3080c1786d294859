# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs that the kernel drops, with --drops=on and without, in turn; and one that it does not.

A container sends to its host, whose firewall drops: by nft in the chain `input`, which is one of the
cheapest ways to be dropped, so that what is added shows most. What a program itself takes is the kernel's
own run time of it.
"""
import contextlib
import socket
import time

from bench import (
    Container, Exporter, Namespace, figure, main, median, quick, run, wait_attached,
)
from bench_identity import program_times, run_times

ROUNDS = quick(10, 2)
PACKETS = quick(30_000, 3_000)
DROPPED, TAKEN = 5001, 5002
SO_RCVBUFFORCE = 33
RULES = f"table ip drops {{\n chain in {{ type filter hook input priority 0; udp dport {DROPPED} drop; }}\n}}\n"


def send(container, port):
    """Nanoseconds of CPU a packet: the receiver's part is done by the sender, before it goes on."""
    with container.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("10.7.1.1", port))
        message = bytes(18)
        begin = time.thread_time_ns()
        for _ in range(PACKETS):
            sock.send(message)
        return (time.thread_time_ns() - begin) / PACKETS


def own_time(exporter, container):
    """Nanoseconds of a run of the program, with what measuring takes."""
    with run_times():
        before = program_times(exporter, ["pe_drop"])
        send(container, DROPPED)
        after = program_times(exporter, ["pe_drop"])
    return (after[0] - before[0]) / (after[1] - before[1])


def drops():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("pe-b"))
        container = stack.enter_context(Container(host, 1))
        run("ip", "netns", "exec", host.name, "nft", "-f", "-", input=RULES)
        with host.inside():
            # What is received must not be dropped in its turn.
            reader = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        reader.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 30)
        reader.bind(("10.7.1.1", TAKEN))
        times = {(port, drops): [] for port in (DROPPED, TAKEN) for drops in ("on", "off")}
        own = []
        for number in range(ROUNDS):
            for switch in ("on", "off") if number % 2 else ("off", "on"):
                with Exporter(host, "--identity=off", f"--drops={switch}") as exporter:
                    wait_attached(exporter, 1)
                    send(container, DROPPED)
                    for port in (DROPPED, TAKEN):
                        times[port, switch].append(send(container, port))
                        with contextlib.suppress(BlockingIOError):
                            while port == TAKEN:
                                reader.recv(100, socket.MSG_DONTWAIT)
                    if switch == "on":
                        own.append(own_time(exporter, container))
    for port, what in ((DROPPED, "a packet that nft drops"), (TAKEN, "a packet that is received")):
        ours, theirs = times[port, "on"], times[port, "off"]
        figure(f"drops: {what}", median(ours), "ns", median(theirs), "--drops=off",
               ratio=median(a / b for a, b in zip(ours, theirs)))
    figure("drops: of it the program itself", median(own), "ns", 0, "not loaded")


if __name__ == "__main__":
    main(drops)
