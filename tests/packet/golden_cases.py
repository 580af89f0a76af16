"""Golden cases of TCP and UDP: forwarded, left to the kernel, dropped."""

import struct

from scapy.all import (ARP, Dot1Q, Ether, ICMP, IP, IPv6, Raw)
from scapy.layers.inet import (IPOption_NOP, IPOption_RR, IPOption_Router_Alert)
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.utils import (checksum)

from golden_too_big import (TooBig)
from golden_case import case, DATA, ip, NEW, tcp, udp, v4, v6
from golden_forward import pad
from golden_world import (ANY, BACKENDS, CHANGED, IN, NO_HOP, NO_OPTIONS, NOBODY, NOWHERE, OPTIONS,
                          POOL_OF, POOLS, SMALL, TUNNEL_VIPS, TUNNELS, V4_IN4, V4_IN6, V4_L2,
                          V6_IN4, V6_IN6, V6_L2)


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
             (ip(vip) / udp(sport=7) / Raw(bytes(1501 - fixed_bytes(vip))),
              TooBig(1500 - outer_bytes(vip))), **NEW)
        room = outer_bytes(vip) + tag_bytes(vip)
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
         (v4(V4_IN4) / tcp("S", sport=14), "forward"), flow_misses=2, flow_inserts=1,
         syn_retransmissions=1)
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
                 (ip(vip) / tcp("A", sport=64) / fits / Raw(b"1"), TooBig(1500 - room)),
                 flow_misses=1)
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
    """Beyond the link's header."""
    backend = POOLS[POOL_OF[(vip, 443, "udp")]]
    encapsulation, address, _, _ = BACKENDS[backend]
    if encapsulation in ("l2", "l3dsr"):
        return 0
    shim = {"ipip": 0, "gre": 4, "gue": 12}[encapsulation]
    if OPTIONS.get(backend, NO_OPTIONS)["hop_list"]:
        shim += 4
    return shim + (40 if ":" in address else 20)


def tag_bytes(vip):
    return 4 if OPTIONS.get(POOLS[POOL_OF[(vip, 443, "udp")]], NO_OPTIONS)["vlan"] else 0


def fixed_bytes(vip):
    """IP and UDP headers, outer header included."""
    return (40 if ":" in vip else 20) + 8 + outer_bytes(vip)


def tagged(packet, *tags):
    """`packet` with 802.1Q tags; the first of two is a service tag."""
    link = Ether(**IN, type=0x88A8 if len(tags) == 2 else 0x8100)
    for tag in tags:
        link = link / Dot1Q(vlan=tag, prio=5)
    return link / packet[IPv6 if IPv6 in packet else IP]


def vlan_cases():
    vips = dict(TUNNEL_VIPS)
    vips.update({(4, "l2"): V4_L2, (6, "l2"): V6_L2, (4, "ipip"): V4_IN6, (6, "ipip"): V6_IN4})
    for (family, pool), vip in vips.items():
        if pool in CHANGED or BACKENDS[POOLS[POOL_OF[(vip, 443, "udp")]]][0] == "l3dsr":
            continue
        name = "tagged-v%d-pool-%s" % (family, pool)
        case(name, (tagged(ip(vip) / tcp(sport=20), 5), "forward"), **NEW)
        case(name + "-twice", (tagged(ip(vip) / udp(sport=21) / DATA, 5, 6), "forward"), **NEW)
        case(name + "-then-not", (tagged(ip(vip) / tcp("S", sport=22), 5), "forward"),
             (ip(vip) / tcp("A", sport=22), "forward"), flow_misses=1, flow_inserts=1, flow_hits=1)
        case(name + "-padding", (pad(bytes(tagged(ip(vip) / udp(sport=23), 7)), 90), "forward"),
             **NEW)
        # Tags that go make room for headers that come.
        room = max(0, outer_bytes(vip) + tag_bytes(vip) - 8)
        case(name + "-just-enough-headroom",
             (tagged(ip(vip) / udp(sport=24) / DATA, 5, 6), "forward"), headroom=room, **NEW)
        if room:
            case(name + "-no-headroom", (tagged(ip(vip) / udp(sport=25) / DATA, 5, 6),
                                         "no_headroom"), headroom=room - 1, **NEW)
    case("tagged-priority-only", (tagged(v4(V4_L2) / tcp(), 0), "forward"), **NEW)
    case("tagged-ttl", (tagged(v4(V4_L2, ttl=1) / tcp(), 5), "ttl_expired"))
    case("tagged-another-port", (tagged(v4(V4_L2) / tcp(dport=444), 5), "to_kernel"))


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
    case("small-mtu", (v4(SMALL) / udp(dport=80) / Raw(bytes(549)), TooBig(576)), **NEW)
    case("small-mtu-fits", (v4(SMALL) / udp(dport=80, sport=2) / Raw(bytes(548)), "forward"), **NEW)
    # Padding counts for no MTU.
    case("small-mtu-padding",
         (pad(bytes(v4(SMALL) / udp(dport=80, sport=3)), 1000), "forward"), **NEW)
