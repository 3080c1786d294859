# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers reach a real Pushgateway and a real Prometheus."""
import contextlib
import pathlib
import re
import signal
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness import (
    DEADLINE_S, EXPORTER, PROMPT_S, Container, Exporter, Metrics, Namespace, Prometheus, Pushgateway,
    clean_environment, ipv4, needs_root, run, stop, udp, wait_for,
)

pytestmark = needs_root

UDP = {"interface": "veth1", "direction": "ingress", "protocol": "udp"}


def send(container, count):
    with container.packet_socket("eth0") as out:
        for _ in range(count):
            out.send(ipv4(17, udp(10)))


def pushed(gateway, name="packet_exporter_packets_total", **labels):
    """What the gateway shows for our group."""
    return sum(
        s.value for family in parse_text(gateway.text()) for s in family.samples
        if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())
    )


@contextlib.contextmanager
def scene(*options, gateway=True):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        server = stack.enter_context(Pushgateway(host)) if gateway else None
        exporter = stack.enter_context(
            Exporter(host, "--push.url=http://127.0.0.1:9091", "--push.interval=1s",
                     "--push.instance=host-1", *options)
        )
        container = stack.enter_context(Container(host, 1))
        wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 1, "attached")
        yield host, server, exporter, container


def libraries(process):
    return pathlib.Path(f"/proc/{process.pid}/maps").read_text()


def test_libcurl_comes_with_push():
    with Namespace() as host, Exporter(host) as exporter:
        assert "libmicrohttpd.so" in libraries(exporter.process)
        assert "libcurl" not in libraries(exporter.process)
    with scene() as (_, _, exporter, _):
        assert "libcurl.so" in libraries(exporter.process)


def test_without_libcurl():
    """It is needed only to push, and then it is said what is missing."""
    def start(*options):
        path = re.search(r"libcurl\.so\.4 .*=> (\S+)", run("/sbin/ldconfig", "-p"))[1]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"', path,
             EXPORTER, "--check-config", *options],
            capture_output=True, text=True, check=False, timeout=20, env=clean_environment())

    assert start().returncode == 0
    done = start("--push.url=http://127.0.0.1:9091")
    assert done.returncode == 2
    assert re.fullmatch(r"[^\n]*--push\.url[^\n]*libcurl[^\n]*\n", done.stderr), done.stderr


def test_pushgateway_shows_the_same():
    with scene() as (_, gateway, exporter, container):
        send(container, 123)
        group = {**UDP, "job": "packet_exporter_push", "instance": "host-1"}
        wait_for(lambda: pushed(gateway, **group) == 123, "the gateway has it")
        assert len(gateway.groups()) == 1
        assert gateway.groups()[0]["labels"] == {"job": "packet_exporter_push", "instance": "host-1"}
        families = {f.name: f for f in parse_text(gateway.text())}
        assert families["packet_exporter_packets"].type == "counter"
        assert families["packet_exporter_packet_size_bytes"].type == "histogram"
        assert families["packet_exporter_interfaces_attached"].type == "gauge"
        # Every value of an interface that rests is the scrape's.
        metrics = exporter.scrape()
        for name in ("packets_total", "bytes_total", "packet_size_bytes_count"):
            for sample in metrics.find(name, interface="veth1"):
                wait_for(
                    lambda s=sample: pushed(gateway, s.name, **s.labels) == s.value, f"{sample}"
                )
        wait_for(lambda: exporter.scrape().sum("push_requests_total", result="ok") > 2, "it is counted")


def test_pushgateway_killed_and_restarted():
    with scene() as (_, gateway, exporter, container):
        wait_for(lambda: pushed(gateway, "packet_exporter_build_info") == 1, "the first push")
        gateway.close(signal.SIGKILL)
        wait_for(
            lambda: exporter.scrape().sum("push_requests_total", result="network_error")
            or exporter.scrape().sum("push_requests_total", result="network"),
            "the failure is counted",
        )
        send(container, 77)
        # Its absence delays no scrape.
        begin = time.monotonic()
        assert exporter.scrape().sum("packets_total", **UDP) == 77
        assert time.monotonic() - begin < PROMPT_S
        gateway.start()
        wait_for(lambda: pushed(gateway, **UDP) == 77, "pushing resumes with the current state")


