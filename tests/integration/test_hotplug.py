# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces come and go while the exporter runs; when it dies nothing stays attached."""
import contextlib
import signal

from harness import (
    DEADLINE_S, Container, IdentifyingExporter as Exporter, Namespace, has_tcx, ipv4,
    kernel_objects, needs_root, udp, wait_for,
)
from network_namespaces import netlink_socket

pytestmark = needs_root

# Of drops and of connections: what finds our namespace is no hook.
OPTIONAL_PROGRAMS, OPTIONAL_LINKS = 1 + 8, 1 + 5


def test_no_hook_without_interfaces():
    """Nothing of the host pays for a tracepoint while there is nothing to be counted."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--identity=off", "--drops=off", "--tcp=off"))
        assert exporter.holds("link")
        wait_for(lambda: not exporter.holds("link"), "all hooks are gone")
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached") == 1, "attached")
        with container.packet_socket("eth0") as out:
            for _ in range(100):
                out.send(ipv4(17, udp(10)))
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        wait_for(lambda: exporter.scrape().sum("packets_total", **labels) == 100, "counted")
        assert exporter.holds("link")


def test_attached_before_it_is_up():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        stack.enter_context(Exporter(host))
        container = stack.enter_context(Container(host, 1, up=False))
        link = wait_for(
            lambda: (found := host.link("veth1")) and "xdp" in found and found, "it is attached"
        )
        assert "UP" not in link["flags"]
        assert link["xdp"]["prog"]["name"] == "pe_ingress"
        # So the first packet it ever receives is counted.
        container.up()
        assert host.link("veth1")["xdp"]["prog"]["name"] == "pe_ingress"


def test_departure():
    """Detached at once; the series remain for the retention, then fold into the sums."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--departed.retention=4s"))
        container = stack.enter_context(Container(host, 7))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        link = exporter.holds("link")
        assert link <= kernel_objects("link")
        frame = ipv4(17, udp(58))
        with container.packet_socket("eth0") as out:
            for _ in range(1000):
                out.send(frame)
        labels = {"interface": "veth7", "direction": "ingress", "protocol": "udp"}
        wait_for(lambda: exporter.scrape().sum("packets_total", **labels) == 1000, "all are counted")
        host.ip("link", "del", "veth7")

        metrics = wait_for(
            lambda: not (m := exporter.scrape()).live(interface="veth7") and m,
            "the interface is seen to go",
        )
        # The series are there with their last values, and in no departed sum yet.
        assert metrics.sum("packets_total", **labels) == 1000
        assert metrics.departed("packets_total") == 0
        assert metrics.sum("interfaces_attached") == 0
        # One was its own, and that is gone from the kernel; the egress tracepoint's stays.
        gone = link - exporter.holds("link")
        assert len(gone) == 1 and not gone & kernel_objects("link")

        metrics = wait_for(
            lambda: (m := exporter.scrape()).folded() and m, "it is folded"
        )
        assert not metrics.find("packets_total", interface="veth7")
        assert metrics.folded() == 1
        assert metrics.departed("packets_total", kind="veth", direction="ingress") == 1000
        assert metrics.departed("bytes_total", kind="veth", direction="ingress") == 1000 * 100


def test_an_interface_that_comes_back():
    """Under the same name its series go on."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--metrics.created"))
        labels = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}
        created = None
        for life in (1, 2, 3):
            with Container(host, 1) as container:
                wait_for(
                    lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1,
                    "attached",
                )
                with container.packet_socket("eth0") as out:
                    for _ in range(10):
                        out.send(ipv4(17, udp(1)))
                metrics = wait_for(
                    lambda: (m := exporter.scrape()).sum("packets_total", **labels) == 10 * life
                    and m,
                    "the series goes on",
                )
                stamp = metrics.find("packets_created", **labels)[0].value
                assert created in (None, stamp)
                created = stamp
                host.ip("link", "del", "veth1")
            wait_for(lambda: exporter.scrape().sum("interfaces_attached") == 0, "detached")


def test_moved_away():
    """An interface that moves to another namespace is detached, not deleted."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        other = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        host.ip("link", "add", "veth1", "type", "veth", "peer", "name", "peer1")
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2, "attached")
        host.ip("link", "set", "peer1", "netns", other.name)
        wait_for(lambda: "xdp" not in other.link("peer1"), "it is detached where it is now")
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "one is left")
        assert host.link("veth1")["xdp"]["prog"]["name"] == "pe_ingress"


