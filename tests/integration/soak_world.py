# SPDX-License-Identifier: GPL-2.0-or-later
"""The interfaces of a soak run, as the kernel has them, and their traffic.

Everything is in namespaces of its own: a host, where the exporter runs, pods, and one more to move
away to. No interface has an address and IPv6 is off, so nothing is sent but what is sent here.
Frames are sent by AF_PACKET sockets, in the context of this process, so that the tracepoints are
exact to the packet; no bridge floods, because that would be done in an interrupt.
"""
import contextlib
import errno
import os
import socket
import struct
import subprocess
import threading

from harness import (
    BUILD, Namespace, ethernet, icmp_echo, icmpv6_echo, ipv4, ipv6, run, tcp, udp, wait_for,
)
from network_namespaces import netlink_socket
from soak_model import ETHERNET, Count
from test_container_names import Groups

SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 263, 6, 23
PACKET_QDISC_BYPASS, SO_MARK = 20, 36
REDIRECT = BUILD / "tests/integration/redirect.clang.o"
ETH_P_ALL = 3
BRIDGE_ETHERTYPE = 0x88B5  # of no protocol: the kernel's bridge looks into IP and drops what is odd


def variants(flow, size):
    """(family, protocol), frame. A flow is a number that makes another source."""
    source, port = f"192.0.2.{1 + flow % 250}", 1024 + flow
    return [
        (("ipv4", "udp"), ipv4(17, udp(size, port), source)),
        (("ipv4", "tcp"), ipv4(6, tcp(0x10, size, port), source)),
        (("ipv4", "tcp"), ipv4(6, tcp(0x02, 0, port), source)),
        (("ipv4", "icmp"), ipv4(1, icmp_echo(size), source)),
        (("ipv4", "gre"), ipv4(47, bytes(4 + size), source)),
        (("ipv4", "other"), ipv4(253, bytes(size), source)),
        (("ipv6", "udp"), ipv6(17, udp(size, port), f"2001:db8::{flow:x}")),
        (("ipv6", "icmpv6"), ipv6(58, icmpv6_echo(size), f"2001:db8::{flow:x}")),
        (("arp", ""), ethernet(0x0806, bytes(28 + size))),
        (("other", ""), ethernet(BRIDGE_ETHERTYPE, bytes(46 + size))),
    ]


