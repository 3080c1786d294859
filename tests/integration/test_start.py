# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting where something is refused."""
import re
import tempfile

from harness import (
    EXPORTER, IdentifyingExporter as Exporter, Namespace, clean_environment, needs_root, stop,
    wait_for
)

pytestmark = needs_root

SOCKET = re.compile(r"^(?:\d+ +)?(\d+\.\d+) socket\((AF_\w+), ([^)]*)\) = (\S+)", re.M)


def trace(file):
    """(seconds, whether it failed) of each request for a netlink socket, in order, all sockets first."""
    calls = SOCKET.findall(open(file, encoding="utf-8").read())
    return [(n, float(at), result == "-1") for n, (at, family, what, result) in enumerate(calls, 1)
            if family == "AF_NETLINK" and "NETLINK_ROUTE" in what]


# A leak cannot be looked for in a process that is traced.
TRACED = {"ASAN_OPTIONS": "detect_leaks=0"}


def strace(file, *inject):
    return ("strace", "-D", "-f", "-ttt", "-o", file, "-e", "trace=socket", *inject)


def test_first_list_fails():
    """It is asked for again each second and not sooner, although events wait to be read."""
    with Namespace() as host, tempfile.NamedTemporaryFile() as out:
        with Exporter(host, prefix=strace(out.name), env=TRACED):
            pass
        # The first socket is for the events, the second for the list.
        first = trace(out.name)[1][0]
        inject = ("-e", f"inject=socket:error=ENOBUFS:when={first}..{first + 2}")
        process = host.popen(
            *strace(out.name, *inject), EXPORTER, "--web.listen-address=127.0.0.1:9817",
            env={**clean_environment(), **TRACED}
        )
        try:
            wait_for(lambda: any(failed for _, _, failed in trace(out.name)), "the list failed")
            for n in range(8):
                host.ip("link", "add", f"late{n}", "type", "bridge")

            def status():
                try:
                    return host.get("http://127.0.0.1:9817/-/ready")[0]
                except OSError:
                    return 0

            wait_for(lambda: status() == 200, "it is ready in the end")
            text = host.get("http://127.0.0.1:9817/metrics")[2].decode()
            assert all(f'interface="late{n}"' in text for n in range(8))
            # Later events are seen, too.
            host.ip("link", "add", "later", "type", "bridge")
            wait_for(
                lambda: b'interface="later"' in host.get("http://127.0.0.1:9817/metrics")[2], "later"
            )
        finally:
            stop(process)
        tries = [at for _, at, _ in trace(out.name)[1:]]
        failures = [at for _, at, failed in trace(out.name) if failed]
        assert len(failures) == 3
        gaps = [b - a for a, b in zip(tries[:3], tries[1:4])]
        # The first comes between two ticks.
        assert min(gaps[1:]) > 0.5, gaps
