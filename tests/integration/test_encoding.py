# SPDX-License-Identifier: GPL-2.0-or-later
"""The encoder's text, read by parsers that are not ours.

encode-sample prints a deterministic snapshot with hostile names. OpenMetrics goes through the
strictest parser there is (prometheus_client), text 0.0.4 through `promtool check metrics`. What
neither of them checks is checked here: duplicate series, interleaved families, and that both
formats say the same.
"""

import functools
import os
import re
import shutil
import subprocess
from collections import Counter

import pytest
from prometheus_client.openmetrics import parser as openmetrics

PROGRAM = os.path.join(os.environ.get("PE_BUILDDIR", "build"), "tests/unit/encode-sample")
# A thousand take the parsers a minute and some gigabytes.
SIZES = (0, 1, 50, pytest.param(1000, marks=pytest.mark.soak))

SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)'
    r'(?:\{(?P<labels>(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (?P<value>[0-9.]+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)"')
SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "info": ("_info",),
    "gauge": ("",),
    "unknown": ("",),
}


@functools.lru_cache(maxsize=None)
def encode(form, size, *extra):
    """The text as bytes; decoding strictly is part of the test."""
    done = subprocess.run([PROGRAM, form, str(size), *extra], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8", errors="strict")


@functools.lru_cache(maxsize=None)
def samples(form, size, *extra):
    """(name, labels as a sorted tuple, value as text) of each sample line."""
    found = []
    for line in encode(form, size, *extra).split("\n"):
        if not line or line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        labels = LABEL.findall(match["labels"] or "")
        assert len({name for name, _ in labels}) == len(labels), f"a label twice: {line!r}"
        found.append((match["name"], tuple(sorted(labels)), match["value"]))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_openmetrics_parser(size):
    text = encode("om", size, "legacy", "created", "labels")
    families = {family.name: family
                for family in openmetrics.text_string_to_metric_families(text)}
    assert families["packet_exporter_netlink_messages"].type == "counter"
    assert families["packet_exporter_build"].type == "info"
    assert ("packet_exporter_packets" in families) == (size > 0)
    for family in families.values():
        assert family.documentation
        assert family.unit == "" or family.name.endswith("_" + family.unit)
        if re.search(r"_(seconds|bytes)$", family.name):
            assert family.unit, f"{family.name} has no UNIT"
        created = [s for s in family.samples if s.name.endswith("_created")]
        assert bool(created) == (family.type in ("counter", "histogram")), family.name


@pytest.mark.parametrize("size", SIZES)
def test_promtool(size):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "metrics"], input=encode("text", size, "legacy"),
                          encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    # The original's name is what it is.
    said = [line for line in done.stdout.splitlines() if not line.startswith("total_packets ")]
    assert (done.returncode in (0, 3), said) == (True, [])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ("om", "text"))
def test_no_series_twice(form, size):
    count = Counter((name, labels) for name, labels, _ in samples(form, size, "legacy", "labels"))
    assert [series for series, n in count.items() if n > 1] == []
    # An empty label is the same as none.
    count = Counter((name, tuple(label for label in labels if label[1]))
                    for name, labels in count)
    assert [series for series, n in count.items() if n > 1] == []


@pytest.mark.parametrize("size", SIZES)
def test_families_do_not_interleave(size):
    """Every sample belongs to the family whose metadata came last, and metadata comes once."""
    seen, name, suffixes, has_samples = set(), None, (), True
    for line in encode("om", size, "legacy", "created").splitlines():
        if line.startswith("# HELP "):
            assert has_samples, f"{name} has metadata but no samples"
            name, has_samples = line.split(" ")[2], False
            assert name not in seen
            seen.add(name)
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == name
            suffixes = SUFFIXES[line.split(" ")[3]]
        elif not line.startswith("#"):
            has_samples = True
            assert re.split(r"[{ ]", line)[0] in [name + suffix for suffix in suffixes], line
    assert has_samples


@pytest.mark.parametrize("size", SIZES)
def test_text_metadata(size):
    """In 0.0.4 the metadata carries the samples' own name, and _created does not exist."""
    name, kind = None, None
    for line in encode("text", size, "legacy").splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == name
            kind = line.split(" ")[3]
            assert kind in ("counter", "gauge", "histogram")
        else:
            sample = re.split(r"[{ ]", line)[0]
            expected = [name] if kind != "histogram" else [
                name + suffix for suffix in ("_bucket", "_count", "_sum")]
            assert sample in expected, line
            assert kind != "counter" or name.endswith("_total") or name == "total_packets"


@pytest.mark.parametrize("size", SIZES)
def test_formats_agree(size):
    om = {(name, labels): value
          for name, labels, value in samples("om", size, "legacy")
          if not name.endswith("_created")}
    text = {(name, labels): value for name, labels, value in samples("text", size, "legacy")}
    assert om == text
    if size:
        assert any("." not in value and int(value) > 2**53 and int(value) % 2
                   for value in text.values())


@pytest.mark.parametrize("size", SIZES)
def test_every_interface_has_a_name_of_its_own(size):
    interfaces = {dict(labels)["interface"]
                  for name, labels, _ in samples("text", size)
                  if name == "packet_exporter_packet_size_bytes_count"}
    assert len(interfaces) == size


def test_created_is_off_unless_asked_for():
    assert "_created" not in encode("om", 1)
    assert "_created" in encode("om", 1, "created")


def test_legacy_is_off_unless_asked_for():
    assert "total_throughput" not in encode("text", 1)
    for form in ("text", "om"):
        packets, throughput = ([dict(labels) for name, labels, _ in samples(form, 1, "legacy")
                                if name == wanted]
                               for wanted in ("total_packets", "total_throughput_count"))
        assert packets and packets == throughput
        for labels in packets:
            assert set(labels) == {"source", "dest", "interface", "protocol"}


def test_legacy_types():
    """Those of the original in 0.0.4; in OpenMetrics a counter's name would end in _total."""
    types = {form: dict(re.findall(r"^# TYPE (total_\w+) (\w+)$", encode(form, 1, "legacy"), re.M))
             for form in ("text", "om")}
    assert types["text"] == {"total_packets": "counter", "total_throughput": "histogram"}
    assert types["om"] == {"total_packets": "unknown", "total_throughput": "histogram"}


def test_top_flows_and_remainder_cover_all():
    """The flows shown, added up over what their labels leave out, and the rest are one total."""
    family = [(dict(labels), int(value)) for name, labels, value in samples("om", 1)
              if name == "packet_exporter_top_flow_packets_total"]
    others = [labels for labels, _ in family if labels["source"] == "other"]
    assert all(labels["destination"] == "other" for labels in others)
    assert len(others) == 24  # directions times protocols
    shown = sorted((labels["protocol"], labels["source"], labels["destination"])
                   for labels, _ in family if labels["source"] != "other")
    assert shown == [
        ("icmp", "192.0.2.77", "198.51.100.7"),
        ("icmpv6", "2001:db8::1:0:0", "::ffff:192.0.2.9"),
        ("other", "192.0.2.77", "198.51.100.7"),
        ("sctp", "192.0.2.5:1005", "198.51.100.7:60005"),
        ("tcp", "192.0.2.0:1000", "198.51.100.7:60000"),
        ("udp", "[2001:db8::1:0:0]:1001", "[::ffff:192.0.2.9]:60001"),
    ]
