# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS as interfaces see it: what containers ask a real resolver, what it answers and when; and of crafted
packets, what is DNS, and what becomes of queries without an answer.
"""
import collections
import contextlib
import itertools
import platform
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import (
    Container, Exporter, IdentifyingExporter, Namespace, clean_environment, ethernet, ipv4, ipv6, needs_root,
    stop, wait_for,
)
from test_container_names import AS_NOBODY, Box, Groups
from test_tcp import inside, programs

pytestmark = needs_root

# By TCP since then.
HAS_PAGES = tuple(map(int, platform.release().split(".")[:2])) >= (6, 12)
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5
UPSTREAM = ("127.0.0.2", 5300)
SLOW_S = 0.06
# Each of these may have so many without an answer: include/pe/abi_dns.h.
TABLE, EACH = 16384, 4096
WHAT = ("queries", "unanswered", "repeated", "untracked", "unmatched_answers")


def counts(metrics, level="", **labels):
    """(direction, what or code): how many, without zeros. What came by interfaces of several names is added
    up. Every answer has a time."""
    found = collections.Counter()
    for what in WHAT:
        for sample in metrics.find(f"{level}dns_{what}_total", **labels):
            found[sample.labels["direction"], what] += int(sample.value)
    for sample in metrics.find(f"{level}dns_answers_total", **labels):
        found[sample.labels["direction"], sample.labels["rcode"]] += int(sample.value)
    for direction in "ingress", "egress":
        answers = sum(n for (d, what), n in found.items() if d == direction and what not in WHAT)
        assert answers == metrics.sum(
            f"{level}dns_answer_duration_seconds_count", direction=direction, **labels), metrics.text
    return +found


def expect(exporter, expected, level="", **labels):
    wait_for(lambda: counts(exporter.scrape(), level, **labels) == expected,
             lambda: f"{counts(exporter.scrape(), level, **labels)} is {expected}", 30)


# ---- messages ----


def name_of(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def query(number, name="x.known.test", kind=1):
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + name_of(name) + struct.pack("!2H", kind, 1)


def answer(number, rcode=NOERROR):
    return struct.pack("!6H", number, 0x8180 | rcode, 1, 0, 0, 0) + name_of("x.known.test") + b"\0\1\0\1"


def by_tcp(message):
    return struct.pack("!H", len(message)) + message


# ---- a real resolver ----


def upstream(stack):
    """Of dnsmasq's: it answers names below slow.test after a while, below broken.test with SERVFAIL, and
    others not at all. In this thread's namespace."""
    here = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    here.bind(UPSTREAM)
    here.settimeout(0.2)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                message, peer = here.recvfrom(1000)
            except TimeoutError:
                continue
            if b"\6broken" in message:
                here.sendto(message[:2] + b"\x81\x82" + message[4:], peer)
            elif b"\4slow" in message:
                ended.wait(SLOW_S)
                here.sendto(message[:2] + b"\x81\x80" + message[4:], peer)

    thread = threading.Thread(target=serve)
    thread.start()

    def end():
        ended.set()
        thread.join()

    return end


def resolver(popen):
    """dnsmasq, on all addresses: it knows one name, and who knows some others."""
    ask = "#".join(map(str, UPSTREAM))
    return popen(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file=", "--local=/known.test/", "--host-record=a.known.test,192.0.2.1,2001:db8::1",
        *(f"--server=/{name}.test/{ask}" for name in ("slow", "broken", "lost")),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(),
    )


