# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that were dropped: as many as were made to be dropped, for this reason, of this interface;
and what interfaces themselves counted, as the kernel shows it."""
import concurrent.futures
import contextlib
import json
import pathlib
import platform
import socket
import struct
import subprocess

import pytest
from harness import (
    Container, Exporter, Namespace, inner_maps, ipv4, needs_root, run, udp, wait_for, wait_up,
)

pytestmark = needs_root

NOBODY = 9  # a port that nobody listens at
FULL, REFUSED, UNSENT, UNROUTED = 5000, 5001, 5002, 5003
RULES = f"""
table inet drops {{
	chain in {{ type filter hook input priority 0; udp dport {REFUSED} drop; }}
	chain out {{ type filter hook output priority 0; udp dport {UNSENT} drop; }}
	chain through {{ type filter hook forward priority 0; udp dport {UNROUTED} drop; }}
}}
"""


class World:
    """A host with containers, counted since before they came."""

    def __init__(self, stack):
        self.host = stack.enter_context(Namespace())
        self.exporter = stack.enter_context(Exporter(self.host, "--drops=on"))
        self.containers = [stack.enter_context(Container(self.host, n)) for n in (1, 2)]
        wait_for(lambda: len(self.exporter.scrape().live(kind="veth")) == 2, "they are counted")

    def drops(self):
        """(interface, direction, reason): packets. Of the interface "" is what no other has."""
        metrics = self.exporter.scrape()
        self.missed = metrics.sum("drops_missed_total")
        counts = {
            (s.labels["interface"], s.labels["direction"], s.labels["reason"]): int(s.value)
            for s in metrics.find("drops_total")
        }
        for sample in metrics.find("host_drops_total"):
            direction, reason = sample.labels["direction"], sample.labels["reason"]
            counts["", direction, reason] = int(sample.value) - sum(
                v for (_, d, r), v in counts.items() if (d, r) == (direction, reason)
            )
        return counts

    @contextlib.contextmanager
    def expect(self, *counts):
        """What is in the block makes these drops, and no other ones: (interface, direction, reason, how
        many), or what it adds to the dictionary. Of the host alone, as by scrapes over loopback, only
        what is named is looked at. What the kernel says that it has not let be counted may be missing."""
        before, missed = self.drops(), self.missed
        expected = {tuple(key): count for *key, count in counts}
        yield expected

        def more():
            return {k: v - before.get(k, 0) for k, v in self.drops().items()
                    if v != before.get(k, 0) and (k[0] or k in expected)}

        def agree():
            found = more()
            lacks = [expected.get(key, 0) - found.get(key, 0) for key in {*expected, *found}]
            return min(lacks, default=0) >= 0 and sum(lacks) <= self.missed - missed

        wait_for(agree, lambda: f"{more()} are {expected}", 20)


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def send(namespace, destination, size, count, port=NOBODY):
    """UDP from a namespace, never fragmented."""
    with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
        for _ in range(count):
            # What its own host's firewall does not let out, it is told.
            with contextlib.suppress(PermissionError):
                sock.sendto(bytes(size), (destination, port))


def udp_counter(namespace, name):
    """Of /proc/net/snmp."""
    with namespace.inside():
        names, values = (line.split()[1:] for line in pathlib.Path("/proc/thread-self/net/snmp")
                         .read_text(encoding="ascii").splitlines() if line.startswith("Udp:"))
    return int(values[names.index(name)])


def test_nothing_is_dropped(world):
    """What arrives is not counted, in either direction."""
    container = world.containers[0]
    with world.expect(), world.host.inside(), socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as here, container.inside():
        here.bind(("10.7.1.1", 4000))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
            for _ in range(50):
                there.sendto(b"ping", ("10.7.1.1", 4000))
                here.sendto(b"pong", here.recvfrom(10)[1])
                there.recv(10)


def test_no_socket(world):
    """To nobody: of the interface that it came in by. Of loopback it is the host's. What a container
    drops itself is not ours."""
    with world.expect(("veth1", "ingress", "no_socket", 40), ("veth2", "ingress", "no_socket", 30),
                      ("", "ingress", "no_socket", 20)):
        send(world.containers[0], "10.7.1.1", 100, 40)
        send(world.containers[1], "10.7.2.1", 100, 30)
        send(world.host, "127.0.0.1", 100, 20)
        send(world.host, "10.7.1.2", 100, 50)
        # As many as the kernel says, in both namespaces.
        assert udp_counter(world.host, "NoPorts") == 90
        assert udp_counter(world.containers[0], "NoPorts") == 50


def test_at_the_same_time(world):
    """On several CPUs, of one interface and of two."""
    one, two = world.containers
    with world.expect(("veth1", "ingress", "no_socket", 6000), ("veth2", "ingress", "no_socket", 3000)):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(send, *to, 100, 3000) for to in (
                    (one, "10.7.1.1"), (one, "10.7.1.1"), (two, "10.7.2.1"))]:  # fmt: skip
                done.result()


def test_firewall(world):
    """By nft: what came in, what was not let out, before it had a device, and what was not forwarded."""
    host, (one, two) = world.host, world.containers
    host.write("net/ipv4/ip_forward", 1)
    one.ip("route", "add", "10.7.2.0/24", "via", "10.7.1.1")
    run("ip", "netns", "exec", host.name, "nft", "-f", "-", input=RULES)
    with world.expect(("veth1", "ingress", "netfilter_drop", 30),
                      ("veth2", "egress", "netfilter_drop", 7)):
        send(one, "10.7.1.1", 100, 25, REFUSED)
        send(one, "10.7.2.2", 100, 5, UNROUTED)
        send(host, "10.7.2.2", 100, 7, UNSENT)


def test_full_socket(world):
    """A reader that does not read. It keeps other things where the device was."""
    container = world.containers[0]
    with world.host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        reader.setblocking(False)
        reader.bind(("10.7.1.1", FULL))
        before = udp_counter(world.host, "RcvbufErrors")
        with world.expect() as expected:
            send(container, "10.7.1.1", 500, 200, FULL)
            lost = udp_counter(world.host, "RcvbufErrors") - before
            assert 150 < lost < 200
            expected["veth1", "ingress", "socket_rcvbuff"] = lost


# Since then the tracepoint has the socket.
HAS_SOCKETS = tuple(map(int, platform.release().split(".")[:2])) >= (6, 11)


def test_old_segment(world):
    """TCP data that comes again: by then it has neither device nor route, and the socket alone says
    whose it was."""
    container = world.containers[0]
    # A frame that is seen here has its checksum.
    run("ip", "netns", "exec", container.name, "ethtool", "-K", "eth0", "tx", "off")
    with contextlib.ExitStack() as stack:
        with world.host.inside():
            listener = stack.enter_context(socket.create_server(("10.7.1.1", 4003)))
        wire = stack.enter_context(container.packet_socket("eth0"))
        wire.bind(("eth0", 3))  # ETH_P_ALL
        wire.settimeout(10)
        with container.inside():
            client = stack.enter_context(socket.create_connection(("10.7.1.1", 4003), 10))
        server = stack.enter_context(listener.accept()[0])
        client.send(b"once and again")
        frame = wire.recv(2000)
        while not frame.endswith(b"once and again"):
            frame = wire.recv(2000)
        assert server.recv(100) == b"once and again"
        with world.expect(("veth1" if HAS_SOCKETS else "", "ingress", "tcp_old_data", 6)):
            for _ in range(6):
                wire.send(frame)


def datagram(source, destination, change):
    """An IP packet with UDP to nobody, whose checksum is right but for `change`."""
    payload = udp(20, dest=NOBODY)
    words = struct.unpack("!20H", socket.inet_aton(source) + socket.inet_aton(destination)
                          + struct.pack("!HH", 17, len(payload)) + payload)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    payload = payload[:6] + struct.pack("!H", checksum ^ change) + payload[8:]
    return ipv4(17, payload, source, destination)[14:]


def send_raw(namespace, packets):
    with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for packet in packets:
            sock.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))


def test_wrong_checksum(world):
    with world.expect(("veth1", "ingress", "udp_csum", 12), ("veth1", "ingress", "no_socket", 3)):
        send_raw(world.containers[0], 12 * [datagram("10.7.1.2", "10.7.1.1", 0x10)])
        send_raw(world.containers[0], 3 * [datagram("10.7.1.2", "10.7.1.1", 0)])


def test_full_queue(world):
    """Of the interface that sends: as many as the queue says."""
    host = world.host
    run("tc", "-n", host.name, "qdisc", "add", "dev", "veth1", "root", "tbf", "rate", "8kbit",
        "burst", "1600", "limit", "3000")  # fmt: skip
    with world.expect() as expected:
        send(host, "10.7.1.2", 1000, 60)
        shown = run("tc", "-n", host.name, "-s", "-j", "qdisc", "show", "dev", "veth1")
        dropped = json.loads(shown)[0]["drops"]
        assert 50 < dropped < 60
        # Kernels differ in what they call it.
        key, = [k for k in world.drops() if k[:2] == ("veth1", "egress") and k[2].startswith("qdisc_")]
        expected[key] = dropped
    # What waits in it is dropped with it.
    run("tc", "-n", host.name, "qdisc", "del", "dev", "veth1", "root")


def own_counters(host):
    """Dropped and errors of each interface and direction, without zeros, by `ip -s link`."""
    return {
        (link["ifname"], direction, what): link["stats64"][side][what]
        for link in host.links() if link["ifname"] != "lo"
        for direction, side in (("ingress", "rx"), ("egress", "tx"))
        for what in ("dropped", "errors") if link["stats64"][side][what]
    }


def exported_counters(metrics):
    return {
        (s.labels["interface"], s.labels["direction"], what): int(s.value)
        for what in ("dropped", "errors") for s in metrics.find(f"interface_{what}_total")
    }


def test_counters_of_interfaces(world):
    """rx and tx, dropped and errors, as `ip -s link` shows them; nothing while they are zero."""
    host, (small, large) = world.host, world.containers
    # What the other end of a veth does not take is dropped by both.
    small.ip("link", "set", "eth0", "mtu", 1000)
    send(host, "10.7.1.2", 1200, 7)
    host.ip("link", "set", large.interface, "mtu", 1000)
    send(large, "10.7.2.1", 1200, 5)
    # A tunnel to nowhere.
    host.batch([
        "link add tunnel0 type vxlan id 7 dstport 4789 remote 192.0.2.1",
        "address add 10.9.9.1/24 dev tunnel0", "link set tunnel0 arp off up",
    ])
    send(host, "10.9.9.2", 100, 3)
    expected = own_counters(host)
    assert expected[small.interface, "egress", "dropped"] >= 7
    assert expected[large.interface, "ingress", "dropped"] == 5
    assert expected["tunnel0", "egress", "errors"] == 3
    wait_for(
        lambda: exported_counters(world.exporter.scrape()) == expected,
        lambda: f"{exported_counters(world.exporter.scrape())} are {expected}",
    )
    small.ip("link", "set", "eth0", "mtu", 1500)
    host.ip("link", "set", large.interface, "mtu", 1500)
    # What is gone keeps what it had.
    host.ip("link", "del", "tunnel0")
    wait_for(lambda: not world.exporter.scrape().find("interface_mode", interface="tunnel0"), "it is gone")
    assert exported_counters(world.exporter.scrape())["tunnel0", "egress", "errors"] == 3


def programs(exporter):
    """The names of those that it has loaded."""
    held = exporter.holds("prog")
    return {p["name"] for p in json.loads(run("bpftool", "-j", "prog", "show"))
            if p["id"] in held and "name" in p}


def test_off(world):
    """Nothing is loaded for it, and nothing exported."""
    with Exporter(world.host, port=9818) as exporter:
        names = programs(exporter)
        assert names and "pe_drop" not in names
        metrics = exporter.scrape()
        assert metrics.sum("drops_attached") == 0
        assert not [s for s in metrics.samples if "drops_total" in s.name]
    assert "pe_drop" in programs(world.exporter)
    assert world.exporter.scrape().sum("drops_attached") == 1


def test_departed(world):
    """Host and groups keep what an interface that is gone had; the next one has none of it."""
    host, two = world.host, world.containers[1]
    with world.expect(("veth2", "ingress", "no_socket", 11)):
        send(two, "10.7.2.1", 100, 11)
        two.ip("link", "del", "eth0")
        wait_for(lambda: not world.exporter.scrape().find("interface_mode", interface="veth2"), "it is gone")
    with Container(host, 3) as three:
        wait_for(lambda: world.exporter.scrape().live(interface="veth3"), "the next one is counted")
        with world.expect(("veth3", "ingress", "no_socket", 4)):
            send(three, "10.7.3.1", 100, 4)
        assert ("veth3", "ingress", "netfilter_drop") not in world.drops()
        metrics = world.exporter.scrape()
        assert metrics.sum("group_drops_total", reason="no_socket") == metrics.sum(
            "drops_total", reason="no_socket"
        )


def test_more_reasons_than_there_are_places(world):
    """What finds none is `other` until it is frequent, and no packet is missing."""
    held = world.exporter.holds("map")
    places = next(m["id"] for m in json.loads(run("bpftool", "-j", "map", "show"))
                  if m["id"] in held and m.get("name") == "places")
    take = ("bpftool", "map", "dequeue", "id", str(places))
    while subprocess.run(take, capture_output=True, check=False).stdout.startswith(b"value"):
        pass
    unknown = ipv4(253, bytes(20), "10.7.1.2", "10.7.1.1")[14:]
    with world.expect(("veth1", "ingress", "other", 9), ("veth1", "ingress", "no_socket", 1)):
        send_raw(world.containers[0], 9 * [unknown])
        send(world.containers[0], "10.7.1.1", 100, 1)
    # What is frequent gets a place, and leaves there what it has there.
    with world.expect(("veth1", "ingress", "other", 999 - 9), ("veth1", "ingress", "ip_noproto", 40 + 9)):
        send_raw(world.containers[0], 1039 * [unknown])
    with world.expect(("veth1", "ingress", "ip_noproto", 5)):
        send_raw(world.containers[0], 5 * [unknown])


def test_memory_comes_with_interfaces():
    """Of each of more interfaces than there are rows for at the start; and where a chunk of rows is not
    there, its interfaces' packets are the host's, and none is missing."""
    count = 300
    frame = bytes.fromhex("ffffffffffff" "0200000000fe" "88b5") + bytes(50)
    with contextlib.ExitStack() as stack:
        host, peers = (stack.enter_context(Namespace()) for _ in range(2))
        exporter = stack.enter_context(Exporter(host, "--drops=on"))
        rows = next(m for m in json.loads(run("bpftool", "-j", "map", "show"))
                    if m["id"] in exporter.holds("map") and m.get("name") == "rows")
        at_start = len(inner_maps(rows["id"]))
        host.batch(f"link add name v{n} type veth peer name p{n} netns {peers.name}" for n in range(count))
        for side, letter in ((host, "v"), (peers, "p")):
            side.batch(f"link set {letter}{n} up" for n in range(count))
        wait_up(host, [f"v{n}" for n in range(count)])
        wait_for(lambda: len(exporter.scrape().live(kind="veth")) == count, "they are counted")
        assert at_start < len(inner_maps(rows["id"])) <= rows["max_entries"]

        def send_each():
            with peers.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
                for n in range(count):
                    sock.bind((f"p{n}", 0))
                    for _ in range(1 + n % 5):
                        sock.send(frame)

        def is_counted(by_interface, of_host):
            metrics = exporter.scrape()
            found = {s.labels["interface"]: int(s.value) for s in metrics.find(
                "drops_total", direction="ingress", reason="unhandled_proto")}
            return found == by_interface and metrics.sum(
                "host_drops_total", direction="ingress", reason="unhandled_proto") == of_host

        each = {f"v{n}": 1 + n % 5 for n in range(count)}
        send_each()
        wait_for(lambda: is_counted(each, sum(each.values())), "each interface has its own")
        for key in range(rows["max_entries"]):
            subprocess.run(("bpftool", "map", "delete", "id", str(rows["id"]), "key", *struct.pack("<I", key)
                            .hex(" ").split()), capture_output=True, check=False)
        send_each()
        wait_for(lambda: is_counted(each, 2 * sum(each.values())), "the host has them all")
