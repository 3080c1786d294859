# SPDX-License-Identifier: GPL-2.0-or-later
"""What a thread that has been taken over can still do; and that all goes on under the sandbox."""
import base64
import contextlib
import errno
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from harness import (
    BUILD, EXPORTER, REFUSED, Container, IdentifyingExporter as Exporter, Namespace, Pushgateway,
    clean_environment, ipv4, needs_root, udp, wait_for,
)

pytestmark = needs_root

# Refused by the kernel as well, because the capability is gone.
NEED_CAPABILITY = {"load_module", "load_kernel"}
# Root may, once the sandbox is off. Beyond these are what a kernel may be built without.
OPTIONAL = {"open_uring", "open_userfault", "add_key"}
# Landlock's, which the filter of system calls does not see.
BY_LANDLOCK = {"read_shadow", "list_root"}
# The C library and others try it all the time, so it is neither counted nor logged.
UNCOUNTED = {"connect_unix"}


class Taken(Exporter):
    """An exporter of which a thread obeys to somebody else at SIGUSR1."""

    def __init__(self, host, directory, *options):
        self.report = directory / "report"
        self.victim = directory / "victim"
        self.report.touch()
        self.victim.write_text("content", encoding="ascii")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(directory / "docker.sock"))
        self.listener.listen()
        for path in (directory, self.report, self.victim, directory / "docker.sock"):
            path.chmod(0o777)
        super().__init__(
            host, *options, prefix=["env", f"LD_PRELOAD={BUILD}/tests/integration/takeover.so"],
            env={"TAKEOVER_REPORT": str(self.report), "TAKEOVER_VICTIM": str(self.victim),
                 "TAKEOVER_LISTENER": str(directory / "docker.sock")},
        )

    def attack(self):
        """The errno of each attempt, 0 if it succeeded."""
        self.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "end 0\n" in self.report.read_text(), "all has been tried")
        pairs = [line.split() for line in self.report.read_text().splitlines()]
        return {name: int(error) for name, error in pairs if name != "end"}

    def __exit__(self, *_):
        self.listener.close()
        assert self.close() == 0


def parts(exporter):
    return {s.labels["kind"]: s.value for s in exporter.scrape().find("sandbox_active")}


def status(pid):
    """The fields of each thread's status."""
    return [
        dict(line.split(":\t", 1) for line in t.joinpath("status").read_text().splitlines()
             if ":\t" in line)
        for t in pathlib.Path(f"/proc/{pid}/task").iterdir()
    ]


@pytest.mark.parametrize("options", [[], ["--user=nobody"]], ids=["root", "user"])
def test_taken_over(tmp_path, options):
    """Each attempt is refused and counted, the first is logged, and the exporter goes on."""
    with Namespace() as host, Taken(host, tmp_path, *options) as exporter:
        assert parts(exporter) == {"seccomp": 1, "landlock": 1}
        assert exporter.scrape().sum("denied_system_calls_total") == 0
        results = exporter.attack()
        allowed = {name: error for name, error in results.items()
                   if error not in (errno.EPERM, errno.EACCES)}
        assert not allowed and len(results) > 30
        # Those of the attempts, and of the children that they would have been made by.
        refused = exporter.scrape().sum("denied_system_calls_total")
        assert refused >= 2 * len(results) - len(BY_LANDLOCK | UNCOUNTED)
        wait_for(lambda: REFUSED in exporter.log(), "it is logged")
        assert exporter.victim.read_text(encoding="ascii") == "content"
        with Container(host, 1):
            wait_for(lambda: exporter.scrape().live(interface="veth1"), "it runs")
    assert exporter.log().count(REFUSED) == 1


def test_without(tmp_path):
    """The same attempts succeed with --sandbox=off, so that they would be seen above."""
    with Namespace() as host, Taken(host, tmp_path, "--sandbox=off") as exporter:
        assert parts(exporter) == {"seccomp": 0, "landlock": 0}
        results = exporter.attack()
        refused = {name for name, error in results.items() if error}
        assert NEED_CAPABILITY <= refused
        assert not refused - NEED_CAPABILITY - OPTIONAL
        assert exporter.scrape().sum("denied_system_calls_total") == 0
    assert REFUSED not in exporter.log()


