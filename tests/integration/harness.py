# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests share: namespaces, the exporter, a Pushgateway, a Prometheus, and frames.

A Host is a network namespace in which the exporter runs as it would on a container host; a
Container is another one, joined to it by a veth. Nothing outside of them is touched. Nothing
sleeps for a fixed time: wait_for() polls a condition until its deadline.
"""
import contextlib
import ctypes
import fcntl
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.samples import Sample

from network_namespaces import back_again, enter, make, remove

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PE_BUILDDIR", ROOT / "build")).resolve()
EXPORTER = BUILD / "packet-exporter"
# Sanitizers make a program several times slower: tests that count in thousands do less.
SANITIZED = bool(
    re.search(r"^LDFLAGS = .*-fsanitize=", (BUILD / "Makefile").read_text(encoding="utf-8"), re.M)
)
# In the log, once the sandbox has refused a system call.
REFUSED = "the sandbox has refused"
# Until a condition holds. Far more than a slow machine needs; it is what a failure takes.
DEADLINE_S = 60
# What waits for nobody takes at most this: far more than on a slow machine, and far less than what it
# could have waited for.
PROMPT_S = 10

# What `make check-hooks` gives every exporter; a test's own options come later and win. And the word `gro`:
# what containers' interfaces receive is merged, so that they are left to the tracepoint.
HOOKS = os.environ.get("PE_HOOKS", "").split()
GRO = "gro" in HOOKS
HOOK_OPTIONS = [hook for hook in HOOKS if hook != "gro"]


def hook(name, default):
    """What an option is in this run, unless a test gives it."""
    return dict(option.removeprefix("--").split("=", 1) for option in HOOK_OPTIONS).get(name, default)


# How a container's interface is counted, where the test leaves it to the exporter.
MODE = "native" if hook("xdp.mode", "auto") == "native" else "tracepoint" if GRO else "generic"
DIRECTIONS = ("ingress", "egress") if hook("egress", "on") == "on" else ("ingress",)
HAS_FLOWS = hook("flows", "on") == "on"
needs_flows = pytest.mark.skipif(not HAS_FLOWS, reason="--flows=off: there is no flow detail")


def length(frame, direction="ingress", mode=MODE):
    """Of a frame, as a container's interface counts it: what a veth with XDP in the driver receives it
    counts without the Ethernet header, and so does the exporter."""
    return len(frame) - (14 if (direction, mode) == ("ingress", "native") else 0)


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: network namespaces and BPF programs"
)
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C

serial = itertools.count()
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(condition, what, deadline_s=DEADLINE_S):
    """Returns the first true value of condition().

    To look takes CPU time, which what is waited for needs: the longer it takes, the fewer looks.
    """
    begin = time.monotonic()
    end = begin + deadline_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            pytest.fail(f"not within {deadline_s} s: {what() if callable(what) else what}")
        pause.wait(min(max(0.02, (now - begin) / 5), 0.1))


def run(*args, **kwargs):
    done = subprocess.run(args, capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def stop(process, signo=signal.SIGTERM, deadline_s=DEADLINE_S):
    if process.poll() is None:
        process.send_signal(signo)
        # A test may have failed while it was stopped.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


@contextlib.contextmanager
def background(work):
    """Calls work() in a thread again and again until the end of the block; its failure is ours."""
    ended, failures = threading.Event(), []

    def repeat():
        try:
            while not ended.wait(0.01):
                work()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]


class Namespace:
    """A network namespace with loopback up and no IPv6 chatter of its own."""

    def __init__(self, prefix="pe"):
        self.name = f"{prefix}-{os.getpid()}-{next(serial)}"
        make(self.name)

    def close(self):
        with contextlib.suppress(OSError):
            remove(self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ip(self, *args, **kwargs):
        return run("ip", "-n", self.name, *map(str, args), **kwargs)

    def batch(self, lines):
        self.ip("-batch", "-", input="\n".join(lines) + "\n")

    def write(self, path, value):
        with self.inside():
            pathlib.Path("/proc/sys", path).write_text(f"{value}\n", encoding="ascii")

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the namespace; a socket made here stays there."""
        with back_again():
            enter(self.name)
            yield

    def link(self, name):
        """The link as `ip` shows it, None if it is not there."""
        try:
            return json.loads(self.ip("-j", "-d", "-s", "link", "show", "dev", name))[0]
        except RuntimeError:
            return None

    def links(self):
        return json.loads(self.ip("-j", "-d", "-s", "link", "show"))

    def popen(self, *args, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, args)], **kwargs)

    def get(self, url, headers=None, timeout=10):
        """(status, headers, body) of a GET from inside."""
        request = urllib.request.Request(url, headers=headers or {})
        with self.inside():
            try:
                with DIRECT.open(request, timeout=timeout) as answer:
                    return answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.headers, error.read()

    def merge(self, *interfaces):
        """What they receive (GRO), as `ethtool -K` does it."""
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for interface in interfaces:
                value = bytearray(struct.pack("II", ETHTOOL_SGRO, 1))
                address = (ctypes.c_char * len(value)).from_buffer(value)
                fcntl.ioctl(sock, SIOCETHTOOL,
                            struct.pack("16sP16x", interface.encode(), ctypes.addressof(address)))

    def packet_socket(self, interface):
        """Sends whole frames out of an interface."""
        with self.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((interface, 0))
            return sock


