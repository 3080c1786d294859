# SPDX-License-Identifier: GPL-2.0-or-later
"""The link monitor against the kernel: what monitor-trace prints must be what happened.

Each test has two network namespaces of its own. Every line is applied to a model as it comes, and
a line that contradicts the model (added twice, changed while unknown, gone while unknown) fails the
test. Events are in order, so that creating one more interface and waiting for it is a barrier.

PE_BUILDDIR names the build tree (default: build).
"""

import itertools
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PE_BUILDDIR", ROOT / "build")).resolve()
PROGRAM = BUILD / "tests" / "integration" / "monitor-trace"
DEADLINE_S = 30

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make network namespaces")

serial = itertools.count()


def run(*args, **kwargs):
    return subprocess.run(args, check=True, capture_output=True, text=True, **kwargs).stdout


class Namespace:
    def __init__(self):
        self.name = f"pe-monitor-{os.getpid()}-{next(serial)}"
        run("ip", "netns", "add", self.name)
        try:
            for scope in ("all", "default"):
                self.execute("sysctl", "-q", f"net.ipv6.conf.{scope}.disable_ipv6=1")
        except BaseException:
            self.delete()
            raise

    def delete(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)

    def ip(self, *args):
        return run("ip", "-n", self.name, *args)

    def batch(self, lines):
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def execute(self, *args):
        return run("ip", "netns", "exec", self.name, *args)

    def ifindex(self, name):
        return json.loads(self.ip("-j", "link", "show", "dev", name))[0]["ifindex"]

    def links(self):
        """{ifindex: (name, kind, master, up, alias)}, as ip(8) sees it."""
        found = json.loads(self.ip("-d", "-j", "link"))
        index = {link["ifname"]: link["ifindex"] for link in found}
        return {
            link["ifindex"]: (
                link["ifname"],
                link.get("linkinfo", {}).get("info_kind", ""),
                index.get(link.get("master"), 0),
                "UP" in link["flags"],
                link.get("ifalias", ""),
            )
            for link in found
        }


