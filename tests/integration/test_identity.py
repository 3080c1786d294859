# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose packets are whose, while interfaces move, return, and take each other's names and numbers.

What an interface has counted is checked against the kernel's own counters of it: observed and
unobserved together are what the kernel shows, and the sums over all series never go backwards.
"""
import contextlib
import signal

from harness import (
    Container, Exporter, Namespace, ipv4, kernel_counters, needs_root, udp, wait_for,
)
from network_namespaces import netlink_socket
import pytest

from test_coexist import Foreign

pytestmark = needs_root

FRAME = ipv4(17, udp(58))
SIZE = len(FRAME)


def counts(packets):
    return (packets, packets * SIZE)


def send(namespace, interface, packets):
    with namespace.packet_socket(interface) as out:
        for _ in range(packets):
            out.send(FRAME)


def index(namespace, name):
    return namespace.link(name)["ifindex"]


def move(source, name, target, new_index=None):
    """Moves an interface, perhaps to an ifindex of our choice there."""
    with source.inside(), netlink_socket() as netlink:
        attributes = {"net_ns_fd": target.name}
        if new_index:
            attributes["IFLA_NEW_IFINDEX"] = new_index
        number = netlink.link_lookup(ifname=name)[0]
        netlink.link("set", index=number, **attributes)


def up(*places):
    for namespace, name in places:
        namespace.ip("link", "set", name, "up")
    for namespace, name in places:
        wait_for(lambda n=namespace, i=name: n.link(i)["operstate"] == "UP", f"{name} is up")


def series(exporter, interface):
    """Observed and unobserved of each direction."""
    metrics = exporter.scrape()
    seen, unseen = metrics.totals(interface), metrics.unobserved(interface)
    return {d: tuple(map(sum, zip(seen[d], unseen[d]))) for d in seen}


def all_series(exporter):
    """The same of all interfaces."""
    metrics = exporter.scrape()
    return {
        d: tuple(
            metrics.sum(f"{what}_total", direction=d) + metrics.sum(f"unobserved_{what}_total", direction=d)
            for what in ("packets", "bytes")
        )
        for d in ("ingress", "egress")
    }


def test_collision():
    """An interface of ours is moved to where it gets the ifindex of another one of ours.

    Meanwhile the exporter sleeps, so that our program is still on the moved one and packets pass
    there: none of them is counted here, for anybody.
    """
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        other = stack.enter_context(Namespace())
        stays = stack.enter_context(Container(host, 1))
        moves = stack.enter_context(Container(host, 2))
        exporter = stack.enter_context(Exporter(host))
        send(stays, "eth0", 10)
        send(moves, "eth0", 20)
        wait_for(lambda: series(exporter, "veth2")["ingress"] == counts(20), "both count")
        number = index(host, "veth1")
        exporter.pause()
        move(host, "veth2", other, number)
        assert index(other, "veth2") == number
        assert other.link("veth2")["xdp"]["prog"]["name"] == "pe_ingress"
        up((other, "veth2"))
        send(moves, "eth0", 1000)
        send(other, "veth2", 500)
        send(stays, "eth0", 3)
        send(host, "veth1", 4)
        assert kernel_counters(other.link("veth2"))["ingress"] == counts(1020)
        exporter.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "xdp" not in other.link("veth2"), "it is detached")
        send(moves, "eth0", 1000)
        send(stays, "eth0", 5)
        wait_for(
            lambda: exporter.scrape().totals("veth1")
            == {"ingress": counts(18), "egress": counts(4)},
            "what stays is counted",
        )
        metrics = exporter.scrape()
        assert metrics.totals("veth2") == {"ingress": counts(20), "egress": counts(0)}
        assert not metrics.live(interface="veth2")
        assert metrics.sum("unobserved_packets_total") == 0


@pytest.mark.long
def test_away_and_back():
    """With the same ifindex, with another one, under another name: nothing is counted twice."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        other = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        number = index(host, "veth1")
        sent = 0
        for stay, back_index in enumerate([number, number + 100, number]):
            send(container, "eth0", 10 + stay)
            send(host, "veth1", 7)
            wait_for(
                lambda: series(exporter, "veth1") == kernel_counters(host.link("veth1")),
                lambda: f"stay {stay}: {series(exporter, 'veth1')} is "
                        f"{kernel_counters(host.link('veth1'))}",
            )
            sent += 10 + stay
            move(host, "veth1", other)
            up((other, "veth1"))
            send(container, "eth0", 3)
            sent += 3
            wait_for(
                lambda: not exporter.scrape().live(interface="veth1"), "it has left"
            )
            move(other, "veth1", host, back_index)
            up((host, "veth1"))
            assert index(host, "veth1") == back_index
            assert kernel_counters(host.link("veth1"))["ingress"] == counts(sent)
            wait_for(
                lambda: exporter.scrape().live(interface="veth1"), "it is back"
            )
        wait_for(
            lambda: series(exporter, "veth1")["ingress"] == counts(sent), "nothing twice or never"
        )
        metrics = exporter.scrape()
        # What passed elsewhere was not observed; the rest was.
        assert metrics.unobserved("veth1")["ingress"] == counts(9)
        assert metrics.totals("veth1") == {"ingress": counts(33), "egress": counts(21)}
        assert metrics.sum("unobserved_packets_total", reason="lost") == 0


