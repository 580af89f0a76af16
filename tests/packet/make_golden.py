"""Writes the golden packets: packet in -> verdict, packet out, counters. All bytes come from scapy.

Usage: make_golden.py OUTPUT ORACLE_DIRECTORY
The output is read by golden_test.cc beside this file; first the tables, then the cases:
  secret TEXT
  backend INDEX ENCAPSULATION OUTER_SOURCE|- ADDRESS PORT MTU DESTINATION_MAC SOURCE_MAC
      GUE_PORT GUE_HOP_LIST GUE_ZERO_CHECKSUM6 SOURCE_FLOW_BITS DSCP   (on the same line)
  pool INDEX BACKEND|nobody PREVIOUS_BACKEND|nobody
  vip INDEX ADDRESS PORT tcp|udp POOL
  case NAME
  headroom BYTES                          (128 if not given)
  packet HEX
  expect forward PORT HEX | expect answer HEX | expect to_kernel | expect drop REASON
  counters NAME=VALUE ...                 (all that are not 0, over the case)
"""
import ipaddress
import struct
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, sys.argv[2])
from flow_hash import flow_hash, key_from_secret  # noqa: E402
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw)  # noqa: E402
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,  # noqa: E402
                                ICMPv6ND_NS, ICMPv6PacketTooBig, ICMPv6ParamProblem,
                                ICMPv6TimeExceeded, in6_chksum, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,  # noqa: E402
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.l2 import GRE  # noqa: E402
from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert, IPOption_RR  # noqa: E402
from scapy.layers.inet6 import PadN  # noqa: E402
from scapy.utils import checksum  # noqa: E402

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
NO_OPTIONS = dict(gue_port=0, hop_list=0, zero_checksum6=0, flow_bits=0, dscp=0)
OPTIONS = {}  # by backend
# name: (encapsulation, address, options). Each has the backend, the pool and the VIPs of one index.
LB4_PREFIX, LB6_PREFIX = "10.255.0.0", "2001:db8:ffff:1::"
TUNNELS = {
    7: ("gre-in4", "gre", "203.0.113.17", {}),
    8: ("gre-in6", "gre", "2001:db8:b::18", {}),
    9: ("gue-in4", "gue", "203.0.113.19", dict(gue_port=6080)),
    10: ("gue-in6", "gue", "2001:db8:b::20", dict(gue_port=6080)),
    11: ("gue-hops-in4", "gue", "203.0.113.21", dict(gue_port=19523, hop_list=1)),
    12: ("gue-hops-in6", "gue", "2001:db8:b::22", dict(gue_port=19523, hop_list=1)),
    13: ("gue-zero-in6", "gue", "2001:db8:b::23", dict(gue_port=65535, zero_checksum6=1)),
    14: ("spread-ipip-in4", "ipip", "203.0.113.24", dict(flow_bits=16)),
    15: ("spread-ipip-in6", "ipip", "2001:db8:b::25", dict(flow_bits=32)),
    16: ("spread-gre-in4", "gre", "203.0.113.26", dict(flow_bits=2)),
    17: ("spread-gue-in6", "gue", "2001:db8:b::27", dict(gue_port=6080, flow_bits=32)),
    18: ("l3dsr-v4", "l3dsr", "203.0.113.28", dict(dscp=63)),
    19: ("l3dsr-v6", "l3dsr", "2001:db8:b::29", dict(dscp=10)),
    20: ("l3dsr-dscp-0", "l3dsr", "203.0.113.30", {}),
}
# Pools whose slots have changed owners: index: (now, before).
CHANGED = {21: (11, 9), 22: (12, 10)}
for tunnel, (_, kind, tunnel_address, options) in TUNNELS.items():
    BACKENDS[tunnel] = (kind, tunnel_address, 1, 1500)
    OPTIONS[tunnel] = {**NO_OPTIONS, **options}
    POOLS[tunnel] = tunnel
for changed, (now, _) in CHANGED.items():
    POOLS[changed] = now
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
TUNNEL_VIPS = {}  # (4 or 6, pool): address
for vip_pool in list(TUNNELS) + list(CHANGED):
    for family, vip_address in ((4, "198.51.100.%d" % (100 + vip_pool)),
                                (6, "2001:db8:a::%d" % (100 + vip_pool))):
        TUNNEL_VIPS[family, vip_pool] = vip_address
        VIPS += [(vip_address, 443, "tcp", vip_pool), (vip_address, 443, "udp", vip_pool)]