class Trace:
    """monitor-trace in a namespace; its lines, and the model they make."""

    def __init__(self, namespace, rcvbuf=None):
        if not PROGRAM.exists():
            pytest.fail(f"{PROGRAM} is not built (make check builds it)")
        self.namespace = namespace
        self.lines = []
        self.model = {}
        self.faults = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace.name, PROGRAM] + ([str(rcvbuf)] if rcvbuf else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.apply(line.rstrip("\n"))
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("end")
            self.changed.notify_all()

    def apply(self, line):
        what, *rest = line.split(" ", 3)
        if what not in ("added", "changed", "gone"):
            return
        index = int(rest[0])
        if (index in self.model) != (what != "added"):
            self.faults.append(line)
        if what == "gone":
            self.model.pop(index, None)
            return
        match = re.fullmatch(
            r"kind=(\S*) master=(\d+) peer=\d+ netnsid=-?\d+ up=([01]) alias=(.*)", rest[2]
        )
        self.model[index] = (
            rest[1],
            match[1],
            int(match[2]),
            match[3] == "1",
            match[4],
        )

    def wait(self, condition, what):
        """Waits until condition() holds; it is asked after each line."""
        end = time.monotonic() + DEADLINE_S
        with self.changed:
            while not condition():
                left = end - time.monotonic()
                if left <= 0 or self.lines[-1:] == ["end"]:
                    tail = "\n".join(self.lines[-20:])
                    pytest.fail(f"no {what}; the last lines are\n{tail}")
                self.changed.wait(left)

    def wait_line(self, pattern, after=0):
        """Waits for a line that matches, not among the first `after`; returns its match."""
        found = []

        def look():
            found[:] = [m for line in self.lines[after:] if (m := re.fullmatch(pattern, line))]
            return found

        self.wait(look, f"line {pattern!r}")
        return found[0]

    def ask(self, command, answer):
        with self.changed:
            after = len(self.lines)
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.wait_line(answer, after)

    def counters(self):
        match = self.ask("counters", "counters (.*)")
        return {k: int(v) for k, v in (pair.split("=") for pair in match[1].split())}

    def barrier(self):
        """Returns after everything that happened until now was reported."""
        name = f"barrier{next(serial)}"
        self.namespace.ip("link", "add", name, "type", "bridge")
        self.wait_line(rf"added \d+ {name} .*")

    def of(self, what):
        """Lines of one kind so far."""
        with self.changed:
            return [line for line in self.lines if line.split(" ", 1)[0] == what]

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        try:
            self.resume()
            self.process.stdin.close()
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            errors = self.process.stderr.read()
            self.process.stdout.close()
            self.process.stderr.close()
        assert self.faults == []
        assert (self.process.returncode, errors) == (0, "")


@pytest.fixture
def namespaces():
    made = []
    try:
        for _ in range(2):
            made.append(Namespace())
        yield made
    finally:
        for namespace in made:
            namespace.delete()


@pytest.fixture
def here(namespaces):
    return namespaces[0]


@pytest.fixture
def there(namespaces):
    return namespaces[1]


@pytest.fixture
def start(here):
    """start() runs a Trace in the first namespace and waits for its first dump."""
    traces = []

    def make(rcvbuf=None):
        trace = Trace(here, rcvbuf)
        traces.append(trace)
        trace.wait_line("synced")
        return trace

    yield make
    for trace in traces:
        trace.end()


def send_frames(namespace, device, count, size):
    """Sends frames of an experimental EtherType (IEEE 802) that nobody answers."""
    namespace.execute(
        sys.executable,
        "-c",
        "import socket\n"
        "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        f"s.bind(({device!r}, 0))\n"
        f"for _ in range({count}): s.send(b'\\xff' * 12 + b'\\x88\\xb5' + bytes({size} - 14))\n",
    )


def test_first_dump(here, start):
    here.ip("link", "add", "br0", "type", "bridge")
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    here.ip("link", "set", "veth0", "master", "br0", "up", "alias", "front door")
    trace = start()
    assert trace.lines[-1] == "synced"
    assert trace.model == here.links()
    assert len(trace.of("added")) == 4
    assert trace.of("changed") == trace.of("gone") == []
    one = here.ifindex("veth1")
    trace.wait_line(rf"added \d+ veth0 kind=veth master=\d+ peer={one} netnsid=-1 up=1 .*")
    trace.ask(f"find {one}", rf"found {one} veth1 .*")
    trace.ask("find 123456", "found 123456 none")


def test_large_link(here, start):
    """A link of more than 32 KiB, which is what the kernel sends of a dump at a time."""
    here.ip("link", "add", "large", "type", "bridge")
    here.ip("link", "add", "behind", "type", "bridge")
    here.batch(f"link property add dev large altname {i:0>120}" for i in range(400))
    trace = start()
    assert trace.model == here.links()
    index = here.ifindex("large")
    trace.ask(f"stats {index}", rf"stats {index} rx_packets=0 .*")
    here.ip("link", "set", "large", "name", "renamed")
    trace.wait_line(rf"changed {index} renamed .*")
    assert trace.counters()["invalid"] == 0


def test_add_and_delete(here, start):
    trace = start()
    for round_ in range(3):
        here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
        index = here.ifindex("veth0")
        trace.wait_line(rf"added {index} veth0 kind=veth .*")
        here.ip("link", "delete", "veth0")
        trace.wait_line(rf"gone {index} veth0 deleted .*")
        trace.barrier()
    assert len(trace.of("gone")) == 6
    assert all(" deleted " in line for line in trace.of("gone"))
    assert trace.model == here.links()
    assert trace.counters()["resyncs"] == 0


def test_moved(here, there, start):
    trace = start()
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    index, peer = here.ifindex("veth0"), here.ifindex("veth1")
    here.ip("link", "set", "veth1", "netns", there.name)
    trace.wait_line(rf"gone {peer} veth1 moved .*")
    # The kernel says nothing of an alias while an interface is down.
    here.ip("link", "set", "veth0", "alias", "half")
    here.ip("link", "set", "veth0", "up")
    trace.wait_line(rf"changed {index} veth0 .* peer={peer} netnsid=\d+ up=1 alias=half")
    before = len(trace.lines)
    there.ip("link", "set", "veth1", "netns", here.name)
    trace.wait_line(rf"added {peer} veth1 kind=veth .*", before)
    assert [line.split()[3] for line in trace.of("gone")] == ["moved"]
    trace.barrier()
    assert trace.model == here.links()


def test_bridge_ports_do_not_go(here, start):
    trace = start()
    here.ip("link", "add", "br0", "type", "bridge")
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    bridge, index = here.ifindex("br0"), here.ifindex("veth0")
    here.batch(["link set veth0 master br0", "link set veth0 nomaster"] * 50)
    trace.barrier()
    assert trace.of("gone") == []
    masters = [
        re.search(r"master=(\d+)", line)[1]
        for line in trace.of("changed")
        if line.startswith(f"changed {index} ")
    ]
    flips = [master for master, _ in itertools.groupby(masters)]
    assert flips == [str(bridge), "0"] * 50
    assert trace.model == here.links()


def test_rename_and_master(here, start):
    trace = start()
    here.ip("link", "add", "br0", "type", "bridge")
    here.ip("link", "add", "br1", "type", "bridge")
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    index, other = here.ifindex("veth0"), here.ifindex("br1")
    here.ip("link", "set", "veth0", "name", "eth-renamed")
    trace.wait_line(rf"changed {index} eth-renamed .*")
    here.ip("link", "set", "eth-renamed", "master", "br0")
    here.ip("link", "set", "eth-renamed", "master", "br1")
    trace.wait_line(rf"changed {index} eth-renamed kind=veth master={other} .*")
    here.ip("link", "delete", "br1")
    trace.wait_line(rf"gone {other} br1 deleted .*")
    trace.barrier()
    assert len(trace.of("gone")) == 1
    assert trace.model == here.links()


def test_reused_ifindex(here, start):
    trace = start()
    here.batch(
        [
            "link add veth0 index 4242 type veth peer name veth1",
            "link delete veth0",
            "link add veth0 index 4242 type veth peer name veth1",
        ]
    )
    trace.barrier()
    mine = [line.split()[0] for line in trace.lines if re.match(r"\w+ 4242 ", line)]
    assert [what for what in mine if what != "changed"] == ["added", "gone", "added"]
    assert trace.model == here.links()


def test_counters(here, start):
    trace = start()
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    index, peer = here.ifindex("veth0"), here.ifindex("veth1")
    here.batch(["link set veth0 up", "link set veth1 up"])
    send_frames(here, "veth0", 5, 100)
    send_frames(here, "veth1", 3, 60)
    counters = "rx_packets=3 rx_bytes=180 tx_packets=5 tx_bytes=500"
    trace.ask(f"stats {index}", f"stats {index} {counters}")
    trace.ask(f"stats {peer}", f"stats {peer} rx_packets=5 rx_bytes=500 tx_packets=3 tx_bytes=180")
    trace.ask("stats 123456", "stats 123456 error=ENODEV")
    trace.ask(f"stats {index}", f"stats {index} {counters}")

    # This message has what was received so far. Those of the deletion have what was
    # sent since, and that the veth never received anything, which must not be believed.
    here.ip("link", "set", "veth0", "alias", "seen")
    trace.wait_line(rf"changed {index} .* alias=seen")
    send_frames(here, "veth0", 2, 100)
    here.ip("link", "delete", "veth0")
    trace.wait_line(
        rf"gone {index} veth0 deleted rx_packets=3 rx_bytes=180 tx_packets=7 tx_bytes=700"
    )
    trace.ask(f"stats {index}", f"stats {index} error=ENODEV")


@pytest.mark.parametrize(
    "kind",
    [
        "bridge",
        "tun",
        "vxlan id 7 dstport 4789 local 127.0.0.1",
        "macvlan link veth0",
        "vlan link veth0 id 7",
        "ifb",
        "gre local 127.0.0.1 remote 127.0.0.2",
        "sit local 127.0.0.1 remote 127.0.0.2",
        "vrf table 7",
        "wireguard",
    ],
)
def test_kinds(here, start, kind):
    trace = start()
    name, *options = kind.split()
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    try:
        if name == "tun":
            here.ip("tuntap", "add", "dev", "x", "mode", "tun")
        else:
            lower = options[:2] if options[:1] == ["link"] else []
            here.ip("link", "add", *lower, "name", "x", "type", name, *options[len(lower) :])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel has no {name}: {error.stderr.strip()}")
    index = here.ifindex("x")
    trace.wait_line(rf"added {index} x kind={name} .*")
    trace.ask(f"stats {index}", rf"stats {index} rx_packets=\d+ .*")
    here.ip("link", "delete", "x")
    trace.wait_line(rf"gone {index} x deleted .*")


def test_overrun(here, start):
    here.ip("link", "add", "doomed", "index", "4242", "type", "veth", "peer", "name", "doomed2")
    here.ip("link", "add", "reused", "index", "4343", "type", "veth", "peer", "name", "reused2")
    trace = start(rcvbuf=4096)
    trace.stop()
    here.batch(f"link add a{i} type veth peer name b{i}" for i in range(500))
    here.batch(
        [
            "link delete doomed",
            "link delete reused",
            "link add reused index 4343 type bridge",
            "link set a7 master reused",
        ]
    )
    truth = here.links()
    assert len(truth) > 1000
    trace.resume()
    trace.wait(lambda: trace.model == truth, "agreement with ip link")
    trace.wait_line(r"gone 4242 doomed missed .*")
    trace.wait_line(r"gone 4343 reused missed .*")
    counters = trace.counters()
    assert counters["overruns"] >= 1
    assert counters["resyncs"] >= 1
    assert counters["invalid"] == 0
    assert len(trace.of("synced")) >= 2

    # Events work as before.
    here.ip("link", "set", "a7", "name", "later")
    trace.wait_line(r"changed \d+ later .*")
    trace.barrier()
    assert trace.model == here.links()


def churn_lines():
    for i in range(50):
        yield f"link add churn{i} type bridge"
        yield f"link set churn{i} up"
        if i >= 3:
            yield f"link delete churn{i - 3}"
    for i in range(47, 50):
        yield f"link delete churn{i}"


def test_resync_under_churn(here, start):
    """Dumps that are interrupted by changes must not make an interface vanish."""
    here.batch(f"link add a{i} type veth peer name b{i}" for i in range(500))
    stable = set(here.links())
    trace = start()
    asked = 0
    end = time.monotonic() + DEADLINE_S
    # The monitor dumps once for each request, and once more for each interrupted dump.
    while trace.counters()["resyncs"] <= asked:
        assert time.monotonic() < end, "no dump was interrupted"
        churn = threading.Thread(target=here.batch, args=(churn_lines(),))
        churn.start()
        while churn.is_alive():
            trace.ask("resync", "synced|error EINTR")
            asked += 1
        churn.join()
    trace.barrier()
    truth = here.links()
    trace.wait(lambda: trace.model == truth, "agreement with ip link")
    assert not [line for line in trace.of("gone") if int(line.split()[1]) in stable]
    counters = trace.counters()
    assert (counters["overruns"], counters["invalid"]) == (0, 0)


def test_events_older_than_the_dump(here, start):
    """An interface that a dump has shown as gone does not come and go again."""
    here.ip("link", "add", "doomed", "type", "bridge")
    here.ip("link", "add", "reused", "index", "4343", "type", "bridge")
    # Only of what is up a new alias is reported.
    here.batch(["link set doomed up", "link set reused up"])
    trace = start(rcvbuf=64 << 20)
    index = here.ifindex("doomed")
    trace.stop()
    # More than are read before a dump that is asked for, twice, so that it does not see the end.
    here.batch(
        f"link set {name} alias {name}{i}" for i in range(4300) for name in ("doomed", "reused")
    )
    here.batch(["link delete doomed", "link delete reused"])
    here.ip("link", "add", "reused", "index", "4343", "type", "bridge")
    trace.process.stdin.write("resync\n")
    trace.process.stdin.flush()
    trace.resume()
    trace.wait_line(rf"gone {index} doomed missed .*")
    truth = here.links()
    trace.wait(lambda: trace.model == truth, "agreement with ip link")
    trace.barrier()
    mine = [line.split()[0] for line in trace.lines if re.match(rf"\w+ {index} ", line)]
    assert [what for what in mine if what != "changed"] == ["added", "gone"]
    assert trace.model == here.links()
    assert trace.counters()["overruns"] == 0
    # Its ifindex can be used again.
    here.ip("link", "add", "later", "index", str(index), "type", "bridge")
    trace.wait_line(rf"added {index} later .*")
    here.ip("link", "delete", "later")
    trace.wait_line(rf"gone {index} later deleted .*")


def test_name_older_than_the_dump(here, start):
    """A name that a dump has shown of one interface is not another's for a moment."""
    here.batch(["link add busy type bridge", "link set busy up"])
    trace = start(rcvbuf=64 << 20)
    trace.stop()
    # As above: what comes after these is read after the dump.
    here.batch(f"link set busy alias busy{i}" for i in range(8600))
    here.batch([
        "link add given index 5001 type bridge", "link delete given",
        "link add given index 5002 type bridge",
    ])
    trace.process.stdin.write("resync\n")
    trace.process.stdin.flush()
    trace.resume()
    trace.wait_line(r"added 5002 given .*")
    trace.barrier()
    assert not [line for line in trace.lines if re.match(r"\w+ 5001 ", line)]
    assert trace.model == here.links()
    assert trace.counters()["overruns"] == 0


def test_forged_message(here, start):
    """A process of the same namespace sends a deletion: only the kernel is believed."""
    trace = start()
    here.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    index = here.ifindex("veth0")
    table = pathlib.Path(f"/proc/{trace.process.pid}/net/netlink").read_text().splitlines()[1:]
    ports = [int(row.split()[2]) for row in table if row.split()[1] == "0"]
    ports = [port for port in ports if port & 0x3FFFFF == trace.process.pid]
    assert ports
    name = b"veth0\0"
    attr = struct.pack("HH", 4 + len(name), 3) + name + bytes(2)
    body = struct.pack("BxHiII", socket.AF_UNSPEC, 1, index, 0, 0) + attr
    message = struct.pack("IHHII", 16 + len(body), 17, 0, 0, 0) + body
    here.execute(
        sys.executable,
        "-c",
        "import socket\n"
        "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)\n"
        "s.bind((0, 0))\n"
        f"for port in {ports!r}: s.sendto({message!r}, (port, 0))\n",
    )
    trace.barrier()
    assert trace.of("gone") == []
    assert trace.counters()["invalid"] >= 1
    assert trace.model == here.links()


def test_namespace_deletion(here, there, start):
    """A container's namespace goes, and takes the end of the pair that is here with it."""
    trace = start()
    for i in range(20):
        here.ip("link", "add", f"a{i}", "type", "veth", "peer", "name", f"b{i}")
        here.ip("link", "set", f"b{i}", "netns", there.name)
    trace.barrier()
    assert sorted(line.split()[2] for line in trace.of("gone")) == sorted(
        f"b{i}" for i in range(20)
    )
    there.delete()
    for i in range(20):
        trace.wait_line(rf"gone \d+ a{i} deleted .*")
    assert trace.model == here.links()
