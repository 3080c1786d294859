# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside other XDP programs, on every order of arrival; and on bridges that change all the time.

The other programs are real (foreign.bpf.c), attached in every way the kernel knows. Theirs must
never be replaced or starved, which their own counters show, and what we say must stay true:
observed and unobserved packets together are the kernel's.
"""
import collections
import contextlib
import errno
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (
    BUILD, Container, Exporter, Namespace, ethernet, has_tcx, ipv4, kernel_counters, kernel_objects,
    needs_root, run, stop, udp, wait_for, wait_up,
)
from test_passages import mirred, redirect_to_ifb

pytestmark = needs_root

FRAME = ipv4(17, udp(58))
# Not IP: where a firewall looks at bridges, it drops IP packets without a checksum.
BROADCAST = b"\xff" * 6 + ethernet(0x88B5, bytes(86))[6:]
XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
BUSY = (errno.errorcode[errno.EBUSY], errno.errorcode[errno.EEXIST])


class Foreign:
    """Somebody else's program; see foreign-xdp.c for what it understands."""

    def __init__(self, namespace):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace.name, BUILD / "tests/integration/foreign-xdp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            bufsize=1,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0

    def ask(self, *command):
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        return self.process.stdout.readline().strip()

    def do(self, *command):
        assert self.ask(*command) == "done", command

    def count(self):
        """(packets, bytes) that it was given."""
        return tuple(map(int, self.ask("count").split()))


def send(sock, count):
    for _ in range(count):
        sock.send(FRAME)


def send_each(namespace, interface, count):
    with namespace.packet_socket(interface) as sock:
        send(sock, count)


def sent(count):
    """(packets, bytes) of so many frames."""
    return count, count * len(FRAME)


def info(metrics, interface):
    """The labels of a live interface, of which there is one, or None."""
    found = metrics.live(interface=interface)
    assert len(found) <= 1, found
    return found[0].labels if found else None


def wait_for_mode(exporter, wanted, *interfaces, reason=""):
    def modes():
        metrics = exporter.scrape()
        found = [info(metrics, name) for name in interfaces]
        return {labels and (labels["mode"], labels["reason"]) for labels in found}

    wait_for(
        lambda: modes() == {(wanted, reason)},
        lambda: f"{interfaces} are counted by {wanted} ({reason}): {modes()}",
    )


def program_of(namespace, interface):
    return namespace.link(interface).get("xdp", {}).get("prog")


def received(number, native):
    """A veth with native XDP counts what it receives without the Ethernet header."""
    packets, size = sent(number)
    return packets, size - (14 * packets if native else 0)


def wait_for_totals(exporter, interface, wanted):
    """Ours are what was sent, as the interface's own counters have it."""
    wait_for(
        lambda: exporter.scrape().totals(interface) == wanted,
        lambda: f"{interface}: {exporter.scrape().totals(interface)}, not {wanted}",
    )


def wait_for_truth(exporter, host, *interfaces):
    """Observed and unobserved packets, less those overcounted, are the kernel's, in each direction.
    Returns the metrics."""
    wrong = None

    def compare():
        nonlocal wrong
        metrics = exporter.scrape()
        for name in interfaces:
            kernel, ours = kernel_counters(host.link(name)), metrics.totals(name)
            missing, above = metrics.unobserved(name), metrics.overcounted(name)
            for direction in ("ingress", "egress"):
                if (ours[direction][0] + missing[direction][0] - above[direction][0]
                        != kernel[direction][0]):
                    wrong = (f"{name}: ours {ours} + unobserved {missing} - overcounted {above}, "
                             f"the kernel's {kernel}")
                    return None
        return metrics

    # The audit looks seldom at an interface that rests.
    return wait_for(compare, lambda: wrong)


def no_duplicates(metrics):
    keys = collections.Counter((s.name, tuple(sorted(s.labels.items()))) for s in metrics.samples)
    assert not [key for key, times in keys.items() if times > 1]


# ---- another program on the same interface ----

ATTACHED = [
    ("any", "netlink"), ("generic", "netlink"), ("generic", "noexist"), ("generic", "link"),
    ("native", "netlink"), ("native", "link"),
]


