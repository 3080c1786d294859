# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DNS query and its answer cost with --dns=on and without, in turn; and what any other packet does.

A container's packet socket sends the query and the host's the answer, as whole frames, to nobody: little
else is done with them, so that what is added shows. What the programs themselves take is the kernel's own
run time of them.
"""
import contextlib
import struct
import time

from bench import Container, Exporter, Namespace, figure, ipv4, main, median, quick, udp, wait_attached
from bench_identity import program_times, run_times

ROUNDS = quick(10, 2)
PAIRS = quick(20_000, 2_000)
IDS = 1000
PROGRAMS = ("pe_dns_receive", "pe_dns_send")


def message(number, flags):
    return struct.pack("!6H", number, flags, 1, 0, 0, 0) + b"\1x\4test\0\0\1\0\1"


def datagram(payload, source, dest, *addresses):
    return ipv4(17, udp(0, source, dest)[:4] + struct.pack("!HH", 8 + len(payload), 0) + payload, *addresses)


DNS = [(datagram(message(n, 0x0100), 4000, 53),
        datagram(message(n, 0x8180), 53, 4000, "192.0.2.2", "192.0.2.1")) for n in range(IDS)]
OTHERS = [(datagram(message(n, 0x0100), 4000, 4001),
           datagram(message(n, 0x8180), 4001, 4000, "192.0.2.2", "192.0.2.1")) for n in range(IDS)]


def send(inner, outer, pairs):
    """Nanoseconds of CPU a pair: the receiver's part is done by the sender, before it goes on."""
    begin = time.thread_time_ns()
    for number in range(PAIRS):
        query, answer = pairs[number % IDS]
        inner.send(query)
        outer.send(answer)
    return (time.thread_time_ns() - begin) / PAIRS


def own_time(exporter, inner, outer, pairs):
    """Nanoseconds of the programs for a pair, with what measuring takes."""
    with run_times():
        before = program_times(exporter, PROGRAMS)
        send(inner, outer, pairs)
        after = program_times(exporter, PROGRAMS)
    return (after[0] - before[0]) / PAIRS


def dns():
    times = {(name, switch): [] for name in ("dns", "others") for switch in ("on", "off", "own")}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("pe-b"))
        container = stack.enter_context(Container(host, 1))
        inner = stack.enter_context(container.packet_socket("eth0"))
        outer = stack.enter_context(host.packet_socket("veth1"))
        for number in range(ROUNDS):
            for switch in ("on", "off") if number % 2 else ("off", "on"):
                with Exporter(host, "--identity=off", f"--dns={switch}") as exporter:
                    wait_attached(exporter, 1)
                    send(inner, outer, OTHERS)
                    for name, pairs in (("dns", DNS), ("others", OTHERS)):
                        times[name, switch].append(send(inner, outer, pairs))
                        if switch == "on":
                            times[name, "own"].append(own_time(exporter, inner, outer, pairs))
                    if switch == "on":
                        counted = exporter.scrape()
                        assert counted.sum("host_dns_answers_total") == 2 * PAIRS
    for name, share, what in (("dns", 1, "a query and its answer"), ("others", 2, "any other packet")):
        ours, theirs = times[name, "on"], times[name, "off"]
        figure(f"dns: {what}", median(ours) / share, "ns", median(theirs) / share, "--dns=off",
               ratio=median(a / b for a, b in zip(ours, theirs)))
        figure(f"dns: of {what} the programs themselves", median(times[name, "own"]) / share, "ns", 0, "not loaded")


if __name__ == "__main__":
    main(dns)
