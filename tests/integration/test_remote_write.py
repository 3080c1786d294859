# SPDX-License-Identifier: GPL-2.0-or-later
"""Remote write, into Debian's Prometheus and VictoriaMetrics, and what each answer of a receiver means."""

import collections
import contextlib
import http.server
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from harness import (
    BUILD, Container, Exporter, Namespace, Prometheus, Server, ethernet, wait_for
)

INTERVAL_S = 1
SENDERS = BUILD / "tests/integration/senders"
PACKETS = 64
SUM = 'sum(packet_exporter_packets_total{interface="veth1",direction="ingress",family="other"})'
ALL = '{job="fleet"}'


class VictoriaMetrics(Server):
    def __init__(self, host, directory, *options, port=8428, program="victoria-metrics"):
        super().__init__(
            host, f"http://127.0.0.1:{port}", "/health",
            [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={directory}/victoria",
             "-search.latencyOffset=0s", "-memory.allowedBytes=64MiB", "-dedup.minScrapeInterval=1ms", *options]
        )

    query = Prometheus.query


def values(database, expression):
    return [r["value"][1] for r in database.query(expression)]


def samples(exporter, result, url="", at=None):
    """Of one receiver, or of all."""
    page = at or exporter.scrape_text("text/plain")
    found = re.findall(rf'^packet_exporter_sink_samples_total{{url="[^"]*{url}",result="{result}"}} (\d+)',
                       page, re.M)
    return sum(map(int, found))


def pending(exporter):
    return sum(map(int, re.findall(r"^packet_exporter_sink_pending_samples\S* (\d+)",
                                   exporter.scrape_text("text/plain"), re.M)))


def page_samples(exporter):
    """Without _created, which is in no database."""
    text = exporter.scrape_text("text/plain")
    return sum(1 for line in text.splitlines() if not line.startswith("#"))


