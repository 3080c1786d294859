# SPDX-License-Identifier: GPL-2.0-or-later
"""Totals are exact: equal to the kernel's own counters, and to what was sent."""
import contextlib
import socket
import subprocess
import time

import pytest
from harness import (
    DEADLINE_S, DIRECTIONS, HAS_FLOWS, HOOKS, MODE, Container, Exporter, Namespace, hook,
    icmp_echo, icmpv6_echo, ipv4, ipv6, kernel_counters, length, needs_flows, needs_root, run, tcp, udp,
    wait_for,
)

pytestmark = needs_root

PAIRS = 20
MODES = [MODE] if HOOKS else ["generic", "tracepoint", "native"]
UDP, TCP, ICMP, ICMPV6 = 17, 6, 1, 58


def frames(number):
    """(family, protocol, frame, how many) that container `number` and its host send each other."""
    return [
        ("ipv4", "udp", ipv4(UDP, udp(10 * number)), 100 + number),
        ("ipv4", "tcp", ipv4(TCP, tcp(0x10, 7 * number)), 50 + 2 * number),
        ("ipv4", "icmp", ipv4(ICMP, icmp_echo(56)), 10 + number),
        ("ipv6", "udp", ipv6(UDP, udp(1000 + number)), 30 + number),
        ("ipv6", "icmpv6", ipv6(ICMPV6, icmpv6_echo(number)), 5 + number),
    ]


def start(stack, mode, *options):
    """A host with an exporter that will count containers in a mode."""
    host = stack.enter_context(Namespace())
    if mode == "native":
        options += ("--xdp.mode=native",)
    return host, stack.enter_context(Exporter(host, *options))


def settle(exporter, mode, *containers):
    """They are counted in that mode: where GRO is on, by the tracepoint. Traffic has to wait for the driver
    alone: going there can miss a packet of each CPU, or count it twice."""
    if mode == "tracepoint":
        for container in containers:
            container.host.merge(container.interface)
    wait_for(lambda: len(exporter.scrape().live(kind="veth", mode=mode)) == len(containers),
             lambda: exporter.scrape().find("interface_mode"))


def send(sock, frame, count):
    for _ in range(count):
        sock.send(frame)


def assert_equal_to_kernel(host, exporter, interfaces, in_softirq=()):
    """Every total is the interface's own; waits for both to rest. Returns the metrics.

    On some machines BPF tracepoints do not run while certain tasks are interrupted. What passes them
    in an interrupt (answers, forwarding) can then be missed, next to nothing of it, and must be reported
    as unobserved; `in_softirq` names these directions. XDP and what tasks send are exact to the packet.
    """

    def compare():
        metrics = exporter.scrape()
        for link in host.links():
            name, kernel = link["ifname"], kernel_counters(link)
            if name not in interfaces:
                continue
            ours, missing = metrics.totals(name), metrics.unobserved(name)
            for direction in DIRECTIONS:
                both = tuple(a + b for a, b in zip(ours[direction], missing[direction]))
                if both != kernel[direction]:
                    return None, f"{name}: ours {ours} + unobserved {missing}, kernel's {kernel}"
                allowed = max(1, kernel[direction][0] / 200) if direction in in_softirq else 0
                assert missing[direction][0] <= allowed, f"{name}: {missing}"
        return metrics, ""

    return wait_for(lambda: compare()[0],
                    lambda: f"totals equal the kernel's counters: {compare()[1]}")