POOL_OF = {(a, p, proto): pool for a, p, proto, pool in VIPS}

lines = []
identification = 0  # of outer headers: counts over the whole file, like in a worker


def pad(frame, length):
    return frame + bytes(max(0, length - len(frame)))


def spread(prefix, bits, hashed):
    mask = (1 << bits) - 1
    host = hashed & mask
    if host in (0, mask):
        host ^= 1
    return str(ipaddress.ip_address(int(ipaddress.ip_address(prefix)) | host))


def gue(version, hashed, options, hop, ipv6_outer):
    """UDP header without length and checksum, and the bytes behind it."""
    data = b""
    if options["hop_list"]:
        data = struct.pack("!HBB", 1 if ipv6_outer else 0, 0, 0)
    if hop is not None:
        data = struct.pack("!HBB", 1 if ipv6_outer else 0, 0, 1) + ipaddress.ip_address(hop).packed
    shim = struct.pack("!BBH", len(data) // 4, 4 if version == 4 else 41, 0) + data
    return UDP(sport=49152 + (hashed >> 20) % 16384, dport=options["gue_port"]), shim


def flow_of(inner):
    """(source, port, destination, port, protocol) of a TCP or UDP packet."""
    l4 = inner[TCP] if TCP in inner else inner[UDP]
    return inner.src, l4.sport, inner.dst, l4.dport, "tcp" if TCP in inner else "udp"


def rewritten(inner, address, dscp):
    """L3DSR's packet, checksums made anew by scapy."""
    inner.dst = address
    if inner.version == 4:
        inner.tos = dscp << 2 | inner.tos & 3
    else:
        inner.tc = dscp << 2 | inner.tc & 3
    if inner.version == 6 and inner.nh == 58:
        data = bytearray(inner[Raw].load)
        data[2:4] = b"\0\0"
        inner[Raw].load = data[:2] + struct.pack("!H", in6_chksum(58, inner, bytes(data))) + data[4:]
    elif TCP in inner:
        del inner[TCP].chksum
    elif UDP in inner and inner[UDP].chksum != 0:
        del inner[UDP].chksum
    return inner


def tunnelled(version, inner, encapsulation, hashed, options, hop, ipv6_outer):
    """(protocol of the outer header, what follows it)."""
    inner_protocol = 4 if version == 4 else 41
    if encapsulation == "gre":
        return 47, GRE(proto=0x0800 if version == 4 else 0x86DD) / Raw(bytes(inner))
    if encapsulation == "gue":
        udp_header, shim = gue(version, hashed, options, hop, ipv6_outer)
        if not ipv6_outer or options["zero_checksum6"]:
            udp_header.chksum = 0
        return 17, udp_header / Raw(shim + bytes(inner))
    return inner_protocol, Raw(bytes(inner))


def answered(frame):
    """The answer that must leave for an echo request: the request with what must change changed."""
    answer = Ether(frame)
    answer.src, answer.dst = answer.dst, answer.src
    l3 = answer[IP] if IP in answer else answer[IPv6]
    l3.src, l3.dst = l3.dst, l3.src
    if IP in answer:
        l3.ttl = 64
        del l3.chksum, answer[ICMP].chksum
        answer[ICMP].type = 0
    else:
        l3.hlim = 64
        answer[ICMPv6EchoRequest].type = 129
        del answer[ICMPv6EchoRequest].cksum
    return bytes(answer)


def forwarded(frame, second_chance, error_about=None):
    """What must leave for `frame` (bytes), and the port. An ICMP error goes where its flow goes."""
    global identification
    version = 4 if frame[12:14] == b"\x08\x00" else 6
    inner = (IP if version == 4 else IPv6)(frame[14:])
    length = inner.len if version == 4 else inner.plen + 40
    inner = (IP if version == 4 else IPv6)(frame[14:14 + length])
    if error_about:  # its content is only carried
        header = inner.ihl * 4 if version == 4 else 40
        inner = (IP if version == 4 else IPv6)(frame[14:14 + header]) / Raw(
            frame[14 + header:14 + length])
    source, source_port, vip, vip_port, proto = error_about or flow_of(inner)
    pool = POOL_OF.get((vip, vip_port, proto), POOL_OF.get((vip, 0, proto)))
    backend = POOLS[pool]
    encapsulation, address, port, _ = BACKENDS[backend]
    hashed = flow_hash(KEY, source, source_port, vip, vip_port, 6 if proto == "tcp" else 17)
    if version == 4:
        inner.ttl -= 1
        del inner.chksum
        tos, df = inner.tos, bool(inner.flags & 2)
    else:
        inner.hlim -= 1
        tos, df = inner.tc, True
    link = Ether(src=OUT_SOURCE, dst=OUT_GATEWAY % backend)
    options = OPTIONS.get(backend, NO_OPTIONS)
    if encapsulation == "l2":
        return port, bytes(link / inner)
    if encapsulation == "l3dsr":
        return port, bytes(link / rewritten(inner, address, options["dscp"]))
    hop = BACKENDS[CHANGED[pool][1]][1] if second_chance else None
    protocol, content = tunnelled(version, inner, encapsulation, hashed, options, hop,
                                  ":" in address)
    if ":" in address:
        source = spread(LB6_PREFIX, options["flow_bits"], hashed) if options["flow_bits"] else LB6
        outer = IPv6(src=source, dst=address, hlim=64, tc=tos, fl=hashed & 0xFFFFF, nh=protocol)
    else:
        ip_id = 0
        if not df:
            ip_id = identification
            identification += 1
        source = spread(LB4_PREFIX, options["flow_bits"], hashed) if options["flow_bits"] else LB4
        outer = IP(src=source, dst=address, ttl=64, tos=tos, flags="DF" if df else 0, id=ip_id,
                   proto=protocol)
    return port, bytes(link / outer / content)


def case(name, *steps, headroom=None, **flow_counters):
    """steps: (packet, "forward" | "second_chance" | flow that the forwarded ICMP error is about |
    "answer" | "to_kernel" | drop reason)."""
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
        if isinstance(expected, tuple) or expected in ("forward", "second_chance"):
            port, out = forwarded(frame, expected == "second_chance",
                                  expected if isinstance(expected, tuple) else None)
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


def rare_headers(vip):
    """(name, packet without transport) with each kind of header that may precede TCP and UDP."""
    if ":" not in vip:
        return [("options", v4(vip, options=[IPOption_NOP(), IPOption_Router_Alert()])),
                ("most-options", v4(vip, options=[IPOption_RR(routers=["0.0.0.0"] * 9)]))]
    eight = v6(vip)
    for _ in range(8):
        eight = eight / IPv6ExtHdrDestOpt()
    return [("hop-by-hop", v6(vip) / IPv6ExtHdrHopByHop()),
            ("routing-done", v6(vip) / IPv6ExtHdrRouting(segleft=0)),
            ("long-options", v6(vip) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(60))])),
            ("atomic-fragment", v6(vip) / IPv6ExtHdrFragment(id=7)),
            ("hop-by-hop-and-atomic", v6(vip) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment()),
            ("eight-extensions", eight)]