def test_databases_have_what_a_scrape_shows(tmp_path):
    """Also what was counted while one of them was down, and what came last of all."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        prometheus = stack.enter_context(
            Prometheus(host, "global: {}\n", tmp_path, "--web.enable-remote-write-receiver"))
        victoria = stack.enter_context(VictoriaMetrics(host, tmp_path))
        # One receiver that never takes anything up must not matter to the others.
        with host.inside():
            stalled = stack.enter_context(socket.create_server(("127.0.0.1", 9999), backlog=0))
        exporter = stack.enter_context(Exporter(
            host, *(f"--remote-write.url={s.url}/api/v1/write" for s in (prometheus, victoria)),
            "--remote-write.url=http://user:S3CRET@127.0.0.1:9999/write",
            f"--remote-write.interval={INTERVAL_S}s", "--remote-write.label=job=fleet",
            "--remote-write.label=instance=höst", "--remote-write.label=Zone=z1",
            "--remote-write.max-samples-per-send=100", "--remote-write.min-age=0s", "--metrics.legacy",
        ))
        wall = time.time()
        container = stack.enter_context(Container(host, 1))
        assert "libsnappy.so" in pathlib.Path(f"/proc/{exporter.process.pid}/maps").read_text()
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        out = stack.enter_context(contextlib.closing(container.packet_socket("eth0")))

        def send():
            for _ in range(PACKETS):
                out.send(ethernet(0x88B5, bytes(46)))

        send()
        for database in prometheus, victoria:
            wait_for(lambda d=database: values(d, SUM) == [str(PACKETS)], "what was sent")
            # The state is in several requests: the sum may be here before the rest.
            wait_for(lambda d=database: abs(int(values(d, f"count({ALL})")[0]) - page_samples(exporter)) < 20,
                     "the whole state")
            labels = database.query("packet_exporter_build_info")[0]["metric"]
            assert {k: labels[k] for k in ("job", "instance", "Zone")} == {
                "job": "fleet", "instance": "höst", "Zone": "z1"}
            # Each from zero on; the first ones since the exporter's start.
            first = database.query("packet_exporter_host_packets_total[1h]")
            assert first and all(r["values"][0][1] == "0" for r in first)
            assert min(r["values"][0][0] for r in first) < wall
        text = exporter.scrape_text("text/plain")
        assert "S3CRET" not in text and samples(exporter, "sent", ":9999/write", text) == 0

        # Down for some intervals, and back.
        before = samples(exporter, "sent", ":9090/api/v1/write")
        prometheus.close()
        send()
        down = time.time()
        wait_for(lambda: time.time() > down + 3 * INTERVAL_S and values(victoria, SUM) == [str(2 * PACKETS)],
                 "the other one goes on")
        assert samples(exporter, "sent", ":9090/api/v1/write") == before
        prometheus.start()
        # Not after a pause, which may have grown.
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: values(prometheus, SUM) == [str(2 * PACKETS)], "what was counted meanwhile")
        for database in prometheus, victoria:
            times = [t for t, _ in database.query("packet_exporter_build_info[1m]")[0]["values"]]
            gaps = [b - a for a, b in zip(times, times[1:])]
            assert times[0] < down and max(gaps) < 2 * INTERVAL_S and min(gaps) > INTERVAL_S / 2, gaps
        page = exporter.scrape_text("text/plain")
        assert [samples(exporter, r, "", page) for r in ("rejected", "expired", "maybe_delivered")] == [0, 0, 0]

        # The end sends what nobody has seen yet.
        send()
        assert exporter.close() == 0
        stalled.close()
        for database in prometheus, victoria:
            wait_for(lambda d=database: values(d, f"last_over_time({SUM[4:-1]}[1m])") == [str(3 * PACKETS)],
                     "the last state")


def plain(block):
    """What a block of snappy was made of."""
    size, at = varint(block, 0)
    out = bytearray()
    while at < len(block):
        tag, at = block[at], at + 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length, at = int.from_bytes(block[at:at + extra], "little"), at + extra
            out += block[at:at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset, at = (tag >> 2 & 7) + 4, (tag & 0xE0) << 3 | block[at], at + 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset, at = (tag >> 2) + 1, int.from_bytes(block[at:at + width], "little"), at + width
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(message):
    """Number and value of each."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
        else:
            length, at = varint(message, at) if tag & 7 == 2 else (8, at)
            value, at = message[at:at + length], at + length
        yield tag >> 3, value


def times_of(body, name=b"packet_exporter_build_info"):
    """Of the samples of a series in a body of either version."""
    message = list(fields(plain(body)))
    symbols = [value for number, value in message if number == 4]
    for number, series in message:
        if number not in (1, 5):
            continue
        parts = list(fields(series))
        if symbols:
            refs, at = [], 0
            while at < len(parts[0][1]):
                ref, at = varint(parts[0][1], at)
                refs.append(symbols[ref])
        else:
            refs = [text for part, pair in parts if part == 1 for _, text in fields(pair)]
        if name in refs:
            yield from (dict(fields(sample))[2] for part, sample in parts if part == 2)


def instance_of(body):
    """The label of the first series in a body of version 1."""
    series = next(value for number, value in fields(plain(body)) if number == 1)
    labels = [[text for _, text in fields(pair)] for part, pair in fields(series) if part == 1]
    return dict(labels)[b"instance"]


class Receiver:
    """Gives the answers that it was made with (status, headers, perhaps a body), then 204; keeps what came."""

    def __init__(self, host):
        self.requests = collections.defaultdict(list)  # path: (when, headers, body)
        self.answers = collections.defaultdict(collections.deque)
        self.delays_s = collections.defaultdict(collections.deque)  # of answers
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers = receiver.answers[self.path]
                status, headers, *text = answers.popleft() if answers else (204, {})
                text = text[0] if text else b"because"
                receiver.requests[self.path].append((time.monotonic(), self.headers, body))
                if delays_s := receiver.delays_s[self.path]:
                    time.sleep(delays_s.popleft())
                if status is None:
                    # Reset, without an answer.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                self.send_response(status)
                for header in headers.items():
                    self.send_header(*header)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text)

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        with host.inside():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def wait(self, path, count):
        """The requests, as soon as there are so many."""
        wait_for(lambda: len(self.requests[path]) >= count, f"{count} requests to {path}")
        return self.requests[path]

    def bodies(self, path):
        return [body for _, _, body in self.requests[path]]


