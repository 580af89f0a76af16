"""The Prometheus endpoint of a running installation says what the CLI says."""

import re

from lab import client, fixtures
from lab.process import wait_until
from lab.topology import GUIDEWAY, VIP

FIXTURES = [fixtures.SEGMENT]
REQUESTS = 20


class Fixture(fixtures.Running):
    """The usual one."""


def scrape(fixture):
    """{name and labels: value}"""
    text = fixture.lab.execute(GUIDEWAY, "curl", "-sSf", "http://127.0.0.1:9487/metrics").stdout
    samples = re.findall(r"^(guideway_[^ ]+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in samples}


def sums(samples, name):
    """Of all series of a metric."""
    return sum(value for key, value in samples.items() if key.split("{")[0] == name)


def test_what_is_scraped_is_what_was_sent(fixture):
    before = scrape(fixture)
    answers = client.http_requests(fixture.lab, VIP[4], REQUESTS)
    assert answers.failed == 0, answers
    after = {}

    def grown(name):
        return sums(after, name) - sums(before, name)

    def all_there():  # a scrape may be half a second old, or from amid the last packets
        after.update(scrape(fixture))
        return (grown("guideway_vip_new_flows_total") >= REQUESTS and
                grown("guideway_vip_packets_total") == grown("guideway_forwarded_packets_total"))

    wait_until(all_there, "the requests are in the metrics")
    assert grown("guideway_vip_new_flows_total") == REQUESTS
    assert grown("guideway_backend_new_flows_total") == REQUESTS
    assert grown("guideway_vip_packets_total") == grown("guideway_backend_packets_total") > REQUESTS
    assert grown("guideway_worker_busy_seconds_total") > 0
    assert after["guideway_dataplane_in_step"] == 1, after
    assert after["guideway_accounting_balanced"] == 1


def test_every_counter_of_the_cli_is_there(fixture):
    samples = scrape(fixture)
    stats = fixture.guideway.stats()
    counters = [name for name in stats if name.endswith(("_packets", "_bytes")) or name.startswith("flow_")]
    assert len(counters) >= 8, stats
    for counter in counters:
        assert f"guideway_{counter}_total" in samples, counter
    for reason in stats["drops"]:
        assert f'guideway_drops_total{{reason="{reason}"}}' in samples, reason
