"""The lab itself, without Guideway: an error here would make every other result worthless."""

import itertools
import json

from lab import client, namespaces, sockets, topology
from lab.backends import CARRIERS, Backends
from lab.process import LabError, run, wait_until
from lab.replies import ReplyCounter
from lab.topology import CLIENT, CLIENT_ADDRESS, FAMILIES, GUIDEWAY, TUNNEL_VIP, VIP


_SENDER_MAC = "02:00:00:00:00:77"


class Fixture:
    def __init__(self, standing):
        self.lab = standing
        self.backends = Backends(standing)

    def check(self):
        """Nothing of Guideway's runs here."""

    def close(self):
        """Nothing to stop beyond the lab."""


FIXTURES = [("segment", {}), ("two-port", {"two_port": True})]


def test_l2_delivery_through_the_kernel(fixture):
    """With plain routes for the VIPs in Guideway's place, b2 answers from the VIP."""
    lab = fixture.lab
    lab.network.sysctl(GUIDEWAY, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for family in FAMILIES:
        lab.network.route(GUIDEWAY, VIP[family], "via", lab.backend_address("b2", family))
        assert client.http_requests(lab, VIP[family], 3) == {"b2": 3}
        assert client.udp_requests(lab, VIP[family], 3) == {"b2": 3}
        assert (CLIENT_ADDRESS[family], VIP[family], "200", "/") in fixture.backends["b2"].logged()


def test_no_answer_without_guideway(fixture):
    """Without a route at the Guideway host the VIP answers nobody: backends do not leak it."""
    lab = fixture.lab
    for family in FAMILIES:
        answers = client.http_requests(lab, TUNNEL_VIP[family], 1, timeout_s=1)
        assert answers.failed == 1, answers


def test_backends_take_tunnels_apart(fixture):
    """A hand-made packet of every kind of tunnel is answered to the client, and counted."""
    from scapy.layers.inet import IP, UDP  # pylint: disable=import-outside-toplevel
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import GRE, Ether
    from scapy.packet import Raw

    def tunnelled(carrier, family, inner):
        if carrier == "gre":
            return GRE() / inner
        if carrier == "gue":  # with one word of private data: an empty hop list
            header = bytes([1, 4 if family == 4 else 41] + [0] * 6)
            return UDP(sport=50000, dport=6080) / Raw(header) / inner
        return inner

    lab = fixture.lab
    interface = lab.interfaces[-1]
    ip_of = {4: IP, 6: IPv6}
    mac = json.loads(run("ip", "-j", "-n", lab.network.name("b1"), "link", "show",
                         "eth0").stdout)[0]["address"]
    before = fixture.backends["b1"].decapsulated()
    with sockets.packet(lab, GUIDEWAY, interface) as wire:
        for carrier, outer, inner in itertools.product(CARRIERS, FAMILIES, FAMILIES):
            question = f"{carrier} {inner}in{outer}".encode()
            with sockets.udp(lab, CLIENT, CLIENT_ADDRESS[inner]) as asker:
                packet = (ip_of[inner](src=CLIENT_ADDRESS[inner], dst=TUNNEL_VIP[inner])
                          / UDP(sport=asker.getsockname()[1], dport=9000) / question)
                frame = (Ether(src=_SENDER_MAC, dst=mac)
                         / ip_of[outer](dst=lab.backend_address("b1", outer),
                                        src=lab.guideway_address(outer))
                         / tunnelled(carrier, inner, packet))
                wire.send(bytes(frame))
                answer, sender = asker.recvfrom(2048)
                assert answer == b"b1 " + question, answer
                assert sender[0] == TUNNEL_VIP[inner], sender
    after = fixture.backends["b1"].decapsulated()
    assert all(after[kind] == before[kind] + (not kind.startswith("l3dsr")) for kind in after), \
        (before, after)


def test_download_is_byte_exact(fixture):
    """The slow download through the kernel: its checksum is the one of the file."""
    lab = fixture.lab
    lab.network.sysctl(GUIDEWAY, "net.ipv4.ip_forward=1")
    lab.network.route(GUIDEWAY, VIP[4], "via", lab.backend_address("b2"))
    download = client.Download(lab, VIP[4]).start()
    wait_until(download.bytes_so_far, "the download began")
    wait_until(download.ended, "the download ended", timeout_s=30)
    assert download.sha256() == fixture.backends.download_sha256


def test_leftovers_are_found_by_their_owner(fixture):
    """A dead owner's lab is removed with its processes, a living one's is not."""
    ended = run("bash", "-c", "echo $$").stdout.strip()
    dead = namespaces.Network(f"gw-{ended}")
    dead.add_host("x")
    run("ip", "netns", "exec", dead.name("x"), "sh", "-c", "sleep 300 >/dev/null 2>&1 &")
    assert namespaces.remove_leftovers() == [dead.prefix]
    assert dead.name("x") not in namespaces.listed()
    assert fixture.lab.network.name(CLIENT) in namespaces.listed()


def test_a_deadline_names_what_was_awaited(fixture):
    """wait_until gives up with the thing's name."""
    try:
        wait_until(lambda: False, "pigs fly", timeout_s=0.05)
    except LabError as error:
        assert "pigs fly" in str(error)
    else:
        raise AssertionError("no error")
    assert fixture.lab.interfaces[0] == "eth0" and topology.BACKENDS


def test_replies_are_counted_where_they_go(fixture):
    """The bridge's counters see replies to the router, and one that is sent to the Guideway host."""
    from scapy.layers.inet import IP, UDP  # pylint: disable=import-outside-toplevel
    from scapy.layers.l2 import Ether
    lab = fixture.lab
    counter = ReplyCounter(lab)
    lab.network.sysctl(GUIDEWAY, "net.ipv4.ip_forward=1")
    lab.network.route(GUIDEWAY, VIP[4], "via", lab.backend_address("b2"))
    assert client.udp_requests(lab, VIP[4], 3) == {"b2": 3}
    assert (counter.through_router(), counter.through_guideway()) == (3, 0)
    interface = lab.interfaces[-1]
    mac = json.loads(run("ip", "-j", "-n", lab.network.name(GUIDEWAY), "link", "show",
                         interface).stdout)[0]["address"]
    with sockets.packet(lab, "b1", "eth0") as wire:
        wire.send(bytes(Ether(src=_SENDER_MAC, dst=mac)
                        / IP(src=VIP[4], dst=CLIENT_ADDRESS[4]) / UDP() / b"stray"))
    wait_until(lambda: counter.through_guideway() == 1, "the stray reply is counted")
