# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit for systemd: how much it leaves open, and that it works; and what systemd is reported."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from harness import DEADLINE_S, EXPORTER, ROOT, Container, Exporter, Namespace, needs_root, stop, wait_for

pytestmark = needs_root

UNIT = "packet-exporter.service"
EXPOSURE_MAX = 1.8

# In mount and PID namespaces of its own, so that nothing outlives it: a system on a copy of this one,
# of which all that is written is in memory. Arguments: a folder, the program, the unit.
BOOT = r"""
set -e
mount --make-rprivate /
umount -R /sys/fs/cgroup 2>/dev/null || :
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs "$1"
mkdir "$1"/upper "$1"/work "$1"/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1"/root
install -m 755 "$2" "$1"/root/usr/local/bin/packet-exporter
install -m 644 "$3" "$1"/root/etc/systemd/system/
mkdir -p "$1/root/etc/systemd/system/${3##*/}.d"
cat >"$1/root/etc/systemd/system/${3##*/}.d/test.conf" <<END
[Service]
Environment=TOKEN=$1
LoadCredential=web.yml:/etc/web.yml
Environment=PE_WEB_CONFIG_FILE=/run/credentials/${3##*/}/web.yml
END
printf 'http_server_config:\n  headers:\n    X-Frame-Options: deny\n' >"$1"/root/etc/web.yml
chmod 600 "$1"/root/etc/web.yml
printf '[Unit]\nRequires=%s\n' "${3##*/}" >"$1"/root/etc/systemd/system/test.target
echo uninitialized >"$1"/root/etc/machine-id
# What the unit is to permit, the container must.
exec env SYSTEMD_NSPAWN_LOCK=0 systemd-nspawn -q -D "$1"/root --register=no --keep-unit \
	--private-network --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN \
	--system-call-filter='bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
	--boot --console=pipe systemd.unit=test.target
"""


@pytest.fixture
def unit(tmp_path):
    text = (ROOT / f"autotools/systemd/{UNIT}.in").read_text(encoding="utf-8")
    file = tmp_path / UNIT
    file.write_text(text.replace("@bindir@", "/usr/local/bin").replace("@sysconfdir@", "/etc"),
                    encoding="utf-8")
    return file


def test_exposure(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", unit], cwd=unit.parent,
        capture_output=True, text=True, check=True,
    )
    exposure = float(re.search(r"Overall exposure level for \S+: (\S+)", done.stdout).group(1))
    assert exposure <= EXPOSURE_MAX, done.stdout


def find(token):
    """The exporter of the system with the token, None if there is none."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (f"TOKEN={token}\0".encode() in process.joinpath("environ").read_bytes() and
                    process.joinpath("comm").read_text(encoding="utf-8") == "packet-exporter\n"):
                return process.name
        except OSError:
            continue
    return None


def scrape(pid):
    done = subprocess.run(
        ["nsenter", "-t", pid, "-n", "curl", "-si", "http://127.0.0.1:9817/metrics"],
        capture_output=True, text=True, check=False,
    )
    return done.stdout


def test_it_works(unit, tmp_path):
    """It is started by systemd itself, with all that the unit takes away."""
    assert shutil.which("systemd-nspawn"), "the package systemd-container is missing"
    folder = tmp_path / "system"
    folder.mkdir()
    # Found unit errors are only warned of.
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    ).stderr
    assert not [line for line in verified.splitlines()
                if UNIT in line and "is not executable" not in line], verified
    with open(tmp_path / "log", "wb") as log, subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
         "sh", "-c", BOOT, "sh", folder, EXPORTER, unit],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]},
    ) as system:
        try:
            pid = wait_for(lambda: find(folder), lambda: (tmp_path / "log").read_text("utf-8"))
            text = wait_for(lambda: scrape(pid), "it is scraped")
            for part in ("seccomp", "landlock"):
                assert f'packet_exporter_sandbox_active{{kind="{part}"}} 1\n' in text
            assert "packet_exporter_egress_attached 1\n" in text
            assert "X-Frame-Options: deny" in text
            enter = ["nsenter", "-t", pid, "-n", "ip", "link"]
            subprocess.run([*enter, "add", "v0", "type", "veth", "peer", "name", "v1"], check=True)
            subprocess.run([*enter, "set", "v0", "up"], check=True)
            subprocess.run([*enter, "set", "v1", "up"], check=True)
            wait_for(lambda: 'interface_mode{interface="v0",mode="generic"' in scrape(pid), "XDP is attached")
            assert "packet_exporter_denied_system_calls_total 0\n" in scrape(pid)
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            assert "\nUid:\t0\t" not in status
        finally:
            system.kill()


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
