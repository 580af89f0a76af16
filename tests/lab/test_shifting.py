"""Shifting traffic under load: blue/green, a drain's wait and end, backups, slow start."""

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import VIP

FIXTURES = [fixtures.SEGMENT]
_BLUE, _GREEN = ("b1", "b2"), ("b3",)


class Fixture(fixtures.Running):
    """VIPs in front of pool blue, by MAC rewrite; pool green waits at the end of tunnels."""

    def __init__(self, lab):
        config = configuration.l2(lab, backends=_BLUE)
        config["pools"] = [
            configuration.pool(lab, "blue", backends=_BLUE, probe=configuration.PROBE),
            configuration.pool(lab, "green", "ipip", backends=_GREEN, probe=configuration.PROBE)]
        for vip in config["vips"]:
            vip["pool"] = "blue"
        # A connection that has ended counts for so long when a drain waits for it.
        config["flow_timeouts"] = {"half_closed": "10s"}
        super().__init__(lab, config)

    def switch(self, pool):
        self.guideway.cli("vip", "switch", "web4-http", pool, "--also", "web6-http",
                          "--also", "web4-echo", "--also", "web6-echo")
        self.guideway.wait_in_step()

    def answered_by(self, vip=VIP[4], count=40):
        answers = client.http_requests(self.lab, vip, count)
        assert answers.failed == 0, answers
        return set(answers)

    def download(self):
        """A running one, and the backend that serves it. No other connection may run."""
        download = client.Download(self.lab, VIP[4]).start()
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")
        return download, self.serving()

    def finish(self, download):
        wait_until(download.ended, "the download ended", timeout_s=30)
        assert download.sha256() == self.backends.download_sha256


def test_blue_green_and_back(fixture):
    """New connections go to the other pool at once, running ones stay and lose nothing."""
    on_blue, serving = fixture.download()
    assert serving in _BLUE
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        fixture.switch("green")
        assert on_blue.running(), "the download ended before the switch was over"
        assert fixture.answered_by() == set(_GREEN)
        assert fixture.answered_by(VIP[6]) == set(_GREEN)
        fixture.finish(on_blue)
        assert set(load.stop()) == set(_BLUE + _GREEN)
    on_green, serving = fixture.download()
    assert serving in _GREEN
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        fixture.switch("blue")
        assert on_green.running(), "the download ended before the switch was over"
        assert fixture.answered_by() == set(_BLUE)
        fixture.finish(on_green)
        load.stop()


def test_after_a_switch_the_old_pool_may_go(fixture):
    """Its backends linger and finish what they have."""
    download, serving = fixture.download()
    assert serving in _BLUE
    fixture.switch("green")
    fixture.guideway.cli("pool", "delete", "blue")
    fixture.guideway.wait_in_step()
    assert download.running(), "the download ended before the pool was gone"
    assert fixture.answered_by() == set(_GREEN)
    fixture.finish(download)
    fixture.guideway.cli("pool", "create", "blue", "--probe", "http", "--probe-port", "80",
                         "--probe-path", "/health", "--probe-interval", "200ms",
                         "--probe-timeout", "200ms")
    for name in _BLUE:
        fixture.guideway.cli("backend", "add", "blue", name, fixture.lab.backend_address(name))
    fixture.guideway.wait_serving()
    fixture.switch("blue")
    assert fixture.answered_by() == set(_BLUE)


def test_drain_waits_for_the_last_connection(fixture):
    download, serving = fixture.download()
    done = fixture.guideway.json("backend", "drain", "blue", serving, "--wait",
                                 "--quiet-time", "3s")
    assert done["end"] == "empty", done
    assert download.ended(), "the wait was over before the download"
    fixture.finish(download)
    fixture.guideway.cli("backend", "enable", "blue", serving)
    fixture.guideway.wait_in_step()


def test_a_drain_that_takes_too_long_ends_disabled(fixture):
    """Without the control plane's help: it is killed meanwhile, and started again too late."""
    download, serving = fixture.download()
    fixture.guideway.cli("backend", "drain", "blue", serving, "--deadline", "1s", "--disable")
    fixture.guideway.controlplane.kill()
    assert download.running()
    fixture.guideway.start_controlplane()
    wait_until(lambda: fixture.guideway.backends("blue")[serving]["state"] == "disabled",
               "the backend is disabled")
    # Its connection now goes to a backend that does not know it, and is reset.
    wait_until(download.ended, "the download is broken", timeout_s=20)
    assert download.bytes_so_far() < 3_000_000
    fixture.guideway.cli("backend", "enable", "blue", serving)
    fixture.guideway.wait_serving()
    assert fixture.answered_by() == set(_BLUE)


def test_a_backup_serves_while_the_others_are_down(fixture):
    fixture.guideway.cli("backend", "add", "blue", "b3", fixture.lab.backend_address("b3"),
                         "--backup")
    fixture.guideway.wait_health("blue", "b3", "healthy")
    assert fixture.answered_by() == set(_BLUE)
    for name in _BLUE:
        fixture.backends[name].nginx.stop()
        fixture.guideway.wait_health("blue", name, "unhealthy")
    assert fixture.answered_by() == {"b3"}
    for name in _BLUE:
        fixture.backends[name].start_nginx()
        fixture.guideway.wait_health("blue", name, "healthy")
    assert fixture.answered_by() == set(_BLUE)
    fixture.guideway.cli("backend", "remove", "blue", "b3")
    fixture.guideway.wait_in_step()


def test_slow_start_under_load(fixture):
    """A backend that comes back gets more and more; no request fails, and downloads stay."""
    config = dict(fixture.config)
    config["pools"] = [dict(config["pools"][0], slow_start="3s"), config["pools"][1]]
    fixture.guideway.write_config(config)
    fixture.guideway.cli("apply", "-f", fixture.guideway.config_path)
    fixture.backends["b2"].nginx.stop()
    fixture.guideway.wait_health("blue", "b2", "unhealthy")
    download, serving = fixture.download()
    assert serving == "b1"
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        fixture.backends["b2"].start_nginx()
        shares = []

        def full():
            shares.append(fixture.guideway.backends("blue")["b2"]["share"])
            return shares[-1] > 0.49
        wait_until(full, "b2 has its whole share", timeout_s=15, poll_s=0.05)
        assert shares == sorted(shares), shares
        assert any(0 < share < 0.2 for share in shares), shares
        assert len(set(shares)) > 5, shares
        assert set(load.stop()) == set(_BLUE)
    fixture.finish(download)
