"""Backends that cannot be reached, neighbours and routes that change, backends that are removed."""

import time

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, GUIDEWAY, SEGMENT, VIP

FIXTURES = [fixtures.SEGMENT]
_NOBODY = "198.51.100.99"  # on the segment


class Fixture(fixtures.Running):
    """The usual one."""

    def ip(self, *arguments):
        return self.lab.network.ip(GUIDEWAY, *arguments)

    def answered(self, count=30, vip=VIP[4]):
        answers = client.http_requests(self.lab, vip, count)
        assert answers.failed == 0, answers
        return set(answers)

    def wait_share(self, backend, share, timeout_s):
        wait_until(lambda: self.guideway.backends("web")[backend]["share"] == share,
                   f"{backend} has share {share}", timeout_s)
        self.guideway.wait_in_step()

    def udp_from(self, port, timeout_s=0.5):
        """Who answers a question from this port; None: nobody."""
        answers = client.udp_requests(self.lab, VIP[4], 1, source_port=port, timeout_s=timeout_s)
        return next(iter(answers), None)


def test_an_l2_backend_behind_the_router(fixture):
    """Its probes are fine, its packets could not get there: no share, and it is named."""
    address = fixture.lab.backend_address("b3")
    fixture.ip("route", "add", f"{address}/32", "via", "198.51.100.1")
    fixture.wait_share("b3", 0, timeout_s=3)
    b3 = fixture.guideway.backends("web")["b3"]
    assert b3["unreachable"] and "l2 cannot reach it" in b3["next_hop"], b3
    assert fixture.answered(60) == {"b1", "b2"}
    said = fixture.guideway.cli("status", check=False).stdout
    assert "NOT WELL" in said and "b3 (198.51.100.23 is not on a segment" in said, said
    assert "3 of 3" not in said, said
    config = configuration.l2(fixture.lab)
    config["pools"][0]["backends"][0]["weight"] = 50
    fixture.guideway.write_config(config)
    done = fixture.guideway.cli("apply", "-f", fixture.guideway.config_path)
    assert "warning: pool web: backend b3 cannot be reached" in done.stdout, done.stdout
    fixture.ip("route", "del", f"{address}/32")
    fixture.guideway.apply(configuration.l2(fixture.lab))
    assert fixture.answered(60) == {"b1", "b2", "b3"}


def test_the_hosts_own_address(fixture):
    own = fixture.lab.guideway_address()
    done = fixture.guideway.cli("backend", "add", "web", "self", own)
    assert f"{own}: is an address of this host" in done.stdout, done.stdout
    assert fixture.guideway.backends("web")["self"]["share"] == 0
    assert "self" not in fixture.answered(60)
    fixture.guideway.cli("backend", "remove", "web", "self")
    config = configuration.l2(fixture.lab)
    config["pools"][0]["backends"].append({"name": "self", "address": own})
    config["pools"][0]["backends"].append({"name": "far", "address": "192.0.2.77"})
    fixture.guideway.write_config(config)
    done = fixture.guideway.cli("check", fixture.guideway.config_path)
    assert f"backend self: {own} is an address of this host" in done.stdout, done.stdout
    assert "backend far: 192.0.2.77 is not on a segment of this host" in done.stdout, done.stdout
    fixture.guideway.apply(configuration.l2(fixture.lab))


def test_flushed_neighbours_lose_nothing(fixture):
    before = fixture.guideway.stats()["drops"].get("no_next_hop", 0)
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        for _ in range(20):
            # It says that it is not complete when the kernel has asked again meanwhile.
            fixture.lab.execute(GUIDEWAY, "ip", "neigh", "flush", "dev", "eth0", check=False)
            fixture.guideway.status()  # as long as the control plane takes to hear of it
        load.stop()
    assert fixture.guideway.stats()["drops"].get("no_next_hop", 0) == before


def test_a_dead_gateway_of_a_multipath_route(fixture):
    """By tunnels to backends behind two gateways, one of which does not exist."""
    config = configuration.l2(fixture.lab, probe=None)
    config["pools"][0]["encapsulation"] = "ipip"
    routes = [f"{fixture.lab.backend_address(name)}/32" for name in ("b1", "b2", "b3")]
    for route in routes:
        fixture.ip("route", "add", route, "nexthop", "via", "198.51.100.1", "nexthop", "via",
                   _NOBODY, "weight", "3")
    fixture.guideway.apply(config)  # waits until all have a next hop
    assert fixture.answered(60) == {"b1", "b2", "b3"}
    for route in routes:
        fixture.ip("route", "del", route)
    fixture.guideway.apply(configuration.l2(fixture.lab))


def _plug_in(fixture, backend):
    fixture.lab.network.ip(backend, "link", "set", "eth0", "up")
    for family, gateway in ((4, "198.51.100.1"), (6, "2001:db8:5::1")):
        if family == 6:  # goes with the link
            fixture.lab.network.ip(backend, "addr", "replace",
                                   f"{fixture.lab.backend_address(backend, 6)}/64", "dev", "eth0")
        fixture.lab.network.ip(backend, "route", "replace", "default", "via", gateway)


