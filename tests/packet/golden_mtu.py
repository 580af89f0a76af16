"""Golden cases of the MTU: replies to what is too big, fragments, lowered MSS options, limits."""

import struct

from scapy.all import (Ether, ICMP, IP, IPv6, Raw, TCP)
from scapy.layers.inet import (IPOption_NOP, IPOption_RR, IPOption_Router_Alert)
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrHopByHop)

from golden_cases import (outer_bytes, tagged)
from golden_icmp import (error, reply_of)
from golden_too_big import (Cut, Like, TooBig)
from golden_case import case, DATA, ip, NEW, tcp, udp, v4, v6
from golden_forward import pad
from golden_world import (C4, IN, MSS6_IN6, MSS_IN4, MSS_L2, MSS_L3DSR, MSS_LIMIT, TINY4, TINY6,
                          TINY_IN6, TUNNEL_VIPS, TUNNELS, V4_IN4, V4_IN6, V4_L2, V6_IN4, V6_IN6,
                          V6_L2)

KNOWN = dict(flow_misses=1, flow_inserts=1, flow_hits=1)


def filled(packet, ip_bytes):
    """The packet, padded with data to this length of its IP packet."""
    have = len(packet) - 14
    data = bytes(i * 7 & 0xFF for i in range(ip_bytes - have))
    return packet / Raw(data)