def test_it_was_there_before():
    """Ours stays out, counts all the same, and takes over when it goes; nothing is counted twice."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        others, ways = {}, {}
        for number, way in enumerate(ATTACHED, 1):
            container = stack.enter_context(Container(host, number))
            ways[container] = way
            foreign = stack.enter_context(Foreign(host))
            foreign.do("attach", container.interface, *way)
            others[container] = foreign, program_of(host, container.interface)["id"]
        names = [container.interface for container in others]
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tracepoint", *names, reason="busy")
        assert exporter.scrape().sum("attach_errors_total", reason="busy") >= len(names)
        for container, (foreign, identity) in others.items():
            send_each(container, "eth0", 200)
            send_each(host, container.interface, 100)
            wait_for_totals(exporter, container.interface,
                            {"ingress": received(200, native=ways[container][0] != "generic"),
                             "egress": sent(100)})
            assert foreign.count() == sent(200)
            assert program_of(host, container.interface)["id"] == identity
        for foreign, _ in others.values():
            foreign.do("detach")
        wait_for_mode(exporter, "generic", *names)
        for container in others:
            assert program_of(host, container.interface)["name"] == "pe_ingress"
            send_each(container, "eth0", 200)
        metrics = wait_for_truth(exporter, host, *names)
        for container in others:
            name = container.interface
            first = received(200, native=ways[container][0] != "generic")
            assert metrics.totals(name) == {
                "ingress": tuple(map(sum, zip(first, sent(200)))), "egress": sent(100)}
            assert metrics.unobserved(name) == {"ingress": (0, 0), "egress": (0, 0)}
        no_duplicates(metrics)


def test_it_comes_after():
    """Whatever it tries the kernel refuses, and ours goes on; it is unharmed on the other end."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        identity = program_of(host, "veth1")["id"]
        foreign = stack.enter_context(Foreign(host))
        count = 0
        for where in ("any", "generic", "native"):
            for way in ("netlink", "noexist", "replace", "link"):
                # There is no native program that could be replaced.
                refused = BUSY if (where, way) != ("native", "replace") else ("ENOENT",)
                assert foreign.ask("attach", "veth1", where, way) in refused, (where, way)
                send_each(container, "eth0", 10)
                count += 10
            # Taking off what is there by force; of another mode there is nothing.
            assert foreign.ask("off", "veth1", where) == ("EBUSY" if where == "generic" else "done")
        assert program_of(host, "veth1")["id"] == identity
        metrics = wait_for_truth(exporter, host, "veth1")
        assert metrics.totals("veth1")["ingress"] == sent(count)
        assert info(metrics, "veth1")["mode"] == "generic"
        assert foreign.count() == (0, 0)