def test_answers(tmp_path):
    """Each of them once; one exporter, a receiver for each answer."""
    headers_file, password = tmp_path / "headers", tmp_path / "password"
    headers_file.write_text("# who we are\nX-Scope-OrgID: tenant-1\n\n", encoding="utf-8")
    password.write_text("S3CRET\n", encoding="utf-8")
    first = {
        "/ok": [],
        "/busy": [(503, {})],
        "/wait": [(429, {"Retry-After": "3"})],
        "/reset": [(None, {})],
        "/bad": [(400, {})],
        "/conflict": [(409, {})],
        "/login": [(401, {}), (403, {})],
        "/elsewhere": [(302, {"Location": "/ok"}), (404, {}), (302, {"Location": "/ok"})],
    }
    with Namespace() as host, Receiver(host) as receiver:
        for path, answers in first.items():
            receiver.answers[path].extend(answers)
        with Exporter(
            host, *(f"--remote-write.url={receiver.url}{path}" for path in first),
            f"--remote-write.interval={INTERVAL_S}s", f"--remote-write.header-file={headers_file}",
            "--remote-write.username=me", f"--remote-write.password-file={password}",
        ) as exporter:
            _, headers, body = receiver.wait("/ok", 1)[0]
            assert headers["Content-Type"] == "application/x-protobuf"
            assert headers["Content-Encoding"] == "snappy"
            assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
            assert headers["X-Scope-OrgID"] == "tenant-1"
            assert headers["Authorization"] == "Basic bWU6UzNDUkVU"
            assert headers["User-Agent"].startswith("packet-exporter/")
            # The same bytes again, before what is newer.
            for path in "/busy", "/wait", "/reset":
                bodies = receiver.wait(path, 3) and receiver.bodies(path)
                assert bodies[0] == bodies[1] != bodies[2]
            times = [when for when, _, _ in receiver.requests["/wait"]]
            assert times[1] - times[0] >= 3
            # Given up: the next one is another.
            for path in "/bad", "/conflict":
                bodies = receiver.wait(path, 2) and receiver.bodies(path)
                assert bodies[0] != bodies[1]
                assert samples(exporter, "rejected", path) > 100
            # Held until somebody has put it right.
            wait_for(lambda: len(re.findall(r"it is sent again in (?:60|59)\.\d s: HTTP (?:401|302)",
                                            exporter.log())) == 2, "both are held")
            assert "a redirect to" in exporter.log()
            wait_for(lambda: len(receiver.requests["/ok"]) > 4, "some intervals")
            held = "/login", "/elsewhere"
            assert [len(receiver.requests[path]) for path in held] == [1, 1]
            # One of the files has changed: at once, with what is in it now.
            headers_file.write_text("X-Scope-OrgID: tenant-2\n", encoding="utf-8")
            for path in held:
                assert receiver.wait(path, 2)[1][1]["X-Scope-OrgID"] == "tenant-2"
            password.write_text("OTHER\n", encoding="utf-8")
            for path in held:
                assert receiver.wait(path, 3)[2][1]["Authorization"] == "Basic bWU6T1RIRVI="
            exporter.process.send_signal(signal.SIGHUP)
            for path, tries in ("/login", 3), ("/elsewhere", 4):
                bodies = receiver.wait(path, tries + 1) and receiver.bodies(path)
                assert len(set(bodies[:tries])) == 1 and bodies[tries] != bodies[0]
                assert samples(exporter, "rejected", path) == 0
            wait_for(lambda: pending(exporter) == 0, "all is sent")
            log = exporter.log()
            assert log.count("level=warn") == 10 and "S3CRET" not in log
            assert "refused, its samples are lost: HTTP 400: because" in log