def kernel_counters(link):
    stats = link["stats64"]
    return {
        "ingress": (stats["rx"]["packets"], stats["rx"]["bytes"]),
        "egress": (stats["tx"]["packets"], stats["tx"]["bytes"]),
    }


def wait_up(namespace, names):
    """Until the kernel has seen the carrier, a device drops what it is given to send."""
    names = set(names)
    wait_for(
        lambda: names <= {i["ifname"] for i in namespace.links() if i["operstate"] == "UP"},
        "all are up",
    )


class Container(Namespace):
    """A namespace joined to a host: `interface` on the host's side, eth0 here."""

    def __init__(self, host, number, up=True, master=None, merges=GRO):
        super().__init__("pe-c")
        self.host, self.number, self.interface = host, number, f"veth{number}"
        try:
            port = f"master {master}" if master else ""
            host.batch([f"link add {self.interface} {port} type veth peer name eth0"
                        f" netns {self.name}"])
            if merges:
                host.merge(self.interface)
            if up:
                self.up()
        except BaseException:
            self.close()
            raise

    def up(self):
        self.host.batch([
            f"address add 10.7.{self.number}.1/24 dev {self.interface}",
            f"link set {self.interface} up",
        ])
        self.batch([f"address add 10.7.{self.number}.2/24 dev eth0", "link set eth0 up"])
        wait_up(self, ["eth0"])
        wait_up(self.host, [self.interface])


COUNTED = re.compile(
    r'^packet_exporter_(?:host_)?(packets|bytes)_total{([^}]*)} (\S+)$', re.MULTILINE
)


def counted(text):
    """(packets, bytes) of each interface and direction; "" is what folded ones left.

    For scrapes of thousands of interfaces, which the real parser takes seconds for.
    """
    sums = {}
    for what, labels, value in COUNTED.findall(text):
        name = re.search(r'(?:^|,)interface="([^"]*)"', labels)
        direction = re.search(r'direction="([^"]*)"', labels).group(1)
        directions = sums.setdefault(
            name.group(1) if name else "", {"ingress": [0, 0], "egress": [0, 0]}
        )
        directions[direction][what == "bytes"] += int(float(value))
    left = sums.setdefault("", {"ingress": [0, 0], "egress": [0, 0]})
    for name, directions in sums.items():
        for direction, both in directions.items() if name else ():
            left[direction][0] -= both[0]
            left[direction][1] -= both[1]
    return {
        name: {direction: tuple(both) for direction, both in directions.items()}
        for name, directions in sums.items()
    }