def test_threads(tmp_path):
    """All of them are restricted, those that come later, too."""
    with Namespace() as host, Pushgateway(host), Exporter(
        host, "--workers=3", "--push.url=http://localhost:9091"
    ) as exporter:
        wait_for(lambda: exporter.scrape().sum("push_requests_total", result="ok"), "it pushes")
        pid = exporter.process.pid
        assert len(os.listdir(f"/proc/{pid}/task")) >= 6
        for thread in status(pid):
            assert thread["Seccomp"] == "2", thread
            # A call that is refused would kill the process.
            assert not int(thread["SigBlk"], 16) >> (signal.SIGSYS - 1) & 1, thread
        # With flows there are sweeps, in a thread each.
        with Container(host, 1) as container, container.packet_socket("eth0") as out:
            out.send(ipv4(17, udp(58)))
            wait_for(
                lambda: exporter.scrape().find("flow_evictions_total", reason="idle")[0].value,
                "a sweep has found the flow",
            )


@pytest.mark.parametrize("option, owner", [("on", 0), ("off", 65534)])
def test_not_dumpable(option, owner):
    """What shows a process' memory is root's and no more its user's."""
    with Namespace() as host, Exporter(host, "--user=nobody", f"--sandbox={option}") as exporter:
        wait_for(lambda: 'msg="ready"' in exporter.log(), "the start is over")
        wait_for(lambda: os.stat(f"/proc/{exporter.process.pid}/mem").st_uid == owner, "it is so")


# ---- files that change ----

def user(name):
    """Lines of a web configuration: its password is "secret"."""
    hashed = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
    return f"basic_auth_users:\n  {name}: {hashed}\n"


def replace(path, content):
    """As editors do: a new file under the old name."""
    path.with_name(path.name + ".new").write_text(content, encoding="ascii")
    os.replace(path.with_name(path.name + ".new"), path)


class Plain:
    """The file itself."""

    def __init__(self, folder):
        self.path = folder / "web.yml"
        self.change("one")

    def change(self, name):
        replace(self.path, user(name))


class Linked(Plain):
    """A link to another folder."""

    def __init__(self, folder):
        self.path = folder / "link" / "web.yml"
        self.target = folder / "target" / "real.yml"
        for file in (self.path, self.target):
            file.parent.mkdir()
        self.path.symlink_to("../target/real.yml")
        self.change("one")

    def change(self, name):
        replace(self.target, user(name))


class Secret(Plain):
    """As Kubernetes mounts it: the folder that a link names has another name each time."""

    def __init__(self, folder):
        self.path = folder / "web.yml"
        self.change("one")
        self.path.symlink_to("..data/web.yml")

    def change(self, name):
        folder = self.path.parent / f"..{name}"
        folder.mkdir()
        (folder / "web.yml").write_text(user(name), encoding="ascii")
        link = self.path.parent / "..data_tmp"
        link.symlink_to(folder.name)
        os.replace(link, self.path.parent / "..data")


