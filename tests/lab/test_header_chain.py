"""IPv6 extension headers and IPv4 options from the client's own kernel, on every packet."""

import socket

from lab import configuration, fixtures, sockets
from lab.topology import BACKENDS, CLIENT, CLIENT_ADDRESS, FAMILIES, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_QUEUES]
_PORT = 9100
_TIMEOUT_S = 5
# Linux's numbers; Python names not all of them.
_HOP_BY_HOP, _DESTINATION = 54, 59
_RECEIVE_HOP_BY_HOP, _RECEIVE_DESTINATION = 53, 58
_PAD_6 = b"\x01\x04" + bytes(4)
_SHORT = b"\0\0" + _PAD_6
_LONG = b"\0\x07\x1e\x3c" + bytes(60)  # an option for experiments (RFC 4727): skipped if unknown
_NO_OPERATIONS = b"\x01" * 40  # the longest options that IPv4 has


class Fixture(fixtures.Running):
    """The usual VIPs, and on a port of their own UDP servers that see what headers arrive."""

    def __init__(self, lab):
        config = configuration.tunnels(lab)
        self.seen = [(VIP, "web"), (TUNNEL_VIP, "tunnel4")]
        config["vips"] += [{"name": f"seen-{pool}{family}", "address": vips[family], "port": _PORT,
                            "protocol": "udp", "pool": pool}
                           for vips, pool in self.seen for family in FAMILIES]
        super().__init__(lab, config, workers=lab.queues)


def _with_headers(made, family, headers):
    if family == 4:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, _NO_OPERATIONS)
        return made
    for option, header in headers:
        made.setsockopt(socket.IPPROTO_IPV6, option, header)
    return made


def _servers(fixture, vip):
    servers = []
    for backend in BACKENDS:
        made = sockets.udp(fixture.lab, backend, vip, _PORT, _TIMEOUT_S)
        made.setblocking(False)
        if ":" in vip:
            for option in (_RECEIVE_HOP_BY_HOP, _RECEIVE_DESTINATION):
                made.setsockopt(socket.IPPROTO_IPV6, option, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVOPTS, 1)
        servers.append(made)
    return servers


def _what_arrives(fixture, vip, family, headers):
    """Sends one datagram; the ancillary data of the one backend that gets it, and its answer."""
    servers = _servers(fixture, vip)
    asker = _with_headers(sockets.udp(fixture.lab, CLIENT, CLIENT_ADDRESS[family], 0, _TIMEOUT_S),
                          family, headers)
    asker.sendto(b"question", (vip, _PORT))
    server = sockets.first_readable(servers, _TIMEOUT_S)
    question, ancillary, _, address = server.recvmsg(100, 1000)
    server.sendto(b"answer to " + question, address)
    assert asker.recv(100) == b"answer to question"
    for made in (*servers, asker):
        made.close()
    return {kind: data for _, kind, data in ancillary}


def test_datagrams_arrive_with_their_extension_headers(fixture):
    for vips, _ in fixture.seen:
        for headers in ([(_HOP_BY_HOP, _SHORT)], [(_DESTINATION, _LONG)],
                        [(_HOP_BY_HOP, _LONG), (_DESTINATION, _SHORT)]):
            # The kernel fills in which header is next: UDP behind the last one.
            arrived = _what_arrives(fixture, vips[6], 6, headers)
            assert {kind: data[1:] for kind, data in arrived.items()} == {
                kind: header[1:] for kind, header in headers}, (headers, arrived)


def test_datagrams_arrive_with_their_options(fixture):
    for vips, _ in fixture.seen:
        arrived = _what_arrives(fixture, vips[4], 4, [])
        assert arrived == {socket.IP_RECVOPTS: _NO_OPERATIONS}, arrived


def _http_get(fixture, vip, family):
    made = _with_headers(sockets.tcp(fixture.lab, CLIENT, family, _TIMEOUT_S), family,
                         [(_HOP_BY_HOP, _SHORT), (_DESTINATION, _LONG)])
    with made:
        made.connect((vip, 80))
        made.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := made.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body.decode().strip()


def test_connections_with_headers_on_every_packet(fixture):
    before = fixture.guideway.stats()
    for vips, _ in fixture.seen:
        for family in FAMILIES:
            # All three but once in ten million times.
            assert {_http_get(fixture, vips[family], family) for _ in range(40)} == set(BACKENDS)
    after = fixture.guideway.check_balance()
    assert after["forwarded_packets"] >= before["forwarded_packets"] + 4 * 40 * 4, (before, after)
    assert after["drops"] == before["drops"], (before, after)
