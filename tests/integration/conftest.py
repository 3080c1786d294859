# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports each test as a TAP line on descriptor 3, if there is one (see pytest.sh)."""
import os

try:
    TAP = os.fdopen(os.dup(3), "w", buffering=1) if os.environ.get("PE_SRCDIR") else None
except OSError:
    TAP = None

count = 0


def tap(status, name, directive=""):
    global count
    count += 1
    if TAP:
        name = name.replace("#", " ").replace("\n", " ")
        TAP.write(f"{status} {count} - {name}{directive}\n")


def pytest_runtest_logreport(report):
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        tap("ok", report.nodeid, f" # SKIP {reason}")
    elif report.when == "call":
        tap("ok" if report.passed else "not ok", report.nodeid)
    elif report.failed:
        tap("not ok", f"{report.nodeid} ({report.when})")


def pytest_collectreport(report):
    if report.failed:
        tap("not ok", f"{report.nodeid} (collecting)")


def pytest_sessionfinish():
    if TAP:
        TAP.write(f"1..{count}\n")
