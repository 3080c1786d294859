# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit for systemd: how much it leaves open; and what is reported to systemd. tests/packages runs the
unit."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from harness import DEADLINE_S, EXPORTER, ROOT, Container, Exporter, Namespace, needs_root, stop

pytestmark = needs_root

UNIT = "packet-exporter.service"
EXPOSURE_MAX = 1.8


def test_exposure(tmp_path):
    unit = tmp_path / UNIT
    text = (ROOT / f"autotools/systemd/{UNIT}.in").read_text(encoding="utf-8")
    unit.write_text(text.replace("@bindir@", str(EXPORTER.parent)).replace("@sysconfdir@", "/etc"),
                    encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", unit], cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )
    exposure = float(re.search(r"Overall exposure level for \S+: (\S+)", done.stdout).group(1))
    assert exposure <= EXPOSURE_MAX, done.stdout
    # Found unit errors are only warned of.
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    ).stderr
    assert UNIT not in verified, verified


# ---- what is reported ----


class Reporting(Exporter):
    """As a service whose manager listens on a socket of the abstract namespace; its first report says
    that it is ready."""

    def __init__(self, host):
        name = f"pe-test-{os.getpid()}"
        with host.inside():
            self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(f"\0{name}")
        self.manager.settimeout(DEADLINE_S)
        super().__init__(host, env={"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "2000000"})

    def report(self):
        return self.manager.recv(4096).decode()

    def is_ready(self):
        assert self.report() == "READY=1\nSTATUS=Watched interfaces: 1"
        return True

    def close(self):
        self.manager.close()
        return super().close()


def test_reports():
    """The sandbox, which refuses other abstract sockets since Linux 6.12, lets its reports pass."""
    with Namespace() as host, Container(host, 1), Reporting(host) as exporter:
        # At once: whoever waits for its start can scrape it.
        assert host.get(f"{exporter.url}/-/ready")[0] == 200
        assert exporter.report().startswith("WATCHDOG=1\nSTATUS=")
        begin = time.monotonic_ns() // 1000
        exporter.process.send_signal(signal.SIGHUP)
        reload = next(text for text in iter(exporter.report, "") if not text.startswith("WATCHDOG=1"))
        time_us = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reload)[1])
        assert begin <= time_us <= time.monotonic_ns() // 1000
        assert exporter.report().startswith("READY=1\nSTATUS=")
        assert exporter.scrape().sum("denied_system_calls_total") == 0
        exporter.process.terminate()
        assert "STOPPING=1\nSTATUS=Stopping" in iter(exporter.report, "")
        assert stop(exporter.process) == 0
