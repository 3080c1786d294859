# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens at each limit: the rest stays exact, and what is left out is counted."""
import contextlib
import os
import signal

import pytest

from harness import (
    SANITIZED, Container, Exporter, Namespace, ipv4, needs_root, udp, wait_for, wait_up,
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
    possible = tmp_path / "possible"
    possible.write_text("0-511\n")
    pretend = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /sys/devices/system/cpu/possible && exec "$@"',
               str(possible))
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.batch([f"link add v{n} type veth peer name w{n}" for n in range(100)])
        exporter = stack.enter_context(Exporter(host, prefix=pretend))
        container = stack.enter_context(Container(host, 1))
        with container.packet_socket("eth0") as out:
            for _ in range(100):
                out.send(ipv4(17, udp(10)))
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        wait_for(lambda: exporter.scrape().sum("packets_total", **labels) == 100, "counted")
        metrics = exporter.scrape()
        assert metrics.sum("interfaces_attached") == 201
        assert metrics.sum("kernel_map_bytes") < 10_000_000 * max(1, os.cpu_count() / 2)
