# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that are hostile or broken: names, clients, gateways, proxies. The rest goes on.

Whatever the peer does, a scrape is answered within a second, the totals are exact, and nothing is
left behind: no descriptor, no thread, no memory, no secret.
"""
import base64
import codecs
import concurrent.futures
import contextlib
import gzip
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness import (
    EXPORTER, PROMPT_S, SANITIZED, Container, Exporter, IdentifyingExporter, Metrics, Namespace,
    Pushgateway, background, clean_environment, ipv4, needs_root, stop, udp, wait_for, wait_up,
)
from test_push import SAMPLE, Capture, Sample, basic, certificate, server_context

pytestmark = needs_root

SECRET = "s3cret-w0rd"
FRAME = 14 + 28 + 10
# The allocator keeps some of what was freed, and sanitizers all of it for a while.
RSS_SLACK_BYTES = (64 if SANITIZED else 16) << 20


def send(container, count):
    with container.packet_socket("eth0") as out:
        for _ in range(count):
            out.send(ipv4(17, udp(10)))


@contextlib.contextmanager
def scene(*options, **kwargs):
    """(host, exporter, container): attached, nothing sent."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, *options, **kwargs))
        container = stack.enter_context(Container(host, 1))
        wait_attached(exporter, 1)
        yield host, exporter, container


def wait_attached(exporter, count):
    wait_for(
        lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == count, "attached"
    )


def scrape_in_time(exporter):
    began = time.monotonic()
    text = exporter.scrape_text()
    assert time.monotonic() - began < PROMPT_S
    return Metrics(text)


def process_status(exporter):
    """(descriptors, threads, resident bytes)"""
    proc = pathlib.Path(f"/proc/{exporter.process.pid}")
    resident = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return len(os.listdir(proc / "fd")), len(os.listdir(proc / "task")), resident


def own_memory(exporter):
    """Resident bytes of memory that is no file's: pages of programs and maps come as they are used."""
    resident, of_files = pathlib.Path(f"/proc/{exporter.process.pid}/statm").read_text().split()[1:3]
    return (int(resident) - int(of_files)) * os.sysconf("SC_PAGESIZE")


def wait_few_files(exporter, resting):
    """Until the connections are gone; one of its own is opened when it is needed first."""
    wait_for(lambda: process_status(exporter)[0] <= resting[0] + 1,
             lambda: f"{process_status(exporter)} becomes {resting}")


# ---- names ----


def escape_byte(error):
    return "".join(f"\ufffd{byte:02x}" for byte in error.object[error.start:error.end]), error.end


codecs.register_error("pe-escape", escape_byte)


def as_label(name):
    """As the exporter shows it: U+FFFD is always the beginning of a byte that is no UTF-8."""
    return "\ufffdef\ufffdbf\ufffdbd".join(
        part.decode("utf-8", errors="pe-escape") for part in name.split("\ufffd".encode()))


def hostile_names():
    """Every byte that the kernel takes, in names of 15 bytes; and some that look like syntax."""
    # The kernel's isspace() has 0xa0 too; % is for a number that the kernel picks.
    allowed = [b for b in range(1, 256) if b not in b"\t\n\v\f\r /:%\xa0"]
    random.Random(1).shuffle(allowed)
    names = [bytes(allowed[i:i + 15]) for i in range(0, len(allowed), 15)]
    names += [b'"}1e99', b"\\", b'\\"', b"\\n", b"#", b"{}", b",=", b"\xef\xbf\xbd00", b"\x7f\x01",
              "café🚀".encode(), b"\xf0\x9f\x9a", b"...", b"0"]
    assert len(set(names)) == len(names)
    return [name for name in names if not name.startswith(b"-")]


HOSTILE_ALIASES = [
    b"line\nbreak\n# EOF\n", b'quote " backslash \\ \\n', b"\xff" * 255, b"\xc3" + b"x" * 254,
    b" lead and trail ", b"tab\tand\rreturn\x0b\x0c\x85", "ü🚀".encode() * 42, b"\x01\x1b[31m\x7f",
]


def series(families):
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples
    }


