"""Writes the golden packets: packet in -> verdict, packet out, counters. All bytes come from scapy.

Usage: make_golden.py OUTPUT ORACLE_DIRECTORY
The output is read by golden_test.cc beside this file; first the tables, then the cases:
  secret TEXT
  backend INDEX l2|ipip OUTER_SOURCE|- ADDRESS PORT MTU DESTINATION_MAC SOURCE_MAC
  pool INDEX BACKEND|nobody
  vip INDEX ADDRESS PORT tcp|udp POOL
  case NAME
  headroom BYTES                          (128 if not given)
  packet HEX
  expect forward PORT HEX | expect to_kernel | expect drop REASON
  counters NAME=VALUE ...                 (all that are not 0, over the case)
"""
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, sys.argv[2])
from flow_hash import flow_hash, key_from_secret  # noqa: E402
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw)  # noqa: E402
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,  # noqa: E402
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.inet import IPOption_NOP  # noqa: E402

SECRET = "golden"
KEY = key_from_secret(SECRET.encode())
IN = dict(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
OUT_SOURCE, OUT_GATEWAY = "02:00:00:00:01:00", "02:00:00:00:02:%02x"
C4, C6 = "192.0.2.10", "2001:db8:c::10"
LB4, LB6 = "203.0.113.1", "2001:db8:1b::1"

# index: (encapsulation, address, egress port, mtu)
BACKENDS = {
    0: ("l2", "203.0.113.10", 1, 1500),
    1: ("l2", "2001:db8:b::11", 1, 1500),
    2: ("ipip", "203.0.113.12", 1, 1500),
    3: ("ipip", "2001:db8:b::13", 2, 1500),
    4: ("ipip", "203.0.113.14", 1, 0),  # next hop not resolved
    5: ("l2", "203.0.113.15", 1, 576),
}
POOLS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: None}
V4_L2, V6_L2, V4_IN4, V4_IN6, V6_IN4, V6_IN6 = (
    "198.51.100.1", "2001:db8:a::2", "198.51.100.3", "198.51.100.4", "2001:db8:a::5",
    "2001:db8:a::6")
ANY, NO_HOP, SMALL, NOBODY, NOWHERE = ("198.51.100.7", "198.51.100.8", "198.51.100.9",
                                       "198.51.100.10", "198.51.100.99")
VIPS = []
for vip_address, vip_pool in ((V4_L2, 0), (V6_L2, 1), (V4_IN4, 2), (V4_IN6, 3), (V6_IN4, 2),
                              (V6_IN6, 3)):
    VIPS += [(vip_address, 443, "tcp", vip_pool), (vip_address, 443, "udp", vip_pool)]
VIPS += [(ANY, 0, "udp", 2), (ANY, 53, "udp", 0), (NO_HOP, 80, "tcp", 4), (SMALL, 80, "udp", 5),
         (NOBODY, 80, "tcp", 6)]
POOL_OF = {(a, p, proto): pool for a, p, proto, pool in VIPS}

lines = []
identification = 0  # of outer headers: counts over the whole file, like in a worker


def pad(frame, length):
    return frame + bytes(max(0, length - len(frame)))


def forwarded(frame):
    """What must leave for `frame` (bytes), and the port."""
    global identification
    version = 4 if frame[12:14] == b"\x08\x00" else 6
    inner = (IP if version == 4 else IPv6)(frame[14:])
    length = inner.len if version == 4 else inner.plen + 40
    inner = (IP if version == 4 else IPv6)(frame[14:14 + length])
    proto = "tcp" if TCP in inner else "udp"
    l4 = inner[TCP] if proto == "tcp" else inner[UDP]
    pool = POOL_OF.get((inner.dst, l4.dport, proto), POOL_OF.get((inner.dst, 0, proto)))
    backend = POOLS[pool]
    encapsulation, address, port, _ = BACKENDS[backend]
    hashed = flow_hash(KEY, inner.src, l4.sport, inner.dst, l4.dport, 6 if proto == "tcp" else 17)
    if version == 4:
        inner.ttl -= 1
        del inner.chksum
        tos, df = inner.tos, bool(inner.flags & 2)
    else:
        inner.hlim -= 1
        tos, df = inner.tc, True
    link = Ether(src=OUT_SOURCE, dst=OUT_GATEWAY % backend)
    if encapsulation == "l2":
        return port, bytes(link / inner)
    if ":" in address:
        outer = IPv6(src=LB6, dst=address, hlim=64, tc=tos, fl=hashed & 0xFFFFF,
                     nh=4 if version == 4 else 41)
    else:
        ip_id = 0
        if not df:
            ip_id = identification
            identification += 1
        outer = IP(src=LB4, dst=address, ttl=64, tos=tos, flags="DF" if df else 0, id=ip_id,
                   proto=4 if version == 4 else 41)
    return port, bytes(link / outer / Raw(bytes(inner)))