def test_it_is_on_the_other_end():
    """In the container it may be, in either mode: both count, whatever it does to the packets."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        others = {}
        cases = [(where, verdict) for where in ("generic", "native")
                 for verdict in (XDP_PASS, XDP_DROP)]
        for number, (where, verdict) in enumerate(cases, 1):
            container = stack.enter_context(Container(host, number))
            others[container] = foreign = stack.enter_context(Foreign(container))
            foreign.do("verdict", verdict, 1)
            foreign.do("attach", "eth0", where, "link")
        names = [container.interface for container in others]
        wait_for_mode(exporter, "generic", *names)
        for container in others:
            send_each(container, "eth0", 200)
            send_each(host, container.interface, 100)
        metrics = wait_for_truth(exporter, host, *names)
        for container, foreign in others.items():
            assert foreign.count() == sent(100)
            wanted = {"ingress": sent(200), "egress": sent(100)}
            assert metrics.totals(container.interface) == wanted
            assert metrics.unobserved(container.interface, reason="lost")["egress"][0] == 0


def test_it_drops_and_diverts():
    """What it keeps from us is reported as unobserved; where we come before it, nothing is missing."""
    number = 1000
    third = (number + 2) // 3
    # Mode, what it does, and how many packets we then see in ingress. The tracepoint is before a
    # generic program and behind a native one.
    cases = [
        ("generic", ("verdict", XDP_DROP, 3), number),
        ("generic", ("verdict", XDP_TX, 3), number),
        ("generic", ("redirect", "veth7"), number),
        ("native", ("verdict", XDP_DROP, 3), number - third),
        ("native", ("verdict", XDP_TX, 3), number - third),
        ("native", ("redirect", "veth7"), 0),
    ]
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers, others = [], []
        for i, (where, command, _) in enumerate(cases, 1):
            containers.append(stack.enter_context(Container(host, i)))
            others.append(stack.enter_context(Foreign(host)))
            others[-1].do("attach", f"veth{i}", where, "link")
        stack.enter_context(Container(host, 7))
        for foreign, (_, command, _) in zip(others, cases):
            foreign.do(*command)
        exporter = stack.enter_context(Exporter(host))
        names = [container.interface for container in containers]
        wait_for_mode(exporter, "tracepoint", *names, reason="busy")
        wait_for_mode(exporter, "generic", "veth7")
        for container in containers:
            send_each(container, "eth0", number)
        metrics = wait_for_truth(exporter, host, *names, "veth7")
        for name, foreign, (where, command, seen) in zip(names, others, cases):
            assert foreign.count() == sent(number)
            assert metrics.totals(name)["ingress"] == received(seen, native=where == "native"), (
                where, command)
            missing = metrics.unobserved(name)
            assert missing["ingress"][0] == number - seen, (where, command)
            # What a generic program sends itself passes no tracepoint, but the kernel counts it.
            sends = third if (where, command[1]) == ("generic", XDP_TX) else 0
            assert missing["egress"][0] == sends, (where, command)
        # A native program reaches only an interface with one of its own behind it.
        assert metrics.unobserved("veth7")["egress"] == sent(number)


def test_it_leaves_under_traffic():
    """Never more than the kernel's; what falls between the two ways of counting is reported."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "veth1", "generic", "netlink")
        exporter = stack.enter_context(Exporter(host))
        out = stack.enter_context(container.packet_socket("eth0"))
        wait_for_mode(exporter, "tracepoint", "veth1", reason="busy")
        enough, total = threading.Event(), 0

        def flood():
            nonlocal total
            while not enough.wait(0.001) and total < 500_000:
                send(out, 25)
                total += 25

        sender = threading.Thread(target=flood)
        sender.start()
        try:
            wait_for(lambda: foreign.count()[0] > 1000, "there is traffic")
            foreign.do("detach")
            seen_by_foreign = foreign.count()[0]

            def is_back():
                metrics = exporter.scrape()
                kernel = kernel_counters(host.link("veth1"))["ingress"]
                for ours, theirs in zip(metrics.totals("veth1")["ingress"], kernel):
                    assert ours <= theirs
                return info(metrics, "veth1")["mode"] == "generic" and metrics

            before = wait_for(is_back, "it comes back").totals("veth1")["ingress"][0]
            wait_for(lambda: exporter.scrape().totals("veth1")["ingress"][0] > before + 1000,
                     "XDP counts")
        finally:
            enough.set()
            sender.join()
        wait_for_truth(exporter, host, "veth1")
        # Nor is anything accounted for afterwards: at its end the interface is audited for the last time.
        host.ip("link", "del", "veth1")
        metrics = wait_for(lambda: not info(m := exporter.scrape(), "veth1") and m, "it is gone")
        ours = metrics.totals("veth1")["ingress"][0]
        # What lay on an overloaded CPU for long was called lost, and is reported as overcounted then.
        missing = (metrics.unobserved("veth1")["ingress"][0] -
                   metrics.overcounted("veth1")["ingress"][0])
        assert ours + missing == total and seen_by_foreign < total
        # One grace period at about 20,000 packets a second.
        assert missing < total / 10
        assert metrics.totals("veth1")["egress"] == (0, 0)


def xdp_links(exporter):
    """The ids of the XDP links that it holds."""
    links = json.loads(run("bpftool", "-j", "link", "show"))
    return {link["id"] for link in links if link["type"] == "xdp"} & exporter.holds("link")


def test_taken_off_by_force():
    """An administrator can take a link off, and needs the place: we count by other means."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        host.ip("tuntap", "add", "tap0", "mode", "tap")
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=generic"))
        send_each(container, "eth0", 100)
        wait_for_totals(exporter, "veth1", {"ingress": sent(100), "egress": (0, 0)})
        links = xdp_links(exporter)
        assert len(links) == 2
        for link in links:
            run("bpftool", "link", "detach", "id", str(link))
        assert not program_of(host, "veth1")
        send_each(container, "eth0", 100)
        # Also where no audit can show that something is missing.
        wait_for_mode(exporter, "tracepoint", "veth1", "tap0", reason="busy")
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "veth1", "generic", "netlink")
        seen = exporter.scrape().totals("veth1")["ingress"][0]
        send_each(container, "eth0", 100)
        metrics = wait_for_truth(exporter, host, "veth1")
        assert metrics.totals("veth1")["ingress"] == sent(seen + 100)
        assert foreign.count() == sent(100)
        foreign.do("detach")
        wait_for_mode(exporter, "generic", "veth1")
        assert not xdp_links(exporter) & links


def test_tc_programs_see_whole_frames():
    """Generic XDP copies packets before tc has them: the copies must be as good."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        source, sink = (stack.enter_context(Container(host, n)) for n in (1, 2))
        foreign = stack.enter_context(Foreign(host))
        foreign.do("tc", "veth1")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "generic", "veth1", "veth2")
        send_each(source, "eth0", 100)
        wait_for_totals(exporter, "veth1", {"ingress": sent(100), "egress": (0, 0)})
        assert foreign.count() == sent(100)
        foreign.do("redirect", "veth2")
        with sink.inside():
            arrives = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            stack.callback(arrives.close)
            arrives.bind(("eth0", 0x0003))
        arrives.settimeout(10)
        send_each(source, "eth0", 1)
        assert arrives.recv(2048) == FRAME


