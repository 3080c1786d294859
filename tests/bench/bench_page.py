# SPDX-License-Identifier: GPL-2.0-or-later
"""The live page at 1,000 interfaces: what it costs while five look, and after they have left; how long the
first answer takes. All of it as a browser asks: gzip, a connection that is kept, each second.

Half of the interfaces have traffic all the while.
"""
import contextlib
import gzip
import http.client
import socket
import threading
import time

from bench import (
    Exporter, Namespace, cpu_s, figure, helper, ipv4, main, median, quick, udp, wait_attached,
)

COUNT, FIRST = 1000, 1000
VIEWERS = 5
WINDOW_S = quick(12, 3)
LATER_S = quick(10, 3)
TARGET = "≤ 3 % of a CPU"
FRAME = ipv4(17, udp(500))
HEADERS = {"Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip"}
# What five people look at.
VIEWS = ("", "&sort=name&order=asc", "&search=v1", "&view=groups", f"&open={FIRST}")


class Viewer:
    """A browser's connection."""

    def __init__(self, host):
        self.http = http.client.HTTPConnection("127.0.0.1", 9817, timeout=10)
        with host.inside():
            self.http.connect()
        self.took_ms = []

    def get(self, query):
        begin = time.monotonic()
        self.http.request("GET", f"/{query}", headers=HEADERS)
        answer = self.http.getresponse()
        body = answer.read()
        self.took_ms.append((time.monotonic() - begin) * 1e3)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body}")
        return body

    def look(self, query, ended):
        self.get(query)
        while not ended.wait(1):
            self.get(f"{query or '?'}&part=1")


@contextlib.contextmanager
def traffic(host):
    """A packet a tenth of a second on every second interface."""
    ended = threading.Event()
    with host.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)

    def send():
        while not ended.wait(0.1):
            for pair in range(FIRST, FIRST + COUNT, 2):
                sock.sendto(FRAME, (f"v{pair}", 0))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sock.close()


def share(pid, seconds):
    """Percent of a CPU."""
    before, begin = cpu_s(pid), time.monotonic()
    threading.Event().wait(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - begin) * 100


def watched(host, pid, queries):
    """Percent of a CPU while the viewers look, and how long their answers took."""
    ended = threading.Event()
    viewers = [Viewer(host) for _ in queries]
    threads = [threading.Thread(target=v.look, args=(q, ended)) for v, q in zip(viewers, queries)]
    for thread in threads:
        thread.start()
        # People do not come at the same moment.
        threading.Event().wait(1 / len(queries))
    try:
        percent = share(pid, WINDOW_S)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    for viewer in viewers:
        viewer.http.close()
    return percent, [ms for v in viewers for ms in v.took_ms]


def first_answer(host):
    """Of a viewer whom nobody was before: how long it took, and the bytes on the wire and of the text."""
    viewer = Viewer(host)
    body = viewer.get("")
    viewer.http.close()
    return viewer.took_ms[0], len(body), len(gzip.decompress(body))


def page():
    with Namespace("pe-b") as host:
        helper(host, "links", "add", FIRST, COUNT // 2)
        helper(host, "links", "up", FIRST, COUNT // 2)
        with Exporter(host, "--flows.top=10") as exporter, traffic(host):
            wait_attached(exporter, COUNT)
            pid = exporter.process.pid
            threading.Event().wait(quick(35, 3))  # until the audit is slow again: see bench_idle
            nobody = share(pid, LATER_S)
            took_ms, sent, size = first_answer(host)
            same, same_ms = watched(host, pid, [""] * VIEWERS)
            others, others_ms = watched(host, pid, [f"?{q[1:]}" if q else "" for q in VIEWS])
            after = share(pid, LATER_S)
    what, name = f"page of {COUNT:,} interfaces", "nobody looks"
    figure(f"{what}, CPU with {VIEWERS} viewers", same, "%", nobody, name, TARGET)
    figure(f"{what}, CPU with {VIEWERS} viewers of different views", others, "%", nobody, name, TARGET)
    figure(f"{what}, CPU after they have left", after, "%", nobody, name)
    figure(f"{what}, first answer", took_ms, "ms", median(same_ms), "median of the others")
    figure(f"{what}, answers of different views, median", median(others_ms), "ms", median(same_ms), "the same view")
    figure(f"{what}, bytes sent", sent, "B", size, "without gzip")


if __name__ == "__main__":
    main(page)
