# SPDX-License-Identifier: GPL-2.0-or-later
"""Recording rules and alerts: tests/rules has, for each alert, when it fires and when it does not.
test_dashboard.py evaluates them in a Prometheus that has scraped an exporter.
"""
import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest
import yaml

from harness import (
    DEADLINE_S, ROOT, Container, Exporter, Namespace, Prometheus, ipv4, run, udp, wait_for
)

RULES = ROOT / "docker/prometheus"
TESTS_OF_ALERTS = ROOT / "tests/rules/alerts.test.yml"


def rules(kind):
    """Those of one file: `rule` or `alert`."""
    groups = yaml.safe_load((RULES / f"packet-exporter.{kind}s.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_rules_are_valid():
    run("promtool", "check", "config", "--lint=all", "--lint-fatal", RULES / "prometheus.yml")
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*-exporter.*.yml")))
    for alert in rules("alert"):
        assert alert["for"] and alert["labels"]["severity"] in ("critical", "warning", "info"), alert
        assert set(alert["annotations"]) == {"summary", "description", "action"}, alert
        assert len(alert["annotations"]["summary"]) < 100, alert


def test_alerts_fire_when_they_should(tmp_path):
    """As tests/rules says; and with what annotations, which promtool prints because none are expected."""
    tests = yaml.safe_load(TESTS_OF_ALERTS.read_text("utf-8"))
    names = [alert["alert"] for alert in rules("alert")]
    assert [test["name"] for test in tests["tests"]] == names
    tests["rule_files"] = [str((TESTS_OF_ALERTS.parent / file).resolve()) for file in tests["rule_files"]]
    for test in tests["tests"]:
        cases = test["promql_expr_test"]
        firing = [case["eval_time"] for case in cases
                  if any(f'"{test["name"]}"' in sample["labels"] for sample in case["exp_samples"])]
        assert firing and any(not case["exp_samples"] for case in cases), test["name"]
        test["alert_rule_test"] = [
            {"alertname": test["name"], "eval_time": firing[0], "exp_alerts": []}
        ]
    file = tmp_path / "alerts.test.yml"
    file.write_text(yaml.safe_dump(tests), "utf-8")
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert "expr: " not in said, said
    fired = dict(re.findall(r"alertname: (\w+), time.*?got:\[(.*?)\n\s*\]", said, re.S))
    assert list(fired) == names, said
    for name, alert in fired.items():
        labels = dict(re.findall(r'(\w+)="([^"]*)"', re.search(r"Labels:{(.*)}", alert)[1]))
        found = re.search(r'Annotations:{action="(.*)", description="(.*)", summary="(.*)"}', alert)
        assert found, alert
        for text in found.groups():
            assert len(text) > 15 and not re.search(r"{{|}}|<no value>|<error|  ", text), text
        assert name == "PacketExporterAbsent" or labels["instance"] in found[2] + found[3], alert


class Lossy:
    """Sends 10,000 packets a second to a container, or as many as it can, of which each 200th is seen by
    the interface's own counters alone."""

    RATE, EACH = 10_000, 200

    def __init__(self, host, interface, packets):
        self.ended = False
        self.thread = threading.Thread(target=self.send, args=(host, interface, packets))

    def send(self, host, interface, packets):
        frame = ipv4(socket.IPPROTO_UDP, udp(10))
        with host.packet_socket(interface) as usual, host.packet_socket(interface) as past:
            past.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
            began, sent = time.monotonic(), 0
            while sent < packets and not self.ended:
                for _ in range(self.EACH - 1):
                    usual.send(frame)
                past.send(frame)
                sent += self.EACH
                time.sleep(max(0, began + sent / self.RATE - time.monotonic()))
        self.ended = True

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join(DEADLINE_S)


@pytest.mark.long
def test_losses_alert_within_a_minute(tmp_path):
    """Of a flow that never pauses, and by the rules, the configuration and the intervals that come with it."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        container = stack.enter_context(Container(host, 1))
        exporter = stack.enter_context(Exporter(host))
        for file in RULES.glob("packet-exporter.*.yml"):
            shutil.copy(file, tmp_path)
        prometheus = stack.enter_context(
            Prometheus(host, (RULES / "prometheus.yml").read_text("utf-8"), tmp_path))
        wait_for(lambda: [i for i in exporter.scrape().live(interface=container.interface)
                          if i.labels["mode"] not in ("", "none")], "it is counted")
        firing = 'ALERTS{alertname="PacketExporterPacketsLost",alertstate="firing"}'
        assert not prometheus.query(firing)
        # A minute of it.
        with Lossy(host, container.interface, 60 * Lossy.RATE) as flow:
            wait_for(lambda: flow.ended or prometheus.query(firing), lambda: exporter.scrape_text(),
                     10 * DEADLINE_S)
            assert not flow.ended