@pytest.mark.long
def test_twenty_containers(tmp_path):
    """Known frames of every kind, both ways, over pairs that appear while the exporter runs."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, *["--flows.top=100"] * HAS_FLOWS))
        containers = [stack.enter_context(Container(host, n)) for n in range(1, PAIRS + 1)]
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached", mode=MODE) == PAIRS,
            "all are attached",
        )
        for container in containers:
            with container.packet_socket("eth0") as out, host.packet_socket(
                container.interface
            ) as back:
                for _, _, frame, count in frames(container.number):
                    send(out, frame, count)
                    send(back, frame, 2 * count)

        # ARP and the like may come on top; what was sent here must be there exactly.
        metrics = assert_equal_to_kernel(host, exporter, [c.interface for c in containers])
        for container in containers:
            for family, protocol, frame, count in frames(container.number):
                for direction, times in zip(DIRECTIONS, (1, 2)):
                    size = length(frame, direction)
                    labels = {"interface": container.interface, "direction": direction,
                              "family": family, "protocol": protocol}
                    assert metrics.sum("packets_total", **labels) == times * count
                    assert metrics.sum("bytes_total", **labels) == times * count * size
            histogram = metrics.sum("packet_size_bytes_count", interface=container.interface,
                                    direction="ingress")
            assert histogram == metrics.totals(container.interface)["ingress"][0]


@pytest.mark.parametrize("mode", MODES)
def test_sockets(mode):
    """What real sockets send: UDP, TCP, and the answers of the host's own stack."""
    with contextlib.ExitStack() as stack:
        host, exporter = start(stack, mode)
        container = stack.enter_context(Container(host, 1))
        settle(exporter, mode, container)
        with host.inside():
            server = stack.enter_context(socket.create_server(("10.7.1.1", 5000)))
            sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.bind(("10.7.1.1", 5001))
        with container.inside():
            client = stack.enter_context(socket.create_connection(("10.7.1.1", 5000), 10))
            datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        accepted = stack.enter_context(server.accept()[0])
        for size in range(200):
            datagrams.sendto(bytes(size), ("10.7.1.1", 5001))
        client.sendall(b"x" * 100000)
        received = 0
        while received < 100000:
            received += len(accepted.recv(65536))
        accepted.sendall(b"done")
        assert client.recv(4) == b"done"
        client.close()
        accepted.close()

        metrics = assert_equal_to_kernel(host, exporter, ["veth1"], in_softirq=["egress"])
        assert metrics.sum("packets_total", interface="veth1", direction="ingress",
                           family="ipv4", protocol="udp") == 200
        assert metrics.sum("bytes_total", interface="veth1", direction="ingress",
                           family="ipv4", protocol="udp") == sum(
                               length(bytes(42 + size), mode=mode) for size in range(200))
        syn = metrics.sum("tcp_segments_total", interface="veth1", direction="ingress", flag="syn")
        synack = metrics.sum("tcp_segments_total", interface="veth1", direction="egress",
                             flag="synack")
        assert (syn, synack) == (1, len(DIRECTIONS) - 1)


@pytest.mark.parametrize("option", [hook("xdp.mode", "auto")] if HOOKS else ["generic", "auto", "native"])
def test_tcp_at_full_speed(option):
    """Segmentation offload, both directions at once, some 10 Gb/s: still equal to the byte.

    By XDP all the time, and as it is meant to be: left to the tracepoint after a second.
    """
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(
            Exporter(host, "--flows.idle-timeout=1s", f"--xdp.mode={option}")
        )
        container = stack.enter_context(Container(host, 1))
        if option == "native":
            settle(exporter, option, container)
        server = container.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL)
        stack.callback(server.kill)
        with container.inside():
            wait_for(lambda: ":5201" in run("ss", "-Hltn"), "iperf3 listens")
        with host.inside():
            run("iperf3", "-c", "10.7.1.2", "-t", "3" if option == "auto" else "1", "--bidir")
        server.wait(20)
        in_softirq = ["ingress", "egress"] if option == "auto" else ["egress"]
        metrics = assert_equal_to_kernel(host, exporter, ["veth1"], in_softirq=in_softirq)
        size = [metrics.totals("veth1")[direction][1] for direction in DIRECTIONS]
        assert min(size) > 10_000_000
        tcp_bytes = metrics.sum("bytes_total", interface="veth1", protocol="tcp")
        assert tcp_bytes > 0.99 * sum(size)

        def detail():
            """Flow detail that ended, and what of it was lost on the way; and all bytes. The kernel
            may have sent what was left of a connection after iperf3 had ended."""
            metrics = exporter.scrape()
            names = ("flow_size_bytes_sum", "flow_lost_bytes_total", "bytes_total")
            ended, lost, total = (
                metrics.sum(name, interface="veth1", protocol="tcp") for name in names
            )
            return ended + lost, total

        if HAS_FLOWS:
            wait_for(lambda: len(set(detail())) == 1, lambda: f"flows add up: {detail()}")


