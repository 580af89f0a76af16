"""Golden cases of fragments: whole datagrams cut by hand, in every encapsulation; what is broken."""

from scapy.all import (Ether, IP, IPv6, Raw, TCP, UDP)
from scapy.layers.inet import (IPOption_NOP)
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop)

from golden_cases import tagged
from golden_too_big import Cut
from golden_case import case, DATA, ip, tcp, udp, v4, v6
from golden_forward import rewritten
from golden_world import (ANY, BACKENDS, C4, C6, CHANGED, lines, NO_HOP, NOBODY, NOWHERE, POOL_OF,
                          POOLS, SMALL, TUNNEL_VIPS, TUNNELS, V4_IN4, V4_IN6, V4_L2, V6_IN4, V6_IN6,
                          V6_L2)

_NAMES = {V4_L2: "l2-v4", V6_L2: "l2-v6", V4_IN4: "4in4", V4_IN6: "4in6", V6_IN4: "6in4",
          V6_IN6: "6in6"}
_NAMES.update({vip: "%s-v%d" % (TUNNELS[pool][0] if pool in TUNNELS else "changed-%d" % pool, family)
               for (family, pool), vip in TUNNEL_VIPS.items()})
_LONG = Raw(bytes(i * 7 % 251 for i in range(2500)))


