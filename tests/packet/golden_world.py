"""The tables that all golden cases share, packets for them, and what must become of those.

Expected bytes come from scapy and from the flow hash of tests/oracle (its directory is argument 2).
"""

import ipaddress
import struct
import sys
import warnings

warnings.filterwarnings("ignore")  # scapy's, about the machine's crypto libraries
sys.path.insert(0, sys.argv[2])
# pylint: disable=wrong-import-position  (the two lines above come first)
from flow_hash import flow_hash, key_from_secret
from scapy.all import (Dot1Q, Ether, ICMP, IP, IPv6, Raw, TCP, UDP)
from scapy.layers.inet import (in4_chksum)
from scapy.layers.inet6 import (ICMPv6EchoRequest, in6_chksum)
from scapy.layers.l2 import (GRE)
from golden_too_big import (cut, Cut, Like, link_bytes, too_big_reply, TooBig)

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
NO_OPTIONS = dict(gue_port=0, hop_list=0, zero_checksum6=0, flow_bits=0, dscp=0, vlan=0)
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
# The same, on a VLAN.
TUNNELS.update({
    23: ("vlan-l2-in4", "l2", "203.0.113.31", dict(vlan=1)),
    24: ("vlan-l2-in6", "l2", "2001:db8:b::32", dict(vlan=2)),
    25: ("vlan-ipip-in4", "ipip", "203.0.113.33", dict(vlan=4094)),
    26: ("vlan-ipip-in6", "ipip", "2001:db8:b::34", dict(vlan=300)),
    27: ("vlan-gue-in6", "gue", "2001:db8:b::35", dict(vlan=301, gue_port=6080)),
    28: ("vlan-l3dsr-v4", "l3dsr", "203.0.113.36", dict(vlan=302, dscp=5)),
})
# Pools whose slots have changed owners: index: (now, before).
CHANGED = {21: (11, 9), 22: (12, 10)}
# What exceeds MTUs: IPIP through 100 bytes, over IPv4 and IPv6.
BACKENDS[29] = ("ipip", "203.0.113.43", 1, 100)
BACKENDS[30] = ("ipip", "2001:db8:b::44", 1, 100)
POOLS.update({29: 29, 30: 30})
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
TINY4, TINY6, TINY_IN6 = "198.51.100.33", "2001:db8:a::33", "198.51.100.34"
for vip_address, vip_pool in ((TINY4, 29), (TINY6, 29), (TINY_IN6, 30)):
    VIPS.append((vip_address, 443, "udp", vip_pool))
MSS_LIMIT = 1400  # of the VIPs below
MSS_L2, MSS_IN4, MSS_L3DSR, MSS6_IN6 = ("198.51.100.35", "198.51.100.36", "198.51.100.37",
                                        "2001:db8:a::38")
MSS_VIPS = {MSS_L2: 0, MSS_IN4: 2, MSS_L3DSR: 18, MSS6_IN6: 3}
VIPS += [(vip_address, 443, "tcp", vip_pool) for vip_address, vip_pool in MSS_VIPS.items()]
# QUIC-LB: pools that are backend 0's by their slots. pool: length of server IDs.
QUIC_POOLS = {32: 3, 33: 8, 34: 1}
QUIC_SERVERS = (0, 2, 8, 9, 24)
_KEY_1, _KEY_2 = bytes(range(16)), bytes.fromhex("fdf726a9893ec05c0632d3956680baf0")
# pool: configuration ID: (length of nonces, key). Plain, one block, four passes of odd and even.
QUIC_CONFIGS = {32: {0: (4, None), 1: (4, _KEY_1), 3: (13, _KEY_2), 6: (16, _KEY_1)},
                33: {0: (11, None), 2: (8, _KEY_2), 4: (4, _KEY_1), 5: (9, _KEY_2)},
                34: {5: (18, _KEY_1), 6: (5, _KEY_2)}}
QUIC_VIPS = {}  # pool: family: address
for vip_pool in QUIC_POOLS:
    POOLS[vip_pool] = 0
    QUIC_VIPS[vip_pool] = {4: "198.51.100.%d" % (100 + vip_pool),
                           6: "2001:db8:a::%d" % (100 + vip_pool)}
    for vip_address in QUIC_VIPS[vip_pool].values():
        VIPS += [(vip_address, 443, "udp", vip_pool), (vip_address, 443, "tcp", vip_pool)]
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
    elif inner.version == 4 and TCP in inner:
        data = bytearray(bytes(inner[TCP]))  # as they came: options may be malformed
        data[16:18] = b"\0\0"
        data[16:18] = struct.pack("!H", in4_chksum(6, inner, bytes(data)))
        inner.remove_payload()
        inner = inner / Raw(bytes(data))
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