def test_pushgateway_that_hangs():
    with scene("--push.timeout=60s") as (_, gateway, exporter, container):
        wait_for(lambda: pushed(gateway, "packet_exporter_build_info") == 1, "the first push")
        gateway.process.send_signal(signal.SIGSTOP)
        try:
            send(container, 5)
            for _ in range(20):
                begin = time.monotonic()
                metrics = exporter.scrape()
                assert time.monotonic() - begin < PROMPT_S
            assert metrics.sum("packets_total", **UDP) == 5
            # Its end does not wait for the push, either.
            exporter.process.send_signal(signal.SIGTERM)
            assert exporter.process.wait(DEADLINE_S) == 0
        finally:
            gateway.process.send_signal(signal.SIGCONT)


def test_last_push():
    """What happened since the last push is delivered at the end."""
    with scene("--push.interval=1h") as (_, gateway, exporter, container):
        wait_for(lambda: pushed(gateway, "packet_exporter_build_info") == 1, "the first push")
        send(container, 31)
        wait_for(lambda: exporter.scrape().sum("packets_total", **UDP) == 31, "counted")
        assert stop(exporter.process) == 0
        assert pushed(gateway, **UDP) == 31
        assert pushed(gateway, "packet_exporter_flows_total", **UDP) == 1


def test_group_deleted_on_exit():
    with scene("--push.on-exit=delete") as (_, gateway, exporter, _):
        wait_for(gateway.groups, "the first push")
        assert stop(exporter.process) == 0
        assert gateway.groups() == []


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_restart(signo):
    """Counters begin anew, and say when; what the first one counted is exported as unobserved."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        gateway = stack.enter_context(Pushgateway(host))
        container = stack.enter_context(Container(host, 1))
        gone = stack.enter_context(Container(host, 2))
        options = (f"--push.url={gateway.url}", "--push.interval=1s", "--departed.retention=1s",
                   "--metrics.created")
        first = stack.enter_context(Exporter(host, *options))
        for namespace in (container, gone):
            send(namespace, 10)
        host.ip("link", "del", "veth2")
        wait_for(lambda: first.scrape().departed("packets_total") == 10, "one is folded")
        before = first.scrape().find("packets_created", interface="veth1", direction="ingress")[0]
        first.process.send_signal(signo)
        first.process.wait(DEADLINE_S)

        second = stack.enter_context(Exporter(host, *options))
        send(container, 3)
        wait_for(lambda: second.scrape().totals("veth1")["ingress"] == (3, 156), "it begins anew")
        metrics = second.scrape()
        after = metrics.find("packets_created", interface="veth1", direction="ingress")[0]
        assert after.value > before.value
        assert metrics.departed("packets_total") == 0
        assert metrics.unobserved("veth1", reason="before_attach")["ingress"] == (10, 520)
        # The same group, replaced: nothing of the first one is left to be counted twice.
        wait_for(lambda: pushed(gateway, **UDP) == 3, "the group is replaced")
        assert len(gateway.groups()) == 1
        assert pushed(gateway, "packet_exporter_host_packets_total", direction="ingress",
                      protocol="udp") == 3


def test_departure_is_pushed():
    """Long before the next interval."""
    with scene("--push.interval=1h") as (host, gateway, exporter, container):
        wait_for(lambda: pushed(gateway, "packet_exporter_build_info") == 1, "the first push")
        send(container, 9)
        wait_for(lambda: exporter.scrape().sum("packets_total", **UDP) == 9, "counted")
        host.ip("link", "del", "veth1")
        wait_for(lambda: pushed(gateway, **UDP) == 9, "pushed because it went")


def test_prometheus_scrapes(tmp_path):
    config = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: packet-exporter
    static_configs: [{targets: ['127.0.0.1:9817']}]
"""
    with contextlib.ExitStack() as stack:
        host, _, exporter, container = stack.enter_context(scene())
        send(container, 64)
        text = stack.enter_context(Prometheus(host, config, tmp_path))
        # It asks for protobuf.
        (tmp_path / "protobuf").mkdir()
        protobuf = stack.enter_context(Prometheus(
            host, config, tmp_path / "protobuf", "--enable-feature=native-histograms", port=9092
        ))
        query = 'sum(packet_exporter_packets_total{interface="veth1",direction="ingress",protocol="udp"})'
        buckets = 'packet_exporter_packet_size_bytes_bucket{interface="veth1",direction="ingress"}'
        def counts(result):
            return {r["metric"]["__name__"]: r["value"][1] for r in result}

        for prometheus in text, protobuf:
            def values(expression, prometheus=prometheus):
                return [r["value"][1] for r in prometheus.query(expression)]

            wait_for(lambda: values('up{job="packet-exporter"}') == ["1"], "up == 1")
            wait_for(lambda: values(query) == ["64"], "the same value")
        wait_for(lambda: len(protobuf.query(buckets)) > 0, "histograms are there")

        def sizes(prometheus):
            return {float(r["metric"].pop("le")): (r["metric"], r["value"][1])
                    for r in prometheus.query(buckets)}

        assert sizes(protobuf) == sizes(text)
        # What tells the two apart: text says le="64".
        for prometheus, bound in (text, "64"), (protobuf, "64.0"):
            bounds = {r["metric"]["le"] for r in prometheus.query(buckets)}
            assert bounds & {"64", "64.0"} == {bound}
        families = 'count by (__name__) ({job="packet-exporter"})'
        wait_for(lambda: counts(text.query(families)) == counts(protobuf.query(families)),
                 "as many series of every family")