def forward_cases():
    names = {V4_L2: "l2-v4", V6_L2: "l2-v6", V4_IN4: "4in4", V4_IN6: "4in6", V6_IN4: "6in4",
             V6_IN6: "6in6"}
    for index, (name, kind, address, _) in TUNNELS.items():
        for family in (4, 6):
            if kind != "l3dsr" or family == (6 if ":" in address else 4):
                names[TUNNEL_VIPS[family, index]] = "%s-of-v%d" % (name, family)
    for vip, name in names.items():
        case(name + "-tcp-syn", (ip(vip) / tcp(), "forward"), **NEW)
        case(name + "-tcp-data", (ip(vip) / tcp("PA", sport=40001) / DATA, "forward"), **NEW)
        case(name + "-udp", (ip(vip) / udp() / DATA, "forward"), **NEW)
        traffic_class = dict(tc=0xBB) if ":" in vip else dict(tos=0xBB)
        case(name + "-dscp-ecn", (ip(vip, **traffic_class) / udp(sport=2) / DATA, "forward"), **NEW)
        ttl = dict(hlim=2) if ":" in vip else dict(ttl=2)
        case(name + "-ttl-2", (ip(vip, **ttl) / udp(sport=3) / DATA, "forward"), **NEW)
        case(name + "-padding", (pad(bytes(ip(vip) / udp(sport=4)), 90), "forward"), **NEW)
        for header, packet in rare_headers(vip):
            case("%s-%s" % (name, header), (packet / tcp(sport=5) / DATA, "forward"), **NEW)
            case("%s-%s-udp" % (name, header), (packet / udp(sport=6) / DATA, "forward"), **NEW)
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
    for vip in names:
        if ":" in vip:
            continue
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


