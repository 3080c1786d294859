# SPDX-License-Identifier: GPL-2.0-or-later
"""What containers feel: throughput, packet rate and latency across a bridge of two veths.

Without an exporter, with ours, with ours that keeps XDP whatever it costs, with ours in native mode,
with a TCX program on both directions of the same interfaces (a model: tcx.bpf.c), and with an empty
XDP program on the two veths, in turn, each round beginning with another one. Figures are medians over
the rounds, and so is the ratio to the same round without an exporter. TCP is timed from its third
second on: by then ours has left a busy interface to the tracepoint. Its rounds differ by a few per
cent, so there are more of those with ours and without.
"""
import contextlib
import json
import subprocess

from bench import (
    BUILD, Container, Exporter, Namespace, clean_environment, figure, helper, main, median,
    percentile, quick, run, stop, wait_attached, wait_for,
)

PORT = 4444
ROUNDS = quick(5, 1)
TCP_ROUNDS = quick(12, 1)
INTERFACES = ("veth1", "veth2", "br0")


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


@contextlib.contextmanager
def exporter(host, *options):
    with Exporter(host, *options) as running:
        wait_attached(running, len(INTERFACES))
        yield


MODES = {
    "no exporter": lambda host: contextlib.nullcontext(),
    "ours": exporter,
    "ours, generic mode": lambda host: exporter(host, "--xdp.mode=generic"),
    "ours, native mode": lambda host: exporter(host, "--xdp.mode=native"),
    "a TCX program, both directions": lambda host: held(host, "tcx", *INTERFACES),
    # What the generic mode costs by itself; a bridge must not have one.
    "an empty XDP program, generic mode": lambda host: held(host, "xdp", *INTERFACES[:2]),
}


def throughput(client):
    """Gb/s of one TCP stream that has lasted two seconds, as received."""
    out = run("ip", "netns", "exec", client.name, "iperf3", "-J", "-c", "10.7.0.2",
              "-t", "1", "-O", "2", timeout=20)
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def packet_rate(client, server):
    """Small packets a second that arrive."""
    before = server.link("eth0")["stats64"]["rx"]["packets"]
    blast = helper(client, "traffic", "blast", "10.7.0.2", PORT + 1, quick(500, 100))
    arrived = server.link("eth0")["stats64"]["rx"]["packets"] - before
    if not arrived:
        raise RuntimeError("no packet arrived")
    return arrived / blast["ns"] * 1e9


def round_trips(client):
    """µs."""
    return [ns / 1e3 for ns in helper(client, "traffic", "ping", "10.7.0.2", PORT,
                                      quick(4000, 400))]


def containers(stack, host):
    """A client and a server on one bridge."""
    client, server = (stack.enter_context(Container(host, n, up=False)) for n in (1, 2))
    host.ip("link", "add", "br0", "type", "bridge")
    for container, address in ((client, "10.7.0.1/24"), (server, "10.7.0.2/24")):
        container.ip("addr", "add", address, "dev", "eth0")
        host.ip("link", "set", container.interface, "master", "br0")
        host.ip("link", "set", container.interface, "up")
        container.ip("link", "set", "eth0", "up")
    host.ip("link", "set", "br0", "up")
    for side, name in ((host, "veth1"), (host, "veth2"), (client, "eth0"), (server, "eth0")):
        wait_for(lambda s=side, n=name: s.link(n)["operstate"] == "UP", f"{name} is up")
    return client, server


def iperf_server(stack, server):
    process = server.popen("iperf3", "-s", stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    stack.callback(stop, process)
    wait_for(lambda: ":5201" in run("ip", "netns", "exec", server.name, "ss", "-Hltn"),
             "iperf3 listens")


def traffic():
    results = {mode: {"tcp": [], "rate": [], "p50": [], "p99": []} for mode in MODES}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("pe-b"))
        client, server = containers(stack, host)
        iperf_server(stack, server)
        stack.enter_context(held(server, "echo", PORT))
        # Addresses are resolved and the bridge knows its ports before anything is timed.
        throughput(client)
        for number in range(ROUNDS):
            for index in range(len(MODES)):
                mode = list(MODES)[(number + index) % len(MODES)]
                with MODES[mode](host):
                    result = results[mode]
                    result["tcp"].append(throughput(client))
                    result["rate"].append(packet_rate(client, server))
                    trips = round_trips(client)
                    result["p50"].append(percentile(trips, 50))
                    result["p99"].append(percentile(trips, 99))
        for number in range(TCP_ROUNDS):
            for mode in ("no exporter", "ours")[::-1 if number % 2 else 1]:
                with MODES[mode](host):
                    results[mode]["tcp"].append(throughput(client))

    def show(key, name, unit, targets):
        none = results["no exporter"][key]
        for mode in list(MODES)[1:]:
            values = results[mode][key]
            figure(f"{name}, {mode}", median(values), unit, median(none), "no exporter",
                   targets.get(mode), median(a / b for a, b in zip(values, none)))

    show("tcp", "TCP across a bridge", "Gb/s", {"ours": "ratio ≥ 0.97"})
    show("rate", "small packets across a bridge", "packets/s", {})
    show("p50", "request and response, p50", "µs", {})
    show("p99", "request and response, p99", "µs", {})


if __name__ == "__main__":
    main(traffic)