# ---- interfaces above and below ----


def test_a_bridge_with_a_program():
    """The kernel refuses ports of such a bridge a program; those that have theirs keep it."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        first = stack.enter_context(Container(host, 1))
        host.ip("link", "set", "veth1", "master", "br0")
        wait_for_mode(exporter, "generic", "veth1")
        wait_for_mode(exporter, "tracepoint", "br0", reason="bridge")
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "br0", "generic", "netlink")
        # A port from its first moment.
        second = stack.enter_context(Container(host, 2, up=False, master="br0"))
        second.up()
        wait_for_mode(exporter, "tracepoint", "veth2", reason="busy")
        with first.packet_socket("eth0") as out:
            for _ in range(100):
                out.send(BROADCAST)
        send_each(second, "eth0", 100)
        metrics = wait_for_truth(exporter, host, "br0", "veth1", "veth2")
        assert metrics.totals("veth1")["ingress"] == metrics.totals("veth2")["ingress"] == sent(100)
        assert metrics.sum("packets_total", interface="br0", direction="ingress") == 100
        assert foreign.count() == sent(100)
        foreign.do("detach")
        wait_for_mode(exporter, "generic", "veth1", "veth2")
        send_each(second, "eth0", 100)
        metrics = wait_for_truth(exporter, host, "br0", "veth1", "veth2")
        assert metrics.totals("veth2")["ingress"] == sent(200)


def test_counted_in_time():
    """One that falls back at once was counted from its event on, as any other."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        stack.enter_context(Container(host, 1))
        stack.enter_context(Foreign(host)).do("attach", "veth1", "generic", "link")
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=native"))
        wait_for_mode(exporter, "tracepoint", "veth1", reason="busy")
        assert exporter.scrape().sum("attach_seconds_count") == 1


def test_a_port_with_a_program():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers = [stack.enter_context(Container(host, n)) for n in (1, 2)]
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "veth1", "generic", "link")
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        for container in containers:
            host.ip("link", "set", container.interface, "master", "br0")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tracepoint", "veth1", reason="busy")
        wait_for_mode(exporter, "tracepoint", "br0", reason="bridge")
        wait_for_mode(exporter, "generic", "veth2")
        for container in containers:
            with container.packet_socket("eth0") as out:
                for _ in range(100):
                    out.send(BROADCAST)
        metrics = wait_for_truth(exporter, host, "br0", "veth1", "veth2")
        assert foreign.count() == sent(100)
        for name, packets in ("veth1", 100), ("veth2", 100), ("br0", 200):
            assert metrics.totals(name)["ingress"][0] == packets


def test_an_interface_above_with_a_program():
    """As with a bridge: no program below one that has its own, whosever it is."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        host.ip("link", "add", "link", "veth1", "name", "upper", "type", "macvlan", "mode", "bridge")
        host.ip("link", "set", "upper", "up")
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "upper", "generic", "link")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tracepoint", "veth1", reason="busy")
        wait_for_mode(exporter, "tcx" if has_tcx() else "none", "upper", reason="busy")
        send_each(container, "eth0", 100)
        metrics = wait_for_truth(exporter, host, "veth1")
        assert metrics.totals("veth1")["ingress"] == sent(100)
        foreign.do("detach")
        wait_for_mode(exporter, "generic", "upper")


def test_not_counted_at_all():
    """What an interface without a slot receives is reported, also where nothing can be compared."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        host.ip("link", "add", "br0", "type", "bridge")
        upper = add_upper(host, container)
        frame = bytes.fromhex(host.link(upper)["address"].replace(":", "")) + FRAME[6:]
        out = stack.enter_context(container.packet_socket("eth0"))
        back = stack.enter_context(host.packet_socket(upper))

        def exchange():
            for _ in range(100):
                out.send(frame)
                back.send(FRAME)

        exchange()
        exporter = stack.enter_context(Exporter(host, "--max-interfaces=2"))
        wait_for_mode(exporter, "none", upper, reason="no_slot")
        exchange()
        both = {"ingress": sent(200), "egress": sent(200)}
        wait_for(
            lambda: exporter.scrape().unobserved(upper, reason="before_attach") == both,
            lambda: f"unobserved: {exporter.scrape().unobserved(upper)}",
        )
        # Until the moment when it is counted, and no more from then on.
        exchange()
        host.ip("link", "del", "br0")
        wait_for_mode(exporter, "generic", upper)
        exchange()
        wait_for_totals(exporter, upper, {"ingress": sent(100), "egress": sent(100)})
        missing = {"ingress": sent(300), "egress": sent(300)}
        wait_for(
            lambda: exporter.scrape().unobserved(upper, reason="before_attach") == missing,
            lambda: f"unobserved: {exporter.scrape().unobserved(upper)}",
        )
        assert exporter.scrape().unobserved(upper) == missing
        assert kernel_counters(host.link(upper)) == {"ingress": sent(400), "egress": sent(400)}
        # What an interface passes that never gets a slot is reported when it goes.
        second = add_upper(host, stack.enter_context(Container(host, 2)))
        wait_for_mode(exporter, "none", second, reason="no_slot")
        with host.packet_socket(second) as sock:
            send(sock, 50)
        host.ip("link", "del", second)
        wait_for(lambda: not info(exporter.scrape(), second), "it has gone")
        assert exporter.scrape().unobserved(second)["egress"] == sent(50)


