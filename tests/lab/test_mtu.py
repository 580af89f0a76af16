"""MTU 1500 everywhere, and tunnels that take some of it: clients learn, or packets are cut."""

import glob
import hashlib
import json
import os
import random
import re

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, CLIENT, CLIENT_GATEWAY, FAMILIES, TUNNEL_VIP, VIP

FIXTURES = [fixtures.SEGMENT, fixtures.TWO_PORT]
ONLY = {"test_a_vip_limits_the_segment_size": ["segment"]}
_IPERF_PORT = 5201
_UPLOAD_BYTES = 1_000_000
_MSS_LIMIT = 1000
_OVERHEAD = {("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 32, ("gue", 6): 52}
# What the kernel counts when it is told of a smaller MTU.
_TOLD = {4: "IcmpInDestUnreachs", 6: "Icmp6InPktTooBigs"}


class Fixture(fixtures.Running):
    def __init__(self, lab):
        config = configuration.tunnels(lab)
        config["pools"].append(configuration.pool(lab, "iperf", "ipip", backends=BACKENDS[:1]))
        config["vips"] += [{"name": f"iperf-{protocol}", "address": TUNNEL_VIP[4],
                            "port": _IPERF_PORT, "protocol": protocol, "pool": "iperf"}
                           for protocol in ("tcp", "udp")]
        super().__init__(lab, config)
        self.upload = f"{lab.directory}/upload"
        with open(self.upload, "wb") as file:
            file.write(random.Random(2).randbytes(_UPLOAD_BYTES))

    def forget_path_mtus(self):
        """The client knows nothing of the way to the VIPs: what it learned went with the route."""
        for family in FAMILIES:
            self.lab.network.ip(CLIENT, f"-{family}", "route", "del", "default")
            self.lab.network.route(CLIENT, "default", "via", CLIENT_GATEWAY[family])

    def path_mtu(self, vip):
        """What the client has learned, or None."""
        route = self.lab.execute(CLIENT, "ip", "route", "get", vip).stdout
        found = re.search(r"\bmtu (\d+)", route)
        return int(found.group(1)) if found else None

    def told(self, family):
        """How often the client's kernel was told of a smaller MTU."""
        done = self.lab.execute(CLIENT, "nstat", "-asz", "-j", _TOLD[family])
        return json.loads(done.stdout)["kernel"][_TOLD[family]]

    def uploaded(self):
        """SHA-256 of each body that nginx got, which are removed."""
        found = []
        for path in glob.glob(f"{self.lab.directory}/*-nginx/t1/*"):
            with open(path, "rb") as file:
                found.append(hashlib.sha256(file.read()).hexdigest())
            os.remove(path)
        return found


def _post(fixture, vip):
    """The name of the backend that has the whole file."""
    done = fixture.lab.execute(CLIENT, "curl", "-gsSf", "-m", 20, "--data-binary",
                               f"@{fixture.upload}", client.url(vip, "/upload"))
    with open(fixture.upload, "rb") as file:
        assert fixture.uploaded() == [hashlib.sha256(file.read()).hexdigest()]
    return done.stdout.strip()


def _post_case(fixture, encapsulation, outer):
    fixture.use_tunnels(outer, encapsulation)
    fixture.forget_path_mtus()
    for inner in FAMILIES:
        vip = TUNNEL_VIP[inner]
        assert fixture.path_mtu(vip) is None
        replies, told = fixture.guideway.stats()["too_big_replies"], fixture.told(inner)
        assert _post(fixture, vip) in BACKENDS
        assert fixture.path_mtu(vip) == 1500 - _OVERHEAD[encapsulation, outer]
        told_now = fixture.told(inner)
        assert told_now > told
        after = fixture.guideway.stats()
        assert after["too_big_replies"] - replies == told_now - told, (replies, after)
        # Who has learned needs to be told no more.
        assert _post(fixture, vip) in BACKENDS
        assert fixture.told(inner) == told_now


def test_a_large_post_over_ipip(fixture):
    for outer in FAMILIES:
        _post_case(fixture, "ipip", outer)


def test_a_large_post_over_gue(fixture):
    for outer in FAMILIES:
        _post_case(fixture, "gue", outer)


def test_a_large_post_by_mac_rewrite_needs_no_reply(fixture):
    before = fixture.guideway.stats()["too_big_replies"]
    for family in FAMILIES:
        assert _post(fixture, VIP[family]) in BACKENDS
    assert fixture.guideway.stats()["too_big_replies"] == before


def test_datagrams_without_df_arrive_in_fragments(fixture):
    """iperf3 with datagrams that fill the MTU, from a client that does no path MTU discovery."""
    fixture.forget_path_mtus()
    server = fixture.lab.process("iperf-server", BACKENDS[0], "iperf3", "-s", "-1", "-B",
                                 TUNNEL_VIP[4], "-p", _IPERF_PORT, "--forceflush")
    server.start(ready="Server listening")
    fixture.lab.network.sysctl(CLIENT, "net.ipv4.ip_no_pmtu_disc=1")
    before = fixture.guideway.stats()
    try:
        done = fixture.lab.execute(CLIENT, "iperf3", "-c", TUNNEL_VIP[4], "-p", _IPERF_PORT, "-u",
                                   "-l", 1472, "-b", "4M", "-n", 800_000, "-J")
    finally:
        fixture.lab.network.sysctl(CLIENT, "net.ipv4.ip_no_pmtu_disc=0")
        server.stop()
    after = fixture.guideway.check_balance()
    received = json.loads(done.stdout)["end"]["sum"]
    assert received["packets"] >= 500 and received["lost_packets"] == 0, received
    fragments = after["fragments_sent"] - before["fragments_sent"]
    assert fragments == 2 * received["packets"], (received, before, after)
    assert after["too_big_replies"] == before["too_big_replies"], (before, after)
    assert after["drops"] == before["drops"], (before, after)


def _backends_mss(fixture):
    """What backends' sockets send at most in one segment: of a download, by family."""
    downloads = [client.Download(fixture.lab, VIP[family]).start() for family in FAMILIES]
    found = {family: wait_until(lambda: _segment_size(fixture, family),  # noqa: B023
                                "a backend serves the download") for family in FAMILIES}
    for download in downloads:
        wait_until(download.ended, "the download ended", timeout_s=30)
        assert download.sha256() == fixture.backends.download_sha256
    return found


def _segment_size(fixture, family):
    """Of the connection with a VIP, or None."""
    pattern = re.compile(r"\bmss:(\d+)")
    address = f"[{VIP[family]}]" if family == 6 else VIP[family]
    for name in BACKENDS:
        sockets = fixture.lab.execute(name, "ss", "-Htin", "state", "established", "sport", "=",
                                      ":80", "src", address).stdout
        if pattern.search(sockets):
            return int(pattern.search(sockets).group(1))
    return None


def test_a_vip_limits_the_segment_size(fixture):
    def lowered():
        return fixture.guideway.stats()["mss_lowered"]

    before = lowered()
    assert min(_backends_mss(fixture).values()) > _MSS_LIMIT
    assert lowered() == before
    limited = [vip for vip in fixture.config["vips"] if vip["name"] in ("web4-http", "web6-http")]
    for vip in limited:
        vip["max_segment_size"] = _MSS_LIMIT
    fixture.guideway.apply(fixture.config)
    assert max(_backends_mss(fixture).values()) <= _MSS_LIMIT
    assert lowered() == before + len(FAMILIES)
    for vip in limited:
        del vip["max_segment_size"]
    fixture.guideway.apply(fixture.config)