def test_foreign_parsers():
    """promtool has nothing to say; the OpenMetrics parser takes it; no series is there twice."""
    with scene("--metrics.legacy", "--flows.top=3") as (host, _, exporter, container):
        host.ip("link", "set", "veth1", "alias", 'a "quoted" \\ alias')
        send(container, 10)
        wait_for(lambda: exporter.scrape().sum("flows_active"), "flows are seen")
        text = exporter.scrape_text("text/plain;version=0.0.4")
        # It says how the original's metrics should be called.
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                                 text=True, check=False)
        said = (checked.stdout + checked.stderr).splitlines()
        assert [line for line in said if not line.startswith("total_packets ")] == []
        openmetrics = exporter.scrape_text()
        metrics = Metrics(openmetrics)
        series = [(s.name, tuple(sorted(s.labels.items()))) for s in metrics.samples]
        assert len(series) == len(set(series))
        assert openmetrics.endswith("# EOF\n")


def test_legacy_metrics():
    """The names and labels of the exporter this one descends from."""
    with scene("--metrics.legacy") as (_, _, exporter, container):
        send(container, 10)

        def found():
            samples = Metrics(exporter.scrape_text()).samples
            packets = [s for s in samples if s.name == "total_packets" and
                       s.labels["interface"] == "veth1"]
            through = [s for s in samples if s.name == "total_throughput_sum" and
                       s.labels["interface"] == "veth1" and s.labels["protocol"] == "udp"]
            return packets and through and (packets, through)

        packets, through = wait_for(found, "both are there")
        assert set(packets[0].labels) == {"source", "dest", "interface", "protocol"}
        assert sum(s.value for s in packets if s.labels["protocol"] == "udp") == 10
        assert sum(s.value for s in through) == 10 * 52


def test_original_environment():
    """PE_PORT and PE_WORKERS, as the original had them."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        from harness import EXPORTER, clean_environment

        process = host.popen(EXPORTER, env={**clean_environment(), "PE_PORT": "9999",
                                            "PE_WORKERS": "3"})
        stack.callback(stop, process)

        def answers():
            try:
                return host.get("http://127.0.0.1:9999/metrics")[2].decode()
            except OSError:
                return None

        assert "packet_exporter_build_info" in wait_for(answers, "it serves on PE_PORT")
        threads = [
            open(f"/proc/{process.pid}/task/{t}/comm", encoding="ascii").read().strip()
            for t in __import__("os").listdir(f"/proc/{process.pid}/task")
        ]
        assert sum(name.startswith("pe-worker") for name in threads) == 3
