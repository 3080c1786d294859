# SPDX-License-Identifier: GPL-2.0-or-later
"""Aliases and alternative names, which may be set at any time: shown, and chosen by."""
import contextlib

from harness import (
    Container, Exporter, Namespace, ipv4, needs_root, udp, wait_for,
)

pytestmark = needs_root


@contextlib.contextmanager
def scene(*options):
    with Namespace() as host:
        with Exporter(host, *options) as exporter, Container(host, 1) as container:
            yield host, exporter, container


def info(exporter, interface):
    """(alias, altnames), None if it is not watched."""
    found = exporter.scrape().live(interface=interface)
    return (found[0].labels["alias"], found[0].labels["altnames"]) if found else None


def wait_info(exporter, interface, expected):
    wait_for(lambda: info(exporter, interface) == expected,
             lambda: f"{info(exporter, interface)}, not {expected}")


def add(host, interface, *names):
    host.ip("link", "property", "add", "dev", interface, *[a for n in names for a in ("altname", n)])


def remove(host, interface, *names):
    host.ip("link", "property", "del", "dev", interface, *[a for n in names for a in ("altname", n)])


def test_set_later():
    with scene() as (host, exporter, _):
        wait_info(exporter, "veth1", ("", ""))
        add(host, "veth1", "enp1s0")
        wait_info(exporter, "veth1", ("", "enp1s0"))
        add(host, "veth1", 'up"link', "third")
        wait_info(exporter, "veth1", ("", 'enp1s0,up"link,third'))
        host.ip("link", "set", "veth1", "alias", "web")
        wait_info(exporter, "veth1", ("web", 'enp1s0,up"link,third'))
        remove(host, "veth1", "enp1s0", "third")
        wait_info(exporter, "veth1", ("web", 'up"link'))
        remove(host, "veth1", 'up"link')
        wait_info(exporter, "veth1", ("web", ""))
        # None of this was a new interface.
        assert exporter.scrape().sum("netlink_resyncs_total") == 0


def test_set_before():
    """A dump shows them, too; the label is cut behind a whole name."""
    with Namespace() as host:
        host.ip("link", "add", "br0", "type", "bridge")
        add(host, "br0", *[f"alternative-name-of-thirty-{n:04}" for n in range(40)])
        with Exporter(host) as exporter:
            alias, altnames = info(exporter, "br0")
            names = altnames.split(",")
            assert alias == "" and 256 - 32 < len(altnames) <= 255
            assert names == [f"alternative-name-of-thirty-{n:04}" for n in range(len(names))]


def test_while_it_is_down():
    """The kernel reports neither then, so they are looked for."""
    with Namespace() as host:
        for n in range(3):
            host.ip("link", "add", f"br{n}", "type", "bridge")
        with Exporter(host) as exporter:
            for n in range(3):
                add(host, f"br{n}", f"lan{n}")
                host.ip("link", "set", f"br{n}", "alias", f"floor {n}")
            for n in range(3):
                wait_info(exporter, f"br{n}", (f"floor {n}", f"lan{n}"))
            remove(host, "br1", "lan1")
            host.ip("link", "set", "br1", "alias", "")
            wait_info(exporter, "br1", ("", ""))
            assert info(exporter, "br2") == ("floor 2", "lan2")


def count(exporter, interface):
    return exporter.scrape().totals(interface)["ingress"][0]


def send(container, packets):
    with container.packet_socket("eth0") as out:
        for _ in range(packets):
            out.send(ipv4(17, udp(8)))


def test_include():
    with scene("--interface.include=^shop-") as (host, exporter, container):
        host.ip("link", "add", "marker", "type", "bridge")
        host.ip("link", "add", "shop-br", "type", "bridge")
        wait_for(lambda: info(exporter, "shop-br"), "one is watched by its name")
        assert info(exporter, "veth1") is None and info(exporter, "marker") is None
        send(container, 3)
        add(host, "veth1", "other", "shop-web")
        wait_info(exporter, "veth1", ("", "other,shop-web"))
        wait_for(lambda: exporter.scrape().live(interface="veth1", mode="generic"),
                 "attached")
        before = count(exporter, "veth1")
        send(container, 5)
        wait_for(lambda: count(exporter, "veth1") == before + 5, "it counts")
        remove(host, "veth1", "shop-web")
        wait_for(lambda: info(exporter, "veth1") is None, "it is watched no more")


def test_exclude():
    with scene("--interface.exclude=^lo$|^private$") as (host, exporter, container):
        wait_info(exporter, "veth1", ("", ""))
        send(container, 5)
        wait_for(lambda: count(exporter, "veth1") == 5, "it counts")
        add(host, "veth1", "private")
        wait_for(lambda: info(exporter, "veth1") is None, "it is watched no more")
        remove(host, "veth1", "private")
        wait_info(exporter, "veth1", ("", ""))
        before = count(exporter, "veth1")
        send(container, 5)
        wait_for(lambda: count(exporter, "veth1") == before + 5, "and again")


def test_both():
    """To exclude wins, also by another name than the one that is included."""
    options = "--interface.include=^veth1$|^uplink$", "--interface.exclude=^private$"
    with scene(*options) as (host, exporter, _):
        wait_info(exporter, "veth1", ("", ""))
        add(host, "veth1", "private", "uplink")
        wait_for(lambda: info(exporter, "veth1") is None, "excluded")
        host.ip("link", "add", "br0", "up", "type", "bridge")
        add(host, "br0", "x", "y")
        host.ip("link", "add", "br1", "up", "type", "bridge")
        remove(host, "veth1", "uplink")
        add(host, "br1", "uplink")
        wait_info(exporter, "br1", ("", "uplink"))
        assert info(exporter, "br0") is None and info(exporter, "veth1") is None