def second_chance_cases():
    for pool, (now, _) in CHANGED.items():
        for family in (4, 6):
            vip = TUNNEL_VIPS[family, pool]
            name = "second-chance-in%d-of-v%d" % (6 if ":" in BACKENDS[now][1] else 4, family)
            # Not entered: the next packet must be offered to both as well.
            case(name + "-data", (ip(vip) / tcp("PA", sport=60) / DATA, "second_chance"),
                 (ip(vip) / tcp("A", sport=60), "second_chance"),
                 (ip(vip) / tcp("FA", sport=60), "second_chance"),
                 (ip(vip) / tcp("R", sport=60), "second_chance"), flow_misses=4)
            case(name + "-new", (ip(vip) / tcp("S", sport=61), "forward"),
                 (ip(vip) / tcp("A", sport=61), "forward"),
                 flow_misses=1, flow_inserts=1, flow_hits=1)
            case(name + "-udp", (ip(vip) / udp(sport=62) / DATA, "forward"), **NEW)
            case(name + "-new-after-data", (ip(vip) / tcp("A", sport=63), "second_chance"),
                 (ip(vip) / tcp("S", sport=63), "forward"),
                 (ip(vip) / tcp("A", sport=63), "forward"),
                 flow_misses=2, flow_inserts=1, flow_hits=1)
            hop = 4 if ":" not in BACKENDS[now][1] else 16
            room = (20 if hop == 4 else 40) + 16 + hop
            fixed = (40 if family == 6 else 20) + 20
            fits = Raw(bytes(1500 - fixed - room))
            case(name + "-full-mtu", (ip(vip) / tcp("A", sport=64) / fits, "second_chance"),
                 headroom=room, flow_misses=1)
            case(name + "-one-byte-too-big",
                 (ip(vip) / tcp("A", sport=64) / fits / Raw(b"1"), "too_big"), flow_misses=1)
            case(name + "-no-headroom", (ip(vip) / tcp("A", sport=64), "no_headroom"),
                 headroom=room - 1, flow_misses=1)


def l3dsr_cases():
    for pool, family in ((18, 4), (19, 6)):
        vip = TUNNEL_VIPS[family, pool]
        # Many, so that carries and both forms of zero occur in the incremental updates.
        for port in range(70, 110):
            data = Raw(struct.pack("!Q", port * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF))
            case("l3dsr-v%d-udp-%d" % (family, port),
                 (ip(vip) / udp(sport=port) / data, "forward"), **NEW)
            case("l3dsr-v%d-tcp-%d" % (family, port),
                 (ip(vip) / tcp("A", sport=port) / data, "forward"), **NEW)
        case("l3dsr-v%d-odd-length" % family,
             (ip(vip) / udp(sport=110) / Raw(b"odd"), "forward"), **NEW)
        case("l3dsr-v%d-udp-without-checksum" % family,
             (ip(vip) / udp(sport=111, chksum=0) / DATA, "forward"), **NEW)
        case("l3dsr-v%d-other-family" % family,
             (ip(TUNNEL_VIPS[10 - family, pool]) / tcp(), "l3dsr_family"), **NEW)