def add_upper(host, container):
    name = f"upper{container.number}"
    host.batch([f"link add link {container.interface} name {name} type macvlan mode bridge",
                f"link set {name} up"])
    return name


def test_an_interface_above_of_our_own():
    """Whoever comes first: both have XDP, and the kernel is asked for nothing that it refuses."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers = [stack.enter_context(Container(host, 1))]
        uppers = [add_upper(host, containers[0])]
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "generic", "veth1", "upper1")
        # Events of one that are read together.
        exporter.process.send_signal(signal.SIGSTOP)
        containers.append(stack.enter_context(Container(host, 2)))
        uppers.append(add_upper(host, containers[1]))
        exporter.process.send_signal(signal.SIGCONT)
        wait_for_mode(exporter, "generic", "veth1", "upper1", "veth2", "upper2")
        assert exporter.scrape().sum("attach_errors_total") == 0
        for container, upper in zip(containers, uppers):
            frame = bytes.fromhex(host.link(upper)["address"].replace(":", "")) + FRAME[6:]
            with container.packet_socket("eth0") as out:
                for _ in range(100):
                    out.send(frame)
            for name in container.interface, upper:
                wait_for_totals(exporter, name, {"ingress": sent(100), "egress": (0, 0)})


def test_under_load_below_one_of_our_own():
    """It keeps XDP while it could not come back to it."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers = [stack.enter_context(Container(host, n)) for n in (1, 2)]
        exporter = stack.enter_context(Exporter(host))
        upper = add_upper(host, containers[0])
        for container in containers:
            host.ip("link", "set", container.interface, "mtu", 65535)
            container.ip("link", "set", "eth0", "mtu", 65535)
        outs = [stack.enter_context(container.packet_socket("eth0")) for container in containers]
        wait_for_mode(exporter, "generic", "veth1", "veth2", upper)

        def load_until(interface, reason):
            def is_there():
                for _ in range(300):
                    for out in outs:
                        out.send(ipv4(17, udp(60000)))
                return info(exporter.scrape(), interface)["reason"] == reason

            wait_for(is_there, f"{interface} is counted with {reason}")

        load_until("veth2", "load")
        wait_for_mode(exporter, "generic", "veth1")
        host.ip("link", "del", upper)
        load_until("veth1", "load")
        # Back at once, before the kernel would refuse it.
        wait_for_mode(exporter, "generic", "veth1", add_upper(host, containers[0]))
        assert exporter.scrape().sum("attach_errors_total") == 0
        wait_for_truth(exporter, host, "veth1")


# ---- interfaces that no tracepoint sees ----


needs_tcx = pytest.mark.skipif(not has_tcx(), reason="this kernel has no TCX")


class Upper:
    """A macvlan or macvtap above a container's interface, and frames for it from the container."""

    def __init__(self, host, container, name="upper", kind="macvlan"):
        self.host, self.container, self.name = host, container, name
        host.ip("link", "add", "link", container.interface, "name", name, "type", kind, "mode",
                "bridge")
        host.ip("link", "set", name, "up")
        wait_up(host, [name])
        address = bytes.fromhex(host.link(name)["address"].replace(":", ""))
        self.frame = address + FRAME[6:]

    def send(self, count):
        with self.container.packet_socket("eth0") as out:
            for _ in range(count):
                out.send(self.frame)

    def received(self):
        return kernel_counters(self.host.link(self.name))["ingress"]


