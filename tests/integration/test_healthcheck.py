# SPDX-License-Identifier: GPL-2.0-or-later
"""--healthcheck: what it asks, whom it believes, and which of several exporters."""
import contextlib
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

from harness import (
    EXPORTER, PROMPT_S, REFUSED, Exporter, Namespace, background, clean_environment, needs_root,
    wait_for
)
from test_web import Authority, bcrypt, tls_config, users_config

pytestmark = needs_root

NOBODY = 65534


def check(host, *options, prefix=(), **env):
    """(status, what it printed, seconds)"""
    begin = time.monotonic()
    with host.popen(*prefix, EXPORTER, "--healthcheck", *options, text=True, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, env={**clean_environment(), **env}) as process:
        text = process.communicate()[0]
    return process.returncode, text, time.monotonic() - begin


def healthy(host, port, *options, **kwargs):
    status, text, _ = check(host, f"--web.listen-address=127.0.0.1:{port}", *options, **kwargs)
    good = f"packet-exporter: healthy, serving on 127.0.0.1:{port}\n"
    assert (text == good) == (status == 0), text
    assert status in (0, 1) and text.startswith("packet-exporter: ") and text.count("\n") == 1, text
    return status == 0


def test_one_of_two(tmp_path):
    """With TLS and users, in the sandbox; the one that hangs is known by its silence."""
    config = tmp_path / "web.yml"
    config.write_text(
        tls_config(Authority(tmp_path).server()) + users_config(alice=bcrypt("secret")),
        encoding="utf-8"
    )
    # A gateway that never answers: to stop takes the exporter seconds.
    with Namespace() as host, contextlib.ExitStack() as stack:
        with host.inside():
            gateway = stack.enter_context(socket.create_server(("127.0.0.1", 9091)))
        other = stack.enter_context(Exporter(
            host, "--push.url=http://127.0.0.1:9091", port=9819
        ))
        process = host.popen(
            EXPORTER, "--web.listen-address=127.0.0.1:9817", f"--web.config.file={config}",
            stderr=open(tmp_path / "log", "w", encoding="utf-8"), env=clean_environment()
        )
        stack.callback(process.wait)
        stack.callback(process.kill)

        wait_for(lambda: healthy(host, 9817), "it is healthy")
        assert host.get("http://127.0.0.1:9819/metrics")[0] == 200
        # As in an image: what the variables of the container say; of strange ones it is silent.
        assert check(host, PE_WEB_LISTEN_ADDRESS="127.0.0.1:9817", PE_STRANGE="1")[:2] == (
            0, "packet-exporter: healthy, serving on 127.0.0.1:9817\n"
        )
        assert healthy(host, 9817, prefix=("setpriv", f"--reuid={NOBODY}", "--clear-groups"))
        status, text, took = check(host, PE_PORT="9818")
        assert status == 1 and "no exporter with this --web.listen-address runs" in text
        assert took < PROMPT_S

        process.send_signal(signal.SIGSTOP)
        status, text, took = check(host, "--web.listen-address=127.0.0.1:9817")
        assert status == 1 and "unhealthy: no answer within 2 s" in text and 1.9 < took < 2 + PROMPT_S
        assert healthy(host, 9819)
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: healthy(host, 9817), "it goes on")

        # One that stops is no longer asked.
        other.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "no exporter" in check(host, "--web.listen-address=127.0.0.1:9819")[1],
                 "it has closed its socket")
        assert other.process.poll() is None
        gateway.close()
        assert healthy(host, 9817)
        process.terminate()
        assert process.wait() == 0
        assert REFUSED not in (tmp_path / "log").read_text(encoding="utf-8")


def test_in_a_container():
    """Its check knows the variables, but not the flags. There is nobody else there."""
    program = shlex.quote(str(EXPORTER))
    script = f"""
        {program} --identity=off --web.listen-address=127.0.0.1:9820 &
        for i in $(seq 600); do {program} --healthcheck && break; sleep 0.05; done
        echo "status $?"
        PE_PORT=9820 {program} --healthcheck || echo "is another one"
        kill $! && wait $!
        echo "ended with $?"
    """
    with Namespace() as host:
        done = host.popen(
            "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
        )
        text, log = done.communicate()
        assert text == ("packet-exporter: healthy, serving on 127.0.0.1:9820\nstatus 0\n"
                        "is another one\nended with 0\n"), text + log


def listen_as_nobody(thief):
    """The credentials that are looked at are those of this call."""
    os.seteuid(NOBODY)
    try:
        thief.listen(0)
    finally:
        os.seteuid(0)


def test_name_taken():
    """By somebody who says that all is well: he is not believed, and the check finds the right one."""
    pids = pathlib.Path("/proc/self/ns/pid").stat().st_ino
    with Namespace() as host, contextlib.ExitStack() as stack:
        with host.inside():
            thief = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        thief.bind(f"\0packet-exporter/{pids}/127.0.0.1:9817")
        listen_as_nobody(thief)
        thief.settimeout(0.1)

        def answer():
            with contextlib.suppress(OSError), thief.accept()[0] as asker:
                asker.send(b"healthy, serving on 127.0.0.1:9817")

        with Exporter(host) as exporter, background(answer):
            assert "--healthcheck will fail" not in exporter.log()
            assert healthy(host, 9817)
        status, text, _ = check(host, "--web.listen-address=127.0.0.1:9817")
        assert status == 1 and f"the socket is of user {NOBODY}, and neither root's" in text
        # His next names are those that it would take, and who asks there waits for long.
        for name in ("~", "~0000000000000000", "~zzzzzzzzzzzzzzzz"):
            with host.inside():
                more = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                asker = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            more.bind(f"\0packet-exporter/{pids}/127.0.0.1:9817{name}")
            listen_as_nobody(more)
            asker.connect(more.getsockname())
        with Exporter(host):
            assert healthy(host, 9817)