def ask(family, address, name, numbers, rcode, kind=1):
    """By UDP, one after the other. Without a code, nothing is waited for."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect((address, 53))
        for number in numbers:
            sock.send(query(number, name, kind))
            if rcode is not None:
                message = sock.recv(1000)
                assert (message[:2], message[3] & 15) == (struct.pack("!H", number), rcode)


def ask_by_tcp(address, name, numbers, rcode):
    """In one connection."""
    with socket.create_connection((address, 53), 30) as sock:
        for number in numbers:
            sock.sendall(by_tcp(query(number, name)))
            message = sock.recv(1000)
            assert (message[2:4], message[5] & 15) == (struct.pack("!H", number), rcode)


# linux/net_tstamp.h
SO_TIMESTAMPING, SOFTWARE_TIMES = 37, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 11
MSG_ERRQUEUE = 0x2000


def stamp(sock, flags=0):
    """When the kernel sent or received what is read, in seconds; None if it does not say."""
    _, ancillary, _, _ = sock.recvmsg(1000, 512, flags)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds + nanoseconds / 1e9
    return None


@contextlib.contextmanager
def stamping():
    """The kernel stamps what is received, which it begins some time after the first socket wants it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_TIMES & ~2)
        sock.bind(("127.0.0.1", 0))
        wait_for(lambda: sock.sendto(b"x", sock.getsockname()) and stamp(sock), "it is stamped")
        yield


def measured(address, name, number):
    """The time of a query and its answer in this thread's namespace, by the kernel's clock: how long this
    program waits for a CPU is not in it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_TIMES)
        sock.connect((address, 53))
        sock.send(query(number, name))
        sent = stamp(sock, MSG_ERRQUEUE)
        return stamp(sock) - sent


def check_times(stack, exporter, box):
    """Each is within a millisecond of the client's, but for a few where a CPU was busy between the two
    ends of a veth."""
    def total():
        return exporter.scrape().find("dns_answer_duration_seconds_sum", interface="veth1", direction="ingress")[0].value

    differences, before = [], total()
    stack.enter_context(stamping())
    for number, name in enumerate(4 * ["a.known.test"] + [f"{n}.slow.test" for n in range(8)], 1000):
        with inside(box.pid):
            client = measured("10.8.1.1", name, number)
        after = total()
        assert client < SLOW_S or after - before >= SLOW_S
        differences.append(client - (after - before))
        before = after
    # The client is farther away.
    assert min(differences) > -1e-4, differences
    assert sum(d <= 1e-3 for d in differences) >= 10, differences


@pytest.mark.long
def test_containers():
    """Two containers ask, one of them by a bridge, and the other answers as well: counts and codes are exact, at every level, and so are times."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        groups = stack.enter_context(Groups())
        exporter = stack.enter_context(IdentifyingExporter(host, "--dns=on", "--group.by=kind,workload"))
        assert {"pe_dns_receive", "pe_dns_send"} <= programs(exporter)
        boxes = []
        for number in 1, 2:
            box = Box(host, f"veth{number}", groups.make(f"lxc.payload.box-{number}"), f"box-{number}")
            stack.callback(box.close)
            boxes.append(box)
            outside = f"veth{number}"
            if number == 1:
                outside = "br0"
                host.batch(["link add br0 type bridge", "link set veth1 master br0", "link set veth1 up"])
            host.write(f"net/ipv6/conf/{outside}/disable_ipv6", 0)
            host.batch([f"address add 10.8.{number}.1/24 dev {outside}",
                        f"address add fd08:{number}::1/64 dev {outside} nodad", f"link set {outside} up"])
            with inside(box.pid):
                Namespace.batch(Here, ["link set lo up", f"address add 10.8.{number}.2/24 dev eth0",
                                       f"address add fd08:{number}::2/64 dev eth0 nodad", "link set eth0 up"])
        one, two = boxes
        with host.inside():
            stack.callback(upstream(stack))
        server = resolver(host.popen)
        stack.callback(stop, server)
        inner = resolver(lambda *args, **more: host.popen(
            "nsenter", f"--net=/proc/{two.pid}/ns/net", *args, **more))
        stack.callback(stop, inner)

        def answers(namespace, address):
            with namespace, socket.socket() as sock:
                return sock.connect_ex((address, 53)) == 0

        # Connections without a query.
        wait_for(lambda: answers(inside(one.pid), "10.8.1.1"), "the resolver listens")
        wait_for(lambda: answers(host.inside(), "10.8.2.2"), "the other one listens")
        with inside(one.pid):
            ask(socket.AF_INET, "10.8.1.1", "y.lost.test", range(900, 907), None)
            ask(socket.AF_INET, "10.8.1.1", "a.known.test", range(40), NOERROR)
            ask(socket.AF_INET6, "fd08:1::1", "a.known.test", range(30), NOERROR, 28)
            ask(socket.AF_INET, "10.8.1.1", "b.known.test", range(20), NXDOMAIN)
            ask(socket.AF_INET6, "fd08:1::1", "elsewhere.example", range(10), REFUSED)
            ask(socket.AF_INET, "10.8.1.1", "y.broken.test", range(5), SERVFAIL)
            ask_by_tcp("10.8.1.1", "a.known.test", range(8), NOERROR)
            ask_by_tcp("fd08:1::1", "b.known.test", range(4), NXDOMAIN)
        check_times(stack, exporter, one)
        with inside(two.pid):
            ask(socket.AF_INET, "10.8.2.1", "a.known.test", range(15), NOERROR)
        with host.inside():
            ask(socket.AF_INET, "10.8.2.2", "b.known.test", range(25), NXDOMAIN)
        tcp = HAS_PAGES * 12
        expected = {
            "1": {("ingress", "queries"): 7 + 40 + 30 + 20 + 10 + 5 + tcp + 12,
                  ("ingress", "noerror"): 40 + 30 + HAS_PAGES * 8 + 12, ("ingress", "nxdomain"): 20 + HAS_PAGES * 4,
                  ("ingress", "refused"): 10, ("ingress", "servfail"): 5, ("ingress", "unanswered"): 7},
            "2": {("ingress", "queries"): 15, ("ingress", "noerror"): 15,
                  ("egress", "queries"): 25, ("egress", "nxdomain"): 25},
        }
        for number, found in expected.items():
            expect(exporter, found, interface=f"veth{number}")
            expect(exporter, found, "group_", workload=f"box-{number}", kind="veth")
        # The bridge has those of its port once more, as it has their packets.
        expect(exporter, expected["1"], interface="br0")
        expect(exporter, expected["1"], "group_", kind="bridge")
        expect(exporter, sum(map(collections.Counter, (expected["1"], *expected.values())), collections.Counter()), "host_")
        assert exporter.scrape().sum("dns_missed_packets_total") == 0


