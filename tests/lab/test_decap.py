"""guideway-decap on the backends: all tunnels, second chance, crashes, and what the tool tells."""

import itertools
import os
import sys

from lab import client, configuration, fixtures
from lab.decap import DECAP, Decap
from lab.process import wait_until
from lab.topology import BACKENDS, FAMILIES, GUIDEWAY, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT]
_COUNT = 40
# Of UDP, whose flows stay with a backend of the pool that an earlier case has used.
_FREE_PORTS = itertools.count(10000, _COUNT)
# Frames with an ACK of no connection, in GUE with one hop. Arguments: backend, hop, client, VIP.
_SEND_ACK = """
import ipaddress, socket, struct, sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import IP, IPv6, TCP
backend, hop, client, vip = sys.argv[1:]
inner = (IPv6 if ":" in vip else IP)(src=client, dst=vip) / TCP(sport=5555, dport=80, flags="A")
packed = ipaddress.ip_address(hop).packed
gue = struct.pack("!BBHHBB", 1 + len(packed) // 4, 41 if ":" in vip else 4, 0,
                  1 if ":" in hop else 0, 0, 1) + packed + bytes(inner)
with socket.socket(socket.AF_INET6 if ":" in backend else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(gue, (backend, 6080))
"""


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab), decap=Decap)

    def sums(self):
        """Over all backends."""
        stats = [backend.decap.stats() for backend in self.backends]
        return {verdict: sum(one[verdict] for one in stats) for verdict in stats[0]}

    def assert_served(self, verdict, outer, **details):
        self.use_tunnels(outer, verdict, **details)
        for inner in FAMILIES:
            before = self.sums()
            answers = client.http_requests(self.lab, TUNNEL_VIP[inner], _COUNT)
            assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
            echoes = client.udp_requests(self.lab, TUNNEL_VIP[inner], _COUNT, step=1,
                                         source_port=next(_FREE_PORTS))
            assert echoes.failed == 0, echoes
            after = self.sums()
            assert after[verdict] - before[verdict] >= 6 * _COUNT, (before, after)
            wrong = [name for name in after if after[name] != before[name]
                     and name not in (verdict, "not_ours")]
            assert not wrong, (wrong, before, after)


def test_ipip(fixture):
    for outer in FAMILIES:
        fixture.assert_served("ipip", outer)


def test_gre(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gre", outer)


def test_gue(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gue", outer)


def test_gue_with_hop_lists(fixture):
    for outer in FAMILIES:
        fixture.assert_served("gue", outer, second_chance=True)


def test_l3dsr(fixture):
    fixture.assert_served("l3dsr", None)


def test_l2_beside_it(fixture):
    for family in FAMILIES:
        assert client.http_requests(fixture.lab, VIP[family], _COUNT).failed == 0


def test_next_hop(fixture):
    """An ACK that b1 knows nothing of goes to b2, whose Ethernet address b1 has to ask for."""
    first, second = (fixture.backends[name] for name in BACKENDS[:2])
    for outer in FAMILIES:
        for inner in FAMILIES:
            fixture.lab.execute(first.name, "ip", "neigh", "flush", "dev", "eth0")
            before = first.decap.stats(), second.decap.stats()
            fixture.lab.execute(GUIDEWAY, sys.executable, "-c", _SEND_ACK,
                                fixture.lab.backend_address(first.name, outer),
                                fixture.lab.backend_address(second.name, outer),
                                "192.0.2.2" if inner == 4 else "2001:db8:c::2", VIP[inner])
            wait_until(lambda: second.decap.stats()["gue"] == before[1]["gue"] + 1,
                       f"b2 takes what b1 passes on, {inner} in {outer}")
            assert first.decap.stats()["next_hop_tcp"] == before[0]["next_hop_tcp"] + 1


def test_a_crash_leaves_traffic_flowing(fixture):
    fixture.use_tunnels(4, "gre")
    decap = fixture.backends["b1"].decap
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    before = decap.stats()["gre"]
    decap.process.kill()
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    alone = decap.stats()["gre"]
    assert alone > before
    decap.start()  # replaces what is left
    assert decap.stats()["gre"] < alone
    assert client.http_requests(fixture.lab, TUNNEL_VIP[4], _COUNT).failed == 0
    assert decap.stats()["gre"] > 0


def test_end_detach_and_pin(fixture):
    decap = fixture.backends["b3"].decap
    assert decap.process.stop() == 0
    assert decap.tool("stats", check=False).returncode == 1
    assert decap.tool("detach", check=False).returncode == 1
    assert "not attached" in decap.tool("check", check=False).stdout
    assert decap.tool("run", "--from", "198.51.100.0/24", "--pin").returncode == 0
    assert decap.stats()["gre"] == 0
    assert decap.tool("detach").returncode == 0
    assert decap.tool("stats", check=False).returncode == 1
    decap.start()


def test_another_programs_place_is_not_taken(fixture):
    lab, decap = fixture.lab, fixture.backends["b2"].decap
    assert decap.process.stop() == 0
    from lab.backends import compile_decapsulation  # pylint: disable=import-outside-toplevel
    program = compile_decapsulation(lab.directory)
    lab.network.ip("b2", "link", "set", "dev", "eth0", "xdpdrv", "obj", program, "sec", "xdp")
    refused = decap.tool("run", "--from", "198.51.100.0/24", "--pin", check=False)
    assert refused.returncode == 1 and "another tool" in refused.stderr, refused
    assert decap.tool("detach", check=False).returncode == 1
    lab.network.ip("b2", "link", "set", "dev", "eth0", "xdp", "off")
    decap.start()


def test_check_and_setup(fixture):
    decap = fixture.backends["b1"].decap
    fixture.lab.network.sysctl("b1", "net.ipv4.conf.all.arp_ignore=0",
                               "net.ipv4.conf.eth0.arp_ignore=0", "net.ipv4.conf.eth0.rp_filter=1")
    found = decap.tool("check", check=False)
    assert found.returncode == 1 and "arp_ignore" in found.stdout and "rp_filter" in found.stdout
    assert decap.tool("setup").returncode == 0
    assert decap.tool("check").stdout == "all is well\n"
    assert decap.tool("setup").stdout == "nothing to do\n"
    assert decap.tool("check", interface="nope", check=False).returncode == 2
    assert fixture.lab.execute("b1", DECAP, "check", check=False).returncode == 2


def test_statistics_file(fixture):
    decap = fixture.backends["b1"].decap
    path = f"{fixture.lab.directory}/decap.prom"
    decap.tool("stats", "-o", "prometheus", "--file", path)
    with open(path, encoding="ascii") as file:
        text = file.read()
    for verdict in decap.stats():
        assert f'guideway_decap_packets_total{{interface="eth0",verdict="{verdict}"}}' in text
    assert [name for name in os.listdir(fixture.lab.directory) if name.startswith("decap.prom")] == \
        ["decap.prom"]
