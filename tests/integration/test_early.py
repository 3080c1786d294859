# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces that carry packets before the exporter has read their events: it is stopped meanwhile."""
import contextlib
import json
import signal
import subprocess

from harness import IdentifyingExporter as Exporter, Namespace, counted, needs_root, wait_for
from test_storm import (
    EACH, FRAMES, TINY, Storm, assert_counted, exported_info, kernel_info, plus, self_metric, total,
)

pytestmark = needs_root

EARLY_MAX = 128  # as in pe/abi.h


@contextlib.contextmanager
def scene(*options):
    """(host, exporter, storm)"""
    with contextlib.ExitStack() as stack:
        host, peers = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        exporter = stack.enter_context(Exporter(host, "--log.level=debug", *options))
        # The exporter is ready when it has made its provisional slots.
        yield host, exporter, stack.enter_context(contextlib.closing(Storm(host, peers)))


@contextlib.contextmanager
def stopped(exporter):
    exporter.pause()
    try:
        yield
    finally:
        exporter.process.send_signal(signal.SIGCONT)


def appear(storm, count):
    """So many come, are brought up and send."""
    numbers = storm.create(count)
    storm.up(numbers)
    storm.send(numbers)
    return numbers


def early(exporter):
    """How many the kernel side counts as such."""
    for number in exporter.holds("map"):
        shown = subprocess.run(
            ["bpftool", "-j", "map", "show", "id", str(number)], capture_output=True, check=True
        )
        if json.loads(shown.stdout)["name"] == "early":
            dump = subprocess.run(
                ["bpftool", "-j", "map", "dump", "id", str(number)], capture_output=True, check=True
            )
            return len(json.loads(dump.stdout))
    raise AssertionError("it has no map of early interfaces")


def unobserved(exporter):
    """{(interface, direction): (packets, reasons)}"""
    found = {}
    for sample in exporter.scrape().find("unobserved_packets_total"):
        key = sample.labels["interface"], sample.labels["direction"]
        packets, reasons = found.get(key, (0, set()))
        found[key] = packets + sample.value, reasons | {sample.labels["reason"]}
    return found


def test_lives_on():
    """Each packet of theirs is observed, and XDP takes over without losing one."""
    with scene() as (host, exporter, storm):
        with stopped(exporter):
            numbers = appear(storm, 20)
        wait_for(lambda: exported_info(exporter) == kernel_info(host), "XDP has taken over")
        assert_counted(exporter, storm.sent, EACH)
        storm.send(numbers)
        assert_counted(exporter, storm.sent)
        sums = counted(exporter.scrape_text())
        assert all(sums[f"s{n}"] == total({1: EACH, 2: EACH}) for n in numbers)
        assert not unobserved(exporter)


def test_flows_are_seen():
    """Their packets are in flows, too, and in no other family less."""
    with scene() as (host, exporter, storm):
        with stopped(exporter):
            appear(storm, 3)
        wait_for(
            lambda: exporter.scrape().sum("flows_total", protocol="udp") == 6, "a flow each way"
        )
        metrics = exporter.scrape()
        packets = sum(count for _, count in FRAMES.values()) * 3
        assert metrics.sum("packet_size_bytes_count") == packets
        assert metrics.sum("flow_lost_packets_total") == 0


def test_gone_again():
    """Known only when it has gone: its series have all that it passed."""
    with scene() as (host, exporter, storm):
        with stopped(exporter):
            numbers = appear(storm, 20)
            storm.delete()
        assert_counted(exporter, storm.sent, EACH)
        sums = counted(exporter.scrape_text())
        assert all(sums[f"s{n}"] == EACH for n in numbers)
        assert not unobserved(exporter)


def test_never_heard_of():
    """All events of them are lost: their packets are among those of departed interfaces."""
    with scene(TINY) as (host, exporter, storm):
        with stopped(exporter):
            # These use up the buffer, and are gone by the time it is looked for.
            host.batch(f"link add fill{n} type bridge" for n in range(60))
            appear(storm, 20)
            storm.delete()
            host.batch(f"link del fill{n}" for n in range(60))
        assert_counted(exporter, storm.sent)
        text = exporter.scrape_text()
        assert self_metric(text, "netlink_overruns_total") >= 1
        assert total({"": counted(text)[""]}) == storm.sent
        # No identity is waited for: nobody can know it.
        assert self_metric(
            text, "group_interfaces_departed_total",
            '{kind="veth",master="",namespace="",workload=""}'
        ) == 20
        assert not unobserved(exporter)


