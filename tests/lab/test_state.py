"""What is kept on disk: damage and wrong input cost no connection and no service, and no counter falls."""

import re
import signal

from lab import client, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, GUIDEWAY, VIP

FIXTURES = [fixtures.SEGMENT]
DOWNLOADS = 12
# Of the control plane's own doings: they begin with it, as guideway_start_time_seconds says.
_OF_THE_PROCESS = ("guideway_backend_probes_total", "guideway_pool_probes_total", "guideway_pool_probe_duration",
                   "guideway_channel_response_seconds", "guideway_loop_work_seconds_total")


class Fixture(fixtures.Running):
    """The usual one, with a hand on the state directory."""

    def problems(self):
        return self.guideway.cli("status", check=False).stdout

    def flip_a_bit(self, name):
        path = f"{self.lab.directory}/state/{name}"
        with open(path, "r+b") as file:
            content = bytearray(file.read())
            # In the incarnation of the first index that is in use.
            at = content.index(b"used 0 ") + len(b"used 0 ")
            content[at] ^= 1
            file.seek(0)
            file.write(content)
        return path

    def counters(self):
        """{series: value} of all counters and histograms that count packets, flows and the like."""
        text = self.lab.execute(GUIDEWAY, "curl", "-sSf", "http://127.0.0.1:9487/metrics").stdout
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        counted = {}
        for name, value in re.findall(r"^(guideway_[^ ]+) (\S+)$", text, re.MULTILINE):
            family = name.split("{")[0]
            if kinds.get(family) == "counter" and not family.startswith(_OF_THE_PROCESS):
                counted[name] = float(value)
        return counted


def test_a_flipped_bit_resets_no_connection_of_a_drained_backend(fixture):
    downloads = client.SlowDownloads(fixture.lab, fixture.backends.slow_sha256, [VIP[4], VIP[6]], DOWNLOADS).start()
    for backend in BACKENDS[:2]:
        fixture.guideway.cli("backend", "drain", "web", backend)
    fixture.guideway.wait_in_step()
    fixture.guideway.controlplane.kill()
    path = fixture.flip_a_bit("backend-indices")
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_in_step()
    assert downloads.running(), "the downloads ended before the restart was over"
    problems = fixture.problems()
    assert downloads.broken() == {}
    assert f"{path}: " in problems, problems
    for backend in BACKENDS[:2]:
        fixture.guideway.cli("backend", "enable", "web", backend)
    fixture.guideway.wait_in_step()


def test_half_a_file_after_a_reboot(fixture):
    fixture.guideway.cli("backend", "weight", "web", "b3", "7")
    fixture.guideway.dataplane.kill()
    fixture.guideway.controlplane.kill()
    with open(fixture.guideway.config_path, encoding="ascii") as file:
        whole = file.read()
    with open(fixture.guideway.config_path, "w", encoding="ascii") as file:
        file.write(whole[:len(whole) // 2])
    fixture.guideway.start_dataplane()
    fixture.guideway.start_controlplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0
    assert fixture.guideway.backends("web")["b3"]["weight"] == 7
    assert f"{fixture.guideway.config_path}:" in fixture.problems()
    with open(fixture.guideway.config_path, "w", encoding="ascii") as file:
        file.write(whole)
    fixture.guideway.controlplane.signal(signal.SIGHUP)
    wait_until(lambda: fixture.guideway.backends("web")["b3"]["weight"] == 100, "the file is in force")
    assert f"{fixture.guideway.config_path}:" not in fixture.problems()


def test_no_counter_falls_over_changes_and_a_restart(fixture):
    seen = {}

    def look(what):
        for name, value in fixture.counters().items():
            assert value >= seen.get(name, 0), (what, name, seen[name], value)
            seen[name] = value

    def requests():
        for vip in (VIP[4], VIP[6]):
            assert client.http_requests(fixture.lab, vip, 10).failed == 0
        wait_until(lambda: fixture.counters().get('guideway_vip_new_flows_total{vip="web6-http"}', 0) >
                   seen.get('guideway_vip_new_flows_total{vip="web6-http"}', 0), "the requests are counted")

    requests()
    look("before")
    first, *others = fixture.config["vips"]
    for vips, what in ((others, "the first VIP is gone"), ([*reversed(others), first], "it is back, in another order")):
        fixture.guideway.apply({**fixture.config, "vips": vips})
        look(what)
        fixture.guideway.controlplane.kill()
        fixture.guideway.start_controlplane()
        look(f"{what}, the control plane has been started")
        fixture.guideway.wait_serving()
        look(f"{what}, and its tables are in force")
    requests()
    look("in the end")
    assert seen['guideway_vip_new_flows_total{vip="web4-http"}'] >= 20
    fixture.guideway.apply(fixture.config)