def tcx_links(exporter):
    """The ids of the TCX links that it holds."""
    ids = set()
    for file in pathlib.Path(f"/proc/{exporter.process.pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            ids.update(re.findall(r"^link_type:\s*tcx\nlink_id:\s*(\d+)$", file.read_text(), re.M))
    return set(map(int, ids))


@needs_tcx
@pytest.mark.parametrize("kind", ["macvlan", "macvtap"])
def test_above_and_it_was_there_before(kind):
    """The last way that is left counts every packet, and takes none from the other program."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        upper = Upper(host, container, kind=kind)
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "upper", "generic", "netlink")
        identity = program_of(host, "upper")["id"]
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tcx", "upper", reason="busy")
        assert exporter.scrape().find("interfaces_attached", mode="tcx")[0].value == 1
        assert len(tcx_links(exporter)) == 1
        upper.send(300)
        send_each(host, "upper", 100)
        wait_for_totals(exporter, "upper", {"ingress": sent(300), "egress": sent(100)})
        assert foreign.count() == upper.received() == sent(300)
        assert program_of(host, "upper")["id"] == identity
        foreign.do("detach")
        wait_for_mode(exporter, "generic", "upper")
        upper.send(300)
        wait_for(lambda: not tcx_links(exporter), "TCX has gone")
        upper.send(300)
        wait_for_totals(exporter, "upper", {"ingress": sent(900), "egress": sent(100)})
        assert upper.received() == sent(900) and foreign.count() == sent(300)
        no_duplicates(exporter.scrape())


@needs_tcx
def test_above_and_it_leaves_under_traffic():
    """From one program to the other, twice, and each packet is counted once."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        upper = Upper(host, stack.enter_context(Container(host, 1)))
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "upper", "generic", "link")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tcx", "upper", reason="busy")
        enough, total = threading.Event(), 0

        def trickle():
            nonlocal total
            while not enough.wait(0.001) and total < 500_000:
                upper.send(20)
                total += 20

        def seen():
            return exporter.scrape().totals("upper")["ingress"][0]

        def wait_for_more():
            before = seen()
            wait_for(lambda: seen() > before + 1000, "there is traffic")

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            wait_for_more()
            foreign.do("detach")
            wait_for_mode(exporter, "generic", "upper")
            wait_for_more()
            wait_for(lambda: not tcx_links(exporter), "TCX has gone")
            wait_for_more()
        finally:
            enough.set()
            sender.join()
        wait_for_totals(exporter, "upper", {"ingress": sent(total), "egress": (0, 0)})
        assert upper.received() == sent(total)


@needs_tcx
def test_above_and_taken_off_by_force():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        upper = Upper(host, stack.enter_context(Container(host, 1)))
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "generic", "upper")
        for link in xdp_links(exporter):
            run("bpftool", "link", "detach", "id", str(link))
        wait_for_mode(exporter, "tcx", "upper", reason="busy")
        upper.send(100)
        wait_for_totals(exporter, "upper", {"ingress": sent(100), "egress": (0, 0)})
        (link,) = tcx_links(exporter)
        run("bpftool", "link", "detach", "id", str(link))
        # It does not claim to count what it does not.
        wait_for_mode(exporter, "none", "upper", reason="busy")
        assert not tcx_links(exporter)


def redirect(host, upper, container, stack):
    """From another container to it, by tc."""
    mirred(host, container.interface, "ingress", "redirect", upper.name)
    send_each(container, "eth0", 100)


def hand_back(host, upper, container, stack):
    """By way of ifb: it has received the packets once."""
    redirect_to_ifb(host, upper.name)
    upper.send(100)


def loop_back(host, upper, container, stack):
    """What the host sends there, for its own members."""
    host.ip("addr", "add", "10.8.0.1/24", "dev", upper.name)
    with host.inside():
        member, sender = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                          for _ in range(2))
    member.bind(("224.0.0.251", 5353))
    member.settimeout(10)
    own = socket.inet_aton("10.8.0.1")
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + own)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    for _ in range(100):
        sender.sendto(bytes(100), ("224.0.0.251", 5353))
        member.recv(200)


