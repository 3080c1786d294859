# SPDX-License-Identifier: GPL-2.0-or-later
"""Scrapes and pushes with 10 to 10,000 interfaces that have seen traffic.

A scrape beside one of Debian's node_exporter (its netdev collector alone) of the same interfaces in
the same run, in turn, and beside a memcpy of the same bytes. A push beside the same text put by a
plain client.
"""
import contextlib
import re
import socket
import threading
import time
import urllib.request

from bench import (
    Exporter, Namespace, NodeExporter, Pushgateway, QUICK, arp, cpu_s, figure, helper,
    ipv4, main, median, quick, resident, tcp, udp, wait_attached,
)

FIRST = 1000
COUNTS = (10, 1000) if QUICK else (10, 1000, 5000, 10000)
DEFAULT_MAX = 1024
# Each longer than the one before, until there were pushes in it; a gateway takes long for many.
PUSH_WINDOWS_S = {10: (3.5, 7), 1000: (3.5, 7, 14), 5000: (7, 14, 28), 10000: (14, 28, 56)}
MEMUSAGE = "libmemusage.so"  # of the C library's package: counts calls of malloc() and its like
FRAMES = (ipv4(6, tcp(0x02)), ipv4(6, tcp(0x10, 1000)), ipv4(17, udp(200)), arp())
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
TARGETS = {1000: {"per series": "ratio ≤ 0.1", "memory": "≤ 16 MB, ratio ≤ 0.2"}}


class Page:
    """A scrape: what came, how long it took, and what it cost the server."""

    buffer = bytearray(256 << 20)

    def __init__(self, host, port, pid, path="/metrics"):
        request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {OPENMETRICS}\r\n"
                   "Connection: close\r\n\r\n").encode()
        view, size = memoryview(self.buffer), 0
        with host.inside():
            sock = socket.socket()
        before = cpu_s(pid)
        begin = time.monotonic()
        with sock:
            sock.settimeout(60)
            sock.connect(("127.0.0.1", port))
            sock.sendall(request)
            while count := sock.recv_into(view[size:]):
                size += count
        self.ms = (time.monotonic() - begin) * 1e3
        self.cpu_ms = (cpu_s(pid) - before) * 1e3
        self.bytes = size
        if not self.buffer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{path} on port {port}: {bytes(view[:100])}")

    def text(self):
        return self.buffer[:self.bytes].decode()


def series(text):
    return sum(1 for line in text.splitlines() if line[:1].isalpha())


def copy_ms(size):
    """A memcpy of so many bytes."""
    source, to = memoryview(Page.buffer)[:size], memoryview(bytearray(size))
    to[:] = source
    begin = time.monotonic()
    to[:] = source
    return (time.monotonic() - begin) * 1e3


def give_traffic(host, count):
    """Some packets through every interface, both directions."""
    with host.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sock:
        for pair in range(FIRST, FIRST + count, 2):
            for name in (f"v{pair}", f"w{pair}"):
                for frame in FRAMES:
                    sock.sendto(frame, (name, 0))


def options(count):
    return () if count <= DEFAULT_MAX else ("--max-interfaces=16384",)


