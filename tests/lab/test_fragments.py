"""Datagrams longer than the MTU: real ones by MAC rewrite and through tunnels, and crafted ones."""

import copy
import json
import warnings

from lab import configuration, fixtures, sockets
from lab.backends import UDP_PORT
from lab.process import wait_until
from lab.topology import (BACKENDS, CLIENT, CLIENT_ADDRESS, FAMILIES, GUIDEWAY, SEGMENT, TUNNEL_VIP,
                          VIP)

warnings.filterwarnings("ignore")  # scapy's, about the machine's crypto libraries
# pylint: disable=wrong-import-position  (the line above comes first)
from scapy.all import Ether, IP, IPv6, Raw, UDP
from scapy.layers.inet6 import IPv6ExtHdrFragment

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_QUEUES]
_ROUTER_MAC = "02:00:00:00:00:99"
_TIMEOUT_S = 3
_DATAGRAMS = 12
_LENGTHS = (1500, 4000, 9001, 60000)
_TUNNEL_ROOM = 60  # bytes that fragments leave for an outer header
_IPERF_PORT = 5201


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab), workers=lab.queues)
        self.ports = iter(range(30000, 40000))
        # Fragments of the link's MTU would not fit into a tunnel of the same MTU.
        for family in FAMILIES:
            route = lab.network.ip(CLIENT, f"-{family}", "route", "show", "default").stdout.split()
            via = route[route.index("via") + 1]
            lab.network.ip(CLIENT, f"-{family}", "route", "replace", "default", "via", via,
                           "mtu", "lock", str(1500 - _TUNNEL_ROOM))

    def set_policy(self, policy):
        self.config["fragments"] = policy
        self.guideway.apply(self.config)

    def asker(self, family, port=None):
        return sockets.udp(self.lab, CLIENT, CLIENT_ADDRESS[family], port or next(self.ports),
                           _TIMEOUT_S)


def _content(length, number):
    return (b"%d " % number + bytes(i % 251 for i in range(length)))[:length]


def _ask(asker, vip, length, number):
    """Who answered."""
    question = _content(length, number)
    asker.sendto(question, (vip, UDP_PORT))
    name, _, echo = asker.recv(65535).partition(b" ")
    assert echo == question, (len(echo), length)
    return name.decode()