@pytest.mark.parametrize("mode", MODES)
def test_both_directions_of_a_bridge(mode):
    """Two containers on a bridge: each port counts what passes it, the bridge what it forwards up."""
    with contextlib.ExitStack() as stack:
        host, exporter = start(stack, mode)
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        containers = [stack.enter_context(Container(host, n, up=False)) for n in (1, 2)]
        for container in containers:
            if mode == "tracepoint":
                run("ip", "netns", "exec", host.name, "ethtool", "-K", container.interface, "gro", "on")
            host.ip("link", "set", container.interface, "master", "br0", "up")
            container.ip("addr", "add", f"10.8.0.{container.number}/24", "dev", "eth0")
            container.ip("link", "set", "eth0", "up")
        settle(exporter, mode, *containers)
        with containers[1].inside():
            sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.bind(("10.8.0.2", 5001))
            sink.settimeout(10)
        with containers[0].inside():
            out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for _ in range(500):
            out.sendto(b"x" * 100, ("10.8.0.2", 5001))
            assert sink.recv(200) == b"x" * 100
        metrics = assert_equal_to_kernel(
            host, exporter, ["veth1", "veth2", "br0"],
            in_softirq=["egress", "ingress"] if mode == "tracepoint" else ["egress"])
        for interface, direction in zip(("veth1", "veth2"), DIRECTIONS):
            missing = metrics.unobserved(interface)[direction][0]
            assert metrics.sum("packets_total", interface=interface, direction=direction,
                               protocol="udp") + missing == 500
        info = metrics.live(interface="veth1")[0].labels
        assert (info["kind"], info["master"], info["mode"]) == ("veth", "br0", mode)


def test_without_ethernet():
    """A tun device has no Ethernet header; its packets are parsed all the same."""
    import fcntl
    import os
    import struct

    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        with host.inside():
            tun = os.open("/dev/net/tun", os.O_RDWR)
            stack.callback(os.close, tun)
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH14x", b"tun0", 0x1001))
            host.ip("addr", "add", "10.6.0.1/24", "dev", "tun0")
            host.ip("link", "set", "tun0", "up")
            out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        wait_for(lambda: exporter.scrape().live(interface="tun0"), "it is seen")
        for _ in range(50):
            os.write(tun, ipv4(UDP, udp(20), "10.6.0.2", "10.6.0.1")[14:])
            out.sendto(b"y" * 30, ("10.6.0.2", 7))
            os.read(tun, 2048)  # the driver counts a packet when it is read
        metrics = assert_equal_to_kernel(host, exporter, ["tun0"])
        for direction, size in zip(DIRECTIONS, (48, 58)):
            labels = {"interface": "tun0", "direction": direction, "family": "ipv4",
                      "protocol": "udp"}
            assert metrics.sum("packets_total", **labels) == 50
            assert metrics.sum("bytes_total", **labels) == 50 * size


@needs_flows
def test_the_ring_may_fail_the_totals_cannot():
    """100,000 flows through a cache of 64 and rings of 4 KiB."""
    flows = 100_000
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(
            Exporter(host, "--flows.ring-size=4096", "--flows.cache-size=64", "--flows.top=3",
                     "--flows.idle-timeout=1s")
        )
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode=MODE) == 1, "attached")
        expected = 0
        with container.packet_socket("eth0") as out:
            for i in range(flows):
                frame = ipv4(UDP, udp(i % 100), f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}")
                expected += length(frame)
                out.send(frame)
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        assert_equal_to_kernel(host, exporter, ["veth1"])

        def settled():
            """All flows have ended: their detail and what was lost are every byte."""
            metrics = exporter.scrape()
            ended = metrics.sum("flow_size_bytes_sum", interface="veth1", protocol="udp")
            lost = metrics.sum("flow_lost_bytes_total", **labels)
            return ended + lost == expected and metrics

        metrics = wait_for(settled, "detail and loss add up to all bytes")
        assert metrics.sum("packets_total", **labels) == flows
        assert metrics.sum("bytes_total", **labels) == expected
        assert metrics.sum("flow_lost_packets_total", **labels) > 0
        assert metrics.sum("flow_records_lost_total") > 0
        known = metrics.sum("flow_size_bytes_count", interface="veth1", protocol="udp")
        assert known + metrics.sum("flow_lost_packets_total", **labels) == flows
        # The largest flows and their remainder are exact as well.
        assert metrics.sum("top_flow_packets_total", **labels) == flows
        assert metrics.sum("top_flow_bytes_total", **labels) == expected


