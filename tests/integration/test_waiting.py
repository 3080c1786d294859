# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that stop half-way cost no CPU, wherever they stop and however they end."""
import base64
import contextlib
import itertools
import pathlib
import resource
import socket
import ssl
import struct
import time

import pytest

from harness import ROOT, SANITIZED, Namespace, needs_root, run, wait_for
from test_web import Authority, WebExporter, bcrypt, tls_config, users_config

pytestmark = needs_root

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
# Of one CPU.
SHARE_MIXED, SHARE_MANY = 0.01, 0.1
MANY = 100 if SANITIZED else 500


def cpu_s(exporter):
    """What its threads have used, but for the one whose work it is to hash passwords."""
    used_ns = 0
    for task in pathlib.Path(f"/proc/{exporter.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if task.joinpath("comm").read_text() != "pe-bcrypt\n":
                used_ns += int(task.joinpath("schedstat").read_text().split()[0])
    return used_ns / 1e9


def share(exporter, seconds):
    """Of one CPU, in the seconds to come: a rate, for which there is no event to wait for."""
    before, begin = cpu_s(exporter), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(exporter) - before) / (time.monotonic() - begin)


def wait_quiet(exporter, limit, what):
    """Until it uses no more than the limit, and then goes on so: a loop is in both parts of what follows, what it
    does now and then is not."""
    shares = []

    def quiet():
        shares.append(share(exporter, 0.4))
        return shares[-1] <= limit

    wait_for(quiet, lambda: f"{what}: {[f'{s:.1%}' for s in shares]} of a CPU", 10)
    after = min(share(exporter, 0.3) for _ in range(2))
    assert after <= limit, f"{what}: {after:.1%} of a CPU"


# ---- how far a peer goes ----


