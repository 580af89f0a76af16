"""`guideway explain` names the backend that a real connection goes to, and why."""

from lab import client, fixtures
from lab.process import wait_until
from lab.topology import CLIENT, CLIENT_ADDRESS, FAMILIES, VIP

FIXTURES = [fixtures.TWO_QUEUES]
_PORTS = {4: range(42000, 42012), 6: range(44000, 44012)}  # none is used twice


class Fixture(fixtures.Running):
    def __init__(self, lab):
        super().__init__(lab, workers=2)

    def explain(self, family, source_port, protocol="tcp", port=80):
        def endpoint(address, number):
            return f"[{address}]:{number}" if family == 6 else f"{address}:{number}"
        return self.guideway.json("explain", protocol,
                                  endpoint(CLIENT_ADDRESS[family], source_port),
                                  endpoint(VIP[family], port))

    def answered_by(self, family, source_port):
        """Who answers a connection from this port."""
        done = self.lab.execute(CLIENT, "curl", "-gsSf", "-m", 3, "--local-port", source_port,
                                client.url(VIP[family]))
        return done.stdout.strip()

    def download_port(self):
        """The client's port of the only running download."""
        def found():
            lines = self.lab.execute(CLIENT, "ss", "-Htn", "state", "established", "dport", "=",
                                     ":80", "dst", VIP[4]).stdout.splitlines()
            return int(lines[0].split()[2].rpartition(":")[2]) if lines else None
        return wait_until(found, "the download's socket")


def test_new_connections(fixture):
    """What explain says before a connection is where it goes, and what explain says after it."""
    seen = set()
    for family in FAMILIES:
        for port in _PORTS[family]:
            before = fixture.explain(family, port)
            assert not before["entries"], before
            assert before["decided_by"] == f"slot {before['slot']}", before
            assert before["current"]["name"] == before["owner"]["name"], before
            name = fixture.answered_by(family, port)
            assert name == before["owner"]["name"], (name, before)
            after = fixture.explain(family, port)
            assert after["owner"]["name"] == name, after
            (entry,) = after["entries"]
            assert entry["owner"]["name"] == name and entry["holds"], after
            assert entry["state"] in ("established", "half-closed"), after
            assert entry["idle_ms"] <= 15000, after
            assert after["decided_by"] == f"the flow table of worker {entry['worker']}", after
            seen.add(name)
    assert len(seen) > 1, seen


def test_drain(fixture):
    """A drained backend's connection stays with it by the flow table; new ones go by the slot."""
    download = client.Download(fixture.lab, VIP[4]).start()
    wait_until(lambda: download.bytes_so_far() > 0, "the download began")
    serving = fixture.serving()
    port = fixture.download_port()
    before = fixture.explain(4, port)
    assert before["owner"]["name"] == serving, before
    fixture.guideway.cli("backend", "drain", "web", serving)
    fixture.guideway.wait_in_step()
    during = fixture.explain(4, port)
    assert during["owner"]["name"] == serving, during
    assert during["owner"]["state"] == "drained", during
    assert during["decided_by"].startswith("the flow table of worker "), during
    if before["current"]["name"] == serving:
        assert during["current"]["name"] != serving, during
        assert during["previous"]["name"] == serving, during
    for new_port in range(46000, 46008):
        said = fixture.explain(4, new_port)["owner"]["name"]
        assert said != serving
        assert fixture.answered_by(4, new_port) == said
    wait_until(download.ended, "the download ended", timeout_s=30)
    assert download.sha256() == fixture.backends.download_sha256
    fixture.guideway.cli("backend", "enable", "web", serving)
    fixture.guideway.wait_in_step()


def test_what_no_vip_takes(fixture):
    assert fixture.explain(4, 42000, port=81)["vip"] is None
    text = fixture.guideway.cli("explain", "tcp", "192.0.2.77:1", "198.51.100.200:1").stdout
    assert "none takes it: its packets go to the kernel" in text, text
