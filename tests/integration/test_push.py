# SPDX-License-Identifier: GPL-2.0-or-later
"""The push sink against Debian's Pushgateway, and against servers that misbehave.

push-sample numbers its snapshots and sends K thousand packets in number K, so that what the
gateway shows tells which state arrived. Nothing here sleeps: each step waits for a condition
with a deadline. Only the loopback interface is used.
"""
import base64
import contextlib
import gzip
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import DEADLINE_S, PROMPT_S, wait_for

BUILDDIR = os.environ.get("PE_BUILDDIR", "build")
SAMPLE = os.path.join(BUILDDIR, "tests/integration/push-sample")
GATEWAY = shutil.which("prometheus-pushgateway") or "/usr/bin/prometheus-pushgateway"
SECRET = "s3cret-w0rd"

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def child_environment():
    return {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Lines:
    """The lines of a stream, gathered by a thread."""

    def __init__(self, stream):
        self.lines = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        stream.close()

    def find(self, pattern, start=0):
        return [m for m in (re.search(pattern, x) for x in self.lines[start:]) if m]

    def wait(self, pattern, count=1, start=0, deadline_s=DEADLINE_S):
        """The count-th match at or after line `start`."""
        with self.changed:
            found = self.changed.wait_for(
                lambda: self.find(pattern, start)[count - 1:], deadline_s)
        if not found:
            pytest.fail(f"no {pattern!r} (x{count}) in:\n" + "\n".join(self.lines))
        return found[0]


class Sample:
    def __init__(self, url, *args, prefix=()):
        self.process = subprocess.Popen(
            [*prefix, SAMPLE, f"--url={url}", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, bufsize=1, env=child_environment())
        self.out = Lines(self.process.stdout)
        self.log = Lines(self.process.stderr)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stats(self):
        start = len(self.out.lines)
        self.say("stats")
        line = self.out.wait(r"^stats (.*)", start=start).group(1)
        return {k: int(v) for k, v in (pair.split("=") for pair in line.split())}

    def wait_stats(self, condition, what):
        def check():
            stats = self.stats()
            return stats if condition(stats) else None
        return wait_for(check, what)

    def snapshots(self):
        """Their times in seconds; the first has index 0."""
        return [int(m.group(1)) / 1e9 for m in self.out.find(r"^snapshot \d+ (\d+)$")]

    def stop(self):
        """Seconds that the end took."""
        self.say("stop")
        took = int(self.out.wait(r"^stopped (\d+)").group(1)) / 1e9
        assert self.process.wait(DEADLINE_S) == 0
        self.log.thread.join(DEADLINE_S)
        return took

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()


@pytest.fixture
def sample():
    with contextlib.ExitStack() as stack:
        def start(url, *args, prefix=()):
            process = Sample(url, *args, prefix=prefix)
            stack.callback(process.close)
            return process
        yield start


# ---- the real gateway ----


class Gateway:
    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [GATEWAY, f"--web.listen-address=127.0.0.1:{self.port}", "--persistence.file=",
             "--log.level=error"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.ready, "gateway ready")

    def ready(self):
        assert self.process.poll() is None, "the gateway did not start"
        try:
            return self.get("/-/ready") is not None
        except OSError:
            return False

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, path):
        with NO_PROXY.open(self.url + path, timeout=PROMPT_S) as answer:
            return answer.read().decode()

    def groups(self):
        """(labels, families by name) for each group."""
        return [(g["labels"], {k: v for k, v in g.items() if isinstance(v, dict) and "type" in v})
                for g in json.loads(self.get("/api/v1/metrics"))["data"]]

    def families(self):
        return {f.name: f for f in text_string_to_metric_families(self.get("/metrics"))}

    def packets(self):
        """The pushed packet counter of the first interface, 0 if there is none."""
        family = self.families().get("packet_exporter_packets")
        for s in family.samples if family else []:
            if s.labels["interface"] == "veth0000" and s.labels["direction"] == "ingress" \
                    and s.labels["protocol"] == "tcp":
                return int(s.value)
        return 0


@pytest.fixture
def gateway():
    if not os.path.exists(GATEWAY):
        pytest.skip("prometheus-pushgateway is not installed")
    server = Gateway()
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("encoding", ["--gzip", None])
def test_values_types_and_labels(gateway, sample, encoding):
    process = sample(gateway.url, "--job=my job", "--instance=host/1", "--interval-ms=200",
                     *[encoding] if encoding else [])
    process.out.wait(r"^snapshot 3 ")
    process.wait_stats(lambda s: s["ok"] >= 3, "three pushes")
    before = len(process.snapshots())
    packets = gateway.packets()
    assert packets % 1000 == 0
    assert 2 <= packets // 1000 <= len(process.snapshots())
    wait_for(lambda: gateway.packets() > packets, "the value grows")
    assert len(process.snapshots()) > before
    process.stop()

    families = gateway.families()
    assert families["packet_exporter_packets"].type == "counter"
    assert families["packet_exporter_packet_size_bytes"].type == "histogram"
    assert families["packet_exporter_flows_active"].type == "gauge"
    number = len(process.snapshots())
    for name, family in families.items():
        if not name.startswith("packet_exporter_"):
            continue
        for s in family.samples:
            assert s.labels["job"] == "my job"
            assert s.labels["instance"] == "host/1"
    values = {(s.name, s.labels.get("interface"), s.labels.get("le")): s.value
              for f in families.values() for s in f.samples
              if s.labels.get("direction", "ingress") == "ingress"}
    assert values["packet_exporter_packets_total", "veth0001", None] == number * 1000
    assert values["packet_exporter_bytes_total", "veth0001", None] == number * 64000
    assert values["packet_exporter_packet_size_bytes_count", "veth0000", None] == number * 1000
    assert values["packet_exporter_flows_active", "veth0000", None] == 3
    pushed = gateway.groups()[0][1]
    assert not [name for name in pushed if name.startswith("process_")]
    assert pushed["push_failure_time_seconds"]["metrics"][0]["value"] == "0"


def test_grouping_round_trip(gateway, sample):
    values = {
        "slash": "a/b//c/", "space": " a b ", "percent": "50%2F%", "plus": "a+b", "empty": "",
        "emoji": "🚀é", "dot": ".", "dots": "..", "three": "...", "newline": "a\nb",
        "quote": 'a"b\\', "query": "a?b#c&d=e;f@g", "base64": "x@base64", "only_slash": "/",
    }
    process = sample(gateway.url, "--job=/job 🚀", "--instance=..",
                     *[f"--grouping={k}={v}" for k, v in values.items()])
    process.wait_stats(lambda s: s["ok"] == 1, "one push")
    (labels, families), = gateway.groups()
    assert labels == {"job": "/job 🚀", "instance": "..", **values}
    # The gateway also serves it, so no other client's series are spoilt.
    assert "packet_exporter_packets_total" in families
    assert gateway.packets() == 1000


def test_delete_finds_an_odd_group(gateway, sample):
    process = sample(gateway.url, "--job=a/b", "--grouping=empty=", "--grouping=s= +%",
                     "--on-exit=delete")
    process.wait_stats(lambda s: s["ok"] == 1, "one push")
    assert len(gateway.groups()) == 1
    process.stop()
    assert gateway.groups() == []


@pytest.mark.parametrize("on_exit,numbers", [("push", [2]), ("none", [1]), ("delete", [])])
def test_on_exit(gateway, sample, on_exit, numbers):
    process = sample(gateway.url, f"--on-exit={on_exit}", "--interval-ms=3600000")
    process.wait_stats(lambda s: s["ok"] == 1, "one push")
    assert gateway.packets() == 1000
    assert process.stop() < PROMPT_S
    assert [gateway.packets() // 1000 for _ in gateway.groups()] == numbers


def test_gateway_killed_and_restarted(gateway, sample):
    process = sample(gateway.url, "--interval-ms=500", "--gzip")
    process.wait_stats(lambda s: s["ok"] >= 2, "two pushes")
    gateway.kill()
    stats = process.wait_stats(lambda s: s["network"] >= 2, "failures are counted")
    process.log.wait(r'level=warn.*keeps the previous state, next attempt in [\d.]+ s: ')
    number = len(process.snapshots())
    gateway.start()
    after = process.wait_stats(lambda s: s["ok"] > stats["ok"], "pushing resumes")
    assert gateway.packets() // 1000 > number, "a retry sends the state of its moment"
    process.log.wait(r"works again after \d+ failures")
    assert after["last_success_ns"] > stats["last_success_ns"]
    assert len(process.log.find("level=warn")) == 1, "the same failure is logged once"


def test_gateway_stopped(gateway, sample):
    process = sample(gateway.url, "--interval-ms=300", "--timeout-ms=400", "--on-exit=push",
                     "--stop-timeout-ms=1500")
    process.wait_stats(lambda s: s["ok"] >= 1, "one push")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        process.wait_stats(lambda s: s["network"] >= 2, "time-outs are counted")
        process.log.wait(r"level=warn.*failed.*(?i:time)")
        assert process.stop() < PROMPT_S
        process.log.wait(r"last push of .* is not sent")
    finally:
        gateway.process.send_signal(signal.SIGCONT)


OLD_TYPES = {
    "counter": "# TYPE total_packets counter\ntotal_packets{source=\"a\"} 5\n",
    "histogram": "# TYPE total_throughput histogram\n"
                 "total_throughput_bucket{source=\"a\",le=\"+Inf\"} 5\n"
                 "total_throughput_sum{source=\"a\"} 300\ntotal_throughput_count{source=\"a\"} 5\n",
    "gauge": "# TYPE total_packets gauge\ntotal_packets{source=\"a\"} 5\n",
    "untyped": "total_throughput{source=\"a\"} 5\n",
}


def old_exporter(gateway, method, text=""):
    """Another host's push, with the names of the original."""
    request = urllib.request.Request(gateway.url + "/metrics/job/old/instance/other-host",
                                     method=method, data=text.encode())
    with NO_PROXY.open(request, timeout=PROMPT_S):
        pass


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_legacy_beside_the_original(gateway, sample, kind):
    old_exporter(gateway, "PUT", OLD_TYPES[kind])
    process = sample(gateway.url, "--legacy", "--interval-ms=200", "--gzip")
    stats = process.wait_stats(lambda s: s["ok"] >= 3, "three pushes")
    assert (stats["rejected"], stats["legacy_refused"]) == (0, 0)
    families = gateway.families()
    for name in ("total_packets", "total_throughput"):
        assert "host" in {s.labels["instance"] for s in families[name].samples}
    old_exporter(gateway, "PUT", OLD_TYPES[kind])


@pytest.mark.parametrize("kind", ["gauge", "untyped"])
def test_legacy_that_is_refused(gateway, sample, kind):
    """The rest arrives, also with the last push; they are tried again when asked for."""
    old_exporter(gateway, "PUT", OLD_TYPES[kind])
    process = sample(gateway.url, "--legacy", "--interval-ms=200", "--gzip", "--on-exit=push")
    stats = process.wait_stats(lambda s: s["ok"] >= 4, "pushes arrive")
    assert (stats["rejected"], stats["legacy_refused"]) == (1, 1)
    process.log.wait(r"level=warn.*refuses the series of --metrics\.legacy.*HTTP 400")
    assert len(process.log.find("level=warn")) == 1
    assert gateway.packets() > 0
    (ours,) = [families for labels, families in gateway.groups() if labels["instance"] == "host"]
    assert "total_packets" not in ours and "total_throughput" not in ours

    process.say("reload")
    process.wait_stats(lambda s: s["rejected"] == 2, "tried again")
    old_exporter(gateway, "DELETE")
    process.say("reload")
    process.wait_stats(lambda s: s["legacy_refused"] == 0, "they are taken")
    process.log.wait("accepts the series of --metrics.legacy again")
    families = gateway.families()
    assert families["total_packets"].type == "counter"
    assert families["total_throughput"].type == "histogram"
    process.stop()


def test_legacy_is_refused_at_the_end(gateway, sample):
    """There is no later push."""
    process = sample(gateway.url, "--legacy", "--interval-ms=3600000", "--on-exit=push")
    process.wait_stats(lambda s: s["ok"] == 1, "one push")
    # Now the types contradict, so the gateway has nothing of ours that would.
    request = urllib.request.Request(gateway.url + "/metrics/job/sample/instance/host",
                                     method="DELETE")
    with NO_PROXY.open(request, timeout=PROMPT_S):
        pass
    old_exporter(gateway, "PUT", OLD_TYPES["gauge"])
    process.stop()
    assert gateway.packets() == 2000


def test_what_is_refused_for_another_reason(capture, sample):
    """Legacy is not blamed, and there are two requests an interval and no more."""
    server = capture(lambda handler, index: handler.answer(400, b"because"))
    process = sample(server.url, "--legacy", "--interval-ms=300")
    server.wait(6)
    stats = process.stats()
    assert stats["legacy_refused"] == 0
    process.log.wait(r"level=warn.*HTTP 400: because")
    bodies = [b"total_packets" in body for _, _, _, body in server.requests[:6]]
    assert bodies == [True, False] * 3
    assert len(process.log.find("level=warn")) == 1


@pytest.mark.parametrize("status", [401, 404, 413, 500])
def test_only_a_400_is_repeated_without_legacy(capture, sample, status):
    server = capture(lambda handler, index: handler.answer(status))
    process = sample(server.url, "--legacy", "--interval-ms=200")
    server.wait(3)
    process.stop()
    assert all(b"total_packets" in body for _, _, _, body in server.requests)


class Paused:
    """A gateway that hangs with a push unanswered; the number of its state, and of the last one."""

    def __init__(self, gateway, sample, timeout_ms, *options):
        self.gateway = gateway
        self.process = sample(gateway.url, "--interval-ms=3600000", f"--timeout-ms={timeout_ms}",
                              "--stop-timeout-ms=3000", *options)
        self.process.wait_stats(lambda s: s["ok"] >= 1, "one push")
        self.failed = self.process.stats()["network"]
        gateway.process.send_signal(signal.SIGSTOP)
        # Each thread stops when it sees the signal: until then it reads what comes.
        wait_for(self.is_stopped, "the gateway is stopped")
        self.process.say("push 0")
        self.process.out.wait("^snapshot 2 ")
        # It lies with the gateway: before, the end would take a newer state.
        wait_for(lambda: any(int(line.split()[1]) for line in self.sockets()), "it is sent")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.process.send_signal(signal.SIGCONT)

    def number(self):
        return len(self.process.snapshots())

    def give_up(self):
        """Until the push has timed out."""
        self.process.wait_stats(lambda s: s["network"] > self.failed, "it had no answer")

    def all_stored(self):
        """Until the gateway, which goes on, has nothing more to read."""
        self.gateway.process.send_signal(signal.SIGCONT)
        wait_for(lambda: self.connections() <= {"TIME-WAIT"}, "the gateway has closed all")

    def is_stopped(self):
        tasks = pathlib.Path(f"/proc/{self.gateway.process.pid}/task").iterdir()
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                   for task in tasks)

    def sockets(self):
        """Those of the gateway: state, bytes that it has not read, and more."""
        return subprocess.run(["ss", "-Htn", f"sport = :{self.gateway.port}"],
                              capture_output=True, text=True, check=True).stdout.splitlines()

    def connections(self):
        """Their states at the gateway."""
        return {line.split()[0] for line in self.sockets()}


@pytest.mark.parametrize("timeout_ms", [400, 60000])
def test_nothing_newer_is_sent_to_a_gateway_that_hangs(gateway, sample, timeout_ms):
    """When it goes on, it has the newest state that was sent to it; that of the push that timed
    out, or that was cut off by the end."""
    with Paused(gateway, sample, timeout_ms, "--on-exit=push") as paused:
        if timeout_ms < 1000:
            paused.give_up()
        sent = paused.number()
        assert paused.process.stop() < PROMPT_S
        assert paused.number() == sent, "no newer one"
        paused.process.log.wait("last push of .* is not sent")
        paused.all_stored()
        assert gateway.packets() == sent * 1000


@pytest.mark.parametrize("timeout_ms", [400, 60000])
def test_a_gateway_that_goes_on_in_time_gets_the_last_state(gateway, sample, timeout_ms):
    with Paused(gateway, sample, timeout_ms, "--on-exit=push") as paused:
        if timeout_ms < 1000:
            paused.give_up()
        sent, said = paused.number(), len(paused.process.out.lines)
        paused.process.say("stop")
        # The statistics are printed just before the end begins.
        paused.process.out.wait("^stats ", start=said)
        wait_for(lambda: "CLOSE-WAIT" in paused.connections(), "the push has been given up")
        gateway.process.send_signal(signal.SIGCONT)
        paused.process.out.wait("^stopped")
        assert paused.process.process.wait(DEADLINE_S) == 0
        assert paused.number() == sent + 1
        paused.all_stored()
        assert gateway.packets() == (sent + 1) * 1000


def test_delete_is_sent_to_a_gateway_that_hangs(gateway, sample):
    with Paused(gateway, sample, 60000, "--on-exit=delete") as paused:
        assert paused.process.stop() < PROMPT_S
        paused.process.log.wait("last delete of .* failed")


# ---- servers that a test can bend ----


class Capture:
    """Records requests and answers each with what `respond(handler, index)` does."""

    def __init__(self, respond, tls=None):
        self.requests = []
        self.connections = 0
        self.answer_head = True  # changes nothing, so it is not recorded
        self.changed = threading.Condition()
        self.release = threading.Event()  # ends answers that hang
        capture = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with capture.changed:
                    capture.connections += 1

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with capture.changed:
                    index = len(capture.requests)
                    capture.requests.append((self.command, self.path, self.headers, body))
                    capture.changed.notify_all()
                with contextlib.suppress(OSError):
                    respond(self, index)

            do_PUT = do_DELETE = do_POST = do_GET = handle_any

            def do_HEAD(self):
                if not capture.answer_head:
                    capture.release.wait(DEADLINE_S)
                self.answer(405)

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # refused handshakes are part of a test
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def wait(self, count):
        with self.changed:
            ok = self.changed.wait_for(lambda: len(self.requests) >= count, DEADLINE_S)
        assert ok, f"{len(self.requests)} requests, not {count}"
        return self.requests[count - 1]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def capture():
    with contextlib.ExitStack() as stack:
        def start(respond=lambda handler, index: handler.answer(202), tls=None):
            server = Capture(respond, tls)
            stack.callback(server.close)
            return server
        yield start


def all_output(process):
    return "\n".join(process.out.lines + process.log.lines)


def test_request_headers(capture, sample):
    server = capture()
    process = sample(server.url + "/prefix/", "--gzip", "--interval-ms=200", "--on-exit=delete")
    server.wait(3)
    process.stop()
    command, path, headers, body = server.requests[0]
    assert command == "PUT"
    assert path == "/prefix/metrics/job/sample/instance/host"
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["User-Agent"].startswith("packet-exporter/")
    assert "Expect" not in headers
    assert "Transfer-Encoding" not in headers
    assert "Authorization" not in headers
    text = gzip.decompress(body).decode()
    assert 'packet_exporter_packets_total{' in text
    assert "# EOF" not in text
    assert "process_" not in text
    assert list(text_string_to_metric_families(text))
    command, path, headers, body = server.requests[-1]
    assert (command, body) == ("DELETE", b"")
    assert path == "/prefix/metrics/job/sample/instance/host"
    assert "Content-Type" not in headers
    assert server.connections == 1, "the connection is kept"


def test_large_body_without_expect(capture, sample):
    server = capture()
    process = sample(server.url, "--interfaces=1000")
    _, _, headers, body = server.wait(1)
    assert len(body) > 1 << 20
    assert "Expect" not in headers
    assert "Content-Encoding" not in headers
    assert body.count(b"\npacket_exporter_packets_total{") == 1000
    process.wait_stats(lambda s: s["ok"] == 1, "accepted")


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_credentials_of_the_url(capture, sample):
    server = capture(lambda handler, index: handler.answer(200 if index == 0 else 401))
    url = server.url.replace("://", f"://us%40er:{SECRET}%2F@")
    process = sample(url, "--interval-ms=200")
    _, path, headers, _ = server.wait(2)
    assert headers["Authorization"] == basic("us@er", SECRET + "/")
    assert path == "/metrics/job/sample/instance/host"
    process.log.wait("HTTP 401")
    process.stop()
    assert SECRET not in all_output(process)
    assert "us@er" not in all_output(process)


def test_password_file_is_read_again(capture, sample, tmp_path):
    server = capture()
    secret = tmp_path / "password"
    secret.write_text(SECRET + "\n")
    process = sample(server.url, "--interval-ms=200", "--username=me",
                     f"--password-file={secret}")
    assert server.wait(1)[2]["Authorization"] == basic("me", SECRET)
    new = tmp_path / "new"
    new.write_text("other: word\n\n")
    new.rename(secret)
    wait_for(lambda: server.requests[-1][2]["Authorization"] == basic("me", "other: word\n"),
             "the new password is used, less one newline")
    process.stop()
    assert SECRET not in all_output(process)


def test_bearer_token_file(capture, sample, tmp_path):
    server = capture()
    token = tmp_path / "token"
    process = sample(server.url, "--interval-ms=200", f"--bearer-token-file={token}")
    process.log.wait(r"cannot use credentials of .*token.*No such file")
    assert process.stats()["network"] >= 1
    assert process.stats()["ok"] == 0
    token.write_text(SECRET + "\n")
    assert server.wait(1)[2]["Authorization"] == f"Bearer {SECRET}"
    process.log.wait("works again")
    process.stop()
    assert SECRET not in all_output(process)


@pytest.mark.parametrize("content", ["", "a\r\nX-Evil: 1", "a\0b", "x" * 4097])
def test_bad_token_is_not_sent(capture, sample, tmp_path, content):
    server = capture()
    token = tmp_path / "token"
    token.write_text(content)
    process = sample(server.url, "--interval-ms=200", f"--bearer-token-file={token}",
                     "--on-exit=push")
    process.wait_stats(lambda s: s["network"] >= 2, "failures are counted")
    process.stop()
    assert server.requests == []
    assert "X-Evil" not in all_output(process)


def test_rejected_is_logged_once_and_waits(capture, sample):
    reason = b'pushed metrics are invalid: "x"\nlevel=error forged\x1b[0m ' + b"z" * 100000
    server = capture(lambda handler, index: handler.answer(400, reason))
    process = sample(server.url, "--interval-ms=1500")
    process.log.wait(r"HTTP 400: pushed metrics are invalid")
    for _ in range(20):
        process.say("push 0")
    server.wait(3)
    process.stop()
    times = process.snapshots()
    # None before its interval; a late one may have a shorter one after it.
    assert len(times) <= (times[-1] - times[0]) / 1.5 + 1.5
    stats = process.out.find(r"rejected=(\d+)")[-1]
    assert int(stats.group(1)) >= 2
    assert len(process.log.find("level=warn")) == 1
    assert len(process.log.lines) == 1, "the answer made no line of its own"
    assert "\x1b" not in process.log.lines[0]
    assert len(process.log.lines[0]) < 6000


def test_redirect_is_not_followed(capture, sample):
    other = capture()
    server = capture(lambda handler, index: handler.answer(
        307, Location=f"{other.url}/metrics/job/x?token={SECRET}"))
    process = sample(server.url, "--interval-ms=1000")
    process.log.wait(r"HTTP 307.*redirect to .*not followed")
    server.wait(2)
    stats = process.wait_stats(lambda s: s["rejected"] >= 2, "redirects are rejections")
    assert stats["ok"] == 0
    process.stop()
    assert other.requests == []
    assert SECRET not in all_output(process)


@pytest.mark.parametrize("status,kind", [
    (201, "rejected"), (204, "rejected"), (304, "rejected"), (404, "rejected"),
    (429, "rejected"), (500, "server"), (503, "server"), (599, "server")])
def test_status_classes(capture, sample, status, kind):
    server = capture(lambda handler, index: handler.answer(status))
    process = sample(server.url, "--interval-ms=300000")
    stats = process.wait_stats(lambda s: s[kind] >= 1, f"{status} is {kind}")
    process.log.wait(f"HTTP {status}")
    assert stats["ok"] == 0 and stats["last_success_ns"] == 0


def test_server_error_is_retried_with_back_off(capture, sample):
    server = capture(lambda handler, index: handler.answer(500 if index < 3 else 200))
    process = sample(server.url, "--interval-ms=300000")
    server.wait(1)
    for _ in range(50):
        process.say("push 0")
    stats = process.wait_stats(lambda s: s["ok"] >= 1, "a retry gets through")
    assert stats["server"] == 3
    times = process.snapshots()
    gaps = [b - a for a, b in zip(times, times[1:])]
    for doubling, gap in enumerate(gaps[:3], 1):
        assert 1.0 <= gap < 2 ** doubling + 1, "nobody is hammered, nobody is forgotten"
    bodies = [r[3] for r in server.requests[:4]]
    assert len(set(bodies)) == 4, "each attempt carries the state of its moment"


def raw(data):
    def respond(handler, index):
        handler.close_connection = True
        handler.wfile.write(data)
        handler.wfile.flush()
    return respond


@pytest.mark.parametrize("data", [
    b"", b"garbage\n\n", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"])
def test_broken_answers(capture, sample, data):
    server = capture(raw(data))
    process = sample(server.url, "--interval-ms=1000")
    stats = process.wait_stats(lambda s: s["network"] >= 2, "a broken answer is no success")
    assert stats["ok"] == 0
    process.log.wait("level=warn.*failed")


@pytest.mark.parametrize("head,kind", [
    (b"HTTP/1.1 200 OK\r\n\r\n", "network"), (b"HTTP/1.1 400 Bad\r\n\r\n", "rejected"),
    (b"HTTP/1.1 200 OK\r\nX: ", "network"), (b"HTTP/1.1 200 OK\r\n", "network"),
    (b"", "network")])
def test_endless_answer(capture, sample, head, kind):
    """It is cut off; a refusal is one all the same, and anything else no success."""
    written, ended = [], threading.Event()

    def respond(handler, index):
        piece = b"x" * 4096 if head.endswith((b"\r\n\r\n", b": ")) else b"X: y\r\n" * 600
        if not head:
            piece = b"HTTP/1.1 100 Continue\r\n\r\n" * 160
        handler.close_connection = True
        try:
            handler.wfile.write(head)
            while not ended.is_set():
                handler.wfile.write(piece)
                written.append(len(piece))
                handler.server.release.wait(0.001)
        except OSError:
            ended.set()

    server = capture(respond)
    server.server.release = server.release
    process = sample(server.url, "--interval-ms=300000", "--timeout-ms=200000")
    process.wait_stats(lambda s: s[kind] == 1, "it has ended")
    assert ended.wait(DEADLINE_S), "the connection was closed"
    # Beyond 64 KiB there is what lies in sockets.
    assert sum(written) < 8 << 20
    # Of one line of a header libcurl takes 100 KB, and says so.
    process.log.wait("failed.*: (HTTP 400|the answer is longer than 64 KiB|Out of memory)")
    process.stop()


@pytest.mark.parametrize("on_exit", ["none", "push", "delete"])
def test_stop_ends_a_hung_transfer(capture, sample, on_exit):
    server = None
    server = capture(lambda handler, index: server.release.wait(DEADLINE_S))
    process = sample(server.url, "--timeout-ms=60000", f"--on-exit={on_exit}",
                     "--stop-timeout-ms=2000")
    server.wait(1)
    assert process.stop() < PROMPT_S
    commands = [r[0] for r in server.requests]
    assert commands == ["PUT"] + {"none": [], "push": ["PUT"], "delete": ["DELETE"]}[on_exit]


def test_stop_lets_a_live_push_end(capture, sample):
    """The last word is the last request: the one before has been answered."""
    server = None

    def respond(handler, index):
        if index == 0:
            stopping.wait(DEADLINE_S)
        handler.answer(202)
        answered.append(handler.command)

    stopping, answered = threading.Event(), []
    server = capture(respond)
    process = sample(server.url, "--on-exit=delete", "--stop-timeout-ms=20000")
    server.wait(1)
    process.say("stop")
    # The statistics are printed just before the end begins.
    process.out.wait("^stats ")
    stopping.set()
    process.out.wait("^stopped ")
    assert [r[0] for r in server.requests] == ["PUT", "DELETE"]
    wait_for(lambda: answered == ["PUT", "DELETE"], "both are answered")
    assert server.connections == 1


def test_nobody_listens(sample):
    process = sample(f"http://127.0.0.1:{free_port()}", "--on-exit=push", "--stop-timeout-ms=2000")
    process.wait_stats(lambda s: s["network"] >= 1, "a refusal is counted")
    for _ in range(50):
        process.say("push 0")
    process.wait_stats(lambda s: s["network"] >= 3, "and retried")
    times = process.snapshots()
    assert min(b - a for a, b in zip(times, times[1:])) >= 1.0
    assert process.stop() < PROMPT_S


def test_failing_snapshot(capture, sample):
    server = capture()
    process = sample(server.url, "--failing-snapshots=1")
    process.log.wait("cannot take a snapshot.*Input/output error")
    server.wait(1)
    stats = process.wait_stats(lambda s: s["ok"] >= 1, "the next one is sent")
    assert stats["network"] == 1


# ---- schedule ----


def test_grid_does_not_drift(capture, sample):
    interval, answer_time = 0.8, 0.4
    server = None

    def respond(handler, index):
        server.release.wait(answer_time)
        handler.answer(202)

    server = capture(respond)
    process = sample(server.url, f"--interval-ms={interval * 1000:.0f}")
    server.wait(9)
    process.stop()
    times = process.snapshots()
    # How far each is from the grid, to either side: the first may itself have been late. One late
    # wake-up is the machine's; if the time of an answer added up, most would be off by as much.
    off = sorted(abs((t - times[0] + interval / 2) % interval - interval / 2) for t in times[1:])
    assert off[len(off) // 2] < answer_time / 2
    assert times[8] - times[0] >= 8 * interval - answer_time / 2


def test_request_brings_the_push_forward(capture, sample):
    server = capture()
    process = sample(server.url, "--interval-ms=3600000")
    process.wait_stats(lambda s: s["ok"] == 1, "the first push is made at once")
    process.say("push 3600000")
    process.say("push 0")
    process.wait_stats(lambda s: s["ok"] == 2, "the earlier wish counts")
    for _ in range(20):
        process.say("push 300")
    process.wait_stats(lambda s: s["ok"] == 3, "wishes join")
    process.say("push 0")
    process.wait_stats(lambda s: s["ok"] == 4, "one more")
    process.stop()
    times = process.snapshots()
    assert len(times) == 4, "twenty wishes made one push"
    assert times[2] - times[1] >= 0.3


# ---- TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def server_context(certificate, ask_client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if ask_client:
        context.load_verify_locations(certificate[0])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("ask_client", [False, True])
def test_tls(capture, sample, certificate, ask_client):
    server = capture(tls=server_context(certificate, ask_client))
    process = sample(server.url, f"--tls-ca-file={certificate[0]}",
                     f"--tls-cert-file={certificate[0]}", f"--tls-key-file={certificate[1]}")
    process.wait_stats(lambda s: s["ok"] == 1, "accepted")
    assert server.requests[0][0] == "PUT"


def test_tls_refuses_an_unknown_authority(capture, sample, certificate):
    server = capture(tls=server_context(certificate, False))
    process = sample(server.url)
    process.wait_stats(lambda s: s["network"] >= 1, "refused")
    process.log.wait("(?i)certificate")
    assert server.requests == []


# ---- refusal ----


@pytest.mark.parametrize("args,word", [
    (["--job="], "job is empty"), (["--instance="], "instance is empty"),
    (["--grouping=__x=1"], "reserved"), (["--grouping=le=1"], "overwrite"),
    (["--grouping=a=1", "--grouping=a=2"], "twice"), (["--url=ftp://u:%s@h/" % SECRET], "ftp")])
def test_bad_groups_are_refused_before_anything_is_sent(args, word):
    done = subprocess.run([SAMPLE, "--url=http://127.0.0.1:1", *args], input="", text=True,
                          capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2
    assert word in done.stderr
    assert SECRET not in done.stderr
    assert done.stdout == ""


def test_no_grouping_label_may_hide_a_label_of_the_series(capture, sample):
    """What the encoder writes and what pe_push_check() refuses must stay together."""
    server = capture()
    sample(server.url)
    body = server.wait(1)[3].decode()
    labels = {name for f in text_string_to_metric_families(body) for s in f.samples
              for name in s.labels}
    assert "interface" in labels
    for name in sorted(labels):
        done = subprocess.run([SAMPLE, "--url=http://127.0.0.1:1", f"--grouping={name}=x"],
                              input="", text=True, capture_output=True, timeout=DEADLINE_S,
                              check=False)
        assert (done.returncode, name in done.stderr) == (2, True), name
