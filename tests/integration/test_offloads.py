# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that `ethtool -k` shows stays changed, and where nothing can be lost nothing changes at all.

No interface that can be made in a namespace has rx-gro-hw, or rx-lro in force: virtual machines with
virtio-net, in tests/kernels, have them. What can be had here is a macvlan that wants rx-lro, which
its interface below cannot give: generic XDP takes that wish away for good all the same.
"""
import contextlib
import re
import signal

import pytest

from harness import (
    Container, Exporter, Namespace, has_tcx, needs_root, run, stop, wait_for,
)

pytestmark = needs_root


def ethtool(namespace, *args):
    return run("ip", "netns", "exec", namespace.name, "ethtool", *args)


def features(namespace, name):
    """As `ethtool -k` shows them, "off [requested on]" included."""
    return dict(re.findall(r"^\s*(\S+): (.*)$", ethtool(namespace, "-k", name), re.M))


def wish_for_lro(namespace, name):
    with contextlib.suppress(RuntimeError):  # it says that it could not be done
        ethtool(namespace, "-K", name, "lro", "on")
    assert features(namespace, name)["large-receive-offload"] == "off [requested on]"


def wait_for_mode(exporter, mode, *names, reason=None):
    def counted():
        found = {i.labels["interface"]: (i.labels["mode"], reason and i.labels["reason"])
                 for i in exporter.scrape().live()}
        return all(found.get(name) == (mode, reason) for name in names)

    wait_for(counted, lambda: exporter.scrape_text())


@pytest.mark.parametrize("gro", ["on", "off"])
@pytest.mark.parametrize("mode", ["auto", "generic"])
def test_veth(mode, gro):
    """Neither end's features change, from before the start until after the end."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        ethtool(host, "-K", "veth1", "gro", gro)
        before = features(host, "veth1"), features(container, "eth0")
        assert before[0]["generic-receive-offload"] == gro
        with Exporter(host, f"--xdp.mode={mode}") as exporter:
            tracepoint = mode == "auto" and gro == "on"
            wait_for_mode(exporter, "tracepoint" if tracepoint else "generic", "veth1")
            assert (features(host, "veth1"), features(container, "eth0")) == before
            assert exporter.close() == 0
        assert (features(host, "veth1"), features(container, "eth0")) == before


@pytest.fixture
def wishing():
    """A host with a macvlan that wants LRO, as (host, its features)."""
    with Namespace() as host:
        host.ip("link", "add", "lower", "type", "veth", "peer", "name", "other")
        host.ip("link", "add", "link", "lower", "name", "upper", "type", "macvlan")
        for name in ("lower", "other", "upper"):
            host.ip("link", "set", name, "up")
        wish_for_lro(host, "upper")
        yield host, features(host, "upper")


def test_auto_takes_no_wish_away(wishing):
    """Where attaching would, it is counted by something else, also after SIGKILL."""
    host, before = wishing
    with Exporter(host) as exporter:
        wait_for_mode(exporter, "tcx" if has_tcx() else "none", "upper", reason="offload")
        assert features(host, "upper") == before
        assert stop(exporter.process, signal.SIGKILL) == -signal.SIGKILL
    assert features(host, "upper") == before


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_put_back_at_the_end(wishing, signo):
    host, before = wishing
    with Exporter(host, "--xdp.mode=generic") as exporter:
        wait_for_mode(exporter, "generic", "upper", "lower")
        assert features(host, "upper") == {**before, "large-receive-offload": "off"}
        assert stop(exporter.process, signo) == 0
        assert features(host, "upper") == before
        assert "could not be put back" not in exporter.log()


def test_put_back_below(wishing):
    """The kernel takes it from what is below, too; of that one, nothing of ours says so."""
    host, before = wishing
    host.ip("link", "add", "tunnel", "type", "vxlan", "id", 5, "dev", "upper", "dstport", 4789)
    ethtool(host, "-K", "tunnel", "gro", "off")
    host.ip("link", "set", "tunnel", "up")
    with Exporter(host, "--interface.include=^tunnel$") as exporter:
        wait_for_mode(exporter, "tracepoint", "tunnel", reason="offload")
        assert features(host, "upper") == before
    with Exporter(host, "--xdp.mode=generic", "--interface.include=^tunnel$") as exporter:
        wait_for_mode(exporter, "generic", "tunnel")
        assert features(host, "upper") == {**before, "large-receive-offload": "off"}
        assert exporter.close() == 0
    assert features(host, "upper") == before


def test_put_back_when_unwanted(wishing):
    """An interface whose new name is excluded gets back what it had."""
    host, before = wishing
    with Exporter(host, "--xdp.mode=generic", "--interface.exclude=^(lo|free.*)$") as exporter:
        wait_for_mode(exporter, "generic", "upper")
        assert features(host, "upper")["large-receive-offload"] == "off"
        host.ip("link", "set", "upper", "name", "free0")
        wait_for(lambda: features(host, "free0") == before, lambda: features(host, "free0"))


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_another_has_its_index(wishing, how):
    """The interface has gone before we read its event, and another one has its ifindex: that one is not
    given what the first one had."""
    host, before = wishing
    index = host.link("upper")["ifindex"]
    with contextlib.ExitStack() as stack:
        away = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--xdp.mode=generic"))
        wait_for_mode(exporter, "generic", "upper")
        exporter.process.send_signal(signal.SIGSTOP)
        try:
            if how == "deleted":
                host.ip("link", "del", "upper")
            else:
                host.ip("link", "set", "upper", "netns", away.name)
            host.ip("link", "add", "link", "lower", "name", "next", "index", index, "type", "macvlan")
            host.ip("link", "set", "next", "up")
        finally:
            exporter.process.send_signal(signal.SIGCONT)
        wait_for_mode(exporter, "generic", "next")
        without = {**before, "large-receive-offload": "off"}
        assert features(host, "next") == without
        assert exporter.close() == 0
        assert features(host, "next") == without
        assert ("moved to another namespace" in exporter.log()) == (how == "moved")
        assert exporter.log().count("could be put back") == (how == "moved")


def test_somebody_else_decides(wishing):
    """What was switched on or off while we were there stays as it is."""
    host, before = wishing
    with Exporter(host, "--xdp.mode=generic") as exporter:
        wait_for_mode(exporter, "generic", "upper")
        wish_for_lro(host, "upper")
        ethtool(host, "-K", "upper", "gro", "off")
        assert exporter.close() == 0
    assert features(host, "upper") == {**before, "generic-receive-offload": "off"}
