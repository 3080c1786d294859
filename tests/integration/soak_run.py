# SPDX-License-Identifier: GPL-2.0-or-later
"""A soak run but for its operations: the exporter, the Pushgateway, scrapes, and quiet points.

At a quiet point nothing is under way, so that what the exporter and the Pushgateway show must be
what the model says. Between them only History is checked, by every scrape.
"""
import gzip
import pathlib
import random
import re
import signal

from harness import (
    SANITIZED, IdentifyingExporter as Exporter, Pushgateway, hook, kernel_objects, wait_for,
)

from soak_model import History, Model, Shown
from soak_world import Busy, World, send, variants

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
PODS = 3
STOP_S = 30  # what a stop may take on a slow machine
SETTLE_S = 30  # one without traffic is audited every sixteenth second
TRACEPOINTS = {"egress": 1, "identity": 1, "drops": 1, "tcp": 5, "dns": 2}
GROWTH_BYTES = 24 << 20  # allocators keep some memory; a leak of a run is more


class Run:
    """What goes on around the operations; `random` has the seed of all choices."""

    def __init__(self, stack, seed):
        self.random = random.Random(seed)
        self.stack = stack
        self.log, self.checks = [], 0
        # Departed series stay, or end soon, or early because there are more than two.
        retention, self.folds = self.random.choice([
            (["--departed.retention=1h"], False), (["--departed.retention=1h"], False),
            (["--departed.retention=2s"], True),
            (["--departed.retention=1h", "--departed.max=2"], True),
        ])
        # A rename can bring an interface under watch and take it out.
        plain = r"^(lo|aside[0-9]+)$"
        exclude = self.random.choice([plain, plain, r"^(lo|aside[0-9]+|p[0-9]+|veth1[0-9])$"])
        self.small_buffer = self.random.random() < 0.5
        self.group_max = self.random.choice([1024, 1024, 4])
        # Which of our programs there are; what is asked of the whole run (PE_HOOKS) wins.
        hooks = {
            "xdp.mode": self.random.choice(["auto", "generic", "native"]),
            "egress": self.random.choice(["on", "on", "on", "off"]),
            **{name: self.random.choice(["on", "off"]) for name in ("drops", "tcp", "dns", "identity")},
        }
        self.hooks = {name: hook(name, value) for name, value in hooks.items()}
        # What the model does not follow in drivers test_soak.py leaves out, and says why.
        self.native = self.hooks["xdp.mode"] == "native"
        flows = self.random.choice([["--flows.top=0"], ["--flows.top=3"], []])
        self.options = [
            *(f"--{name}={value}" for name, value in self.hooks.items()),
            *retention, f"--interface.exclude={exclude}",
            f"--netlink.rcvbuf={'64KiB' if self.small_buffer else '16MiB'}",
            f"--workers={self.random.randint(1, 3)}",
            *({"on": flows, "off": ["--flows=off"]}[hook("flows", "on" if flows else "off")]),
            f"--flows.cache-size={self.random.choice([64, 65536])}",
            f"--flows.ring-size={self.random.choice([4096, 1 << 20])}",
            f"--push.departure-delay={self.random.choice(['0s', '200ms'])}",
            f"--identity.wait={self.random.choice(['0s', '100ms', '2s'])}",
            f"--group.max={self.group_max}",
            "--metrics.created", "--flows.idle-timeout=1s", "--max-interfaces=64", "--push.interval=1s",
            "--push.timeout=1s", "--push.url=http://127.0.0.1:9091", "--push.instance=soak",
        ]
        print("options:", *self.options)
        self.world = World(stack, PODS)
        self.model = Model(self.folds, lambda name: not re.match(exclude, name), self.native,
                           self.hooks["egress"] == "on")
        self.gateway_state = "running"
        self.gateway = Pushgateway(self.world.host)
        stack.callback(lambda: self.gateway.close(signal.SIGKILL))
        self.marks, self.far = 0, 5000
        self.exporter = None
        stack.callback(self.end_exporter)
        self.start_exporter()
        self.idle = self.scrape()
        self.pod = self.world.pods[0]
        self.world.start_program(self.pod, "busy")
        self.world.pods = self.world.pods[1:]
        busy = []
        for number in (1, 2):
            device, peer = self.world.add_pair(f"busy{number}", self.pod)
            device.busy = peer.busy = True
            self.model.appear(device)
            self.world.up(peer, device)
            busy.append(device)
        self.mark, self.mark_peer = self.world.add_pair("mark", self.pod)
        self.mark.busy = self.mark_peer.busy = True
        self.model.appear(self.mark)
        # The kernel does not report an alias while it is down.
        self.world.up(self.mark_peer, self.mark)
        self.busy = Busy(busy)
        stack.callback(self.busy.close)
        for device in busy:
            self.wait_attached(device)
        self.busy.start()

    # ---- the exporter ----

    def start_exporter(self):
        self.exporter = Exporter(self.world.host, *self.options)
        self.stopped, self.synced, self.overrun_risk = False, True, 0
        self.history = History(keeps_groups=self.group_max > 4)
        self.world.just_left.clear()
        self.resident = None

    def end_exporter(self):
        if self.exporter:
            self.exporter.process.send_signal(signal.SIGCONT)
            self.exporter.close()

    def scrape(self, headers=OPENMETRICS):
        status, answer, body = self.world.host.get(f"{self.exporter.url}/metrics", headers)
        assert status == 200
        if answer["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        shown = Shown(body.decode(), answer["Content-Type"].startswith("application/openmetrics"))
        self.history.follow(shown)
        return shown

    def synchronize(self):
        """The exporter has handled all events until now: it shows the last one that we make."""
        if self.synced:
            return
        self.marks += 1
        self.mark.alias = f"mark {self.marks}"
        self.mark.set(ifalias=self.mark.alias)
        wait_for(
            lambda: self.scrape().live(alias=self.mark.alias), "the events are read"
        )
        self.synced = True
        self.world.just_left.clear()

    def wait_attached(self, device):
        if device.kind == "bridge" or not device.stay or device.stay.attached:
            return
        self.synced = False
        self.synchronize()
        wait_for(device.is_attached, lambda: f"{device} is attached")
        self.model.attached(device)

    def halt(self):
        """Until it is resumed it does nothing, all of its threads."""
        self.exporter.pause()
        self.stopped = True
        tasks = pathlib.Path(f"/proc/{self.exporter.process.pid}/task")
        wait_for(
            lambda: all(re.search(r"\) T ", (t / "stat").read_text()) for t in tasks.iterdir()),
            "it has stopped",
        )

    def resume(self):
        if self.stopped:
            self.exporter.process.send_signal(signal.SIGCONT)
            self.stopped = False

    def events(self):
        """While it is stopped, the kernel's events pile up."""
        if self.stopped:
            self.synced = False
            self.model.lossy |= self.small_buffer

    def finish_exporter(self, how):
        """It ends in time, and nothing of it is left in the kernel; its last push is complete."""
        programs, links = self.exporter.holds("prog"), self.exporter.holds("link")
        last = self.scrape() if how == signal.SIGTERM else None
        self.exporter.process.send_signal(how)
        status = self.exporter.process.wait(STOP_S)
        assert status == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        log = self.exporter.log()
        assert "level=error" not in log
        wait_for(lambda: not programs & kernel_objects("prog"), "the programs are gone")
        wait_for(lambda: not links & kernel_objects("link"), "the links are gone")
        for device in self.world.devices:
            assert not device.is_attached(), device
        if last and self.gateway_state == "running":
            wrong = self.compare_push(last)
            assert not wrong, wrong
        self.exporter.close()
        self.exporter = None

    # ---- quiet points ----

    def take_busy(self):
        for (device, direction, labels, size), packets in self.busy.take().items():
            self.model.sent(device, direction, labels, packets, size)

    def op_quiet(self):
        with self.busy.lock:
            self.quiet_locked()
        return "quiet"

    def quiet_locked(self):
        self.resume()
        self.take_busy()
        self.synced = False
        self.synchronize()
        canary = self.await_audit() if self.model.lossy else None
        wrong = []

        def settled():
            shown = self.scrape()
            wrong[:] = self.model.compare(shown)
            return not wrong and shown

        shown = wait_for(settled, lambda: "the model is shown:\n" + "\n".join(wrong), SETTLE_S)
        text = self.scrape({"Accept": "text/plain"})
        assert text.all_total() == shown.all_total()
        # Between two scrapes series may end.
        assert self.folds or text.names() == shown.names()
        self.check_resources(shown)
        self.model.adopt(shown)
        if self.gateway_state == "running" and self.random_free(self.checks):
            wait_for(
                lambda: not self.compare_push(shown), lambda: f"{self.compare_push(shown)}", SETTLE_S
            )
        self.checks += 1
        if canary:
            for one in self.world.delete(canary):
                self.model.leave(one)

    def await_audit(self):
        """All that is unobserved has been found: as much of an interface that came last.

        Where a range of sums is possible, being in it does not say that nothing is to come. It was
        excluded: of what is unknown the first packet is counted already.
        """
        self.marks += 1
        device, peer = self.world.add_pair(f"aside{self.marks}", self.pod)
        self.synced = False
        self.synchronize()
        self.halt()
        device.set(ifname=f"canary{self.marks}")
        self.model.rename(device, f"canary{self.marks}")
        self.world.up(peer, device)
        labels, frame = variants(1, 100)[0]
        send(peer, [(frame, 5)])
        self.model.sent(device, "ingress", labels, 5, len(frame), sure=False)
        self.resume()
        wait_for(lambda: self.scrape().unobserved(device.name)[0] == 5, "the audit has been made")
        return device

    @staticmethod
    def random_free(number):
        """Every third; not of the seed, so that what the gateway does changes no choice."""
        return number % 3 == 0

    def check_resources(self, shown):
        """A descriptor and a link an interface, a place for each, and no growing memory."""
        attached = shown.sum("interfaces_attached")
        assert attached == len(self.model.live())
        assert shown.sum("attach_errors_total", reason="no_slot") == 0
        assert shown.sum("interfaces_attached", mode="none") == 0
        xdp = shown.sum("interfaces_attached", mode=self.model.mode)
        links = len(self.exporter.holds("link"))
        # And the tracepoints: of egress, of programs that start, of drops, five of connections, two of DNS,
        # and of reception from the first bridge on.
        tracepoints = sum(count for name, count in TRACEPOINTS.items() if self.hooks[name] == "on")
        assert links - xdp - tracepoints in (0, 1), f"{links} links of {xdp} interfaces"
        fds, idle = (s.value["process_open_fds", ()] for s in (shown, self.idle))
        # The server's and the push's connections come and go.
        assert fds - xdp <= idle + 8, f"{fds} descriptors, {idle} while idle"
        resident = shown.value["process_resident_memory_bytes", ()]
        if self.checks >= 3 and self.resident is None:
            self.resident = resident
        # An address sanitizer keeps what is freed, and looks for leaks itself at the end.
        if not SANITIZED:
            assert resident < (self.resident or resident) + GROWTH_BYTES, (
                f"{resident} bytes, early {self.resident}"
            )

    def compare_push(self, shown):
        """How the gateway's group differs from what is shown."""
        pushed = Shown(self.gateway.text(), False)
        wrong = [] if pushed.all_total() == shown.all_total() else [
            f"pushed {pushed.all_total()}, shown {shown.all_total()}"
        ]
        if not self.folds and pushed.names() != shown.names():
            wrong.append(f"pushed without or only {sorted(pushed.names() ^ shown.names())}")
        return wrong
