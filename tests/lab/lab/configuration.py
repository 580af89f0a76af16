"""Guideway configurations of the lab, written as YAML."""

from lab.backends import HTTP_PORT, UDP_PORT
from lab.topology import BACKENDS, FAMILIES, TUNNEL_VIP, VIP

# Quick enough to watch, and still several probes for every change.
PROBE = {"type": "http", "port": HTTP_PORT, "path": "/health", "interval": "200ms",
         "timeout": "200ms", "rise": 2, "fall": 2}
# Of two that fail at once the second has failed by the first one's verdict.
PROBE_OF_MANY = {**PROBE, "fall": 4}


def pool(lab, name, encapsulation="l2", family=4, backends=BACKENDS, probe=None):
    made = {"name": name, "encapsulation": encapsulation}
    if probe:
        made["probe"] = probe
    made["backends"] = [{"name": backend, "address": lab.backend_address(backend, family)}
                        for backend in backends]
    return made


# A /24 of the bench range (RFC 2544) and a documentation prefix: nobody in the lab has them.
SOURCE_PREFIXES = {"source_prefix_ipv4": "198.19.255.0/24",
                   "source_prefix_ipv6": "2001:db8:ffff::/64"}


def vips(name, address, pool_name):
    """A VIP for HTTP and one for the UDP echo."""
    return [{"name": f"{name}-http", "address": address, "port": HTTP_PORT, "protocol": "tcp",
             "pool": pool_name},
            {"name": f"{name}-echo", "address": address, "port": UDP_PORT, "protocol": "udp",
             "pool": pool_name}]


def l2(lab, probe=PROBE, backends=BACKENDS):
    """One pool behind the IPv4 and the IPv6 VIP, reached by MAC rewrite."""
    return {"flow_hash_secret": "a secret of the whole lab", "settle_time": "3s",
            "pools": [pool(lab, "web", backends=backends, probe=probe)],
            "vips": vips("web4", VIP[4], "web") + vips("web6", VIP[6], "web")}


def tunnels(lab):
    """The L2 pool, and the tunnel VIPs in front of pools of backends of either family.

    The IPv4 tunnel VIP takes `outer` 4 on ports 80 and 9000 until the test swaps the pools.
    """
    made = l2(lab)
    made["pools"] += [pool(lab, f"tunnel{outer}", "ipip", outer, probe=PROBE)
                      for outer in FAMILIES]
    for inner in FAMILIES:
        made["vips"] += vips(f"tunnel{inner}", TUNNEL_VIP[inner], "tunnel4")
    return made


def to_yaml(value, indent=0):
    """Block YAML of dictionaries, lists, strings and numbers."""
    space = " " * indent
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                lines += [f"{space}{key}:", to_yaml(item, indent + 2)]
            else:
                lines.append(f"{space}{key}: {_scalar(item)}")
    else:
        for item in value:
            nested = isinstance(item, (dict, list))
            lines.append(f"{space}- {to_yaml(item, indent + 2).lstrip() if nested else _scalar(item)}")
    return "\n".join(lines)


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) and (":" in value or " " in value) else value