def test_include_and_exclude():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(
            Exporter(host, "--interface.include=^(veth|tap)", "--interface.exclude=^veth2$")
        )
        for number in (1, 2, 3):
            stack.enter_context(Container(host, number))
        host.ip("link", "add", "br0", "type", "bridge")
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2, "attached")
        metrics = exporter.scrape()
        names = {s.labels["interface"] for s in metrics.live()}
        assert names == {"veth1", "veth3"}
        # A rename brings one in and takes one out.
        host.ip("link", "set", "br0", "name", "tap0")
        host.ip("link", "set", "veth1", "down")
        host.ip("link", "set", "veth1", "name", "other1")
        wait_for(
            lambda: {s.labels["interface"] for s in exporter.scrape().live()}
            == {"tap0", "veth3"},
            "the names decide",
        )
        assert "xdp" not in host.link("other1")
        # It is a bridge, whatever its name.
        info = exporter.scrape().live(interface="tap0")[0].labels
        assert (info["kind"], info["mode"]) == ("bridge", "tracepoint")


def test_interfaces_that_were_there_before():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        for number in (1, 2, 3):
            stack.enter_context(Container(host, number))
        exporter = stack.enter_context(Exporter(host))
        assert exporter.scrape().sum("interfaces_attached", mode="generic") == 3


def test_another_program_is_left_alone():
    """A foreign XDP program is never replaced; ingress is counted by the tracepoint meanwhile."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        # Another exporter holds the slot: for ours it is a stranger.
        stranger = stack.enter_context(Exporter(host, "--egress=off"))
        identity = host.link("veth1")["xdp"]["prog"]["id"]
        exporter = stack.enter_context(Exporter(host, port=9818))
        assert host.link("veth1")["xdp"]["prog"]["id"] == identity
        metrics = exporter.scrape()
        assert metrics.live(interface="veth1")[0].labels["mode"] == "tracepoint"
        assert metrics.sum("attach_errors_total", reason="busy") >= 1
        with container.packet_socket("eth0") as out, host.packet_socket("veth1") as back:
            for _ in range(10):
                out.send(ipv4(17, udp(1)))
                back.send(ipv4(17, udp(1)))
        wait_for(lambda: stranger.scrape().sum("packets_total", protocol="udp") == 10, "it still runs")
        expected = {"ingress": (10, 430), "egress": (10, 430)}
        wait_for(lambda: exporter.scrape().totals("veth1") == expected, "both directions are counted")
        stranger.close()
        wait_for(
            lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1,
            "it comes in when the slot is free",
        )
        with container.packet_socket("eth0") as out:
            for _ in range(10):
                out.send(ipv4(17, udp(1)))
        expected["ingress"] = (20, 860)
        wait_for(lambda: exporter.scrape().totals("veth1") == expected, "nothing is counted twice")


def test_bridge_does_not_lock_out_its_ports():
    """The kernel refuses XDP on a port whose bridge has a program: ours has none."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host))
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="tracepoint") == 1, "counted")
        # A port from its first moment, as a container's interface can be.
        host.ip("link", "add", "veth1", "master", "br0", "type", "veth", "peer", "name", "peer1")
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2, "attached")
        assert exporter.scrape().sum("attach_errors_total") == 0
        assert "xdp" not in host.link("br0")


