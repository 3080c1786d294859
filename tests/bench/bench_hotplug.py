# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a new interface is counted, and what that costs who makes it.

The time is not what the exporter says of itself: BPF programs see when the kernel puts the event into a
listener's queue, when the interface is in the exporter's table, by which the receive tracepoint counts
it, and the end of the system call that attaches XDP, to which counting passes later (observe.bpf.c).
Beside it, in the same run, when a listener that does nothing else has read the event.
"""
from bench import (
    Exporter, Namespace, figure, helper, main, median, percentile, quick, wait_attached,
)

ROOM = "--max-interfaces=16384"
FIRST = 1000  # ifindex of the first interface that is made
SECOND = 30000


def milliseconds(result):
    return result["ns"] / 1e6


def follow(name, exporter, first, pairs, pause_us, targets=(None, None)):
    """From the announcement to being counted, and to XDP, each interface."""
    result = helper(exporter.host, "links", "watch", exporter.process.pid, first, pairs, pause_us)
    # A peer is announced first, while the kernel goes on making the pair under the lock that
    # attaching needs.
    for side, what in (("", ""), ("peer_", " (the peer, announced in the middle of the making)")):
        times = {key: [ns / 1e3 for ns in result[side + key]]
                 for key in ("received", "counted", "attached")}
        if len(times["received"]) < pairs // 2:
            raise RuntimeError(f"only {len(times['received'])} of {pairs} announcements were seen")
        for percent, target in ((50, targets[0]), (99, targets[1]), (100, None)):
            share = "max" if percent == 100 else f"p{percent}"
            received, counted, attached = (percentile(t, percent) for t in times.values())
            figure(f"event to counted, {name}, {share}{what}", counted, "µs", received,
                   "an idle listener has read it", target)
            figure(f"event to XDP attached, {name}, {share}{what}", attached, "µs", counted,
                   "counted")


def storms():
    pairs = quick(500, 100)
    with Namespace("pe-b") as host, Exporter(host, ROOM) as exporter:
        follow(f"a storm of {2 * pairs:,}", exporter, FIRST, pairs, 0, ("≤ 100 µs", "≤ 5,000 µs"))
    with Namespace("pe-b") as host, Exporter(host, ROOM) as exporter:
        follow("a pair each 5 ms", exporter, FIRST, quick(200, 30), 5000)


def make_and_delete(host, pairs, exporter=None):
    """Milliseconds."""
    add = milliseconds(helper(host, "links", "add", FIRST, pairs))
    if exporter:
        wait_attached(exporter, 2 * pairs, "generic")
    delete = milliseconds(helper(host, "links", "delete"))
    if exporter:
        wait_attached(exporter, 0)
    return add, delete


def guard(pairs, rounds, targets):
    """What the exporter, with the lock that all share, costs who makes and deletes interfaces."""
    with_us, without = [], []
    # One namespace for all: the end of one goes on in the background, under the same lock.
    with Namespace("pe-b") as host:
        make_and_delete(host, pairs)
        for _ in range(rounds):
            without.append(make_and_delete(host, pairs))
            with Exporter(host, ROOM) as exporter:
                with_us += [make_and_delete(host, pairs, exporter) for _ in range(2)]
            without.append(make_and_delete(host, pairs))
    for index, what in enumerate(("create", "delete")):
        figure(
            f"{what} {pairs:,} pairs, exporter running", median(r[index] for r in with_us), "ms",
            median(r[index] for r in without), "no exporter", targets[index]
        )


def crowded():
    """A host that has thousands of interfaces already."""
    pairs = quick(2500, 250)
    with Namespace("pe-b") as host:
        helper(host, "links", "add", FIRST, pairs)
        with Exporter(host, ROOM) as exporter:
            wait_attached(exporter, 2 * pairs)
            follow(f"a pair each 5 ms, on a host with {2 * pairs:,} interfaces", exporter, SECOND,
                   quick(200, 30), 5000)


def hotplug():
    storms()
    guard(quick(500, 100), quick(8, 1), ("ratio ≤ 1.10", "ratio ≤ 1.15"))
    guard(quick(2000, 200), quick(2, 1), (None, None))
    crowded()


if __name__ == "__main__":
    main(hotplug)