def case(name, *steps, headroom=None, **flow_counters):
    """steps: (packet, "forward" | "to_kernel" | drop reason)."""
    counters = dict(flow_counters)

    def count(counter, by=1):
        counters[counter] = counters.get(counter, 0) + by

    lines.append("case " + name)
    if headroom is not None:
        lines.append("headroom %d" % headroom)
    for packet, expected in steps:
        frame = bytes(packet)
        lines.append("packet " + (frame.hex() or "-"))
        count("received_packets")
        count("received_bytes", len(frame))
        if expected == "forward":
            port, out = forwarded(frame)
            lines.append("expect forward %d %s" % (port, out.hex()))
            count("forwarded_packets")
            count("forwarded_bytes", len(out))
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


def forward_cases():
    names = {V4_L2: "l2-v4", V6_L2: "l2-v6", V4_IN4: "4in4", V4_IN6: "4in6", V6_IN4: "6in4",
             V6_IN6: "6in6"}
    for vip, name in names.items():
        case(name + "-tcp-syn", (ip(vip) / tcp(), "forward"), **NEW)
        case(name + "-tcp-data", (ip(vip) / tcp("PA", sport=40001) / DATA, "forward"), **NEW)
        case(name + "-udp", (ip(vip) / udp() / DATA, "forward"), **NEW)
        traffic_class = dict(tc=0xBB) if ":" in vip else dict(tos=0xBB)
        case(name + "-dscp-ecn", (ip(vip, **traffic_class) / udp(sport=2) / DATA, "forward"), **NEW)
        ttl = dict(hlim=2) if ":" in vip else dict(ttl=2)
        case(name + "-ttl-2", (ip(vip, **ttl) / udp(sport=3) / DATA, "forward"), **NEW)
        case(name + "-padding", (pad(bytes(ip(vip) / udp(sport=4)), 90), "forward"), **NEW)
        case(name + "-conversation",
             (ip(vip) / tcp("S", sport=5), "forward"), (ip(vip) / tcp("A", sport=5), "forward"),
             (ip(vip) / tcp("PA", sport=5) / DATA, "forward"),
             (ip(vip) / tcp("FA", sport=5), "forward"), (ip(vip) / tcp("R", sport=5), "forward"),
             flow_misses=1, flow_inserts=1, flow_hits=4)
        case(name + "-full-mtu",
             (ip(vip) / udp(sport=6) / Raw(bytes(1500 - fixed_bytes(vip))), "forward"), **NEW)
        case(name + "-one-byte-too-big",
             (ip(vip) / udp(sport=7) / Raw(bytes(1501 - fixed_bytes(vip))), "too_big"), **NEW)
        room = outer_bytes(vip)
        case(name + "-just-enough-headroom", (ip(vip) / udp(sport=8) / DATA, "forward"),
             headroom=room, **NEW)
        if room:
            case(name + "-no-headroom", (ip(vip) / udp(sport=9) / DATA, "no_headroom"),
                 headroom=room - 1, **NEW)
    for vip in (V4_L2, V4_IN4, V4_IN6):
        case(names[vip] + "-without-df", (v4(vip, flags=0) / udp(sport=10) / DATA, "forward"), **NEW)
        case(names[vip] + "-without-df-again",
             (v4(vip, flags=0) / udp(sport=11) / DATA, "forward"), **NEW)
    case("checksum-update-carries", (v4(V4_L2, ttl=1 + 0x40, id=0xFFFF) / udp(sport=12), "forward"),
         (v4(V4_L2, ttl=255, id=0, tos=0xFF) / udp(sport=12), "forward"),
         flow_misses=1, flow_inserts=1, flow_hits=1)
    case("any-port-vip", (v4(ANY) / udp(dport=9999), "forward"), **NEW)
    case("exact-port-wins", (v4(ANY) / udp(dport=53), "forward"), **NEW)
    case("rst-is-forwarded-not-entered", (v4(V4_IN4) / tcp("R", sport=13), "forward"),
         (v4(V4_IN4) / tcp("RA", sport=13), "forward"), flow_misses=2)
    case("syn-again", (v4(V4_IN4) / tcp("S", sport=14), "forward"),
         (v4(V4_IN4) / tcp("S", sport=14), "forward"), flow_misses=2, flow_inserts=1)
    case("syn-with-ecn-setup", (v4(V4_IN4) / tcp("SEC", sport=15), "forward"), **NEW)
    case("tcp-options", (v4(V4_IN4) / tcp("S", sport=16, options=[("MSS", 1460)]), "forward"), **NEW)
    case("udp-shorter-than-ip", (v4(V4_IN4) / udp(sport=17, len=8) / DATA, "forward"), **NEW)
    case("udp-without-checksum", (v4(V4_IN4) / udp(sport=18, chksum=0) / DATA, "forward"), **NEW)


