# SPDX-License-Identifier: GPL-2.0-or-later
"""What the exporter must show, by what was done to the interfaces; and what no scrape may do.

The truth is the kernel's own counters, which soak_world.py has checked against what was sent. Of
each interface the model follows its stays in the host's namespace. A packet of a stay is certain
to be accounted for, observed or unobserved, but for those that an interface received before the
exporter had attached to it: their only record is the interface, and a veth that is deleted forgets
what it received. They make a range of what may be shown, and the next quiet point narrows it to
what is shown. Everything else must be equal, to the packet and the byte.
"""
import re

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness import Metrics

TOTALS = ("packets_total", "bytes_total")
UNOBSERVED = ("unobserved_packets_total", "unobserved_bytes_total")
OVERCOUNTED = ("overcounted_packets_total", "overcounted_bytes_total")
DIRECTIONS = ("ingress", "egress")
ETHERNET = 14


class Count(tuple):
    """Packets and bytes of ingress, then of egress."""

    def __add__(self, other):
        return Count(a + b for a, b in zip(self, other))

    def __sub__(self, other):
        return Count(a - b for a, b in zip(self, other))

    def ingress(self):
        return Count((self[0], self[1], 0, 0))


ZERO = Count((0, 0, 0, 0))


class Range:
    def __init__(self, low=ZERO, high=None):
        self.low, self.high = low, low if high is None else high

    def __add__(self, other):
        return Range(self.low + other.low, self.high + other.high)

    def __contains__(self, count):
        return all(a <= b <= c for a, b, c in zip(self.low, count, self.high))

    def __str__(self):
        return f"{tuple(self.low)}" + ("" if self.low == self.high else f" … {tuple(self.high)}")


class Stay:
    """An interface from when it comes to the host's namespace to when it leaves it."""

    def __init__(self, begin, known, early=False):
        self.begin = begin  # the kernel's counters when it came
        self.early = early  # counted from its first packet on, known or not
        self.known = known  # range: what of them an earlier stay has accounted for
        self.sure = begin   # the kernel's counters up to which all is accounted for, but the gap
        self.gap = ZERO     # may be forgotten
        self.late = ZERO    # passed before it was certain that the exporter was attached
        self.lost = ZERO    # sent past the tracepoint
        self.missing = ZERO  # likewise, but the audit may never have known
        self.above = ZERO   # handed to it as if it had received them
        self.attached = False

    def settle(self, now, forgets):
        """What has passed while it was not certainly attached; `forgets` gives the part at risk."""
        if not self.attached and not self.early:
            self.late += now - self.sure
            self.gap += forgets(now - self.sure)
        self.sure = now

    def before(self):
        """Unobserved at the least, and at the most but for what was late."""
        return Range(self.begin - self.known.high, self.begin - self.known.low)

    def total(self, now):
        before = self.before()
        return Range(before.low + (now - self.begin) - self.gap, before.high + (now - self.begin))

    def unobserved(self, now, by_tracepoint):
        """Of what a tracepoint sees in an interrupt, some kernels do not run it on all."""
        before = self.before()
        is_sure = self.attached or self.early
        late = self.late if is_sure else self.late + (now - self.sure)
        more = now - self.begin if by_tracepoint else late + self.lost + self.missing
        return Range(before.low + self.lost, before.high + more)


class Entry:
    """The series of a name: what earlier interfaces left under it, and the one that has it now."""

    def __init__(self):
        self.total, self.unobserved, self.above = Range(), Range(), Range()
        self.device = None


