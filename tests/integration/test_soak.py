# SPDX-License-Identifier: GPL-2.0-or-later
"""Random operations on interfaces, the exporter and the Pushgateway, against a model of it all.

SOAK_SEED replays a run: the operations follow from the seed alone. SOAK_SECONDS is how long new
operations begin (`make soak`: ten minutes), SOAK_OPERATIONS how many there are at most. A failure
shows the seed, and the operations so far.
"""
import contextlib
import os
import random
import signal
import time

import pytest

from harness import GRO, needs_root, run, stop, wait_for

from soak_model import Count
from soak_run import OPENMETRICS, Run
from soak_world import BRIDGE_ETHERTYPE, Busy, send, variants

pytestmark = needs_root

PAIRS_MAX, BRIDGES_MAX, AWAY_MAX = 10, 2, 4
REPORT_S = 60
RECORDS = 320  # of programs; the ring has room for some 280
NAMES = [f"veth{n}" for n in range(20)]
BRIDGES = [f"br{n}" for n in range(3)]


class Soak(Run):
    # ---- choices ----

    def mine(self, *kinds):
        return [d for d in self.world.in_host() if not d.busy and (not kinds or d.kind in kinds)]

    def free_name(self, names, is_right=None):
        used = {d.name for d in self.world.devices if d.space is self.world.host}
        free = [n for n in names if n not in used and (is_right is None or is_right(n))]
        return self.random.choice(free) if free else None

    def free_ifindex(self):
        """One that an interface had before, now and then one that is far away."""
        used = {d.ifindex for d in self.world.in_host()}
        top = max(used) + 3
        free = [i for i in range(2, top) if i not in used | self.world.just_left]
        self.far += 3
        return self.random.choice(free + [self.far])

    def pick(self, devices):
        return self.random.choice(devices) if devices else None

    def appear(self, device):
        """The kernel, too, gives an ifindex again. Until the exporter knows, what passes under one
        that was another's is counted for that one, or not at all."""
        reused = device.ifindex in self.world.just_left
        self.model.mixed |= reused
        self.model.appear(device, early=not reused)

    # ---- operations: each says what it did, None if there was nothing to do ----

    def op_add(self):
        name = self.free_name(NAMES)
        if not name or len(self.mine("veth")) >= PAIRS_MAX:
            return None
        how = self.random.choice(["pod", "pod", "docker", "host"])
        if how == "host" and self.native:
            # Both ends would be overcounted by the headers of what they sent since their other end is counted
            # in the driver, which the model does not follow.
            how = "docker"
        pod = self.random.choice(self.world.pods)
        ifindex = self.free_ifindex() if self.random.random() < 0.3 else 0
        device, peer = self.world.add_pair(name, pod if how == "pod" else self.world.host, ifindex)
        if how != "pod":
            self.appear(peer)
        self.appear(device)
        if how == "docker":
            # As an engine does it: both ends are made on the host, then one is moved.
            self.world.move(peer, pod)
            self.model.leave(peer, moved=True)
        if self.random.random() < 0.8:
            self.world.up(peer, device)
        return f"add {device} {peer} {how}"

    def op_delete(self):
        device = self.pick(self.mine("veth"))
        if not device:
            return None
        end = self.random.choice([device, device.peer])
        text = f"delete {device} by {end}"
        for one in self.world.delete(end):
            self.model.leave(one)
        return text

    def op_delete_under_traffic(self):
        """Egress until it is gone: what is sent meanwhile may be in time or not."""
        device = self.pick([d for d in self.mine("veth") if d.carries()
                            and d.peer.space is not self.world.host])
        if not device or not self.is_certain(device):
            return None
        text = f"delete {device} under traffic"
        before = device.counters()
        with contextlib.closing(Busy([device], ["egress"], 0)) as traffic:
            traffic.start()
            wait_for(lambda: traffic.count, "there is traffic")
            self.world.delete(device)
            traffic.join()
        tried = [0, 0, 0, 0]
        for (_, direction, labels, size), packets in traffic.count.items():
            self.model.sent(device, direction, labels, packets, size, sure=False)
            tried[2] += packets
            tried[3] += packets * size
        self.model.leave(device, sent_on=Count(tried) - (device.final - before))
        return text

    def op_delete_pod(self):
        number = self.random.randrange(len(self.world.pods))
        for one in self.world.delete_pod(number):
            self.model.leave(one)
        return f"delete pod {number}"

    def op_program(self):
        """Another container in a pod: its veths get another name, late or early."""
        number = self.random.randrange(len(self.world.pods))
        name = self.random.choice(["web", "db", "job"])
        self.world.start_program(self.world.pods[number], name)
        return f"{name} runs in pod {number}"

    def op_flood(self):
        """More programs in new namespaces than there is room for records of while it is stopped."""
        if not self.stopped:
            return None
        run("sh", "-c", f"for i in $(seq {RECORDS}); do unshare -n true || exit; done")
        return f"{RECORDS} programs in new namespaces"

    def op_end_program(self):
        number = self.random.randrange(len(self.world.pods))
        self.world.end_program(self.world.pods[number])
        return f"nothing runs in pod {number}"

    def op_rename(self):
        # Also of those with traffic; but what passes while a watch begins or ends is not certain.
        device = self.pick(self.mine() + self.busy.devices)
        name = self.free_name(
            BRIDGES if device.kind == "bridge" else NAMES,
            self.model.is_wanted if device.busy else None,
        )
        if not name:
            return None
        text = f"rename {device} to {name}"
        self.rename(device, name)
        return text

    def rename(self, device, name):
        device.set(ifname=name)
        self.model.rename(device, name)

    def op_swap_names(self):
        devices = self.mine("veth") + self.busy.devices
        one, two = self.random.sample(devices, 2)
        if (one.busy or two.busy) and not (one.stay and two.stay):
            return None
        first, second = one.name, two.name
        self.rename(one, "between")
        self.rename(two, first)
        self.rename(one, second)
        return f"swap {one} and {two}"

    def op_alias(self):
        # Of one that is down the kernel reports nothing (netdev_state_change() in net/core/dev.c).
        device = self.pick([d for d in self.mine() if d.up])
        if not device:
            return None
        device.alias = self.random.choice(["a", 'quote " and \\', "ä"]) + str(len(self.log))
        device.set(ifalias=device.alias)
        return f"alias {device}"

    def op_up(self):
        device = self.pick([d for d in self.mine() if not d.carries()])
        if not device:
            return None
        self.world.up(*([device.peer] if device.peer else []), device)
        return f"up {device}"

    def op_down(self):
        device = self.pick([d for d in self.mine() if d.up])
        if not device:
            return None
        end = self.random.choice([device, device.peer or device])
        self.world.down(end)
        return f"down {end}"

    def op_bridge(self):
        name = self.free_name(BRIDGES)
        if not name or len(self.mine("bridge")) >= BRIDGES_MAX:
            return None
        bridge = self.world.add_bridge(name)
        self.model.appear(bridge)
        self.world.up(bridge)
        return f"bridge {bridge}"

    def op_delete_bridge(self):
        bridge = self.pick(self.mine("bridge"))
        if not bridge:
            return None
        for one in self.world.delete(bridge):
            self.model.leave(one)
        return f"delete {bridge}"

    def op_join(self):
        bridge = self.pick(self.mine("bridge"))
        # Not both ends of a pair, or frames would go round.
        port = self.pick([d for d in self.mine("veth") if not d.master and not d.peer.master])
        if not bridge or not port:
            return None
        self.world.join(port, bridge)
        return f"join {port} {bridge}"

    def op_leave(self):
        port = self.pick([d for d in self.mine("veth") if d.master])
        if not port:
            return None
        self.world.leave(port)
        return f"leave {port}"

    def op_move_away(self):
        device = self.pick(self.mine("veth"))
        away = [d for d in self.world.devices if d.space is self.world.away]
        if not device or len(away) >= AWAY_MAX:
            return None
        used = {d.ifindex for d in away}
        # In the other namespace its ifindex may be that of an interface that is still here.
        ifindex = self.random.choice([0] + [d.ifindex for d in self.mine() if d is not device
                                            and d.ifindex not in used][:3])
        before = str(device)
        self.world.move(device, self.world.away, ifindex)
        self.model.leave(device, moved=True)
        # A name of its own there, so that its old one can be used here.
        self.world.serial += 1
        device.name = f"away{self.world.serial}"
        device.set(ifname=device.name)
        return f"move away {before} as {device}"

    def op_move_back(self):
        device = self.pick([d for d in self.world.devices if d.space is self.world.away])
        name = self.free_name(NAMES)
        if not device or not name or len(self.mine("veth")) >= PAIRS_MAX:
            return None
        ifindex = self.random.choice([0, device.left, self.free_ifindex()])
        used = {d.ifindex for d in self.world.in_host()}
        if ifindex in used:
            ifindex = 0
        if ifindex == 0 and device.ifindex != device.left and device.ifindex in self.world.just_left:
            # The kernel would keep it.
            ifindex = self.free_ifindex()
        device.set(ifname=name)
        device.name = name
        self.world.move(device, self.world.host, ifindex)
        self.appear(device)
        return f"move back {device}"

    def op_traffic(self):
        target = self.pick([d for d in self.mine() if d.carries()])
        direction = self.random.choice(["ingress", "egress"])
        # Going to the driver can miss, or count twice, a packet of each CPU.
        wait = self.random.random() < 0.7 or self.native
        chosen = [
            (self.random.choice(variants(self.random.randrange(400), self.random.randrange(1300))),
             self.random.randint(1, 60))
            for _ in range(self.random.randint(1, 6))
        ]
        port = self.pick(target.ports if target and target.kind == "bridge" else [])
        if not target:
            return None
        if target.kind == "bridge" and direction == "ingress":
            if not port.carries() or not self.is_certain(port):
                return None
            if self.native and not self.stopped:
                self.wait_attached(port)
            return self.to_bridge(target, port, chosen)
        if wait and not self.stopped:
            self.wait_attached(target)
        if not self.is_certain(target):
            return None
        self.transmit(target if direction == "egress" else target.peer, chosen)
        return f"{direction} of {target}: {sum(times for _, times in chosen)}"

    def is_certain(self, device):
        """What is out of watch, is that for certain only when the exporter knows."""
        if not (device.stay and (not device.peer or device.peer.stay)):
            if self.stopped:
                return False
            self.synced = False
            self.synchronize()
        return True

    def to_bridge(self, bridge, port, chosen):
        """Frames to the bridge's own address, so that it takes them in."""
        head = bridge.address + bytes.fromhex("020000000009") + BRIDGE_ETHERTYPE.to_bytes(2, "big")
        chosen = [((("other", ""), head + frame[14:]), times) for (_, frame), times in chosen]
        self.transmit(port.peer, chosen)
        for (labels, frame), times in chosen:
            self.model.sent(bridge, "ingress", labels, times, len(frame) - 14)
        return f"ingress of {bridge} by {port}: {sum(times for _, times in chosen)}"

    def transmit(self, sender, chosen):
        send(sender, [(frame, times) for (_, frame), times in chosen])
        for (labels, frame), times in chosen:
            for device, direction in ((sender, "egress"), (sender.peer, "ingress")):
                if device:
                    self.model.sent(device, direction, labels, times, len(frame))

    def settled(self, *kinds):
        """Those that carry, are no ports, and are attached for certain."""
        devices = [d for d in self.mine(*kinds) if d.carries() and not d.master]
        self.random.shuffle(devices)
        if not devices or self.stopped or not all(map(self.is_certain, devices[:2])):
            return []
        for device in devices[:2]:
            self.wait_attached(device)
        return devices[:2]

    def op_lose(self):
        """Sent past the queues, and so past us: unobserved."""
        devices = self.settled("veth")
        if not devices or not devices[0].stay or not self.model.egress:
            return None
        device, times = devices[0], self.random.randint(1, 40)
        labels, frame = variants(6000, self.random.randrange(1300))[0]
        self.world.send_past(device, frame, times)
        # Its other end may be here, too, and receives it like any other.
        self.model.sent(device.peer, "ingress", labels, times, len(frame))
        device.stay.lost += Count((0, 0, times, times * len(frame)))
        return f"lose {times} of {device}"

    def op_overcount(self):
        """Handed by one to another as if that had received it, without a mark: counted too much."""
        devices = self.settled("veth")
        # Past the driver: there it is not counted at all.
        if len(devices) < 2 or not devices[1].stay or self.native:
            return None
        source, target = devices
        times = self.random.randint(1, 40)
        labels, frame = variants(7000, self.random.randrange(1300))[0]
        self.world.hand_over(source, target, frame, times)
        target.stay.above += Count((times, times * len(frame), 0, 0))
        self.model.sent(target, "ingress", labels, times, len(frame), sure=False)
        return f"overcount {times} on {target}"

    def op_redirect(self):
        """With a mark: received by the first alone."""
        devices = self.settled("veth")
        if len(devices) < 2:
            return None
        source, target = devices
        chosen = [(variants(8000, self.random.randrange(1300))[0], self.random.randint(1, 40))]
        with self.world.redirected(source, target):
            self.transmit(source.peer, chosen)
        return f"redirect {source} to {target}: {chosen[0][1]}"

    def op_traffic_elsewhere(self):
        """What passes in another namespace is not ours, also where the ifindex is."""
        device = self.pick([d for d in self.world.devices if d.space is self.world.away])
        if not device or self.stopped:
            return None
        self.synced = False
        self.synchronize()
        assert not device.is_attached()
        self.world.up(device.peer, device)
        batch = [(frame, 5) for _, frame in variants(5000, 40)]
        send(device.peer, batch)
        for labels, frame in variants(5000, 40):
            self.model.sent(device.peer, "egress", labels, 5, len(frame))
        return f"traffic elsewhere on {device}"

    def op_scrape(self):
        if self.stopped:
            return None
        headers = self.random.choice([
            OPENMETRICS, {**OPENMETRICS, "Accept-Encoding": "gzip"}, {"Accept": "text/plain"},
            {"Accept": "text/plain", "Accept-Encoding": "gzip"},
        ])
        self.scrape(headers)
        return f"scrape {headers}"

    def op_stop_exporter(self):
        if self.stopped:
            return None
        self.halt()
        return "SIGSTOP"

    def op_resume_exporter(self):
        if not self.stopped:
            return None
        self.resume()
        return "SIGCONT"

    def op_hangup(self):
        self.exporter.process.send_signal(signal.SIGHUP)
        return "SIGHUP"

    def op_gateway(self):
        after = self.random.choice({
            "running": ["stopped", "dead"], "stopped": ["running", "dead"], "dead": ["running"],
        }[self.gateway_state])
        process = self.gateway.process
        if after == "dead":
            stop(process, signal.SIGKILL)
        elif after == "stopped":
            process.send_signal(signal.SIGSTOP)
        elif self.gateway_state == "stopped":
            process.send_signal(signal.SIGCONT)
        else:
            self.gateway.start()
        text = f"gateway {self.gateway_state} to {after}"
        self.gateway_state = after
        return text

    def op_restart(self):
        how = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self.resume()
        with self.busy.lock:
            if how == signal.SIGTERM:
                self.quiet_locked()
            self.finish_exporter(how)
            self.take_busy()
            self.start_exporter()
            self.model.restart([d for d in self.world.in_host()])
            for device in self.busy.devices if self.native else ():
                self.wait_attached(device)
        return f"restart by {how.name}"

    # ---- the run ----

    WEIGHTS = {
        "add": 10, "delete": 4, "delete_under_traffic": 2, "delete_pod": 1, "program": 4, "end_program": 1, "flood": 0.5, "rename": 5, "swap_names": 3, "alias": 2, "up": 5,
        "down": 3, "bridge": 2, "delete_bridge": 1, "join": 4, "leave": 2, "move_away": 4,
        "move_back": 4, "traffic": 25, "traffic_elsewhere": 3, "lose": 3, "overcount": 3, "redirect": 3, "scrape": 8, "stop_exporter": 4,
        "resume_exporter": 2, "hangup": 1, "gateway": 2, "restart": 0.3, "quiet": 3,
    }

    def step(self):
        name = self.random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        self.log.append(name)
        self.events()
        done = getattr(self, f"op_{name}")()
        self.events()
        self.log[-1] = f"{name}: {done}" if done else f"{name}: nothing to do"

    def finish(self):
        """All of it goes; then the exporter has nothing left, and its sums are what they were."""
        self.op_quiet()
        if self.gateway_state == "dead":
            self.gateway.start()
        elif self.gateway_state == "stopped":
            self.gateway.process.send_signal(signal.SIGCONT)
        self.gateway_state = "running"
        self.log.append("finish")
        # Where all groups have room, that of what runs behind the busy ones is among them.
        busy = self.scrape().find("group_interfaces", workload="busy")
        assert (sum(s.value for s in busy) == 3 or self.group_max < 1024
                or self.hooks["identity"] == "off"), busy
        for device in [d for d in self.world.devices if not d.busy]:
            if device in self.world.devices:
                for one in self.world.delete(device):
                    self.model.leave(one)
        self.op_quiet()
        with self.busy.lock:
            self.quiet_locked()
            self.finish_exporter(signal.SIGTERM)