def test_moved_away():
    with scene() as (host, exporter, storm), Namespace() as other:
        with stopped(exporter):
            numbers = appear(storm, 5)
            host.batch(f"link set s{n} netns {other.name}" for n in numbers)
        assert_counted(exporter, storm.sent, EACH)
        # There they are nobody's.
        other.ip("link", "set", "group", Storm.GROUP, "up")
        for n in numbers:
            wait_for(
                lambda n=n: "LOWER_UP" in other.ip("link", "show", f"s{n}"), f"s{n} is up there"
            )
            storm.sockets["ingress"].sendto(FRAMES["ingress"][0], (f"p{n}", 0))
        storm.send(appear(storm, 1))
        assert_counted(exporter, storm.sent)


def test_one_after_the_other():
    """Provisional slots are made anew: many times as many early interfaces as there are slots."""
    with scene("--departed.max=10") as (host, exporter, storm):
        for _ in range(5):
            with stopped(exporter):
                appear(storm, 60)
                storm.delete()
            wait_for(
                lambda: total(counted(exporter.scrape_text())) == storm.sent,
                lambda: f"{total(counted(exporter.scrape_text()))} of {storm.sent}",
            )
        assert not unobserved(exporter)


def test_too_many():
    """Those that find no provisional slot are unobserved, as the kernel's own counters show."""
    with scene() as (host, exporter, storm):
        with stopped(exporter):
            numbers = appear(storm, EARLY_MAX + 20)
        wait_for(lambda: exported_info(exporter) == kernel_info(host), "all are known")

        def missing():
            found = unobserved(exporter)
            return {d: sum(v[0] for k, v in found.items() if k[1] == d) for d in FRAMES}

        wait_for(lambda: missing() == {d: 20 * count for d, (_, count) in FRAMES.items()},
                 lambda: f"unobserved: {missing()}", 30)
        assert {reason for _, reasons in unobserved(exporter).values() for reason in reasons} == {
            "before_attach"
        }
        text = exporter.scrape_text()
        seen = total(counted(text))
        assert seen["ingress"][0] == EARLY_MAX * FRAMES["ingress"][1]
        assert self_metric(text, "early_packets_missed_total") == sum(missing().values())
        wait_for(
            lambda: "packets passed on interfaces that were not known yet" in exporter.log(),
            "it is reported",
        )
        storm.send(numbers)
        wait_for(
            lambda: total(counted(exporter.scrape_text()))["ingress"][0]
            == seen["ingress"][0] + (EARLY_MAX + 20) * FRAMES["ingress"][1], "all count now",
        )


def test_without_a_place():
    """Where --max-interfaces is reached, an early interface's packets are unobserved, and reported once."""
    with scene("--max-interfaces=4") as (host, exporter, storm):
        with stopped(exporter):
            appear(storm, 6)
        wait_for(
            lambda: self_metric(exporter.scrape_text(), "interfaces_attached", '{mode="none"}') == 2,
            "two have no place",
        )
        packets = {d: count for d, (_, count) in FRAMES.items()}
        wait_for(
            lambda: all(
                sum(v[0] for k, v in unobserved(exporter).items() if k[1] == d) == 2 * packets[d]
                for d in packets
            ), lambda: f"unobserved: {unobserved(exporter)}", 30,
        )
        seen = total(counted(exporter.scrape_text()))
        assert {d: seen[d][0] for d in seen} == {d: 4 * packets[d] for d in packets}


def test_excluded():
    """They are not counted, neither while they are unknown nor after, and take no provisional slots."""
    with scene("--interface.exclude=^(s|lo$)") as (host, exporter, storm):
        with stopped(exporter):
            excluded = appear(storm, EARLY_MAX)
        wait_for(lambda: early(exporter) == 0, "they have been refused")
        storm.send(excluded)
        with stopped(exporter):
            host.batch([f"link add wanted type veth peer name w netns {storm.peers.name}",
                        "link set wanted up"])
            storm.peers.ip("link", "set", "w", "up")
            wait_for(lambda: "LOWER_UP" in host.ip("link", "show", "wanted"), "it is up")
            for _ in range(3):
                storm.sockets["ingress"].sendto(FRAMES["ingress"][0], ("w", 0))
        wait_for(lambda: counted(exporter.scrape_text()).keys() == {"", "wanted"}, "one is counted")
        assert counted(exporter.scrape_text())["wanted"]["ingress"][0] == 3
        assert not unobserved(exporter)
