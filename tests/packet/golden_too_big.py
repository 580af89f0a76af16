"""What is expected of packets that exceed an MTU: the reply to the sender, or fragments."""

import struct

from scapy.all import (ICMP, IP, IPv6, Raw)
from scapy.layers.inet6 import (ICMPv6PacketTooBig)
from scapy.utils import (checksum)


class TooBig:
    """Expected: the reply to a packet that is too big, with this MTU."""

    def __init__(self, mtu):
        self.mtu = mtu


class Cut:
    """Expected: fragments whose IP packets fit into so many bytes; those of a flow, if it cannot be
    read from the packet."""

    def __init__(self, mtu, flow=None):
        self.mtu, self.flow = mtu, flow


class Like:
    """Expected: what is forwarded for this packet."""

    def __init__(self, packet):
        self.packet = packet


def link_bytes(frame):
    """Where the IP header begins."""
    at = 14
    while frame[at - 2:at] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at


def too_big_reply(frame, mtu):
    """What RFC 792, 1191, 1812 and 4443 say is sent back for `frame`."""
    at = link_bytes(frame)
    way_back = frame[6:12] + frame[:6] + frame[12:at]  # tags are those of the link it came from
    if frame[at] >> 4 == 4:
        asked = IP(frame[at:])
        header = IP(src=asked.dst, dst=asked.src, ttl=64, tos=0xC0, flags="DF", id=0)
        quote = frame[at:at + asked.len][:576 - 28]
        return way_back + bytes(header / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(quote))
    asked = IPv6(frame[at:])
    header = IPv6(src=asked.dst, dst=asked.src, hlim=64)
    quote = frame[at:at + asked.plen + 40][:1280 - 48]
    return way_back + bytes(header / ICMPv6PacketTooBig(mtu=mtu) / Raw(quote))


def copied_options(options):
    """Those that later fragments have, too (RFC 791, section 3.1)."""
    copied = b""
    while options and options[0] != 0:
        length = 1 if options[0] == 1 else options[1]
        if options[0] & 0x80:
            copied += options[:length]
        options = options[length:]
    return copied + bytes(-len(copied) % 4)


def cut(packet, mtu):
    """The fragments of an IPv4 packet (bytes), which may be a fragment itself."""
    header, first = IP(packet), (packet[0] & 15) * 4
    size = (mtu - first) // 8 * 8
    payload = packet[first:header.len]
    fragments = []
    for at in range(0, len(payload), size):
        options = packet[20:first] if at == 0 else copied_options(packet[20:first])
        part = payload[at:at + size]
        fragment = IP(src=header.src, dst=header.dst, ttl=header.ttl, tos=header.tos, id=header.id,
                      proto=header.proto, frag=header.frag + at // 8, ihl=5 + len(options) // 4,
                      flags="MF" if at + size < len(payload) or header.flags.MF else 0,
                      len=20 + len(options) + len(part))
        fixed = bytes(fragment)[:10] + b"\0\0" + bytes(fragment)[12:20] + options
        fragments.append(fixed[:10] + struct.pack("!H", checksum(fixed)) + fixed[12:] + part)
    return fragments
