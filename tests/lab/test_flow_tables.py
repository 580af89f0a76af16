"""Known flows are kept whatever becomes of the workers, and until both sides have ended.

In each case the backend of some connections is drained first, so that the Maglev table alone would
send these elsewhere."""

import json
import os
import sys

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, CLIENT, FAMILIES, GUIDEWAY, SEGMENT, VIP

FIXTURES = [fixtures.TWO_QUEUES]
PORT, DELAY_S, ANSWER_BYTES = 7000, 5, 1_000_000
DOWNLOADS = 12
_LAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab")


class Fixture(fixtures.Running):
    """Two workers; flows that ended are forgotten soon."""

    def __init__(self, lab):
        config = configuration.l2(lab)
        config["flow_timeouts"] = {"closing": "2s"}
        config["vips"] += [{"name": f"half{family}", "address": VIP[family], "port": PORT,
                            "protocol": "tcp", "pool": "web"} for family in FAMILIES]
        super().__init__(lab, config, workers=2)
        for name in BACKENDS:
            server = lab.process(f"{name}-half-close", name, sys.executable,
                                 f"{_LAB}/half_close_server.py", name, PORT, DELAY_S, ANSWER_BYTES,
                                 *VIP.values())
            server.start(ready="ready")

    def steer(self, queue):
        """Sends all packets for the Guideway host to one queue; None: they are spread."""
        for other in (0, 1):
            mask = "0" if queue is None or other != queue else f"{(1 << os.cpu_count()) - 1:x}"
            self.lab.execute(SEGMENT, "sh", "-c", 'echo "$1" > "$2"', "steer", mask,
                             f"/sys/class/net/{GUIDEWAY}/queues/tx-{other}/xps_cpus")

    def restart_with(self, workers, *flags):
        self.guideway.dataplane.stop()
        self.lab.set_guideway_queues(workers)
        self.guideway.dataplane.start(ready="ready", timeout_s=30,
                                      more_arguments=(f"--workers={workers}", *flags))
        self.guideway.wait_in_step()

    def start_downloads(self):
        return client.SlowDownloads(self.lab, self.backends.slow_sha256, list(VIP.values()),
                                    DOWNLOADS).start()

    def connections(self, backend):
        """How many clients' connections a backend has."""
        sockets = self.lab.execute(backend, "ss", "-Htn", "state", "established", "sport", "=",
                                   ":80", "dst", "192.0.2.2", "or", "dst", "[2001:db8:c::2]",
                                   check=False).stdout
        return len([line for line in sockets.splitlines() if ":80 " in line])

    def drain_the_busiest(self):
        backend = max(BACKENDS, key=self.connections)
        assert self.connections(backend) > 0
        self.guideway.cli("backend", "drain", "web", backend)
        self.guideway.wait_in_step()
        return backend

    def enable(self, backend):
        self.guideway.cli("backend", "enable", "web", backend)
        self.guideway.wait_in_step()


def test_flows_go_on_when_their_packets_come_to_another_queue(fixture):
    fixture.steer(0)
    downloads = fixture.start_downloads()
    backend = fixture.drain_the_busiest()
    before = [int(worker["forwarded_packets"]) for worker in fixture.guideway.stats()["workers"]]
    fixture.steer(1)

    def taken_over():
        stats = fixture.guideway.stats()
        moved = int(stats["workers"][1]["forwarded_packets"]) - before[1]
        return moved > 0 and int(stats["flow_takeovers"]) >= DOWNLOADS
    wait_until(taken_over, "the other worker has the flows")
    # They count where they are, and not twice.
    wait_until(lambda: int(fixture.guideway.backends("web")[backend]["active_flows"])
               == fixture.connections(backend), "each flow counts once")
    fixture.steer(0)  # and back again
    assert downloads.running(), "the downloads were over too early"
    assert downloads.broken() == {}
    fixture.steer(None)
    fixture.enable(backend)


def test_flows_survive_other_numbers_of_workers_and_sizes_of_tables(fixture):
    downloads = fixture.start_downloads()
    backend = fixture.drain_the_busiest()
    fixture.restart_with(1)
    fixture.restart_with(2, "--flows=131072")
    assert downloads.running(), "the downloads were over too early"
    assert downloads.broken() == {}
    fixture.restart_with(2)
    fixture.enable(backend)


def test_a_half_closed_connection_gets_its_answer(fixture):
    process = fixture.lab.process("half-close-client", CLIENT, sys.executable,
                                  f"{_LAB}/half_close_client.py", PORT, DOWNLOADS, *VIP.values())
    process.start(ready="all shut:", timeout_s=20)
    names = process.log().splitlines()[0].split()[2:]
    backend = max(BACKENDS, key=names.count)
    fixture.guideway.cli("backend", "drain", "web", backend)
    fixture.guideway.wait_in_step()
    wait_until(lambda: not process.running(), "all connections ended", timeout_s=60)
    received = json.loads(process.log().splitlines()[-1])
    assert received == [ANSWER_BYTES] * DOWNLOADS, (backend, names, received)
    fixture.enable(backend)
