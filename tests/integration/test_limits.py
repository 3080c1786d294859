# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens at each limit: the rest stays exact, and what is left out is counted."""
import contextlib
import gzip
import os
import pathlib
import re
import signal

import pytest
import yaml

from harness import (
    ROOT, SANITIZED, Container, Exporter, IdentifyingExporter, Namespace, counted, ipv4, needs_root,
    pretend_cpus, udp, wait_for, wait_up,
)

pytestmark = needs_root

FLOWS = 1000 if SANITIZED else 5000
FRAME = 28 + 14


def assert_logged_once(exporter, option):
    """The log says what to raise, however often the limit is met."""
    lines = wait_for(
        lambda: [line for line in exporter.log().splitlines() if f"raise {option}" in line],
        f"the log names {option}",
    )
    assert len(lines) == 1 and " level=warn " in lines[0], lines


def send_flows(container, count):
    """A packet of each of `count` flows."""
    with container.packet_socket("eth0") as out:
        for n in range(count):
            out.send(ipv4(17, udp(0, source=1024 + n)))


@contextlib.contextmanager
def scene(*options):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--log.level=info", *options))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        yield exporter, container


@pytest.mark.long
def test_more_interfaces_than_places():
    """Those with a slot are exact, those without are reported, and slots that become free are taken."""
    places, size = 20, 60
    with contextlib.ExitStack() as stack:
        host, peers = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        exporter = stack.enter_context(
            Exporter(host, "--log.level=info", f"--max-interfaces={places}")
        )
        # Otherwise both ends have the same ifindex, and then the carrier is reported late.
        peers.ip("link", "add", "pad0", "type", "bridge")
        names = [f"s{n}" for n in range(size)]
        host.batch(f"link add {n} type veth peer name {n} netns {peers.name}" for n in names)
        for side in (peers, host):
            side.batch(f"link set {n} up" for n in names)
        for side in (peers, host):
            wait_up(side, names)

        def attached(mode):
            return {s.labels["interface"] for s in exporter.scrape().live(mode=mode)}

        wait_for(lambda: len(attached("none")) == size - places, "some have no slot")
        with_place, without = attached("generic"), attached("none")
        assert len(with_place) == places
        assert exporter.scrape().sum("attach_errors_total", reason="no_slot") >= size - places

        def send(to):
            for name in to:
                with peers.packet_socket(name) as out, host.packet_socket(name) as back:
                    for _ in range(7):
                        out.send(ipv4(17, udp(8)))
                        back.send(ipv4(17, udp(8)))

        send(names)
        once = {"ingress": (7, 350), "egress": (7, 350)}
        nothing = {"ingress": (0, 0), "egress": (0, 0)}

        def complete():
            metrics = exporter.scrape()
            return all(
                (metrics.totals(n), metrics.unobserved(n)) ==
                ((once, nothing) if n in with_place else (nothing, once)) for n in names
            )

        wait_for(complete, "all is counted or reported")
        host.batch(f"link del {n}" for n in with_place)
        wait_for(lambda: len(attached("generic")) == places, "free slots are taken")
        late = attached("generic")
        assert late <= without
        send(late)
        wait_for(
            lambda: all(exporter.scrape().totals(n) == once for n in late), "and count from now on"
        )
        assert all(exporter.scrape().unobserved(n) == once for n in late)
        assert_logged_once(exporter, "--max-interfaces")


def test_ifindexes_far_apart():
    """Where few of many stay, their ifindexes are anything: all the same there is a place for each."""
    count = 20
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--log.level=info"))
        host.batch(
            f"link add s{n} index {1024 * n} type veth peer name p{n} index {1024 * n + 1}"
            for n in range(1, count + 1)
        )
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2 * count,
            "all have a slot", 10,
        )
        assert exporter.scrape().sum("attach_errors_total") == 0


@pytest.mark.long
def test_places_that_rest():
    """One that was just given back is free again in a moment: the log does not say to raise the limit."""
    places = 100
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, f"--max-interfaces={places}"))

        def make(generation):
            host.batch(f"link add b{generation}-{n} group 7 type bridge" for n in range(places))

        make(0)
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached", mode="tracepoint") == places,
            "all have a slot",
        )
        exporter.pause()
        for generation in range(1, 4):
            host.ip("link", "del", "group", 7)
            make(generation)
        exporter.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "waits for a slot" in exporter.log(), "some have to wait")
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached", mode="tracepoint") == places,
            "all have a slot again",
        )
        assert exporter.scrape().sum("attach_errors_total", reason="no_slot") > 0
        assert "slots are in use" not in exporter.log()


