# SPDX-License-Identifier: GPL-2.0-or-later
"""The group of the pushes follows the host's name, which may come late or change.

Each exporter has a UTS namespace of its own, whose name is set from outside.
"""
import contextlib
import signal
import sys

import pytest
from harness import Container, Exporter, Namespace, Pushgateway, needs_root, run, wait_for
# Fixtures among them.
from test_push import capture, gateway, sample

pytestmark = needs_root


def named(name):
    # hostname(1) refuses names that the kernel has and takes.
    start = "import os, socket, sys; socket.sethostname(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"
    return ("unshare", "--uts", sys.executable, "-c", start, name)


def rename(process, name):
    run("nsenter", f"--target={process.pid}", "--uts", "hostname", name)


# ---- the exporter ----


@contextlib.contextmanager
def scene(name, *options, **kwargs):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        server = stack.enter_context(Pushgateway(host))
        exporter = stack.enter_context(Exporter(
            host, "--push.url=http://127.0.0.1:9091", "--push.interval=1s", *options,
            prefix=named(name), **kwargs
        ))
        yield host, server, exporter


def instances(server):
    return sorted(g["labels"]["instance"] for g in server.groups())


@pytest.mark.parametrize("before", ["localhost", "localhost.localdomain", "(none)"])
def test_the_name_comes_late(before):
    with scene(before) as (host, server, exporter):
        wait_for(lambda: instances(server) == [before], "pushed before there is a name")
        rename(exporter.process, "node17.example")
        wait_for(lambda: instances(server) == ["node17.example"], lambda: instances(server))
        assert "the host's name has changed" in exporter.log()
        # From now on it stays, until SIGHUP.
        done = exporter.scrape().sum("push_requests_total", result="ok")
        rename(exporter.process, "other.example")
        wait_for(
            lambda: exporter.scrape().sum("push_requests_total", result="ok") >= done + 3, "pushes"
        )
        assert instances(server) == ["node17.example"]
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: instances(server) == ["other.example"], lambda: instances(server))


def test_a_host_without_a_name():
    with scene("") as (host, server, exporter):
        wait_for(lambda: instances(server) == ["localhost"], "pushed all the same")
        rename(exporter.process, "named.example")
        wait_for(lambda: instances(server) == ["named.example"], lambda: instances(server))


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_an_instance_of_its_own_stays(by):
    options, env = (["--push.instance=localhost"], {}) if by == "flag" else ([], {
        "PE_PUSH_INSTANCE": "localhost"})
    with scene("localhost", *options, env=env) as (host, server, exporter):
        wait_for(lambda: instances(server) == ["localhost"], "pushed")
        rename(exporter.process, "node17.example")
        done = exporter.scrape().sum("push_requests_total", result="ok")
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: exporter.scrape().sum("push_requests_total", result="ok") >= done + 3, "pushes"
        )
        assert instances(server) == ["localhost"]


def test_the_series_go_on():
    """The new group has all that was counted under the old name."""
    with scene("localhost") as (host, server, exporter), Container(host, 1):
        wait_for(lambda: instances(server) == ["localhost"], "pushed")
        wait_for(lambda: 'packet_exporter_interface_info{' in server.text() and "veth1" in server.text(),
                 "the interface")
        rename(exporter.process, "node17.example")
        wait_for(lambda: instances(server) == ["node17.example"], lambda: instances(server))
        text = server.text()
        assert 'instance="node17.example"' in text and "veth1" in text
        assert 'instance="localhost"' not in text


# ---- the push sink alone ----


def path(name):
    return f"/metrics/job/sample/instance/{name}"


def requests(server):
    return [request[:2] for request in server.requests]


