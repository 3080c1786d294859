# SPDX-License-Identifier: GPL-2.0-or-later
"""What containers feel: packet rates, round trips, connections and throughput across a bridge of two
veths, with and without an exporter.

In turn, each round beginning with another one: nothing; ours without drops, and with less of it (nothing
watched, only another interface watched, only one of the two passages counted, without egress, without
flows); ours that keeps XDP whatever it costs, and in native mode; and programs that count little or
nothing, on the same interfaces or by the tracepoints that ours has (tcx.bpf.c). Figures are medians
over the rounds, and so are the ratios to the same round without any.

Small packets are sent 64 at a time, and what counts is the tenth of these that had least to wait, of
six times the best, because whoever else uses the machine can only make it slower. They, round trips and TCP
are compared with those directly before, without any; what nothing differs by from nothing is the error
that is left. Each row has also the time that one of these takes more than without, of TCP the time of a
KiB; counting alone is what a packet costs more than with only another interface watched, when the hooks
are there and find nothing to do. The packets go to a socket that nobody reads, so that no reader is
timed: with --drops=on each is also counted as dropped, which has a row of its own.

TCP is timed from its third second on: by then ours has left a busy interface to the tracepoint. Its
rounds differ by a few per cent, so there are more of it, with few of these.

At the end the programs themselves: the size of the machine code of each, what a run of those that count takes
in this traffic, as the kernel measures it, which adds to it; and what the CPUs count of a packet, where
the machine shows it (perf).
"""
import concurrent.futures
import contextlib
import json
import pathlib
import subprocess
import sys
import time

from bench import (
    BUILD, Container, Exporter, Namespace, clean_environment, figure, helper, main, median,
    percentile, quick, run, stop, wait_attached, wait_for,
)

PORT = 4444
ROUNDS = quick(10, 1)
TCP_ROUNDS = quick(12, 1)
INTERFACES = ("veth1", "veth2", "br0")
NONE = "no exporter"
ELSEWHERE = "ours, another interface watched"
PASS = "a pass-only TCX program"
EMPTY = "empty programs of the two tracepoints"
STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
COUNTS = "a TCX program that counts protocols"
TWIN = "count_protocol"  # its program
PROGRAMS = ("pe_ingress", "pe_receive", "pe_egress", TWIN)
# All that a packet can pass, and what looks at it besides.
EVERYTHING = ("--xdp.mode=native", "--drops=on", "--dns=on", "--tcp=on", "--identity=on")
COSTS = ("ns/run", "runs/packet")
REST_S = 6  # after so long without an interface it has detached its tracepoints


