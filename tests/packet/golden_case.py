"""Writes one case - packets, what must become of each, counters - and makes packets for cases."""

from golden_world import C4, C6, IN, lines
from golden_forward import answered, cut_and_forwarded, forwarded
from scapy.all import (Ether, IP, IPv6, Raw, TCP, UDP)
from golden_too_big import (Cut, Like, too_big_reply, TooBig)


def case(name, *steps, headroom=None, limit=None, **flow_counters):
    """steps: (packet, "forward" | backend that it goes to | "second_chance" | flow that the forwarded
    ICMP error is about | Cut | Like | "answer" | TooBig | "to_kernel" | drop reason)."""
    counters = dict(flow_counters)

    def count(counter, by=1):
        counters[counter] = counters.get(counter, 0) + by

    lines.append("case " + name)
    if headroom is not None:
        lines.append("headroom %d" % headroom)
    if limit is not None:
        lines.append("limit %d" % limit)
    for packet, expected in steps:
        frame = bytes(packet)
        lines.append("packet " + (frame.hex() or "-"))
        if expected == "hold":  # received later
            lines.append("expect hold")
            continue
        count("received_packets")
        count("received_bytes", len(frame))
        if isinstance(expected, Cut):
            port, fragments = cut_and_forwarded(frame, expected)
            lines.append("expect fragments %d %s" % (port, " ".join(f.hex() for f in fragments)))
            count("forwarded_packets")
            count("forwarded_bytes", sum(len(fragment) for fragment in fragments))
            count("fragments_sent", len(fragments))
        elif isinstance(expected, Like):
            port, out = forwarded(bytes(expected.packet), False)
            lines.append("expect forward %d %s" % (port, out.hex()))
            count("forwarded_packets")
            count("forwarded_bytes", len(out))
        elif isinstance(expected, TooBig):
            lines.append("expect answer " + too_big_reply(frame, expected.mtu).hex())
            count("answered_packets")
            count("too_big_replies")
        elif isinstance(expected, (tuple, int)) or expected in ("forward", "second_chance"):
            port, out = forwarded(frame, expected == "second_chance",
                                  expected if isinstance(expected, tuple) else None,
                                  expected if isinstance(expected, int) else None)
            lines.append("expect forward %d %s" % (port, out.hex()))
            count("forwarded_packets")
            count("forwarded_bytes", len(out))
        elif expected == "answer":
            lines.append("expect answer " + answered(frame).hex())
            count("answered_packets")
        elif expected == "to_kernel":
            lines.append("expect to_kernel")
            count("to_kernel_packets")
        else:
            lines.append("expect drop " + expected)
            count(expected)
    lines.append("counters " + " ".join("%s=%d" % c for c in sorted(counters.items()) if c[1]))


def v4(dst, **fields):
    return Ether(**IN) / IP(**{**dict(src=C4, dst=dst, ttl=61, id=0x4242, flags="DF"), **fields})


def v6(dst, **fields):
    return Ether(**IN) / IPv6(**{**dict(src=C6, dst=dst, hlim=61), **fields})


def ip(dst, **fields):
    return v6(dst, **fields) if ":" in dst else v4(dst, **fields)


def tcp(flags="S", **fields):
    return TCP(**{**dict(sport=40000, dport=443, flags=flags, seq=7), **fields})


def udp(**fields):
    return UDP(**{**dict(sport=40000, dport=443), **fields})


DATA = Raw(b"0123456789abcdefghijklmnopqrstuvwxyz")
NEW = dict(flow_misses=1, flow_inserts=1)