class Here:
    """This thread's namespace, as a Namespace for batch()."""

    @staticmethod
    def ip(*args, **kwargs):
        subprocess.run(["ip", *args], check=True, text=True, **kwargs)


# ---- crafted packets ----


def udp(payload, source, dest):
    return struct.pack("!HHHH", source, dest, 8 + len(payload), 0) + payload


def tcp(payload, source, dest, words=8):
    """With options: `words` of the header in all."""
    head = struct.pack("!HHIIBBHHH", source, dest, 1, 1, words << 4, 0x18, 1024, 0, 0)
    return head + bytes((words - 5) * 4) + payload


CLIENT, SERVER = "192.0.2.1", "192.0.2.2"


def asks(payload, port=4000, kind=udp, protocol=17):
    return ipv4(protocol, kind(payload, port, 53), CLIENT, SERVER)


def tells(payload, port=4000, kind=udp, protocol=17):
    return ipv4(protocol, kind(payload, 53, port), SERVER, CLIENT)


def tagged(frame, *tags):
    head = b"".join(struct.pack("!HH", kind, number) for kind, number in tags)
    return frame[:12] + head + frame[12:]


class Wire:
    """Both ends of a container's veth, for whole frames."""

    def __init__(self, stack, host, number):
        self.container = stack.enter_context(Container(host, number))
        self.name = self.container.interface
        self.inner = stack.enter_context(self.container.packet_socket("eth0"))
        self.outer = stack.enter_context(host.packet_socket(self.name))

    def send(self, *frames):
        """What the container sends, or receives as a pair of its answer."""
        for frame in frames:
            self.inner.send(frame)

    def receive(self, *frames):
        for frame in frames:
            self.outer.send(frame)