def outer_bytes(vip):
    backend = POOLS[POOL_OF[(vip, 443, "udp")]]
    encapsulation, address, _, _ = BACKENDS[backend]
    if encapsulation in ("l2", "l3dsr"):
        return 0
    shim = {"ipip": 0, "gre": 4, "gue": 12}[encapsulation]
    if OPTIONS.get(backend, NO_OPTIONS)["hop_list"]:
        shim += 4
    return shim + (40 if ":" in address else 20)


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
    for name, options in (("no-length", b"\x07"), ("length-0", b"\x07\x00\x00\x00"),
                          ("length-1", b"\x07\x01\x00\x00"), ("too-long", b"\x01\x07\x04\x04"),
                          ("loose-route", b"\x83\x07\x04\x0a\x00\x00\x01\x00"),
                          ("strict-route", b"\x01\x89\x07\x04\x0a\x00\x00\x01")):
        # A no-operation on each missing byte's place in front, so that the end is the option's.
        filled = b"\x01" * (-len(options) % 4) + options
        header = v4(V4_L2, ihl=5 + len(filled) // 4, len=20 + len(filled) + 20, proto=6)
        header = bytes(header)[:34] + filled
        header = header[:24] + struct.pack("!H", checksum(header[14:24] + b"\0\0" +
                                                          header[26:])) + header[26:]
        drop("options-" + name, header + bytes(tcp()), "ip_options_bad")
    drop("extension-cut", v6(V6_L2, nh=0) / Raw(b"\x2c"), "ipv6_extension_bad")
    drop("extension-lies", v6(V6_L2, nh=0) / Raw(b"\x2c\xff" + bytes(30)), "ipv6_extension_bad")
    drop("routed-on", v6(V6_L2) / IPv6ExtHdrRouting(segleft=1) / tcp(), "ipv6_extension_bad")
    chain = v6(V6_L2)
    for _ in range(9):
        chain = chain / IPv6ExtHdrDestOpt()
    drop("nine-extensions", chain / tcp(), "ipv6_extension_bad")
    drop("extension-then-short-tcp", v6(V6_L2) / IPv6ExtHdrDestOpt(nh=6) / Raw(bytes(tcp())[:19]),
         "l4_truncated")
    drop("options-then-bad-tcp", v4(V4_L2, options=[IPOption_NOP()]) / tcp("SF"),
         "tcp_header_bad")
    drop("first-fragment", v4(V4_L2, flags="MF") / udp() / DATA, "fragment_unsupported")
    drop("later-fragment", v4(V4_L2, flags=0, frag=100, proto=17) / DATA, "fragment_unsupported")
    drop("fragment-wrong-port", v4(V4_L2, flags="MF") / udp(dport=1) / DATA, "fragment_unsupported")
    drop("v6-fragment", v6(V6_L2) / IPv6ExtHdrFragment(m=1) / udp() / DATA, "fragment_unsupported")
    drop("v6-later-fragment", v6(V6_L2) / IPv6ExtHdrFragment(offset=1, nh=17) / DATA,
         "fragment_unsupported")
    drop("v6-fragment-after-options", v6(V6_L2) / IPv6ExtHdrHopByHop() /
         IPv6ExtHdrFragment(m=1) / udp(), "fragment_unsupported")
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


def echo_cases():
    for length in (0, 1, 2, 55, 56, 999):
        data = Raw(bytes(range(256))[:length] if length < 256 else b"\xfe" * length)
        for vip in (V4_L2, V4_IN4):
            case("echo-v4-%d-%s" % (length, vip), (v4(vip) / ICMP(id=7, seq=9) / data, "answer"))
        for vip in (V6_L2, V6_IN4):
            case("echo-v6-%d-%s" % (length, vip),
                 (v6(vip) / ICMPv6EchoRequest(id=7, seq=9) / data, "answer"))
    # The answer is all zero but for its checksum, which must not be.
    case("echo-v4-all-zero", (v4(V4_L2) / ICMP() / Raw(bytes(8)), "answer"))
    case("echo-v4-all-ones", (v4(V4_L2) / ICMP(id=0xFFFF, seq=0xF7FF) / Raw(b"\xff" * 7), "answer"))
    for seq in range(0xF7F0, 0xF810, 3):
        case("echo-carries-%x" % seq, (v4(V4_L2, id=seq) / ICMP(seq=seq), "answer"),
             (v6(V6_L2) / ICMPv6EchoRequest(seq=seq), "answer"))
    case("echo-v4-code", (v4(V4_L2) / ICMP(code=3), "answer"))
    for ttl in (0, 1, 2, 64, 255):
        case("echo-ttl-%d" % ttl, (v4(V4_L2, ttl=ttl, tos=0xB9) / ICMP(), "answer"),
             (v6(V6_L2, hlim=ttl, tc=0xB9, fl=5) / ICMPv6EchoRequest(), "answer"))
    case("echo-padding", (pad(bytes(v4(V4_L2) / ICMP()), 60), "answer"),
         (pad(bytes(v6(V6_L2) / ICMPv6EchoRequest(data=b"odd")), 99), "answer"))
    case("echo-options", (v4(V4_L2, options=[IPOption_NOP(), IPOption_Router_Alert()]) / ICMP(),
                          "answer"))
    case("echo-extensions", (v6(V6_L2) / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest(), "answer"),
         (v6(V6_L2) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=9) /
          ICMPv6EchoRequest(data=b"data"), "answer"))
    case("echo-pool-without-backend", (v4(NOBODY) / ICMP(), "answer"))
    case("echo-no-headroom", (v4(V4_IN4) / ICMP(), "answer"), headroom=0)