def test_more_flows_than_the_caches_hold():
    """Each packet leaves the kernel's cache as a record, each flow ends early; none is lost."""
    options = ("--flows.cache-size=64", "--flows.table-size=64", "--workers=1")
    with scene(*options) as (exporter, container):
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        # The ring has room for all of them: it is the caches that are full.
        send_flows(container, FLOWS)
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("flows_total", **labels) == FLOWS and m,
            "each flow is seen",
        )
        assert metrics.totals("veth1")["ingress"] == (FLOWS, FLOWS * FRAME)
        assert metrics.sum("flow_evictions_total", reason="capacity") >= FLOWS - 64 * os.cpu_count()
        assert metrics.sum("flow_table_evictions_total") >= FLOWS - 64
        assert metrics.sum("flows_active", interface="veth1") <= 64
        assert metrics.sum("flow_records_lost_total") == 0
        assert metrics.sum("flow_lost_packets_total") == 0
        assert_logged_once(exporter, "--flows.table-size")


def test_ring_full():
    """Records that have no room are counted with their packets; the totals do not need them."""
    with scene("--flows.cache-size=64", "--flows.ring-size=4KiB", "--workers=1") as scenery:
        exporter, container = scenery
        exporter.pause()
        send_flows(container, FLOWS)
        exporter.process.send_signal(signal.SIGCONT)
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("flows_total", **labels)
            + m.sum("flow_lost_packets_total", **labels) == FLOWS and m,
            "each flow is seen or counted as lost",
        )
        assert metrics.totals("veth1")["ingress"] == (FLOWS, FLOWS * FRAME)
        lost = metrics.sum("flow_lost_packets_total", **labels)
        # A ring of 4 KiB holds some 60 records, the cache of each CPU 64 flows; it is emptied while
        # these are looked through.
        assert lost >= FLOWS - 2 * (4096 // 56 + 64 * os.cpu_count())
        assert metrics.sum("flow_lost_bytes_total", **labels) == lost * FRAME
        assert metrics.sum("flow_records_lost_total") == lost
        assert_logged_once(exporter, "--flows.ring-size")


@pytest.mark.long
def test_more_departed_than_are_kept():
    """The oldest are folded early and counted; the sum is what it was."""
    kept, gone = 5, 12
    with scene(f"--departed.max={kept}") as (exporter, container):
        send_flows(container, 10)
        host = container.host
        for number in range(2, 2 + gone):
            with Container(host, number) as short:
                send_flows(short, number)
                host.ip("link", "del", short.interface)
        metrics = wait_for(
            lambda: (m := exporter.scrape()).sum("departed_folded_early_total") == gone - kept and m,
            "the oldest are folded",
        )
        assert metrics.folded() == gone - kept
        early = sum(range(2, 2 + gone - kept))
        assert metrics.departed("packets_total", direction="ingress") == early
        assert metrics.departed("bytes_total", direction="ingress") == early * FRAME
        late = {f"veth{n}": n for n in range(2 + gone - kept, 2 + gone)} | {"veth1": 10}
        for interface, packets in late.items():
            assert metrics.totals(interface)["ingress"] == (packets, packets * FRAME)
        names = {s.labels["interface"] for s in metrics.find("packets_total")}
        assert names == set(late)
        assert_logged_once(exporter, "--departed.max")


def test_cpus_that_do_not_exist(tmp_path):
    """Virtual machines have hundreds of possible CPUs, and few that are there: only these take memory."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.batch([f"link add v{n} type veth peer name w{n}" for n in range(100)])
        exporter = stack.enter_context(Exporter(host, prefix=pretend_cpus(512, tmp_path)))
        container = stack.enter_context(Container(host, 1))
        with container.packet_socket("eth0") as out:
            for _ in range(100):
                out.send(ipv4(17, udp(10)))
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        wait_for(lambda: exporter.scrape().sum("packets_total", **labels) == 100, "counted")
        metrics = exporter.scrape()
        assert metrics.sum("interfaces_attached") == 201
        assert metrics.sum("kernel_map_bytes") < 10_000_000 * max(1, os.cpu_count() / 2)


def test_memory_follows_what_is_there():
    """Interfaces that come one after another, as short-lived containers', take each other's places."""
    with Namespace() as host, Namespace() as peers, Exporter(host) as exporter:
        def pass_by(numbers):
            host.batch(f"link add name v{n} type veth peer name p{n} netns {peers.name}" for n in numbers)
            wait_for(lambda: len(exporter.scrape().live(kind="veth")) == len(numbers), "they are counted")
            host.batch(f"link del v{n}" for n in numbers)
            wait_for(lambda: not exporter.scrape().live(kind="veth"), "they are gone")

        before = exporter.scrape().sum("kernel_map_bytes")
        for n in range(0, 96, 16):
            pass_by(range(n, n + 16))
        assert exporter.scrape().sum("kernel_map_bytes") == before
        # So many at the same time need more.
        pass_by(range(96, 296))
        assert exporter.scrape().sum("kernel_map_bytes") > before


def test_map_memory():
    """What it says of its maps' memory is what the kernel charges, with and without what can be left out."""

    def measure(*options):
        with Namespace() as host, IdentifyingExporter(host, *options) as exporter:
            said = exporter.scrape().sum("kernel_map_bytes")
            charged = exporter.map_bytes()
            assert charged == pytest.approx(said, rel=0.03), options
            return said, charged

    usual, dns, nobody = measure(), measure("--dns=on"), measure("--identity=off")
    # Small ones do not hide behind large ones.
    for more, less in ((dns, usual), (usual, nobody)):
        said, charged = (a - b for a, b in zip(more, less))
        assert charged > 0 and said == pytest.approx(charged, rel=0.1)


def compose_limit():
    """The bytes that the compose file lets the exporter have."""
    compose = yaml.safe_load((ROOT / "docker/docker-compose.yml").read_text(encoding="utf-8"))
    limit = compose["services"]["exporter"]["mem_limit"]
    number, unit = re.fullmatch(r"\$\{PE_MEM_LIMIT:-(\d+)([mg])\}", limit).groups()
    return int(number) << {"m": 20, "g": 30}[unit]


class MemoryGroup:
    """A control group with so much memory and no swap, of the version that has memory here."""

    def __init__(self, limit):
        old = pathlib.Path("/sys/fs/cgroup/memory")
        self.is_old = old.is_dir()
        root = old if self.is_old else old.parent
        if not self.is_old and "memory" not in (root / "cgroup.subtree_control").read_text().split():
            pytest.skip("there are no control groups for memory")
        self.folder = root / f"pe-limits-{os.getpid()}"
        self.folder.mkdir()
        limits = {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit} if self.is_old else \
            {"memory.max": limit, "memory.swap.max": 0}
        for name, value in limits.items():
            # What counts swap may be switched off.
            if "sw" not in name or (self.folder / name).exists():
                (self.folder / name).write_text(str(value), encoding="ascii")
        # Where `ip netns exec` has been, /sys is another one.
        own = f"/proc/{os.getpid()}/root{self.folder}/cgroup.procs"
        self.prefix = ("sh", "-c", 'echo $$ >"$0" && exec "$@"', own)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.rmdir()

    def read(self, name):
        return (self.folder / name).read_text(encoding="ascii")

    def named(self, name, *which):
        found = dict(line.split() for line in self.read(name).splitlines())
        return {key: int(found[key]) for key in which}

    def peak(self):
        return int(self.read("memory.max_usage_in_bytes" if self.is_old else "memory.peak"))

    def kernel(self):
        """What the kernel has of it, maps among it."""
        if self.is_old:
            return int(self.read("memory.kmem.usage_in_bytes"))
        return self.named("memory.stat", "kernel")["kernel"]

    def met(self):
        """How often the limit was met, and what came of it."""
        if self.is_old:
            return {"max": int(self.read("memory.failcnt")), **self.named("memory.oom_control", "oom_kill")}
        return self.named("memory.events", "max", "oom", "oom_kill")


def test_memory_of_the_compose_file(tmp_path):
    """Its limit holds with hundreds of interfaces and of possible CPUs, also where all is looked at."""
    limit, pairs, packets, size = compose_limit(), 100, 10, 50
    ends = [(f"v{n}", f"w{n}") for n in range(pairs)]
    names = [name for pair in ends for name in pair]
    both = {"ingress": (packets, packets * size), "egress": (packets, packets * size)}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.batch(f"link add {v} type veth peer name {w}" for v, w in ends)
        host.batch(f"link set {name} up" for name in names)
        wait_up(host, names)
        group = stack.enter_context(MemoryGroup(limit))
        exporter = stack.enter_context(
            IdentifyingExporter(host, prefix=(*group.prefix, *pretend_cpus(512, tmp_path)))
        )
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached") == len(names), "all are attached"
        )
        for name in names:
            with host.packet_socket(name) as out:
                for n in range(packets):
                    out.send(ipv4(17, udp(8, source=1024 + n)))
        wait_for(
            lambda: (found := counted(exporter.scrape_text()))
            and all(found.get(name) == both for name in names),
            "all is counted",
        )
        for _ in range(5):
            found = counted(exporter.scrape_text())
            status, headers, body = host.get(f"{exporter.url}/metrics", {"Accept-Encoding": "gzip"})
            assert (status, headers["Content-Encoding"]) == (200, "gzip")
            for counts in (found, counted(gzip.decompress(body).decode())):
                assert {name: counts[name] for name in names} == dict.fromkeys(names, both)
            status, _, page = host.get(f"{exporter.url}/", {"Accept": "text/html"})
            assert status == 200 and page.startswith(b"<!DOCTYPE html>")
        # The kernel charges maps to the group of whoever made them, since Linux 5.11.
        maps = exporter.scrape().sum("kernel_map_bytes")
        assert group.kernel() > maps
        assert not any(group.met().values()), group.met()
        assert group.peak() < limit
        assert exporter.process.poll() is None
        print(f"{group.peak()} of {limit} bytes at most; {group.kernel()} of the kernel, maps {maps:.0f}")
