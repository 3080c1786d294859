# SPDX-License-Identifier: GPL-2.0-or-later
"""The Grafana dashboard, and the rules where there is data.

A real Prometheus with the configuration of docker/prometheus scrapes an exporter and a Pushgateway while
containers send everything that panels show. Every expression has to return data, so one that uses a renamed
metric or label fails. Debian has no Grafana: variables are substituted as it does, and the dashboard is
compiled against its types.
"""
import contextlib
import json
import math
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest
import yaml

from harness import (
    ROOT, Container, IdentifyingExporter as Exporter, Namespace, Prometheus, Pushgateway,
    ethernet, icmp_echo, ipv4, needs_root, run, tcp, udp, wait_for,
)
from test_database import Fleet
from test_dns import answer, query, udp as dns_over_udp
from test_rules import RULES, rules

DASHBOARD = ROOT / "docker/grafana/dashboards/packet-exporter.json"

# ---- the file itself ----


def dashboard():
    return json.loads(DASHBOARD.read_text("utf-8"))


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_dashboard_is_of_the_types_of_grafana(tmp_path):
    """Written as a literal of TypeScript, where the compiler rejects unknown properties, too."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    modules = pathlib.Path(run(ROOT / "tests/npm/install.sh").strip())
    tmp_path.joinpath("node_modules").symlink_to(modules)
    shutil.copy(ROOT / "tests/npm/dashboard.ts", tmp_path)
    head = 'import type { PacketDashboard } from "./dashboard";\nexport const dashboard: PacketDashboard = '
    for name, text in (("real", DASHBOARD.read_text("utf-8")),
                       ("wrong", DASHBOARD.read_text("utf-8").replace('"showLegend"', '"showLegent"', 1))):
        tmp_path.joinpath(f"{name}.ts").write_text(f"{head}{text.rstrip()};\n", "utf-8")
    done = subprocess.run(
        [modules / ".bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext",
         "--target", "es2022", "real.ts", "wrong.ts"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if ": error TS" in line]
    assert not [line for line in errors if not line.startswith("wrong.ts")], done.stdout
    assert len(errors) == 1 and '"showLegent"' in errors[0], done.stdout


def test_panels_explain_themselves():
    """What types do not check: texts, units, legends, identifiers and places."""
    whole = dashboard()
    units = {"none", "short", "bps", "pps", "cps", "cpm", "reqps", "bytes", "s", "percentunit"}
    seen, ids, taken = set(), [], set()
    rows = [panel["title"] for panel in whole["panels"] if panel["type"] == "row"]
    assert len(rows) == 10, rows
    for panel in whole["panels"]:
        ids.append(panel["id"])
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"] not in seen, panel["title"]
        seen.add(panel["title"])
        assert len(panel["description"]) > 20 and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in units, panel["title"]
        assert all(target["legendFormat"].strip() for target in panel["targets"]), panel["title"]
        shown = [panel["title"], *(target["legendFormat"] for target in panel["targets"])]
        assert not re.search("ingress|egress", " ".join(shown)), f"{shown}: sent or received?"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len(set(ids)) == len(ids)
    # A container is chosen among few, whatever the number of interfaces.
    variables = {v["name"]: v for v in whole["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "search", "interface"]
    assert variables["interface"]["query"]["query"].startswith("query_result(topk(50, ")
    assert not variables["job"]["multi"] and not variables["job"]["includeAll"]


def test_provisioned():
    """Where the compose file mounts it, with the Prometheus of the compose file."""
    compose = yaml.safe_load((ROOT / "docker/docker-compose.yml").read_text("utf-8"))
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    folder = ROOT / "docker/grafana/provisioning"
    assert (ROOT / "docker" / next(s for s, t in mounts.items() if t == "/etc/grafana/provisioning")) == folder
    provider, = yaml.safe_load((folder / "dashboards/packet-exporter.yml").read_text("utf-8"))["providers"]
    source = next(s for s, target in mounts.items() if target == provider["options"]["path"])
    assert (ROOT / "docker" / source) == DASHBOARD.parent
    database, = yaml.safe_load((folder / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    port = urllib.parse.urlsplit(database["url"]).port
    assert f"--web.listen-address=127.0.0.1:{port}" in str(compose["services"]["prometheus"])


# ---- its expressions ----

# Not there for jobs that are pushed.
SCRAPED = re.compile(r"\b(process|scrape)_\w+")
# Rightly empty here; lint/documents.sh checks that these metrics exist.
EMPTY = re.compile("|".join((
    # A ring buffer or the flow cache would have to overflow.
    "job_instance:packet_exporter_host_flow_lost_packets:ratio_rate5m",
    "packet_exporter_host_flow_lost_packets_total{.*}",
    # The one packet that is overcounted is an ingress one.
    r'sum\(packet_exporter_overcounted_packets_total{.*direction="egress"}\)',
    # No `for` is over so soon.
    "ALERTS{.*}",
)))


def rightly_empty(expression, job):
    return EMPTY.fullmatch(expression) or (job == "packet_exporter_push" and SCRAPED.search(expression))


def as_grafana(expression, job):
    """With its variables substituted."""
    values = {"job": job, "instance": ".+", "interface": "veth1", "search": "", "__rate_interval": "2m",
              "__range": "2m"}
    text = re.sub(r"\$(\w+)", lambda match: values[match[1]], expression)
    assert "$" not in text, text
    return text


def selectors(expression):
    """The names and matchers of the series that it reads."""
    rest = re.sub(r"\b(by|on|ignoring|group_left)\s*\([^)]*\)|\[\w+\]|\boffset \w+", " ", expression)
    for name, matchers in re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)\b(?!\s*\()((?:{[^}]*})?)", rest):
        if name not in ("and", "or", "unless"):
            yield name + matchers


class Traffic:
    """Everything that panels show. h0 and h1 belong to the workloads web and db, veth1 to none; others
    come and go."""

    def __init__(self, host, stack):
        self.host = host
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        self.fleet = Fleet(host, stack)
        self.fleet.begin(["web"])
        for peers in self.fleet.peers.values():
            peers.ip("link", "set", "lo", "up")
        self.nobody = stack.enter_context(Container(host, 1))
        # Before the exporter is there.
        self.both_ways(self.nobody.packet_socket("eth0"), "veth1")

    def both_ways(self, container, interface):
        frames = [
            *(ipv4(6, tcp(flags)) for flags in (0x02, 0x12, 0x11, 0x14)),  # SYN, SYN ACK, FIN, RST
            ipv4(17, udp(100)), ipv4(1, icmp_echo(10)),
            ethernet(0x8100, b"\x00\x07\x08\x00" + ipv4(17, udp(9))[14:]),
            ipv4(17, udp(9))[:36],  # ends inside its header
            fragment(ipv4(17, udp(9))),
            # A query of each end, and then the answer to that of the other.
            ipv4(17, dns_over_udp(query(1), 4000, 53)), ipv4(17, dns_over_udp(answer(1), 53, 4000), "192.0.2.2", "192.0.2.1"),
        ]  # fmt: skip
        with self.host.packet_socket(interface) as host, container:
            for frame in frames:
                container.send(frame)
                host.send(frame)

    def odd_ways(self):
        """A packet that the kernel does not count, and one that no hook sees."""
        for number in (1, 2):
            self.host.ip("link", "add", f"mv{number}", "link", "veth1", "address",
                         f"02:00:00:00:00:0{number}", "type", "macvlan", "mode", "bridge")
            self.host.ip("link", "set", f"mv{number}", "up")
        with self.host.packet_socket("mv1") as sock:
            sock.send(bytes.fromhex("020000000002" "020000000001") + ipv4(17, udp(100))[12:])
        with self.host.packet_socket("veth1") as sock:
            sock.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
            sock.send(ipv4(17, udp(100)))

    def connect(self):
        """A connection inside of each container, which carries something both ways."""
        for peers in self.fleet.peers.values():
            with peers.inside(), socket.create_server(("127.0.0.1", 0)) as listener:
                with socket.create_connection(listener.getsockname()) as one, listener.accept()[0] as other:
                    one.send(b"x")
                    other.send(other.recv(1))
                    one.recv(1)

    def round(self):
        self.connect()
        for number, workload in ((0, "web"), (1, "db")):
            self.both_ways(self.fleet.peers[workload].packet_socket(f"c{number}"), f"h{number}")
        self.both_ways(self.nobody.packet_socket("eth0"), "veth1")

    def come_and_go(self):
        for number, workload in self.fleet.begin(["web", "job"]):
            self.both_ways(self.fleet.peers[workload].packet_socket(f"c{number}"), f"h{number}")
            self.host.ip("link", "del", f"h{number}")


def fragment(frame):
    """The second one of a packet."""
    return frame[:20] + b"\x00\x10" + frame[22:]


def start_database(host, stack, tmp_path):
    """With the configuration of docker-compose, at shorter intervals."""
    for file in RULES.glob("*-exporter.*.yml"):
        shutil.copy(file, tmp_path)
    config = yaml.safe_load((RULES / "prometheus.yml").read_text("utf-8"))
    config["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    return stack.enter_context(Prometheus(
        host, yaml.safe_dump(config), tmp_path, "--web.enable-remote-write-receiver"))


class Asker:
    def __init__(self, prometheus):
        self.url, self.host = prometheus.url, prometheus.host

    def get(self, path, **parameters):
        body = self.host.get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")[2]
        answer = json.loads(body)
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def series(self, expression):
        return self.get("query", query=expression)["result"]

    def has_data(self, expression):
        """A value that is not NaN, which quantiles of empty histograms are."""
        return any(not math.isnan(float(one["value"][1])) for one in self.series(expression))


def expressions():
    """{expression: where it stands}: panels for both jobs, recorded series, and what alerts read."""
    found = {}
    for job in ("packet_exporter", "packet_exporter_push"):
        for panel in panels():
            for target in panel["targets"]:
                expression = as_grafana(target["expr"], job)
                where = (job, panel["title"], target["legendFormat"])
                found[expression] = where
                if "vector(0)" in expression:
                    # It has data even if the metric does not exist.
                    found.update(dict.fromkeys(selectors(expression), where))
    for rule in rules("rule"):
        found[rule["record"]] = ("packet_exporter", "a recording rule")
    for alert in rules("alert"):
        for selector in selectors(alert["expr"]):
            found[selector] = ("packet_exporter", alert["alert"])
    return {e: where for e, where in found.items() if not rightly_empty(e, where[0])}


@pytest.mark.long
@needs_root
def test_every_expression_has_data(tmp_path):
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace())
        traffic = Traffic(host, stack)
        stack.enter_context(Pushgateway(host))
        # Loopback has no kind, like a card. The last group to come exceeds --group.max.
        stack.enter_context(Exporter(
            host, "--push.url=http://127.0.0.1:9091", "--push.interval=1s", "--interface.detail=basic",
            "--remote-write.url=http://127.0.0.1:9090/api/v1/write", "--remote-write.interval=1s",
            "--remote-write.label=job=written", "--interface.exclude=", "--flows.top=5", "--flows.idle-timeout=1s", "--group.max=7",
            "--log.level=info", "--dns=on",
        ))  # fmt: skip
        asker = Asker(start_database(host, stack, tmp_path))
        traffic.fleet.begin(["db"])
        traffic.odd_ways()
        missing = expressions()
        assert len(missing) > 150

        def all_have_data():
            traffic.round()
            traffic.come_and_go()
            for expression in list(missing):
                if asker.has_data(expression):
                    del missing[expression]
            return not missing

        for job in ("packet_exporter", "pushgateway"):
            twice = f'count_over_time(up{{job="{job}"}}[1m]) > 1'
            wait_for(lambda query=twice: traffic.round() or asker.has_data(query), f"{job} is scraped")
        wait_for(all_have_data, lambda: "no data: " + "\n".join(f"{w}: {e}" for e, w in missing.items()))
        check_variables(asker)
        check_rules(asker)


def check_variables(asker):
    variables = {v["name"]: v for v in dashboard()["templating"]["list"]}
    for name, wanted in (("job", ["packet_exporter", "packet_exporter_push", "written"]),
                         ("instance", ["127.0.0.1:9817"])):
        query = as_grafana(variables[name]["query"]["query"], "packet_exporter")
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        values = asker.get(f"label/{label}/values", **{"match[]": metric})
        assert values == wanted
    # Its regular expression is applied to series as Grafana writes them.
    pattern = re.compile(variables["interface"]["regex"].strip("/").replace("(?<", "(?P<"))
    query = re.fullmatch(r"query_result\((.*)\)", variables["interface"]["query"]["query"])[1]
    for search, wanted in (("", {"h0", "h1", "veth1"}), ("web", {"h0"}), ("h[1]", {"h1"})):
        found = {}
        for one in asker.series(as_grafana(query.replace("$search", search), "packet_exporter")):
            text = ",".join(f'{label}="{value}"' for label, value in sorted(one["metric"].items()))
            match = pattern.search(f"{{{text}}} {one['value'][1]} {one['value'][0]}")
            found[match["value"]] = match["text"].split()
        assert wanted <= found.keys() and ("web" not in search or "h1" not in found), found
        assert all(name == shown[-1] for name, shown in found.items()), found
        assert found.get("h0", ["web"])[0] == "web", found


def check_rules(asker):
    """All can be evaluated, and what happened here is pending."""
    happened = {"PacketExporterPacketsLost", "PacketExporterOvercounted", "PacketExporterGroupLimit"}
    # On a busy machine; and most of what is sent here is for nobody.
    possible = happened | {"PacketExporterIdentityLate", "PacketExporterWorkloadDrops"}

    def pending():
        found = [rule for group in asker.get("rules")["groups"] for rule in group["rules"]]
        assert all(rule["health"] == "ok" for rule in found), found
        return {rule["name"] for rule in found if rule.get("state", "inactive") != "inactive"}

    wait_for(lambda: happened <= pending(), lambda: f"pending: {pending()}")
    assert pending() <= possible