class Model:
    """The order of calls is the order in which the kernel reports what happened."""

    def __init__(self, folds, is_wanted, native, egress):
        self.native, self.egress = native, egress  # how it counts, and whether what is sent, too
        self.mode = "native" if native else "generic"
        self.folds = folds   # departed series end within the run: then only their sum is known
        self.is_wanted = is_wanted  # whether an interface of this name is watched
        self.entries = {}
        self.past = Entry()  # of all stays that ended
        self.lossy = False   # the kernel may have dropped messages since the last quiet point
        self.mixed = False   # what has which name is not certain until the next quiet point
        self.known = {}      # device: range, what was accounted for when it moved away
        self.tally = {}      # class: what was sent, at the least and at the most seen
        self.departures = 0

    def restart(self, devices):
        """A new exporter knows nothing; what there is has been counted before it came."""
        self.__init__(self.folds, self.is_wanted, self.native, self.egress)
        for device in devices:
            self.appear(device, early=False)

    def of(self, count):
        """What of it the exporter looks at."""
        return count if self.egress else count.ingress()

    def counters(self, device):
        return self.of(device.counters())

    def appear(self, device, early=True):
        if not self.is_wanted(device.name):
            return
        entry = self.entries.setdefault(device.name, Entry())
        assert entry.device is None
        entry.device = device
        device.stay = Stay(
            self.counters(device), self.known.pop(device, Range()), early and device.kind == "veth"
        )

    def leave(self, device, final=None, sent_on=ZERO, moved=False):
        """`final`: counters when it left; `sent_on`: how much more may have been sent since then."""
        if not device.stay:
            return
        stay, entry = device.stay, self.entries[device.name]
        final, sent_on = self.of(device.final if final is None else final), self.of(sent_on)
        # The last message has the right egress of each and the ingress of all but a deleted veth.
        if self.lossy:
            stay.settle(final, lambda count: count)
        else:
            exact = moved or device.kind == "bridge"
            stay.settle(final, lambda count: ZERO if exact else count.ingress())
        if self.lossy:
            # Without the message of its end nobody knows what the kernel had counted last.
            stay.gap, stay.missing, stay.lost = stay.gap + stay.lost, stay.lost, ZERO
        known = Range(final - stay.gap, final)
        if self.lossy and not stay.attached:
            # It may have come and gone unreported, and then nobody knows what it had passed before.
            known.low = stay.known.low
            stay.known = Range(stay.known.low, stay.begin)
        for past in (entry, self.past):
            past.total += stay.total(final)
            past.unobserved += stay.unobserved(final, device.kind == "bridge")
            past.total.high += sent_on + stay.above
            past.unobserved.high += sent_on
            # A veth that is deleted forgets what it received, and with it what would show it. What is
            # handed to one that is ending is counted, and dropped.
            past.above += Range(ZERO, stay.above + sent_on)
        if moved:
            self.known[device] = known
        entry.device = device.stay = None
        self.departures += 1

    def rename(self, device, name):
        """It takes its series along, and over what another left under the new name."""
        if not device.stay or not self.is_wanted(name):
            if device.stay:
                self.leave(device, self.counters(device), moved=True)
            device.name = name
            # As it was known, it was ignored until its new name was.
            self.appear(device, early=False)
            return
        entry = self.entries.pop(device.name)
        other = self.entries.pop(name, None)
        if other:
            assert other.device is None
            entry.total += other.total
            entry.unobserved += other.unobserved
            entry.above += other.above
        self.entries[name] = entry
        device.name = name

    def attached(self, device):
        device.stay.settle(self.counters(device), lambda c: c if self.lossy else c.ingress())
        device.stay.attached = True

    def sent(self, device, direction, labels, packets, size, sure=True):
        if not device.stay or direction == "egress" and not self.egress:
            return
        low, high = self.tally.setdefault((direction, *labels), ((0, 0), (0, 0)))
        add = (packets, packets * size)
        # Behind the driver a frame has no Ethernet header, and before it had one.
        at_least = (packets, packets * (size - ETHERNET)) if self.native and direction == "ingress" else add
        sure = sure and device.stay.attached and device.kind != "bridge"
        self.tally[(direction, *labels)] = (
            tuple(a + b for a, b in zip(low, at_least)) if sure else low,
            tuple(a + b for a, b in zip(high, add)),
        )

    def live(self):
        return [e.device for e in self.entries.values() if e.device]

    # ---- quiet points ----

    def compare(self, shown):
        """What differs, as text; empty if nothing does. Nothing must be under way."""
        now = {device: self.counters(device) for device in self.live()}
        wrong = self.compare_info(shown)
        total, unobserved = Range() + self.past.total, Range() + self.past.unobserved
        for name, entry in self.entries.items():
            own, own_unobserved = Range(), Range()
            if entry.device:
                own = Range() + entry.device.stay.total(now[entry.device])
                # While it lives nothing is forgotten.
                own.low += entry.device.stay.gap
                own_unobserved = entry.device.stay.unobserved(
                    now[entry.device], entry.device.kind == "bridge"
                )
            total, unobserved = total + own, unobserved + own_unobserved
            if entry.device and not self.audited(entry.device.stay, shown.unobserved(name)):
                wrong.append(f"{name}: unobserved {shown.unobserved(name)}, lost {entry.device.stay.lost}")
            if self.folds or self.lossy or self.mixed:
                continue
            if shown.total(name) not in own + entry.total:
                wrong.append(f"{name}: shown {shown.total(name)}, expected {own + entry.total}")
            above = entry.above + Range(entry.device.stay.above if entry.device else ZERO)
            if shown.above(name) not in above:
                wrong.append(f"{name}: overcounted {shown.above(name)}, expected {above}")
            if shown.unobserved(name) not in own_unobserved + entry.unobserved:
                wrong.append(f"{name}: unobserved {shown.unobserved(name)}, "
                             f"expected {own_unobserved + entry.unobserved}")
        if shown.count(["packets_total"]) != shown.count(["packet_size_bytes_count"]):
            wrong.append("not every packet has a size")
        if not self.folds and not self.lossy and shown.names() - set(self.entries):
            wrong.append(f"never had a name: {shown.names() - set(self.entries)}")
        if shown.all_total() not in total:
            wrong.append(f"sum: shown {shown.all_total()}, expected {total}")
        if wrong and self.folds:
            wrong += [f"{d}: shown {shown.total(d.name)}, unobserved {shown.unobserved(d.name)}, "
                      f"this stay {d.stay.total(now[d])}, of which before {d.stay.before()}"
                      for d in self.live()]
        if shown.all_unobserved() not in unobserved:
            wrong.append(f"sum: unobserved {shown.all_unobserved()}, expected {unobserved}")
        return wrong + self.compare_classes(shown)

    def audited(self, stay, unobserved):
        """Where a range of sums is possible, what is still to be found of one that lives on may be within it;
        of one without traffic that takes longest."""
        is_its_name = stay.early or not self.mixed
        return not is_its_name or all(a >= b for a, b in zip(unobserved, stay.lost))

    def compare_info(self, shown):
        """The live interfaces are the kernel's, and counted as they should be."""
        expected = {
            (d.name, str(d.ifindex), d.kind, d.master.name if d.master else "",
             "tracepoint" if d.kind == "bridge" else self.mode, d.alias)
            for d in self.live()
        }
        labels = ("interface", "ifindex", "kind", "master", "mode", "alias")
        is_shown = {tuple(s.labels[k] for k in labels) for s in shown.live()}
        if is_shown == expected:
            return []
        return [f"interfaces: shown {sorted(is_shown - expected)}, "
                f"expected {sorted(expected - is_shown)}"]

    def compare_classes(self, shown):
        # A fold has no classes.
        if self.folds:
            return []
        wrong = []
        for (direction, family, protocol), (low, high) in self.tally.items():
            labels = {"direction": direction, "family": family, "protocol": protocol}
            seen = tuple(shown.sum(name, **labels) for name in TOTALS)
            if not (low[0] <= seen[0] <= high[0] and low[1] <= seen[1] <= high[1]):
                wrong.append(f"{direction} {family} {protocol}: shown {seen}, sent {low} … {high}")
        return wrong

    def adopt(self, shown):
        """What is shown was possible: from here on it is what must stay."""
        own_total = own_unobserved = ZERO
        names = set(self.entries) | (shown.names() if not self.folds else set())
        for name in names:
            entry = self.entries.setdefault(name, Entry())
            total = unobserved = ZERO
            if entry.device:
                stay = entry.device.stay
                now = self.counters(entry.device)
                stay.known = Range(stay.known.low)
                stay.gap, stay.sure = ZERO, now
                total = stay.total(now).low
                unobserved = stay.before().low
                own_total, own_unobserved = own_total + total, own_unobserved + unobserved
                stay.late = stay.lost = stay.above = ZERO
                # Whatever it was when it was not certain, it is by now.
                stay.attached = True
            if not self.folds:
                entry.total = Range(shown.total(name) - total)
                entry.unobserved = Range(shown.unobserved(name) - unobserved)
                entry.above = Range(shown.above(name))
            else:
                entry.total, entry.unobserved, entry.above = Range(), Range(), Range()
        self.past.total = Range(shown.all_total() - own_total)
        self.past.unobserved = Range(shown.all_unobserved() - own_unobserved)
        self.lossy = self.mixed = False
        for (direction, family, protocol) in self.tally:
            labels = {"direction": direction, "family": family, "protocol": protocol}
            seen = tuple(shown.sum(name, **labels) for name in TOTALS)
            self.tally[(direction, family, protocol)] = (seen, seen)


