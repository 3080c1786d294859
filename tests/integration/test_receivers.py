# SPDX-License-Identifier: GPL-2.0-or-later
"""Receivers that Debian 12 has not got: a VictoriaMetrics that takes OTLP, a Prometheus that takes remote
write 2.0 (receivers.sh); beside them Debian 12's Prometheus, which answers 2.0 as if it took it.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest

from harness import (
    ROOT, IdentifyingExporter, Metrics, Namespace, Prometheus, ethernet, needs_root, run, serial,
    wait_for, wait_up
)
from test_container_names import Groups
from test_otlp import RENAMED
from test_remote_write import VictoriaMetrics, samples, varint

pytestmark = needs_root

INTERVAL_S = 1
PACKETS = 64
OURS = '{direction="ingress",family="other",interface="veth1"}'
VETH1 = '{interface="veth1"}'
LEDGER = 'sum(sum_over_time(packet_exporter_ended_packets{direction="ingress",workload="web"}[1h]))'
COMMON = {"job", "instance", "service.name", "service.instance.id", "host.name"}
# What nothing but packets and interfaces changes.
STEADY = re.compile("packet_exporter_(host_|group_|interface_|packets_|bytes_|packet_size_)")
TYPES = {1: "counter", 2: "gauge", 3: "histogram", 6: "info"}
PAGE_SIZE = 32768  # of a write-ahead log


@functools.cache
def newer(program):
    return f"{run(ROOT / 'tests/integration/receivers.sh').strip()}/{program}"


class Container:
    """A namespace with a program that is container `web` of LXC; veth1 leads to it."""

    def __init__(self, host, stack):
        peers = stack.enter_context(Namespace())
        group = stack.enter_context(Groups()).make("lxc.payload.web") / "cgroup.procs"
        program = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{peers.name}", "sleep", "3600"],
            preexec_fn=lambda: group.write_text(str(os.getpid()), encoding="ascii"),
        )
        stack.callback(program.wait)
        stack.callback(program.kill)
        host.batch([f"link add veth1 type veth peer name eth0 netns {peers.name}", "link set veth1 up"])
        peers.ip("link", "set", "eth0", "up")
        wait_up(peers, ["eth0"])
        self.socket = stack.enter_context(contextlib.closing(peers.packet_socket("eth0")))

    def send(self):
        for _ in range(PACKETS):
            self.socket.send(ethernet(0x88B5, bytes(46)))


# ---- what there is, in the words of a scrape ----


def fresh():
    """VictoriaMetrics answers with the series that it found last, for ten seconds, to who asks the same."""
    return {"nocache": 1, "extra_filters[]": f'{{look!="{next(serial)}"}}'}


def query(database, expression):
    return database.query(expression, **fresh())


def identifier(name, labels):
    return name, frozenset((k, str(float(v)) if k == "le" else v) for k, v in labels.items() if v)


def page_of(exporter):
    """The series of a scrape. Since when they count is in no database."""
    return {identifier(s.name, s.labels): s.value for s in exporter.scrape().samples
            if not s.name.endswith("_created")}


def state_of(database, dot="."):
    """`dot`: what a receiver makes of those in the names of attributes."""
    words = {otlp.replace(".", dot): label for otlp, label in RENAMED.items()}
    common = {name.replace(".", dot) for name in COMMON}
    state = {}
    for series in query(database, '{__name__!=""}'):
        name = series["metric"].pop("__name__")
        assert len(common & series["metric"].keys()) in (2, 3), series  # of remote write or OTLP
        labels = {words.get(k, k): v for k, v in series["metric"].items() if k not in common}
        state[identifier(name, labels)] = float(series["value"][1])
    return state


def differences(exporter, database, **how):
    """What a scrape shows and the database has not got, or otherwise; and what it has alone."""
    page, state = page_of(exporter), state_of(database, **how)
    missing = [series for series, value in page.items()
               if series not in state or (STEADY.match(series[0]) and state[series] != value)]
    return missing + list(state.keys() - page_of(exporter).keys())


def value(database, expression):
    found = query(database, expression)
    return float(found[0]["value"][1]) if found else None


def exported(victoria, selector):
    """Raw samples of each series, in order; None is a stale marker."""
    arguments = urllib.parse.urlencode({"match[]": selector, **fresh()})
    text = victoria.host.get(f"{victoria.url}/api/v1/export?{arguments}")[2].decode()
    found = {}
    for line in text.splitlines():
        block = json.loads(line)
        pairs = found.setdefault(frozenset(block["metric"].items()), [])
        pairs.extend(zip(block["timestamps"], block["values"]))
    return [sorted(pairs, key=lambda pair: pair[0]) for pairs in found.values()]


# ---- what Prometheus keeps and does not serve ----


def records(directory):
    """Those of a write-ahead log that is not compressed; pages cut them into pieces."""
    record = b""
    for segment in sorted(directory.glob("wal/0*")):
        data, at = segment.read_bytes(), 0
        while at + 7 <= len(data):
            kind, size = data[at] & 7, int.from_bytes(data[at + 1:at + 3], "big")
            if kind == 0:
                at += PAGE_SIZE - at % PAGE_SIZE
                continue
            record = (b"" if kind in (1, 2) else record) + data[at + 7:at + 7 + size]
            at += 7 + size
            if kind in (1, 4):
                yield record


def text_at(data, at):
    size, at = varint(data, at)
    return data[at:at + size].decode(), at + size


def metadata(directory):
    """Of each name of series: (type, unit, help)."""
    names, found = {}, {}
    for record in records(directory):
        at = 1
        while record[0] == 1 and at < len(record):
            ref, (count, at) = int.from_bytes(record[at:at + 8], "big"), varint(record, at + 8)
            for _ in range(count):
                label, at = text_at(record, at)
                names[ref], at = (text_at(record, at) if label == "__name__"
                                  else (names.get(ref), text_at(record, at)[1]))
        while record[0] == 6 and at < len(record):
            ref, at = varint(record, at)
            kind, (count, at) = record[at], varint(record, at + 1)
            parts = {}
            for _ in range(count):
                part, at = text_at(record, at)
                parts[part], at = text_at(record, at)
            found.setdefault(names[ref], set()).add((TYPES[kind], parts["UNIT"], parts["HELP"]))
    return found


def check_metadata(exporter, directory):
    families = Metrics(exporter.scrape_text()).families.values()
    expected = {s.name: {(family.type, family.unit, family.documentation)} for family in families
                for s in family.samples if not s.name.endswith("_created")}
    found = metadata(directory)
    assert expected.keys() <= found.keys()
    assert {name: found[name] for name in expected} == expected


def check_zeros(exporter, prometheus):
    """What counts begins with one, also where no sample says so: then when it began to count."""
    created = {}
    for s in exporter.scrape().samples:
        if re.fullmatch("packet_exporter_(host_|group_|)packets_created", s.name):
            name = s.name.replace("_created", "_total")
            created[identifier(name, s.labels)] = round(s.value * 1e6) // 1000
    found = {}
    for name in {name for name, _ in created}:
        for series in prometheus.query(f"{name}[1h]"):
            labels = {k: v for k, v in series["metric"].items() if k not in COMMON | {"__name__"}}
            time, first = series["values"][0]
            found[identifier(name, labels)] = round(time * 1000)
            assert first == "0", series
    assert created.keys() == found.keys() and len({name for name, _ in created}) == 3
    assert all(at <= created[series] for series, at in found.items()), (created, found)
    # Nothing had been sent when the interface came.
    (ours,) = (series for series in created if series[0] == "packet_exporter_packets_total")
    assert found[ours] == created[ours]


@pytest.mark.long
def test_real_receivers(tmp_path):
    """What a scrape shows is there, each under its name, with its values; and it ends."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        for name in "dotted", "named", "newer", "older":
            (tmp_path / name).mkdir()
        dotted = stack.enter_context(VictoriaMetrics(
            host, tmp_path / "dotted", program=newer("victoria-metrics")))
        named = stack.enter_context(VictoriaMetrics(
            host, tmp_path / "named", "-opentelemetry.usePrometheusNaming",
            program=newer("victoria-metrics"), port=8429))
        prometheus = stack.enter_context(Prometheus(
            host, "global: {}\n", tmp_path / "newer", "--web.enable-remote-write-receiver",
            "--enable-feature=created-timestamp-zero-ingestion,metadata-wal-records",
            "--no-storage.tsdb.wal-compression", program=newer("prometheus")))
        older = stack.enter_context(Prometheus(
            host, "global: {}\n", tmp_path / "older", "--web.enable-remote-write-receiver", port=9092))
        databases = dotted, named, prometheus, older
        exporter = stack.enter_context(IdentifyingExporter(
            host, *(f"--otlp.url={d.url}/opentelemetry/v1/metrics" for d in (dotted, named)),
            *(f"--remote-write.url={d.url}/api/v1/write" for d in (prometheus, older)),
            "--remote-write.protocol=auto", "--departed.retention=1s", "--metrics.created",
            # Each look is a connection: no two of them are the same.
            "--drops=off", "--tcp=off",
            *(f"--{way}.{option}" for way in ("otlp", "remote-write")
              for option in (f"interval={INTERVAL_S}s", "min-age=0s", "departed-hold=1s")),
        ))
        container = Container(host, stack)
        wait_for(lambda: exporter.scrape().sum("group_interfaces", workload="web") == 1, "it is known")
        for database in databases:
            wait_for(lambda d=database: query(d, "packet_exporter_interface_info"), "it is everywhere")
        container.send()
        for database in databases:
            how = {"dot": "_"} if database is named else {}
            wait_for(lambda d=database, h=how: not differences(exporter, d, **h),
                     lambda d=database, h=how: f"{d.url}: {differences(exporter, d, **h)}")
            wait_for(lambda d=database: value(d, f"packet_exporter_packets_total{OURS}") == PACKETS, "each packet")
            assert value(database, LEDGER) is None
        info = wait_for(lambda: query(dotted, "packet_exporter_interface_info"), "its labels")[0]["metric"]
        assert {k: info[k] for k in ("service.name", "container.name", "container.runtime", "workload")} == {
            "service.name": "packet_exporter", "container.name": "web", "container.runtime": "lxc",
            "workload": "web"}
        check_metadata(exporter, tmp_path / "newer/data")
        check_zeros(exporter, prometheus)

        host.ip("link", "del", "veth1")
        for database in databases:
            wait_for(lambda d=database: value(d, f"packet_exporter_packets_total{OURS}") is None, "it ends")
            wait_for(lambda d=database: value(d, LEDGER) == PACKETS, "the ledger has it")
            for level, of in ("group_", 'workload="web",'), ("host_", ""):
                packets = f'packet_exporter_{level}packets_total{{{of}direction="ingress",family="other"}}'
                wait_for(lambda d=database, p=packets: value(d, p) == PACKETS, packets)
        for database in dotted, named:
            # Without a marker it guesses that they have ended, and leaves them out of answers.
            wait_for(lambda d=database: all(pairs[-1][1] is None for pairs in exported(d, VETH1)),
                     lambda d=database: exported(d, VETH1))
            series = exported(database, VETH1)
            assert len(series) > 10
            for pairs in series:
                assert [v is None for _, v in pairs] == [False] * (len(pairs) - 1) + [True], pairs
                assert pairs[-1][0] - pairs[-2][0] >= INTERVAL_S * 1000, pairs

        page, log = exporter.scrape_text("text/plain"), exporter.log()
        assert [samples(exporter, r, "", page) for r in ("rejected", "expired", "maybe_delivered")] == [0, 0, 0]
        assert re.findall(r"(\S+) does not know remote write 2.0", log) == [f'msg="{older.url}/api/v1/write']
        assert exporter.close() == 0
