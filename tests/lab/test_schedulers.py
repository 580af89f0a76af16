"""Who gets new connections, scheduler by scheduler; and that slow ones count."""

import itertools

from lab import client, configuration, fixtures
from lab.process import wait_until
from lab.topology import BACKENDS, FAMILIES, VIP

FIXTURES = [fixtures.SEGMENT]
# Flows of earlier cases count as well; so the cases that look at counts come first.
_COUNT = 60
# Of UDP, whose flows stay where an earlier case has put them: the kernel's choice might be one of those.
_FREE_PORTS = itertools.count(10000, 500)


class Fixture(fixtures.Running):
    """One pool for all VIPs, whose scheduler the tests change."""

    def __init__(self, lab):
        super().__init__(lab, configuration.l2(lab))

    def use(self, scheduler, weights=None, drained=(), **details):
        for pool in self.config["pools"]:
            for key in ("source_prefix_length_ipv4", "source_prefix_length_ipv6"):
                pool.pop(key, None)
            pool.update(scheduler=scheduler, **details)
            for backend in pool["backends"]:
                backend["weight"] = (weights or {}).get(backend["name"], 100)
                backend["state"] = "drained" if backend["name"] in drained else "enabled"
        self.guideway.apply(self.config)
        assert self.guideway.json("pool", "show", "web")["scheduler"] == scheduler


def test_weighted_least_connections(fixture):
    """Even at first; a backend that was away and has nothing gets what comes until it has as many."""
    fixture.use("weighted-least-connections")
    drained, *others = BACKENDS
    fixture.guideway.cli("backend", "drain", "web", drained)
    fixture.guideway.wait_in_step()
    downloads = [client.Download(fixture.lab, VIP[4]).start() for _ in range(4 * len(others))]
    for download in downloads:
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")  # noqa: B023
    fixture.guideway.cli("backend", "enable", "web", drained)
    fixture.guideway.wait_in_step()
    # At least the four slow ones that every other backend has are ahead of them.
    answers = client.http_requests(fixture.lab, VIP[4], 4)
    assert answers == {drained: 4}, answers
    for download in downloads:
        wait_until(download.ended, "the download ended", timeout_s=60)  # noqa: B023
        assert download.sha256() == fixture.backends.download_sha256


def test_two_choices(fixture):
    """Who has many flows gets a ninth of the new ones, if both choices are his, instead of a third."""
    *others, laden = BACKENDS
    fixture.use("two-choices", drained=others)
    answers = client.udp_requests(fixture.lab, VIP[4], 300, step=1,
                                  source_port=next(_FREE_PORTS))
    assert set(answers) == {laden}, answers
    fixture.use("two-choices")
    answers = client.http_requests(fixture.lab, VIP[6], 120)
    assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
    assert answers[laden] <= 27, answers  # 13 on average; with one choice 40


def test_maglev_source(fixture):
    """Every connection of the client comes to one backend, TCP and UDP, and after a restart, too."""
    for length in (0, 24, 32):
        fixture.use("maglev-source", source_prefix_length_ipv4=length)
        for family in FAMILIES:
            answers = client.http_requests(fixture.lab, VIP[family], 20)
            answers += client.udp_requests(fixture.lab, VIP[family], 20, step=1,
                                           source_port=next(_FREE_PORTS))
            assert len(answers) == 1 and sum(answers.values()) == 40, answers
    before = client.http_requests(fixture.lab, VIP[4], 5)
    fixture.guideway.dataplane.kill()
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_in_step()
    assert set(client.http_requests(fixture.lab, VIP[4], 20)) == set(before), before


def test_weighted_round_robin(fixture):
    """Exactly by weight, within two connections, however few there are."""
    fixture.use("weighted-round-robin")
    for family in FAMILIES:
        answers = client.http_requests(fixture.lab, VIP[family], _COUNT)
        assert answers.failed == 0 and set(answers) == set(BACKENDS), answers
        assert max(answers.values()) - min(answers.values()) <= 2, answers
    weights = {name: 100 * (number + 1) for number, name in enumerate(BACKENDS)}
    fixture.use("weighted-round-robin", weights)
    answers = client.http_requests(fixture.lab, VIP[4], _COUNT)
    for name, weight in weights.items():
        assert abs(answers[name] - _COUNT * weight / sum(weights.values())) <= 2, answers


def test_a_connection_outlives_a_change_of_the_scheduler(fixture):
    fixture.use("weighted-round-robin")
    download = client.Download(fixture.lab, VIP[4]).start()
    wait_until(lambda: download.bytes_so_far() > 0, "the download began")
    for scheduler in ("maglev", "two-choices", "weighted-least-connections", "maglev-source"):
        fixture.use(scheduler)
    assert download.running(), "the download ended before the scheduler was changed"
    wait_until(download.ended, "the download ended", timeout_s=60)
    assert download.sha256() == fixture.backends.download_sha256


def test_a_connection_of_every_scheduler_outlives_a_restart(fixture):
    """The flow table remembers what the scheduler cannot know."""
    for scheduler in ("weighted-round-robin", "weighted-least-connections", "two-choices"):
        fixture.use(scheduler)
        download = client.Download(fixture.lab, VIP[4]).start()
        wait_until(lambda: download.bytes_so_far() > 0, "the download began")  # noqa: B023
        fixture.guideway.dataplane.kill()
        fixture.guideway.start_dataplane()
        fixture.guideway.wait_in_step()
        assert download.running(), "the download ended before the restart was over"
        wait_until(download.ended, "the download ended", timeout_s=60)  # noqa: B023
        assert download.sha256() == fixture.backends.download_sha256