class Space(Namespace):
    """A namespace with a netlink socket in it."""

    def __init__(self, prefix):
        super().__init__(prefix)
        with self.inside():
            self.netlink = netlink_socket()
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self):
        if self.fd is not None:
            self.netlink.close()
            os.close(self.fd)
            self.fd = None
            super().close()

    def message(self, ifindex):
        """The link, None if it is not there."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            return self.netlink.get_links(ifindex)[0]
        except NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise

    def index(self, name):
        return self.netlink.link_lookup(ifname=name)[0]


class Device:
    """One interface, wherever it is."""

    def __init__(self, space, name, kind):
        self.space, self.name, self.kind = space, name, kind
        self.ifindex = space.index(name)
        self.peer = self.master = self.stay = None
        self.alias, self.address = "", None
        self.up = self.busy = False
        self.final = None  # counters just before it was deleted or moved
        self.left = None   # its ifindex in the host's namespace when it left

    def __repr__(self):
        return f"{self.name}({self.ifindex})"

    def set(self, **what):
        self.space.netlink.link("set", index=self.ifindex, **what)

    def counters(self):
        stats = self.space.message(self.ifindex).get_attr("IFLA_STATS64")
        return Count(stats[f"{d}_{what}"] for d in ("rx", "tx") for what in ("packets", "bytes"))

    def carries(self):
        """Was set up, and its other end as well."""
        if self.kind == "bridge":
            return self.up and any(p.up and p.peer.up for p in self.ports)
        return self.up and self.peer.up

    def wait_for_carrier(self):
        # Until the kernel has seen the carrier, a device drops what it is given to send.
        wait_for(
            lambda: self.space.message(self.ifindex).get_attr("IFLA_OPERSTATE") == "UP",
            lambda: f"{self} is up",
        )

    def is_attached(self):
        """An XDP program is."""
        link = self.space.link(self.name)
        return link is not None and "xdp" in link


class Tap:
    """Counts what an interface has received, behind XDP."""

    def __init__(self, device):
        self.device, self.count = device, 0
        with device.space.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.sock.bind((device.name, ETH_P_ALL))

    def seen(self):
        # Reading it sets it to zero; what did not fit into the socket is in it, too.
        self.count += struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
        return self.count


def send(device, batch):
    """Sends (frame, times) out of a device that carries; they have arrived when it returns."""
    before, total = device.counters(), sum(times for _, times in batch)
    size = sum(len(frame) * times for frame, times in batch)
    receiver = None if device.kind == "bridge" else Tap(device.peer)
    with device.space.packet_socket(device.name) as out:
        for frame, times in batch:
            for _ in range(times):
                out.send(frame)
    if receiver:
        with receiver.sock:
            wait_for(lambda: receiver.seen() >= total, f"what {device} sent arrives")
    # Where the other end has a program in its driver, that end counts for both: a moment later, and without
    # the Ethernet headers.
    right = ((total, size), (total, size - ETHERNET * total))
    wait_for(lambda: (device.counters() - before)[2:] in right,
             lambda: f"{device}: sent {(total, size)}, the kernel counted {device.counters() - before}")


class Busy(threading.Thread):
    """Traffic on some pairs, whatever happens to other interfaces meanwhile; ends with an error.

    `lock` is held while a batch is sent: who has it finds the counters at rest.
    """

    BATCH = 20

    def __init__(self, devices, directions=("egress", "ingress"), pause_s=0.01):
        super().__init__(daemon=True)
        self.lock, self.end, self.pause_s = threading.Lock(), threading.Event(), pause_s
        self.devices, self.error = devices, None
        self.frames = variants(9000, 33)
        self.count = {}  # (device, direction, labels, size): packets tried
        self.sockets = []
        for device in devices:
            for direction in directions:
                end = device if direction == "egress" else device.peer
                self.sockets.append((device, direction, end.space.packet_socket(end.name)))

    def run(self):
        turn = 0
        try:
            while not self.end.wait(self.pause_s):
                turn += 1
                device, direction, sock = self.sockets[turn % len(self.sockets)]
                labels, frame = self.frames[turn % len(self.frames)]
                key = device, direction, labels, len(frame)
                with self.lock:
                    for _ in range(self.BATCH):
                        self.count[key] = self.count.get(key, 0) + 1
                        sock.send(frame)
        except OSError as error:
            self.error = error

    def take(self):
        """What was sent since the last call; the caller holds the lock."""
        assert self.error is None, self.error
        count, self.count = self.count, {}
        return count

    def close(self):
        self.end.set()
        if self.is_alive():
            self.join()
        for _, _, sock in self.sockets:
            sock.close()


class World:
    def __init__(self, stack, pods):
        self.stack = stack
        self.host = stack.enter_context(Space("pe-soak"))
        self.away = stack.enter_context(Space("pe-away"))
        self.pods = [stack.enter_context(Space("pe-pod")) for _ in range(pods)]
        self.groups = stack.enter_context(Groups())
        self.programs = {}  # what runs in a pod
        stack.callback(lambda: [self.end_program(pod) for pod in list(self.programs)])
        self.devices = []  # of all namespaces, in the order of their making
        self.serial = 0
        # ifindexes that were left since the exporter was last known to have read everything.
        # Its slots go by ifindex: what a successor sends before that, its predecessor gets.
        self.just_left = set()

    def start_program(self, pod, name):
        """In a control group as LXC names those of its containers, in place of what ran there."""
        self.end_program(pod)
        group = self.groups.make(f"lxc.payload.{name}") / "cgroup.procs"
        self.programs[pod] = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{pod.name}", "sleep", "3600"],
            preexec_fn=lambda: group.write_text(str(os.getpid()), encoding="ascii"),
        )

    def end_program(self, pod):
        process = self.programs.pop(pod, None)
        if process:
            process.kill()
            process.wait()

    def in_host(self, kind=None):
        return [d for d in self.devices if d.space is self.host and kind in (None, d.kind)]

    def peer_name(self):
        self.serial += 1
        return f"p{self.serial}"

    def add_pair(self, name, space, ifindex=0):
        """A device of the host and its peer, both down; the peer is the first that is reported."""
        here, there = {"ifname": name}, {"ifname": self.peer_name()}
        if ifindex:
            here["index"] = ifindex
        if space is not self.host:
            there["net_ns_fd"] = space.name
        self.host.netlink.link("add", kind="veth", peer=there, **here)
        device, peer = Device(self.host, name, "veth"), Device(space, there["ifname"], "veth")
        device.peer, peer.peer = peer, device
        self.devices += [device, peer]
        return device, peer

    def add_bridge(self, name):
        self.serial += 1
        address = f"02:00:00:00:01:{self.serial & 255:02x}"
        self.host.netlink.link(
            "add", ifname=name, kind="bridge", address=address, br_mcast_snooping=0
        )
        bridge = Device(self.host, name, "bridge")
        bridge.address, bridge.ports = bytes.fromhex(address.replace(":", "")), []
        self.devices.append(bridge)
        return bridge

    def up(self, *devices):
        for device in devices:
            device.set(state="up")
            device.up = True
        for device in devices:
            for one in (device, device.peer or device):
                if one.carries():
                    one.wait_for_carrier()

    @staticmethod
    def down(device):
        device.set(state="down")
        device.up = False

    def gone(self, device):
        """It is deleted or leaves the namespace."""
        if device.space is self.host:
            self.just_left.add(device.ifindex)
        self.release(device)

    @staticmethod
    def release(device):
        if device.master:
            device.master.ports.remove(device)
            device.master = None

    def delete(self, device):
        """And its peer with it. Returns those that were in the host's namespace."""
        both = [d for d in (device, device.peer) if d]
        for one in both:
            one.final = one.counters()
        device.space.netlink.link("del", index=device.ifindex)
        return self.forget(both)

    def forget(self, devices):
        for one in devices:
            self.gone(one)
            for port in getattr(one, "ports", ()):
                port.master = None
            self.devices.remove(one)
        return [d for d in devices if d.space is self.host]

    def delete_pod(self, number):
        """With all the ends in it, and their peers."""
        pod = self.pods[number]
        dying = [d for d in self.devices if d.space is pod]
        dying += [d.peer for d in dying]
        for one in dying:
            one.final = one.counters()
        self.end_program(pod)
        pod.close()
        gone = [d for d in dying if d.space is self.host]
        # The kernel deletes them later.
        wait_for(lambda: not any(self.host.message(d.ifindex) for d in gone), "the pod is gone")
        self.pods[number] = self.stack.enter_context(Space("pe-pod"))
        return self.forget(dying)

    def move(self, device, space, ifindex=0):
        """Down and without a master, as the kernel makes it; its counters go with it."""
        device.final = device.counters()
        if device.space is self.host:
            device.left = device.ifindex
        device.set(net_ns_fd=space.fd, **({"new_ifindex": ifindex} if ifindex else {}))
        self.gone(device)
        device.space, device.up = space, False
        device.ifindex = space.index(device.name)
        device.alias = space.message(device.ifindex).get_attr("IFLA_IFALIAS") or ""

    def tc(self, device, *filters):
        """Filters of a device, for a block."""
        tc = ["ip", "netns", "exec", self.host.name, "tc"]
        run(*tc, "qdisc", "add", "dev", device.name, "clsact")
        run(*tc, "filter", "add", "dev", device.name, *map(str, filters))
        return run, (*tc, "qdisc", "del", "dev", device.name, "clsact")

    @staticmethod
    def send_past(device, frame, times):
        with device.space.packet_socket(device.name) as out:
            out.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            for _ in range(times):
                out.send(frame)

    def hand_over(self, source, target, frame, times):
        with contextlib.ExitStack() as stack:
            undo, command = self.tc(source, "egress", "bpf", "da", "obj", REDIRECT, "sec", "tc/mark")
            stack.callback(undo, *command)
            out = stack.enter_context(source.space.packet_socket(source.name))
            out.setsockopt(socket.SOL_SOCKET, SO_MARK, target.ifindex)
            seen = stack.enter_context(Tap(target).sock)
            seen.settimeout(10)
            for _ in range(times):
                out.send(frame)
            for _ in range(times):
                seen.recv(1)

    @contextlib.contextmanager
    def redirected(self, source, target):
        undo, command = self.tc(source, "ingress", "bpf", "bytecode", "1,6 0 0 4294967295,", "action",
                                "mirred", "ingress", "redirect", "dev", target.name)
        try:
            yield
        finally:
            undo(*command)

    def join(self, port, bridge):
        port.set(master=bridge.ifindex)
        self.host.netlink.brport(
            "set", index=port.ifindex, IFLA_BRPORT_UNICAST_FLOOD=0, IFLA_BRPORT_MCAST_FLOOD=0,
            IFLA_BRPORT_BCAST_FLOOD=0, IFLA_BRPORT_LEARNING=0,
        )
        port.master = bridge
        bridge.ports.append(port)
        if bridge.carries():
            bridge.wait_for_carrier()

    def leave(self, port):
        port.set(master=0)
        self.release(port)