class Release(Plain):
    """A link to a folder is on the way."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "current" / "web.yml"
        self.change("one")

    def change(self, name):
        (self.folder / name).mkdir()
        (self.folder / name / "web.yml").write_text(user(name), encoding="ascii")
        (self.folder / "new").symlink_to(name)
        os.replace(self.folder / "new", self.folder / "current")


class Guarded(Exporter):
    """One that asks for a password."""

    def is_ready(self):
        assert self.process.poll() is None, self.log()
        return 'msg="ready"' in self.log()

    def status(self, name):
        token = base64.b64encode(f"{name}:secret".encode()).decode()
        return self.host.get(f"{self.url}/metrics", {"Authorization": f"Basic {token}"})[0]


@pytest.fixture
def folder():
    """One that any user may read."""
    with tempfile.TemporaryDirectory(prefix="pe-sandbox-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.mark.parametrize("kind", [Plain, Linked, Secret, Release])
@pytest.mark.parametrize("options", [[], ["--user=nobody"]], ids=["root", "user"])
def test_configuration_is_read_again(folder, kind, options):
    place = kind(folder)
    with Namespace() as host, Guarded(host, f"--web.config.file={place.path}",
                                      *options) as exporter:
        assert (exporter.status("one"), exporter.status("two")) == (200, 401)
        place.change("two")
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: exporter.status("two") == 200, "the new file is in force")
        assert exporter.status("one") == 401


def test_unreadable_file_is_told(folder):
    """What only root may read has been read, and is not read again."""
    place = Plain(folder)
    place.path.chmod(0o600)
    with Namespace() as host, Guarded(host, f"--web.config.file={place.path}",
                                      "--user=nobody") as exporter:
        assert exporter.status("one") == 200
        assert f"{place.path} cannot be read again: user 65534 may not read it" in exporter.log()


# ---- pushing ----

def answer_dns(sock, names):
    """A DNS server for some names with addresses of IPv4, until it gets an empty datagram."""
    while True:
        query, peer = sock.recvfrom(512)
        if not query:
            return
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        address = names.get(".".join(labels))
        wants = query[at + 1:at + 3] == b"\0\1" and address
        head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if wants else b"\0\0") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) if wants else b""
        sock.sendto(head + query[12:at + 5] + record, peer)


@contextlib.contextmanager
def dns(host, names):
    """The host's only DNS server, on loopback; `ip netns exec` puts its file in place."""
    files = pathlib.Path("/etc/netns", host.name)
    files.mkdir(parents=True)
    (files / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1\n", encoding="ascii")
    try:
        with host.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 53))
        thread = threading.Thread(target=answer_dns, args=(sock, names))
        thread.start()
        try:
            yield
        finally:
            with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", ("127.0.0.1", 53))
            thread.join()
            sock.close()
    finally:
        (files / "resolv.conf").unlink()
        files.rmdir()
        with contextlib.suppress(OSError):
            files.parent.rmdir()


@pytest.mark.parametrize("options", [[], ["--user=nobody"]], ids=["root", "user"])
def test_push_by_name(options):
    """The resolver and its modules are found."""
    with Namespace() as host, dns(host, {"gateway.example": "127.0.0.1"}), \
            Pushgateway(host) as gateway, \
            Exporter(host, "--push.url=http://gateway.example:9091", *options):
        wait_for(gateway.groups, "a push arrives")


def test_push_with_tls(folder):
    """By name, with a CA and a password from files that are replaced meanwhile."""
    ca, key, web = folder / "ca.pem", folder / "key.pem", folder / "gateway.yml"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", ca, "-subj", "/CN=gateway.example", "-addext",
         "subjectAltName=DNS:gateway.example", "-days", "2"], check=True, capture_output=True
    )
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "password").write_text("wrong", encoding="ascii")
    replace(secrets / "ca.pem", ca.read_text(encoding="ascii"))
    web.write_text(f"tls_server_config:\n  cert_file: {ca}\n  key_file: {key}\n" + user("pusher"),
                   encoding="ascii")
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        stack.enter_context(dns(host, {"gateway.example": "127.0.0.1"}))
        # An exporter is a server with TLS and users that needs no more than its file.
        server = host.popen(
            EXPORTER, "--web.listen-address=127.0.0.1:9091", f"--web.config.file={web}",
            "--max-interfaces=1", stderr=subprocess.DEVNULL, env=clean_environment()
        )
        stack.callback(server.wait)
        stack.callback(server.terminate)
        exporter = stack.enter_context(Exporter(
            host, "--push.url=https://gateway.example:9091", "--push.interval=1s",
            f"--push.tls-ca-file={secrets}/ca.pem", "--push.username=pusher",
            f"--push.password-file={secrets}/password",
        ))
        # It is no gateway, and says so to who may ask.
        wait_for(lambda: "401" in exporter.log(), "the wrong password is refused")
        replace(secrets / "password", "secret")
        replace(secrets / "ca.pem", ca.read_text(encoding="ascii"))
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "405" in exporter.log() or "404" in exporter.log(),
                 "the right one is let in")