def _remove_and_unplug(fixture, port):
    """A UDP client's backend is removed, and dies; returns how long the client has no answer."""
    serving = fixture.udp_from(port)
    assert serving is not None
    fixture.guideway.cli("backend", "remove", "web", serving)
    fixture.guideway.wait_in_step()
    assert fixture.udp_from(port) == serving, "a removed backend keeps its flows"
    fixture.lab.network.ip(serving, "link", "set", "eth0", "down")
    dead_since = time.monotonic()
    wait_until(lambda: fixture.udp_from(port) not in (None, serving), "another backend answers",
               timeout_s=20, poll_s=0.1)
    took = time.monotonic() - dead_since
    _plug_in(fixture, serving)
    return took


def test_a_removed_backend_that_dies_is_left(fixture):
    """By its probes, which go on."""
    assert _remove_and_unplug(fixture, 40001) < 10
    fixture.guideway.apply(configuration.l2(fixture.lab))


def test_a_removed_backend_without_a_probe_that_dies_is_left(fixture):
    """By its neighbour, which is asked as long as it has flows."""
    fixture.guideway.apply(configuration.l2(fixture.lab, probe=None))
    assert _remove_and_unplug(fixture, 40002) < 10
    fixture.guideway.apply(configuration.l2(fixture.lab))


def test_a_removed_pool_is_probed_after_a_restart(fixture):
    """Its backend is behind the router, so that nothing but a probe tells that it has died."""
    lab, guideway = fixture.lab, fixture.guideway
    outer = [f"{lab.backend_address(name)}/32" for name in ("b1", "b2", "b3")]
    for address in outer:
        fixture.ip("route", "add", address, "via", "198.51.100.1")
    config = configuration.l2(lab)
    probe = configuration.PROBE
    blue = configuration.pool(lab, "blue", "ipip", backends=("b1",), probe=probe)
    config["pools"] = [blue, configuration.pool(lab, "green", "ipip", backends=("b2", "b3"), probe=probe)]
    for vip in config["vips"]:
        vip["pool"] = "blue"
    guideway.apply(config)
    assert fixture.udp_from(40003) == "b1"
    config["pools"].remove(blue)
    for vip in config["vips"]:
        vip["pool"] = "green"
    guideway.apply(config)
    guideway.controlplane.stop()
    guideway.start_controlplane()
    guideway.wait_in_step()
    assert fixture.udp_from(40003) == "b1", "a removed backend keeps its flows"
    lab.network.ip("b1", "link", "set", "eth0", "down")
    wait_until(lambda: fixture.udp_from(40003) in ("b2", "b3"), "another backend answers",
               timeout_s=20, poll_s=0.1)
    _plug_in(fixture, "b1")
    for address in outer:
        fixture.ip("route", "del", address, "via", "198.51.100.1")
    guideway.apply(configuration.l2(lab))
    guideway.controlplane.stop()  # FILE is to be what was loaded last
    guideway.start_controlplane()
    guideway.wait_serving()


def test_an_outage_of_all_moves_nothing(fixture):
    """The switch restarts, and its ports come back one after the other. Without probes: with them,
    what fails at once is kept for as long as that goes on."""
    def unreachable(name):
        return fixture.guideway.backends("web")[name].get("unreachable", False)

    def ask():
        return [fixture.udp_from(port, timeout_s=0.2) for port in range(41000, 41010)]

    fixture.guideway.apply(configuration.l2(fixture.lab, probe=None))
    before = ask()
    assert set(before) == set(BACKENDS)
    for name in BACKENDS:
        fixture.lab.network.ip(SEGMENT, "link", "set", name, "down")
    for name in BACKENDS:
        wait_until(lambda name=name: unreachable(name), f"{name} cannot be reached", timeout_s=30)
    for _ in range(3):  # for longer than known flows of who is lost alone would stay
        assert set(ask()) == {None}
    for name in BACKENDS:
        fixture.lab.network.ip(SEGMENT, "link", "set", name, "up")
        wait_until(lambda name=name: not unreachable(name), f"{name} can be reached", timeout_s=30)
        fixture.guideway.wait_in_step()
        ask()
    assert ask() == before
    fixture.guideway.apply(configuration.l2(fixture.lab))


def test_a_backend_without_a_probe_that_dies_gets_nothing(fixture):
    fixture.guideway.apply(configuration.l2(fixture.lab, probe=None))
    assert fixture.answered(60) == {"b1", "b2", "b3"}
    fixture.lab.network.ip("b3", "link", "set", "eth0", "down")
    fixture.wait_share("b3", 0, timeout_s=15)
    assert fixture.answered(30, VIP[4]) == {"b1", "b2"}
    _plug_in(fixture, "b3")
    fixture.guideway.apply(configuration.l2(fixture.lab))


def test_a_backend_that_moves_keeps_its_connections(fixture):
    """Removed with a download running, and back under another name in another pool."""
    download = client.Download(fixture.lab, VIP[4]).start()
    wait_until(lambda: download.bytes_so_far() > 0, "the download began")
    serving = fixture.serving()
    fixture.guideway.cli("backend", "remove", "web", serving)
    fixture.guideway.cli("pool", "create", "other")
    fixture.guideway.cli("backend", "add", "other", "moved",
                         fixture.lab.backend_address(serving))
    fixture.guideway.wait_in_step()
    fixture.guideway.controlplane.stop()
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_in_step()
    assert download.running(), "the download ended before the backend had moved"
    wait_until(lambda: fixture.guideway.backends("other")["moved"]["active_flows"] > 0,
               "its flows are counted under the new name")
    wait_until(download.ended, "the download ended", timeout_s=60)
    assert download.sha256() == fixture.backends.download_sha256
    fixture.guideway.apply(configuration.l2(fixture.lab))
