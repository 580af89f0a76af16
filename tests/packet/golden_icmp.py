"""Golden cases of ICMP: echo answered, errors sent on, the rest."""

from scapy.all import (Ether, ICMP, IP, IPv6, Raw, TCP, UDP)
from scapy.layers.inet import (IPOption_NOP, IPOption_RR, IPOption_Router_Alert)
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6ND_NS, ICMPv6PacketTooBig, ICMPv6ParamProblem,
                                ICMPv6TimeExceeded, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.utils import (checksum)

from golden_case import case, DATA, ip, tcp, udp, v4, v6
from golden_forward import pad
from golden_world import (ANY, C4, C6, CHANGED, IN, NO_HOP, NOBODY, NOWHERE, SMALL, TUNNEL_VIPS,
                          TUNNELS, V4_IN4, V4_IN6, V4_L2, V6_IN4, V6_IN6, V6_L2)


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

    times = dict(ts_ori=1, ts_rx=2, ts_tx=3)  # of type 13; else the clock's
    for number in (0, 4, 5, 13, 15, 17, 200):
        kernel("type-%d" % number, v4(V4_L2) / ICMP(type=number, **times))
    kernel("wrong-checksum", v4(V4_L2) / ICMP(type=13, chksum=1, **times))
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