def test_hostile_names():
    """Both formats hold all of them, apart and equal, and foreign parsers have nothing to say."""
    names = hostile_names()
    with contextlib.ExitStack() as stack:
        host, peers = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--metrics.legacy"))
        # Otherwise both ends have the same ifindex, and then the carrier is reported late.
        peers.ip("link", "add", "pad0", "type", "bridge")

        def ip(*args):
            subprocess.run([b"ip", b"-n", host.name.encode(), *args], check=True)

        aliases = {}
        for number, name in enumerate(names, 1):
            ip(b"link", b"add", b"name", name, b"type", b"veth", b"peer", b"name",
               b"p%d" % number, b"netns", peers.name.encode())
            aliases[name] = HOSTILE_ALIASES[number % len(HOSTILE_ALIASES)]
            ip(b"link", b"set", b"dev", name, b"alias", aliases[name])
            ip(b"link", b"set", b"dev", name, b"up")
        peers.batch(f"link set p{n} up" for n in range(1, len(names) + 1))
        wait_up(peers, [f"p{n}" for n in range(1, len(names) + 1)])
        wait_attached(exporter, len(names))
        for number in range(1, len(names) + 1):
            with peers.packet_socket(f"p{number}") as out:
                for _ in range(number):
                    out.send(ipv4(17, udp(10)))

        openmetrics = exporter.scrape_text()
        text = exporter.scrape_text("text/plain;version=0.0.4")
        metrics = Metrics(openmetrics)
        packets = {
            s.labels["interface"]: s.value
            for s in metrics.find("packets_total", direction="ingress", protocol="udp")
        }
        assert packets == {as_label(name): n for n, name in enumerate(names, 1)}
        labelled = {s.labels["interface"]: s.labels["alias"] for s in metrics.live()}
        assert labelled == {as_label(name): as_label(alias) for name, alias in aliases.items()}
        assert len(series(metrics.families.values())) == len(metrics.samples), "none is there twice"
        assert openmetrics.endswith("\n# EOF\n") and openmetrics.count("\n# EOF\n") == 1

        families = list(parse_text(text))
        assert len(series(families)) == sum(len(f.samples) for f in families)

        def counted(samples):
            return {
                k: v for k, v in samples.items() if k[0].startswith("packet_exporter_packet")
                and not k[0].endswith("_created") and "ingress" in dict(k[1]).values()
            }

        assert counted(series(families)) == counted(series(metrics.families.values()))
        assert len(counted(series(families))) > 2 * len(names)
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                                 text=True, check=False)
        said = (checked.stdout + checked.stderr).splitlines()
        # It says how the original's metrics should be called.
        assert [line for line in said if not line.startswith("total_packets ")] == []


# ---- clients ----