def say(text):
    """To whoever waits for a long run, although a test's output is kept until it ends."""
    tap = os.environ.get("PE_TAP")
    # The descriptor is not that of a process for parallel tests.
    if tap and "PYTEST_XDIST_WORKER" not in os.environ:
        with contextlib.suppress(OSError):
            os.write(int(tap), f"# {text}\n".encode())


@pytest.mark.long
@pytest.mark.skipif(GRO, reason="gro: its interfaces do not merge")
def test_random_operations():
    seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 32))
    seconds = float(os.environ.get("SOAK_SECONDS") or 20)
    most = int(os.environ.get("SOAK_OPERATIONS") or 1 << 31)
    print(f"SOAK_SEED={seed} SOAK_SECONDS={seconds:g} SOAK_OPERATIONS={most}", flush=True)
    end, report = time.monotonic() + seconds, time.monotonic() + REPORT_S
    with contextlib.ExitStack() as stack:
        soak = Soak(stack, seed)
        try:
            while time.monotonic() < end and len(soak.log) < most:
                if time.monotonic() >= report:
                    report += REPORT_S
                    say(f"soak: {end - time.monotonic():.0f} of {seconds:g} s left, "
                        f"{len(soak.log)} operations, {soak.checks} quiet points")
                soak.step()
            soak.finish()
        except BaseException:
            print(f"replay: SOAK_SEED={seed} SOAK_OPERATIONS={len(soak.log)}")
            raise
        finally:
            print("\n".join(f"{n} {line}" for n, line in enumerate(soak.log)))
    print(f"{len(soak.log)} operations, {soak.checks} quiet points")
