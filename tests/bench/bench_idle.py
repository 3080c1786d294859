# SPDX-License-Identifier: GPL-2.0-or-later
"""What the exporter costs while nothing happens: CPU, wake-ups, memory; node_exporter beside it."""
import threading
import time

from bench import (
    Exporter, Namespace, NodeExporter, cpu_s, figure, helper, main, quick, resident, wait_attached,
    wakeups,
)

FIRST = 1000
WINDOW_S = quick(15, 3)
# Some 64 interfaces a second are compared with the kernel's counters, at first each of them twice.
SETTLE_S = quick(40, 3)
TARGETS = {
    0: {"wake": "≤ 1 /s"},
    1000: {"cpu": "≤ 0.05 % of a core: 1.8 s", "memory": "≤ 16 MB"},
}


class Usage:
    def __init__(self, pid):
        self.pid, self.begin = pid, time.monotonic()
        self.cpu_s, self.wakeups = cpu_s(pid), wakeups(pid)

    def end(self):
        """(CPU seconds an hour, wake-ups a second, memory)."""
        took = time.monotonic() - self.begin
        return ((cpu_s(self.pid) - self.cpu_s) / took * 3600,
                (wakeups(self.pid) - self.wakeups) / took, resident(self.pid))


def wait_for_wakeup(pid):
    """A window that begins and ends at one holds no part of a period."""
    before, pause, end = wakeups(pid), threading.Event(), time.monotonic() + 2
    while wakeups(pid) == before and time.monotonic() < end:
        pause.wait(0.001)


def measure(count):
    with Namespace("pe-b") as host:
        if count:
            helper(host, "links", "add", FIRST, count // 2)
            helper(host, "links", "up", FIRST, count // 2)
        with Exporter(host) as exporter, NodeExporter(host) as node:
            wait_attached(exporter, count)
            if count:
                threading.Event().wait(SETTLE_S)
            wait_for_wakeup(exporter.process.pid)
            usages = Usage(exporter.process.pid), Usage(node.process.pid)
            threading.Event().wait(WINDOW_S)
            wait_for_wakeup(exporter.process.pid)
            ours, theirs = (usage.end() for usage in usages)
    what, name = f"idle with {count:,} quiet interfaces", "node_exporter"
    target = TARGETS[count]
    figure(f"{what}, CPU an hour", ours[0], "s", theirs[0], name, target.get("cpu"))
    figure(f"{what}, wake-ups", ours[1], "/s", theirs[1], name, target.get("wake"))
    memory, theirs = ours[2], theirs[2]
    figure(f"{what}, resident memory", (memory["all"] - memory["maps"]) / 1e6, "MB",
           theirs["all"] / 1e6, name, target.get("memory"))
    figure(f"{what}, of it anonymous", memory["anonymous"] / 1e6, "MB", theirs["anonymous"] / 1e6,
           name)
    figure(f"{what}, mapped BPF maps beside it", memory["maps"] / 1e6, "MB", 0, name)


def idle():
    for count in TARGETS:
        measure(count)


if __name__ == "__main__":
    main(idle)