@contextlib.contextmanager
def held(host, *command):
    """A program that says when it is ready, and ends when its standard input does."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", host.name, BUILD / "tests/bench/traffic", *map(str, command)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment()
    )
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{command} is not ready")
        yield
    finally:
        process.stdin.close()
        process.wait(10)


def exporter(*options, watched=len(INTERFACES) + 1, drops="off"):
    @contextlib.contextmanager
    def begin(host):
        with Exporter(host, f"--drops={drops}", *options) as running:
            wait_attached(running, watched)
            if not watched:
                time.sleep(REST_S)
            yield
    return begin


def programs(command, *interfaces):
    return lambda host: held(host, command, *interfaces)


MODES = {
    NONE: lambda host: contextlib.nullcontext(),
    "ours": exporter(),
    "ours, and drops": exporter(drops="on"),
    # Nothing is attached then.
    "ours, nothing watched": exporter("--interface.include=none", watched=0),
    ELSEWHERE: exporter("--interface.include=other", watched=1),
    "ours, one passage": exporter("--interface.include=veth1", watched=1),
    "ours, --egress=off": exporter("--egress=off"),
    "ours, --flows=off": exporter("--flows=off"),
    "ours, generic mode": exporter("--xdp.mode=generic"),
    "ours, native mode": exporter("--xdp.mode=native"),
    EMPTY: programs("tracepoints"),
    PASS: programs("tcx-pass", *INTERFACES[:2]),
    COUNTS: programs("tcx", *INTERFACES[:2]),
    # What the generic mode costs by itself; a bridge must not have one.
    "an empty XDP program, generic mode": programs("xdp", *INTERFACES[:2]),
}

# Those that count by XDP until an interface is busy.
LEFT_TO_TRACEPOINTS = (
    "ours", "ours, and drops", "ours, one passage", "ours, --egress=off", "ours, --flows=off",
)  # fmt: skip
# What is measured directly before as well, without any.
PAIRED = ("tcp", "rate", "ping p50", "ping p99", "rr p50", "rr p99")
# What TCP is measured of; NONE shows what error is left. In each round, and in some.
OFTEN = ("ours", "ours, and drops", NONE)
TIMED = (
    *OFTEN, PASS, "ours, generic mode", "ours, native mode", "ours, nothing watched", "ours, one passage",
    "ours, --egress=off", "ours, --flows=off",
)  # fmt: skip


def of_rate(rate):
    return 1e9 / rate


def of_trip(us):
    return us * 1e3


def of_kib(gigabits):
    return 1024 * 8 / gigabits


# The time of one of what is measured.
NS = {"rate": of_rate, "both": of_rate, "crr": of_rate, "ping": of_trip, "rr": of_trip, "tcp": of_kib}


def throughput(client):
    """Gb/s of one TCP stream that has lasted two seconds, as received."""
    out = run("ip", "netns", "exec", client.name, "iperf3", "-J", "-c", "10.7.0.2",
              "-t", "1", "-O", "2", timeout=20)
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def packet_rate(sender, receiver, address, ms=200):
    """Small packets a second that arrive."""
    before = receiver.link("eth0")["stats64"]["rx"]["packets"]
    blast = helper(sender, "traffic", "blast", address, PORT + 1, quick(ms, 100))
    arrived = receiver.link("eth0")["stats64"]["rx"]["packets"] - before
    if not arrived:
        raise RuntimeError("no packet arrived")
    return arrived / blast["ns"] * 1e9


def best_rate(client):
    """Small packets a second that are sent where nothing else is in the way."""
    return 1e9 / min(helper(client, "traffic", "blast", "10.7.0.2", PORT + 1, quick(80, 50))["packet_ns"]
                     for _ in range(quick(6, 2)))


def keep_busy(client, server, s):
    """By then XDP has left the interfaces to the tracepoint."""
    began = time.monotonic()
    while time.monotonic() - began < s:
        packet_rate(client, server, "10.7.0.2")


def both_rates(client, server):
    """The sum of both directions at once."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        return sum(threads.map(packet_rate, (client, server), (server, client),
                               ("10.7.0.2", "10.7.0.1")))


def round_trips(client, kind):
    """µs."""
    return [ns / 1e3 for ns in helper(client, "traffic", kind, "10.7.0.2", PORT,
                                      quick(2000, 400))]


def connection_rate(client):
    count = quick(1000, 200)
    return count / helper(client, "traffic", "crr", "10.7.0.2", PORT, count)["ns"] * 1e9


def containers(stack, host):
    """A client and a server on one bridge."""
    client, server = (stack.enter_context(Container(host, n, up=False)) for n in (1, 2))
    with contextlib.suppress(FileNotFoundError):
        # Others have loaded it: a machine's own rules are not what is measured.
        host.write("net/bridge/bridge-nf-call-iptables", "0")
    host.ip("link", "add", "br0", "type", "bridge")
    for container, address in ((client, "10.7.0.1/24"), (server, "10.7.0.2/24")):
        container.ip("addr", "add", address, "dev", "eth0")
        host.ip("link", "set", container.interface, "master", "br0")
        host.ip("link", "set", container.interface, "up")
        container.ip("link", "set", "eth0", "up")
    # Thousands of connections, of which none may keep its port.
    client.write("net/ipv4/tcp_max_tw_buckets", "0")
    host.ip("link", "set", "br0", "up")
    host.ip("link", "add", "other", "type", "veth", "peer", "name", "away", "netns", client.name)
    host.ip("link", "set", "other", "up")
    for side, name in ((host, "veth1"), (host, "veth2"), (client, "eth0"), (server, "eth0")):
        wait_for(lambda s=side, n=name: s.link(n)["operstate"] == "UP", f"{name} is up")
    return client, server