def outer_bytes(vip):
    encapsulation, address, _, _ = BACKENDS[POOLS[POOL_OF[(vip, 443, "udp")]]]
    return 0 if encapsulation == "l2" else 40 if ":" in address else 20


def fixed_bytes(vip):
    """IP and UDP headers, outer header included."""
    return (40 if ":" in vip else 20) + 8 + outer_bytes(vip)


def kernel_cases():
    def kernel(name, packet):
        case("to-kernel-" + name, (packet, "to_kernel"))

    kernel("arp", Ether(**IN) / ARP(pdst=V4_L2))
    kernel("lldp", Ether(**IN, type=0x88CC) / Raw(bytes(40)))
    kernel("ethernet-header-only", Ether(**IN, type=0x9000))
    kernel("other-address", v4(NOWHERE) / tcp())
    kernel("other-address-v6", v6("2001:db8:a::99") / tcp())
    kernel("other-port", v4(V4_L2) / tcp(dport=444))
    kernel("other-protocol-same-port", v4(NOBODY) / udp(dport=80))
    kernel("icmp", v4(NOWHERE) / ICMP())
    kernel("icmpv6", v6("2001:db8:a::99") / ICMPv6EchoRequest())
    kernel("sctp-to-vip", v4(V4_L2, proto=132) / Raw(bytes(20)))
    kernel("icmpv6-in-ipv4-to-vip", v4(V4_L2, proto=58) / Raw(bytes(20)))
    kernel("no-next-header-to-vip", v6(V6_L2, nh=59) / Raw(bytes(4)))
    kernel("vlan", Ether(**IN) / Dot1Q(vlan=5) / v4(NOWHERE)[IP] / tcp())
    kernel("vlan-arp", Ether(**IN) / Dot1Q(vlan=5) / ARP(pdst=V4_L2))
    kernel("three-vlan-tags", Ether(**IN) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) /
           v4(V4_L2)[IP] / tcp())
    kernel("fragment", v4(NOWHERE, flags="MF") / udp() / DATA)
    kernel("options", v4(NOWHERE, options=[IPOption_NOP()]) / udp())
    kernel("extension", v6("2001:db8:a::99") / IPv6ExtHdrHopByHop() / udp())
    kernel("multicast", v4("224.0.0.5", proto=89) / Raw(bytes(24)))
    kernel("ttl-1", v4(NOWHERE, ttl=1) / tcp())
    kernel("bad-source", v4(NOWHERE, src="127.0.0.1") / tcp())
    kernel("bad-tcp", v4(NOWHERE) / tcp("SF"))
    kernel("bad-tcp-other-port", v4(V4_L2) / tcp("SF", dport=444))
    kernel("bad-udp", v4(NOWHERE) / udp(len=4))
    kernel("truncated-tcp", v4(NOWHERE, proto=6) / Raw(bytes(3)))
    kernel("mapped-destination", v6("::ffff:198.51.100.1") / tcp())


