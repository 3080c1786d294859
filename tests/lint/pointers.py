# SPDX-License-Identifier: GPL-2.0-or-later
"""See pointers.sh. Reads the sources as text: bpf/kernel.h names the kernel's structures, and in
every function a variable that holds a pointer of theirs must be compared with NULL before it is
followed or handed on. Then guards are taken out of a copy, one by one: each must be missed.

The programs of bpf/identity.bpf.c and bpf/tcp.bpf.c follow no pointer by a load of their own: what they
read belongs to others, and may end while they do. Only a socket whose state changes is there, and so is what is
part of it, and its namespace: variables with names of their own. Those of bpf/drops.bpf.c follow none but that to the packet,
which may have anything in place of the others. Then one of their probe reads becomes a load: it must be found.
"""
import pathlib
import re
import sys

SOURCE = pathlib.Path(sys.argv[1], "bpf")
# Packet memory: always there, and read through bytes_at() or a helper that cannot fault.
MEMORY = {"head", "data"}
# Tracepoints' own arguments, and what is part of them.
TRUSTED = {"tcp.bpf.c": {"socket", "its_net"}, "tcp_ended.h": {"socket", "tp"}}
# These read through their arguments without a fault, or do not follow them.
SAFE = {"bpf_probe_read_kernel", "BPF_CORE_READ", "BPF_CORE_READ_BITFIELD", "bpf_core_field_exists",
        "if", "likely", "unlikely", "return"}


def strip(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)


def pointer_fields(header):
    text = strip((SOURCE / header).read_text(encoding="utf-8"))
    structs = re.findall(r"struct (\w+) \{(.*?)\n\}", text, re.S)
    fields = {m for _, body in structs for m in re.findall(r"\*(\w+);", body)}
    return {name for name, _ in structs}, fields - MEMORY


def functions(text):
    """(line, head, body) of each function definition."""
    for match in re.finditer(r"^[a-zA-Z_][^;{}=]*\)\n\{\n(.*?)^\}", text, re.S | re.M):
        yield text[:match.start()].count("\n") + 1, match[0].split("\n{")[0], match[1]


def is_left(before, name):
    """The function is left if it is NULL."""
    return re.search(rf"if \([^;{{}}]*!{name}\b[^;{{}}]*\)\s+(return|goto|break|continue)\b", before)


def is_checked(before, name):
    """By what leaves the function, also for want of what was read through it; by a block for what it is
    not; or in the same statement."""
    statement = re.split(r"[;{}]", before)[-1]
    return (
        is_left(before, name)
        or any(is_left(before, m[1]) for m in re.finditer(rf"(\w+) = {name} \? {name}->\w+ : NULL;", before))
        or re.search(rf"if \([^;{{}}]*\b{name} &&[^;{{}}]*\)|if \({name}\)", before)
        or re.search(rf"!{name} \|\||\b{name} \?|\b{name} &&", statement)
    )


def check(name, text, structs, fields):
    """What is wrong: "file:line: text"."""
    wrong = []
    text = strip(text)
    for line, head, body in functions(text):
        own = {}  # variable: where in the body it gets its value
        if "BPF_PROG(" in head:
            own.update({v: 0 for s, v in re.findall(r"struct (\w+) \*(\w+)", head) if s in structs})
        # A tracepoint's argument, where it takes them by itself.
        own.update({m[2]: m.end() for m in re.finditer(r"struct (\w+) \*(\w+) = [^;]*\bctx\[\d\];", body)
                    if m[1] in structs})
        for match in re.finditer(r"\b(\w+) = ([^;]*);", body):
            if re.search(rf"->(?:\w+\.)*({'|'.join(fields)})(?!\w|->|\.)", match[2]):
                own[match[1]] = match.end()
        for variable, start in own.items():
            for use in re.finditer(rf"\b{variable}->|(\w+)\([^()]*\b{variable}\b[^()]*\)", body[start:]):
                if use[1] in SAFE or is_checked(body[start:start + use.end()], variable):
                    continue
                at = line + head.count("\n") + 2 + body[:start + use.start()].count("\n")
                wrong.append(f"{name}:{at}: {variable} is not compared with NULL: {use[0]}")
                break
        for chain in re.finditer(rf"->(?:\w+\.)*({'|'.join(fields)})->", body):
            at = line + head.count("\n") + 2 + body[:chain.start()].count("\n")
            if not re.search(r"BPF_CORE_READ\([^;]*$", body[:chain.start()]):
                wrong.append(f"{name}:{at}: a pointer is followed at once: {chain[0]}")
    return wrong