def too_big_cases():
    # The quote ends with the packet, or where the reply has its full length.
    for length in (81, 82, 99, 547, 548, 549, 1000, 1500):
        case("too-big-v4-%d" % length,
             (filled(v4(TINY4) / udp(sport=length), length), TooBig(80)), **NEW)
    for length in (1481, 1482, 1500, 2000):
        case("too-big-v6-%d" % length,
             (filled(v6(V6_IN4) / udp(sport=length), length), TooBig(1480)), **NEW)
    for vip in (V4_IN4, V4_IN6):
        case("too-big-tcp-%s" % vip,
             (filled(v4(vip) / tcp("A", sport=7), 1500), TooBig(1500 - outer_bytes(vip))), **NEW)
    case("too-big-padding", (pad(bytes(filled(v4(TINY4) / udp(), 81)), 200), TooBig(80)), **NEW)
    case("too-big-options",
         (filled(v4(TINY4, options=[IPOption_RR(routers=["0.0.0.0"] * 9)]) / udp(), 700),
          TooBig(80)), **NEW)
    case("too-big-extensions",
         (filled(v6(V6_IN6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / udp(), 1461),
          TooBig(1460)), **NEW)
    case("too-big-dscp-ttl", (filled(v4(TINY4, tos=0xBB, ttl=2) / udp(), 90), TooBig(80)), **NEW)
    case("too-big-known-flow", (v4(TINY4) / udp(), "forward"),
         (filled(v4(TINY4) / udp(), 90), TooBig(80)), **KNOWN)
    # Tags count for no MTU, and the reply goes where they say.
    for tags in ((5,), (5, 6)):
        case("too-big-tagged-%d" % len(tags),
             (tagged(filled(v4(TINY4) / udp(), 90), *tags), TooBig(80)), **NEW)
        case("too-big-v6-tagged-%d" % len(tags),
             (tagged(filled(v6(V6_L2) / udp(), 1501), *tags), TooBig(1500)), **NEW)
        case("too-big-tagged-%d-not" % len(tags),
             (tagged(filled(v4(TINY4) / udp(), 80), *tags), "forward"), **NEW)
    # Not below what every link carries; what is no longer than that cannot get shorter.
    case("too-big-v4-minimum", (filled(v4(TINY_IN6) / udp(), 69), TooBig(68)), **NEW)
    case("too-big-v4-below-minimum", (filled(v4(TINY_IN6) / udp(), 68), "too_big"), **NEW)
    case("too-big-v6-minimum", (filled(v6(TINY6) / udp(), 1281), TooBig(1280)), **NEW)
    case("too-big-v6-below-minimum", (filled(v6(TINY6) / udp(), 1280), "too_big"), **NEW)
    case("too-big-just-enough-headroom", (filled(v4(TINY4) / udp(), 90), TooBig(80)), headroom=28,
         **NEW)
    case("too-big-no-headroom", (filled(v4(TINY4) / udp(), 90), "no_headroom"), headroom=27, **NEW)
    case("too-big-v6-just-enough-headroom", (filled(v6(V6_L2) / udp(), 1501), TooBig(1500)),
         headroom=48, **NEW)
    case("too-big-v6-no-headroom", (filled(v6(V6_L2) / udp(), 1501), "no_headroom"), headroom=47,
         **NEW)
    # Who is not told.
    for name, link in (("broadcast", dict(src=IN["src"], dst="ff:ff:ff:ff:ff:ff")),
                       ("from-multicast", dict(src="03:00:00:00:00:01", dst=IN["dst"]))):
        case("too-big-" + name, (Ether(**link) / filled(v4(TINY4) / udp(), 90)[IP], "too_big"),
             **NEW)
        case("too-big-v6-" + name,
             (Ether(**link) / filled(v6(V6_L2) / udp(), 1501)[IPv6], "too_big"), **NEW)
    case("too-big-class-e", (filled(v4(TINY4, src="240.0.0.1") / udp(), 90), "too_big"), **NEW)
    case("too-big-icmp-error", (error(TINY4, reply_of(TINY4, "udp")), "too_big"))
    case("too-big-icmp-error-v6",
         (error(V6_L2, reply_of(V6_L2, "udp", data=bytes(1500)), ICMPv6PacketTooBig()), "too_big"))


def fragment_cases():
    vips = [V4_L2, V4_IN4, V4_IN6] + [
        TUNNEL_VIPS[4, index] for index, (_, kind, address, _) in TUNNELS.items()
        if kind != "l3dsr" or ":" not in address]
    for vip in vips:
        fits = 1500 - outer_bytes(vip)
        case("fragments-udp-%s" % vip,
             (filled(v4(vip, flags=0) / udp(sport=21), fits + 1), Cut(fits)), **NEW)
        case("fragments-tcp-%s" % vip,
             (filled(v4(vip, flags=0, tos=0xBB, ttl=2) / tcp("A", sport=22), 2000), Cut(fits)),
             **NEW)
        case("fragments-fits-%s" % vip,
             (filled(v4(vip, flags=0) / udp(sport=23), fits), "forward"), **NEW)
        flow = (C4, 40000, vip, 443, "udp")
        case("fragments-icmp-error-%s" % vip,
             (error(vip, reply_of(vip, "udp", data=bytes(1500)), flags=0), Cut(fits, flow)))
    for length in (81, 88, 89, 500, 20 + 16 * 56):
        case("fragments-%d" % length,
             (filled(v4(TINY4, flags=0) / udp(sport=length), length), Cut(80)), **NEW)
    case("fragments-seventeen", (filled(v4(TINY4, flags=0) / udp(), 20 + 16 * 56 + 1), "too_big"),
         **NEW)
    case("fragments-padding", (pad(bytes(filled(v4(TINY4, flags=0) / udp(), 81)), 300), Cut(80)),
         **NEW)
    options = [IPOption_RR(routers=["0.0.0.0"] * 2), IPOption_NOP(), IPOption_Router_Alert()]
    case("fragments-options", (filled(v4(V4_IN4, flags=0, options=options) / udp(), 1490),
                               Cut(1480)), **NEW)
    case("fragments-options-no-room",
         (filled(v4(TINY4, flags=0, options=[IPOption_RR(routers=["0.0.0.0"] * 9)]) / udp(), 90),
          "too_big"), **NEW)
    case("fragments-of-a-known-flow", (v4(V4_IN4) / udp(), "forward"),
         (filled(v4(V4_IN4, flags=0) / udp(), 1500), Cut(1480)), **KNOWN)
    for tags in ((5,), (5, 6)):
        for vip in (V4_L2, V4_IN6):
            case("fragments-tagged-%d-%s" % (len(tags), vip),
                 (tagged(filled(v4(vip, flags=0) / udp(), 1600), *tags),
                  Cut(1500 - outer_bytes(vip))), **NEW)
    # Fragments take nobody's share of replies.
    case("fragments-are-not-limited", (filled(v4(V4_IN4, flags=0) / udp(), 1500), Cut(1480)),
         limit=0, **NEW)


def segment(vip, flags, options, **fields):
    """TCP with these bytes of options, however wrong; scapy's checksum."""
    padded = options + bytes(-len(options) % 4)
    return ip(vip) / TCP(**{**dict(sport=40000, dport=443, flags=flags, seq=7,
                                   dataofs=5 + len(padded) // 4), **fields}) / Raw(padded)


def mss(value):
    return b"\x02\x04" + struct.pack("!H", value)


def mss_cases():
    low, high = mss(MSS_LIMIT), mss(1460)
    scale, nop, permitted = b"\x03\x03\x07", b"\x01", b"\x04\x02"
    timestamps = b"\x08\x0a" + bytes(range(8))

    def changed(name, vip, before, after, flags="S", data=b"", **fields):
        """The checksum that is expected is scapy's, over the whole."""
        case("mss-%s-%s" % (name, vip),
             (segment(vip, flags, before, **fields) / Raw(data),
              Like(segment(vip, flags, after, **fields) / Raw(data))), mss_lowered=1, **NEW)

    def same(name, vip, options, flags="S", **fields):
        case("mss-same-%s-%s" % (name, vip), (segment(vip, flags, options, **fields), "forward"),
             **NEW)

    for vip in (MSS_L2, MSS_IN4, MSS_L3DSR, MSS6_IN6):
        changed("alone", vip, high, low)
        changed("by-one", vip, mss(MSS_LIMIT + 1), low)
        changed("largest", vip, mss(65535), low)
        changed("usual", vip, high + permitted + timestamps + nop + scale,
                low + permitted + timestamps + nop + scale)
        changed("last", vip, permitted + timestamps + nop * 2 + scale + nop + high,
                permitted + timestamps + nop * 2 + scale + nop + low)
        changed("odd-offset", vip, nop + high, nop + low)
        changed("odd-offset-with-data", vip, scale + high, scale + low, data=b"odd")
        changed("twice", vip, high + nop + mss(9000), low + nop + low)
        changed("one-of-two", vip, mss(500) + high, mss(500) + low)
        changed("then-malformed", vip, high + b"\x08\x00", low + b"\x08\x00")
        changed("then-endless", vip, high + b"\x05\x01", low + b"\x05\x01")
        changed("full-header", vip, nop * 36 + high, nop * 36 + low)
        changed("with-ecn-setup", vip, high, low, flags="SEC")
        changed("syn-ack", vip, high, low, flags="SA")
        # So that carries occur in the checksum.
        for sequence in range(0, 0x10000, 0x0666):
            changed("checksum-%x" % sequence, vip, high + nop + mss(1461), low + nop + low,
                    seq=sequence)
        same("none", vip, b"")
        same("at-limit", vip, low)
        same("below", vip, mss(536))
        same("zero", vip, mss(0))
        same("not-a-syn", vip, high, flags="A")
        same("behind-the-end", vip, b"\x00" + high)
        same("option-of-0", vip, b"\x08\x00" + high)
        same("option-of-1", vip, b"\x08\x01" + high)
        same("behind-too-long", vip, b"\x08\xff" + high)
        same("cut-kind", vip, nop * 3 + b"\x02")
        same("cut-length", vip, nop * 2 + b"\x02\x04")
        same("cut-value", vip, nop + b"\x02\x04\x05")
        same("of-length-3", vip, b"\x02\x03\xff" + nop)
        same("of-length-6", vip, b"\x02\x06\xff\xff\xff\xff")
        same("in-the-data", vip, high, dataofs=5)
    case("mss-no-limit", (segment(V4_L2, "S", high), "forward"),
         (segment(V6_L2, "S", high, sport=9), "forward"), flow_misses=2, flow_inserts=2)
    case("mss-tagged",
         (tagged(segment(MSS_IN4, "S", high), 5), Like(segment(MSS_IN4, "S", low))),
         mss_lowered=1, **NEW)
    # A later fragment has no TCP header, whatever it looks like.
    looks_like = bytes(1432) + bytes(12) + b"\x60" + bytes(7) + high
    whole = segment(MSS_IN4, "S", low) / Raw(looks_like)
    whole[IP].flags = 0
    case("mss-in-a-later-fragment", (whole, Cut(1480)), **NEW)
    # Nothing is written before it is certain that the packet leaves.
    case("mss-no-headroom", (segment(MSS_IN4, "S", high), "no_headroom"), headroom=19, **NEW)
    case("mss-too-big", (segment(MSS_IN4, "S", high) / Raw(bytes(1460)), TooBig(1480)), **NEW)


def limit_cases():
    echo4, echo6 = v4(V4_L2) / ICMP() / DATA, v6(V6_L2) / ICMPv6EchoRequest(data=b"data")
    big = filled(v4(TINY4) / udp(), 90)
    case("limit-echo", (echo4, "answer"), (echo6, "answer"), (echo4, "echo_rate_limited"),
         (echo6, "echo_rate_limited"), (v4(V4_L2) / ICMP(chksum=1), "icmp_bad"), limit=2)
    case("limit-too-big", (big, TooBig(80)), (big, "too_big_rate_limited"),
         (filled(v6(V6_L2) / udp(), 1501), "too_big_rate_limited"),
         (v4(TINY4) / udp(), "forward"), limit=1, flow_misses=2, flow_inserts=2, flow_hits=2)
    case("limits-are-apart", (echo4, "answer"), (big, TooBig(80)), limit=1, **NEW)
    # What is not told takes no part of the rate.
    case("limit-untold", (filled(v4(TINY_IN6) / udp(), 68), "too_big"),
         (filled(v4(TINY4) / udp(), 90), TooBig(80)), limit=1, flow_misses=2, flow_inserts=2)
    case("limit-none", (echo4, "echo_rate_limited"), (big, "too_big_rate_limited"), limit=0, **NEW)