def icmp_drop_cases():
    def bad(name, packet, reason="icmp_bad"):
        case("icmp-bad-" + name, (packet, reason))

    bad("checksum", v4(V4_L2) / ICMP(chksum=0x1234))
    bad("checksum-v6", v6(V6_L2) / ICMPv6EchoRequest(cksum=0x1234))
    bad("checksum-of-error", v4(V4_L2) / ICMP(type=3, code=4, chksum=1) / reply_of(V4_L2, "tcp"))
    for length in (0, 1, 7):
        bad("cut-at-%d" % length, v4(V4_L2, proto=1) / Raw(bytes(ICMP())[:length]))
        bad("v6-cut-at-%d" % length, v6(V6_L2, nh=58) / Raw(bytes([128]) * length))
    bad("in-padding", pad(bytes(v4(V4_L2, proto=1) / Raw(bytes(ICMP())[:7])), 60))
    bad("first-fragment", v4(V4_L2, flags="MF") / ICMP() / DATA)
    bad("later-fragment", v4(V4_L2, flags=0, frag=9, proto=1) / DATA)
    bad("v6-first-fragment", v6(V6_L2) / IPv6ExtHdrFragment(m=1) / ICMPv6EchoRequest())
    bad("v6-later-fragment", v6(V6_L2) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(offset=2, nh=58) /
        DATA)
    bad("fragment-with-ttl-1", v4(V4_L2, flags="MF", ttl=1) / ICMP() / DATA)
    bad("broadcast", Ether(src=IN["src"], dst="ff:ff:ff:ff:ff:ff") / v4(V4_L2)[IP] / ICMP())
    bad("from-multicast", Ether(src="03:00:00:00:00:01", dst=IN["dst"]) / v4(V4_L2)[IP] / ICMP())
    bad("source", v4(V4_L2, src="224.0.0.1") / ICMP(), "ip_source_bad")
    bad("source-v6", v6(V6_L2, src="ff02::1") / ICMPv6EchoRequest(), "ip_source_bad")
    bad("source-is-the-vip", v4(V4_L2, src=V4_L2) / ICMP(), "ip_source_bad")
    bad("options", v4(V4_L2, options=[IPOption_RR(routers=["1.2.3.4"], length=99)]) / ICMP(),
        "ip_options_bad")
    bad("routed-on", v6(V6_L2) / IPv6ExtHdrRouting(segleft=1) / ICMPv6EchoRequest(),
        "ipv6_extension_bad")
    for vip, header in ((V4_L2, 20), (V6_L2, 40)):
        whole = bytes(reply_of(vip, "udp"))
        for length in (0, 1, header - 1, header, header + 7):
            bad("quote-of-%d-%s" % (length, vip), error(vip, whole[:length]))
        bad("quote-version-%s" % vip, error(vip, b"\x55" + whole[1:]))
    whole = bytes(reply_of(V4_L2, "udp"))
    for first in (0x40, 0x44, 0x4F):
        bad("quote-begins-%x" % first, error(V4_L2, bytes([first]) + whole[1:28]))
    bad("quote-later-fragment", error(V4_L2, reply_of(V4_L2, "udp", frag=3, flags="MF")))
    six = IPv6(src=V6_L2, dst=C6)
    bad("quote-later-fragment-v6",
        error(V6_L2, six / IPv6ExtHdrFragment(offset=3, nh=17) / udp(sport=443, dport=40000)))
    bad("quote-extension-lies", error(V6_L2, IPv6(src=V6_L2, dst=C6, nh=0) / Raw(b"\x11\xff" +
                                                                              bytes(30))))
    bad("quote-cut-in-extension", error(V6_L2, bytes(six / IPv6ExtHdrHopByHop())[:44]))
    bad("quote-cut-behind-fragment", error(V6_L2, bytes(six / IPv6ExtHdrFragment(m=1, nh=17)) +
                                           bytes(7)))
    for ttl in (0, 1):
        bad("error-ttl-%d" % ttl, error(V4_L2, reply_of(V4_L2, "tcp"), ttl=ttl), "ttl_expired")
        bad("error-hop-limit-%d" % ttl, error(V6_L2, reply_of(V6_L2, "tcp"), hlim=ttl),
            "ttl_expired")
    bad("error-no-backend", error(NOBODY, reply_of(NOBODY, "tcp", port=80)), "no_backend")
    bad("error-no-next-hop", error(NO_HOP, reply_of(NO_HOP, "tcp", port=80)), "no_next_hop")
    bad("error-too-big", error(SMALL, reply_of(SMALL, "udp", port=80, data=bytes(521))), "too_big")
    case("icmp-error-no-headroom", (error(V4_IN4, reply_of(V4_IN4, "tcp")), "no_headroom"),
         headroom=19)
    for pool, family in ((18, 6), (19, 4)):
        vip = TUNNEL_VIPS[family, pool]
        bad("error-l3dsr-family-%d" % family, error(vip, reply_of(vip, "tcp")), "l3dsr_family")


