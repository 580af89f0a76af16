"""Sockets inside a lab's namespaces, used from this process."""

import contextlib
import ctypes
import os
import select
import socket

from lab.process import LabError

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def namespace(name):
    """The calling thread is in the namespace; sockets made meanwhile stay there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        _enter(target)
        os.close(target)
        yield
    finally:
        _enter(own)
        os.close(own)


def _enter(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")


def udp(lab, host, address, port=0, timeout_s=3):
    """A UDP socket of `host`, bound."""
    with namespace(lab.network.name(host)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(timeout_s)
    made.bind((address, port))
    return made


def tcp(lab, host, family, timeout_s=3):
    """A TCP socket of `host`, to be connected. `family`: 4 or 6."""
    with namespace(lab.network.name(host)):
        made = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(timeout_s)
    return made


def first_readable(candidates, timeout_s):
    readable = select.select(candidates, [], [], timeout_s)[0]
    if not readable:
        raise LabError(f"nothing came within {timeout_s} s")
    return readable[0]


def packet(lab, host, interface):
    """A raw socket on one interface of `host`: whole Ethernet frames."""
    with namespace(lab.network.name(host)):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.bind((interface, 0))
    return made