@needs_tcx
@pytest.mark.parametrize("passage", [redirect, hand_back, loop_back], ids=lambda passage: passage.__name__)
def test_above_and_handed_to_it(passage):
    """TCX sees more than the interface receives; the receive tracepoint has said before what that is."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        upper = Upper(host, stack.enter_context(Container(host, 1)))
        other = stack.enter_context(Container(host, 2))
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", "upper", "generic", "link")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tcx", "upper", reason="busy")
        passage(host, upper, other, stack)
        # What it receives after that is counted as before.
        upper.send(100)
        received = sent(200 if passage is hand_back else 100)
        wait_for(lambda: upper.received() == received, lambda: upper.received())
        metrics = wait_for_truth(exporter, host, "upper")
        assert metrics.totals("upper")["ingress"] == upper.received()
        nothing = {"ingress": (0, 0), "egress": (0, 0)}
        assert metrics.overcounted("upper") == metrics.unobserved("upper", reason="lost") == nothing


@needs_tcx
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_above_and_nothing_is_left(signo):
    with contextlib.ExitStack() as stack:
        host, other = (stack.enter_context(Namespace()) for _ in range(2))
        container = stack.enter_context(Container(host, 1))
        names = ["upper1", "upper2", "upper3"]
        for name in names:
            Upper(host, container, name)
            stack.enter_context(Foreign(host)).do("attach", name, "generic", "link")
        exporter = stack.enter_context(Exporter(host))
        wait_for_mode(exporter, "tcx", *names, reason="busy")
        links, programs = tcx_links(exporter), exporter.holds("prog")
        assert len(links) == 3 and links <= kernel_objects("link")
        # It goes with the interface, and from one that lives on elsewhere.
        host.ip("link", "del", "upper1")
        host.ip("link", "set", "upper2", "netns", other.name)
        wait_for(lambda: len(tcx_links(exporter) & kernel_objects("link")) == 1, "one is left")
        stop(exporter.process, signo)
        wait_for(lambda: not links & kernel_objects("link"), "nothing is attached")
        wait_for(lambda: not programs & kernel_objects("prog"), "nothing is loaded")
        assert "xdp" in host.link("upper3") and "xdp" in other.link("upper2")


@pytest.mark.long
@needs_tcx
def test_above_they_wait_their_turn():
    """It is slow to attach, and one comes at a time: what is made meanwhile is counted first."""
    number = 50
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        uppers = [Upper(host, container, f"upper{n}") for n in range(number)]
        foreign = stack.enter_context(Foreign(host))
        foreign.do("attach", uppers[0].name, "generic", "netlink")
        identity = program_of(host, uppers[0].name)["id"]
        for upper in uppers[1:]:
            run("ip", "netns", "exec", host.name, "bpftool", "net", "attach", "xdpgeneric", "id",
                str(identity), "dev", upper.name)
        started = time.monotonic()
        exporter = stack.enter_context(Exporter(host))
        for n in (2, 3, 4):
            latest = stack.enter_context(Container(host, n))
            send_each(latest, "eth0", 100)
            wait_for_totals(exporter, latest.interface,
                            {"ingress": sent(100), "egress": (0, 0)})
            wait_for_mode(exporter, "generic", latest.interface)
        metrics = exporter.scrape()
        waiting = metrics.find("interfaces_attached", mode="none")[0].value
        come = metrics.find("interfaces_attached", mode="tcx")[0].value
        assert come + waiting == number
        assert come <= time.monotonic() - started + 1
        assert waiting > 0
        wait_for(lambda: len(tcx_links(exporter)) >= come + 3, "they come")
        labels = {u.name: info(exporter.scrape(), u.name) for u in uppers}
        counted = [upper for upper in uppers if labels[upper.name]["mode"] == "tcx"]
        for upper in counted:
            upper.send(10)
        for upper in counted:
            wait_for_totals(exporter, upper.name, {"ingress": sent(10), "egress": (0, 0)})
        assert foreign.count() == sent(10 * len(counted))


def test_drivers_without_native():
    """With --xdp.mode=native, too, everything is counted."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=native"))
        container = stack.enter_context(Container(host, 1))
        add = [
            "link add br0 type bridge",
            "link add ifb0 type ifb",
            "link add link veth1 name macvlan0 type macvlan mode bridge",
            "link add vxlan0 type vxlan id 7 dstport 4789 local 10.7.1.1 remote 10.7.1.2",
            "tuntap add tun0 mode tun",
            "tuntap add tap0 mode tap",
        ]
        names = ["br0", "ifb0", "macvlan0", "vxlan0", "tun0", "tap0"]
        host.batch(add + [f"link set {name} up" for name in names])
        wait_for_mode(exporter, "native", "veth1", "tap0")
        wait_for_mode(exporter, "generic", "macvlan0", reason="native_refused")
        # Their GRO is on.
        wait_for_mode(exporter, "tracepoint", "vxlan0", "tun0", reason="native_refused")
        wait_for_mode(exporter, "tracepoint", "ifb0", reason="kind")
        wait_for_mode(exporter, "tracepoint", "br0", reason="bridge")
        assert exporter.scrape().sum("attach_errors_total") == 0
        address = bytes.fromhex(host.link("macvlan0")["address"].replace(":", ""))
        frame = address + FRAME[6:]
        with container.packet_socket("eth0") as out:
            for _ in range(100):
                out.send(frame)
        wait_for_totals(exporter, "veth1", {"ingress": received(100, native=True), "egress": (0, 0)})
        wait_for_totals(exporter, "macvlan0", {"ingress": sent(100), "egress": (0, 0)})
        assert kernel_counters(host.link("macvlan0"))["ingress"] == sent(100)
        # As auto would have it: what generic XDP would switch off decides, now and later.
        for gro, mode in (("off", "generic"), ("on", "tracepoint"), ("off", "generic")):
            run("ip", "netns", "exec", host.name, "ethtool", "-K", "vxlan0", "gro", gro)
            wait_for_mode(exporter, mode, "vxlan0", reason="native_refused")


