# SPDX-License-Identifier: GPL-2.0-or-later
"""How the tests are run: in parallel, the long ones first, each process in a network namespace of its
own; and reported as TAP on the descriptor PE_TAP, if it is set (see pytest.sh).

Marks: `long` takes more than some five seconds, `soak` runs only by `make soak`. With PE_SUITE set to
`sanitized` or `threads`, what sanitized.py chooses for it runs.
"""
import collections
import ctypes
import os
import pathlib
import subprocess
import time

from xdist.scheduler import LoadScheduling

import sanitized

CLONE_NEWNET = 0x40000000
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ

SUITE = os.environ.get("PE_SUITE", "")

# Set by pytest.sh.
TAP = None
if "PE_TAP" in os.environ and not IS_WORKER:
    TAP = os.fdopen(os.dup(int(os.environ["PE_TAP"])), "w", buffering=1)

results = collections.Counter()  # by file
took_s = collections.Counter()  # by test
SLOWEST = 20
BEGAN = time.monotonic()
wanted = 0  # how many tests there are


def tap(status, name, directive=""):
    results[name.partition("::")[0].partition(" ")[0]] += 1
    if TAP:
        name = name.replace("#", " ").replace("\n", " ")
        TAP.write(f"{status} {results.total()} - {name}{directive}\n")
        if results.total() % 10 == 0:
            TAP.write(f"# {results.total()} of {wanted} after {time.monotonic() - BEGAN:.0f} s\n")


def pytest_xdist_node_collection_finished(node, ids):
    """Each process collects all of them."""
    global wanted
    wanted = len(ids)


def pytest_collection_finish(session):
    global wanted
    wanted = max(wanted, len(session.items))


# ---- what runs, and where ----


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes more than some five seconds; begins first")
    config.addinivalue_line("markers", "soak: only by `make soak`")
    # What a test does to "its" network then never meets the machine's, nor another test's.
    if os.geteuid() == 0 and (IS_WORKER or not config.getoption("numprocesses", None)):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def pytest_collection_modifyitems(config, items):
    chosen = [i for i in items if sanitized.runs(SUITE, i.path.name, i.originalname)]
    if len(chosen) < len(items):
        config.hook.pytest_deselected(items=[i for i in items if i not in chosen])
        items[:] = chosen
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class OneAhead(LoadScheduling):
    """A process is given its next test with the one before, so that no long ones wait in line."""

    def _send_tests(self, node, num):
        super()._send_tests(node, max(0, min(num, 2 - len(self.node2pending[node]))))


def pytest_xdist_make_scheduler(config, log):
    return OneAhead(config, log)


# ---- results ----


def pytest_runtest_logreport(report):
    took_s[report.nodeid] += report.duration
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        tap("ok", report.nodeid, f" # SKIP {reason.removeprefix('Skipped: ')}")
    elif report.when == "call":
        tap("ok" if report.passed else "not ok", report.nodeid)
    elif report.failed:
        tap("not ok", f"{report.nodeid} ({report.when})")


def pytest_collectreport(report):
    if report.failed:
        tap("not ok", f"{report.nodeid} (collecting)")


def whole_suite(config):
    """Not one that is narrowed to files or tests."""
    options = [config.getoption(name) for name in ("keyword", "markexpr")]
    return not os.environ.get("PE_PYTEST") and options == ["", "not soak"]


def pytest_sessionfinish(session):
    if IS_WORKER:
        return
    if whole_suite(session.config):
        here = pathlib.Path(__file__).parent
        silent = {file.name for file in here.glob("test_*.py")} - results.keys()
        silent -= sanitized.without(SUITE)
        tap("not ok" if silent else "ok", "every file has a result", " ".join(["", *sorted(silent)]))
    if TAP:
        for name, seconds in took_s.most_common(SLOWEST):
            TAP.write(f"# slowest: {seconds:.1f} s {name}\n")
        TAP.write(f"1..{results.total()}\n")