class Connections:
    """Many connections to an address, gathered and let go at once."""

    def __init__(self, host, port=9817):
        self.host, self.port, self.sockets = host, port, []

    def add(self, count, data=b"", receive_bytes=None):
        with self.host.inside():
            for _ in range(count):
                sock = socket.socket()
                self.sockets.append(sock)
                if receive_bytes:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
                sock.connect(("127.0.0.1", self.port))
                with contextlib.suppress(OSError):
                    sock.sendall(data)
        return self.sockets[-count:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets:
            sock.close()


@contextlib.contextmanager
def trickling(sockets):
    """A byte a second on each of them; ends with the block. What was cut off is no failure."""
    data = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000
    ended, round_done = threading.Event(), threading.Event()

    def work():
        for byte in data:
            for sock in sockets:
                with contextlib.suppress(OSError):
                    sock.send(bytes([byte]), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            round_done.set()
            if ended.wait(1):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for(round_done.is_set, "each has sent a byte")
        yield
    finally:
        ended.set()
        thread.join()


EACH = 100 if SANITIZED else 500


def besiege(exporter, container, number, seconds):
    """Scrapes, packets and a new container while the connections stand there."""
    host = exporter.host
    with Connections(host) as connections:
        slow = connections.add(EACH)
        with trickling(slow):
            connections.add(EACH)
            end = time.monotonic() + seconds
            before = exporter.scrape().totals("veth1")["ingress"][0]
            sent = 0
            while time.monotonic() < end or sent == 0:
                send(container, 3)
                sent += 3
                got = scrape_in_time(exporter).totals("veth1")["ingress"]
                assert got == (before + sent, (before + sent) * FRAME)
            with Container(host, number) as late:
                wait_for(
                    lambda: scrape_in_time(exporter).live(interface=late.interface, mode="generic"),
                    "a new container is counted")
                send(late, 5)
                assert scrape_in_time(exporter).totals(late.interface)["ingress"] == (5, 5 * FRAME)


def test_slow_and_idle_clients():
    """Some hundred that send a byte a second and as many that send nothing are in nobody's way."""
    # The second address has half of the places: it does not help the first.
    options = ("--web.listen-address=127.0.0.1:9818", "--log.level=info")
    if SANITIZED:
        options += ("--web.max-connections=100",)
    with scene(*options) as (_, exporter, container):
        resting = process_status(exporter)
        besiege(exporter, container, 2, 0)
        wait_few_files(exporter, resting)
        first = process_status(exporter)
        for number in (3, 4):
            besiege(exporter, container, number, 2)
            wait_few_files(exporter, resting)
        last = process_status(exporter)
        assert last[1] in (resting[1], resting[1] + 1)
        assert last[2] - first[2] < RSS_SLACK_BYTES
        metrics = exporter.scrape()
        assert metrics.sum("http_connections_evicted_total") >= EACH
        # The container's new link did not wait for the clients.
        assert metrics.sum("attach_seconds_bucket", le="2.5") == metrics.sum("attach_seconds_count")
        assert exporter.log().count("oldest are cut off for new ones") == 1


def test_few_open_files_and_many_clients():
    """Connections do not use up the descriptors that new interfaces need."""
    with scene("--log.level=info", prefix=["prlimit", "--nofile=200"]) as (host, exporter, _):
        assert "88 connections are served at the same time, not 512" in exporter.log()
        with Connections(host) as connections:
            connections.add(300)
            with Container(host, 2), Container(host, 3):
                wait_for(
                    lambda: scrape_in_time(exporter).sum("interfaces_attached", mode="generic") == 3,
                    "new ones are attached")


def test_stuck_scrapers():
    """Twenty scrapers that never read on: the next one gets all, at once, and of now."""
    pairs = 150
    with scene() as (host, exporter, container):
        host.batch(f"link add s{n} type veth peer name t{n}" for n in range(pairs))
        wait_attached(exporter, 1 + 2 * pairs)
        resting = process_status(exporter)
        # More than sockets hold.
        request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20
        with Connections(host) as connections:
            for count in range(1, 6):
                # At different times, so that between them they hold every snapshot there may be.
                stuck = connections.add(4, request, receive_bytes=4096)
                wait_for(lambda: all(select.select([s], [], [], 0)[0] for s in stuck),
                         "answers begin")
                send(container, 2)
                wait_for(
                    lambda: scrape_in_time(exporter).totals("veth1")["ingress"][0] == 2 * count,
                    "numbers are of now, or a second old")
            wait_for(lambda: exporter.scrape().sum("http_connections_evicted_total"),
                     "they were stuck indeed")
        wait_few_files(exporter, resting)


def test_memory_of_slow_readers():
    """What compressors and buffers of some hundred took is the kernel's again."""
    pairs = 30
    slack = 4 << 20
    with scene() as (host, exporter, _):
        host.batch(f"link add s{n} type veth peer name t{n}" for n in range(pairs))
        wait_attached(exporter, 1 + 2 * pairs)
        request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n" * 20
        # What is made once and kept is there.
        scrape_in_time(exporter)
        resting, own = process_status(exporter), own_memory(exporter)
        with Connections(host) as connections:
            readers = connections.add(EACH // 2, request, receive_bytes=4096)
            wait_for(lambda: select.select([readers[-1]], [], [], 0)[0], "the last is answered")
            assert own_memory(exporter) - own > 2 * slack
        wait_few_files(exporter, resting)
        wait_for(lambda: own_memory(exporter) - own < slack,
                 lambda: f"{own_memory(exporter)} becomes {own}")


# ---- grouping keys ----

PIECES = [
    "/", ".", "..", " ", "+", "%", "%2F", "%20", "🚀", "é", "=", "@base64", "?", "#", "&", ";", "\\",
    '"', "'", "\n", "\t", "\x01", "\x7f", "-", "_", "~", "a", "Z", "0", ":", "@", "[", "]", "{", "}",
    "\u202e", "\ufffd", "\U0010ffff", "job", "metrics",
]


HOSTILE_QUERIES = {
    "search=" + "%3Cscript%3E" * 80: 200, "search=" + "a" * 1016: 200, "search=" + "a" * 1017: 400,
    "a" * 8000: 400, "%00": 400, "search=%": 400, "limit=-1": 400, "limit=99999999999999999999": 400,
    "offset=1000000": 200, "open=2147483647": 200, "open=2147483648": 400, "&" * 1000: 200,
    "view=../../etc/passwd": 400, "search='%20or%201=1--": 200, "kind=%ff%fe%e2%80%ae": 200,
}


def test_flood_of_pages():
    """Readers of the page and the API that do not read: bounded, and in no scraper's way."""
    pairs = 60
    # The most that all bodies together may take, and what makes them.
    most = (16 << 20) + RSS_SLACK_BYTES
    api = b"/api/v1/interfaces?limit=1000&metrics=1&history=1"
    with scene("--interface.detail=full") as (host, exporter, _):
        host.batch(f"link add s{n} type veth peer name t{n}" for n in range(pairs))
        wait_attached(exporter, 1 + 2 * pairs)
        for query, status in HOSTILE_QUERIES.items():
            for path in ("/", "/api/v1/interfaces"):
                assert host.get(f"{exporter.url}{path}?{query}")[0] == status, query
        resting = process_status(exporter)
        with Connections(host) as connections:
            for path in (b"/", api, b"/api/v1/interfaces?limit=1000&history=1", b"/?limit=1000"):
                for headers in (b"", b"Accept: text/html\r\n", b"Accept-Encoding: gzip\r\n"):
                    request = b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, headers)
                    connections.add(3, request * 10, receive_bytes=4096)
            wait_for(lambda: all(select.select([s], [], [], 0)[0] for s in connections.sockets),
                     "each is answered")
            scrape_in_time(exporter)
            assert process_status(exporter)[2] - resting[2] < most
        wait_few_files(exporter, resting)
        assert host.get(f"{exporter.url}{api.decode()}")[0] == 200


def random_keys(count):
    rng = random.Random(20240229)
    for number in range(count):
        labels = {"job": "".join(rng.choices(PIECES, k=rng.randint(1, 6))), "instance": str(number)}
        for index in range(rng.randint(0, 3)):
            labels[rng.choice(["Label", "_x", "n"]) + str(index)] = "".join(
                rng.choices(PIECES, k=rng.randint(0, 6)))
        yield labels


def push_key(host, url, labels):
    grouping = [f"--grouping={k}={v}" for k, v in labels.items() if k not in ("job", "instance")]
    with host.inside():
        done = subprocess.run(
            [os.path.abspath(SAMPLE), f"--url={url}", "--interfaces=0", "--on-exit=push",
             f"--job={labels['job']}", f"--instance={labels['instance']}", *grouping],
            input="", text=True, capture_output=True, check=False, timeout=60,
            env=clean_environment())
    assert done.returncode == 0 and "level=warn" not in done.stderr, (labels, done.stderr)


def canonical(labels):
    return tuple(sorted(labels.items()))


@pytest.mark.long
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_many_grouping_keys(count):
    """What is said is what the gateway shows, whatever the values are made of."""
    keys = list(random_keys(count))
    batch = 25
    with Namespace() as host, Pushgateway(host, "--web.enable-admin-api") as gateway, \
            concurrent.futures.ThreadPoolExecutor(4) as pool:
        for begin in range(0, len(keys), batch):
            some = keys[begin:begin + batch]
            list(pool.map(lambda labels: push_key(host, gateway.url, labels), some))
            shown = [canonical(group["labels"]) for group in gateway.groups()]
            assert sorted(shown) == sorted(map(canonical, some))
            # Every push looks through all groups.
            gateway.wipe()


@pytest.mark.parametrize("option,word", [
    (b"--push.job=a\xff", "UTF-8"), (b"--push.job=", "empty"), (b"--push.instance=", "empty"),
    (b"--push.instance=\xed\xa0\x80", "UTF-8"), (b"--push.grouping=a=\xc0\xaf", "UTF-8"),
    (b"--push.grouping=__a=1", "reserved"), (b"--push.grouping=interface=1", "overwrite"),
    (b"--push.grouping=instance=", "instance"), (b"--push.grouping=a-b=1", "a-b"),
])
@pytest.mark.parametrize("check", [[], ["--check-config"]])
def test_poisoned_key_is_refused(option, word, check):
    """Before anything is sent: one line that says why."""
    with Namespace() as host, host.inside(), socket.create_server(("127.0.0.1", 9091)) as server:
        server.setblocking(False)
        done = subprocess.run(
            [os.fsencode(EXPORTER), f"--push.url=http://me:{SECRET}@127.0.0.1:9091".encode(),
             b"--web.listen-address=127.0.0.1:9817", option, *map(str.encode, check)],
            capture_output=True, check=False, timeout=20, env=clean_environment())
        assert done.returncode == 2
        told = (done.stdout + done.stderr).decode("utf-8")
        assert told.count("\n") == 1 and "--push." in told and word in told
        assert SECRET not in told
        with pytest.raises(BlockingIOError):
            server.accept()


# ---- gateways ----


class Front:
    """Stands between the exporter and the real gateway: hands on, or does what `mode` says."""

    def __init__(self, host, gateway):
        self.host, self.gateway, self.mode = host, gateway, "good"
        self.states = []  # what was handed on: packets of veth1, in the order of arrival
        with host.inside():
            self.server = Capture(self.respond)

    def respond(self, handler, index):
        mode = self.mode
        if mode == "good":
            self.hand_on(handler, self.server.requests[index])
        elif mode in ("500", "400", "407"):
            handler.answer(int(mode), b"pushed metrics are invalid: because of " + mode.encode())
        elif mode == "redirect":
            handler.answer(307, Location=f"http://u:{SECRET}@127.0.0.1:1/x?token={SECRET}")
        else:
            handler.close_connection = True
            self.misbehave(handler, mode)

    def misbehave(self, handler, mode):
        if mode == "garbage":
            handler.wfile.write(os.urandom(4096))
        elif mode == "half":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        elif mode == "hang":
            self.server.release.wait(20)
        elif mode == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 30:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.server.release.wait(1):
                    return

    def hand_on(self, handler, request):
        import http.client

        method, path, headers, body = request
        path = re.sub("^http://[^/]*/prefix", "", path)  # as a proxy does, and one for a prefix
        with self.host.inside():
            real = http.client.HTTPConnection("127.0.0.1", 9091, timeout=10)
            real.request(method, path, body, {
                k: v for k, v in headers.items() if k.startswith("Content-")})
        answer = real.getresponse()
        text = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        self.states.append(packets_of(text.decode()))
        handler.answer(answer.status, answer.read())
        real.close()


def packets_of(text):
    return sum(
        int(value) for value in re.findall(
            r'^packet_exporter_packets_total\{interface="veth1",direction="ingress"[^}]*\} (\d+)$',
            text, re.M)
    )


MODES = {
    "500": ("server", "HTTP 500.*because of 500"),
    "400": ("rejected", "HTTP 400.*because of 400"),
    "redirect": ("rejected", "redirect.*not followed"),
    "garbage": ("network", "failed"),
    "half": ("network", "failed"),
    "hang": ("network", "failed"),
    "drip": ("network", "failed"),
}


@pytest.mark.long
def test_broken_gateway():
    """Counting and scraping go on; the first good moment delivers the state of that moment."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        gateway = stack.enter_context(Pushgateway(host))
        front = Front(host, gateway)
        stack.callback(front.server.close)
        url = front.server.url.replace("://", f"://me:{SECRET}@")
        exporter = stack.enter_context(Exporter(
            host, f"--push.url={url}", "--push.interval=1s", "--push.timeout=1s",
            "--push.on-exit=none"))
        container = stack.enter_context(Container(host, 1))
        wait_attached(exporter, 1)
        sent = 0
        wait_for(lambda: front.states, "the first push")
        resting = process_status(exporter)
        for mode, (result, line) in MODES.items():
            before = exporter.scrape().sum("push_requests_total", result=result)
            front.mode = mode

            def failed():
                nonlocal sent
                send(container, 10)
                sent += 10
                metrics = scrape_in_time(exporter)
                assert metrics.totals("veth1")["ingress"] == (sent, sent * FRAME)
                return metrics.sum("push_requests_total", result=result) >= before + 1

            wait_for(failed, f"{mode} is counted as {result}")
            assert re.search(line, exporter.log()), mode
            front.mode = "good"
            wait_for(lambda: front.states[-1:] == [sent], f"after {mode} the state of now arrives")
        descriptors, threads, resident = process_status(exporter)
        assert descriptors <= resting[0] + 1
        # A sweep of the flow cache has a thread of its own, for moments.
        assert threads in (resting[1], resting[1] + 1)
        assert resident - resting[2] < RSS_SLACK_BYTES
        assert front.states == sorted(front.states), "no state is older than the one before"
        told = {
            int(s.value) for f in parse_text(gateway.text()) for s in f.samples
            if s.name == "packet_exporter_packets_total" and s.labels["interface"] == "veth1"
            and s.labels["direction"] == "ingress" and s.labels["protocol"] == "udp"
        }
        assert told == {sent}
        for shown in (exporter.log(), exporter.scrape_text(), gateway.text()):
            assert SECRET not in shown
            assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in shown


@pytest.mark.parametrize("form", ["--push.url={}", "--push.url {}"])
def test_password_on_the_command_line(form):
    """It is hidden from those who list processes, still used, and complained of once."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        with host.inside():
            server = Capture(lambda handler, _: handler.answer(202))
        stack.callback(server.close)
        url = server.url.replace("://", f"://me:{SECRET}@")
        exporter = stack.enter_context(Exporter(host, *form.format(url).split(), "--push.job=j"))
        shown = pathlib.Path(f"/proc/{exporter.process.pid}/cmdline").read_bytes().decode()
        assert SECRET not in shown
        assert server.url.replace("://", f"://me:{'*' * len(SECRET)}@") in shown
        assert shown.endswith("\0--push.job=j\0")
        assert server.wait(1)[2]["Authorization"] == basic("me", SECRET)
        warnings = [line for line in exporter.log().splitlines()
                    if "level=warn" in line and "--push.password-file" in line]
        assert len(warnings) == 1 and "--push.bearer-token-file" in warnings[0]
        assert SECRET not in exporter.log()


def test_memory_of_many_pushes(tmp_path):
    """Large groups, accepted, refused and cut off: the client keeps the memory of one."""
    answers = [
        lambda handler: handler.answer(202),
        lambda handler: handler.answer(400, b"x" * 100000),
        lambda handler: handler.answer(500, b"x" * 100),
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        lambda handler: handler.wfile.write(os.urandom(1000)),
    ]

    def respond(handler, index):
        handler.close_connection = index % len(answers) > 2
        answers[index % len(answers)](handler)

    count = 30 if SANITIZED else 100
    server = Capture(respond)
    process = Sample(server.url, "--interfaces=500", "--interval-ms=5", "--gzip", "--timeout-ms=5000")
    try:
        def resident():
            fields = pathlib.Path(f"/proc/{process.process.pid}/statm").read_text().split()
            return int(fields[1]) * os.sysconf("SC_PAGESIZE")

        server.wait(count // 3)
        before = resident()
        server.wait(count)
        assert resident() - before < RSS_SLACK_BYTES
        stats = process.stats()
        assert min(stats[kind] for kind in ("ok", "rejected", "server", "network")) >= count // 6
        process.stop()
    finally:
        process.close()
        server.close()


@pytest.mark.long
def test_unanswered_push_is_not_overtaken():
    """A push that lies in a gateway that hangs is stored before the next one is sent."""
    server, hanging = None, threading.Event()

    def respond(handler, index):
        if index == 1:
            hanging.wait(20)
        handler.answer(202)

    server = Capture(respond)
    # Large: of its body, more pieces than one are sent. The second: on a connection that is kept.
    process = Sample(server.url, "--interval-ms=1000", "--timeout-ms=1500", "--interfaces=100")
    try:
        server.answer_head = False
        process.wait_stats(lambda s: s["network"] >= 3, "it is asked again and again")
        assert [r[0] for r in server.requests] == ["PUT"] * 2, "and nothing is sent"
        number = len(process.snapshots())
        assert number == 2
        server.answer_head = True
        hanging.set()
        server.wait(3)
        process.wait_stats(lambda s: s["ok"] == 2, "the next one is accepted")
        assert len(process.snapshots()) >= number + 1, "it has the state of its moment"
        process.log.wait("works again after")
    finally:
        hanging.set()
        process.close()
        server.close()


@pytest.mark.long
def test_states_stay_in_order(tmp_path):
    """What a stopped gateway has in its sockets when it goes on does not come last."""
    with Namespace() as host, Pushgateway(host) as gateway, host.inside():
        process = Sample(gateway.url, "--interval-ms=1000", "--timeout-ms=1500", "--interfaces=100")
        try:
            shown = [0]
            for _ in range(2):
                stats = process.wait_stats(
                    lambda s: shown.append(number_of(gateway)) or s["ok"] >= 1, "a push")
                gateway.process.send_signal(signal.SIGSTOP)
                process.wait_stats(lambda s: s["network"] > stats["network"] + 1, "it is hanging")
                gateway.process.send_signal(signal.SIGCONT)

                def resumed():
                    shown.append(number_of(gateway))
                    return process.stats()["ok"] > stats["ok"] + 1

                wait_for(resumed, "pushing resumes")
            assert shown == sorted(shown) and shown[-1] > 3
        finally:
            gateway.process.send_signal(signal.SIGCONT)
            process.close()


def number_of(gateway):
    found = re.search(r'^packet_exporter_packets_total\{[^}]*interface="veth0000"[^}]*\} (\S+)$',
                      gateway.text(), re.M)
    return int(float(found[1])) // 1000 if found else 0


# ---- proxies and TLS ----


def test_proxy():
    """As libcurl has it: http_proxy is used, no_proxy is not; its password is shown nowhere."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        gateway = stack.enter_context(Pushgateway(host))
        front = Front(host, gateway)
        stack.callback(front.server.close)
        proxy = front.server.url.replace("://", f"://px:{SECRET}@")
        options = ("--push.interval=1s", "--push.on-exit=none", "--push.instance=host-1")
        with Exporter(host, "--push.url=http://gateway.invalid:9091/prefix", *options,
                      env={"http_proxy": proxy, "no_proxy": "other.invalid"}) as exporter:
            wait_for(gateway.groups, "it arrives through the proxy")
            method, path, headers, _ = front.server.requests[0]
            assert (method, path) == (
                "PUT", "http://gateway.invalid:9091/prefix/metrics/job/packet_exporter_push/instance/host-1")
            assert headers["Proxy-Authorization"] == basic("px", SECRET)
            assert "Authorization" not in headers
            front.mode = "407"
            wait_for(lambda: "HTTP 407" in exporter.log(), "a refusal is logged")
            front.mode = "half"
            front.server.close()
            wait_for(lambda: exporter.scrape().sum("push_requests_total", result="network"),
                     "so is a proxy that is gone")
            for shown in (exporter.log(), exporter.scrape_text(), gateway.text()):
                assert SECRET not in shown
        gateway.close()
        gateway.start()
        with Exporter(host, f"--push.url={gateway.url}", *options,
                      env={"http_proxy": proxy, "no_proxy": "other.invalid,127.0.0.1"}):
            wait_for(gateway.groups, "it needs no proxy")


@pytest.mark.parametrize("proxy", [f"http://px:{SECRET}@[bad", f"foo://px:{SECRET}@127.0.0.1:1",
                                   f"http://px:{SECRET}@127.0.0.1:99999999"])
def test_bad_proxy(proxy):
    """Which libcurl would quote."""
    with Namespace() as host, Exporter(host, "--push.url=http://gateway.invalid",
                                       env={"http_proxy": proxy, "no_proxy": ""}) as exporter:
        wait_for(lambda: "Unsupported proxy" in exporter.log(), "it is logged")
        assert "http_proxy" in exporter.log()
        stop(exporter.process)
        assert "last push" in exporter.log()
        assert SECRET not in exporter.log()


def test_tls_and_token(certificate, tmp_path):
    """A gateway that wants a certificate of ours and a token that changes."""
    token = tmp_path / "token"
    token.write_text(SECRET + "\n", encoding="ascii")
    cert, key = certificate
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        with host.inside():
            server = Capture(
                lambda handler, _: handler.answer(
                    202 if handler.headers["Authorization"] == "Bearer other" else 401),
                tls=server_context(certificate, True))
        stack.callback(server.close)
        with Exporter(host, f"--push.url={server.url}", "--push.interval=1s", "--push.on-exit=none",
                      f"--push.bearer-token-file={token}", f"--push.tls-ca-file={cert}",
                      f"--push.tls-cert-file={cert}", f"--push.tls-key-file={key}") as exporter:
            wait_for(lambda: "HTTP 401" in exporter.log(), "the token is refused")
            assert server.requests[0][2]["Authorization"] == f"Bearer {SECRET}"
            new = tmp_path / "new"
            new.write_text("other", encoding="ascii")
            new.rename(token)
            wait_for(lambda: exporter.scrape().sum("push_requests_total", result="ok"),
                     "the new one is read")
            assert SECRET not in exporter.log() and SECRET not in exporter.scrape_text()
        with Exporter(host, f"--push.url={server.url}", "--push.on-exit=none",
                      f"--push.tls-ca-file={cert}") as exporter:
            wait_for(lambda: exporter.scrape().sum("push_requests_total", result="network"),
                     "without a certificate there is no connection")


# ---- a whole life ----


def test_nothing_is_left(tmp_path):
    """Scrapes, pushes, failures, reloads and churn, then the end; leaks are the sanitizer's."""
    config = tmp_path / "web.yml"
    config.write_text("http_server_config:\n  headers: {X-Frame-Options: deny}\n", encoding="ascii")
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        gateway = stack.enter_context(Pushgateway(host))
        front = Front(host, gateway)
        stack.callback(front.server.close)
        exporter = IdentifyingExporter(
            host, f"--push.url={front.server.url}", "--push.interval=1s", "--push.timeout=1s",
            f"--web.config.file={config}", "--flows.top=3", "--metrics.legacy",
            "--departed.retention=1s", "--push.grouping=a=b/c", "--push.username=me")
        stack.callback(exporter.close)
        container = stack.enter_context(Container(host, 1))
        wait_attached(exporter, 1)
        for accept in ("", "application/openmetrics-text", "text/plain"):
            assert host.get(f"{exporter.url}/metrics", {
                "Accept": accept, "Accept-Encoding": "gzip"})[0] == 200
        with Connections(host) as connections:
            connections.add(30, b"GET /metrics HTTP/1.1\r\n")
            connections.add(30, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", receive_bytes=4096)
            connections.add(5, b"\x16\x03\x01 not HTTP\r\n\r\n")
            send(container, 10)
        for mode in ("500", "400", "garbage", "half"):
            before = exporter.log().count("failed, the gateway keeps")
            front.mode = mode
            wait_for(lambda b=before: exporter.log().count("failed, the gateway keeps") > b, mode)
        front.mode = "good"
        for text, line in (("nonsense: [", "stays in force"), ("http_server_config: {}\n", "again")):
            config.write_text(text, encoding="ascii")
            wait_for(lambda t=line: exporter.scrape() and t in exporter.log(), line)
        for number in (2, 3):
            with Container(host, number) as short:
                send(short, 3)
                host.ip("link", "del", short.interface)
        wait_for(lambda: exporter.scrape().departed("packets_total") == 6, "they are folded")
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP" in exporter.log(), "the links are read again")
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(20) == 0
        log = exporter.log()
        assert "nothing is left attached" in log
        assert "Sanitizer" not in log
