"""The tables that all golden cases share: backends, pools, VIPs.

The flow hash and the Maglev table come from tests/oracle (its directory is argument 2).
"""

import sys
import warnings

warnings.filterwarnings("ignore")  # scapy's, about the machine's crypto libraries
sys.path.insert(0, sys.argv[2])
# pylint: disable=wrong-import-position  (the two lines above come first)
from flow_hash import key_from_secret
from maglev import build as maglev_table

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
# maglev-source: pool: (leading bits of IPv4 and of IPv6 clients that count, owners of the slots).
BY_SOURCE = {
    40: (24, 56, maglev_table([("l2", 1, 0), ("ipip", 2, 2), ("gre", 1, 7), ("in6", 3, 8)], 31, 5)),
    41: (32, 64, maglev_table([("a", 1, 0), ("b", 1, 1), ("c", 1, 3)], 13, 0)),
    42: (0, 128, maglev_table([("a", 1, 2), ("b", 1, 3)], 7, 1)),
}
SOURCE_VIPS = {}  # (4 or 6, pool): address
for vip_pool in BY_SOURCE:
    POOLS[vip_pool] = 0  # not by the flow
    for family, vip_address in ((4, "198.51.100.%d" % (100 + vip_pool)),
                                (6, "2001:db8:a::%d" % (100 + vip_pool))):
        SOURCE_VIPS[family, vip_pool] = vip_address
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
    for index, (bits4, bits6, slots) in BY_SOURCE.items():
        lines.append("pool_by_source %d %d %d %s" % (index, bits4, bits6,
                                                     " ".join(str(slot) for slot in slots)))
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