SAMPLE = re.compile(r"^(\w+)(?:{(.*)})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r"\\(.)")


def quick_samples(text):
    """The samples of a page of the exporter's, which has no exemplars and no times."""
    def value_of(match):
        return "\n" if match[1] == "n" else match[1]

    return [
        Sample(name, {k: ESCAPED.sub(value_of, v) if "\\" in v else v
                      for k, v in LABEL.findall(labels)}, float(value))
        for name, labels, value in SAMPLE.findall(text)
    ]


class Metrics:
    """Samples of a scrape, by name and labels; read by the real parser, or quickly."""

    def __init__(self, text, quickly=False):
        self.text = text
        if quickly:
            self.samples = quick_samples(text)
            return
        self.families = {family.name: family for family in parse_openmetrics(text)}
        self.samples = [s for family in self.families.values() for s in family.samples]

    def find(self, name, **labels):
        name = f"packet_exporter_{name}"
        return [
            s for s in self.samples
            if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())
        ]

    def sum(self, name, **labels):
        return int(sum(s.value for s in self.find(name, **labels)))

    def live(self, **labels):
        """What is known of live interfaces: labels of their info and of their mode, in one."""
        modes = {s.labels["interface"]: s.labels for s in self.find("interface_mode")}
        found = (s._replace(labels={**s.labels, **modes[s.labels["interface"]]})
                 for s in self.find("interface_info") if s.labels["interface"] in modes)
        return [s for s in found if all(s.labels.get(k) == v for k, v in labels.items())]

    def departed(self, name, kind=None, **labels):
        """What interfaces counted whose series have ended, of a kind or of all."""
        kinds = {s.labels["interface"]: s.labels["kind"] for s in self.find("interface_info")}
        ever = (self.sum(f"host_{name}", **labels) if kind is None
                else self.sum(f"group_{name}", kind=kind, **labels))
        return ever - int(sum(s.value for s in self.find(name, **labels)
                               if kind in (None, kinds[s.labels["interface"]])))

    def folded(self):
        """How many interfaces there were whose series have ended."""
        kept = len(self.find("interface_info")) - len(self.find("interface_mode"))
        # One that waits for its identity is in no group yet.
        return max(self.sum("group_interfaces_departed_total") - kept, 0)

    def totals(self, interface):
        """(packets, bytes) of each direction."""
        return self.both("packets_total", "bytes_total", interface)

    def unobserved(self, interface, **labels):
        """(packets, bytes) of each direction that the kernel counted and we could not."""
        return self.both("unobserved_packets_total", "unobserved_bytes_total", interface, **labels)

    def overcounted(self, interface):
        """(packets, bytes) of each direction that we counted above the kernel's."""
        return self.both("overcounted_packets_total", "overcounted_bytes_total", interface)

    def both(self, packets, size, interface, **labels):
        return {
            d: (
                self.sum(packets, interface=interface, direction=d, **labels),
                self.sum(size, interface=interface, direction=d, **labels),
            )
            for d in ("ingress", "egress")
        }


def pretend_cpus(count, directory):
    """What comes before a command so that it finds so many possible CPUs, no fewer than there are."""
    possible = pathlib.Path(directory, f"possible-{count}")
    possible.write_text(f"0-{count - 1}\n", encoding="ascii")
    return ("unshare", "--mount", "sh", "-c",
            'mount --bind "$0" /sys/devices/system/cpu/possible && exec "$@"', str(possible))


