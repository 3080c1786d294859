# SPDX-License-Identifier: GPL-2.0-or-later
"""OTLP/HTTP: what a receiver is sent, and what each of its answers means."""

import contextlib
import gzip
import pathlib
import re
import signal
import struct

from harness import Container, Exporter, Namespace, ethernet, wait_for
from test_remote_write import INTERVAL_S, PACKETS, Receiver, pending, samples

# What the semantic conventions have a name for.
RENAMED = {"container.name": "container", "container.image.name": "image", "k8s.namespace.name": "namespace",
           "k8s.pod.name": "pod", "container.id": "container_id", "k8s.pod.uid": "pod_uid",
           "container.runtime": "runtime"}
GAUGE, SUM, HISTOGRAM = 5, 7, 9


def fields(data):
    """The fields of a protobuf message: number, and a number or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        value = varint() if tag & 7 in (0, 2) else 8
        if tag & 7:
            at += value
            value = data[at - value:at]
        yield tag >> 3, value


def all_of(data, number):
    return [value for n, value in fields(data) if n == number]


def attributes(data, number):
    pairs = (dict(fields(pair)) for pair in all_of(data, number))
    return {pair[1].decode(): dict(fields(pair[2]))[1].decode() for pair in pairs}


def number_of(point):
    """Of a gauge or a sum."""
    point = dict(fields(point))
    return struct.unpack("<d", point[4])[0] if 4 in point else struct.unpack("<q", point[6])[0]


def decode(body):
    """Attributes of the resource, and (name, labels, value) of each point in the text formats' words."""
    (everything,) = all_of(gzip.decompress(body), 1)
    (resource,), (scope,) = all_of(everything, 1), all_of(everything, 2)
    points = []
    for metric in all_of(scope, 2):
        metric = dict(fields(metric))
        (kind,) = metric.keys() & {GAUGE, SUM, HISTOGRAM}
        name = metric[1].decode() + ("_count" if kind == HISTOGRAM else "")
        for point in all_of(metric[kind], 1):
            value = (struct.unpack("<Q", dict(fields(point))[4])[0] if kind == HISTOGRAM else number_of(point))
            labels = attributes(point, 9 if kind == HISTOGRAM else 7)
            points.append((name, frozenset((RENAMED.get(k, k), v) for k, v in labels.items()), value))
    return attributes(resource, 1), points


class Series:
    """What a receiver has got so far."""

    def __init__(self, receiver, path):
        self.receiver, self.path, self.read = receiver, path, 0
        self.values = {}  # (name, labels): each value

    def update(self):
        bodies = self.receiver.bodies(self.path)
        for body in bodies[self.read:]:
            self.resource, points = decode(body)
            for name, labels, value in points:
                self.values.setdefault((name, labels), []).append(value)
        self.read = len(bodies)
        return self.values

    def last(self, name, **labels):
        return sum(values[-1] for (n, have), values in self.update().items()
                   if n == f"packet_exporter_{name}" and have >= labels.items())


def shown(exporter):
    """The series of a scrape; of a histogram its count."""
    return {(s.name, frozenset((k, v) for k, v in s.labels.items() if v))
            for s in exporter.scrape().samples if not s.name.endswith(("_bucket", "_sum"))}


def test_a_receiver_has_what_a_scrape_shows():
    """Also what came last of all."""
    resource = {"service.name": "fleet", "service.instance.id": "höst", "host.name": "box", "rack.row": "r1"}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        receiver = stack.enter_context(Receiver(host))
        series = Series(receiver, "/v1/metrics")
        exporter = stack.enter_context(Exporter(
            host, f"--otlp.url={receiver.url}/v1/metrics", f"--otlp.interval={INTERVAL_S}s",
            *(f"--otlp.attribute={name}={value}" for name, value in resource.items()),
            "--otlp.max-samples-per-send=100", "--otlp.min-age=0s",
        ))
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        out = stack.enter_context(contextlib.closing(container.packet_socket("eth0")))

        def send():
            for _ in range(PACKETS):
                out.send(ethernet(0x88B5, bytes(46)))

        def received(level=""):
            return series.last(f"{level}packets_total", direction="ingress", family="other")

        send()
        wait_for(lambda: received() == received("host_") == PACKETS, "what was sent")
        wait_for(lambda: shown(exporter) <= series.update().keys(),
                 lambda: f"{shown(exporter) - series.update().keys()}")
        assert series.resource == resource
        # What counts does so from zero on.
        first = [values[0] for (name, _), values in series.values.items() if name.startswith("packet_exporter_host_")]
        assert first and not any(first)
        text = exporter.scrape_text("text/plain")
        assert samples(exporter, "sent", "/v1/metrics", text) > 100
        assert samples(exporter, "rejected", "", text) == 0
        assert "libsnappy" not in pathlib.Path(f"/proc/{exporter.process.pid}/maps").read_text()

        # The end sends what nobody has seen yet.
        send()
        assert exporter.close() == 0
        assert received() == 2 * PACKETS