def icmp_kernel_cases():
    def kernel(name, packet):
        case("icmp-to-kernel-" + name, (packet, "to_kernel"))

    for number in (0, 4, 5, 13, 15, 17, 200):
        kernel("type-%d" % number, v4(V4_L2) / ICMP(type=number))
    kernel("wrong-checksum", v4(V4_L2) / ICMP(type=13, chksum=1))
    for number in (0, 5, 130, 133, 135, 255):
        kernel("v6-type-%d" % number, v6(V6_L2, nh=58) / Raw(bytes([number] * 8)))
    kernel("echo-reply-v6", v6(V6_L2) / ICMPv6EchoReply())
    kernel("neighbour-solicitation", v6(V6_L2, hlim=255) / ICMPv6ND_NS(tgt=V6_L2))
    kernel("quote-of-other-source", error(V4_L2, reply_of(V4_IN4, "tcp")))
    kernel("quote-of-other-source-v6", error(V6_L2, reply_of(V6_IN6, "tcp")))
    kernel("quote-of-other-port", error(V4_L2, reply_of(V4_L2, "tcp", port=22)))
    kernel("quote-of-other-protocol", error(NOBODY, reply_of(NOBODY, "udp", port=80)))
    kernel("quote-of-icmp", error(V4_L2, IP(src=V4_L2, dst=C4) / ICMP(type=0)))
    kernel("quote-of-icmpv6", error(V6_L2, IPv6(src=V6_L2, dst=C6) / ICMPv6EchoReply()))
    # What the packet was that came, not what it answers: the VIP is its destination.
    kernel("quote-in-the-other-direction", error(V4_L2, v4(V4_L2)[IP] / tcp()))
    kernel("other-address", error(NOWHERE, reply_of(V4_L2, "tcp")))


def reply_of(vip, protocol, port=443, data=DATA, **fields):
    """A packet of a VIP's flow on its way to the client: what errors quote."""
    l4 = TCP(sport=port, dport=40000, flags="PA", seq=3) if protocol == "tcp" else UDP(
        sport=port, dport=40000)
    l3 = (IPv6(**{**dict(src=vip, dst=C6, hlim=3), **fields}) if ":" in vip else
          IP(**{**dict(src=vip, dst=C4, ttl=3, id=5, flags="DF"), **fields}))
    return l3 / l4 / Raw(bytes(data))


def error(vip, quote, kind=None, **fields):
    """From a router on the way to the client."""
    kind = kind or (ICMPv6PacketTooBig(mtu=1400) if ":" in vip else
                    ICMP(type=3, code=4, nexthopmtu=1400))
    source = "2001:db8:99::1" if ":" in vip else "192.0.2.99"
    return ip(vip, src=source, **fields) / kind / Raw(bytes(quote))


