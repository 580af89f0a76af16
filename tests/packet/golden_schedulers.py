"""Golden cases of maglev-source: whose flow it is follows from the client's address alone."""

from golden_icmp import error, reply_of
from golden_case import case, DATA, ip, NEW, tcp, udp
from golden_world import BY_SOURCE, SOURCE_VIPS

# Neighbours, and clients whose addresses differ in one of the bits that may count.
CLIENTS = {4: ["192.0.2.10", "192.0.2.11", "192.0.3.10", "192.0.130.10", "64.0.2.10", "203.0.113.77"],
           6: ["2001:db8:c::10", "2001:db8:c::11", "2001:db8:c:1::10", "2001:db8:c:100::10",
               "2001:db8:d::10", "2001:db8:c:0:8000::10", "2a00::1"]}


def source_cases():
    for pool in BY_SOURCE:
        for family, clients in CLIENTS.items():
            vip = SOURCE_VIPS[family, pool]
            for number, client in enumerate(clients):
                name = "source-%d-v%d-client-%d" % (pool, family, number)
                for port in (1000, 2000, 3000):
                    case("%s-tcp-%d" % (name, port),
                         (ip(vip, src=client) / tcp(sport=port), "forward"),
                         (ip(vip, src=client) / tcp("A", sport=port), "forward"),
                         flow_misses=1, flow_inserts=1, flow_hits=1)
                    # Not known from before, as after a restart.
                    case("%s-data-%d" % (name, port),
                         (ip(vip, src=client) / tcp("PA", sport=port) / DATA, "forward"), **NEW)
                    case("%s-udp-%d" % (name, port),
                         (ip(vip, src=client) / udp(sport=port) / DATA, "forward"), **NEW)
                case(name + "-rst", (ip(vip, src=client) / tcp("R"), "forward"), flow_misses=1)
            client = "2001:db8:c::10" if family == 6 else "192.0.2.10"
            case("source-%d-v%d-icmp-error" % (pool, family),
                 (error(vip, reply_of(vip, "tcp")), (client, 40000, vip, 443, "tcp")))