class Peer:
    """A TLS client whose bytes are its own to send."""

    def __init__(self, host, version):
        with host.inside():
            self.sock = socket.create_connection(("127.0.0.1", 9817), 10)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.to_send)

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.to_send.read()

    def answer_hello(self):
        """What the client sends when it has got all that the server says first."""
        self.sock.sendall(self.hello())
        while not self.to_send.pending:
            self.receive()
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
        return self.to_send.read()

    def connect(self):
        self.sock.sendall(self.answer_hello())
        # TLS 1.2: the server has the last word.
        while not self.is_done():
            self.receive()

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server has gone")
        self.received.write(data)

    def is_done(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            return True
        return False

    def send(self, data):
        self.tls.write(data)
        self.sock.sendall(self.to_send.read())


def last_record(data):
    """Where the last of these TLS records begins."""
    begin = 0
    while (end := begin + 5 + struct.unpack_from("!H", data, begin + 3)[0]) < len(data):
        begin = end
    return begin


def guess(password):
    token = base64.b64encode(f"alice:{password}".encode()).decode()
    return f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {token}\r\n\r\n".encode()


def after_hello(peer):
    peer.answer_hello()


def before_finished(peer):
    data = peer.answer_hello()
    peer.sock.sendall(data[:last_record(data)])


def within_finished(peer):
    data = peer.answer_hello()
    peer.sock.sendall(data[:-8])


def connected(data):
    def go(peer):
        peer.connect()
        if data:
            peer.send(data)
    return go


def within_record(peer):
    peer.connect()
    peer.tls.write(SCRAPE)
    peer.sock.sendall(peer.to_send.read()[:-3])


def raw(data):
    return lambda peer: peer.sock.sendall(data)


STAGES = {
    "silent": raw(b""),
    "a byte": raw(b"\x16"),
    "a record's head": raw(b"\x16\x03\x01\x02\x00"),
    "half a hello": lambda peer: peer.sock.sendall((data := peer.hello())[:len(data) // 2]),
    "a hello": lambda peer: peer.sock.sendall(peer.hello()),
    "after hello": after_hello,
    "before finished": before_finished,
    "within finished": within_finished,
    "connected": connected(b""),
    "within a request": connected(SCRAPE[:-3]),
    "within a record": within_record,
    "answered": connected(guess("right")),
    "login": connected(guess("wrong")),
}
PLAIN_STAGES = {
    "silent": raw(b""),
    "a byte": raw(b"G"),
    "within a line": raw(SCRAPE[:10]),
    "within a request": raw(SCRAPE[:-3]),
    "within a body": raw(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
    "answered": raw(guess("right")),
    "login": raw(guess("wrong")),
}


def stay(_):
    pass


def finish(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


ENDS = {"stays": stay, "FIN": finish, "RST": reset}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@contextlib.contextmanager
def waiting(host, stages, names, ends, versions, count=1):
    """So many of each at once; they are gone at the end."""
    with contextlib.ExitStack() as stack:
        for name, end, version, _ in itertools.product(names, ends, versions, range(count)):
            peer = Peer(host, VERSIONS[version])
            stack.callback(peer.sock.close)
            stages[name](peer)
            ENDS[end](peer.sock)
        yield


@contextlib.contextmanager
def scene(folder, config):
    file = folder / "web.yml"
    file.write_text(config + users_config(alice=bcrypt("right", cost=13)), encoding="ascii")
    with Namespace() as host, WebExporter(host, f"--web.config.file={file}") as exporter:
        yield host, exporter


def check_mixed(host, exporter, stages, versions):
    """All of them together use less than each may; if not, each is asked what it uses."""
    with waiting(host, stages, stages, ENDS, versions):
        with contextlib.suppress(pytest.fail.Exception, AssertionError):
            wait_quiet(exporter, SHARE_MIXED, "all")
            return
    for name, end in itertools.product(stages, ENDS):
        with waiting(host, stages, [name], [end], versions):
            wait_quiet(exporter, SHARE_MIXED, f"{name}, {end}")
    pytest.fail("none of them alone")


def test_tls_stages(tmp_path):
    """One at each stage, and as many at one as there are places for."""
    ca = Authority(tmp_path)
    with scene(tmp_path, tls_config(ca.server())) as (host, exporter):
        check_mixed(host, exporter, STAGES, VERSIONS)
        for name in ("a byte", "half a hello"):
            with waiting(host, STAGES, [name], ["stays"], ["1.3"], MANY):
                wait_quiet(exporter, SHARE_MANY, f"{MANY} with {name}")


def test_plain_stages(tmp_path):
    with scene(tmp_path, "") as (host, exporter):
        check_mixed(host, exporter, PLAIN_STAGES, ["1.3"])



# ---- nothing to accept with ----


def connect(host, data=b""):
    with host.inside():
        sock = socket.create_connection(("127.0.0.1", 9817), 10)
    sock.sendall(data)
    return sock


@pytest.mark.parametrize("tls", [False, True])
def test_no_descriptors(tmp_path, tls):
    """It waits for one, and costs nothing until there is."""
    config = tls_config(Authority(tmp_path).server()) if tls else ""
    with scene(tmp_path, config) as (host, exporter):
        folder = pathlib.Path(f"/proc/{exporter.process.pid}/fd")

        def limit(count):
            resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (count, 1024))

        def wait_accepted(count):
            wait_for(lambda: len(list(folder.iterdir())) == len(files) + count,
                     f"{count} are accepted")

        files = [int(fd.name) for fd in folder.iterdir()]
        assert len(files) == max(files) + 1, "there are none between them"
        limit(len(files))
        with connect(host) as first:
            wait_quiet(exporter, SHARE_MIXED, "with no descriptor")
            limit(len(files) + 1)
            wait_accepted(1)
            with connect(host) as second:
                if tls:
                    # poll(2) asks for what there is: the first is cut off for the second.
                    assert first.recv(10) == b""
                wait_quiet(exporter, SHARE_MIXED, "with no descriptor but those in use")
                first.close()
                if not tls:
                    second.sendall(SCRAPE)
                    assert second.recv(10)
                wait_accepted(1)
        wait_accepted(0)
        limit(1024)
        assert exporter.log().count("no descriptor or memory for another connection") == 1


@pytest.mark.skipif(SANITIZED, reason="sanitizers have an allocator of their own")
def test_no_memory(tmp_path):
    """What is reckoned in a handshake does not end the daemon, which refuses others meanwhile."""
    library, gate = tmp_path / "short-memory.so", tmp_path / "gate"
    run("cc", "-shared", "-fPIC", "-o", library, ROOT / "tests/integration/short-memory.c")
    gate.write_bytes(b"\0")
    file = tmp_path / "web.yml"
    pair = Authority(tmp_path).server(key=("rsa:2048",))
    file.write_text(tls_config(pair), encoding="ascii")
    with Namespace() as host, WebExporter(
            host, f"--web.config.file={file}",
            env={"LD_PRELOAD": str(library), "SHORT_MEMORY": str(gate)}) as exporter:
        def ask(version="1.3"):
            with contextlib.suppress(OSError, ssl.SSLError):
                peer = Peer(host, VERSIONS[version])
                with peer.sock:
                    peer.sock.settimeout(10)
                    peer.connect()
                    return True
            return False

        def fail(share_of_256):
            with gate.open("r+b") as file:
                file.write(bytes([share_of_256]))

        assert ask()
        for share_of_256 in (1, 16, 255):
            fail(share_of_256)
            for _, version in itertools.product(range(10), VERSIONS):
                ask(version)
            assert exporter.process.poll() is None
        assert "connections are refused until there is" in exporter.log()
        fail(0)
        wait_for(ask, "it is answered again")
        # The other kind of shortage: there is none for another mapping.
        def limit(address_space):
            resource.prlimit(exporter.process.pid, resource.RLIMIT_AS,
                             (address_space, resource.RLIM_INFINITY))

        limit(1 << 20)
        assert not ask()
        limit(resource.RLIM_INFINITY)
        assert ask()
