"""VLAN tags on the wire: those that packets come with, and the next hop's.

The kernels that these tests run on may have no VLAN interfaces, so the tests write and read the tags.
"""

import select
import socket
import struct
import warnings

from lab import fixtures, sockets
from lab.backends import UDP_PORT
from lab.process import LabError
from lab.topology import CLIENT, CLIENT_ADDRESS, FAMILIES, GUIDEWAY, SEGMENT, VIP

warnings.filterwarnings("ignore")  # scapy's, about the machine's crypto libraries
# pylint: disable=wrong-import-position  (the line above comes first)
from scapy.all import Dot1Q, Ether, IP, IPv6, Raw, UDP

FIXTURES = [fixtures.SEGMENT]
_ROUTER_MAC = "02:00:00:00:00:99"
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_AUXDATA, _VLAN_VALID = 263, 8, 0x10
_AUXDATA = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata
_TIMEOUT_S = 3


class Fixture(fixtures.Running):
    def mac(self, host):
        return self.lab.network.ip(host, "-o", "link", "show", "eth0").stdout.split(
            "link/ether ")[1].split()[0]

    def set_gateway(self, gateway):
        self.config["ports"] = [{"name": "eth0", "static_gateway": gateway}]
        self.guideway.apply(self.config)


def _question(family, source_port, text):
    layer = IP if family == 4 else IPv6
    return layer(src=CLIENT_ADDRESS[family], dst=VIP[family]) / UDP(
        sport=source_port, dport=UDP_PORT) / Raw(text)


def _assert_answered(asker, text):
    answer = asker.recv(65535)
    assert answer.endswith(b" " + text), answer


def test_tagged_packets_are_forwarded(fixture):
    """With one tag and with two, as if from a trunk port of the switch."""
    port = 24000
    for family in FAMILIES:
        for tags in ((5,), (5, 6)):
            port += 1
            frame = Ether(src=_ROUTER_MAC, dst=fixture.mac(GUIDEWAY),
                          type=0x88A8 if len(tags) == 2 else 0x8100)
            for tag in tags:
                frame = frame / Dot1Q(vlan=tag)
            text = b"tagged %d times" % len(tags)
            with sockets.udp(fixture.lab, CLIENT, CLIENT_ADDRESS[family], port, _TIMEOUT_S) as asker:
                with sockets.packet(fixture.lab, SEGMENT, GUIDEWAY) as wire:
                    wire.send(bytes(frame / _question(family, port, text)))
                _assert_answered(asker, text)


def _receive_tagged(wire):
    """(VLAN or None, frame without its tag) of the next frame."""
    if not select.select([wire], [], [], _TIMEOUT_S)[0]:
        raise LabError("no frame with the question has come")
    frame, ancillary, _, _ = wire.recvmsg(65535, socket.CMSG_SPACE(_AUXDATA.size))
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, control, _ = _AUXDATA.unpack(data[:_AUXDATA.size])
            return control if status & _VLAN_VALID else None, frame
    raise LabError("the kernel says nothing of tags")


def test_the_next_hop_is_on_a_vlan(fixture):
    gateway = fixture.mac("b1")
    fixture.set_gateway({"mac": gateway, "vlan": 77})
    port = 24100
    for family in FAMILIES:
        port += 1
        text = b"to VLAN 77"
        with sockets.udp(fixture.lab, CLIENT, CLIENT_ADDRESS[family], port, _TIMEOUT_S) as asker, \
                sockets.packet(fixture.lab, SEGMENT, GUIDEWAY) as wire:
            wire.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            wire.bind((GUIDEWAY, _ETH_P_ALL))
            asker.sendto(text, (VIP[family], UDP_PORT))
            vlan, frame = _receive_tagged(wire)
            while not frame.endswith(text) or frame[:6] != bytes.fromhex(gateway.replace(":", "")):
                vlan, frame = _receive_tagged(wire)
            assert vlan == 77, (vlan, frame)
            # What a switch does: the tag off, and on to who is on that VLAN.
            with sockets.packet(fixture.lab, SEGMENT, "b1") as backend:
                backend.send(frame)
            _assert_answered(asker, text)


def test_no_vlan_no_tag(fixture):
    fixture.set_gateway({"mac": fixture.mac("b1")})
    with sockets.udp(fixture.lab, CLIENT, CLIENT_ADDRESS[4], 24200, _TIMEOUT_S) as asker:
        asker.sendto(b"untagged", (VIP[4], UDP_PORT))
        _assert_answered(asker, b"untagged")