class Shown:
    """One exposition, strictly parsed; samples by name and labels, none twice."""

    def __init__(self, text, openmetrics):
        self.openmetrics = openmetrics
        self.types, self.value = {}, {}
        self.samples = []
        for family in (parse_openmetrics if openmetrics else parse_text)(text):
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in self.value, f"twice: {key}"
                self.value[key] = sample.value
                self.types[sample.name] = family.type
                self.samples.append(sample)
        self.by_name = {}
        for sample in self.samples:
            self.by_name.setdefault(sample.name, []).append(sample)

    def find(self, name, **labels):
        return [s for s in self.by_name.get(f"packet_exporter_{name}", [])
                if all(s.labels.get(k) == v for k, v in labels.items())]

    def sum(self, name, **labels):
        return int(sum(s.value for s in self.find(name, **labels)))

    live = Metrics.live

    def count(self, families, **labels):
        return Count(self.sum(f, direction=d, **labels) for d in DIRECTIONS for f in families)

    def unobserved(self, name):
        return self.count(UNOBSERVED, interface=name)

    def above(self, name):
        return self.count(OVERCOUNTED, interface=name)

    def total(self, name):
        return self.count(TOTALS, interface=name) + self.unobserved(name) - self.above(name)

    def all_of(self, families, level="host_"):
        return self.count([level + f for f in families])

    def all_unobserved(self):
        return self.all_of(UNOBSERVED)

    def all_counted(self, level="host_"):
        """What never goes back: the audit takes nothing away, but says what was too much."""
        return self.all_of(TOTALS, level) + self.all_of(UNOBSERVED, level)

    def all_total(self):
        return self.all_counted() - self.all_of(OVERCOUNTED)

    def names(self):
        return {s.labels["interface"] for f in (*TOTALS, *UNOBSERVED, "interface_info")
                for s in self.find(f)}