def piece(vip, content, offset, more, nh=17, ident=0x1234, **fields):
    """A fragment with these bytes of what is behind the IP header, or the fragment header."""
    if ":" in vip:
        chain = v6(vip, **fields) / IPv6ExtHdrFragment(nh=nh, offset=offset // 8, m=more, id=ident)
        return chain / Raw(content)
    return v4(vip, **{**dict(proto=nh, id=ident & 0xFFFF, frag=offset // 8,
                             flags="MF" if more else 0), **fields}) / Raw(content)


def cut(whole, size, **fields):
    """The fragments of a TCP or UDP packet, and the flow for what they are to become."""
    layer = whole[IPv6] if IPv6 in whole else whole[IP]
    layer = layer.__class__(bytes(layer))
    l4 = layer[TCP] if TCP in layer else layer[UDP]
    nh = 6 if TCP in layer else 17
    content, vip = bytes(layer.payload), layer.dst
    flow = (layer.src, l4.sport, vip, l4.dport, "tcp" if nh == 6 else "udp")
    steps = []
    for offset in range(0, len(content), size):
        part = content[offset:offset + size]
        packet = piece(vip, part, offset, offset + size < len(content), nh, **fields)
        steps.append((packet, flow + (checksum_patch(layer, nh),) if offset == 0 else flow))
    return steps


def checksum_patch(layer, nh):
    """Where L3DSR's first fragment differs: the checksum is the whole datagram's."""
    pool = POOL_OF.get((layer.dst, layer.payload.dport, "tcp" if nh == 6 else "udp"))
    backend = POOLS.get(pool)
    if backend is None:
        return None
    encapsulation, address, _, _ = BACKENDS[backend]
    if encapsulation != "l3dsr" or (":" in address) != (":" in layer.dst):
        return None
    changed = bytes(rewritten(layer.copy(), address, 0).payload)
    at = 16 if nh == 6 else 6
    # Behind an IPv6 header comes the fragment header first.
    return at + (8 if ":" in layer.dst else 0), changed[at:at + 2]


def datagram_cases():
    for vip, name in _NAMES.items():
        backend = POOLS[POOL_OF[(vip, 443, "udp")]]
        wrong = BACKENDS[backend][0] == "l3dsr" and (":" in BACKENDS[backend][1]) != (":" in vip)
        for l4, transport in (("udp", udp(sport=300)), ("tcp", tcp("PA", sport=301)),
                              ("no-checksum", udp(sport=302, chksum=0))):
            steps = cut(ip(vip) / transport / _LONG, 1000)
            if wrong:
                steps = [(packet, "l3dsr_family") for packet, _ in steps]
            case("fragment-%s-%s" % (name, l4), *steps, fragments_received=3, flow_misses=1,
                 flow_inserts=int(not (l4 == "tcp" and vip in second_chance_vips())))
        steps = cut(ip(vip) / udp(sport=303) / _LONG, 1000, ident=0xABCD)
        first = (steps[0][0], "l3dsr_family") if wrong else steps[0]
        case("fragment-%s-late-first" % name, (steps[1][0], "hold"), (steps[2][0], "hold"), first,
             fragments_received=1, flow_misses=1, flow_inserts=1)


def second_chance_vips():
    return {vip for (_, pool), vip in TUNNEL_VIPS.items() if pool in CHANGED}


def header_cases():
    steps = cut(v4(V4_IN4) / udp(sport=310) / _LONG, 800, flags="MF+DF", frag=0)[:1]
    case("fragment-with-df", *steps, fragments_received=1, flow_misses=1, flow_inserts=1)
    steps = cut(v4(V4_IN6) / udp(sport=311) / _LONG, 800, options=[IPOption_NOP()] * 4)
    case("fragment-options", *steps, fragments_received=4, flow_misses=1, flow_inserts=1)
    for name, vip in (("v4", V4_IN6), ("v6", V6_IN4)):
        steps = [(tagged(packet, 5), flow)
                 for packet, flow in cut(ip(vip) / udp(sport=312) / _LONG, 1000)]
        case("fragment-tagged-" + name, *steps, fragments_received=3, flow_misses=1, flow_inserts=1)
    flow = (C6, 313, V6_IN6, 443, "udp")
    content = bytes(v6(V6_IN6)[IPv6] / udp(sport=313) / _LONG)[40:]
    before = lambda offset, part: (  # noqa: E731
        v6(V6_IN6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(nh=17, offset=offset // 8, m=1) /
        Raw(part))
    case("fragment-behind-hop-by-hop", (before(0, content[:800]), flow),
         (before(800, content[800:1600]), flow), fragments_received=2, flow_misses=1, flow_inserts=1)
    options = bytes(IPv6ExtHdrDestOpt(nh=17))
    case("fragment-with-options-behind",
         (piece(V6_IN6, options + content[:800], 0, 1, 60), flow),
         (piece(V6_IN6, content[800:1600], 808, 0, 60), flow),
         fragments_received=2, flow_misses=1, flow_inserts=1)
    steps = cut(v4(SMALL) / udp(dport=80) / _LONG, 1000)
    case("fragment-too-big", *[(packet, Cut(576, flow[:5])) for packet, flow in steps[:2]], steps[2],
         fragments_received=3, flow_misses=1, flow_inserts=1)


def nowhere_cases():
    for name, vip in (("v4", V4_L2), ("v6", V6_L2)):
        steps = cut(ip(vip) / udp(dport=9) / _LONG, 1000)
        case("fragment-another-port-" + name, *[(packet, "to_kernel") for packet, _ in steps],
             fragments_received=3)
        case("fragment-another-protocol-" + name,
             (piece(vip, bytes(800), 0, 1, 132), "to_kernel"),
             (piece(vip, bytes(800), 800, 0, 132), "to_kernel"))
        case("fragment-another-protocol-last-" + name,
             (piece(vip, bytes(800), 800, 0, 132), "to_kernel"))
    case("fragment-sctp-behind-options",
         (piece(V6_L2, bytes(IPv6ExtHdrDestOpt(nh=132)) + bytes(800), 0, 1, 60), "to_kernel"),
         (piece(V6_L2, bytes(800), 808, 0, 60), "to_kernel"), fragments_received=2)
    case("fragment-nobody", (piece(NOWHERE, bytes(800), 0, 1), "to_kernel"))
    for name, vip, reason, counters in (
            ("no-backend", NOBODY, "no_backend", dict(flow_misses=1)),
            ("no-next-hop", NO_HOP, "no_next_hop", dict(flow_misses=1, flow_inserts=1))):
        steps = cut(v4(vip) / tcp(dport=80) / _LONG, 1000)
        case("fragment-" + name, *[(packet, reason) for packet, _ in steps], fragments_received=3,
             **counters)


def bad_cases():
    def bad(name, packet, reason="fragment_bad", count=1):
        case("fragment-bad-" + name, (packet, reason), fragments_received=count)

    header = bytes(tcp("S", sport=320))
    for family, vip in (("v4", V4_L2), ("v6", V6_L2)):
        for length in (8, 16):
            bad("tiny-tcp-%d-%s" % (length, family), piece(vip, header[:length], 0, 1, 6))
            bad("inside-tcp-%d-%s" % (length, family), piece(vip, bytes(80), length, 1, 6))
        bad("length-%s" % family, piece(vip, bytes(udp()) + bytes(36), 0, 1))
        bad("empty-%s" % family, piece(vip, b"", 0, 1))
        bad("empty-last-%s" % family, piece(vip, b"", 800, 0))
        bad("beyond-%s" % family, piece(vip, bytes(16), 65528, 0))
        bad("ttl-%s" % family, piece(vip, bytes(16), 800, 0, **{
            "hlim" if family == "v6" else "ttl": 1}), "ttl_expired")
        bad("source-%s" % family, piece(vip, bytes(16), 800, 0, src=vip), "ip_source_bad")
        bad("udp-length-%s" % family, piece(vip, bytes(udp(len=7)) + bytes(8), 0, 1),
            "udp_header_bad")
        bad("tcp-flags-%s" % family, piece(vip, bytes(tcp("SF")) + bytes(4), 0, 1, 6),
            "tcp_header_bad")
        steps = cut(ip(vip) / udp(sport=321) / _LONG, 1000)
        case("fragment-bad-overlap-" + family, steps[0],
             (piece(vip, bytes(100), 992, 0), "fragment_bad"), steps[1], fragments_received=3,
             flow_misses=1, flow_inserts=1)
    bad("tcp-options", piece(V4_L2, bytes(tcp(dataofs=7)) + bytes(4), 0, 1, 6))
    bad("options", piece(V4_L2, bytes(800), 800, 0, options=b"\x83\x07\x04\x0a\x00\x00\x01\x00"),
        "ip_options_bad")
    bad("header-cut", piece(V6_L2, bytes(IPv6ExtHdrDestOpt(nh=17, len=200))[:8], 0, 1, 60))
    bad("in-a-fragment", piece(V6_L2, bytes(IPv6ExtHdrFragment(nh=17, m=1)) + bytes(udp()), 0, 1, 44))
    bad("icmp-behind-options", piece(V6_L2, bytes(IPv6ExtHdrDestOpt(nh=58)) + bytes(8), 0, 1, 60),
        "icmp_bad")


def policy_cases():
    def with_policy(policy, name, *steps, **counters):
        case(name, *steps, **counters)
        lines.insert(len(lines) - 2 * len(steps) - 1, "fragments " + policy)

    for name, vip in (("v4", V4_L2), ("v6", V6_L2)):
        steps = cut(ip(vip) / udp() / _LONG, 1000)
        with_policy("drop", "fragments-policy-drop-" + name,
                    *[(packet, "fragment_policy") for packet, _ in steps], fragments_received=3)
    with_policy("drop", "whole-packets-policy-drop", (v4(V4_L2) / udp() / DATA, "forward"),
                flow_misses=1, flow_inserts=1)
    flow = (C4, 0, ANY, 0, "udp")
    steps = cut(v4(ANY) / udp(sport=5, dport=5) / _LONG, 1000)
    with_policy("hash3", "fragments-policy-hash3",
                *[(packet, flow) for packet, _ in (steps[2], steps[0], steps[1])],
                fragments_received=3)
    with_policy("hash3", "fragments-policy-hash3-tcp",
                (piece(ANY, bytes(800), 800, 0, 6), "to_kernel"), fragments_received=1)


def arriving_fragment_cases():
    datagram_cases()
    header_cases()
    nowhere_cases()
    bad_cases()
    policy_cases()