def test_counted_before_we_came():
    """What an interface had received and sent before is reported as unobserved, not lost in silence."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        with container.packet_socket("eth0") as out, host.packet_socket("veth1") as back:
            for _ in range(25):
                out.send(ipv4(17, udp(8)))
                back.send(ipv4(17, udp(8)))
            exporter = stack.enter_context(Exporter(host))
            expected = {"ingress": (25, 25 * 50), "egress": (25, 25 * 50)}
            metrics = exporter.scrape()
            assert metrics.unobserved("veth1", reason="before_attach") == expected
            for _ in range(5):
                out.send(ipv4(17, udp(8)))
        wait_for(lambda: exporter.scrape().totals("veth1")["ingress"] == (5, 250), "counted from now")
        metrics = exporter.scrape()
        assert metrics.unobserved("veth1") == expected


def test_more_interfaces_than_places():
    """The rest stays exact, what has no slot is reported as unobserved, and a free slot is used."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--max-interfaces=2"))
        containers = [stack.enter_context(Container(host, n)) for n in (1, 2, 3)]

        def without_place():
            return [s.labels["interface"] for s in exporter.scrape().live(mode="none")]

        assert wait_for(without_place, "one has no place") == ["veth3"]
        assert exporter.scrape().sum("attach_errors_total", reason="no_slot") >= 1
        for container in containers:
            with container.packet_socket("eth0") as out:
                for _ in range(40):
                    out.send(ipv4(17, udp(8)))
        wait_for(lambda: exporter.scrape().totals("veth1")["ingress"] == (40, 2000), "one is counted")
        wait_for(
            lambda: exporter.scrape().unobserved("veth3")["ingress"] == (40, 2000),
            "what has no slot is reported",
        )
        host.ip("link", "del", "veth1")
        wait_for(lambda: not without_place(), "the free place is used", 5)
        with containers[2].packet_socket("eth0") as out:
            for _ in range(2):
                out.send(ipv4(17, udp(8)))
        wait_for(lambda: exporter.scrape().totals("veth3")["ingress"] == (2, 100), "and counts")
        assert exporter.scrape().unobserved("veth3", reason="lost")["ingress"] == (0, 0)


def test_few_open_files():
    """Interfaces beyond the limit are counted without a descriptor; scrapes still have theirs."""
    names = [f"veth{n}" for n in range(20)]
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        pods = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, prefix=["prlimit", "--nofile=150"]))
        host.batch([f"link add {n} type veth peer name {n} netns {pods.name}" for n in names])
        for namespace in (pods, host):
            namespace.batch([f"link set {n} up" for n in names])
        for namespace in (pods, host):
            wait_for(
                lambda ns=namespace: all(
                    l["operstate"] == "UP" for l in ns.links() if l["ifname"] in names
                ),
                "all are up",
            )
        for name in names:
            with pods.packet_socket(name) as out:
                for _ in range(10):
                    out.send(ipv4(17, udp(8)))
        wait_for(
            lambda: (m := exporter.scrape())
            and all(m.totals(n)["ingress"] == (10, 500) for n in names),
            "each is counted",
        )
        metrics = exporter.scrape()
        generic = metrics.sum("interfaces_attached", mode="generic")
        assert 0 < generic < 20
        assert metrics.sum("interfaces_attached", mode="tracepoint") == 20 - generic
        assert len(metrics.live(reason="no_memory")) == 20 - generic
        assert metrics.sum("attach_errors_total", reason="no_memory") >= 20 - generic
        assert metrics.sum("unobserved_packets_total") == 0
        assert exporter.log().count("raise the limit of open files") == 1


def test_killed():
    """After SIGKILL nothing is attached anywhere and no program is left in the kernel."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        containers = [stack.enter_context(Container(host, n)) for n in range(1, 6)]
        exporter = stack.enter_context(Exporter(host))
        assert all("xdp" in host.link(c.interface) for c in containers)
        programs, links = exporter.holds("prog"), exporter.holds("link")
        assert len(programs) == 11 + OPTIONAL_PROGRAMS + has_tcx() and programs <= kernel_objects("prog")
        assert len(links) == 5 + 3 + OPTIONAL_LINKS and links <= kernel_objects("link")
        exporter.process.send_signal(signal.SIGKILL)
        exporter.process.wait()
        wait_for(lambda: not programs & kernel_objects("prog"), "the programs are gone")
        wait_for(lambda: not links & kernel_objects("link"), "the links are gone")
        assert not any("xdp" in host.link(c.interface) for c in containers)


def test_terminated():
    """After SIGTERM as well; it ends by itself, at once, with status 0."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        programs, links = exporter.holds("prog"), exporter.holds("link")
        assert len(programs) == 11 + OPTIONAL_PROGRAMS + has_tcx() and programs <= kernel_objects("prog")
        assert len(links) == 1 + 3 + OPTIONAL_LINKS and links <= kernel_objects("link")
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(DEADLINE_S) == 0
        assert "xdp" not in host.link(container.interface)
        wait_for(lambda: not programs & kernel_objects("prog"), "the programs are gone")
        wait_for(lambda: not links & kernel_objects("link"), "the links are gone")


