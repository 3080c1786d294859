# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that are none, or too much: each is answered at once, and counted."""
import collections
import contextlib
import gzip
import re
import socket
import ssl
import time

import pytest

from harness import PROMPT_S, Exporter, Metrics, Namespace, needs_root, stop, wait_for
from test_web import Authority, WebExporter, curl, tls_config

pytestmark = needs_root


def request(line=b"GET /-/healthy HTTP/1.1", *headers, body=b""):
    return b"\r\n".join((line, b"Host: a", *headers, b"", body))


def numbered(count, form, separator):
    return separator.join(form % number for number in range(count))


# (bytes, status of the answer, code that it counts as)
SHAPES = {
    "500 arguments": (request(b"GET /-/healthy?" + numbered(500, b"a%d=1", b"&") + b" HTTP/1.1"),
                      200, "200"),
    "9000 arguments": (request(b"GET /-/healthy?" + b"&" * 9000 + b"=x HTTP/1.1"), 200, "200"),
    "an argument": (request(b"GET /-/healthy?a=%00 HTTP/1.1"), 200, "200"),
    "a question": (request(b"GET /-/healthy? HTTP/1.1"), 200, "200"),
    "a long path": (request(b"GET /" + b"a" * 40000 + b" HTTP/1.1"), 414, "414"),
    "a path that leaves no memory": (request(b"GET /" + b"a" * 32600 + b" HTTP/1.1"), 431, "404"),
    "a long method": (request(b"A" * 40000 + b" / HTTP/1.1"), 414, "414"),
    "empty lines": (b"\r\n" * 20000, 414, "414"),
    "a long header": (request(b"GET / HTTP/1.1", b"X: " + b"a" * 40000), 431, "431"),
    "600 headers": (request(b"GET / HTTP/1.1", numbered(600, b"X%d: a", b"\r\n")), 431, "431"),
    "600 cookies": (request(b"GET / HTTP/1.1", b"Cookie: " + numbered(600, b"a%d=b", b"; ")), 431, "431"),
    "600 cookies and a body": (
        request(b"POST / HTTP/1.1", b"Content-Length: 9",
                b"Cookie: " + numbered(600, b"a%d=b", b"; "), body=b"a"), 431, "431"),
    "a long cookie": (request(b"GET / HTTP/1.1", b"Cookie: a=" + b"b" * 20000), 431, "431"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "400"),
    "no host, and a body": (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na", 400, "400"),
    "no host, as there was none": (b"GET /-/healthy HTTP/1.0\r\n\r\n", 200, "200"),
    "no version": (b"GET /\r\n\r\n", 400, "400"),
    "another version": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "500"),
    "no colon": (request(b"GET / HTTP/1.1", b"abc"), 400, "400"),
    "a bad length": (request(b"POST / HTTP/1.1", b"Content-Length: -1"), 400, "400"),
    "a long length": (request(b"POST / HTTP/1.1", b"Content-Length: " + b"9" * 30), 413, "400"),
    "a bad chunk": (request(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"xyz\r\n"), 400, "400"),
    "an escaped NUL": (request(b"GET /-/healthy%00x HTTP/1.1"), 400, "400"),
    "a NUL": (request(b"GET /-/healthy\0x HTTP/1.1"), 400, "400"),
    "a path with a space": (request(b"GET /a b HTTP/1.1"), 400, "400"),
    "a space behind a path": (request(b"GET /-/healthy  HTTP/1.1"), 400, "400"),
    # Of these libmicrohttpd reports nothing.
    "no path": (b"GET\r\n\r\n", 400, "400"),
    "a word": (b"hello\n", 400, "400"),
    "a letter": (b"x\r\n", 400, "400"),
    "bytes": (bytes(range(128, 256)) + b"\r\n\r\n", 400, "400"),
    "TLS, or none": (b"\x16\x03\x01\x00\n\x01", 400, "400"),
}


ENDED = {request(): 200, request()[:10]: 400, request()[:-2]: 400, b"\r\n": 400}


def connect(host):
    with host.inside():
        return socket.create_connection(("127.0.0.1", 9817), PROMPT_S)


def ask(host, data, context=None):
    """The answer up to the end of its headers, or what came until the end."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(connect(host))
        if context:
            sock = stack.enter_context(context.wrap_socket(sock))
        # It may be cut off before all is sent.
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in answer and (piece := sock.recv(65536)):
                answer += piece
    return answer


@pytest.mark.parametrize("tls", [False, True])
def test_all_are_answered(tmp_path, tls):
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    file = tmp_path / "web.yml"
    file.write_text(tls_config(Authority(tmp_path).server()) if tls else "", encoding="ascii")
    with Namespace() as host, WebExporter(host, f"--web.config.file={file}") as exporter:
        def counted():
            url = f"http{'s' * tls}://127.0.0.1:9817/metrics"
            metrics = Metrics(curl(host, url, "-k", "-H", "Accept: application/openmetrics-text")[1])
            return collections.Counter({s.labels["code"]: s.value
                                        for s in metrics.find("http_requests_total")
                                        if s.labels["code"] != "200"})

        expected = counted()
        began = time.monotonic()
        for name, (data, status, code) in SHAPES.items():
            answer = ask(host, data, context)
            assert (name, answer.split()[1:2]) == (name, [b"%d" % status])
            expected[code] += code != "200"
        assert time.monotonic() - began < PROMPT_S
        # The end comes with the last bytes, of which some may be missing.
        for data, status in () if tls else ENDED.items():
            with connect(host) as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                assert read_rest(sock, b"").split()[1] == b"%d" % status
            expected[str(status)] += status != 200
        # Who says nothing has not asked either.
        silent = connect(host)
        if tls:
            silent = context.wrap_socket(silent).unwrap()
        silent.close()
        connect(host).close()
        wait_for(lambda: counted() == expected, lambda: f"{counted()} is {expected}")
        assert exporter.log().count("libmicrohttpd: Error processing request") > len(SHAPES) / 3


# ---- HTTP/1.0 ----


def old_scrape(host, *headers, receive_bytes=None):
    """(socket, length that the answer says it has, what has come of it)"""
    with host.inside():
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.settimeout(PROMPT_S)
        sock.connect(("127.0.0.1", 9817))
    sock.sendall(request(b"GET /metrics HTTP/1.0", *headers))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    head, _, body = answer.partition(b"\r\n\r\n")
    return sock, int(re.search(rb"^Content-Length: (\d+)", head, re.M)[1]), body


def read_rest(sock, body):
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            body += piece
    return body


def test_old_clients():
    """They know no chunks: an answer that is cut off must not look like a whole one."""
    pairs = 150
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        # Sockets hold less than an answer.
        host.write("net/ipv4/tcp_wmem", "4096 16384 65536")
        exporter = stack.enter_context(Exporter(host))
        host.batch(f"link add s{n} type veth peer name t{n}" for n in range(pairs))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2 * pairs,
                 "all are attached")
        observed = exporter.scrape().sum("scrape_duration_seconds_count")
        for headers in ((), (b"Accept-Encoding: gzip",)):
            sock, length, body = old_scrape(host, *headers)
            with sock:
                body = read_rest(sock, body)
            assert len(body) == length
            text = gzip.decompress(body) if headers else body
            assert text.count(b"packet_exporter_interface_info{") == 2 * pairs
        assert exporter.scrape().sum("scrape_duration_seconds_count") == observed + 3
        stuck, length, body = old_scrape(host, receive_bytes=4096)
        with stuck:
            stop(exporter.process)
            assert len(read_rest(stuck, body)) < length