def test_one_that_cannot_be_compared_comes_back():
    """Its counters come with it; what was counted in its first stay is not unobserved."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        other = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        host.ip("link", "add", "link", "veth1", "name", "upper", "type", "macvlan", "mode", "bridge")
        up((host, "upper"))
        # What is received before it is attached there cannot be counted.
        wait_for(lambda: exporter.scrape().live(interface="upper", mode="generic"), "it is attached")
        frame = bytes.fromhex(host.link("upper")["address"].replace(":", "")) + FRAME[6:]

        def send_both(namespace, count):
            send(namespace, "upper", count)
            with container.packet_socket("eth0") as out:
                for _ in range(count):
                    out.send(frame)

        send_both(host, 10)
        first = {"ingress": counts(10), "egress": counts(10)}
        wait_for(lambda: exporter.scrape().totals("upper") == first,
                 lambda: f"counted: {exporter.scrape().totals('upper')}, {host.link('upper')}")
        move(host, "upper", other)
        up((other, "upper"))
        send_both(other, 4)
        wait_for(lambda: not exporter.scrape().live(interface="upper"), "it has left")
        move(other, "upper", host)
        up((host, "upper"))
        wait_for(lambda: exporter.scrape().live(interface="upper", mode="generic"), "it is back")
        send_both(host, 3)
        wait_for(
            lambda: exporter.scrape().totals("upper") == {d: counts(13) for d in first}, "and counted"
        )
        assert exporter.scrape().unobserved("upper") == {d: counts(4) for d in first}


def test_back_under_another_name():
    """After its series have been folded, too."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        other = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        # Without any interface it would detach its tracepoints after some seconds.
        stack.enter_context(Container(host, 2))
        exporter = stack.enter_context(Exporter(host, "--departed.retention=1s"))
        send(container, "eth0", 10)
        wait_for(lambda: series(exporter, "veth1")["ingress"] == counts(10), "counted")
        move(host, "veth1", other)
        wait_for(lambda: exporter.scrape().departed("packets_total") == 10, "folded")
        other.ip("link", "set", "veth1", "name", "veth9")
        move(other, "veth9", host)
        up((host, "veth9"))
        send(container, "eth0", 5)
        wait_for(lambda: exporter.scrape().totals("veth9")["ingress"] == counts(5), "counted")
        link = kernel_counters(host.link("veth9"))["ingress"]
        assert link == counts(15)
        # Two rounds of the audit find nothing to account for.
        seen = exporter.scrape().sum("netlink_messages_total")
        host.ip("link", "set", "veth9", "alias", "x")
        wait_for(lambda: exporter.scrape().sum("netlink_messages_total") > seen, "it goes on")
        metrics = exporter.scrape()
        assert metrics.sum("unobserved_packets_total") == 0
        assert metrics.departed("unobserved_packets_total") == 0
        assert metrics.sum("packets_total", direction="ingress") == 5
        assert metrics.departed("packets_total") == 10


