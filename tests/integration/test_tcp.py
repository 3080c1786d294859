# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of TCP connections: what each container's group has is what the kernel's own counters of
its network namespace (Tcp of /proc/net/snmp) have.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import socket
import struct
import threading

from harness import Exporter, IdentifyingExporter, Namespace, needs_root, run, wait_for
from test_container_names import Box, Groups

pytestmark = needs_root

LIBC = ctypes.CDLL(None, use_errno=True)
SERVED, CLOSED, DROPPED, RESETTING, LOSSY = 7001, 7002, 7003, 7004, 7005
ABORT = struct.pack("ii", 1, 0)
TRANSFER = 400_000


@contextlib.contextmanager
def inside(pid):
    """This thread is in the network namespace of a process."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        assert LIBC.setns(there, 0) == 0
        yield
    finally:
        assert LIBC.setns(home, 0) == 0
        os.close(home)
        os.close(there)


def snmp():
    """Of this thread's namespace."""
    found = {}
    for file, prefix in (("snmp", "Tcp:"), ("netstat", "TcpExt:")):
        lines = pathlib.Path(f"/proc/thread-self/net/{file}").read_text(encoding="ascii").splitlines()
        names, values = (line.split()[1:] for line in lines if line.startswith(prefix))
        found.update(zip(names, map(int, values)))
    # The kernel counts those, too, that a full host could not send.
    found["RetransSegs"] -= found["TCPRetransFail"]
    return {name: found[name] for name in as_kernel({})}


class Server:
    """Answers to a byte with a byte, takes a transfer to its end, or resets."""

    def __init__(self, stack, address):
        self.threads = []
        for port in SERVED, RESETTING, LOSSY:
            listener = stack.enter_context(socket.create_server((address, port), backlog=256))
            thread = threading.Thread(target=self.serve, args=(listener, port), daemon=True)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            thread.start()

    @staticmethod
    def serve(listener, port):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(ConnectionError):
                    if port == RESETTING:
                        peer.recv(1)
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                        continue
                    while data := peer.recv(65536):
                        if port == SERVED:
                            peer.sendall(data)
                    if port == LOSSY:
                        peer.sendall(b"x")


def begin(address, port, **options):
    new = socket.socket()
    for name, value in options.items():
        new.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    new.setblocking(False)
    new.connect_ex((address, port))
    return new


def talk(address, port):
    with socket.create_connection((address, port)) as peer:
        peer.sendall(b"x")
        assert peer.recv(1) == b"x"