def test_order(capture, sample):
    """The old group goes when the new one is there, and once."""
    server = capture()
    process = sample(server.url, "--host", "--interval-ms=200", "--grouping=dc=x", "--on-exit=push",
                     prefix=named("a.example"))
    server.wait(2)
    rename(process.process, "b.example")
    process.say("reload")
    wait_for(lambda: ("DELETE", path("a.example") + "/dc/x") in requests(server), "deleted")
    at = requests(server).index(("DELETE", path("a.example") + "/dc/x"))
    assert requests(server)[at - 1] == ("PUT", path("b.example") + "/dc/x")
    server.wait(at + 4)
    process.stop()
    assert set(requests(server)[at + 1:]) == {("PUT", path("b.example") + "/dc/x")}
    assert set(requests(server)[:at - 1]) == {("PUT", path("a.example") + "/dc/x")}


def test_what_was_never_stored_is_not_deleted(capture, sample):
    """It would be somebody else's."""
    server = capture(lambda handler, index: handler.answer(
        400 if handler.path == path("localhost") else 202))
    process = sample(server.url, "--host", "--interval-ms=200", prefix=named("localhost"))
    server.wait(2)
    rename(process.process, "b.example")
    wait_for(lambda: requests(server).count(("PUT", path("b.example"))) >= 3, "pushed")
    process.stop()
    assert not [r for r in requests(server) if r[0] == "DELETE"]


def test_a_delete_that_fails_is_tried_again(capture, sample):
    deletes = []

    def respond(handler, index):
        if handler.command != "DELETE":
            return handler.answer(202)
        deletes.append(handler.path)
        handler.answer(503 if len(deletes) < 3 else 202)

    server = capture(respond)
    process = sample(server.url, "--host", "--interval-ms=200", prefix=named("a.example"))
    server.wait(1)
    rename(process.process, "b.example")
    process.say("reload")
    wait_for(lambda: len(deletes) == 3, "three of them")
    done = len(server.requests)
    server.wait(done + 3)
    process.stop()
    assert deletes == [path("a.example")] * 3


def test_a_delete_that_is_refused_is_reported(capture, sample):
    server = capture(lambda handler, index: handler.answer(
        405 if handler.command == "DELETE" else 202, b"no"))
    process = sample(server.url, "--host", "--interval-ms=200", prefix=named("a.example"))
    server.wait(1)
    rename(process.process, "b.example")
    process.say("reload")
    process.log.wait(r"level=warn.*a\.example stays at the gateway.*405")
    done = len(server.requests)
    server.wait(done + 3)
    process.stop()
    assert sum(command == "DELETE" for command, _ in requests(server)) == 1


def test_back_again(capture, sample):
    """The name returns before the group under it could be deleted: it is ours, and stays."""
    server = capture(lambda handler, index: handler.answer(
        503 if handler.command == "DELETE" else 202))
    process = sample(server.url, "--host", "--interval-ms=200", prefix=named("a.example"))
    server.wait(1)
    rename(process.process, "b.example")
    process.say("reload")
    wait_for(lambda: ("DELETE", path("a.example")) in requests(server), "asked for")
    rename(process.process, "a.example")
    process.say("reload")
    wait_for(lambda: ("DELETE", path("b.example")) in requests(server), "the other one now")
    at = requests(server).index(("DELETE", path("b.example")))
    server.wait(at + 4)
    process.stop()
    assert ("DELETE", path("a.example")) not in requests(server)[at:]


def test_a_gateway_that_hangs(gateway, sample):
    """While a push may still arrive under the old name, the group is not left."""
    process = sample(gateway.url, "--host", "--interval-ms=300", "--timeout-ms=400",
                     prefix=named("a.example"))
    process.wait_stats(lambda s: s["ok"] >= 1, "one push")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        process.wait_stats(lambda s: s["network"] >= 2, "it hangs")
        rename(process.process, "b.example")
        process.say("reload")
        process.wait_stats(lambda s: s["network"] >= 4, "and goes on")
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    wait_for(lambda: [g[0]["instance"] for g in gateway.groups()] == ["b.example"], "only the new")
    done = process.stats()["ok"]
    process.wait_stats(lambda s: s["ok"] >= done + 3, "some more")
    assert [g[0]["instance"] for g in gateway.groups()] == ["b.example"]
