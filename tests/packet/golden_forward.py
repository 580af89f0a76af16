"""What must leave for a packet to a VIP: bytes by scapy, the flow hash by tests/oracle."""

import ipaddress
import struct

# First: it finds the oracle.
from golden_world import (BACKENDS, BY_SOURCE, CHANGED, KEY, LB4, LB4_PREFIX, LB6, LB6_PREFIX,
                          NO_OPTIONS, OPTIONS, OUT_GATEWAY, OUT_SOURCE, POOL_OF, POOLS)
from flow_hash import flow_hash
from scapy.all import (Dot1Q, Ether, ICMP, IP, IPv6, Raw, TCP, UDP)
from scapy.layers.inet import (in4_chksum)
from scapy.layers.inet6 import (ICMPv6EchoRequest, in6_chksum)
from scapy.layers.l2 import (GRE)
from golden_too_big import (cut, link_bytes)

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


def owner_by_source(pool, client):
    """The backend of all flows of a client, by docs/decisions/0012-schedulers.md."""
    bits4, bits6, slots = BY_SOURCE[pool]
    network = ipaddress.ip_network("%s/%d" % (client, bits6 if ":" in client else bits4), False)
    hashed = flow_hash(KEY, str(network.network_address), 0, "::", 0, 0)
    return slots[hashed * len(slots) >> 64]


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
    if pool in BY_SOURCE and not owner and backend is None:
        backend = owner_by_source(pool, source)
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