def test_answers(tmp_path):
    """Each of them once; a receiver for each kind of answer."""
    headers_file, token = tmp_path / "headers", tmp_path / "token"
    headers_file.write_text("X-Scope-OrgID: tenant-1\n", encoding="utf-8")
    token.write_text("S3CRET\n", encoding="utf-8")
    partial = b"\x0a\x0c\x08\x05\x12\x08too late"
    first = {
        "/ok": [(200, {}, b"\x0a\x00")],
        "/busy": [(503, {}), (429, {"Retry-After": "1"}), (504, {}), (502, {})],
        "/reset": [(None, {})],
        "/bad": [(400, {}, b"\x08\x03\x12\x05wrong"), (500, {}), (408, {})],
        "/login": [(401, {})],
        "/large": [(413, {})],
        "/partial": [(200, {}, partial)] * 2,
    }
    with Namespace() as host, Receiver(host) as receiver:
        for path, answers in first.items():
            receiver.answers[path].extend(answers)
        with Exporter(
            host, *(f"--otlp.url={receiver.url}{path}" for path in first),
            # Both protocols at once.
            f"--remote-write.url={receiver.url}/write", f"--remote-write.interval={INTERVAL_S}s",
            f"--otlp.interval={INTERVAL_S}s", f"--otlp.header-file={headers_file}",
            f"--otlp.bearer-token-file={token}", "--otlp.max-samples-per-send=200",
        ) as exporter:
            _, headers, body = receiver.wait("/ok", 1)[0]
            assert headers["Content-Type"] == "application/x-protobuf"
            assert headers["Content-Encoding"] == "gzip"
            assert headers["X-Prometheus-Remote-Write-Version"] is None
            assert headers["X-Scope-OrgID"] == "tenant-1"
            assert headers["Authorization"] == "Bearer S3CRET"
            assert decode(body)[0].keys() == {"service.name", "service.instance.id", "host.name"}
            assert receiver.wait("/write", 1)[0][1]["Content-Encoding"] == "snappy"
            # The same bytes again, before what is newer.
            for path, tries in ("/busy", 5), ("/reset", 2):
                bodies = receiver.wait(path, tries + 1) and receiver.bodies(path)
                assert len(set(bodies[:tries])) == 1 and bodies[tries] != bodies[0]
                assert samples(exporter, "rejected", path) == 0
            # Given up: each is another.
            bodies = receiver.wait("/bad", 4) and receiver.bodies("/bad")
            assert len(set(bodies[:4])) == 4
            # Held until somebody has put it right.
            assert len(receiver.requests["/login"]) == 1
            exporter.process.send_signal(signal.SIGHUP)
            bodies = receiver.wait("/login", 3) and receiver.bodies("/login")
            assert bodies[0] == bodies[1] != bodies[2]
            # Cut into two, and sent again.
            bodies = receiver.wait("/large", 3) and receiver.bodies("/large")
            whole, half = (len(decode(b)[1]) for b in (bodies[0], bodies[1]))
            assert 100 < whole <= 200 and half <= 100
            receiver.wait("/partial", 3)
            wait_for(lambda: pending(exporter) == 0, "all is sent")
            page = exporter.scrape_text("text/plain")
            assert samples(exporter, "rejected", "/bad", page) > 300
            assert samples(exporter, "rejected", "/partial", page) == 2 * 5
            assert samples(exporter, "sent", "/partial", page) > 100
            assert samples(exporter, "rejected", "", page) == sum(
                samples(exporter, "rejected", path, page) for path in ("/bad", "/partial"))
            log = exporter.log()
            assert "refused, its samples are lost: HTTP 400: wrong" in log
            assert "refused, its samples are lost: HTTP 500: because" in log
            assert "refused, its samples are lost: HTTP 408: because" in log
            warning = r"level=warn .*/partial has taken (\d+) of (\d+) samples: too late"
            ((taken, samples_sent),) = re.findall(warning, log)
            assert int(samples_sent) - int(taken) == 5
            assert "S3CRET" not in log and "subsystem=otlp" in log


def test_metrics_that_are_left_out():
    """Everywhere, and in one way of delivery; but not from what people look at."""
    with Namespace() as host, Receiver(host) as receiver, Exporter(
        host, "--metrics.exclude=packet_exporter_host_.*|process_.*",
        f"--otlp.url={receiver.url}/v1/metrics", f"--otlp.interval={INTERVAL_S}s",
        "--otlp.metrics-include=packet_exporter_(host|flow|build).*",
        f"--push.url={receiver.url}", "--push.metrics-exclude=.*_info", "--push.compression=none",
        "--push.instance=i",
    ) as exporter:
        def families(text):
            # Those of deliveries come with the first one.
            return set(re.findall(r"^# TYPE (?!packet_exporter_(?:push|sink)_)(\S+)", text, re.M))

        served = families(exporter.scrape_text("text/plain"))
        assert "packet_exporter_build_info" in served and len(served) > 20
        assert not any(name.startswith(("packet_exporter_host_", "process_")) for name in served)
        assert families(exporter.scrape_text()) == {re.sub("_(?:total|info)$", "", name) for name in served}
        (push,) = wait_for(lambda: [p for p in list(receiver.requests) if p != "/v1/metrics"], "it pushes")
        pushed = families(receiver.wait(push, 1)[0][2].decode())
        assert pushed == {name for name in served if not name.endswith("_info")}
        sent = {name.removesuffix("_count") for name, _, _ in decode(receiver.wait("/v1/metrics", 1)[0][2])[1]}
        assert sent == {name for name in served if re.match("packet_exporter_(host|flow|build)", name)}
        assert '"process_start_time_seconds"' in host.get(f"{exporter.url}/api/v1/health")[2].decode()
