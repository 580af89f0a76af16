"""Writes the golden packets of guideway-decap: frame in -> verdict, frame out. Bytes come from scapy.

Usage: make_decap_golden.py OUTPUT
Each line: NAME VERDICT IN OUT, the frames in hexadecimal; OUT is `same`, `drop`, or a frame whose
source MAC is all zeros where it is the mark for the tc program. The host of the frames is that of
tests/unit/decap/decap_test.cc: its addresses, VIPs, balancers and the one connection it has.
"""

import struct
import sys
import warnings

warnings.filterwarnings("ignore")  # scapy's, about the machine's crypto libraries
from scapy.all import (Dot1Q, Ether, GRE, ICMP, ICMPv6DestUnreach, ICMPv6TimeExceeded, IP, IPv6,  # noqa: E402
                       IPv6ExtHdrFragment, Raw, TCP, UDP, fragment)

LINK = dict(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
NO_MAC = "00:00:00:00:00:00"
LB = {4: "10.0.1.7", 6: "2001:db8:1b::7"}
STRANGER = {4: "10.0.2.7", 6: "2001:db8:1c::7"}
OWN = {4: "10.0.0.1", 6: "2001:db8:b::1"}
VIP = {4: "198.51.100.7", 6: "2001:db8:a::7"}
NO_VIP = {4: "198.51.100.8", 6: "2001:db8:a::8"}
CLIENT = {4: "192.0.2.10", 6: "2001:db8:c::10"}
HOPS = {4: ["10.0.0.%d" % (20 + i) for i in range(6)],
        6: ["2001:db8:b::%x" % (32 + i) for i in range(6)]}
CONNECTED, UNKNOWN = 40000, 40001  # client ports; only the first one has a connection
PORT, GUE_PORT, DSCP = 443, 6080, 10
lines = []


def ip(version, **fields):
    return (IP if version == 4 else IPv6)(**fields)


def inner_packet(version, transport=None, dst=None, **fields):
    transport = transport or TCP(sport=UNKNOWN, dport=PORT, flags="A", seq=7, ack=9)
    return ip(version, src=CLIENT[version], dst=dst or VIP[version], **fields) / transport / Raw(
        b"0123456789")


def outer(version, protocol, src=None, dst=None, hops=64, **fields):
    if version == 4:
        return IP(src=src or LB[4], dst=dst or OWN[4], ttl=hops, proto=protocol, **fields)
    return IPv6(src=src or LB[6], dst=dst or OWN[6], hlim=hops, nh=protocol, **fields)


def hop_list(version, hops, index=0, count=None, kind=None, words=None):
    """(words, bytes)"""
    import ipaddress  # pylint: disable=import-outside-toplevel
    data = struct.pack("!HBB", (0 if version == 4 else 1) if kind is None else kind, index,
                       len(hops) if count is None else count)
    data += b"".join(ipaddress.ip_address(hop).packed for hop in hops)
    return len(data) // 4 if words is None else words, data


def gue(version, inner, data=(0, b""), checksum=True, port=GUE_PORT, first=None, protocol=None,
        flags=0, **fields):
    words, content = data
    shim = struct.pack("!BBH", words if first is None else first,
                       protocol or (4 if inner.version == 4 else 41), flags)
    udp = UDP(sport=50000, dport=port) if checksum else UDP(sport=50000, dport=port, chksum=0)
    return outer(version, 17, **fields) / udp / Raw(shim + content + bytes(inner))


def wrap(carrier, version, inner, **fields):
    if carrier == "ipip":
        return outer(version, 4 if inner.version == 4 else 41, **fields) / Raw(bytes(inner))
    if carrier == "gre":
        return outer(version, 47, **fields) / GRE(
            proto=0x0800 if inner.version == 4 else 0x86DD) / Raw(bytes(inner))
    if carrier == "gue1":
        return outer(version, 17, **fields) / UDP(sport=50000, dport=GUE_PORT) / Raw(bytes(inner))
    return gue(version, inner, **fields)


def case(name, verdict, packet, out=None, tags=(), link=None):
    def frame(content, **macs):
        made = Ether(**{**LINK, **macs})
        for tag in tags:
            made = made / Dot1Q(vlan=tag)
        made = made / content
        return bytes(made)
    given = bytes(link) if link else frame(packet)
    if out is None:
        out = "same"
    elif out != "drop":
        out = frame(out, **({"src": NO_MAC} if verdict.startswith("next_hop") else {})).hex()
    lines.append("%s %s %s %s" % (name, verdict, given.hex(), out))


def plain_cases():
    for carrier in ("ipip", "gre", "gue", "gue1"):
        verdict = carrier.removesuffix("1")
        for out in (4, 6):
            for inn in (4, 6):
                name = "%s-%din%d" % (carrier, inn, out)
                inner = inner_packet(inn)
                case(name, verdict, wrap(carrier, out, inner), inner)
                for tags in ((5,), (5, 6)):
                    case("%s-tags%d" % (name, len(tags)), verdict, wrap(carrier, out, inner), inner,
                         tags)
                case(name + "-stranger", "stranger", wrap(carrier, out, inner, src=STRANGER[out]))
                case(name + "-elsewhere", "not_ours", wrap(carrier, out, inner, dst=HOPS[out][0]))
                case(name + "-no-vip", "not_vip",
                     wrap(carrier, out, inner_packet(inn, dst=NO_VIP[inn])))
                case(name + "-udp", verdict, wrap(carrier, out, inner_packet(inn, UDP(dport=443))),
                     inner_packet(inn, UDP(dport=443)))
    case("not-ip", "not_ours", Raw(b"0" * 40), link=Ether(type=0x0806, **LINK) / Raw(b"0" * 40))
    case("plain", "not_ours", inner_packet(4, dst=OWN[4]))
    case("plain6", "not_ours", inner_packet(6, dst=OWN[6]))
    case("udp-other-port", "not_ours", gue(4, inner_packet(4), port=6081))
    case("second-port", "gue", gue(4, inner_packet(4), port=19523), inner_packet(4))


def odd_cases():
    inner = inner_packet(4)
    case("gre-key", "unknown_tunnel", outer(4, 47) / GRE(proto=0x0800, key_present=1) / inner)
    case("gre-other", "unknown_tunnel", outer(4, 47) / GRE(proto=0x6558) / inner)
    case("gue-flags", "unknown_tunnel", gue(4, inner, flags=1))
    case("gue-control", "unknown_tunnel", gue(4, inner, first=0x20))
    case("gue-version2", "unknown_tunnel", gue(4, inner, first=0x80))
    case("gue-version1-5", "unknown_tunnel", gue(4, inner, first=0x55))
    case("gue-protocol", "unknown_tunnel", gue(4, inner, protocol=47))
    case("fragment", "outer_fragment", wrap("ipip", 4, inner, flags="MF"))
    case("later-fragment", "outer_fragment", wrap("ipip", 4, inner, frag=3))
    options = IP(src=LB[4], dst=OWN[4], proto=4, options=b"\x01\x01\x01\x00") / Raw(bytes(inner))
    case("options", "outer_options", options)
    bad = IP(bytes(wrap("ipip", 4, inner)))
    bad.chksum ^= 1
    case("checksum", "bad_outer", bad, "drop")
    case("udp-length", "bad_outer", outer(4, 17) / UDP(sport=1, dport=GUE_PORT, len=20) / Raw(
        b"\0\4\0\0" + bytes(inner)), "drop")
    case("announced-6", "bad_inner", outer(4, 41) / Raw(bytes(inner)), "drop")
    case("announced-4", "bad_inner", outer(4, 4) / Raw(bytes(inner_packet(6))), "drop")
    long_inner = inner_packet(4, len=500)
    case("inner-length", "bad_inner", wrap("ipip", 4, long_inner), "drop")
    case("inner-plen", "bad_inner", wrap("ipip", 4, inner_packet(6, plen=500)), "drop")


def congestion_cases():
    """RFC 6040, section 4.2."""
    for out in (4, 6):
        for inn in (4, 6):
            for outside in range(4):
                for inside in range(4):
                    field = {4: "tos", 6: "tc"}
                    inner = inner_packet(inn, **{field[inn]: 0xB8 | inside})
                    packet = wrap("ipip", out, inner, **{field[out]: outside})
                    name = "ecn-%d-%d-%din%d" % (outside, inside, inn, out)
                    if outside == 3 and inside == 0:
                        case(name, "congested", packet, "drop")
                        continue
                    mark = 3 if outside == 3 else inside
                    case(name, "ipip", packet, inner_packet(inn, **{field[inn]: 0xB8 | mark}))


def to_next(version, inner, hops, index, checksum, hop_limit):
    """What the next hop gets."""
    return gue(version, inner, hop_list(version, hops, index + 1), checksum, src=OWN[version],
               dst=hops[index], hops=hop_limit - 1)


def hop_cases():
    for out in (4, 6):
        for inn in (4, 6):
            inner = inner_packet(inn)
            for checksum in (True, False):
                for count in range(7):
                    for index in range(count + 2):
                        name = "hops-%din%d-%d-of-%d-%d" % (inn, out, index, count, checksum)
                        packet = gue(out, inner, hop_list(out, HOPS[out][:count], index), checksum)
                        if index > count:
                            case(name, "bad_hops", packet, "drop")
                        elif index == count:
                            case(name, "gue", packet, inner)
                        else:
                            case(name, "next_hop_tcp", packet,
                                 to_next(out, inner, HOPS[out][:count], index, checksum, 64))
            decision_cases(out, inn)
        malformed_lists(out)


def decision_cases(out, inn):
    """Who stays and who goes, with two hops left."""
    two = HOPS[out][:2]

    def given(name, transport, verdict, **fields):
        inner = inner_packet(inn, transport, **fields)
        packet = gue(out, inner, hop_list(out, two))
        case("%s-%din%d" % (name, inn, out), verdict, packet,
             inner if verdict == "gue" else to_next(out, inner, two, 0, True, 64))

    for flags, verdict in (("S", "gue"), ("SEC", "gue"), ("SA", "next_hop_tcp"),
                           ("R", "next_hop_tcp"), ("FA", "next_hop_tcp"), ("", "next_hop_tcp")):
        given("flags-" + (flags or "none"), TCP(sport=UNKNOWN, dport=PORT, flags=flags), verdict)
    for flags in ("A", "R", "FA", "PA"):
        given("connected-" + flags, TCP(sport=CONNECTED, dport=PORT, flags=flags, ack=1), "gue")
    given("no-listener", TCP(sport=UNKNOWN, dport=444, flags="A"), "next_hop_tcp")
    given("udp", UDP(sport=UNKNOWN, dport=PORT), "gue")
    given("udp-no-socket", UDP(sport=UNKNOWN, dport=444), "next_hop_udp")
    for port, verdict in ((CONNECTED, "gue"), (UNKNOWN, "next_hop_icmp")):
        quoted = ip(inn, src=VIP[inn], dst=CLIENT[inn]) / TCP(sport=PORT, dport=port, flags="A")
        for error in ((ICMP(type=3, code=4), ICMP(type=11), ICMP(type=12)) if inn == 4 else
                      (ICMPv6DestUnreach(), ICMPv6TimeExceeded())):
            given("error-%s-%d" % (error.type, port), error / quoted, verdict)
    if inn == 4:
        given("echo", ICMP(type=8) / (IP(src=VIP[4], dst=CLIENT[4]) / TCP(sport=PORT, dport=UNKNOWN)),
              "gue")
        given("inner-fragment", None, "gue", flags="MF")
        given("inner-later-fragment", None, "gue", frag=8)
    given("error-udp", (ICMP(type=3, code=3) if inn == 4 else ICMPv6DestUnreach()) /
          ip(inn, src=VIP[inn], dst=CLIENT[inn]) / UDP(sport=PORT, dport=UNKNOWN), "gue")
    inner = inner_packet(inn)
    case("hop-limit-1-%din%d" % (inn, out), "hop_limit",
         gue(out, inner, hop_list(out, two), hops=1), "drop")
    case("hop-limit-2-%din%d" % (inn, out), "next_hop_tcp",
         gue(out, inner, hop_list(out, two), hops=2), to_next(out, inner, two, 0, True, 2))


def malformed_lists(out):
    inner = inner_packet(4)
    three = HOPS[out][:3]
    words = 1 if out == 4 else 4
    for name, data in (("count-high", hop_list(out, three, count=4)),
                       ("count-low", hop_list(out, three, count=2)),
                       ("count-0", hop_list(out, three, count=0)),
                       ("count-255", hop_list(out, three, count=255)),
                       ("type-2", hop_list(out, three, kind=2)),
                       ("type-other", hop_list(out, three, kind=1 if out == 4 else 0)),
                       ("index-255", hop_list(out, three, index=255))):
        case("list-%s-in%d" % (name, out), "bad_hops", gue(out, inner, data), "drop")
    # One word too many: the hop list takes the first word of the inner packet.
    case("list-words-in%d" % out, "bad_inner",
         gue(out, inner, hop_list(out, three, words=2 + 3 * words)), "drop")
    case("list-behind-end-in%d" % out, "bad_inner", gue(out, inner, (31, b"")), "drop")


def l3dsr_cases():
    for version in (4, 6):
        for ecn in range(4):
            for transport in (TCP(sport=5, dport=6, flags="A"), UDP(sport=5, dport=6),
                              UDP(sport=5, dport=6, chksum=0)):
                tos = {"tos" if version == 4 else "tc": DSCP << 2 | ecn}
                plain = {"tos" if version == 4 else "tc": ecn}
                name = "l3dsr-%d-ecn%d-%s%s" % (version, ecn, transport.name,
                                                "-0" if transport.chksum == 0 else "")
                case(name, "l3dsr", inner_packet(version, transport.copy(), OWN[version], **tos),
                     inner_packet(version, transport.copy(), VIP[version], **plain))
        tos = {"tos" if version == 4 else "tc": DSCP << 2}
        other = {"tos" if version == 4 else "tc": 11 << 2}
        case("l3dsr-%d-other-dscp" % version, "not_ours", inner_packet(version, dst=OWN[version],
                                                                      **other))
        case("l3dsr-%d-elsewhere" % version, "not_ours",
             inner_packet(version, dst=NO_VIP[version], **tos))
        case("l3dsr-%d-tunnel" % version, "ipip",
             wrap("ipip", version, inner_packet(version), **tos), inner_packet(version))
        quoted = ip(version, src=VIP[version], dst=CLIENT[version]) / TCP(sport=PORT, dport=9)
        error = ICMP(type=3, code=4) if version == 4 else ICMPv6DestUnreach()
        case("l3dsr-%d-error" % version, "l3dsr",
             inner_packet(version, error / quoted, OWN[version], **tos),
             inner_packet(version, error.copy() / quoted, VIP[version]))
    whole = {dst: IP(src=CLIENT[4], dst=dst, id=7, tos=tos) / UDP(sport=5, dport=6) / Raw(b"x" * 1200)
             for dst, tos in ((OWN[4], DSCP << 2), (VIP[4], 0))}
    parts = [fragment(whole[dst], 600) for dst in (OWN[4], VIP[4])]
    for number, (before, after) in enumerate(zip(*parts)):
        case("l3dsr-4-fragment%d" % number, "l3dsr", before, after)
    later = {dst: IPv6(src=CLIENT[6], dst=dst, tc=tc) / IPv6ExtHdrFragment(nh=17, offset=9) / Raw(
        b"y" * 40) for dst, tc in ((OWN[6], DSCP << 2), (VIP[6], 0))}
    case("l3dsr-6-later-fragment", "l3dsr", later[OWN[6]], later[VIP[6]])
    case("l3dsr-cut", "bad_l3dsr", IP(src=CLIENT[4], dst=OWN[4], tos=DSCP << 2, proto=6) / Raw(b"ab"),
         "drop")


plain_cases()
odd_cases()
congestion_cases()
hop_cases()
l3dsr_cases()
with open(sys.argv[1], "w", encoding="ascii") as out_file:
    out_file.write("\n".join(lines) + "\n")
