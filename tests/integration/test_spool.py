# SPDX-License-Identifier: GPL-2.0-or-later
"""What waits for receivers of time series outlives the exporter: restarts, SIGKILL, a full disk."""
import contextlib
import pathlib
import signal
import subprocess

from harness import (
    EXPORTER, Container, Exporter, Namespace, Prometheus, clean_environment, ethernet, needs_root, wait_for
)
from test_remote_write import VictoriaMetrics

pytestmark = needs_root

INTERVAL_S = 1
PACKETS = 64
SERIES = 'packet_exporter_host_packets_total{direction="ingress",family="other"}'


@contextlib.contextmanager
def small_disk(path):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass


def number(exporter, name, **labels):
    return exporter.scrape().sum(name, **labels)


def waiting(exporter):
    return number(exporter, "sink_pending_samples")


def wait_for_states(exporter, receivers=2):
    """Until two more of them wait for each receiver; what was counted before is in the second one."""
    before = waiting(exporter)
    state = sum(not s.name.endswith("_created") for s in exporter.scrape().samples)
    wait_for(lambda: waiting(exporter) > before + receivers * 2 * state * 0.9, "two states wait")


def increase(values):
    """As a database counts it: from zero again where it falls."""
    return sum(b - a if b >= a else b for a, b in zip(values, values[1:]))


def test_outage(tmp_path):
    """Receivers are down while the exporter is killed, started on a full disk, and stopped."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        disk = stack.enter_context(small_disk(tmp_path / "spool"))
        databases = [
            stack.enter_context(Prometheus(host, "global: {}\n", tmp_path, "--web.enable-remote-write-receiver")),
            stack.enter_context(VictoriaMetrics(host, tmp_path)),
        ]
        container = stack.enter_context(Container(host, 1))
        out = stack.enter_context(contextlib.closing(container.packet_socket("eth0")))
        options = [f"--remote-write.url={d.url}/api/v1/write" for d in databases] + [
            f"--remote-write.interval={INTERVAL_S}s", "--remote-write.label=instance=x", f"--spool.path={disk}"]

        def send(exporter):
            wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
            before = number(exporter, "host_packets_total", direction="ingress", family="other")
            for _ in range(PACKETS):
                out.send(ethernet(0x88B5, bytes(46)))
            wait_for(lambda: number(exporter, "host_packets_total", direction="ingress",
                                    family="other") == before + PACKETS, "counted")

        def times(database, name="packet_exporter_build_info"):
            return [t for r in database.query(f"{name}[10m]") for t, _ in r["values"]]

        first = stack.enter_context(Exporter(host, *options))
        send(first)
        for database in databases:
            wait_for(lambda d=database: [r["value"][1] for r in d.query(SERIES)] == [str(PACKETS)], "all is well")
        assert not list(disk.glob("*/*.batch")) and len(list(disk.glob("*/target"))) == 2
        for database in databases:
            database.close()
        send(first)
        wait_for_states(first)
        wait_for(lambda: len({batch.parent for batch in disk.glob("*/*.batch")}) == 2, "something of each waits")
        assert number(first, "sink_spool_bytes") > 0
        first.process.kill()
        first.process.wait()

        # The second one finds no room, and then some.
        fill(disk / "full")
        with Exporter(host, *options) as second:
            wait_for(lambda: second.log().count("requests of an exporter before that wait to be sent") == 2,
                     "both are known")
            send(second)
            wait_for_states(second)
            assert number(second, "sink_pending_bytes") > 0
            wait_for(lambda: second.log().count("No space left on device: what waits stays in memory") == 2,
                     "there is no room for either")
            (disk / "full").unlink()
            wait_for(lambda: second.log().count("spool: it works again") == 2, "there is room")
            assert number(second, "denied_system_calls_total") == 0
        assert second.lines.count("what waits is in the spool") == 2

        with Exporter(host, *options) as third:
            send(third)
            wait_for_states(third)
            # Nobody else may have it.
            with Namespace() as other:
                late = other.popen(EXPORTER, *options, "--identity=off", stderr=subprocess.PIPE, text=True,
                                   env=clean_environment())
                assert "another exporter keeps what waits for it in" in late.communicate(timeout=20)[1]
                assert late.returncode
            for database in databases:
                database.start()
            third.process.send_signal(signal.SIGHUP)
            # At four times the pace at which it came.
            wait_for(lambda: waiting(third) == 0 and not list(disk.glob("*/*.batch")), "all has arrived", 30)
            page = third.scrape()
            for result in "rejected", "expired", "thinned", "corrupt", "maybe_delivered":
                assert page.sum("sink_samples_total", result=result) == 0, result
            for database in databases:
                wait_for(lambda d=database: increase(
                    [float(v) for r in d.query(f"{SERIES}[10m]") for _, v in r["values"]]) == 4 * PACKETS,
                    "every packet", 10)
                gaps = [b - a for a, b in zip(times(database), times(database)[1:])]
                # A state a second, but for the starts.
                assert min(gaps) > 0 and sum(gap > 1.5 * INTERVAL_S for gap in gaps) <= 2, gaps
            assert float(databases[1].query(f"increase({SERIES}[10m])")[0]["value"][1]) == 4 * PACKETS
            assert abs(float(databases[0].query(f"increase({SERIES}[10m])")[0]["value"][1]) / PACKETS - 4) < 0.5
            assert number(third, "denied_system_calls_total") == 0

        # A receiver of samples out of order gets what is new first.
        _, database = databases
        database.close()
        others = [o for o in options if databases[0].url not in o]
        with Exporter(host, *others, "--remote-write.newest-first=on") as fourth:
            send(fourth)
            wait_for_states(fourth, 1)
            database.start()
            fourth.process.send_signal(signal.SIGHUP)
            wait_for(lambda: waiting(fourth) == 0 and not list(disk.glob("*/*.batch")), "all has arrived", 30)
            assert fourth.scrape().sum("sink_samples_total", result="rejected") == 0
            wait_for(lambda: float(database.query(f"increase({SERIES}[10m])")[0]["value"][1]) == 5 * PACKETS,
                     "every packet", 10)
        assert first.process.returncode == -signal.SIGKILL
        assert not pathlib.Path(disk, "full").exists()