def check_loads(name, text, structs, trusted=frozenset()):
    """Loads through a pointer of the kernel's that is not trusted: "file:line: text"."""
    wrong = []
    text = strip(text)
    own = set(re.findall(rf"struct (?:{'|'.join(structs)}) \*(?:__\w+ )?(\w+)", text))
    own |= set(re.findall(r", \*(\w+)[;,]", text))
    for match in re.finditer(r"(\w*\()?\b(\w+)->", text):
        if match[2] in own - trusted and not (match[1] or "").startswith("bpf_core_field_"):
            wrong.append(f"{name}:{text[:match.start()].count(chr(10)) + 1}: a load: {match[0]}")
    return wrong


def main():
    structs, fields = pointer_fields("kernel.h")
    sources = {f.name: f.read_text(encoding="utf-8") for f in sorted(SOURCE.glob("*.[ch]"))}
    drops = {n: text for n, text in sources.items() if n.startswith("drops")}
    apart = {n: sources.pop(n) for n in list(sources) if n.startswith(("identity", "tcp", "cookie"))}
    headers = [n for n in apart if n.endswith("_kernel.h")]
    for name in headers:
        apart.pop(name)
    wrong = [w for name, text in sources.items() for w in check(name, text, structs, fields)]
    failed = bool(wrong)
    print(f"{'not ' if wrong else ''}ok 1 - every pointer that is followed was compared with NULL")
    for line in wrong:
        print(f"# {line}")
    structs = set().union(*(pointer_fields(name)[0] for name in headers))
    wrong = [w for name, text in apart.items()
             for w in check_loads(name, text, structs, TRUSTED.get(name, frozenset()))]
    failed |= bool(wrong)
    print(f"{'not ' if wrong else ''}ok 2 - identity and tcp follow pointers by probe reads alone")
    for line in wrong:
        print(f"# {line}")
    packet = pointer_fields("kernel.h")[0]
    wrong = [w for name, text in drops.items() for w in check_loads(name, text, packet, {"skb"})]
    failed |= bool(wrong)
    print(f"{'not ' if wrong else ''}ok 3 - drops follows pointers but the packet's by probe reads alone")
    for line in wrong:
        print(f"# {line}")
    number = 3
    for name, text in {**apart, **drops}.items():
        own = (packet, {"skb"}) if name in drops else (structs, TRUSTED.get(name, frozenset()))
        read = re.search(r"BPF_CORE_READ\((\w+), (\w+)\)", text)
        if read:
            number += 1
            found = check_loads(name, text.replace(read[0], f"{read[1]}->{read[2]}", 1), *own)
            failed |= not found
            print(f"{'' if found else 'not '}ok {number} - {name}: a load is found")
    # Each guard taken out of a copy must be missed.
    structs = pointer_fields("kernel.h")[0]
    for name, text in sources.items():
        for guard in re.finditer(r"\tif \(!(skb|dev|ops|rxq)( \|\| !\w+)?\)\n\t\treturn[^;]*;\n", text):
            number += 1
            missed = check(name, text.replace(guard[0], "", 1), structs, fields)
            failed |= not missed
            at = text[:guard.start()].count("\n") + 1
            print(f"{'' if missed else 'not '}ok {number} - {name}:{at}: without its guard it is found")
        for guard in re.finditer(r"\b(\w+) \? (\1->\w+) : (NULL|0)", text):
            number += 1
            missed = check(name, text.replace(guard[0], guard[2], 1), structs, fields)
            failed |= not missed
            at = text[:guard.start()].count("\n") + 1
            print(f"{'' if missed else 'not '}ok {number} - {name}:{at}: without its choice it is found")
    # A comparison that changes nothing is none.
    for name, text in sources.items():
        guard = re.search(r"\tif \(!(skb|dev|ops|rxq)\)\n\t\treturn[^;]*;\n", text)
        if guard:
            number += 1
            idle = text.replace(guard[0], f"\tif (!{guard[1]})\n\t\tcount++;\n", 1)
            missed = check(name, idle, structs, fields)
            failed |= not missed
            print(f"{'' if missed else 'not '}ok {number} - {name}: a comparison that changes nothing is found")
    print(f"1..{number}")
    return failed or number <= 3 + len(apart)


if __name__ == "__main__":
    sys.exit(main())
