"""While probes fail in common: backends that are removed, restarts of the control plane, new names."""

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, VIP

FIXTURES = [fixtures.SEGMENT]
_COUNT = 30


class Fixture(fixtures.Probed):
    """The usual one, with slow downloads of which none may break."""

    def begin(self, probe=configuration.PROBE, **pool):
        self.probe(probe, **pool)
        return self.downloads(_COUNT)

    def cut_to(self, *names):
        for name in names:
            self.cut(f"ip daddr {self.lab.backend_address(name)} tcp dport 80")

    def remove(self, name):
        self.guideway.cli("backend", "remove", "web", name)
        self.guideway.wait_in_step()

    def restart(self):
        self.guideway.controlplane.stop()
        self.guideway.start_controlplane()
        self.guideway.wait_in_step()

    def rename(self):
        self.apply_by_force(self.config_of("shop"))

    def config_of(self, pool, backends=BACKENDS):
        config = configuration.l2(self.lab, backends=backends)
        config["pools"][0]["name"] = pool
        for vip in config["vips"]:
            vip["pool"] = pool
        return config

    def apply_by_force(self, config):
        self.guideway.write_config(config)
        self.guideway.cli("apply", "-f", self.guideway.config_path, "--force")
        self.guideway.wait_in_step()

    def stop_b3(self):
        self.backends["b3"].nginx.stop()
        self.guideway.wait_health("web", "b3", "unhealthy")
        self.guideway.wait_in_step()

    def end(self, downloads):
        assert downloads.running(), "the downloads were over too early"
        assert not downloads.broken(timeout_s=100)
        self.mend()
        self.apply_by_force(configuration.l2(self.lab))
        self.wait_all("healthy")


def test_a_backend_that_was_removed_before_a_cut(fixture):
    downloads = fixture.begin()
    fixture.remove("b1")
    fixture.cut("tcp dport 80")
    fixture.wait_all("unhealthy", ("b2", "b3"))
    fixture.guideway.wait_in_step()
    fixture.end(downloads)


def test_a_backend_that_is_removed_during_a_cut(fixture):
    downloads = fixture.begin()
    fixture.cut("tcp dport 80")
    fixture.wait_all("unhealthy")
    fixture.remove("b1")
    fixture.end(downloads)


def test_a_removed_backend_keeps_what_its_pool_promised(fixture):
    downloads = fixture.begin(unhealthy_keeps_flows=True)
    fixture.remove("b1")
    fixture.cut_to("b1")
    wait_until(lambda: "removed backend web/b1/" in fixture.guideway.controlplane.log(),
               "its probes fail")
    fixture.guideway.wait_in_step()
    fixture.end(downloads)


def test_a_pool_that_is_left_during_a_cut(fixture):
    downloads = fixture.begin()
    fixture.cut("tcp dport 80")
    fixture.wait_all("unhealthy")
    fixture.apply_by_force(fixture.config_of("green", ("b3",)))
    fixture.guideway.wait_health("green", "b3", "unhealthy")
    fixture.guideway.wait_in_step()
    fixture.end(downloads)


def _many_at_once(fixture, move):
    downloads = fixture.begin(configuration.PROBE_OF_MANY)
    fixture.cut_to("b1", "b2")
    fixture.wait_all("unhealthy", ("b1", "b2"))
    move()
    fixture.end(downloads)


def test_many_at_once_and_a_restart(fixture):
    _many_at_once(fixture, fixture.restart)


def test_many_at_once_and_another_name(fixture):
    _many_at_once(fixture, fixture.rename)


def _dead_stays_out(fixture, move):
    fixture.probe(configuration.PROBE)
    fixture.stop_b3()
    fixture.cut("tcp dport 80")
    fixture.wait_all("unhealthy")
    move()
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    fixture.backends["b3"].start_nginx()
    fixture.mend()
    fixture.apply_by_force(configuration.l2(fixture.lab))
    fixture.wait_all("healthy")
    assert answers.failed == 0 and set(answers) == {"b1", "b2"}, answers


def test_who_was_dead_before_stays_out_over_a_restart(fixture):
    _dead_stays_out(fixture, fixture.restart)


def test_who_was_dead_before_stays_out_under_another_name(fixture):
    _dead_stays_out(fixture, fixture.rename)
