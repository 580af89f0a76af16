"""Either daemon is killed and restarted while connections run: none may notice."""

import signal

from lab import client, fixtures
from lab.process import wait_until
from lab.topology import VIP

FIXTURES = [fixtures.SEGMENT]


class Fixture(fixtures.Running):
    """The usual one, with downloads."""

    def start_download(self):
        download = client.Download(self.lab, VIP[4]).start()
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")
        return download

    def assert_byte_exact(self, download):
        wait_until(download.ended, "the download ended", timeout_s=60)
        assert download.sha256() == self.backends.download_sha256


def test_data_plane_killed_under_a_download(fixture):
    download = fixture.start_download()
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    assert download.running(), "the download ended before the restart was over"
    fixture.assert_byte_exact(download)
    assert client.http_requests(fixture.lab, VIP[4], 30).failed == 0


def test_data_plane_stopped_under_a_download(fixture):
    download = fixture.start_download()
    assert fixture.guideway.dataplane.stop() == 0
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    assert download.running(), "the download ended before the restart was over"
    fixture.assert_byte_exact(download)


def test_a_restarted_data_plane_finds_its_flows_again(fixture):
    """The download's backend is drained, so the Maglev table alone would send it elsewhere."""
    download = fixture.start_download()
    backend = fixture.serving()
    fixture.guideway.cli("backend", "drain", "web", backend)
    fixture.guideway.wait_in_step()
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    answers = client.http_requests(fixture.lab, VIP[4], 30)
    assert answers.failed == 0 and backend not in answers, (backend, answers)
    assert download.running(), "the download ended before the restart was over"
    fixture.assert_byte_exact(download)
    fixture.guideway.cli("backend", "enable", "web", backend)
    fixture.guideway.wait_in_step()


def test_control_plane_killed_under_a_download(fixture):
    """While it is away and when it is back nothing moves: no flow is missed or entered anew."""
    download = fixture.start_download()
    digest = fixture.guideway.json("pool", "show", "web")["table_digest"]
    before = fixture.guideway.stats()
    backend = fixture.serving()
    fixture.guideway.controlplane.kill()
    assert client.http_requests(fixture.lab, VIP[4], 30).failed == 0
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_in_step()
    after = fixture.guideway.stats()
    assert after["flow_misses"] - before["flow_misses"] == 30, (before, after)
    assert after["received_packets"] > before["received_packets"]
    assert fixture.serving() == backend
    assert fixture.guideway.json("pool", "show", "web")["table_digest"] == digest
    fixture.assert_byte_exact(download)


def test_a_change_by_the_cli_lasts_over_a_restart(fixture):
    fixture.guideway.cli("backend", "weight", "web", "b3", "7")
    fixture.guideway.controlplane.kill()
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_serving()
    assert fixture.guideway.backends("web")["b3"]["weight"] == 7
    fixture.guideway.cli("backend", "weight", "web", "b3", "100")
    fixture.guideway.wait_in_step()


def test_both_killed(fixture):
    """Data plane and control plane come back in either order."""
    for first, second in (("dataplane", "controlplane"), ("controlplane", "dataplane")):
        fixture.guideway.dataplane.kill()
        fixture.guideway.controlplane.kill()
        getattr(fixture.guideway, f"start_{first}")()
        getattr(fixture.guideway, f"start_{second}")()
        fixture.guideway.wait_serving()
        assert client.http_requests(fixture.lab, VIP[6], 20).failed == 0


def test_a_stopped_control_plane_ends_well(fixture):
    fixture.guideway.controlplane.signal(signal.SIGTERM)
    assert fixture.guideway.controlplane.stop() == 0
    assert client.http_requests(fixture.lab, VIP[4], 10).failed == 0
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_serving()