# ---- bridges that change ----


def test_a_thousand_joins():
    """A port that joins and leaves is not deleted: the same link, the same series, every packet."""
    times = 1000
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        container = stack.enter_context(Container(host, 1))
        # So many packets would otherwise have it left to the tracepoint.
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=generic"))
        links, program = xdp_links(exporter), program_of(host, "veth1")["id"]
        before = exporter.scrape()
        assert len(links) == 1
        out = stack.enter_context(container.packet_socket("eth0"))
        enough, total = threading.Event(), 0

        def trickle():
            nonlocal total
            while not enough.wait(0.0005) and total < 500_000:
                send(out, 5)
                total += 5

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            host.batch(["link set veth1 master br0", "link set veth1 nomaster"] * times)
        finally:
            enough.set()
            sender.join()
        metrics = wait_for_truth(exporter, host, "veth1")
        assert total > times
        assert metrics.totals("veth1")["ingress"] == sent(total)
        assert metrics.unobserved("veth1")["ingress"] == (0, 0)
        assert (info(metrics, "veth1")["master"], info(metrics, "veth1")["mode"]) == ("", "generic")
        assert xdp_links(exporter) == links and program_of(host, "veth1")["id"] == program
        for name in ("attach_seconds_count", "attach_errors_total"):
            assert metrics.sum(name) == before.sum(name), name
        # None has departed: each that is known has a mode.
        assert len(metrics.find("interface_info")) == len(metrics.find("interface_mode"))
        reported = metrics.sum("netlink_messages_total") - before.sum("netlink_messages_total")
        assert reported >= 2 * times
        no_duplicates(metrics)


def test_bridges_change():
    """The label follows the port from bridge to bridge, through a rename and a deletion."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.batch(["link add br0 type bridge", "link add br1 type bridge", "link set br0 up",
                    "link set br1 up"])
        exporter = stack.enter_context(Exporter(host))
        containers = [stack.enter_context(Container(host, n)) for n in (1, 2, 3)]
        names = [container.interface for container in containers]
        wait_for_mode(exporter, "generic", *names)
        links, count = xdp_links(exporter), 0
        steps = [
            (["link set veth1 master br0", "link set veth2 master br0", "link set veth3 master br1"],
             ("br0", "br0", "br1")),
            (["link set veth1 master br1"], ("br1", "br0", "br1")),
            (["link set br1 down", "link set br1 name br9", "link set br9 up"],
             ("br9", "br0", "br9")),
            (["link set br0 down", "link set br0 name br1"], ("br9", "br1", "br9")),
            (["link del br9"], ("", "br1", "")),
            (["link set veth3 master br1", "link set veth2 nomaster"], ("", "", "br1")),
        ]
        for commands, masters in steps:
            host.batch(commands)
            wait_for(
                lambda: tuple(info(exporter.scrape(), name)["master"] for name in names) == masters,
                lambda: f"{masters} after {commands}",
            )
            for container in containers:
                send_each(container, "eth0", 50)
            count += 50
        metrics = wait_for_truth(exporter, host, *names)
        for name in names:
            assert metrics.totals(name)["ingress"] == sent(count)
            assert metrics.unobserved(name)["ingress"] == (0, 0)
        assert xdp_links(exporter) == links and len(links) == len(names)
        assert not info(metrics, "br9")
        no_duplicates(metrics)
