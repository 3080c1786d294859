# SPDX-License-Identifier: GPL-2.0-or-later
"""Many exporters' states, written to a VictoriaMetrics: `make fleet`, but few and short."""

import json
import subprocess

from harness import BUILD, Namespace, wait_for
from test_remote_write import VictoriaMetrics, values

HOSTS, INTERFACES, WORKLOADS, STATES = 20, 10, 3, 3


def write(host, database, level):
    process = host.popen(
        BUILD / "tests/fleet/fleet", f"{database.url}/api/v1/write", HOSTS, INTERFACES, WORKLOADS, 3600, 1, STATES,
        level, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out)


def test_a_fleet(tmp_path):
    """Each series of each host is there, and the sums are the truth; by group there are fewer."""
    with Namespace() as host, VictoriaMetrics(host, tmp_path) as victoria:
        for level in "group", "interface":
            sent = write(host, victoria, level)
            assert (sent["states"], sent["interfaces"]) == (HOSTS * STATES, HOSTS * INTERFACES)
            # Samples are seen some time after they were taken.
            wait_for(lambda n=sent["packets"]: values(
                victoria, 'sum({__name__=~"packet_exporter_(host|group)_packets_total",direction="ingress"})'
                          ' by (__name__)') == [str(n)] * 2, "the sums of hosts and of groups")
            wait_for(lambda n=sent["series"]: values(victoria, 'count({job="fleet"})') == [str(n)],
                     f"{sent['series']} series")
            assert values(victoria, 'count(count({job="fleet"}) by (instance))') == [str(HOSTS)]
            of_interfaces = values(victoria, 'count({interface!=""})')
            assert of_interfaces == ([] if level == "group" else [str(sent["series"] - before)])
            before = sent["series"]