def connect(address, succeed=0, refused=0, timed_out=0, abandoned=0, aborted=0, reset=0):
    """So many of each, from this thread's namespace."""
    waiting = [begin(address, DROPPED, TCP_USER_TIMEOUT=100) for _ in range(timed_out)]
    for _ in range(succeed):
        talk(address, SERVED)
    for _ in range(refused):
        with socket.socket() as peer:
            assert peer.connect_ex((address, CLOSED)) != 0
    for _ in range(abandoned):
        begin(address, DROPPED).close()
    for _ in range(aborted):
        with socket.create_connection((address, SERVED)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    for _ in range(reset):
        with socket.create_connection((address, RESETTING)) as peer, contextlib.suppress(ConnectionError):
            peer.sendall(b"x")
            assert peer.recv(1) == b""
    for peer in waiting:
        wait_for(lambda p=peer: p.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "it has timed out")
        peer.close()


@contextlib.contextmanager
def overflowing(count):
    """A port that nobody accepts at: so many find its queue full, and ask again after a second."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=3))
        before, port = snmp()["ListenOverflows"], listener.getsockname()[1]
        for _ in range(4 + count):
            stack.enter_context(begin("127.0.0.1", port))
        assert snmp()["ListenOverflows"] - before >= count
        yield


def transfer(address):
    with socket.create_connection((address, LOSSY)) as peer:
        peer.sendall(bytes(TRANSFER))
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b"x"


def programs(exporter):
    """The names of those that it holds."""
    return {
        json.loads(run("bpftool", "-j", "prog", "show", "id", str(number)))["name"]
        for number in exporter.holds("prog")
    }


def outcomes(exporter, **labels):
    metrics = exporter.scrape()
    found = {}
    for sample in metrics.find("group_tcp_connections_total", **labels):
        found[sample.labels["outcome"]] = found.get(sample.labels["outcome"], 0) + sample.value
    for name in "retransmitted_segments", "retransmitted_bytes":
        found[name] = metrics.sum(f"group_tcp_{name}_total", **labels)
    found["overflows"] = metrics.sum("group_tcp_listen_overflows_total", **labels)
    found["resets"] = metrics.sum("group_tcp_resets_total", direction="sent", **labels)
    return found


def as_kernel(found):
    """The same under the names of /proc/net/snmp."""
    def total(*names):
        return sum(found.get(name, 0) for name in names)

    return {
        "ActiveOpens": total("opened") - total("unsent"),
        "PassiveOpens": total("accepted"),
        "AttemptFails": total("refused", "timed_out", "failed"),
        "EstabResets": total("reset", "stalled"),
        "RetransSegs": total("retransmitted_segments"),
        "OutRsts": total("resets"),
        "ListenOverflows": total("overflows"),
    }


def ended(exporter, workload):
    """How many were established and have ended, and the bytes of each direction."""
    metrics = exporter.scrape()

    def total(name, **labels):
        return metrics.sum(f"group_tcp_{name}", workload=workload, **labels)

    count = total("connection_duration_seconds_count")
    directions = "sent", "received"
    assert {total("connection_size_bytes_count", direction=d) for d in directions} == {count}
    assert count / 2 < total("rtt_seconds_count") <= count
    assert total("connection_duration_seconds_bucket", le="15") == count
    assert total("unmeasured_connections_total") == 0
    return count, {d: total("connection_size_bytes_sum", direction=d) for d in directions}


def on_the_page(exporter, view, **members):
    """What the page and the JSON API show of a row's connections."""
    rows = json.loads(exporter.host.get(f"{exporter.url}/api/v1/{view}")[2])[view]
    row, = (row for row in rows if members.items() <= row.items())
    return row["tcp"]


def summary(found):
    def total(*names):
        return sum(found.get(name, 0) for name in names)

    return {
        "retransmitted_segments": found["retransmitted_segments"],
        "failed_connections": total("unsent", "refused", "timed_out", "failed"),
        "reset_connections": total("reset", "stalled"),
    }


class Lab:
    """A host, which serves, and containers that have its address as theirs plus one."""

    def __init__(self, stack):
        self.stack = stack
        self.host = stack.enter_context(Namespace())
        self.groups = stack.enter_context(Groups())
        self.count = 0
        run("ip", "netns", "exec", self.host.name, "nft", "-f", "-", input=f"""
            add table ip pe
            add chain ip pe in {{ type filter hook input priority 0; }}
            add rule ip pe in tcp dport {DROPPED} drop
            add rule ip pe in tcp dport {LOSSY} meta length > 1000 numgen inc mod 7 == 3 drop
            """)
        with self.host.inside():
            Server(stack, "0.0.0.0")

    def box(self, name, veth=True):
        self.count += 1
        number = self.count
        box = Box(self.host, f"veth{number}" if veth else None, self.groups.make(f"lxc.payload.{name}"), name)
        box.address = "127.0.0.1"
        if veth:
            box.address = f"10.8.{number}.1"
            self.host.batch([f"address add {box.address}/24 dev veth{number}", f"link set veth{number} up"])
        run("nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", "-batch", "-", input="link set lo up\n" + (
            f"address add 10.8.{number}.2/24 dev eth0\nlink set eth0 up\n" if veth else ""))
        return box


def test_containers():
    """Connections of every outcome, with losses, of long-lived containers and of a wave of short ones."""
    with contextlib.ExitStack() as stack:
        lab = Lab(stack)
        exporter = stack.enter_context(IdentifyingExporter(
            lab.host, r"--workload.rule=^(short|full).*=\1", "--group.by=kind,workload"))
        assert "pe_tcp_state" in programs(exporter)
        truth = {}

        def add(name):
            for key, value in snmp().items():
                truth.setdefault(name, {}).setdefault(key, 0)
                truth[name][key] += value

        long, local = lab.box("long"), lab.box("local", veth=False)
        stack.callback(long.close)
        stack.callback(local.close)
        for number in range(12):
            short = lab.box(f"short-{number}")
            with inside(short.pid):
                connect(short.address, succeed=20 + number, refused=number, aborted=2, abandoned=1)
                add("short")
            short.close()
        with inside(long.pid), contextlib.ExitStack() as served:
            Server(served, "0.0.0.0")
            connect(long.address, succeed=500, refused=200, timed_out=30, abandoned=20, aborted=40, reset=50)
            transfer(long.address)
            with lab.host.inside():
                connect(long.address[:-1] + "2", succeed=70, refused=6, aborted=5, reset=8)
            add("long")
        with inside(local.pid), contextlib.ExitStack() as served:
            Server(served, "127.0.0.1")
            connect("127.0.0.1", succeed=30, refused=3, reset=4)
            # It goes on until the end.
            stack.enter_context(overflowing(7))
        for number in range(3):
            full = lab.box(f"full-{number}", veth=False)
            with inside(full.pid):
                for count in (20 + number, 5):
                    with overflowing(count):
                        pass
                connect("127.0.0.1", refused=3)
                add("full")
            full.close()
        # Of the short ones a veth can be known only when they have gone, as long as the host is busy.
        for labels in ({"workload": "long", "kind": "veth"}, {"workload": "short"}, {"workload": "full", "kind": ""}):
            expected = truth[labels["workload"]]
            wait_for(lambda l=labels, e=expected: as_kernel(outcomes(exporter, **l)) == e,
                     lambda l=labels, e=expected: f"{l}: {e}, {outcomes(exporter, **l)}")
        assert truth["full"]["ListenOverflows"] >= 3 * 25 + 3

        def local_agrees():
            found = as_kernel(outcomes(exporter, workload="local", kind=""))
            with inside(local.pid):
                return snmp() == found and found["ListenOverflows"] >= 7

        wait_for(local_agrees, lambda: f"local: {outcomes(exporter, workload='local')}")
        found = outcomes(exporter, workload="long")
        assert (found["opened"], found["accepted"]) == (500 + 200 + 30 + 20 + 40 + 50 + 1, 70 + 5 + 8)
        assert (found["refused"], found["timed_out"], found["abandoned"]) == (200, 30, 20)
        assert found["reset"] == 40 + 50 + 5 + 8
        assert found["retransmitted_segments"] > 30 and found["retransmitted_bytes"] > 1000
        # Their payload to the byte, though segments were sent again, and FINs are none.
        assert ended(exporter, "long") == (
            500 + 40 + 50 + 1 + 83, {"sent": 500 + 50 + TRANSFER + 70, "received": 500 + 1 + 70 + 8})
        successes = sum(20 + n for n in range(12))
        assert ended(exporter, "short") == (successes + 24, {"sent": successes, "received": successes})
        short = outcomes(exporter, workload="short")
        assert short["closed"] == sum(20 + n for n in range(12)) and short["abandoned"] == 12
        # A row has what its group has, and a container alone in its group the same.
        for labels in {"workload": "long", "kind": "veth"}, {"workload": "full", "kind": ""}:
            expected = summary(outcomes(exporter, **labels))
            wait_for(lambda l=labels, e=expected: on_the_page(exporter, "groups", **l) == e,
                     f"{labels} on the page: {expected}")
        assert on_the_page(exporter, "interfaces", workload="long") == summary(found)
        # Nothing of it is of a group that is nobody's.
        assert sum(outcomes(exporter, workload="").get(o, 0) for o in ("opened", "accepted")) == 0


def test_more_namespaces_than_places():
    """What is quiet makes room for others; until then some count for the host alone, which is counted, and said
    once. Others' namespaces take places, too."""
    places = 16
    with contextlib.ExitStack() as stack:
        lab = Lab(stack)
        exporter = stack.enter_context(IdentifyingExporter(
            lab.host, f"--max-interfaces={places}", r"--workload.rule=^(one|many).*=\1", "--group.by=workload"))

        def refused(workload):
            metrics = exporter.scrape()
            return (metrics.sum("group_tcp_connections_total", workload=workload, outcome="refused"),
                    metrics.sum("tcp_unplaced_events_total"))

        def use(name):
            box = lab.box(name, veth=False)
            with inside(box.pid):
                connect("127.0.0.1", refused=1)
            box.close()

        def another():
            use(f"one-{lab.count}")
            return refused("one")[0] > 2 * places

        wait_for(another, lambda: f"more than {2 * places}: {refused('one')}")
        # As many at once as never fit: the host has them all.
        before, host = refused("many")[1], exporter.scrape().sum("host_tcp_connections_total", outcome="refused")
        for number in range(2 * places):
            use(f"many-{number}")
        wait_for(lambda: refused("many")[1] > before, "some find no place")
        assert refused("many")[0] < 2 * places
        metrics = exporter.scrape()
        assert metrics.sum("host_tcp_connections_total", outcome="refused") >= host + 2 * places
        wait_for(lambda: "more network namespaces have TCP" in exporter.log(), "it is said")
        wait_for(another, "still")
        assert exporter.log().count("more network namespaces have TCP") == 1


def test_off():
    with Namespace() as host, Exporter(host, "--tcp=off") as exporter:
        assert not [name for name in programs(exporter) if "tcp" in name]
        assert "tcp_connections" not in exporter.scrape_text()
