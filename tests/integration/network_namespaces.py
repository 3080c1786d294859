# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces with names, as ip-netns(8) has them, made by this thread alone: another process for
each takes longer than all that is to be done, because this one is large.
"""
import contextlib
import ctypes
import fcntl
import functools
import os
import pathlib
import socket
import struct

FOLDER = pathlib.Path("/run/netns")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED, MNT_DETACH = 0x1000, 0x4000, 0x100000, 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def call(function, *args):
    if function(*args):
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}: {os.strerror(error)}")


def mount(source, target, flags):
    call(LIBC.mount, os.fsencode(source), os.fsencode(target), b"none", ctypes.c_ulong(flags), None)


@functools.cache
def share_names():
    """What is unmounted here is so in every mount namespace."""
    FOLDER.mkdir(exist_ok=True)
    try:
        mount("", FOLDER, MS_SHARED | MS_REC)
    except OSError:
        mount(FOLDER, FOLDER, MS_BIND | MS_REC)
        mount("", FOLDER, MS_SHARED | MS_REC)


@contextlib.contextmanager
def back_again():
    """At the end this thread is where it was."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        call(LIBC.setns, before, CLONE_NEWNET)
        os.close(before)


def enter(name):
    there = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        call(LIBC.setns, there, CLONE_NEWNET)
    finally:
        os.close(there)


def make(name):
    """With loopback up, and no IPv6 chatter of its own."""
    share_names()
    (FOLDER / name).touch(exist_ok=False)
    with back_again():
        call(LIBC.unshare, CLONE_NEWNET)
        mount("/proc/thread-self/ns/net", FOLDER / name, MS_BIND)
        for which in ("all", "default"):
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_bytes(b"1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def remove(name):
    try:
        call(LIBC.umount2, os.fsencode(FOLDER / name), MNT_DETACH)
    finally:
        (FOLDER / name).unlink()


def netlink_socket():
    """Imported only where it is needed: it is half of what the tests' other imports take together."""
    from pyroute2 import IPRoute

    return IPRoute()
