# SPDX-License-Identifier: GPL-2.0-or-later
"""What CPUs cost that are possible and not there: memory of the BPF maps, and the time of a scrape.

They are pretended, to the exporter alone: what the kernel itself has for each possible CPU, some hundred
bytes of these maps, stays as it is. The memory is what the kernel charges for the maps, beside that of an
exporter that only counts, and what the exporter says of it. Scrapes are of interfaces with traffic, in turn.
"""
import contextlib
import pathlib
import re
import tempfile

from bench import (
    Exporter, Namespace, figure, helper, main, median, pretend_cpus, quick, wait_attached,
)
from bench_scrape import FIRST, Page, give_traffic, interfaces

COUNTS = quick((30, 1000), (30,))
POSSIBLE = (128, 512)
MEMORY = {
    2: {30: "≤ 8 MB", 1000: "≤ 16 MB"},
    128: {30: "≤ 24 MB", 1000: "≤ 64 MB"},
    512: {30: "≤ 64 MB", 1000: "≤ 192 MB"},
}
SCRAPED = 200
ROUNDS = quick(41, 5)
TIME = {128: "ratio ≤ 1.5", 512: "ratio ≤ 3"}
ALONE = ("--identity=off", "--drops=off", "--tcp=off")


def possible_cpus():
    text = pathlib.Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii")
    return int(re.search(r"\d+$", text.strip()).group()) + 1


def map_bytes(host, count, prefix, *options):
    """(what the exporter says, what the kernel charges)"""
    with Exporter(host, *options, prefix=prefix) as exporter:
        wait_attached(exporter, count)
        text = exporter.scrape_text("text/plain")
        said = re.search(r"^packet_exporter_kernel_map_bytes (\S+)", text, re.M).group(1)
        return float(said), exporter.map_bytes()


def memory(prefixes):
    with Namespace("pe-b") as host:
        there = 0
        for count in COUNTS:
            for verb in ("add", "up"):
                helper(host, "links", verb, FIRST + there, (count - there) // 2)
            there = count
            for cpus, prefix in prefixes.items():
                said, charged = map_bytes(host, count, prefix)
                alone = map_bytes(host, count, prefix, *ALONE)[1]
                what = f"BPF maps with {count:,} interfaces, {cpus} possible CPUs"
                figure(f"{what}, charged", charged / 1e6, "MB", alone / 1e6, " ".join(ALONE),
                       MEMORY.get(cpus, {}).get(count))
                figure(f"{what}, as the exporter says", said / 1e6, "MB", charged / 1e6, "charged")


def scrapes(prefixes):
    with contextlib.ExitStack() as stack:
        scraped = {}
        for cpus, prefix in prefixes.items():
            host = stack.enter_context(interfaces(SCRAPED))
            exporter = stack.enter_context(Exporter(host, prefix=prefix))
            wait_attached(exporter, SCRAPED)
            give_traffic(host, SCRAPED)
            scraped[cpus] = host, 9817, exporter.process.pid
        pages = {cpus: [] for cpus in scraped}
        # The first one is not like the others.
        for number in range(ROUNDS + 1):
            for cpus, where in scraped.items():
                page = Page(*where)
                if number:
                    pages[cpus].append(page)
    least, *more = prefixes
    for cpus in more:
        what = f"scrape of {SCRAPED} interfaces with traffic, {cpus} possible CPUs"
        for measure, name, target in (("ms", "time", TIME.get(cpus)), ("cpu_ms", "CPU", None)):
            ours, base = (median(getattr(p, measure) for p in pages[n]) for n in (cpus, least))
            figure(f"{what}, {name}", ours, "ms", base, f"{least} possible CPUs", target)


def cpus():
    real = possible_cpus()
    with tempfile.TemporaryDirectory() as directory:
        prefixes = {real: ()}
        prefixes.update((n, pretend_cpus(n, directory)) for n in POSSIBLE if n > real)
        memory(prefixes)
        scrapes(prefixes)


if __name__ == "__main__":
    main(cpus)