class Exporter:
    """The daemon in a host's namespace; its log is kept and shown when a test fails.

    It looks neither for containers, nor for drops or connections, unless a test asks for it: to load what does
    takes more than a third of the CPU time of a start. IdentifyingExporter is as by default, for tests of a
    whole, of its starts and of what is allowed to it.
    """

    common = ("--identity=off", "--drops=off", "--tcp=off")

    def __init__(self, host, *options, env=None, port=9817, prefix=()):
        self.host = host
        self.url = f"http://127.0.0.1:{port}"
        self.page = None
        # A file and not a pipe, so that a log nobody reads never blocks it.
        self.log_file = tempfile.NamedTemporaryFile("w+", prefix="pe-log-")
        self.process = host.popen(
            *prefix, EXPORTER, f"--web.listen-address=127.0.0.1:{port}", "--log.level=debug",
            # What is looked at is nearly always of an interface.
            "--interface.detail=full", *self.common, *HOOK_OPTIONS, *options,
            stderr=self.log_file, stdout=self.log_file, env={**clean_environment(), **(env or {})}
        )
        try:
            wait_for(self.is_ready, "the exporter is ready")
        except BaseException:
            self.close()
            raise

    def is_ready(self):
        if self.process.poll() is not None:
            pytest.fail(f"the exporter ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.host.get(f"{self.url}/-/ready")[0] == 200
        except OSError:
            return False

    def holds(self, kind):
        """The ids of the BPF programs ("prog"), links ("link") or maps ("map") that it holds open."""
        ids = set()
        for file in pathlib.Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                ids.update(map(int, re.findall(rf"^{kind}_id:\s*(\d+)$", file.read_text(), re.M)))
        return ids

    def map_bytes(self):
        """What the kernel charges for its BPF maps; of those that are in other maps it has no descriptor."""
        sizes, inner = {}, set()
        for file in pathlib.Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                found = dict(re.findall(r"^(map_id|map_type|memlock):\s*(\d+)$", file.read_text(), re.M))
                if "map_id" in found:
                    sizes[int(found["map_id"])] = int(found["memlock"])
                if found.get("map_type") == RING and found["memlock"] == "0":
                    pytest.skip("the kernel does not say what it charges for a map: it is older than 6.4")
                if found.get("map_type") == ARRAY_OF_MAPS:
                    inner |= inner_maps(found["map_id"])
        for number in inner - set(sizes):
            shown = json.loads(run("bpftool", "-j", "map", "show", "id", str(number)))
            sizes[number] = shown["bytes_memlock"]
        return sum(sizes.values())

    def open_files(self):
        """What its descriptors are, as the kernel names them."""
        names = []
        for file in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            # It may be closed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(file))
        return names

    def pause(self):
        """Returns when every thread has stopped, until SIGCONT."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        wait_for(
            lambda: all(
                t.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "T"
                for t in tasks.iterdir()
            ),
            "the exporter has stopped",
        )

    def log(self):
        return pathlib.Path(self.log_file.name).read_text(encoding="utf-8", errors="replace")

    def scrape_text(self, accept="application/openmetrics-text;version=1.0.0"):
        status, _, body = self.host.get(f"{self.url}/metrics", {"Accept": accept}, DEADLINE_S)
        assert status == 200
        return body.decode()

    def scrape(self):
        """Whoever waits for something scrapes often: the real parser has the last page, at the end."""
        self.page = self.scrape_text()
        return Metrics(self.page, quickly=True)

    def close(self):
        status = stop(self.process)
        self.lines = self.log()
        print(self.lines)
        page, self.page = self.page, None
        if page:
            assert quick_samples(page) == [
                s for family in parse_openmetrics(page) for s in family.samples
            ]
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        status = self.close()
        # Sanitizers end a program with a status of their own.
        assert status in (0, -signal.SIGKILL), f"the exporter ended with {status}"
        assert REFUSED not in self.lines, "the sandbox refused what is needed"


class IdentifyingExporter(Exporter):
    """With --identity=on, as it is by default."""

    common = ()


def clean_environment():
    return {
        k: v for k, v in os.environ.items()
        if not k.lower().endswith("_proxy") and not k.startswith("PE_")
    }


class Server:
    """A server of Debian's in a host's namespace, answering at `ready_path`."""

    def __init__(self, host, url, ready_path, command):
        self.host, self.url, self.ready_path, self.command = host, url, ready_path, command
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        self.start()

    def start(self):
        self.process = self.host.popen(
            *self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=clean_environment()
        )
        wait_for(self.is_ready, f"{self.command[0]} is ready")

    def is_ready(self):
        try:
            return self.host.get(f"{self.url}{self.ready_path}")[0] == 200
        except OSError:
            return False

    def close(self, signo=signal.SIGTERM):
        stop(self.process, signo, 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pushgateway(Server):
    def __init__(self, host, *options):
        super().__init__(
            host, "http://127.0.0.1:9091", "/-/ready",
            ["prometheus-pushgateway", "--web.listen-address=127.0.0.1:9091", "--persistence.file=",
             *options]
        )

    def groups(self):
        return json.loads(self.host.get(f"{self.url}/api/v1/metrics")[2])["data"]

    def text(self):
        return self.host.get(f"{self.url}/metrics")[2].decode()

    def wipe(self):
        """Deletes all groups; needs --web.enable-admin-api."""
        request = urllib.request.Request(f"{self.url}/api/v1/admin/wipe", method="PUT")
        with self.host.inside(), DIRECT.open(request, timeout=10):
            pass


class Prometheus(Server):
    def __init__(self, host, config, directory, *options, port=9090, program="prometheus"):
        file = pathlib.Path(directory, "prometheus.yml")
        file.write_text(config, encoding="utf-8")
        super().__init__(
            host, f"http://127.0.0.1:{port}", "/-/ready",
            [program, f"--config.file={file}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error", *options]
        )

    def query(self, expression, **parameters):
        """`time`: seconds since the epoch, now if it is not given."""
        from urllib.parse import urlencode

        arguments = urlencode({"query": expression, **parameters})
        body = self.host.get(f"{self.url}/api/v1/query?{arguments}")[2]
        return json.loads(body)["data"]["result"]


def kernel_objects(kind):
    """The ids of the BPF programs ("prog") or links ("link") that the kernel holds."""
    # It fails when another program's object comes or goes while it looks.
    done = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=False)
    return {entry["id"] for entry in json.loads(done.stdout or "[]") if "id" in entry}


# Of enum bpf_map_type.
ARRAY_OF_MAPS = "12"
RING = "27"


def inner_maps(number):
    """The ids of the maps in a map."""
    ids = [
        int.from_bytes((int(byte, 16) for byte in entry["value"]), sys.byteorder)
        for entry in json.loads(run("bpftool", "-j", "map", "dump", "id", str(number)))
        if isinstance(entry["value"], list)
    ]
    return set(filter(None, ids))


@functools.cache
def has_tcx():
    return "tcx_link_attach\n" in pathlib.Path("/proc/kallsyms").read_text(encoding="ascii")


# ---- frames ----

MACS = bytes.fromhex("0200000000ff" "0200000000fe")


def ethernet(ethertype, payload):
    return MACS + struct.pack("!H", ethertype) + payload


def ipv4(protocol, payload, source="192.0.2.1", dest="192.0.2.2"):
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(dest)
    )
    return ethernet(0x0800, head + payload)


def ipv6(next_header, payload, source="2001:db8::1", dest="2001:db8::2"):
    head = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64)
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, dest)
    return ethernet(0x86DD, head + addresses + payload)


def udp(size, source=4000, dest=4001):
    return struct.pack("!HHHH", source, dest, 8 + size, 0) + bytes(size)


def tcp(flags, size=0, source=40000, dest=443):
    return struct.pack("!HHIIBBHHH", source, dest, 1, 1, 0x50, flags, 1024, 0, 0) + bytes(size)


def icmp_echo(size):
    return struct.pack("!BBHHH", 8, 0, 0, 1, 1) + bytes(size)


def icmpv6_echo(size):
    return struct.pack("!BBHHH", 128, 0, 0, 1, 1) + bytes(size)
