# SPDX-License-Identifier: GPL-2.0-or-later
"""What containers feel: packet rates, round trips, connections and throughput across a bridge of two
veths, with and without an exporter.

In turn, each round beginning with another one: nothing; ours as it is, and with less of it (nothing
watched, only another interface watched, only one of the two passages counted, without egress, without
flows); ours that keeps XDP whatever it costs, and in native mode; and programs that count little or
nothing on the same interfaces (tcx.bpf.c). Figures are medians over the rounds, and so are the ratios
to the same round without any. Of packets also the time that one costs more than without; counting
alone is what it costs more than with only another interface watched, when the hooks are there and
find nothing to do.

TCP is timed from its third second on: by then ours has left a busy interface to the tracepoint. Its
rounds differ by a few per cent, so there are more of it, with few of these.

At the end the programs themselves: the size of their machine code, and what a run takes in this
traffic, as the kernel measures it, which adds to it.
"""
import concurrent.futures
import contextlib
import json
import pathlib
import subprocess
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
STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
COUNTS = "a TCX program that counts protocols"
TWIN = "count_protocol"  # its program
PROGRAMS = ("pe_ingress", "pe_receive", "pe_egress", TWIN)
COSTS = (("machine code", "bytes"), ("in this traffic", "ns/run"), ("in this traffic", "runs/packet"))
REST_S = 4  # after so long without an interface it detaches its tracepoints


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


def exporter(*options, watched=len(INTERFACES) + 1):
    @contextlib.contextmanager
    def begin(host):
        with Exporter(host, *options) as running:
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
    # Nothing is attached then.
    "ours, nothing watched": exporter("--interface.include=none", watched=0),
    ELSEWHERE: exporter("--interface.include=other", watched=1),
    "ours, one passage": exporter("--interface.include=veth1", watched=1),
    "ours, --egress=off": exporter("--egress=off"),
    "ours, --flows=off": exporter("--flows=off"),
    "ours, generic mode": exporter("--xdp.mode=generic"),
    "ours, native mode": exporter("--xdp.mode=native"),
    PASS: programs("tcx-pass", *INTERFACES[:2]),
    COUNTS: programs("tcx", *INTERFACES[:2]),
    # What the generic mode costs by itself; a bridge must not have one.
    "an empty XDP program, generic mode": programs("xdp", *INTERFACES[:2]),
}


def throughput(client):
    """Gb/s of one TCP stream that has lasted two seconds, as received."""
    out = run("ip", "netns", "exec", client.name, "iperf3", "-J", "-c", "10.7.0.2",
              "-t", "1", "-O", "2", timeout=20)
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def packet_rate(sender, receiver, address):
    """Small packets a second that arrive."""
    before = receiver.link("eth0")["stats64"]["rx"]["packets"]
    blast = helper(sender, "traffic", "blast", address, PORT + 1, quick(400, 100))
    arrived = receiver.link("eth0")["stats64"]["rx"]["packets"] - before
    if not arrived:
        raise RuntimeError("no packet arrived")
    return arrived / blast["ns"] * 1e9