def iperf_server(stack, server):
    process = server.popen("iperf3", "-s", stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    stack.callback(stop, process)
    wait_for(lambda: ":5201" in run("ip", "netns", "exec", server.name, "ss", "-Hltn"),
             "iperf3 listens")


def measure_paired(client, result, suffix=""):
    result["rate" + suffix].append(best_rate(client))
    for kind in ("ping", "rr"):
        trips = round_trips(client, kind)
        result[f"{kind} p50{suffix}"].append(percentile(trips, 50))
        result[f"{kind} p99{suffix}"].append(percentile(trips, 99))


def measure(client, server, mode, result):
    if mode in LEFT_TO_TRACEPOINTS:
        keep_busy(client, server, quick(2.5, 1))
    measure_paired(client, result)
    result["both"].append(both_rates(client, server))
    result["crr"].append(connection_rate(client))


def loaded():
    """Our programs that are loaded, by name; of each name the newest."""
    listed = json.loads(run("bpftool", "-j", "prog", "show"))
    return {p["name"]: p for p in sorted(listed, key=lambda p: p["id"]) if p.get("name") in PROGRAMS}


def own_cost(host, client, server):
    """Values of COSTS by program."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(MODES["ours"](host))
        stack.enter_context(MODES[COUNTS](host))
        before = STATS.read_text(encoding="ascii")
        stack.callback(STATS.write_text, before, encoding="ascii")
        keep_busy(client, server, quick(3, 1))
        STATS.write_text("1", encoding="ascii")
        packets = server.link("eth0")["stats64"]["rx"]["packets"]
        packet_rate(client, server, "10.7.0.2")
        packets = server.link("eth0")["stats64"]["rx"]["packets"] - packets
        return {name: (p.get("run_time_ns", 0) / max(p.get("run_cnt", 0), 1),
                       p.get("run_cnt", 0) / packets) for name, p in loaded().items()}


def show_sizes(host):
    """Of the machine code of every program; an empty one is its baseline."""
    with held(host, "tracepoints"), Exporter(host, *EVERYTHING) as running:
        wait_attached(running, len(INTERFACES) + 1)
        held_ids = running.holds("prog")
        listed = json.loads(run("bpftool", "-j", "prog", "show"))
        empty = next(p["bytes_jited"] for p in listed if p.get("name") == "twin_receive")
        for program in sorted(listed, key=lambda p: p.get("name", "")):
            if program["id"] in held_ids:
                figure(f"{program['name']}, machine code", program["bytes_jited"], "bytes", empty,
                       "an empty program")


def traffic():
    keys = ("both", "crr", *PAIRED, *(f"{key} before" for key in PAIRED))
    results = {mode: {key: [] for key in keys} for mode in MODES}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("pe-b"))
        client, server = containers(stack, host)
        iperf_server(stack, server)
        stack.enter_context(held(server, "echo", PORT))
        stack.enter_context(held(client, "echo", PORT))
        # Addresses are resolved and the bridge knows its ports before anything is timed.
        throughput(client)
        for number in range(ROUNDS):
            for index in range(len(MODES)):
                mode = list(MODES)[(number + index) % len(MODES)]
                measure_paired(client, results[mode], " before")
                with MODES[mode](host):
                    measure(client, server, mode, results[mode])
        for number in range(TCP_ROUNDS):
            for mode in TIMED[::-1 if number % 2 else 1]:
                if mode in OFTEN or number % 3 == 0:
                    results[mode]["tcp before"].append(throughput(client))
                    with MODES[mode](host):
                        results[mode]["tcp"].append(throughput(client))
        programs_cost = own_cost(host, client, server)
        show_all(results)
        show_events(host, client, server)
        show_sizes(host)
    twin = programs_cost.pop(TWIN)
    for name, cost in programs_cost.items():
        for unit, value, base in zip(COSTS, cost, twin):
            figure(f"{name}, in this traffic", value, unit, base, COUNTS)


# What perf(1) calls it, and what it is of a packet.
EVENTS = {
    "instructions": "instructions",
    "L1-icache-load-misses": "lines of code from beyond L1",
    "L1-dcache-load-misses": "lines of data from beyond L1",
    "LLC-load-misses": "lines from memory",
    "branch-misses": "branches foreseen wrongly",
}


def counted_by_cpus(client, server):
    """What all CPUs count of a packet, by event; nothing of one that this machine does not show."""
    command = ["perf", "stat", "-a", "-x", ",", "-e", ",".join(EVENTS), "ip", "netns", "exec", client.name,
               BUILD / "tests/bench/traffic", "blast", "10.7.0.2", str(PORT + 1), "400"]
    before = server.link("eth0")["stats64"]["rx"]["packets"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (FileNotFoundError, subprocess.SubprocessError):
        return {}
    packets = server.link("eth0")["stats64"]["rx"]["packets"] - before
    if not packets:
        return {}
    rows = (line.split(",") for line in done.stderr.splitlines())
    return {row[2].split(":")[0]: float(row[0]) / packets
            for row in rows if len(row) > 2 and row[0].replace(".", "", 1).isdigit()}


def show_events(host, client, server):
    with MODES[NONE](host):
        none = counted_by_cpus(client, server)
    with MODES["ours"](host):
        keep_busy(client, server, quick(3, 1))
        ours = counted_by_cpus(client, server)
    for event, name in EVENTS.items():
        if event in none and event in ours:
            figure(f"a small packet, {name}", ours[event], "a packet", none[event], NONE)
    if not none:
        print("traffic: this machine shows no counters of its CPUs", file=sys.stderr)


def show_all(results):
    none = results[NONE]

    def base_of(mode, key):
        return results[mode][f"{key} before"] if key in PAIRED else none[key]

    def ratio(mode, key):
        return median(a / b for a, b in zip(results[mode][key], base_of(mode, key)))

    def show(key, name, unit, targets):
        for mode in list(MODES)[1:]:
            if results[mode][key]:
                figure(f"{name}, {mode}", median(results[mode][key]), unit,
                       median(base_of(mode, key)), NONE, targets.get(mode), ratio(mode, key))
        if key in PAIRED:
            figure(f"{name}, without one again", median(none[key]), unit,
                   median(base_of(NONE, key)), NONE, None, ratio(NONE, key))

    def more_ns(mode, key="rate"):
        ns = NS[key.split()[0]]
        return median(ns(a) - ns(b) for a, b in zip(results[mode][key], base_of(mode, key)))

    def show_ns(key, name):
        for mode in list(MODES)[1:]:
            if results[mode][key]:
                figure(f"time {name}, {mode}", more_ns(mode, key), "ns over none",
                       median(map(NS[key.split()[0]], base_of(mode, key))), NONE)

    show("rate", "small packets across a bridge", "packets/s",
         {"ours, nothing watched": "ratio ≥ 0.93"})
    figure("small packets across a bridge, ours", median(results["ours"]["rate"]), "packets/s",
           median(results[PASS]["rate"]), PASS, "ratio ≥ 1.00",
           ratio("ours", "rate") / ratio(PASS, "rate"))
    show_ns("rate", "a small packet")
    figure("time a small packet, four runs of ours that find nothing",
           more_ns(ELSEWHERE) - more_ns(EMPTY), "ns over the next", more_ns(EMPTY), f"{EMPTY}, over none")
    figure("time a small packet, ours", more_ns("ours") - more_ns(ELSEWHERE), "ns over the next",
           more_ns(ELSEWHERE), f"{ELSEWHERE}, over none", "≤ 90 ns")
    show("both", "small packets across a bridge, both directions", "packets/s", {})
    show_ns("both", "a small packet, both directions")
    for kind, protocol in (("ping", "UDP"), ("rr", "TCP")):
        for part, target in (("p50", "ratio ≤ 1.04"), ("p99", "ratio ≤ 1.05")):
            show(f"{kind} {part}", f"request and response, {protocol}, {part}", "µs",
                 dict.fromkeys(("ours", "ours, and drops"), target))
            show_ns(f"{kind} {part}", f"a request and its response, {protocol}, {part}")
    show("crr", "connections with a request", "connections/s", {})
    show_ns("crr", "a connection with a request")
    show("tcp", "TCP across a bridge", "Gb/s", {"ours": "ratio ≥ 0.98"})
    for mode in OFTEN:
        rounds = [a / b for a, b in zip(results[mode]["tcp"], base_of(mode, "tcp"))]
        for percent in (0, 25, 75):
            figure(f"TCP across a bridge, {mode}, {percent} % of the rounds have less",
                   percentile(rounds, percent), "of it", 1, f"{NONE}, directly before")
    show_ns("tcp", "a KiB of TCP across a bridge")


if __name__ == "__main__":
    main(traffic)
