# SPDX-License-Identifier: GPL-2.0-or-later
"""The page, its table and the JSON API of a running exporter, against what was sent."""
import json
import subprocess

from harness import Container, Exporter, Namespace, ipv4, needs_root, udp, wait_for

pytestmark = needs_root

FRAME = 14 + 28 + 100


def api(exporter, path):
    status, headers, body = exporter.host.get(f"{exporter.url}/api/v1/{path}")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    return json.loads(body)


def sample(exporter):
    """A new one: interfaces by name, and over how many seconds their rates are."""
    before = api(exporter, "health")["taken"]
    answers = []

    def is_new():
        answers.append(api(exporter, "interfaces"))
        return answers[-1]["taken"] != before

    wait_for(is_new, "another sample")
    return {row["interface"]: row for row in answers[-1]["interfaces"]}, answers[-1]["seconds"]


def send(container, count):
    with container.packet_socket("eth0") as out:
        for _ in range(count):
            out.send(ipv4(17, udp(100)))


def same_as_metrics(exporter, row):
    """Its metrics, the value of each with its labels, are those of a scrape."""
    mine = {}
    for name, samples in row["metrics"].items():
        for s in samples:
            labels = tuple(sorted(s["labels"].items()))
            if "value" in s:
                mine[name, labels] = s["value"]
                continue
            mine[f"{name}_count", labels], mine[f"{name}_sum", labels] = s["count"], s["sum"]
            for le, count in s["buckets"].items():
                mine[f"{name}_bucket", tuple(sorted([*labels, ("le", le)]))] = count
    theirs = {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if k != "interface"))): s.value
        for s in exporter.scrape().samples if s.labels.get("interface") == row["interface"]
    }
    assert mine == theirs and mine


def check_formats(exporter):
    """curl gets a table, the busiest first; a browser a page."""
    done = subprocess.run(
        ["ip", "netns", "exec", exporter.host.name, "curl", "-s", f"{exporter.url}/"],
        capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "MODE", "in"]
    assert {line.split()[0] for line in lines[1:3]} == {"veth1", "veth2"}
    status, headers, body = exporter.host.get(f"{exporter.url}/?open=1", {
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"})
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<bdi>veth1</bdi>" in body and b"</html>" in body


def test_api():
    with Namespace() as host, Exporter(host) as exporter, Container(host, 1) as one:
        with Container(host, 2) as two:
            wait_for(lambda: exporter.scrape().sum("interfaces_attached", mode="generic") == 2,
                     "attached")
            sample(exporter)
            send(one, 600)
            send(two, 200)
            rows, seconds = sample(exporter)
            for name, count in (("veth1", 600), ("veth2", 200)):
                counted, kernel = rows[name]["ingress"], host.link(name)["stats64"]["rx"]
                assert (counted["packets"], counted["bytes"]) == (count, count * FRAME)
                assert (counted["packets"], counted["bytes"]) == (kernel["packets"], kernel["bytes"])
                assert abs(counted["packets_per_second"] * seconds - count) < count / 5
                assert abs(counted["bits_per_second"] * seconds - count * FRAME * 8) < (
                    count * FRAME * 8 / 5)
                assert (rows[name]["mode"], rows[name]["kind"]) == ("generic", "veth")
                assert rows[name]["egress"]["packets"] == 0 and rows[name]["tcp"] is None
            rows, _ = sample(exporter)
            assert rows["veth1"]["ingress"]["bits_per_second"] == 0

            assert [row["interface"] for row in api(exporter, "interfaces?search=VETH")[
                "interfaces"]] == ["veth1", "veth2"]
            found = api(exporter, "interfaces?search=th2&metrics=1&history=1")
            assert (found["total"], found["matched"]) == (2, 1)
            (row,) = found["interfaces"]
            assert max(filter(None, row["history"]["ingress"])) > 0
            ifindex = row["ifindex"]
            assert ifindex == host.link("veth2")["ifindex"]
            alone = api(exporter, f"interfaces/{ifindex}")["interface"]
            assert alone["metrics"] == row["metrics"]
            same_as_metrics(exporter, alone)
            check_formats(exporter)
            assert api(exporter, "health")["status"] == "ok"

        def departed():
            return api(exporter, "interfaces?view=departed")["interfaces"]

        wait_for(departed, "veth2 has departed")
        (gone,) = departed()
        assert gone["interface"] == "veth2" and gone["ingress"]["packets"] == 200
        assert 0 < gone["lived_seconds"] <= gone["departed"] - gone["created"] + 0.01
        assert host.get(f"{exporter.url}/api/v1/interfaces/{ifindex}")[0] == 404
        (group,) = api(exporter, "groups?kind=veth")["groups"]
        assert group["ingress"]["packets"] == 800
        assert (group["interfaces"], group["interfaces_arrived"]) == (1, 2)
