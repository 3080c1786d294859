# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmarks in Python share: the tests' harness, figures as JSON lines, and measures.

Standard output is for figures alone; what the harness prints goes to standard error if a part fails.
"""
import contextlib
import io
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import pytest  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    BUILD, Container, Namespace, Pushgateway, clean_environment, ethernet, ipv4, pretend_cpus, run, stop,
    tcp, udp, wait_for,
)

QUICK = os.environ.get("PE_BENCH_QUICK") == "1"
CANNOT_RUN = 77
median = statistics.median


def quick(usual, short):
    return short if QUICK else usual


def figure(name, value, unit, baseline, baseline_name, target=None, ratio=None):
    """`ratio` if it is not simply that of the two: a median of the rounds' own ratios."""
    line = {"name": name, "value": value, "unit": unit, "baseline": baseline,
            "baseline_name": baseline_name}
    if target:
        line["target"] = target
    if ratio is not None:
        line["ratio"] = ratio
    print(json.dumps(line, ensure_ascii=False), file=sys.__stdout__, flush=True)


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)]


def main(part):
    """Runs a part; what it has made is gone when this returns, however it ended."""
    # As an interrupt, so that everything is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    noise = io.StringIO()
    if os.geteuid() != 0:
        print("needs root: network namespaces and BPF programs", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    try:
        with contextlib.redirect_stdout(noise):
            part()
    except pytest.skip.Exception as reason:
        print(reason, file=sys.stderr)
        sys.exit(CANNOT_RUN)
    except BaseException:
        print(noise.getvalue()[-1000:], file=sys.stderr)
        raise


class Exporter(harness.Exporter):
    """As it runs outside of tests: it logs no debugging, and looks for containers."""

    common = ()

    def __init__(self, host, *options, **kwargs):
        super().__init__(host, "--log.level=warn", *options, **kwargs)


class NodeExporter(harness.Server):
    """Debian's prometheus-node-exporter with the netdev collector alone."""

    def __init__(self, host):
        super().__init__(
            host, "http://127.0.0.1:9100", "/",
            ["prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100",
             "--collector.disable-defaults", "--collector.netdev"]
        )


def arp():
    return ethernet(0x0806, bytes(46))


def helper(host, *args, **kwargs):
    """Runs a program of this folder in a host's namespace; what it printed, as JSON."""
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, BUILD / "tests/bench" / args[0], *map(str, args[1:])],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **kwargs
    )
    if done.returncode == CANNOT_RUN:
        pytest.skip(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"{args}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def wait_attached(exporter, count, mode=r"(?!none)\w+"):
    """Until it counts the ingress of so many interfaces, in such a mode."""
    def attached():
        text = exporter.scrape_text("text/plain")
        found = re.findall(rf"^packet_exporter_interfaces_attached{{mode=\"{mode}\"}} (\d+)", text,
                           re.M)
        return sum(map(int, found)) == count
    wait_for(attached, f"{count} interfaces are attached", 60)


def cpu_s(pid):
    """CPU time of a process with all its threads, also ended ones; see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def status(pid, field, task=None):
    """A number of /proc/PID/status; kB as bytes."""
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    text = pathlib.Path(path).read_text(encoding="utf-8")
    value, unit = re.search(rf"^{field}:\s*(\d+)( kB)?$", text, re.M).groups()
    return int(value) * (1024 if unit else 1)


def wakeups(pid):
    """Voluntary context switches of all threads."""
    tasks = os.listdir(f"/proc/{pid}/task")
    return sum(status(pid, "voluntary_ctxt_switches", task) for task in tasks)


def resident(pid):
    """Bytes: what is its own (anonymous), what is backed by a file, and what of that is BPF maps."""
    maps, of_map = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            of_map = "bpf-map" in line
        elif of_map and line.startswith("Rss:"):
            maps += int(line.split()[1]) * 1024
    anonymous, file = status(pid, "RssAnon"), status(pid, "RssFile")
    return {"anonymous": anonymous, "file": file, "maps": maps, "all": anonymous + file}


__all__ = [
    "BUILD", "Container", "Exporter", "Namespace", "NodeExporter", "Pushgateway", "QUICK", "arp",
    "clean_environment", "cpu_s", "figure", "helper", "ipv4", "main", "median", "percentile",
    "pretend_cpus", "quick", "resident", "run", "status", "stop", "tcp", "udp", "wait_attached", "wait_for",
    "wakeups",
]