@pytest.mark.long
def test_unobserved_is_folded():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        send(container, "eth0", 10)
        exporter = stack.enter_context(Exporter(host, "--departed.retention=1s"))
        assert exporter.scrape().unobserved("veth1", reason="before_attach")["ingress"] == counts(10)
        host.ip("link", "del", "veth1")
        labels = {"kind": "veth", "direction": "ingress", "reason": "before_attach"}
        wait_for(
            lambda: exporter.scrape().departed("unobserved_packets_total", **labels) == 10,
            "what was not observed is folded",
        )
        metrics = exporter.scrape()
        assert metrics.departed("unobserved_bytes_total", **labels) == 10 * SIZE
        assert not metrics.find("unobserved_packets_total")


def test_both_ends_here():
    """As Docker makes them: both ends on the host, then one moves into the container."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        inside = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        host.ip("link", "add", "left", "type", "veth", "peer", "name", "right")
        up((host, "left"), (host, "right"))
        send(host, "left", 10)
        send(host, "right", 5)
        both = {
            "left": {"ingress": counts(5), "egress": counts(10)},
            "right": {"ingress": counts(10), "egress": counts(5)},
        }
        wait_for(
            lambda: (m := exporter.scrape()) and {n: m.totals(n) for n in both} == both,
            "both ends count",
        )
        move(host, "right", inside)
        up((inside, "right"), (host, "left"))
        send(inside, "right", 7)
        wait_for(
            lambda: exporter.scrape().totals("left")["ingress"] == counts(12), "the one that stays"
        )
        metrics = exporter.scrape()
        assert metrics.totals("right") == both["right"]
        assert metrics.sum("unobserved_packets_total") == 0
        assert not metrics.live(interface="right")


def test_names_swapped():
    """Series follow the interface; sums stay; no name is there twice."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers = [stack.enter_context(Container(host, n)) for n in (1, 2)]
        exporter = stack.enter_context(Exporter(host))
        for container in containers:
            send(container, "eth0", 10 * container.number)
        wait_for(
            lambda: exporter.scrape().sum("packets_total", direction="ingress") == 30, "both count"
        )
        host.batch([
            "link set veth1 name third", "link set veth2 name veth1", "link set third name veth2",
        ])
        for container in containers:
            send(container, "eth0", 1)
        wait_for(
            lambda: (m := exporter.scrape())
            and (m.totals("veth1")["ingress"], m.totals("veth2")["ingress"])
            == (counts(21), counts(11)),
            "the names are swapped",
        )
        metrics = exporter.scrape()
        assert metrics.sum("packets_total", direction="ingress") == 32
        names = [s.labels["interface"] for s in metrics.live()]
        assert sorted(names) == ["veth1", "veth2"]


def test_index_reused_while_asleep():
    """One is deleted and another of its kind takes its ifindex, its name, or both, unseen.

    The event of it is lost (the exporter sleeps, its buffer is small); only the list shows it.
    """
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        pods = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host, "--netlink.rcvbuf=64KiB"))
        send(container, "eth0", 10)
        wait_for(lambda: series(exporter, "veth1")["ingress"] == counts(10), "counted")
        number = index(host, "veth1")
        exporter.pause()
        # Until the buffer is full, so that nothing of what follows is reported.
        host.batch([f"link set lo alias {n}" for n in range(200)])
        host.ip("link", "del", "veth1")
        host.ip("link", "add", "veth1", "index", number, "type", "veth",
                "peer", "name", "eth1", "netns", pods.name)
        up((host, "veth1"), (pods, "eth1"))
        exporter.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "xdp" in host.link("veth1"), "the new one is attached")
        assert exporter.scrape().sum("netlink_overruns_total") > 0
        send(pods, "eth1", 6)
        wait_for(lambda: series(exporter, "veth1")["ingress"] == counts(16), "the name's series go on")
        assert exporter.scrape().sum("unobserved_packets_total") == 0


