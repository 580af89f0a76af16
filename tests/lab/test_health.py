"""Probes take failing backends out and in again; requests after that are all answered."""

import os
import signal

from lab import client, fixtures
from lab.topology import BACKENDS, VIP

FIXTURES = [fixtures.SEGMENT]


class Fixture(fixtures.Running):
    """The usual one."""


def test_a_failing_backend_is_taken_out_and_in(fixture):
    for _ in range(3):
        fixture.backends["b2"].nginx.stop()
        fixture.guideway.wait_health("web", "b2", "unhealthy")
        answers = client.http_requests(fixture.lab, VIP[4], 40)
        assert answers.failed == 0 and set(answers) == {"b1", "b3"}, answers
        fixture.backends["b2"].start_nginx()
        fixture.guideway.wait_health("web", "b2", "healthy")
        answers = client.http_requests(fixture.lab, VIP[4], 40)
        assert answers.failed == 0 and set(answers) == set(BACKENDS), answers


def test_a_hanging_backend_is_taken_out(fixture):
    """Accepts connections but answers nothing: only the timeout can tell."""
    name = fixture.lab.network.name("b3")
    pids = fixture.lab.execute("b3", "ip", "netns", "pids", name).stdout.split()
    workers = [int(pid) for pid in pids if _is_nginx(pid)]
    assert workers
    for pid in workers:
        _send(pid, signal.SIGSTOP)
    try:
        fixture.guideway.wait_health("web", "b3", "unhealthy")
        answers = client.http_requests(fixture.lab, VIP[6], 40)
        assert answers.failed == 0 and "b3" not in answers, answers
    finally:
        for pid in workers:
            _send(pid, signal.SIGCONT)
    fixture.guideway.wait_health("web", "b3", "healthy")


def _is_nginx(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip() == "nginx"
    except FileNotFoundError:
        return False


def _send(pid, number):
    os.kill(pid, number)


def test_connections_of_healthy_backends_stay(fixture):
    """While b1 goes and comes, requests that it does not serve lose nothing."""
    fixture.backends["b1"].nginx.stop()
    fixture.guideway.wait_health("web", "b1", "unhealthy")
    with client.Load(fixture.lab, VIP[4], VIP[6]) as load:
        fixture.backends["b1"].start_nginx()
        fixture.guideway.wait_health("web", "b1", "healthy")
        assert load.stop().answered > 0


def test_the_last_backend_comes_back(fixture):
    for name in BACKENDS:
        fixture.backends[name].nginx.stop()
    for name in BACKENDS:
        fixture.guideway.wait_health("web", name, "unhealthy")
    assert client.http_requests(fixture.lab, VIP[4], 2, timeout_s=1).failed == 2
    for name in BACKENDS:
        fixture.backends[name].start_nginx()
    fixture.guideway.wait_serving()
    assert client.http_requests(fixture.lab, VIP[4], 40).failed == 0