def cut_and_forwarded(frame, expected):
    """(port, frames): tunnels carry fragments, else the packet that leaves is cut."""
    link, packet = frame[:link_bytes(frame)], frame[link_bytes(frame):]
    flow = expected.flow or flow_of(IP(packet))
    if BACKENDS[POOLS[POOL_OF[flow[2:]]]][0] in ("l2", "l3dsr"):
        port, out = forwarded(frame, False, expected.flow)
        at = link_bytes(out)
        return port, [out[:at] + fragment for fragment in cut(out[at:], expected.mtu)]
    made = [forwarded(link + fragment, False, flow) for fragment in cut(packet, expected.mtu)]
    return made[0][0], [out for _, out in made]


def forwarded(frame, second_chance, error_about=None, backend=None):
    """What must leave for `frame` (bytes), and the port. An ICMP error goes where its flow goes.
    So does a fragment: its flow ends with (place, bytes) if a checksum changes with l3dsr. `backend`: if that
    is not the pool's."""
    global identification
    # Tags are those of the link it came from.
    frame = frame[:12] + frame[link_bytes(frame) - 2:]
    version = 4 if frame[12:14] == b"\x08\x00" else 6
    inner = (IP if version == 4 else IPv6)(frame[14:])
    length = inner.len if version == 4 else inner.plen + 40
    inner = (IP if version == 4 else IPv6)(frame[14:14 + length])
    if error_about:  # its content is only carried
        header = inner.ihl * 4 if version == 4 else 40
        inner = (IP if version == 4 else IPv6)(frame[14:14 + header]) / Raw(
            frame[14 + header:14 + length])
    source, source_port, vip, vip_port, proto, *more = error_about or flow_of(inner)
    pool = POOL_OF.get((vip, vip_port, proto), POOL_OF.get((vip, 0, proto)))
    patch = [item for item in more if isinstance(item, tuple)]
    owner = [item for item in more if isinstance(item, int)]
    backend = owner[0] if owner else POOLS[pool] if backend is None else backend
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
    if options["vlan"]:
        link = link / Dot1Q(vlan=options["vlan"])
    if encapsulation == "l2":
        return port, bytes(link / inner)
    if encapsulation == "l3dsr":
        if patch:
            at, checksum = patch[0]
            load = inner[Raw].load
            inner[Raw].load = load[:at] + checksum + load[at + len(checksum):]
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


def tables():
    lines.append("secret " + SECRET)
    for index, (encapsulation, address, port, mtu) in BACKENDS.items():
        options = OPTIONS.get(index, NO_OPTIONS)
        source = LB6 if ":" in address else LB4
        if options["flow_bits"]:
            source = LB6_PREFIX if ":" in address else LB4_PREFIX
        if encapsulation in ("l2", "l3dsr"):
            source = "-"
        lines.append("backend %d %s %s %s %d %d %s %s %d %d %d %d %d %d" % (
            index, encapsulation, source, address, port, mtu, OUT_GATEWAY % index, OUT_SOURCE,
            *(options[name] for name in NO_OPTIONS)))
    for index, backend in POOLS.items():
        owner = "nobody" if backend is None else backend
        lines.append("pool %d %s %s" % (index, owner, CHANGED.get(index, (0, owner))[1]))
    for index, (address, port, proto, pool) in enumerate(VIPS):
        lines.append("vip %d %s %d %s %d %d" % (index, address, port, proto, pool,
                                                MSS_LIMIT if address in MSS_VIPS else 0))
    for pool, configs in QUIC_CONFIGS.items():
        for vip, entry in enumerate(VIPS):
            if entry[2:] != ("udp", pool):
                continue
            for config_id, (nonce_length, key) in configs.items():
                lines.append("quic_lb %d %d %d %d %s" % (
                    vip, config_id, QUIC_POOLS[pool], nonce_length, key.hex() if key else "-"))


def server_id_tables(server_ids):
    for pool in QUIC_POOLS:
        for backend, server_id in server_ids(pool).items():
            lines.append("server_id %d %s %d" % (pool, server_id.hex(), backend))