def variants(number):
    """Queries and their answers, in every dress."""
    message, reply = query(number), answer(number)
    v6 = "2001:db8::1", "2001:db8::2"
    hops = struct.pack("!BB6x", 17, 0)
    options = asks(message)
    yield asks(message), tells(reply)
    yield tagged(asks(message), (0x8100, 5)), tagged(tells(reply), (0x8100, 5))
    yield tagged(asks(message), (0x88A8, 5), (0x8100, 0x4007)), tagged(tells(reply), (0x88A8, 5), (0x8100, 0x4007))
    yield ipv6(17, udp(message, 4000, 53), *v6), ipv6(17, udp(reply, 53, 4000), *reversed(v6))
    # Behind a header of IPv6, and options of IPv4.
    yield ipv6(0, hops + udp(message, 4001, 53), *v6), ipv6(0, hops + udp(reply, 53, 4001), *reversed(v6))
    long = b"\x46" + options[15:16] + struct.pack("!H", len(options) - 14 + 4) + options[18:34] + bytes(4) + options[34:]
    yield ethernet(0x0800, long.replace(b"\x0f\xa0\0\x35", b"\x0f\xa2\0\x35")), tells(reply, 4002)
    # From one server to another; and the first of two fragments.
    yield asks(message, 53), tells(reply, 53)
    first = asks(message, 4003)
    yield first[:20] + b"\x20\0" + first[22:], tells(reply, 4003)


# None of them is DNS.
def others():
    message, reply = query(9), answer(9)
    yield ipv4(17, udp(message, 5353, 5353))
    yield asks(message[:11])
    yield asks(message)[:50]  # cut short
    yield asks(b"")
    yield asks(reply)  # an answer that goes to the server
    yield tells(message)
    later = asks(message)
    yield later[:20] + b"\0\x10" + later[22:]
    yield ipv4(6, tcp(message, 4000, 53))  # no length before it
    yield ipv4(6, tcp(by_tcp(message)[:10], 4000, 53))
    yield ipv4(6, tcp(struct.pack("!H", 900) + message, 4000, 53))
    yield ipv4(6, tcp(b"", 4000, 53))
    yield ipv4(132, udp(message, 4000, 53))  # SCTP
    yield ethernet(0x0806, asks(message)[14:])
    yield ethernet(0x8100, b"\0\5")