def is_one_each(times, interval):
    """One in each interval, wherever those begin: it may be late, as on a machine that has no time."""
    return any(
        [(time - times[0] + begin) // interval for time in times] == list(range(len(times)))
        for begin in range(0, interval, max(1, interval // 100))
    )


def test_versions_and_sizes():
    """Version 2 falls back to version 1 where it is not known; requests that are too large are halved."""
    written = {"X-Prometheus-Remote-Write-Samples-Written": "1"}
    with Namespace() as host, Receiver(host) as receiver:
        receiver.answers["/knows"].extend([(204, written)] * 1000)
        receiver.answers["/silent"].append((204, {}))
        receiver.answers["/unsupported"].append((415, {}))
        receiver.answers["/small"].extend([(413, {}), (413, {})] + [(204, written)] * 1000)
        # What waits while it is busy is not lost by what it says then.
        receiver.answers["/back-old"].extend([(429, {"Retry-After": "3"}), (415, {})])
        receiver.answers["/back-small"].extend([(429, {"Retry-After": "3"}), (413, {}), (413, {})]
                                               + [(204, written)] * 1000)
        paths = "/knows", "/silent", "/unsupported", "/small", "/back-old", "/back-small"
        with Exporter(
            host, *(f"--remote-write.url={receiver.url}{path}" for path in paths),
            f"--remote-write.interval={INTERVAL_S}s", "--remote-write.protocol=auto",
        ) as exporter:
            for path in paths:
                receiver.wait(path, 6 if path != "/back-small" else 30)

            def versions(path):
                return [h["X-Prometheus-Remote-Write-Version"] for _, h, _ in receiver.requests[path]]

            def types(path):
                return {h["Content-Type"] for _, h, _ in receiver.requests[path]}

            assert set(versions("/knows")) == {"2.0.0"}
            assert types("/knows") == {"application/x-protobuf;proto=io.prometheus.write.v2.Request"}
            for path in "/back-old", "/back-small":
                # One sample a state each interval: none is missing, none comes twice.
                taken = [body for (when, _, body) in receiver.requests[path]][2 if "old" in path else 3:]
                times = [t for body in taken for t in times_of(body)]
                assert len(times) > 3 and is_one_each(times, 1000 * INTERVAL_S), times
            for path in "/silent", "/unsupported":
                assert versions(path)[:2] == ["2.0.0", "0.1.0"] and "2.0.0" not in versions(path)[1:]
                assert "application/x-protobuf" in types(path)
            log = exporter.log()
            assert len(re.findall(r"does not know remote write 2.0 \(HTTP (?:204|415)\)", log)) == 3
            for path in "/small", "/back-small":
                halves = list(map(int, re.findall(rf"{path} refuses .* at most (\d+) samples each", log)))
                # No series is cut apart: one half may have a few samples less.
                assert len(halves) == 2 and 100 < halves[1] <= halves[0] // 2 <= halves[1] + 10
            page = exporter.scrape_text("text/plain")
            # What was encoded anew is not lost.
            assert samples(exporter, "rejected", "", page) == 0
            assert samples(exporter, "sent", "/small", page) > 0


def test_version_2_alone():
    """Where it is not known, samples wait instead of being believed stored."""
    written = {"X-Prometheus-Remote-Write-Samples-Written": "1"}
    with Namespace() as host, Receiver(host) as receiver:
        paths = "/silent", "/unsupported"
        receiver.answers["/silent"].extend([(204, {})] + [(204, written)] * 1000)
        receiver.answers["/unsupported"].extend([(415, {})] + [(204, written)] * 1000)
        with Exporter(
            host, *(f"--remote-write.url={receiver.url}{path}" for path in paths),
            f"--remote-write.interval={INTERVAL_S}s", "--remote-write.protocol=2",
        ) as exporter:
            wait_for(lambda: len(re.findall(r"it is sent again in (?:60|59)\.\d s: HTTP (?:204|415): it does not know",
                                            exporter.log())) == 2, "both are held")
            exporter.process.send_signal(signal.SIGHUP)
            for path in paths:
                bodies = receiver.wait(path, 3) and receiver.bodies(path)
                assert bodies[0] == bodies[1] != bodies[2]
                assert {h["X-Prometheus-Remote-Write-Version"] for _, h, _ in receiver.requests[path]} == {"2.0.0"}
            assert samples(exporter, "rejected") == 0


def test_slow_receivers():
    """Whatever one takes for an answer, and however much waits for it: a state each interval."""
    with Namespace() as host, Receiver(host) as receiver:
        # Longer than a quarter of an interval for each of a backlog; longer than many intervals.
        receiver.answers["/slow"].append((429, {"Retry-After": "4"}))
        receiver.delays_s["/slow"].extend([0] + 8 * [0.6 * INTERVAL_S])
        receiver.delays_s["/stalled"].append(5 * INTERVAL_S)
        receiver.delays_s["/timeout"].append(8 * INTERVAL_S)
        paths = "/slow", "/stalled", "/timeout"
        with Exporter(
            host, *(f"--remote-write.url={receiver.url}{path}" for path in paths),
            f"--remote-write.interval={INTERVAL_S}s", "--remote-write.timeout=4s",
        ) as exporter:
            for path in paths:
                receiver.wait(path, 9)
            for path, first in ("/slow", 1), ("/stalled", 1), ("/timeout", 1):
                bodies = receiver.bodies(path)
                times = [t for body in bodies[first:] for t in times_of(body)]
                gaps = [b - a for a, b in zip(times, times[1:])]
                assert len(times) > 7 and all(500 < gap < 1500 for gap in gaps), (path, gaps)
            # After a time-out it is the same bytes, before what is newer.
            bodies = receiver.bodies("/timeout")
            assert bodies[0] == bodies[1] != bodies[2]
            assert samples(exporter, "rejected") + samples(exporter, "expired") == 0


def test_newest_first():
    """For a receiver of samples out of order; what waits comes behind, oldest first."""
    with Namespace() as host, Receiver(host) as receiver:
        receiver.answers["/late"].append((429, {"Retry-After": "4"}))
        with Exporter(
            host, f"--remote-write.url={receiver.url}/late", f"--remote-write.interval={INTERVAL_S}s",
            "--remote-write.newest-first=on",
        ) as exporter:
            receiver.wait("/late", 2)
            wait_for(lambda: pending(exporter) == 0, "all is sent")
            bodies = receiver.bodies("/late")
            assert bodies[0] in bodies[1:] and bodies[0] != bodies[1]
            times = [t for body in bodies[1:] for t in times_of(body)]
            assert times[0] > times[1] and len(set(times)) == len(times) > 4
            # Newer ones that came meanwhile are before it, too: the backlog alone is in order.
            backlog = [t for t in times if t < times[0]]
            assert len(backlog) > 2 and backlog == sorted(backlog)
            assert samples(exporter, "rejected") + samples(exporter, "expired") == 0


def test_senders_come_back():
    """A hundred of them wait for a receiver that comes back: it is not overrun."""
    count, interval_s, outage_s = 100, 4, 6
    with Namespace() as host, Receiver(host) as receiver:
        receiver.answers["/write"].extend([(503, {})] * 100_000)
        senders = host.popen(SENDERS, f"{receiver.url}/write", str(count), str(interval_s * 1000),
                             stdin=subprocess.PIPE)
        try:
            wait_for(lambda: len(receiver.requests["/write"]) > count, "all have tried")
            time.sleep(outage_s)
            receiver.answers["/write"].clear()
            begin, came = time.monotonic(), len(receiver.requests["/write"])

            who, at = set(), came

            def all_are_back():
                nonlocal at
                new = receiver.requests["/write"][at:]
                at += len(new)
                who.update(instance_of(body) for _, _, body in new)
                return len(who) == count

            wait_for(all_are_back, "all have come back", 60)
            seconds = collections.Counter(int(when - begin) for when, _, _ in receiver.requests["/write"][came:])
            mean = sum(seconds.values()) / (max(seconds) + 1)
            print("requests a second since it is back:", sorted(seconds.items()))
            assert max(seconds.values()) <= 3 * mean and mean > count / interval_s / 2
        finally:
            senders.stdin.close()
            assert senders.wait(30) == 0