def drop_cases():
    def drop(name, packet, reason, **counters):
        case("drop-" + name, (packet, reason), **counters)

    whole = bytes(v4(V4_L2) / tcp())
    whole6 = bytes(v6(V6_L2) / tcp())
    for length in (0, 1, 13, 14, 33):
        drop("v4-cut-at-%d" % length, whole[:length], "frame_truncated")
    for length in (14, 53):
        drop("v6-cut-at-%d" % length, whole6[:length], "frame_truncated")
    drop("vlan-cut", bytes(Ether(**IN) / Dot1Q(vlan=5) / v4(V4_L2)[IP])[:17], "frame_truncated")
    drop("options-cut", bytes(v4(V4_L2, options=[IPOption_NOP()]) / tcp())[:34 + 2],
         "frame_truncated")
    drop("v4-cut-after-header", whole[:34], "ip_header_bad")
    drop("v4-cut-by-one", whole[:-1], "ip_header_bad")
    drop("v6-cut-by-one", whole6[:-1], "ip_header_bad")
    drop("version-5", v4(V4_L2, version=5) / tcp(), "ip_header_bad")
    drop("version-6-as-4", Ether(**IN, type=0x0800) / whole6[14:], "ip_header_bad")
    drop("version-4-as-6", Ether(**IN, type=0x86DD) / Raw(whole[14:] + bytes(40)), "ip_header_bad")
    drop("ihl-4", v4(V4_L2, ihl=4) / tcp(), "ip_header_bad")
    drop("total-length-19", v4(V4_L2, len=19) / tcp(), "ip_header_bad")
    drop("total-length-0", v4(V4_L2, len=0) / tcp(), "ip_header_bad")
    drop("not-for-a-vip-either", v4(NOWHERE, len=0) / tcp(), "ip_header_bad")
    drop("checksum", v4(V4_L2, chksum=0x1234) / tcp(), "ip_checksum_bad")
    drop("checksum-not-for-a-vip", v4(NOWHERE, chksum=0x1234) / tcp(), "ip_checksum_bad")
    for source in ("224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1", V4_L2):
        drop("source-" + source, v4(V4_L2, src=source) / tcp(), "ip_source_bad")
    for source in ("ff02::1", "::", "::1", V6_L2, "::ffff:192.0.2.1"):
        drop("source-" + source, v6(V6_L2, src=source) / tcp(), "ip_source_bad")
    drop("options", v4(V4_L2, options=[IPOption_NOP()]) / tcp(), "ip_options_unsupported")
    for name, header in (("hop-by-hop", IPv6ExtHdrHopByHop()), ("routing", IPv6ExtHdrRouting()),
                         ("destination", IPv6ExtHdrDestOpt())):
        drop(name, v6(V6_L2) / header / tcp(), "ipv6_extension_unsupported")
    drop("extension-cut", v6(V6_L2, nh=0) / Raw(b"\x2c"), "ipv6_extension_unsupported")
    drop("extension-lies", v6(V6_L2, nh=0) / Raw(b"\x2c\xff" + bytes(30)),
         "ipv6_extension_unsupported")
    drop("first-fragment", v4(V4_L2, flags="MF") / udp() / DATA, "fragment_unsupported")
    drop("later-fragment", v4(V4_L2, flags=0, frag=100, proto=17) / DATA, "fragment_unsupported")
    drop("fragment-wrong-port", v4(V4_L2, flags="MF") / udp(dport=1) / DATA, "fragment_unsupported")
    drop("v6-fragment", v6(V6_L2) / IPv6ExtHdrFragment(m=1) / udp() / DATA, "fragment_unsupported")
    drop("v6-atomic-fragment", v6(V6_L2) / IPv6ExtHdrFragment() / udp() / DATA,
         "fragment_unsupported")
    drop("v6-fragment-after-options", v6(V6_L2) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment() /
         udp(), "fragment_unsupported")
    drop("icmp", v4(V4_L2) / ICMP(), "icmp_unsupported")
    drop("icmpv6", v6(V6_L2) / ICMPv6EchoRequest(), "icmp_unsupported")
    drop("vlan", Ether(**IN) / Dot1Q(vlan=5) / v4(V4_L2)[IP] / tcp(), "vlan_unsupported")
    drop("vlan-v6", Ether(**IN) / Dot1Q(vlan=5) / v6(V6_L2)[IPv6] / tcp(), "vlan_unsupported")
    drop("service-vlan", Ether(**IN, type=0x88A8) / Dot1Q(vlan=5, type=0x8100) / Dot1Q(vlan=6) /
         v4(V4_L2)[IP] / tcp(), "vlan_unsupported")
    for ttl in (0, 1):
        drop("ttl-%d" % ttl, v4(V4_IN4, ttl=ttl) / tcp(), "ttl_expired")
        drop("hop-limit-%d" % ttl, v6(V6_L2, hlim=ttl) / tcp(), "ttl_expired")
    for length in (0, 3, 4, 19):
        drop("tcp-of-%d" % length, v4(V4_L2, proto=6) / Raw(bytes(tcp())[:length]), "l4_truncated")
    for length in (0, 7):
        drop("udp-of-%d" % length, v6(V6_L2, nh=17) / Raw(bytes(udp())[:length]), "l4_truncated")
    # Ethernet padding does not make up for what the IP length leaves out.
    drop("tcp-in-padding", pad(bytes(v4(V4_L2, proto=6) / Raw(bytes(tcp())[:19])), 64),
         "l4_truncated")
    drop("tcp-offset-4", v4(V4_L2) / tcp(dataofs=4), "tcp_header_bad")
    drop("tcp-offset-beyond", v4(V4_L2) / tcp(dataofs=6), "tcp_header_bad")
    for flags in ("SF", "SR", "SFA", "SRA", "", "EC"):
        drop("tcp-flags-" + (flags or "none"), v4(V4_L2) / tcp(flags), "tcp_header_bad")
    for length in (0, 7, 9):
        drop("udp-length-%d" % length, v4(V4_L2) / udp(len=length), "udp_header_bad")
    drop("no-backend", v4(NOBODY) / tcp(dport=80), "no_backend", flow_misses=1)
    drop("no-next-hop", v4(NO_HOP) / tcp(dport=80), "no_next_hop", **NEW)
    drop("small-mtu", v4(SMALL) / udp(dport=80) / Raw(bytes(549)), "too_big", **NEW)
    case("small-mtu-fits", (v4(SMALL) / udp(dport=80, sport=2) / Raw(bytes(548)), "forward"), **NEW)
    # Padding counts for no MTU.
    case("small-mtu-padding",
         (pad(bytes(v4(SMALL) / udp(dport=80, sport=3)), 1000), "forward"), **NEW)


def tables():
    lines.append("secret " + SECRET)
    for index, (encapsulation, address, port, mtu) in BACKENDS.items():
        source = "-" if encapsulation == "l2" else LB6 if ":" in address else LB4
        lines.append("backend %d %s %s %s %d %d %s %s" % (
            index, encapsulation, source, address, port, mtu, OUT_GATEWAY % index, OUT_SOURCE))
    for index, backend in POOLS.items():
        lines.append("pool %d %s" % (index, "nobody" if backend is None else backend))
    for index, (address, port, proto, pool) in enumerate(VIPS):
        lines.append("vip %d %s %d %s %d" % (index, address, port, proto, pool))


tables()
forward_cases()
kernel_cases()
drop_cases()
with open(sys.argv[1], "w") as out_file:
    out_file.write("\n".join(lines) + "\n")
