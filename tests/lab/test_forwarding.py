"""Forwarding end to end: MAC rewrite and tunnels, IPv4 and IPv6, TCP and UDP, one port and two."""

import itertools

from lab import client, configuration, fixtures, guideway
from lab.process import wait_until
from lab.replies import ReplyCounter
from lab.topology import BACKENDS, CLIENT, CLIENT_ADDRESS, FAMILIES, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_PORT]
_COUNT = 60
_FREE_PORTS = itertools.count(20000, _COUNT)


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab))
        self.replies = ReplyCounter(lab)


def _assert_spread(answers):
    assert answers.failed == 0, answers
    assert set(answers) == set(BACKENDS), answers
    assert min(answers.values()) >= _COUNT // 12, answers


def _assert_direct(fixture, before):
    assert fixture.replies.through_guideway() == 0
    assert fixture.replies.through_router() > before


def test_l2_tcp(fixture):
    for family in FAMILIES:
        before = fixture.replies.through_router()
        _assert_spread(client.http_requests(fixture.lab, VIP[family], _COUNT))
        _assert_direct(fixture, before)
        logged = [entry for backend in fixture.backends for entry in backend.logged()]
        assert sum(e[:2] == (CLIENT_ADDRESS[family], VIP[family]) for e in logged) == _COUNT


def test_l2_udp(fixture):
    for family in FAMILIES:
        before = fixture.replies.through_router()
        _assert_spread(client.udp_requests(fixture.lab, VIP[family], _COUNT))
        _assert_direct(fixture, before)


def test_l2_is_not_tunnelled(fixture):
    before = [backend.decapsulated() for backend in fixture.backends]
    assert client.http_requests(fixture.lab, VIP[4], 6).failed == 0
    assert [backend.decapsulated() for backend in fixture.backends] == before


def test_a_udp_flow_keeps_its_backend(fixture):
    for family in FAMILIES:
        answers = client.udp_requests(fixture.lab, VIP[family], 20, source_port=33333)
        assert answers.failed == 0 and len(answers) == 1, answers


def test_vip_counters(fixture):
    for family in FAMILIES:
        before = fixture.guideway.vip_stats(VIP[family], "udp")
        answers = client.udp_requests(fixture.lab, VIP[family], 40, step=1,
                                      source_port=_free_ports())
        assert answers.failed == 0
        after = fixture.guideway.vip_stats(VIP[family], "udp")
        grown = {name: after[name] - before[name] for name in ("packets", "new_flows", "drop_total")}
        assert grown == {"packets": 40, "new_flows": 40, "drop_total": 0}, (before, after)
        before = fixture.guideway.vip_stats(VIP[family], "tcp")
        assert client.http_requests(fixture.lab, VIP[family], 10).failed == 0
        after = fixture.guideway.vip_stats(VIP[family], "tcp")
        # Each flow's FIN and the ACKs after it belong to the flow that its SYN began.
        assert after["new_flows"] - before["new_flows"] == 10, (before, after)
    fixture.guideway.check_vip_sums()


def _free_ports():
    """The first of _COUNT client ports that no case has used yet."""
    return next(_FREE_PORTS)


def _tunnel_case(fixture, outer, inner, encapsulation="ipip", **details):
    kind = f"{encapsulation} {inner}in{outer}" if outer else f"{encapsulation} {inner}"
    fixture.use_tunnels(outer, encapsulation, **details)
    before = [backend.decapsulated() for backend in fixture.backends]
    replies = fixture.replies.through_router()
    _assert_spread(client.http_requests(fixture.lab, TUNNEL_VIP[inner], _COUNT))
    # Ports that no earlier case used: a UDP flow that is still known would keep its old tunnel.
    _assert_spread(client.udp_requests(fixture.lab, TUNNEL_VIP[inner], _COUNT, step=1,
                                       source_port=_free_ports()))
    _assert_direct(fixture, replies)
    for backend, old in zip(fixture.backends, before):
        new = backend.decapsulated()
        assert new[kind] > old[kind], (backend.name, old, new)
        assert {k: v for k, v in new.items() if k != kind} == \
            {k: v for k, v in old.items() if k != kind}, (backend.name, old, new)


def test_tunnel_4in4(fixture):
    _tunnel_case(fixture, outer=4, inner=4)


def test_tunnel_6in4(fixture):
    _tunnel_case(fixture, outer=4, inner=6)


def test_tunnel_4in6(fixture):
    _tunnel_case(fixture, outer=6, inner=4)


def test_tunnel_6in6(fixture):
    _tunnel_case(fixture, outer=6, inner=6)


def test_gre(fixture):
    for outer in FAMILIES:
        for inner in FAMILIES:
            _tunnel_case(fixture, outer, inner, "gre")


def test_gue(fixture):
    for outer in FAMILIES:
        for inner in FAMILIES:
            _tunnel_case(fixture, outer, inner, "gue", second_chance=outer == inner)


def test_l3dsr(fixture):
    for family in FAMILIES:
        _tunnel_case(fixture, None, family, "l3dsr")


def test_tunnels_from_a_source_prefix(fixture):
    """Backends take tunnels whose source addresses nobody has."""
    for outer, encapsulation in ((4, "gue"), (6, "ipip")):
        _tunnel_case(fixture, outer, 4, encapsulation, spread=True)


def test_a_fragmented_ping_is_a_counted_drop(fixture):
    before = fixture.guideway.stats()["drops"]
    for family in FAMILIES:
        done = fixture.lab.execute(CLIENT, "ping", "-c", "1", "-W", "1", "-s", "3000", VIP[family],
                                   check=False)
        assert done.returncode == 1, done.stdout
    after = fixture.guideway.stats()["drops"]
    assert after["icmp_bad"] >= before["icmp_bad"] + 4, (before, after)


def test_ping(fixture):
    """The VIP answers, to odd sizes, too, and with a TTL of its own."""
    before = fixture.guideway.stats()
    for vip in (VIP[4], VIP[6], TUNNEL_VIP[4], TUNNEL_VIP[6]):
        for size in ("8", "56", "777"):
            done = fixture.lab.execute(CLIENT, "ping", "-c", "3", "-i", "0.05", "-W", "2", "-s",
                                       size, vip)
            assert " 3 received, 0% packet loss" in done.stdout, done.stdout
            assert "ttl=63" in done.stdout, done.stdout  # one router in between
    after = fixture.guideway.check_balance()
    assert after["answered_packets"] == before["answered_packets"] + 36, (before, after)
    assert after["drops"] == before["drops"], (before, after)


def test_an_echo_request_may_end_at_the_vip(fixture):
    """As the last one of a traceroute does: what is answered goes no further."""
    for family in FAMILIES:
        done = fixture.lab.execute(CLIENT, "ping", "-c", "1", "-W", "2", "-t", "2", VIP[family])
        assert " 1 received" in done.stdout, done.stdout


def test_a_download_through_either_family(fixture):
    for family in FAMILIES:
        download = client.Download(fixture.lab, VIP[family]).start()
        wait_until(download.ended, "the download ended", timeout_s=30)
        assert download.sha256() == fixture.backends.download_sha256


def test_an_idle_worker_sleeps(fixture):
    """--idle=adaptive: without traffic the data plane takes a part of one CPU only."""
    fixture.guideway.check_balance()
    pid = fixture.guideway.dataplane.pid
    begin = guideway.processor_time_s(pid)
    done = fixture.lab.execute(CLIENT, "sleep", "1")  # the span that is measured
    assert done.returncode == 0
    assert guideway.processor_time_s(pid) - begin < 0.5
