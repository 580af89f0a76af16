"""Backends that are removed and finish flows that take longer than any timer of a removal might."""

import time

from lab import client, configuration, fixtures
from lab.topology import VIP

FIXTURES = [fixtures.SEGMENT]
_REMOVED_FOR_S = 330


class Fixture(fixtures.Probed):
    """The usual one."""


def test_downloads_outlast_their_backends_removal_by_minutes(fixture):
    """Also those of a backend that came back under another name, and over a restart of either daemon."""
    config = configuration.l2(fixture.lab)
    config["flow_timeouts"] = {"established": "2m"}
    fixture.guideway.apply(config)
    downloads = fixture.downloads(12, "/endless/slow")
    backends = config["pools"][0]["backends"]
    config["pools"][0]["backends"] = [backends[2], {**backends[1], "name": "b2-again"}]
    fixture.guideway.apply(config)
    removed = time.monotonic()
    fixture.guideway.controlplane.kill()
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_in_step()
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    assert set(client.http_requests(fixture.lab, VIP[4], 30)) == {"b2", "b3"}
    broken = downloads.broken(timeout_s=450)
    assert not broken, broken
    assert time.monotonic() - removed > _REMOVED_FOR_S, "the downloads were too short to show it"