def _long_datagrams(fixture, vips):
    before = fixture.guideway.stats()
    for family in FAMILIES:
        answered = set()
        for number in range(_DATAGRAMS):
            with fixture.asker(family) as asker:
                # A whole packet of the same flow goes to the same backend.
                name = _ask(asker, vips[family], 20, number)
                for length in _LENGTHS:
                    assert _ask(asker, vips[family], length, number) == name, (number, length)
                assert _ask(asker, vips[family], 21, number) == name, number
            answered.add(name)
        assert answered == set(BACKENDS), answered
    after = fixture.guideway.check_balance()
    fragments = after["fragments_received"] - before["fragments_received"]
    assert fragments >= 2 * _DATAGRAMS * sum(length // 1440 for length in _LENGTHS), fragments
    assert after["drops"] == before["drops"], (before, after)


def test_long_datagrams_l2(fixture):
    _long_datagrams(fixture, VIP)


def test_long_datagrams_ipip(fixture):
    before = [backend.decapsulated() for backend in fixture.backends]
    _long_datagrams(fixture, TUNNEL_VIP)
    for backend, old in zip(fixture.backends, before):
        new = backend.decapsulated()
        for kind in ("ipip 4in4", "ipip 6in4"):
            assert new[kind] > old[kind] + 10, (backend.name, old, new)


def _with_iperf(lab, config):
    """The configuration with iperf's port at all VIPs, both protocols at one backend."""
    made = copy.deepcopy(config)
    for encapsulation, vips in (("l2", VIP), ("ipip", TUNNEL_VIP)):
        name = f"iperf-{encapsulation}"
        made["pools"].append(configuration.pool(lab, name, encapsulation, backends=BACKENDS[:1]))
        made["vips"] += [{"name": f"{name}-{protocol}{family}", "address": vips[family],
                          "port": _IPERF_PORT, "protocol": protocol, "pool": name}
                         for protocol in ("tcp", "udp") for family in FAMILIES]
    return made


def _iperf(fixture, vip):
    """iperf3 sends datagrams of 4000 bytes: none is lost or late."""
    server = fixture.lab.process("iperf-server", BACKENDS[0], "iperf3", "-s", "-1", "-B", vip, "-p",
                                 _IPERF_PORT, "--forceflush")
    server.start(ready="Server listening")
    before = fixture.guideway.stats()
    try:
        done = fixture.lab.execute(CLIENT, "iperf3", "-c", vip, "-p", _IPERF_PORT, "-u", "-l", 4000,
                                   "-b", "8M", "-n", 1_600_000, "-J")
    finally:
        server.stop()
    after = fixture.guideway.check_balance()
    received = json.loads(done.stdout)["end"]["sum"]
    assert received["packets"] >= 400 and received["lost_packets"] == 0, received
    fragments = after["fragments_received"] - before["fragments_received"]
    assert fragments >= 3 * received["packets"], (received, before, after)
    assert after["drops"] == before["drops"], (before, after)


def test_iperf_with_datagrams_over_the_mtu(fixture):
    fixture.guideway.apply(_with_iperf(fixture.lab, fixture.config))
    for vips in (VIP, TUNNEL_VIP):
        for family in FAMILIES:
            _iperf(fixture, vips[family])
    fixture.guideway.apply(fixture.config)


def _pieces(fixture, family, port, text, ident):
    """A question in three fragments, as frames."""
    mac = fixture.lab.network.ip(GUIDEWAY, "-o", "link", "show", "eth0").stdout.split(
        "link/ether ")[1].split()[0]
    link = Ether(src=_ROUTER_MAC, dst=mac)
    layer = IP if family == 4 else IPv6
    source, vip = CLIENT_ADDRESS[family], VIP[family]
    whole = bytes(layer(bytes(layer(src=source, dst=vip) / UDP(sport=port, dport=UDP_PORT) /
                              Raw(text))).payload)
    frames = []
    for offset in range(0, len(whole), 400):
        part, more = Raw(whole[offset:offset + 400]), int(offset + 400 < len(whole))
        if family == 4:
            header = IP(src=source, dst=vip, proto=17, id=ident, frag=offset // 8, flags=more)
        else:
            header = IPv6(src=source, dst=vip) / IPv6ExtHdrFragment(nh=17, offset=offset // 8,
                                                                    m=more, id=ident)
        frames.append(bytes(link / header / part))
    assert len(frames) == 3
    return frames


def test_fragments_in_any_order(fixture):
    for family in FAMILIES:
        for ident, order in enumerate(((0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)), 77):
            port = next(fixture.ports)
            text = _content(1000, ident)
            frames = _pieces(fixture, family, port, text, ident)
            with fixture.asker(family, port) as asker, \
                    sockets.packet(fixture.lab, SEGMENT, GUIDEWAY) as wire:
                before = fixture.guideway.stats()["fragments_waited"]
                first_at = order.index(0)
                for index in order[:first_at]:
                    wire.send(frames[index])
                wait_until(lambda: fixture.guideway.stats()["fragments_waited"] ==  # noqa: B023
                           before + first_at, "they wait")  # noqa: B023
                fixture.guideway.check_balance()
                for index in order[first_at:]:
                    wire.send(frames[index])
                assert asker.recv(65535).endswith(b" " + text)


def test_a_fragment_whose_first_is_lost(fixture):
    """Nothing else comes in meanwhile, and it is dropped all the same."""
    for family in FAMILIES:
        before = fixture.guideway.check_balance()["drops"]["fragment_timeout"]
        with sockets.packet(fixture.lab, SEGMENT, GUIDEWAY) as wire:
            wire.send(_pieces(fixture, family, 9, _content(1000, 1), 99)[1])
        wait_until(lambda: fixture.guideway.stats()["drops"]["fragment_timeout"] ==  # noqa: B023
                   before + 1, "it is dropped")  # noqa: B023


def test_policies(fixture):
    try:
        fixture.set_policy("drop")
        before = fixture.guideway.stats()["drops"]["fragment_policy"]
        for family in FAMILIES:
            with fixture.asker(family) as asker:
                _ask(asker, VIP[family], 20, 1)
                asker.sendto(bytes(4000), (VIP[family], UDP_PORT))
        wait_until(lambda: fixture.guideway.stats()["drops"]["fragment_policy"] == before + 6,
                   "three fragments of each are dropped")
        fixture.set_policy("hash3")
        for family in FAMILIES:
            names = set()
            for number in range(_DATAGRAMS):
                with fixture.asker(family) as asker:
                    names.add(_ask(asker, VIP[family], 4000, number))
            assert len(names) == 1, names  # one client, one VIP: one backend
    finally:
        fixture.set_policy("track")
    _long_datagrams(fixture, VIP)
