"""Golden cases of QUIC-LB: which server a connection ID is sent to, in every form and family."""

from scapy.all import (Dot1Q, Ether, IP, IPv6, Raw)
from scapy.layers.inet import (IPOption_NOP)
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt)

from golden_icmp import error, reply_of
from golden_case import case, ip, NEW, tcp, udp, v4, v6
from golden_forward import pad
from golden_world import C4, C6, IN, QUIC_CONFIGS, QUIC_POOLS, QUIC_SERVERS, QUIC_VIPS
from quic_lb import connection_id

SHORT, LONG = b"\x41", b"\xc3"
ROUTED = dict(quic_routed=1, flow_inserts=1)
REST = Raw(b"protected")


def server_ids(pool):
    """{backend: server ID} of as many bytes as the pool's configurations say."""
    length = QUIC_POOLS[pool]
    return {backend: bytes([0x5E, number, 0x33, 0x44] * 4)[:length] if length > 1
            else bytes([number]) for number, backend in enumerate(QUIC_SERVERS)}


def cid_of(pool, config_id, backend, fill=0x91):
    nonce_length, key = QUIC_CONFIGS[pool][config_id]
    nonce = bytes((fill * (i + 1)) & 0xFF for i in range(nonce_length))
    return connection_id(config_id, server_ids(pool)[backend], nonce, key, fill & 0x1F)


def short(pool, vip, config_id, backend, **fields):
    return ip(vip) / udp(**fields) / Raw(SHORT + cid_of(pool, config_id, backend)) / REST


def routed_cases():
    for pool, config_ids in QUIC_CONFIGS.items():
        for family, vip in QUIC_VIPS[pool].items():
            for config_id in config_ids:
                for backend in QUIC_SERVERS:
                    name = "quic-%d-v%d-config-%d-to-%d" % (pool, family, config_id, backend)
                    case(name, (short(pool, vip, config_id, backend), backend), **ROUTED)
                    # From other places, and nothing behind the connection ID.
                    bare = Raw(SHORT + cid_of(pool, config_id, backend, 0x2E))
                    case(name + "-migrates",
                         (short(pool, vip, config_id, backend, sport=1), backend),
                         (short(pool, vip, config_id, backend, sport=2), backend),
                         (ip(vip, src="2001:db8:c::77" if family == 6 else "192.0.2.77") / udp() /
                          bare, backend), quic_routed=3, flow_inserts=3)


def headers_cases():
    pool = min(QUIC_POOLS)
    vip, vip6 = QUIC_VIPS[pool][4], QUIC_VIPS[pool][6]
    content = udp() / Raw(SHORT + cid_of(pool, 0, 2)) / REST
    case("quic-options", (v4(vip, options=[IPOption_NOP()]) / content, 2), **ROUTED)
    case("quic-extension", (v6(vip6) / IPv6ExtHdrDestOpt() / content, 2), **ROUTED)
    case("quic-vlan", (Ether(**IN) / Dot1Q(vlan=5) / v4(vip)[IP] / content, 2), **ROUTED)
    case("quic-vlan-v6", (Ether(**IN) / Dot1Q(vlan=5) / v6(vip6)[IPv6] / content, 2), **ROUTED)
    case("quic-tcp", (ip(vip) / tcp("A") / Raw(SHORT + cid_of(pool, 0, 2)), "forward"), **NEW)
    # What the UDP length leaves out is no connection ID.
    cut = v4(vip) / udp(len=8 + 7) / Raw(SHORT + cid_of(pool, 0, 2))
    case("quic-udp-ends-early", (cut, "forward"), quic_too_short=1, **NEW)
    case("quic-padding", (pad(bytes(v4(vip) / udp() / Raw(SHORT + cid_of(pool, 0, 2)[:6])), 90),
                          "forward"), quic_too_short=1, **NEW)


def unrouted_cases():
    for pool, vips in QUIC_VIPS.items():
        for family, vip in vips.items():
            name = "quic-%d-v%d-" % (pool, family)
            config_id = min(QUIC_CONFIGS[pool])
            right = cid_of(pool, config_id, QUIC_SERVERS[1])

            def unrouted(what, counter, content, name=name, vip=vip):
                case(name + what, (ip(vip) / udp() / Raw(content), "forward"),
                     **{counter: 1}, **NEW)

            unrouted("initial", "quic_long_headers",
                     LONG + b"\0\0\0\1" + bytes([len(right)]) + right + b"\0" + bytes(30))
            unrouted("long-one-byte", "quic_long_headers", LONG)
            unrouted("config-7", "quic_unroutable", SHORT + bytes([0xE0 | right[0]]) + right[1:])
            unrouted("config-7-alone", "quic_unroutable", SHORT + b"\xff")
            unused = next(i for i in range(7) if i not in QUIC_CONFIGS[pool])
            unrouted("unused-config", "quic_unroutable",
                     SHORT + bytes([unused << 5]) + right[1:] + bytes(20))
            unrouted("no-cid", "quic_too_short", SHORT)
            unrouted("empty", "quic_too_short", b"")
            unrouted("cid-one-byte-short", "quic_too_short", SHORT + right[:-1])
            nonce_length, key = QUIC_CONFIGS[pool][config_id]
            stranger = connection_id(config_id, b"\xEE" * QUIC_POOLS[pool], bytes(nonce_length), key)
            unrouted("unknown-server", "quic_unknown_servers", SHORT + stranger)


def state_cases():
    pool = min(QUIC_POOLS)
    for family, vip in QUIC_VIPS[pool].items():
        client = C6 if family == 6 else C4
        second = QUIC_SERVERS[2]
        initial = ip(vip) / udp() / Raw(LONG + bytes(40))
        unroutable = ip(vip) / udp() / Raw(SHORT + b"\xe0" + bytes(30))
        about = error(vip, reply_of(vip, "udp"))
        # The flow of the handshake stays its backend's, whatever connection IDs say later.
        case("quic-connection-v%d" % family, (initial, "forward"), (initial, "forward"),
             (short(pool, vip, 0, second), second), (unroutable, "forward"),
             quic_long_headers=2, quic_routed=1, quic_unroutable=1, flow_misses=1, flow_inserts=1,
             flow_hits=2)
        # A migrated one is known by its new flow.
        case("quic-migrated-v%d" % family, (about, (client, 40000, vip, 443, "udp")),
             (short(pool, vip, 0, second), second), (unroutable, second),
             (about, (client, 40000, vip, 443, "udp", second)),
             quic_routed=1, quic_unroutable=1, flow_inserts=1, flow_hits=1)


def quic_cases():
    routed_cases()
    headers_cases()
    unrouted_cases()
    state_cases()
