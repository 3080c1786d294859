# SPDX-License-Identifier: GPL-2.0-or-later
"""As a database sees it: what short-lived containers sent is what increase() finds.

A Prometheus scrapes the exporter, another one a Pushgateway. The interfaces of a workload lead to one
namespace, where a program runs in a control group as LXC names them.
"""

import contextlib
import pathlib
import os
import random
import re
import socket
import subprocess
import time

import pytest

from harness import (
    IdentifyingExporter as Exporter, Namespace, Prometheus, Pushgateway, ipv4, udp, wait_for,
    wait_up
)
from test_container_names import Groups

WORKLOADS = ("web", "db", "job")
CONTAINERS = 300
SECONDS = 30
INTERVAL_S = 2
LIFE_S = (0.1, 3)
SENT = "family=\"ipv4\",protocol=\"udp\",direction=\"ingress\""
FRAME = ipv4(17, udp(1))

CONFIG = """
global: {{scrape_interval: {interval}s}}
scrape_configs:
  - job_name: {job}
    honor_labels: true
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


class Fleet:
    """Containers that live for a while, several at a time; counts what they send."""

    def __init__(self, host, stack):
        self.host = host
        self.random = random.Random(14)
        self.sent = dict.fromkeys(WORKLOADS, 0)
        self.ends = []  # (when, name)
        self.number = 0
        self.peers, self.sockets = {}, {}
        groups = stack.enter_context(Groups())
        for workload in WORKLOADS:
            peers = self.peers[workload] = stack.enter_context(Namespace())
            with peers.inside():
                out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sockets[workload] = stack.enter_context(contextlib.closing(out))
            group = groups.make(f"lxc.payload.{workload}") / "cgroup.procs"
            program = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{peers.name}", "sleep", "3600"],
                preexec_fn=lambda group=group: group.write_text(str(os.getpid()), encoding="ascii"),
            )
            stack.callback(program.wait)
            stack.callback(program.kill)

    def begin(self, workloads):
        """One of each, which sends nothing yet; returns [(number, workload)]."""
        started = [(self.number + i, workload) for i, workload in enumerate(workloads)]
        self.number += len(started)
        self.host.batch(
            f"link add name h{n} master br0 type veth peer name c{n} netns {self.peers[workload].name}"
            for n, workload in started
        )
        for workload, peers in self.peers.items():
            ends = [f"c{n}" for n, its in started if its == workload]
            peers.batch(f"link set {end} up" for end in ends)
        self.host.batch(f"link set h{n} up" for n, _ in started)
        for workload, peers in self.peers.items():
            wait_up(peers, [f"c{n}" for n, its in started if its == workload])
        wait_up(self.host, [f"h{n}" for n, _ in started])
        return started

    def run(self, count):
        for number, workload in self.begin([WORKLOADS[i % 3] for i in range(count)]):
            packets = self.random.randint(10, 60)
            for _ in range(packets):
                self.sockets[workload].sendto(FRAME, (f"c{number}", 0))
            self.sent[workload] += packets
            self.ends.append((time.monotonic() + self.random.uniform(*LIFE_S), f"h{number}"))

    def reap(self, now):
        over = [name for when, name in self.ends if when <= now]
        self.ends = [end for end in self.ends if end[0] > now]
        if over:
            self.host.batch(f"link del {name}" for name in over)


def value(prometheus, query, **at):
    found = prometheus.query(query, **at)
    return float(found[0]["value"][1]) if found else 0.0


def documented_queries():
    """Those of the documents; what goes on in a further line is indented."""
    for document in ("README.md", "docker/README.md"):
        text = pathlib.Path(__file__).parents[2].joinpath(document).read_text("utf-8")
        for block in re.findall(r"^```promql\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield from re.findall(r"^\S.*(?:\n .*)*", block, re.MULTILINE)


@pytest.mark.long
def test_increase_is_what_was_sent(tmp_path):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        stack.enter_context(Pushgateway(host))
        exporter = stack.enter_context(Exporter(
            host, "--push.url=http://127.0.0.1:9091", f"--push.interval={INTERVAL_S}s",
            "--interface.detail=basic", "--log.level=info"
        ))
        databases = {}
        for job, port in (("packet_exporter", 9817), ("packet_exporter_push", 9091)):
            directory = tmp_path / job
            directory.mkdir()
            databases[job] = stack.enter_context(Prometheus(
                host, CONFIG.format(interval=INTERVAL_S, job=job, port=port), directory,
                port=9090 + 2 * len(databases),
            ))
        fleet = Fleet(host, stack)
        # Each has one that stays, so that its group is there before it counts.
        fleet.begin(WORKLOADS)
        for job, database in databases.items():
            query = f'count(packet_exporter_group_interfaces{{job="{job}",kind="veth",workload!=""}} == 1)'
            wait_for(lambda d=database, q=query: value(d, q) == len(WORKLOADS),
                     f"{job} has every group")
        groups = f'packet_exporter_group_packets_total{{kind="veth",{SENT}'
        hosts = f"packet_exporter_host_packets_total{{{SENT}"

        begin = time.monotonic()
        for second in range(SECONDS):
            fleet.run(CONTAINERS // SECONDS)
            while time.monotonic() < begin + second + 1:
                fleet.reap(time.monotonic())
                time.sleep(0.05)
        fleet.reap(float("inf"))

        truth = sum(fleet.sent.values())
        wait_for(lambda: exporter.scrape().sum("host_packets_total", direction="ingress",
                                               family="ipv4", protocol="udp") == truth,
                 lambda: f"{exporter.scrape().text}, not {truth}")
        for job, database in databases.items():
            own = f',job="{job}"'
            wait_for(lambda d=database, q=f"sum({groups}{own}}})": value(d, q) == truth,
                     f"{job}: the sum of all groups is {truth}")
            # At the last sample there is nothing to extrapolate towards.
            at = value(database, f"timestamp({hosts}{own}}})")
            for workload, sent in fleet.sent.items():
                one = f'{groups}{own},workload="{workload}"}}'
                assert value(database, f"sum({one})") == sent, (job, workload)
                grown = value(database, f"sum(increase({one}[5m]))", time=at)
                assert grown == pytest.approx(sent, rel=0.03), (job, workload)
            grown = value(database, f"sum(increase({hosts}{own}}}[5m]))", time=at)
            assert grown == pytest.approx(truth, rel=0.02), job
        # No two jobs are added up, and each is understood; a wrong one is an error of HTTP.
        queries = list(documented_queries())
        assert len(queries) > 8
        for query in queries:
            assert 'job="' in query, query
            databases["packet_exporter"].query(query)
