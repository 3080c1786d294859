# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS, users, headers and listening sockets, as Prometheus, curl and openssl find them."""
import base64
import contextlib
import http.client
import itertools
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
import warnings

import pytest

from harness import (
    DEADLINE_S, EXPORTER, PROMPT_S, Exporter, Metrics, Namespace, Prometheus, background,
    clean_environment, needs_root, run, stop, wait_for,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

pytestmark = needs_root


def bcrypt(password, cost=4):
    return crypt.crypt(password, f"$2b${cost:02}$abcdefghijklmnopqrstuu")


class Authority:
    """A CA in a folder, and what it signs; all by openssl."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", self.key, "-out", self.cert, "-subj", f"/CN={name}", "-days", "2")

    def issue(self, name, extensions="", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
              days="2"):
        """(certificate, key)"""
        request, secret = self.folder / f"{name}.csr", self.folder / f"{name}.key"
        cert, text = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        text.write_text(extensions + "\n", encoding="ascii")
        run("openssl", "req", "-newkey", *key, "-nodes", "-keyout", secret, "-out", request,
            "-subj", f"/CN={name}")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
            "-CAcreateserial", "-days", days, "-out", cert, "-extfile", text)
        return cert, secret

    def server(self, name="server", **kwargs):
        return self.issue(name, "subjectAltName=IP:127.0.0.1,DNS:localhost", **kwargs)


class WebExporter(Exporter):
    """One that /-/ready cannot be asked of without knowing how."""

    def is_ready(self):
        if self.process.poll() is not None:
            pytest.fail(f"the exporter ended with {self.process.returncode}:\n{self.log()}")
        return 'msg="ready"' in self.log()


@contextlib.contextmanager
def scene(folder, config, port=9817, host=None):
    """(host, exporter) with this web configuration in folder/web.yml."""
    file = folder / f"web-{port}.yml"
    file.write_text(config, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        host = host or stack.enter_context(Namespace())
        exporter = stack.enter_context(WebExporter(host, f"--web.config.file={file}", port=port))
        exporter.config = file
        yield host, exporter


def wait_for_log(host, exporter, line, count, port=9817):
    """Until the line is there so often; a connection is what makes the exporter look."""
    def said():
        with host.inside():
            socket.create_connection(("127.0.0.1", port), 10).close()
        return exporter.log().count(line) >= count

    wait_for(said, f"{line}, {count} times")
    assert exporter.log().count(line) == count


def reconfigure(host, exporter, config):
    """Writes another file and waits until it is in force."""
    line = f"read {exporter.config} again"
    before = exporter.log().count(line)
    exporter.config.write_text(config, encoding="utf-8")
    wait_for_log(host, exporter, line, before + 1)


def curl(host, url, *options):
    """(status, body); status 0 if there was no answer."""
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, "curl", "-s", "--noproxy", "*", "--max-time", "20",
         "-w", "\n%{http_code}", *map(str, options), url],
        capture_output=True, text=True, check=False, env=clean_environment())
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def tls_config(pair, *lines):
    cert, key = pair
    return "\n".join(["tls_server_config:", f"  cert_file: {cert.name}", f"  key_file: {key.name}",
                      *(f"  {line}" for line in lines), ""])


def users_config(**users):
    return "\n".join(["basic_auth_users:", *(f"  {n}: '{h}'" for n, h in users.items()), ""])


# ---- Prometheus ----

@pytest.mark.long
def test_prometheus(tmp_path):
    """It gets everything where it is let in, and nothing where it is not."""
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    pair = ca.server()
    good = ca.issue("client", "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:scraper.example")
    bad = other.issue("stranger", "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:scraper.example")
    ca_file = f"ca_file: {ca.cert}"
    user = "basic_auth: {{username: alice, password: {}}}".format

    def cert(which):
        return f"cert_file: {which[0]}, key_file: {which[1]}"

    jobs = {
        "plain": (9817, "http", "", 1),
        "plain-wrong-scheme": (9817, "https", f"tls_config: {{{ca_file}}}", 0),
        "users": (9818, "https", f"tls_config: {{{ca_file}}}\n    {user('secret')}", 1),
        "users-wrong": (9818, "https", f"tls_config: {{{ca_file}}}\n    {user('wrong')}", 0),
        "users-none": (9818, "https", f"tls_config: {{{ca_file}}}", 0),
        "users-http": (9818, "http", user("secret"), 0),
        "users-other-ca": (9818, "https",
                           f"tls_config: {{ca_file: {other.cert}}}\n    {user('secret')}", 0),
        "client": (9819, "https", f"tls_config: {{{ca_file}, {cert(good)}}}", 1),
        "client-none": (9819, "https", f"tls_config: {{{ca_file}}}", 0),
        "client-other-ca": (9819, "https", f"tls_config: {{{ca_file}, {cert(bad)}}}", 0),
    }
    config = "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n"
    for name, (port, scheme, extra, _) in jobs.items():
        config += (f"  - job_name: {name}\n    scheme: {scheme}\n"
                   f"    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")
        config += f"    {extra}\n" if extra else ""
    with contextlib.ExitStack() as stack:
        host, _ = stack.enter_context(scene(tmp_path, ""))
        stack.enter_context(scene(
            tmp_path, tls_config(pair, "min_version: TLS13") + users_config(alice=bcrypt("secret")),
            9818, host))
        stack.enter_context(scene(
            tmp_path, tls_config(pair, "client_auth_type: RequireAndVerifyClientCert",
                                 "client_ca_file: ca.pem",
                                 "client_allowed_sans: [scraper.example]"), 9819, host))
        prometheus = stack.enter_context(Prometheus(host, config, tmp_path))

        def up():
            return {r["metric"]["job"]: int(r["value"][1]) for r in prometheus.query("up")}

        expected = {name: job[3] for name, job in jobs.items()}
        wait_for(lambda: up() == expected, lambda: f"{up()} becomes {expected}")
        got = {r["metric"]["job"] for r in prometheus.query("packet_exporter_build_info")}
        assert got == {name for name, up in expected.items() if up}
        targets = json.loads(host.get(f"{prometheus.url}/api/v1/targets")[2])["data"]
        errors = {t["labels"]["job"]: t["lastError"] for t in targets["activeTargets"]}
        assert "401" in errors["users-wrong"] and "401" in errors["users-none"]
        assert "certificate" in errors["users-other-ca"]
        # OpenMetrics knows families, the text format only names of series.
        metadata = json.loads(host.get(f"{prometheus.url}/api/v1/targets/metadata?metric="
                                       "packet_exporter_http_requests")[2])["data"]
        assert {entry["type"] for entry in metadata} == {"counter"}


# ---- client certificates ----

@pytest.mark.long
def test_client_auth_types(tmp_path):
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    pair = ca.server()
    clients = {
        "none": None,
        "good": ca.issue("good", "extendedKeyUsage=clientAuth"),
        "stranger": other.issue("stranger", "extendedKeyUsage=clientAuth"),
        "server-only": ca.issue("server-only", "extendedKeyUsage=serverAuth"),
    }
    types = {
        "NoClientCert": {"none", "good", "stranger", "server-only"},
        "RequestClientCert": {"none", "good", "stranger", "server-only"},
        "RequireAnyClientCert": {"good", "stranger", "server-only"},
        "RequireClientCert": {"good", "stranger", "server-only"},
        "VerifyClientCertIfGiven": {"none", "good"},
        "RequireAndVerifyClientCert": {"good"},
    }
    with scene(tmp_path, tls_config(pair)) as (host, exporter):
        for auth, allowed in types.items():
            lines = [f"client_auth_type: {auth}"]
            if auth != "NoClientCert":
                lines.append("client_ca_file: ca.pem")
            reconfigure(host, exporter, tls_config(pair, *lines))
            for name, version in itertools.product(clients, ("1.2", "1.3")):
                client = clients[name]
                status, body = curl(
                    host, "https://127.0.0.1:9817/metrics", "--cacert", ca.cert, f"--tlsv{version}",
                    "--tls-max", version,
                    *(["--cert", client[0], "--key", client[1]] if client else []))
                assert (auth, name, version, status) == (
                    auth, name, version, 200 if name in allowed else 0)
                assert ("packet_exporter_build_info" in body) == (name in allowed)


@pytest.mark.long
def test_allowed_sans(tmp_path):
    ca = Authority(tmp_path)
    sans = {
        "DNS:scraper.example": True,
        "DNS:other.example,IP:192.0.2.7": True,
        "IP:2001:db8::7": True,
        "URI:spiffe://cluster/scraper": True,
        "email:scraper@example.org": True,
        "DNS:SCRAPER.example": False,
        "DNS:*.example": False,
        "DNS:x.scraper.example": False,
        "DNS:scraper.exampl": False,
        "IP:192.0.2.8": False,
        # As Go writes them.
        "IP:::ffff:192.0.2.9": True,
        "IP:::192.0.2.9": True,
        "": False,
    }
    names = "[scraper.example, 192.0.2.7, '2001:db8::7', spiffe://cluster/scraper, " \
            "scraper@example.org, 192.0.2.9, '::c000:209']"
    config = tls_config(ca.server(), "client_auth_type: RequireAndVerifyClientCert",
                        "client_ca_file: ca.pem", f"client_allowed_sans: {names}")
    with scene(tmp_path, config) as (host, _):
        for san, allowed in sans.items():
            client = ca.issue("client", f"subjectAltName={san}" if san else "")
            status, _ = curl(host, "https://127.0.0.1:9817/-/ready", "--cacert", ca.cert,
                             "--cert", client[0], "--key", client[1])
            assert (san, status) == (san, 200 if allowed else 0)


# ---- versions, suites, curves ----

def handshake(host, ca, *options):
    """(protocol, cipher, group) of a handshake, None if there is none."""
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, "openssl", "s_client", "-connect", "127.0.0.1:9817",
         "-CAfile", str(ca.cert), "-verify_return_error", "-brief", *options],
        input="GET /-/ready HTTP/1.0\r\n\r\n", capture_output=True, text=True, check=False,
        timeout=20)
    if "CONNECTION ESTABLISHED" not in done.stderr:
        return None
    group = re.search(r"^Server Temp Key: (?:ECDH, )?([^,\n]+)", done.stderr, re.M)
    return (re.search(r"^Protocol version: (\S+)", done.stderr, re.M)[1],
            re.search(r"^Ciphersuite: (\S+)", done.stderr, re.M)[1], group[1] if group else None)


@pytest.mark.long
def test_tls_parameters(tmp_path):
    """What the file lets in is what openssl can agree upon, with both kinds of keys."""
    ca = Authority(tmp_path)
    pairs = {"rsa": ca.server("rsa", key=("rsa:2048",)), "ecdsa": ca.server("ecdsa")}
    old = ("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    two, three = ("-tls1_2",), ("-tls1_3",)

    def only(cipher):
        return ("-tls1_2", "-cipher", cipher)

    cases = [
        # key, lines, openssl's options, protocol and cipher (None: anything), or no agreement
        ("rsa", [], three, ("TLSv1.3", None)),
        ("rsa", [], two, ("TLSv1.2", None)),
        ("rsa", [], old, None),
        ("rsa", [], only("DHE-RSA-AES256-GCM-SHA384"), None),
        ("rsa", ["min_version: TLS11"], old, ("TLSv1.1", None)),
        ("rsa", ["min_version: TLS13"], two, None),
        ("rsa", ["min_version: TLS13"], three, ("TLSv1.3", None)),
        ("rsa", ["max_version: TLS12"], three, None),
        ("rsa", ["max_version: TLS12"], (), ("TLSv1.2", None)),
        ("rsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"], two,
         ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")),
        ("rsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"],
         only("ECDHE-RSA-AES128-GCM-SHA256"), None),
        # Suites for the other kind of key allow nothing here.
        ("rsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
                 "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"],
         only("ECDHE-RSA-AES128-GCM-SHA256"), None),
        ("ecdsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
                   "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"],
         two, ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")),
        ("ecdsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"], two, None),
        # TLS 1.3 is not concerned, as in Go.
        ("ecdsa", ["cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"],
         ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
         ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")),
        ("ecdsa", ["cipher_suites: [TLS_AES_128_GCM_SHA256]"], two, None),
        ("ecdsa", ["cipher_suites: [TLS_AES_128_GCM_SHA256]"], (), ("TLSv1.3", None)),
        ("rsa", ["cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"], two, ("TLSv1.2", "AES128-SHA")),
        ("rsa", ["cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"], only("AES128-SHA256"), None),
        # The server's order, or the client's.
        ("rsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
                 "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"],
         only("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"),
         ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")),
        ("rsa", ["cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
                 "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", "prefer_server_cipher_suites: false"],
         only("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"),
         ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
        ("rsa", ["curve_preferences: [CurveP521]"], (*three, "-groups", "P-521:X25519"),
         ("TLSv1.3", None, "secp521r1")),
        ("rsa", ["curve_preferences: [CurveP521]"], (*three, "-groups", "X25519"), None),
        ("rsa", ["curve_preferences: [X25519]"], (*two, "-groups", "P-256:X25519"),
         ("TLSv1.2", None, "X25519")),
    ]
    with scene(tmp_path, tls_config(pairs["rsa"])) as (host, exporter):
        for key, lines, options, expected in cases:
            reconfigure(host, exporter, tls_config(pairs[key], *lines))
            got = handshake(host, ca, *options)
            if expected is None or got is None:
                assert (lines, options, got) == (lines, options, expected)
            else:
                assert all(e in (None, g) for e, g in zip(expected, got)), (lines, options, got)


# ---- changes while it runs ----

def serial(host, port=9817):
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with host.inside():
        sock = socket.create_connection(("127.0.0.1", port), 10)
    with sock, context.wrap_socket(sock) as secure:
        pem = ssl.DER_cert_to_PEM_cert(secure.getpeercert(True))
    return run("openssl", "x509", "-noout", "-serial", input=pem).strip()


def file_serial(cert):
    return run("openssl", "x509", "-noout", "-serial", "-in", cert).strip()


def test_rotation(tmp_path):
    """New certificates are shown to new connections; old ones go on; nothing is restarted."""
    ca = Authority(tmp_path)
    pair, new = ca.server(), ca.server("new")
    context = ssl.create_default_context(cafile=ca.cert)
    with scene(tmp_path, tls_config(pair)) as (host, exporter):
        with host.inside():
            sock = socket.create_connection(("127.0.0.1", 9817), 10)
        with context.wrap_socket(sock, server_hostname="localhost") as kept:
            assert serial(host) == file_serial(pair[0])
            # A certificate without its key is not taken.
            shutil.copy(new[0], pair[0])
            wait_for(lambda: serial(host) and "stays in force" in exporter.log(), "it is refused")
            assert serial(host) != file_serial(new[0])
            os.replace(new[1], pair[1])
            wait_for(lambda: serial(host) == file_serial(new[0]), "the new one is shown")
            kept.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert kept.recv(100).startswith(b"HTTP/1.1 200")
        assert exporter.log().count("stays in force") == 1


def gauge(host, *options):
    status, body = curl(host, "http://127.0.0.1:9817/metrics", "-H",
                        "Accept: application/openmetrics-text", *options)
    return Metrics(body).sum("config_last_reload_successful") if status == 200 else None


def test_broken_and_repaired(tmp_path):
    """A bad file changes nothing but a gauge and one line of the log."""
    with scene(tmp_path, users_config(alice=bcrypt("one"))) as (host, exporter):
        file = tmp_path / "web-9817.yml"
        assert gauge(host, "-u", "alice:one") == 1
        def be_socket():
            file.unlink()
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(file))

        for breaking in (
            lambda: file.write_text("basic_auth_users: [", encoding="utf-8"),
            lambda: file.write_text("basic_auth_users:\n  alice: two\n", encoding="utf-8"),
            be_socket,  # is there, and cannot be opened
            file.unlink,
        ):
            before = exporter.log().count("stays in force")
            breaking()
            wait_for_log(host, exporter, "stays in force", before + 1)
            assert gauge(host, "-u", "alice:one") == 0
        assert re.search(rf"level=error .*{file}:2: basic_auth_users: the password", exporter.log())
        file.write_text(users_config(alice=bcrypt("two")), encoding="utf-8")
        wait_for(lambda: gauge(host, "-u", "alice:two") == 1, "the new password is taken")
        assert curl(host, "http://127.0.0.1:9817/metrics", "-u", "alice:one")[0] == 401
        assert exporter.log().count("stays in force") == 4


def reload(exporter):
    """Sends SIGHUP and returns the line that says what became of it."""
    def lines():
        return re.findall(r"level=\w+ subsystem=web .*(?:stays in force|read .* again).*",
                          exporter.log())

    before = len(lines())
    exporter.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(lines()) > before, "it is read")
    assert len(lines()) == before + 1
    return lines()[-1]


def test_half_written(tmp_path):
    """While a file is written in place nobody gets in who could not before, nor after it."""
    def config(password):
        return ("# users\n" + users_config(alice=bcrypt(password), bob=bcrypt(password)) +
                "http_server_config:\n  headers:\n    X-Frame-Options: deny\n")

    known = {"Authorization": "Basic " + base64.b64encode(b"alice:one").decode()}
    with scene(tmp_path, config("one")) as (host, exporter):
        def ask(headers=None):
            return host.get(f"{exporter.url}/-/ready", headers)[0]

        def put(text):
            """At once, so that each reload is of this."""
            new = tmp_path / "new"
            new.write_text(text, encoding="ascii")
            new.replace(exporter.config)
            return reload(exporter)

        whole = config("two")
        ends = {m.end() for m in re.finditer("\n", whole)} | set(range(0, len(whole), 17))
        for end in sorted(ends - {len(whole)}):
            # With a whole line of a user it is a file as good as any other.
            good = whole[:end].endswith("\n") and "alice" in whole[:end]
            assert ("again" if good else "stays in force") in put(whole[:end]), whole[:end]
            assert (end, ask(), ask(known)) == (end, 401, 401 if good else 200)
            assert " again" in put(config("one"))
        statuses = []
        empty = exporter.log().count("is empty, which takes a restart")
        with background(lambda: statuses.append(ask())):
            exporter.config.write_text("", encoding="ascii")
            wait_for(lambda: exporter.log().count("is empty, which takes a restart") > empty,
                     "it is looked at while there is nothing in it")
            exporter.config.write_text(whole, encoding="ascii")
            wait_for(lambda: ask(known) == 401, "it is read when it is whole")
        assert set(statuses) == {401}
        assert gauge(host, "-u", "bob:two") == 1


@pytest.mark.parametrize("lost,given", [
    ("client_auth_type: RequireAndVerifyClientCert", "client_auth_type: NoClientCert"),
    ("client_allowed_sans: [good]", "client_allowed_sans: []"),
])
def test_lost_line(tmp_path, lost, given):
    """What asks for certificates and is gone was perhaps not written yet; what is written is meant."""
    ca = Authority(tmp_path)
    lines = ["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: ca.pem",
             "client_allowed_sans: [good]"]
    pair = ca.server()
    kept = [line for line in lines if line != lost]
    if lost == lines[0]:
        kept = []
    with scene(tmp_path, tls_config(pair, *lines)) as (host, exporter):
        def ask():
            return curl(host, "https://127.0.0.1:9817/-/ready", "--cacert", ca.cert)[0]

        exporter.config.write_text(tls_config(pair, *kept), encoding="ascii")
        assert f"has no {lost.partition(':')[0]} any more, which takes a restart" in reload(exporter)
        assert ask() == 0
        exporter.config.write_text(tls_config(pair, *kept, given), encoding="ascii")
        assert " again" in reload(exporter)
        assert ask() == (200 if lost == lines[0] else 0)


def test_tls_is_not_turned_off(tmp_path):
    """What was encrypted does not become plain because a section was lost."""
    ca = Authority(tmp_path)
    pair = ca.server()
    for first, second, word in ((tls_config(pair), "", "off"), ("", tls_config(pair), "on")):
        with scene(tmp_path, first) as (host, exporter):
            (tmp_path / "web-9817.yml").write_text(second, encoding="utf-8")
            scheme = "https" if first else "http"
            url = f"{scheme}://127.0.0.1:9817/-/ready"
            wait_for(lambda: curl(host, url, "--cacert", ca.cert)[0] == 200 and
                     f"TLS cannot be turned {word} without a restart" in exporter.log(),
                     "it is refused")
            assert curl(host, url, "--cacert", ca.cert)[0] == 200


# ---- users ----

@pytest.mark.long
def test_users(tmp_path):
    # Of "fakepassword", by Go's bcrypt.
    go = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
    long = "x" * 72
    config = users_config(alice=bcrypt("sécret: 1"), go=go, empty=bcrypt(""), long=bcrypt(long))
    with scene(tmp_path, config) as (host, exporter):
        def ask(*options, path="/metrics"):
            return curl(host, f"http://127.0.0.1:9817{path}", *options)

        good = ["alice:sécret: 1", "go:fakepassword", "empty:", f"long:{long}"]
        bad = ["alice:sécret: 2", "alice:", "Alice:sécret: 1", "bob:sécret: 1", ":", "go:alice",
               "empty:x", f"alice:{'x' * 600}", f"{'a' * 600}:x", f"long:{long[1:]}"]
        for user in good * 2:
            assert (user, ask("-u", user)[0]) == (user, 200)
        for user in bad:
            status, body = ask("-u", user)
            assert (user, status, body) == (user, 401, "Unauthorized\n")
        for path in ("/", "/-/ready", "/metrics", "/api/v1/health", "/nothing"):
            assert ask(path=path)[0] == 401
            assert ask("-u", good[0], path=path)[0] == (404 if path == "/nothing" else 200)
        for header in ("", "Basic", "Basic ", "Basic !!!!", "Bearer abc", "Basic YWxpY2U=",
                       # "empty:\0x"
                       "Basic ZW1wdHk6AHg=", f"Basic {'A' * 8000}"):
            assert (header, ask("-H", f"Authorization: {header}")[0]) == (header, 401)
        head = ask("-i", "-X", "POST", "-d", "x=1")[1]
        assert re.search(r'^WWW-Authenticate: Basic realm="packet-exporter"', head, re.M)
        assert ask("-u", good[0], "-X", "POST", "-d", "x=1")[0] == 405
        status, body = ask("-u", good[0], "-H", "Accept: application/openmetrics-text")
        assert Metrics(body).sum("http_requests_total", code="401") >= len(bad)
        assert "secret" not in exporter.log() and "sécret" not in exporter.log()


def ask_raw(host, user, results, path="/-/ready", server=("127.0.0.1", 9817), source=None):
    """One request on a connection of its own; appends (status, seconds)."""
    token = base64.b64encode(user.encode()).decode()
    begin = time.monotonic()
    with host.inside():
        sock = socket.create_connection(server, 30, source and (source, 0))
    with sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     f"Authorization: Basic {token}\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := sock.recv(4096):
                answer += chunk
    results.append((int(answer.split()[1]) if answer else 0, time.monotonic() - begin))


@pytest.mark.long
def test_hashing_is_out_of_the_way(tmp_path):
    """While wrong passwords are hashed, whoever is known is served; too many are turned away."""
    with scene(tmp_path, users_config(alice=bcrypt("right", cost=10))) as (host, exporter):
        known = []
        ask_raw(host, "alice:right", known)
        assert known[0][0] == 200
        one_hash_s = hashed_s(exporter)
        wrong = []
        threads = [threading.Thread(target=ask_raw, args=(host, f"alice:wrong{i}", wrong))
                   for i in range(80)]
        for thread in threads:
            thread.start()
        known.clear()
        while any(thread.is_alive() for thread in threads):
            ask_raw(host, "alice:right", known)
        for thread in threads:
            thread.join()
        statuses = [status for status, _ in wrong]
        assert set(statuses) == {401, 503}
        # One is hashed at a time and 32 wait; how many come in time, and wait too long, differs.
        assert 0 < statuses.count(401) < len(statuses)
        assert {status for status, _ in known} == {200}
        # They were asked one after the other, so each has waited for no more than its neighbours.
        assert len(known) > 2 * statuses.count(401)
        # Each of these has had a hash of its own, and who is not in the file has, too.
        total_s = hashed_s(exporter)
        assert total_s - one_hash_s > statuses.count(401) * one_hash_s / 4
        unknown = []
        ask_raw(host, "nobody:right", unknown)
        assert unknown[0][0] == 401 and hashed_s(exporter) - total_s > one_hash_s / 4


def test_passwords_take_no_places(tmp_path):
    """Whoever waits for a hash does not shut out who is known, however few places there are."""
    file = tmp_path / "web.yml"
    file.write_text(users_config(alice=bcrypt("right", cost=12)), encoding="ascii")
    with Namespace() as host, WebExporter(host, f"--web.config.file={file}",
                                          "--web.max-connections=16") as exporter:
        wrong, known, ended = [], [], threading.Event()
        ask_raw(host, "alice:right", known)
        one_hash_s = known.pop()[1]

        def guess():
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    ask_raw(host, "alice:wrong", wrong)

        # As many as can be hashed or wait, and some that are turned away again and again.
        threads = [threading.Thread(target=guess) for _ in range(33 + 5)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: 503 in {status for status, _ in wrong}, "as many wait as there may")
            for _ in range(5):
                ask_raw(host, "alice:right", known)
        finally:
            ended.set()
            exporter.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
        assert {status for status, _ in known} == {200}
        # In the queue of those others it would have waited for 32 hashes.
        assert max(seconds for _, seconds in known) < max(1, 8 * one_hash_s)


@contextlib.contextmanager
def guessing(exporter, guess, count):
    """So many threads that guess(number) again and again; ends with the exporter."""
    ended = threading.Event()

    def work(number):
        while not ended.wait(0.05):
            with contextlib.suppress(OSError):
                guess(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        exporter.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()


def test_known_over_reload(tmp_path):
    """Who was let in stays known as long as his hash is the same, however full the queue is."""
    first, second = (crypt.crypt("one", f"$2b$12${salt}bcdefghijklmnopqrstuu") for salt in "ab")

    def config(hashed, header):
        return (users_config(alice=hashed, bob=bcrypt("x")) +
                f"http_server_config: {{headers: {{X-Frame-Options: {header}}}}}\n")

    with scene(tmp_path, config(first, "deny")) as (host, exporter):
        def ask():
            results = []
            ask_raw(host, "alice:one", results)
            return results[0][0]

        def put(text):
            """Whoever guesses meanwhile may have it read, too."""
            before = exporter.log().count(".yml again")
            exporter.config.write_text(text, encoding="ascii")
            exporter.process.send_signal(signal.SIGHUP)
            wait_for(lambda: exporter.log().count(".yml again") > before, "it is read")

        assert ask() == 200
        before = hashed_s(exporter)
        put(config(second, "deny"))
        assert ask() == 200 and hashed_s(exporter) > before + 0.05, "the same word, another hash"
        put(config(bcrypt("two"), "deny"))
        assert ask() == 401
        put(config(first, "deny"))
        wrong = []
        with guessing(exporter, lambda n: ask_raw(host, f"alice:wrong{n}", wrong), 48):
            wait_for(lambda: 503 in {status for status, _ in wrong}, "as many wait as there may")
            for header in ("sameorigin", "deny", "sameorigin"):
                put(config(first, header))
                assert ask() == 200


def test_places_by_address(tmp_path):
    """However many guess from one address or network, the passwords of others are looked at."""
    names = [f"user{i}" for i in range(4)]
    file = tmp_path / "web.yml"
    file.write_text(users_config(**{name: bcrypt(name, cost=10) for name in names}),
                    encoding="ascii")
    with Namespace() as host, WebExporter(host, f"--web.config.file={file}",
                                          "--web.listen-address=[::]:9818") as exporter:
        host.write("net/ipv6/conf/lo/disable_ipv6", 0)
        for net, i in itertools.product((1, 2), range(8)):
            host.ip("addr", "add", f"fd00:{net}::{i + 1}/64", "dev", "lo", "nodad")
        v4, v6 = ("127.0.0.1", 9817), ("fd00:2::1", 9818)
        good, wrong = [], ([], [])
        ask_raw(host, "nobody:x", good)
        one_hash_s = good.pop()[1]

        def guess(number):
            """Half from one address, half from one network."""
            server = (v4, v6)[number % 2]
            source = None if server is v4 else f"fd00:1::{number // 2 % 8 + 1}"
            ask_raw(host, f"user0:wrong{number}", wrong[number % 2], server=server, source=source)

        with guessing(exporter, guess, 40):
            for results in wrong:
                wait_for(lambda r=results: 503 in {status for status, _ in r},
                         "as many wait as there may")
            for i, name in enumerate(names):
                if i % 2:
                    ask_raw(host, f"{name}:{name}", good, source=f"127.0.0.{i + 2}")
                else:
                    ask_raw(host, f"{name}:{name}", good, server=v6, source=f"fd00:2::{i + 1}")
        assert [status for status, _ in good] == [200] * 4
        # Each waits for the hash that is being made and for one of either half, not for all 32.
        # How long one takes was measured while nobody else was there.
        assert max(seconds for _, seconds in good) < 1 + 24 * one_hash_s


def test_few_open_files(tmp_path):
    """Those that wait for a hash take no places, but descriptors: some are left all the same."""
    limit, own, links = 200, 64 + 2 * 3, 30
    file = tmp_path / "web.yml"
    file.write_text(users_config(alice=bcrypt("right", cost=14)), encoding="ascii")
    guess = base64.b64encode(b"alice:wrong").decode()
    request = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {guess}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        exporter = stack.enter_context(WebExporter(
            host, "--workers=2", f"--web.config.file={file}",
            prefix=["prlimit", f"--nofile={limit}"]))
        places = int(re.search(r"(\d+) connections are served at the same time, not 512",
                               exporter.log())[1])

        def sockets():
            return sum(name.startswith("socket:") for name in exporter.open_files())

        resting, resting_sockets = len(exporter.open_files()), sockets()
        assert resting < own
        host.batch(f"link add s{n} type veth peer name t{n}" for n in range(links))
        wait_for(lambda: len(exporter.open_files()) >= resting + links, "as many as there may be")
        for number in range(33 + 200):
            with host.inside():
                client = stack.enter_context(socket.create_connection(("127.0.0.1", 9817), 10))
            if number < 33:
                client.sendall(request)
        wait_for(lambda: sockets() >= resting_sockets + places + 32, "it is full")
        assert len(exporter.open_files()) <= limit - (own - resting)


def test_stop_while_hashing(tmp_path):
    with scene(tmp_path, users_config(alice=bcrypt("right", cost=10))) as (host, exporter):
        results = []
        threads = [threading.Thread(target=ask_raw, args=(host, "alice:wrong", results))
                   for _ in range(20)]
        for thread in threads:
            thread.start()
        wait_for(lambda: results, "the first has been answered")
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(DEADLINE_S) == 0
        for thread in threads:
            thread.join()
        assert all(status in (0, 401, 503) for status, _ in results)


@pytest.mark.long
def test_stop_while_hashing_and_pushing(tmp_path):
    """The last push to a gateway that hangs and a most expensive hash take their time together."""
    with Namespace() as host:
        with host.inside():
            silent = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        file = tmp_path / "web.yml"
        begin = time.monotonic()
        file.write_text(users_config(alice=bcrypt("right", cost=15)), encoding="ascii")
        one_hash_s = time.monotonic() - begin
        with silent, WebExporter(host, f"--web.config.file={file}", f"--push.url={url}",
                                 "--push.timeout=60s") as exporter:
            thread = threading.Thread(target=ask_raw, args=(host, "alice:wrong", []))
            thread.start()
            wait_for(lambda: hashed_s(exporter) > 0.05, "the hash is being made")
            exporter.process.send_signal(signal.SIGTERM)
            begin = time.monotonic()
            assert exporter.process.wait(300) == 0
            # On a slow machine the hash takes longer than it took here; a push has given up by then.
            assert time.monotonic() - begin < PROMPT_S + 2 * one_hash_s
            thread.join()


@pytest.mark.long
def test_scrapes_until_the_end(tmp_path):
    """Who is known is served while a hash is waited for, with the numbers of the push that ended."""
    file = tmp_path / "web.yml"
    file.write_text(users_config(alice=bcrypt("right", cost=14)), encoding="ascii")
    known = {"Authorization": "Basic " + base64.b64encode(b"alice:right").decode()}
    answers = []
    with Namespace() as host:
        with WebExporter(host, f"--web.config.file={file}", "--push.url=http://127.0.0.1:1",
                         "--push.on-exit=none") as exporter:
            def scrape():
                # The last one may be refused, or cut off by the end.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answers.append(b"push_duration" in host.get(f"{exporter.url}/metrics", known)[2])

            # Only then is the user known.
            wait_for(lambda: scrape() or answers and answers.pop(), "the first hash is made")
            before = hashed_s(exporter)
            thread = threading.Thread(target=ask_raw, args=(host, "alice:wrong", []))
            thread.start()
            wait_for(lambda: hashed_s(exporter) > before + 0.05, "the second hash is being made")
            exporter.process.send_signal(signal.SIGTERM)
            with background(scrape):
                assert exporter.process.wait(30) == 0
            thread.join()
    assert len(answers) > 5 and all(answers)


def hashed_s(exporter):
    """How long the thread that hashes has used the CPU."""
    for task in pathlib.Path(f"/proc/{exporter.process.pid}/task").iterdir():
        if task.joinpath("comm").read_text() == "pe-bcrypt\n":
            used = task.joinpath("stat").read_text().rpartition(")")[2].split()[11]
            return int(used) / os.sysconf("SC_CLK_TCK")
    return 0


# ---- headers ----

def test_headers(tmp_path):
    config = ("http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n"
              "    X-Content-Type-Options: nosniff\n    Content-Security-Policy: default-src x\n")
    with scene(tmp_path, config) as (host, exporter):
        for path in ("/", "/metrics", "/nothing"):
            head = curl(host, f"http://127.0.0.1:9817{path}", "-i")[1]
            for name, value in (("X-Frame-Options", "deny"), ("X-Content-Type-Options", "nosniff"),
                                ("Content-Security-Policy", "default-src x")):
                assert re.findall(rf"^{name}: (.*?)\r?$", head, re.M) == [value]
        assert "http2: only HTTP/1.1 is offered" in exporter.log()


def test_not_tls(tmp_path):
    """Who does not speak TLS gets nothing, and costs nobody anything."""
    ca = Authority(tmp_path)
    with scene(tmp_path, tls_config(ca.server())) as (host, _):
        assert curl(host, "http://127.0.0.1:9817/metrics")[0] == 0
        with host.inside():
            sock = socket.create_connection(("127.0.0.1", 9817), 10)
        with sock:
            sock.sendall(os.urandom(4096))
            assert curl(host, "https://127.0.0.1:9817/metrics", "--cacert", ca.cert)[0] == 200
        # HTTP/2 is offered and not taken.
        version = curl(host, "https://127.0.0.1:9817/metrics", "--cacert", ca.cert, "--http2",
                       "-o", "/dev/null", "-w", "%{http_version}\n%{http_code}")
        assert version == (200, "1.1")


# ---- what a file is said to be ----

def verdicts(folder):
    """(name, text, ours, promtool's, where ours points) of files in a folder with certificates."""
    pair = "  cert_file: server.pem\n  key_file: server.key\n"
    tls = f"tls_server_config:\n{pair}"
    hashed = bcrypt("x")
    return [
        ("empty", "", True, True, None),
        ("plain", "http_server_config:\n  http2: false\n", True, True, None),
        ("tls", tls, True, True, None),
        ("absolute", f"tls_server_config:\n  cert_file: {folder}/server.pem\n"
                     f"  key_file: {folder}/server.key\n", True, True, None),
        ("http2", tls + "http_server_config:\n  http2: true\n", True, True, None),
        ("versions", tls + "  min_version: TLS12\n  max_version: TLS13\n", True, True, None),
        ("suites", tls + "  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                         "    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n", True, True, None),
        ("curves", tls + "  curve_preferences: [X25519, CurveP256]\n", True, True, None),
        ("client", tls + "  client_auth_type: RequireAndVerifyClientCert\n"
                         "  client_ca_file: ca.pem\n", True, True, None),
        ("users", f"basic_auth_users:\n  a: {hashed}\n  b: {hashed}\n", True, True, None),
        ("headers", "http_server_config:\n  headers:\n    X-Frame-Options: deny\n", True, True, None),
        ("no key", "tls_server_config:\n  cert_file: server.pem\n", False, False, ":2: "),
        ("no cert", "tls_server_config:\n  key_file: server.key\n", False, False, ":2: "),
        ("missing cert", "tls_server_config:\n  cert_file: x\n  key_file: server.key\n", False,
         False, "web.yml: cert_file: cannot be read: No such file or directory"),
        ("wrong key", "tls_server_config:\n  cert_file: server.pem\n  key_file: ca.key\n", False,
         False, "cannot use the certificate"),
        ("key for cert", "tls_server_config:\n  cert_file: server.key\n  key_file: server.key\n",
         False, False, "cannot use the certificate"),
        ("missing CA", tls + "  client_auth_type: RequireAndVerifyClientCert\n"
                             "  client_ca_file: x\n", False, False, "web.yml: client_ca_file: cannot be read"),
        ("CA alone", tls + "  client_ca_file: ca.pem\n", False, False, ":4: "),
        ("auth type", tls + "  client_auth_type: Maybe\n", False, False, ":4: "),
        ("version", tls + "  min_version: SSL30\n", False, False, ":4: "),
        ("suite", tls + "  cipher_suites: [TLS_X]\n", False, False, ":4: "),
        ("curve", tls + "  curve_preferences: [X]\n", False, False, ":4: "),
        ("header", "http_server_config:\n  headers:\n    Server: x\n", False, False, ":3: "),
        ("header value", "http_server_config:\n  headers:\n    X-Frame-Options: x\n", False, False,
         ":3: "),
        ("hash", "basic_auth_users:\n  a: secret\n", False, False, ":2: "),
        ("unknown", "x: 1\n", False, False, ":1: "),
        ("unknown inside", tls + "  x: 1\n", False, False, ":4: "),
        ("twice", "http_server_config: {}\nhttp_server_config: {}\n", False, False, ":2: "),
        ("type", "tls_server_config: []\n", False, False, ":1: "),
        ("bool", "http_server_config:\n  http2: 3\n", False, False, ":2: "),
        ("not YAML", "tls_server_config: {\n", False, False, "not YAML"),
        # Here ours is stricter: what the toolkit would take without doing as it says.
        ("no certificate", "tls_server_config:\n  min_version: TLS13\n", False, True, ":2: "),
        ("min above max", tls + "  min_version: TLS13\n  max_version: TLS12\n", False, True, ":4: "),
        ("no CA inside", tls + "  client_auth_type: RequireAndVerifyClientCert\n"
                               "  client_ca_file: server.key\n", False, True, "no certificate in"),
        ("cost", f"basic_auth_users:\n  a: $2y$31${hashed[7:]}\n", False, True, ":2: "),
        ("two documents", "{}\n---\n{}\n", False, True, ":2: "),
        ("alias", "http_server_config: &a {}\ntls_server_config: *a\n", False, True, ":1: "),
        ("products", tls + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "
                           "TLS_RSA_WITH_AES_256_GCM_SHA384]\n", False, True,
         "without TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ]


@pytest.mark.long
def test_verdicts(tmp_path):
    """Ours of many files, beside promtool's, which is that of the format's own library."""
    ca = Authority(tmp_path)
    ca.server(key=("rsa:2048",))
    files = {tmp_path / f"{number}-web.yml": verdict
             for number, verdict in enumerate(verdicts(tmp_path))}
    for file, (_, text, *_) in files.items():
        file.write_text(text, encoding="utf-8")
    promtool = subprocess.run(["promtool", "check", "web-config", *files], capture_output=True,
                              text=True, check=False)
    said = promtool.stderr.splitlines()
    for file, (name, _, ours, theirs, where) in files.items():
        done = subprocess.run([EXPORTER, "--check-config", f"--web.config.file={file}"],
                              capture_output=True, text=True, check=False, env=clean_environment())
        assert (name, done.returncode) == (name, 0 if ours else 2), done.stderr
        if not ours:
            begin = f"packet-exporter: --web.config.file: {tmp_path}/"
            assert done.stderr.startswith(begin) and done.stderr.count("\n") == 1
            assert (name, where in done.stderr) == (name, True), done.stderr
        assert (name, f"{file} SUCCESS" in said) == (name, theirs), promtool.stderr
        assert theirs or f"{file} FAILED: " in promtool.stderr


@pytest.mark.parametrize("text", [
    "{}: x\n", "tls_server_config:\n  {}: x\n", "basic_auth_users:\n  {}: x\n",
    "basic_auth_users:\n  a: {}\n", "http_server_config:\n  headers:\n    {}: x\n",
    "http_server_config:\n  headers:\n    X-Frame-Options: {}\n", "http_server_config:\n  http2: {}\n",
    "tls_server_config:\n  cert_file: {}\n  key_file: /dev/null\n",
    "tls_server_config:\n  cert_file: 'a{}\n", "tls_server_config:\n  min_version: {}\n",
    "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_auth_type: {}\n",
    "tls_server_config:\n  cert_file: a\n  key_file: b\n  cipher_suites: [{}]\n",
    "tls_server_config:\n  curve_preferences: [{}]\n", "{0}: a\n{0}: b\n", "a: *{}\n", "a: !{} b\n",
    "%{}\n", "{}", "root:{}:1::\nx: y\n", "- {}\n", "{{{}: [\n", "\t{}\n",
])
def test_nothing_is_quoted(tmp_path, text):
    """Of the file, which may be another one than was meant: neither at the start nor later."""
    secret = "s3cret"
    file = tmp_path / "web.yml"
    file.write_text(text.format(secret), encoding="ascii")
    done = subprocess.run([EXPORTER, "--check-config", f"--web.config.file={file}"],
                          capture_output=True, text=True, check=False, env=clean_environment())
    assert done.returncode == 2 and secret not in done.stdout + done.stderr, done.stderr


def test_bad_file_at_start(tmp_path):
    """It does not serve without what was to protect it."""
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_user: {}\n", encoding="utf-8")
    with Namespace() as host:
        process = host.popen(EXPORTER, f"--web.config.file={file}", stderr=subprocess.PIPE,
                             env=clean_environment())
        try:
            error = process.communicate(timeout=20)[1].decode()
        finally:
            stop(process)
        assert process.returncode == 1
        assert f'{file}:1: unknown key"' in error
        assert error.count("\n") == 1


# ---- systemd ----

LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[2].split()]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=sys.argv[1] or str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=sys.argv[3])
os.execv(sys.argv[4], sys.argv[4:])
"""


@contextlib.contextmanager
def activated(host, sockets, *options, names="web", pid=""):
    """The daemon as systemd starts it: with these sockets from descriptor 3 on."""
    fds = [sock.fileno() for sock in sockets]
    process = host.popen(
        "/usr/bin/python3", "-c", LAUNCHER, pid, " ".join(map(str, fds)), names, EXPORTER,
        "--web.systemd-socket", *options, stderr=subprocess.PIPE, pass_fds=fds,
        env=clean_environment())
    try:
        yield process
    finally:
        stop(process)
        process.stderr.close()


def listening(host, family, address, number):
    with host.inside():
        sock = socket.socket(family)
    sock.bind(address)
    sock.listen()
    # Away from 3, where the launcher puts them.
    high = socket.socket(fileno=os.dup2(sock.fileno(), 60 + number))
    sock.close()
    return high


def test_systemd_sockets(tmp_path):
    """It serves on what it was passed, and on nothing else; whoever came before is not lost."""
    path = str(tmp_path / "web.sock")
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        sockets = [stack.enter_context(s) for s in (
            listening(host, socket.AF_INET, ("127.0.0.1", 9900), 0),
            listening(host, socket.AF_UNIX, path, 1))]
        results = []
        early = threading.Thread(
            target=lambda: results.append(curl(host, "http://127.0.0.1:9900/-/healthy")[0]))
        early.start()
        process = stack.enter_context(activated(host, sockets, names="web:local"))
        wait_for(lambda: curl(host, "http://127.0.0.1:9900/-/ready")[0] == 200, "it is ready")
        early.join()
        assert results == [200]
        assert curl(host, "http://x/metrics", "--unix-socket", path)[0] == 200
        assert curl(host, "http://127.0.0.1:9817/metrics")[0] == 0
        links = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (3, 4)]
        assert all(link.startswith("socket:") for link in links)
        assert stop(process) == 0
        # The sockets are systemd's, and still listen for the next one.
        stack.enter_context(activated(host, sockets))
        wait_for(lambda: curl(host, "http://127.0.0.1:9900/-/ready")[0] == 200, "it is ready again")


def test_systemd_without_sockets():
    with Namespace() as host:
        for options in ({"sockets": []}, {"sockets": [], "pid": "1"}):
            with activated(host, options.pop("sockets"), **options) as process:
                error = process.communicate(timeout=20)[1].decode()
                assert process.returncode == 1
                assert re.fullmatch(r".* level=error subsystem=web msg=\"systemd passed no socket.*\n",
                                    error)
