# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers that live shorter than any interval, in Debian's Prometheus and VictoriaMetrics."""

import contextlib
import socket
import time

from harness import Exporter, Namespace, Prometheus, ipv4, needs_root, udp, wait_for, wait_up
from test_remote_write import VictoriaMetrics

pytestmark = needs_root

# Ten waves of thirty.
LIVES_S = 0.1, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3
WAVE = 30
FRAMES = {"ingress": (ipv4(17, udp(58)), 5), "egress": (ipv4(17, udp(20)), 3)}


def live(host, peers, sockets, numbers, life_s):
    """A wave of veth pairs, which send in both directions at once and end together."""
    host.batch(f"link add name s{n} group 7 type veth peer name p{n} group 7 netns {peers.name}"
               for n in numbers)
    for side in peers, host:
        side.ip("link", "set", "group", 7, "up")
    for side, name in (peers, "p{}"), (host, "s{}"):
        wait_up(side, (name.format(n) for n in numbers))
    began = time.monotonic()
    for number in numbers:
        for direction, name in ("ingress", "p{}"), ("egress", "s{}"):
            frame, count = FRAMES[direction]
            # Of different size: each of them has to be there.
            for _ in range(count + number % 7):
                sockets[direction].sendto(frame, (name.format(number), 0))
    time.sleep(max(0, began + life_s - time.monotonic()))
    host.ip("link", "del", "group", 7)


def number(database, expression):
    found = database.query(expression)
    return float(found[0]["value"][1]) if found else 0


def test_short_lives_are_exact(tmp_path):
    """To the packet and the byte in both; from the counters of their group to some percent."""
    total = len(LIVES_S) * WAVE
    packets = {d: sum(count + n % 7 for n in range(total)) for d, (_, count) in FRAMES.items()}
    with contextlib.ExitStack() as stack:
        host, peers = (stack.enter_context(Namespace()) for _ in range(2))
        prometheus = stack.enter_context(
            Prometheus(host, "global: {}\n", tmp_path, "--web.enable-remote-write-receiver"))
        victoria = stack.enter_context(VictoriaMetrics(host, tmp_path))
        stack.enter_context(Exporter(
            host, *(f"--remote-write.url={s.url}/api/v1/write" for s in (prometheus, victoria)),
            "--remote-write.interval=1s",
        ))
        # The kernel reports the carrier up to a second late where both ends have the same ifindex.
        peers.batch(f"link add pad{n} group 9 type bridge" for n in range(20))
        peers.ip("link", "del", "group", 9)
        sockets = {}
        for direction, side in ("ingress", peers), ("egress", host):
            with side.inside():
                sockets[direction] = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        for wave, life_s in enumerate(LIVES_S):
            live(host, peers, sockets, range(wave * WAVE, (wave + 1) * WAVE), life_s)
        for database in prometheus, victoria:
            for direction, truth in packets.items():
                of = f'{{kind="veth",direction="{direction}"}}'
                group = f"packet_exporter_group_packets_total{of}"
                wait_for(lambda d=database: number(d, f"sum({group})") == truth, "all is counted")
                # Prometheus goes on with the slope behind the last sample.
                last = number(database, f"max(timestamp({group}))")
                found = database.query(f"sum(increase({group}[5m]))", time=last)
                assert abs(float(found[0]["value"][1]) / truth - 1) < 0.03, (type(database), found, truth)
                ended = f"sum(sum_over_time(packet_exporter_ended_packets{of}[5m]))"
                wait_for(lambda d=database: number(d, ended) == truth, f"{truth} packets")
                size = number(database, ended.replace("ended_packets", "ended_bytes"))
                assert size == truth * len(FRAMES[direction][0])
            # It is no series of interfaces that adds up, but a sample now and then.
            samples = number(database, "max(count_over_time(packet_exporter_ended_packets[5m]))")
            assert len(LIVES_S) / 3 < samples <= 2 * len(LIVES_S)