@contextlib.contextmanager
def interfaces(count):
    with Namespace("pe-b") as host:
        helper(host, "links", "add", FIRST, count // 2)
        helper(host, "links", "up", FIRST, count // 2)
        yield host


def scrapes(host, count):
    """Ours and node_exporter's in turn."""
    with Exporter(host, *options(count)) as exporter, NodeExporter(host) as node:
        wait_attached(exporter, count)
        give_traffic(host, count)
        ours, theirs, copies = [], [], []
        pids = exporter.process.pid, node.process.pid
        # The first one is not like the others.
        found = series(Page(host, 9817, pids[0]).text())
        text = Page(host, 9100, pids[1]).text()
        node_found = series(text)
        allocated = node_allocations(text)
        rounds = quick(7 if count <= 1000 else 3, 2)
        for _ in range(rounds):
            ours.append(Page(host, 9817, pids[0]))
            copies.append(copy_ms(ours[-1].bytes))
            theirs.append(Page(host, 9100, pids[1]))
        node_allocated = (node_allocations(theirs[-1].text()) - allocated) / rounds
        memory, node_memory = resident(pids[0]), resident(pids[1])

    node = "node_exporter"
    target = TARGETS.get(count, {})
    what = f"scrape of {count:,} interfaces"
    ms, node_ms = median(p.ms for p in ours), median(p.ms for p in theirs)
    figure(f"{what}, time", ms, "ms", node_ms, node)
    figure(f"{what}, time beside memcpy", ms, "ms", median(copies), "memcpy of the same bytes")
    figure(f"{what}, time per series", ms / found * 1e6, "ns", node_ms / node_found * 1e6, node,
           target.get("per series"))
    figure(f"{what}, CPU", median(p.cpu_ms for p in ours), "ms",
           median(p.cpu_ms for p in theirs), node)
    figure(f"{what}, series", found, "series", node_found, node)
    figure(f"{what}, bytes", ours[-1].bytes, "bytes", theirs[-1].bytes, node)
    figure(f"{what}, resident memory", (memory["all"] - memory["maps"]) / 1e6, "MB",
           node_memory["all"] / 1e6, node, target.get("memory"))
    figure(f"{what}, resident memory and mapped BPF maps", memory["all"] / 1e6, "MB",
           node_memory["all"] / 1e6, node)
    allocations(host, count, node_allocated)


def node_allocations(text):
    return float(re.search(r"^go_memstats_mallocs_total (\S+)", text, re.M).group(1))


def allocations(host, count, node_allocated):
    """The difference between a run with many scrapes and one with few."""
    few, many = 2, quick(12, 4)

    def calls(scrapes):
        environment = {"LD_PRELOAD": MEMUSAGE, "MEMUSAGE_PROG_NAME": "packet-exporter"}
        with Exporter(host, *options(count), env=environment) as exporter:
            wait_attached(exporter, count)
            give_traffic(host, count)
            for _ in range(scrapes):
                Page(host, 9817, exporter.process.pid)
        found = re.findall(r"(?:malloc|realloc|calloc)\|\S*\s+(\d+)", exporter.log())
        if len(found) != 3:
            raise RuntimeError(f"{MEMUSAGE} did not report")
        return sum(map(int, found))

    if count > DEFAULT_MAX:
        return  # as many as with 1,000, which are made sooner
    a_scrape = (calls(many) - calls(few)) / (many - few)
    figure(f"scrape of {count:,} interfaces, allocations", a_scrape, "calls", node_allocated,
           "node_exporter")


def put_body(text):
    """What is pushed of a scrape: all but process_*."""
    return "".join(
        line for line in text.splitlines(keepends=True)
        if not re.match(r"(# (HELP|TYPE) )?process_", line)
    ).encode()


def put(host, body):
    """ms that a plain client takes to put it."""
    group = "http://127.0.0.1:9091/metrics/job/plain"
    client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with host.inside():
        begin = time.monotonic()
        client.open(urllib.request.Request(group, body, method="PUT"), timeout=60).close()
        return (time.monotonic() - begin) * 1e3


def pushes(host, count):
    with Pushgateway(host) as gateway, Exporter(
        host, *options(count), f"--push.url={gateway.url}", "--push.interval=1s",
        "--push.timeout=60s", "--push.on-exit=none"
    ) as exporter:
        wait_attached(exporter, count)
        give_traffic(host, count)
        pid = exporter.process.pid

        def push_stats():
            text = exporter.scrape_text("text/plain")
            found = [float(re.search(rf"^packet_exporter_push_{name} (\S+)", text, re.M).group(1))
                     for name in ("duration_seconds_count", "duration_seconds_sum",
                                  'requests_total{result="ok"}')]
            return found, text

        def loopback():
            return host.link("lo")["stats64"]["tx"]["bytes"]

        for window_s in PUSH_WINDOWS_S[count]:
            (count_before, sum_before, _), _ = push_stats()
            before = cpu_s(pid), loopback()
            threading.Event().wait(window_s)  # in which nobody else asks anything of it
            cpu, wire = cpu_s(pid) - before[0], loopback() - before[1]
            (count_after, sum_after, ok), text = push_stats()
            done = count_after - count_before
            if done:
                break
        if not done or ok < done:
            raise RuntimeError(f"{done} pushes, {ok} of all succeeded")
        took = (sum_after - sum_before) / done * 1e3
        what = f"push of {count:,} interfaces"
        cpu_ms, body = cpu / done * 1e3, put_body(text)
        figure(f"{what}, bytes on the wire", wire / done, "bytes", len(body),
               "the same text, not compressed")
        figure(f"{what}, CPU", cpu_ms, "ms", took, "until the gateway has answered")
        # The gateway would take minutes for the larger ones, and the client waits as we do.
        if count <= DEFAULT_MAX:
            figure(f"{what}, time", took, "ms", put(host, body),
                   "the same text, put by a plain client")


def scrape():
    for count in COUNTS:
        with interfaces(count) as host:
            scrapes(host, count)
            pushes(host, count)


if __name__ == "__main__":
    main(scrape)