class History:
    """What one scrape after another may not do, whatever is going on meanwhile."""

    def __init__(self, keeps_groups=True):
        self.value, self.created = {}, {}
        self.total, self.keeps_groups = ZERO, keeps_groups

    def follow(self, shown):
        self.check_sums(shown)
        if not shown.openmetrics:
            return
        value, created = {}, {}
        for sample in shown.samples:
            kind = shown.types[sample.name]
            if kind not in ("counter", "histogram"):
                continue
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            base = re.sub("_(total|created|bucket|count|sum)$", "", sample.name)
            if sample.name.endswith("_created"):
                created[base, labels] = sample.value
            else:
                value[sample.name, base, labels, sample.labels.get("le")] = sample.value
        for key, now in value.items():
            before = self.value.get(key, 0)
            series = key[1:3]
            assert series in created, f"{key} has no _created"
            assert now >= before or created[series] != self.created[series], (
                f"{key} went back from {before} to {now}, created {created[series]}"
            )
        gone = {k for k in self.value if k[0].startswith("packet_exporter_group_")} - value.keys()
        # Those that are too many go on in another one.
        assert not gone or not self.keeps_groups, f"no longer shown: {sorted(map(str, gone))[:3]}"
        self.value, self.created = value, created

    def check_sums(self, shown):
        """Sums over live, departed and folded interfaces never go back; details stay within them."""
        total = shown.all_counted()
        assert total in Range(self.total, Count(max(p) for p in zip(total, self.total))), (
            f"the sum went back from {self.total} to {total}"
        )
        self.total = total
        grouped = shown.all_of(TOTALS, "group_") + shown.count(("ungrouped_packets", "ungrouped_bytes"))
        host = shown.all_of(TOTALS)
        assert grouped == host, f"{grouped} in groups or waiting, {host} of the host"
        # What waits for its identity is in no group, and what was folded in no interface.
        for level in ("group_", ""):
            part = shown.all_counted(level)
            assert all(a <= b for a, b in zip(part, total)), f"{level or 'interfaces'}: {part} of {total}"
        for name in shown.names():
            for direction in DIRECTIONS:
                labels = {"interface": name, "direction": direction}
                packets, size = (shown.sum(f, **labels) for f in TOTALS)
                # A packet on its way between the two is in the sizes already.
                sizes = shown.sum("packet_size_bytes_count", **labels)
                assert packets <= sizes, f"{labels}: {packets}, of which sizes {sizes}"
                assert size == shown.sum("packet_size_bytes_sum", **labels), labels
                top = shown.sum("top_flow_packets_total", **labels)
                lost = shown.sum("flow_lost_packets_total", **labels)
                assert max(top, lost) <= packets, f"{labels}: {top} in flows, {lost} lost of {packets}"
            packets, size = (shown.sum(f, interface=name) for f in TOTALS)
            flows = shown.sum("flow_size_bytes_sum", interface=name)
            lost = shown.sum("flow_lost_bytes_total", interface=name)
            assert flows + lost <= size, f"{name}: {flows} in flows, {lost} lost of {size}"