@pytest.mark.long
def test_frames():
    """What is DNS, and of whose; repeated, late and foreign answers. As nobody, with three capabilities."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--dns=on", prefix=AS_NOBODY))
        wire, server = Wire(stack, host, 1), Wire(stack, host, 2)
        wait_for(lambda: len(exporter.scrape().live(kind="veth")) == 2, "they are counted")
        begun = time.monotonic()
        # One that comes too late, and one that is asked again, too late: then it is a new one.
        wire.send(asks(query(70)), asks(query(71)))
        expected = collections.Counter({"queries": 2, "unanswered": 2})
        pairs = list(variants(1))
        for question, reply in pairs:
            wire.send(question)
            wire.receive(reply)
        expected.update(queries=len(pairs), noerror=len(pairs))
        wire.send(*others())
        wire.receive(*others())
        # By TCP, whose answer is the beginning of a large one; the rest of that is none of its own.
        segments = [tcp(by_tcp(query(2)), 4000, 53), tcp(struct.pack("!H", 9000) + answer(2), 53, 4000),
                    tcp(by_tcp(answer(3)), 53, 4000)]
        wire.send(ipv4(6, segments[0], CLIENT, SERVER))
        wire.receive(*(ipv4(6, segment, SERVER, CLIENT) for segment in segments[1:]))
        expected.update(queries=HAS_PAGES, noerror=HAS_PAGES)
        # Every code; those from 11 on have no name.
        names = ("noerror formerr servfail nxdomain notimp refused yxdomain yxrrset nxrrset notauth notzone"
                 .split() + 5 * ["other"])
        for rcode, name in enumerate(names):
            wire.send(asks(query(100 + rcode)))
            wire.receive(tells(answer(100 + rcode, rcode)))
            expected.update({"queries": 1, name: 1})
        # Asked again, and answered once or twice; answered twice; with another id; by others.
        wire.send(asks(query(80)), asks(query(80)), asks(query(80)))
        wire.receive(tells(answer(80)), tells(answer(80)))
        wire.send(asks(query(81)))
        wire.receive(tells(answer(81)), tells(answer(81)), tells(answer(82)), tells(answer(81), 4009),
                     ipv4(17, udp(answer(81), 53, 4000), "192.0.2.9", CLIENT))
        expected.update(queries=4, repeated=2, noerror=2, unmatched_answers=5)
        # Of another interface and direction there is nothing of it.
        server.receive(asks(query(83)))
        wire.receive(tells(answer(83)))
        server.send(tells(answer(83)))
        expected.update(unmatched_answers=1)
        wait_for(lambda: time.monotonic() - begun > 5.1, "it is too late")
        wire.receive(tells(answer(70)))
        wire.send(asks(query(71)))
        wire.receive(tells(answer(71, NXDOMAIN)))
        expected.update(unmatched_answers=1, queries=1, nxdomain=1)
        expect(exporter, {("ingress", what): n for what, n in expected.items() if n}, interface=wire.name)
        expect(exporter, {("egress", "queries"): 1, ("egress", "noerror"): 1}, interface=server.name)


@pytest.mark.long
def test_table():
    """What finds no place is counted as that, each of the others once, also of an interface that goes."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--dns=on", "--egress=off"))
        wires = [Wire(stack, host, number) for number in range(1, 4)]
        wait_for(lambda: len(exporter.scrape().live(kind="veth")) == 3, "they are counted")
        questions = [asks(query(n % 65536, "x"), 4000 + n // 65536) for n in range(EACH + 100)]
        fillers = [*itertools.product(wires[:2], ("ingress", "egress"))]
        for wire, direction in fillers:
            (wire.send if direction == "ingress" else wire.receive)(*questions)
        # All are full now.
        wires[2].send(*questions[:50])
        untracked = {(d, "queries"): EACH + 100 for d in ("ingress", "egress")}
        untracked.update({(d, "untracked"): 100 for d in ("ingress", "egress")})
        for wire in wires[:2]:
            expect(exporter, untracked, interface=wire.name)
        expect(exporter, {("ingress", "queries"): 50, ("ingress", "untracked"): 50}, interface=wires[2].name)
        # Nobody answers any more.
        wires[0].container.ip("link", "del", "eth0")
        gone = {**untracked, **{(d, "unanswered"): EACH for d in ("ingress", "egress")}}
        for wire in wires[:2]:
            expect(exporter, gone, interface=wire.name)
        # There is room again, and the next interface begins at zero.
        new = Wire(stack, host, 4)
        wait_for(lambda: exporter.scrape().live(interface="veth4"), "it is counted")
        new.send(*questions[:EACH])
        wires[2].send(questions[60])
        wires[2].receive(tells(answer(60)))
        new.receive(*(tells(answer(n)) for n in range(EACH)))
        expect(exporter, {("ingress", "queries"): EACH, ("ingress", "noerror"): EACH}, interface="veth4")
        expect(exporter, {("ingress", "queries"): 51, ("ingress", "untracked"): 50, ("ingress", "noerror"): 1},
               interface=wires[2].name)
        # One that came and went while the exporter slept.
        exporter.pause()
        short = Wire(stack, host, 5)
        short.send(*questions[:9])
        short.receive(*(tells(answer(n)) for n in range(4)))
        short.container.ip("link", "del", "eth0")
        exporter.process.send_signal(signal.SIGCONT)
        expect(exporter, {
            ("ingress", "queries"): 2 * (EACH + 100) + 51 + EACH + 9, ("ingress", "noerror"): EACH + 1 + 4,
            ("ingress", "untracked"): 250, ("ingress", "unanswered"): 2 * EACH + 5,
            ("egress", "queries"): 2 * (EACH + 100), ("egress", "untracked"): 200, ("egress", "unanswered"): 2 * EACH,
        }, "host_")
        assert len(fillers) * EACH == TABLE


def test_off():
    """As it is by default: nothing is loaded, and nothing exported."""
    with Namespace() as host, IdentifyingExporter(host) as exporter:
        assert not [name for name in programs(exporter) if "dns" in name]
        assert "dns" not in exporter.scrape_text()
