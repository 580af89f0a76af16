"""What only clients see: a backend whose probes are fine and whose service answers no SYN; and limits that hold."""

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, VIP

FIXTURES = [fixtures.SEGMENT]
_WORDS = "SYNs sent again per 100 new flows"


class Fixture(fixtures.Running):
    """The usual one, with outlier detection that is quick enough to watch."""

    def __init__(self, lab):
        config = configuration.l2(lab)
        for pool in config["pools"]:
            pool["outlier_detection"] = {"window": "2s", "min_new_flows": 10,
                                         "base_ejection_time": "4s", "max_ejected_percent": 34}
        super().__init__(lab, config)


def test_a_backend_that_answers_no_syn_is_ejected_and_comes_back(fixture):
    """b2 loses the VIP: the kernel there drops what comes for it, and answers probes to its own address."""
    with client.Knocks(fixture.lab, VIP[4]):
        wait_until(lambda: all(backend["new_flows"] > 0
                               for backend in fixture.guideway.backends("web").values()),
                   "every backend gets flows")
        fixture.lab.network.ip("b2", "addr", "del", f"{VIP[4]}/32", "dev", "lo")
        try:
            fixture.guideway.wait_health("web", "b2", "ejected", timeout_s=20)
            backend = fixture.guideway.backends("web")["b2"]
            assert _WORDS in backend["health_reason"], backend
            assert backend["share"] == 0 and backend["ejections"] == 1, backend
            assert backend["syn_retransmissions"] > 0, backend
            answers = client.http_requests(fixture.lab, VIP[4], 20)
            assert answers.failed == 0 and "b2" not in answers, answers
            # Nothing has become better: it is ejected again, for longer.
            wait_until(lambda: fixture.guideway.backends("web")["b2"]["ejections"] == 2,
                       "b2 is ejected for the second time", timeout_s=30)
        finally:
            fixture.lab.network.ip("b2", "addr", "add", f"{VIP[4]}/32", "dev", "lo")
        fixture.guideway.wait_health("web", "b2", "healthy", timeout_s=30)
    answers = client.http_requests(fixture.lab, VIP[4], 40)
    assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
    for name in ("b1", "b3"):
        assert fixture.guideway.backends("web")[name]["ejections"] == 0


def test_counters_by_backend_sum_up(fixture):
    stats = fixture.guideway.stats()
    backends = fixture.guideway.backends("web").values()
    for name in ("syn_retransmissions", "unanswered_flows", "client_resets"):
        assert sum(backend[name] for backend in backends) == stats[name], (name, stats)
    assert sum(backend["new_flows"] for backend in backends) == stats["flow_inserts"], stats


def test_a_circuit_breaker_sends_the_overflow_elsewhere(fixture):
    """Two long downloads a backend at most: six are two each, and a seventh has nowhere to go."""
    for pool in fixture.config["pools"]:
        pool.pop("outlier_detection", None)
        pool["circuit_breaker"] = {"max_flows": 2, "when_full": "drop"}
    # Flows of earlier cases count until they are forgotten: a data plane without them.
    fixture.guideway.write_config(fixture.config)
    fixture.guideway.cli("apply", "-f", fixture.guideway.config_path)
    fixture.guideway.restart_dataplane("--forget_flows")
    downloads = [client.Download(fixture.lab, VIP[4]).start() for _ in range(6)]
    for download in downloads:
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")  # noqa: B023
    flows = {name: backend["active_flows"]
             for name, backend in fixture.guideway.backends("web").items()}
    wait_until(lambda: {backend["active_flows"] for backend in
                        fixture.guideway.backends("web").values()} == {2},
               f"every backend has two flows, at first {flows}")
    dropped = fixture.guideway.stats()["drops"].get("breaker_full", 0)
    assert client.http_requests(fixture.lab, VIP[4], 1, timeout_s=1).failed == 1
    assert fixture.guideway.stats()["drops"]["breaker_full"] > dropped
    for download in downloads:
        wait_until(download.ended, "the download ended", timeout_s=60)  # noqa: B023
        assert download.sha256() == fixture.backends.download_sha256