def test_without_flows():
    """Only the detail is missing, and with it its metrics and its memory."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--flows=off", "--interface.detail=full"))
        container = stack.enter_context(Container(host, 1))
        settle(exporter, MODE, container)
        with container.packet_socket("eth0") as out:
            for _, _, frame, count in frames(1):
                send(out, frame, count)
        metrics = assert_equal_to_kernel(host, exporter, ["veth1"])
        for family, protocol, _, count in frames(1):
            labels = {"interface": "veth1", "direction": "ingress", "family": family,
                      "protocol": protocol}
            assert metrics.sum("packets_total", **labels) == count
        assert metrics.sum("packet_size_bytes_count", interface="veth1", direction="ingress") > 0
        flows = {sample.name for sample in metrics.samples if "flow" in sample.name}
        assert not flows
        assert metrics.sum("kernel_map_bytes") < 2_000_000


@needs_flows
def test_top_flows():
    """The K largest by bytes, and the remainder to the byte."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--flows.top=5"))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode=MODE) == 1, "attached")
        sizes = {}
        with container.packet_socket("eth0") as out:
            for i in range(40):
                frame = ipv4(UDP, udp(100, source=1000 + i, dest=53))
                for _ in range(i + 1):
                    out.send(frame)
                sizes[f"192.0.2.1:{1000 + i}"] = (i + 1) * length(frame)
        total = sum(sizes.values())
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("top_flow_bytes_total", **labels) == total and m,
            "all flows are reported",
        )
        top = metrics.find("top_flow_bytes_total", **labels)
        shown = {s.labels["source"]: int(s.value) for s in top if s.labels["source"] != "other"}
        # All 40 fit among the candidates, so the five are the largest. What one had before it was one
        # of them is in the remainder.
        assert set(shown) == set(sorted(sizes, key=sizes.get)[-5:])
        for source, size in shown.items():
            assert 0 < size <= sizes[source]
        assert all(s.labels["destination"] == "192.0.2.2:53" for s in top
                   if s.labels["source"] != "other")


@pytest.mark.long
def test_under_load():
    """A busy interface is left to the receive tracepoint, and comes back: to the packet."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1, merges=False))
        quiet = stack.enter_context(Container(host, 2, merges=False))
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=auto"))
        frame = ipv4(17, udp(58))
        out = stack.enter_context(container.packet_socket("eth0"))
        sent = 0

        def send(count):
            nonlocal sent
            for _ in range(count):
                out.send(frame)
            sent += count

        def reason(interface="veth1"):
            info = exporter.scrape().live(interface=interface)[0].labels
            return info["mode"], info["reason"]

        wait_for(lambda: reason() == ("generic", ""), "XDP is attached")
        end = time.monotonic() + 4 * DEADLINE_S
        while reason() != ("tracepoint", "load"):
            assert time.monotonic() < end, "it never yields"
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                send(1000)
        assert "xdp" not in host.link("veth1")
        send(10000)

        def comes_back():
            """Still passing packets."""
            send(5)
            return reason() == ("generic", "")

        wait_for(comes_back, "it comes back", 4 * DEADLINE_S)
        send(1000)
        expected = (sent, sent * len(frame))
        wait_for(
            lambda: exporter.scrape().totals("veth1")["ingress"] == expected,
            lambda: f"{exporter.scrape().totals('veth1')} is {expected}",
        )
        metrics = exporter.scrape()
        assert metrics.unobserved("veth1")["ingress"] == (0, 0)
        assert kernel_counters(host.link("veth1"))["ingress"] == expected
        assert reason(quiet.interface) == ("generic", "")
