# SPDX-License-Identifier: GPL-2.0-or-later
"""The wall clock is set while the exporter runs, back and on by a day.

libfaketime answers the exporter's questions for the wall clock with an offset that a file tells;
the monotonic clock, and all that the kernel waits for, is as it is.
"""
import contextlib
import os
import pathlib
import tempfile
import time

import pytest
from harness import Container, Exporter, Namespace, Pushgateway, ipv4, needs_root, udp, wait_for

DAY = 86400
RETENTION_S = 10


def library():
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "the package faketime is missing"
    return found[0]


pytestmark = needs_root


class Clock:
    """The wall clock of one process."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile("w+", prefix="pe-clock-")
        self.set(0)

    def set(self, offset_s):
        self.offset_s = offset_s
        # In one write: it is read at any time.
        pathlib.Path(self.file.name).write_text(f"{offset_s:+d}\n", encoding="ascii")

    def now(self):
        return time.time() + self.offset_s

    def environment(self):
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": self.file.name,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # A sanitizer's library is loaded behind it.
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
        }


def created(metrics):
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for s in metrics.samples if s.name.endswith("_created")
    }


def only(metrics, name):
    (sample,) = [s for s in metrics.samples if s.name == name]
    return sample.value


def pushes(metrics):
    return metrics.sum("push_requests_total", result="ok")


@contextlib.contextmanager
def scene():
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        stack.enter_context(Pushgateway(host))
        clock = Clock()
        exporter = stack.enter_context(Exporter(
            host, "--push.url=http://127.0.0.1:9091", "--push.interval=1s", "--flows.top=4",
            "--metrics.created",
            # The library reads its file again and again.
            "--sandbox=off", f"--departed.retention={RETENTION_S}s", env=clock.environment()
        ))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        with container.packet_socket("eth0") as out:
            out.send(ipv4(17, udp(8)))
        wait_for(lambda: exporter.scrape().find("top_flow_bytes_total", interface="veth1"), "a top flow")
        wait_for(lambda: pushes(exporter.scrape()) > 0, "a push")
        yield host, clock, exporter


def check_times(metrics, clock):
    """None lies in the future, and the process has not been there for long."""
    now = clock.now()
    times = created(metrics)
    assert times and max(times.values()) <= now
    assert now - 120 < only(metrics, "process_start_time_seconds") <= now
    assert now - 120 < min(times.values())
    assert now - 30 < only(metrics, "packet_exporter_push_last_success_timestamp_seconds") <= now


@pytest.mark.parametrize("step", [-DAY, DAY], ids=["back", "on"])
def test_step(step):
    with scene() as (host, clock, exporter), contextlib.ExitStack() as stack:
        before = exporter.scrape()
        check_times(before, clock)
        # While nobody sets the clock, they are what they were.
        again = created(exporter.scrape())
        assert {k: again[k] for k in created(before)} == created(before)

        host.ip("link", "del", "veth1")
        wait_for(lambda: not exporter.scrape().live(interface="veth1"), "gone")
        left = time.monotonic()
        clock.set(step)
        stepped = exporter.scrape()
        check_times(stepped, clock)
        # It was not folded for that, and is not before its time.
        assert time.monotonic() - left > RETENTION_S or stepped.find("packets_total", interface="veth1")
        done = pushes(stepped)

        stack.enter_context(Container(host, 2))
        wait_for(lambda: exporter.scrape().live(interface="veth2"), "a new one")
        wait_for(lambda: pushes(exporter.scrape()) >= done + 3, "pushes go on", 15)
        check_times(exporter.scrape(), clock)
        wait_for(
            lambda: not exporter.scrape().find("packets_total", interface="veth1"), "it is folded",
            RETENTION_S + 10,
        )
        assert time.monotonic() - left > RETENTION_S - 2
        after = exporter.scrape()
        check_times(after, clock)
        assert after.departed("packets_total", direction="ingress") >= 1

        # And the clock is put right.
        clock.set(0)
        check_times(exporter.scrape(), clock)