def icmp_error_cases():
    kinds = {V4_L2: [ICMP(type=3, code=code) for code in (0, 1, 3, 4, 13)] +
             [ICMP(type=11, code=0), ICMP(type=11, code=1), ICMP(type=12, ptr=9)],
             V6_L2: [ICMPv6DestUnreach(code=0), ICMPv6DestUnreach(code=4),
                     ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(), ICMPv6TimeExceeded(code=1),
                     ICMPv6ParamProblem(code=1, ptr=6)]}
    for vip, messages in kinds.items():
        client = C6 if ":" in vip else C4
        for message in messages:
            for protocol in ("tcp", "udp"):
                case("icmp-error-%s-%d-%d-%s" % (vip, message.type, message.code, protocol),
                     (error(vip, reply_of(vip, protocol), message),
                      (client, 40000, vip, 443, protocol)))
    vips = [V4_L2, V6_L2, V4_IN4, V4_IN6, V6_IN4, V6_IN6]
    for index, (_, kind, address, _) in TUNNELS.items():
        vips += [TUNNEL_VIPS[family, index] for family in (4, 6)
                 if kind != "l3dsr" or family == (6 if ":" in address else 4)]
    vips += [TUNNEL_VIPS[family, pool] for family in (4, 6) for pool in CHANGED]
    for vip in vips:
        client, header = (C6, 40) if ":" in vip else (C4, 20)
        for protocol in ("tcp", "udp"):
            flow = (client, 40000, vip, 443, protocol)
            whole = bytes(reply_of(vip, protocol))
            # Twice unknown, known, still known: errors neither enter a flow nor close it.
            first = tcp("S") if protocol == "tcp" else udp()
            again = tcp("A") if protocol == "tcp" else udp()
            case("icmp-error-of-flow-%s-%s" % (vip, protocol), (error(vip, whole), flow),
                 (error(vip, whole), flow), (ip(vip) / first, "forward"), (error(vip, whole), flow),
                 (ip(vip) / again, "forward"), flow_misses=1, flow_inserts=1, flow_hits=1)
            case("icmp-error-8-bytes-%s-%s" % (vip, protocol),
                 (error(vip, whole[:header + 8]), flow))
            case("icmp-error-odd-%s-%s" % (vip, protocol), (error(vip, whole[:header + 9]), flow))
        case("icmp-error-padding-%s" % vip,
             (pad(bytes(error(vip, whole[:header + 8])), 100), (client, 40000, vip, 443, "udp")))
    flow4, flow6 = (C4, 40000, V4_L2, 443, "udp"), (C6, 40000, V6_L2, 443, "udp")
    case("icmp-error-quoted-options", (error(V4_L2, reply_of(
        V4_L2, "udp", options=[IPOption_RR(routers=["0.0.0.0"] * 9)])), flow4))
    case("icmp-error-quoted-first-fragment",
         (error(V4_L2, reply_of(V4_L2, "udp", flags="MF")), flow4))
    case("icmp-error-quoted-wrong-lengths", (error(V4_L2, reply_of(V4_L2, "udp", len=7)), flow4),
         (error(V4_L2, reply_of(V4_L2, "udp", len=0xFFFF, chksum=1)), flow4),
         (error(V6_L2, reply_of(V6_L2, "udp", plen=0)), flow6))
    six = IPv6(src=V6_L2, dst=C6)
    l4 = UDP(sport=443, dport=40000)
    case("icmp-error-quoted-extensions",
         (error(V6_L2, six / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / l4), flow6),
         (error(V6_L2, six / IPv6ExtHdrFragment() / l4), flow6),
         (error(V6_L2, six / IPv6ExtHdrFragment(m=1) / l4), flow6),
         (error(V6_L2, six / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(m=1) / IPv6ExtHdrDestOpt() /
                l4), flow6))
    case("icmp-error-with-options",
         (v4(V4_IN4, src="192.0.2.99", options=[IPOption_NOP()]) / ICMP(type=3, code=4) /
          Raw(bytes(reply_of(V4_IN4, "tcp"))), (C4, 40000, V4_IN4, 443, "tcp")))
    case("icmp-error-any-port", (error(ANY, reply_of(ANY, "udp", port=999)),
                                 (C4, 40000, ANY, 999, "udp")))
    case("icmp-error-dscp-ecn", (error(V4_IN4, reply_of(V4_IN4, "tcp"), tos=0xBB),
                                 (C4, 40000, V4_IN4, 443, "tcp")))


def tables():
    lines.append("secret " + SECRET)
    for index, (encapsulation, address, port, mtu) in BACKENDS.items():
        options = OPTIONS.get(index, NO_OPTIONS)
        source = LB6 if ":" in address else LB4
        if options["flow_bits"]:
            source = LB6_PREFIX if ":" in address else LB4_PREFIX
        if encapsulation in ("l2", "l3dsr"):
            source = "-"
        lines.append("backend %d %s %s %s %d %d %s %s %d %d %d %d %d" % (
            index, encapsulation, source, address, port, mtu, OUT_GATEWAY % index, OUT_SOURCE,
            *(options[name] for name in NO_OPTIONS)))
    for index, backend in POOLS.items():
        owner = "nobody" if backend is None else backend
        lines.append("pool %d %s %s" % (index, owner, CHANGED.get(index, (0, owner))[1]))
    for index, (address, port, proto, pool) in enumerate(VIPS):
        lines.append("vip %d %s %d %s %d" % (index, address, port, proto, pool))


tables()
forward_cases()
second_chance_cases()
l3dsr_cases()
kernel_cases()
drop_cases()
echo_cases()
icmp_drop_cases()
icmp_kernel_cases()
icmp_error_cases()
with open(sys.argv[1], "w") as out_file:
    out_file.write("\n".join(lines) + "\n")