def test_successor_that_we_know_by_another_ifindex():
    """While events are lost, an interface leaves and comes back as the successor of another one."""
    with contextlib.ExitStack() as stack:
        host, away, pod = (stack.enter_context(Namespace()) for _ in range(3))
        exporter = stack.enter_context(Exporter(host, "--netlink.rcvbuf=64KiB"))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        with container.packet_socket("eth0") as out:
            for _ in range(10):
                out.send(ipv4(17, udp(8)))

        def totals():
            metrics = exporter.scrape()
            return [
                sum(s.value for s in metrics.find(f"{prefix}packets_total", direction="ingress"))
                for prefix in ("", "unobserved_")
            ]

        wait_for(lambda: totals() == [10, 0], "all are counted")
        exporter.pause()
        host.ip("link", "add", "veth9", "index", 900, "type", "veth", "peer", "name", "peer9",
                "netns", pod.name)
        # The first messages are kept; from here on they are lost.
        host.batch(f"link set veth1 alias {n}" for n in range(300))
        host.ip("link", "del", "veth9")
        # Our program stays on it.
        host.ip("link", "set", "veth1", "netns", away.name)
        with away.inside(), netlink_socket() as netlink:
            netlink.link("set", index=netlink.link_lookup(ifname="veth1")[0],
                         net_ns_fd=host.name, new_ifindex=900)
        exporter.process.send_signal(signal.SIGCONT)
        metrics = wait_for(
            lambda: (m := exporter.scrape()).live(interface="veth1",
                                                  ifindex="900", mode="generic") and m,
            "it is attached under its new ifindex",
        )
        assert metrics.sum("netlink_overruns_total") > 0
        host.ip("link", "set", "veth1", "up")
        wait_for(lambda: host.link("veth1")["operstate"] == "UP", "it is up")
        with container.packet_socket("eth0") as out:
            for _ in range(5):
                out.send(ipv4(17, udp(8)))
        # Nothing is counted again that was counted before it left.
        wait_for(lambda: totals() == [15, 0], lambda: f"{totals()}")


def test_counted_on_its_return_before_the_event_of_its_leaving():
    """It is back and counts under its old ifindex while the messages wait; nothing counts twice."""
    with contextlib.ExitStack() as stack:
        host, away = (stack.enter_context(Namespace()) for _ in range(2))
        exporter = stack.enter_context(Exporter(host))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")

        def send(count):
            with container.packet_socket("eth0") as out, host.packet_socket("veth1") as back:
                for _ in range(count):
                    out.send(ipv4(17, udp(8)))
                    back.send(ipv4(17, udp(8)))

        send(10)
        exporter.pause()
        ifindex = host.link("veth1")["ifindex"]
        host.ip("link", "set", "veth1", "netns", away.name)
        away.ip("link", "set", "veth1", "netns", host.name)
        assert host.link("veth1")["ifindex"] == ifindex
        host.ip("link", "set", "veth1", "up")
        wait_for(lambda: host.link("veth1")["operstate"] == "UP", "it is up")
        send(7)
        exporter.process.send_signal(signal.SIGCONT)
        host.ip("link", "set", "veth1", "alias", "back")
        wait_for(lambda: exporter.scrape().live(alias="back"), "the events are read")
        send(3)

        def totals():
            metrics = exporter.scrape()
            return [
                a[0] + b[0] for a, b in zip(metrics.totals("veth1").values(),
                                            metrics.unobserved("veth1").values())
            ]

        wait_for(lambda: totals() == [20, 20], lambda: f"{totals()}")