@pytest.mark.parametrize("name", ["veth1", "other"])
@pytest.mark.parametrize("mode", ["generic", "tracepoint"])
def test_reused_ifindex_counted_while_asleep(name, mode):
    """One is deleted and another gets its ifindex and passes packets before that is reported."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        pods = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        if mode == "tracepoint":
            stack.enter_context(Foreign(host)).do("attach", "veth1", "generic", "link")
        exporter = stack.enter_context(Exporter(host))
        send(container, "eth0", 10)
        send(host, "veth1", 5)
        wait_for(
            lambda: series(exporter, "veth1") == {"ingress": counts(10), "egress": counts(5)},
            "counted",
        )
        wait_for(
            lambda: exporter.scrape().live(interface="veth1", mode=mode), mode
        )
        assert ("or to an interface above it" in exporter.log()) == (mode == "tracepoint")
        number = index(host, "veth1")
        exporter.pause()
        host.ip("link", "del", "veth1")
        host.ip("link", "add", name, "index", number, "type", "veth",
                "peer", "name", "eth1", "netns", pods.name)
        up((host, name), (pods, "eth1"))
        send(pods, "eth1", 7)
        send(host, name, 3)
        exporter.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "xdp" in host.link(name), "the next one is attached")
        send(pods, "eth1", 1)
        wait_for(lambda: all_series(exporter)["ingress"] == counts(18), "all are reported")
        # An event with the kernel's counters, and the end: then the audit has its last word.
        host.ip("link", "set", name, "alias", "last")
        host.ip("link", "del", name)
        wait_for(lambda: not exporter.scrape().live(), "it has gone")
        assert all_series(exporter) == {"ingress": counts(18), "egress": counts(8)}


def test_name_taken_while_asleep():
    """One is renamed and a new one gets its name, unseen: the list shows the new one first."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        pods = stack.enter_context(Namespace())
        host.ip("link", "add", "veth5", "index", 500, "type", "veth",
                "peer", "name", "eth5", "netns", pods.name)
        up((host, "veth5"), (pods, "eth5"))
        exporter = stack.enter_context(Exporter(host, "--netlink.rcvbuf=64KiB"))
        send(pods, "eth5", 10)
        wait_for(lambda: series(exporter, "veth5")["ingress"] == counts(10), "counted")
        exporter.pause()
        host.batch([f"link set lo alias {n}" for n in range(200)])
        host.ip("link", "set", "veth5", "name", "renamed")
        host.ip("link", "add", "veth5", "index", 400, "type", "veth",
                "peer", "name", "eth4", "netns", pods.name)
        up((host, "veth5"), (pods, "eth4"))
        exporter.process.send_signal(signal.SIGCONT)
        wait_for(
            lambda: len(exporter.scrape().live(reason="")) == 2,
            "both are attached",
        )
        assert exporter.scrape().sum("netlink_overruns_total") > 0
        send(pods, "eth5", 3)
        send(pods, "eth4", 4)
        wait_for(
            lambda: (series(exporter, "veth5")["ingress"], series(exporter, "renamed")["ingress"])
            == (counts(14), counts(3)),
            "each packet is reported once",
        )
        assert exporter.scrape().sum("unobserved_packets_total") == 0


def test_sighup():
    """Reads the interfaces again, says what it does not, and changes no count."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        send(container, "eth0", 10)
        wait_for(lambda: series(exporter, "veth1")["ingress"] == counts(10), "counted")
        links = exporter.holds("link")
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: exporter.scrape().sum("netlink_resyncs_total") == 1, "the list is read")
        assert "options are read at the start only" in exporter.log()
        assert exporter.holds("link") == links
        send(container, "eth0", 1)
        wait_for(lambda: series(exporter, "veth1")["ingress"] == counts(11), "it goes on")
