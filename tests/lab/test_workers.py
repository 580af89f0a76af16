"""Two workers: each has its own queue of the interface, its own flows and its share of the load."""

import time

from lab import client, configuration, fixtures
from lab.guideway import DATAPLANE
from lab.process import wait_until
from lab.topology import FAMILIES, GUIDEWAY, TUNNEL_VIP, VIP

FIXTURES = [fixtures.TWO_QUEUES]
REQUESTS = 60


class Fixture(fixtures.Running):
    """Two workers on an interface with two queues, and the tunnel pools beside the L2 pool."""

    def __init__(self, lab):
        super().__init__(lab, configuration.tunnels(lab), workers=2)


def test_both_workers_forward(fixture):
    began = time.monotonic()
    before = fixture.guideway.stats()["workers"]
    for vips in (VIP, TUNNEL_VIP):
        for family in FAMILIES:
            answers = client.http_requests(fixture.lab, vips[family], REQUESTS)
            assert answers.failed == 0, answers
    after = fixture.guideway.stats()["workers"]
    assert len(after) == 2
    # The kernel spreads flows by a hash; a fifth of them for the lesser worker is far from nothing.
    forwarded = [int(late["forwarded_packets"]) - int(early["forwarded_packets"])
                 for early, late in zip(before, after)]
    assert min(forwarded) * 5 > sum(forwarded) / 2, forwarded
    # Packets take time, and there was much more time without any.
    busy_s = [(int(late["busy_ns"]) - int(early["busy_ns"])) / 1e9 for early, late in zip(before, after)]
    assert all(0 < busy < (time.monotonic() - began) / 2 for busy in busy_s), busy_s


def test_a_flow_stays_whichever_worker_has_it(fixture):
    for source_port in range(20001, 20009):
        answers = client.udp_requests(fixture.lab, VIP[4], 10, source_port=source_port)
        assert answers.failed == 0 and len(answers) == 1, answers


def test_flows_of_both_workers_survive_a_restart(fixture):
    downloads = [client.Download(fixture.lab, VIP[family]).start() for family in FAMILIES * 2]
    for download in downloads:
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")  # noqa: B023
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    assert all(download.running() for download in downloads), "a download ended too early"
    for download in downloads:
        wait_until(download.ended, "the download ended", timeout_s=60)  # noqa: B023
        assert download.sha256() == fixture.backends.download_sha256


def test_the_wrong_number_of_workers_is_refused(fixture):
    """Packets of a queue that nobody reads would be lost."""
    assert fixture.guideway.dataplane.stop() == 0
    done = fixture.lab.execute(
        GUIDEWAY, DATAPLANE, "--port=eth0", "--workers=1",
        f"--channel={fixture.lab.directory}/lonely.sock",
        f"--flow_table_directory={fixture.lab.directory}/lonely", "--flows=4096", check=False)
    assert done.returncode == 1, done
    assert "eth0 has 2 receive queue(s) and --workers=1" in done.stderr, done.stderr
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