def both_rates(client, server):
    """The sum of both directions at once."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        return sum(threads.map(packet_rate, (client, server), (server, client),
                               ("10.7.0.2", "10.7.0.1")))


def round_trips(client, kind):
    """µs."""
    return [ns / 1e3 for ns in helper(client, "traffic", kind, "10.7.0.2", PORT,
                                      quick(4000, 400))]


def connection_rate(client):
    count = quick(2000, 200)
    return count / helper(client, "traffic", "crr", "10.7.0.2", PORT, count)["ns"] * 1e9


def containers(stack, host):
    """A client and a server on one bridge."""
    client, server = (stack.enter_context(Container(host, n, up=False)) for n in (1, 2))
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


def measure(client, server, result):
    result["rate"].append(packet_rate(client, server, "10.7.0.2"))
    result["both"].append(both_rates(client, server))
    for kind in ("ping", "rr"):
        trips = round_trips(client, kind)
        result[f"{kind} p50"].append(percentile(trips, 50))
        result[f"{kind} p99"].append(percentile(trips, 99))
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
        # By now XDP has left the interfaces to the tracepoint.
        began = time.monotonic()
        while time.monotonic() - began < quick(3, 1):
            packet_rate(client, server, "10.7.0.2")
        STATS.write_text("1", encoding="ascii")
        packets = server.link("eth0")["stats64"]["rx"]["packets"]
        packet_rate(client, server, "10.7.0.2")
        packets = server.link("eth0")["stats64"]["rx"]["packets"] - packets
        return {name: (p["bytes_jited"], p.get("run_time_ns", 0) / max(p.get("run_cnt", 0), 1),
                       p.get("run_cnt", 0) / packets) for name, p in loaded().items()}


def traffic():
    results = {mode: {key: [] for key in ("tcp", "rate", "both", "ping p50", "ping p99", "rr p50",
                                          "rr p99", "crr")} for mode in MODES}
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
                with MODES[mode](host):
                    measure(client, server, results[mode])
        timed = (NONE, "ours", PASS, "ours, generic mode", "ours, native mode")
        for number in range(TCP_ROUNDS):
            for mode in timed[::-1 if number % 2 else 1]:
                # Of the rest a few will do.
                if mode in timed[:2] or number % 3 == 0:
                    with MODES[mode](host):
                        results[mode]["tcp"].append(throughput(client))
        programs_cost = own_cost(host, client, server)
    show_all(results)
    twin = programs_cost.pop(TWIN)
    for name, cost in programs_cost.items():
        for (what, unit), value, base in zip(COSTS, cost, twin):
            figure(f"{name}, {what}", value, unit, base, COUNTS)


def show_all(results):
    none = results[NONE]

    def ratio(mode, key, base=None):
        base = none if base is None else base
        return median(a / b for a, b in zip(results[mode][key], base[key]))

    def show(key, name, unit, targets):
        for mode in list(MODES)[1:]:
            if results[mode][key]:
                figure(f"{name}, {mode}", median(results[mode][key]), unit, median(none[key]), NONE,
                       targets.get(mode), ratio(mode, key))

    def more_ns(mode, base):
        return median(1e9 / a - 1e9 / b for a, b in zip(results[mode]["rate"], base["rate"]))

    show("rate", "small packets across a bridge", "packets/s",
         {"ours, nothing watched": "ratio ≥ 0.93"})
    figure("small packets across a bridge, ours", median(results["ours"]["rate"]), "packets/s",
           median(results[PASS]["rate"]), PASS, "ratio ≥ 1.00", ratio("ours", "rate", results[PASS]))
    for mode in list(MODES)[1:]:
        figure(f"time a small packet, {mode}", more_ns(mode, none), "ns over none",
               median(1e9 / rate for rate in none["rate"]), NONE)
    figure("time a small packet, ours", more_ns("ours", results[ELSEWHERE]), "ns over the next",
           more_ns(ELSEWHERE, none), f"{ELSEWHERE}, over none", "≤ 90 ns")
    show("both", "small packets across a bridge, both directions", "packets/s", {})
    show("ping p50", "request and response, UDP, p50", "µs", {"ours": "ratio ≤ 1.04"})
    show("ping p99", "request and response, UDP, p99", "µs", {"ours": "ratio ≤ 1.05"})
    show("rr p50", "request and response, TCP, p50", "µs", {"ours": "ratio ≤ 1.04"})
    show("rr p99", "request and response, TCP, p99", "µs", {"ours": "ratio ≤ 1.05"})
    show("crr", "connections with a request", "connections/s", {})
    show("tcp", "TCP across a bridge", "Gb/s", {"ours": "ratio ≥ 0.98"})


if __name__ == "__main__":
    main(traffic)
