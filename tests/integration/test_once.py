# SPDX-License-Identifier: GPL-2.0-or-later
"""--once: count for some time, print, end."""
import subprocess

from harness import (
    EXPORTER, Container, Namespace, clean_environment, needs_root, run, udp
)

pytestmark = needs_root

PACKETS = 300


def once(host, *options, **kwargs):
    return host.popen(EXPORTER, *options, "--identity=off", env=clean_environment(), text=True,
                      stderr=subprocess.PIPE, **kwargs)


def send(container, count, size):
    with container.packet_socket("eth0") as socket:
        for _ in range(count):
            socket.send(udp(size))


def test_once():
    """The busiest first, what departed meanwhile below; nothing listens, nothing stays."""
    with Namespace() as host, Container(host, 1) as quiet, Container(host, 2) as busy:
        with once(host, "--once=3s", "--log.level=debug", stdout=subprocess.PIPE) as process:
            for line in process.stderr:
                if 'msg="ready"' in line:
                    break
            listening = run("ip", "netns", "exec", host.name, "ss", "-Hltn")
            with Container(host, 3) as short:
                send(short, 1, 100)
                # With its namespace it would go some time later.
                host.ip("link", "del", short.interface)
            send(busy, PACKETS, 1000)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert listening == ""
        live, departed = out.split("1 departed")
        rows = [line.split() for line in live.splitlines()[1:] if line]
        assert [row[0] for row in rows] == [busy.interface, quiet.interface], out
        # In, in packets a second over some three seconds.
        assert PACKETS / 6 <= float(rows[0][3]) <= PACKETS, out
        assert short.interface in departed, out
        assert "xdp" not in host.link(busy.interface)


def test_once_is_quiet_and_whole():
    """Nothing but the table, and not half of it."""
    with Namespace() as host, open("/dev/full", "w", encoding="utf-8") as full:
        with once(host, "--once=1s", stdout=subprocess.PIPE) as first, \
                once(host, "--once=1s", stdout=full) as second, \
                once(host, "--once=1m", "--log.level=debug", stdout=subprocess.PIPE) as third:
            for line in third.stderr:
                if 'msg="ready"' in line:
                    third.terminate()
            out, err = first.communicate(timeout=20)
            _, full_err = second.communicate(timeout=20)
            nothing, _ = third.communicate(timeout=20)
    assert (first.returncode, err) == (0, "")
    assert out.startswith("NAME ") and "nothing yet" in out
    assert second.returncode == 1
    assert "cannot print the table" in full_err
    assert (third.returncode, nothing) == (1, "")
