"""Processes and threads that hang: named within 2 s, nothing counts as in force without them, and all
gets in step by itself when they move again."""

import datetime
import json
import os
import re
import signal
import time

from lab import client, configuration, fixtures
from lab.freeze import Frozen, thread_named
from lab.process import LabError, wait_until
from lab.topology import GUIDEWAY, VIP

FIXTURES = [fixtures.TWO_QUEUES]
NAMED_WITHIN_S = 2.0


class Fixture(fixtures.Running):
    """Two workers, so that one can hang alone."""

    def __init__(self, lab):
        super().__init__(lab, configuration.l2(lab), workers=2)
        self.metrics_file = self.guideway.channel.removesuffix(".sock") + ".prom"

    def status(self):
        return json.loads(self.guideway.cli("-o", "json", "status", check=False).stdout)

    def problems(self):
        return "\n".join(fixtures.problem_lines(self.guideway))

    def wait_named(self, text, since, where=None):
        """That `where`(), looked at several times a second, names it in time; monotonic clock."""
        wait_until(lambda: re.search(text, where()), f"{text} is named", NAMED_WITHIN_S + 8)
        took = time.monotonic() - since
        assert took < NAMED_WITHIN_S, f"{text} was named after {took:.2f} s"

    def wait_problem(self, kind, since):
        """That the control plane names it in time, by its log: a question may take its own time."""
        line = re.compile(rf"^W(\d{{8}} [\d:.]+) .*\] problem {kind}: ", re.MULTILINE)

        def times():
            for text in line.findall(self.guideway.controlplane.log()):
                yield datetime.datetime.strptime(text, "%Y%m%d %H:%M:%S.%f").timestamp()
        wait_until(lambda: any(told >= since for told in times()), f"{kind} is named",
                   NAMED_WITHIN_S + 8)
        took = min(told for told in times() if told >= since) - since
        assert took < NAMED_WITHIN_S, f"{kind} was named after {took:.2f} s"

    def wait_well(self):
        wait_until(lambda: not self.problems(), "no problem is left")
        self.guideway.wait_in_step()

    def metrics(self):
        with open(self.metrics_file, encoding="ascii") as file:
            return file.read()

    def worker(self, number):
        # EAL names its threads by lcore; lcore 0 is the manager.
        names = (f"rte-worker-{number + 1}", f"lcore-worker-{number + 1}")
        for name in names:
            try:
                return thread_named(self.guideway.dataplane.pid, name)
            except AssertionError:
                continue
        raise LabError(f"no thread is called {' or '.join(names)}")


def test_a_stopped_data_plane_is_named(fixture):
    fixture.guideway.dataplane.signal(signal.SIGSTOP)
    since, stopped = time.monotonic(), time.time()
    try:
        fixture.wait_problem("dataplane-hung", stopped)
        assert "the data plane does not move" in fixture.problems(), fixture.status()
        # Longer than any single answer may take: questions that follow do not make it well.
        wait_until(lambda: time.monotonic() - since > 13, "13 s are over", 20, poll_s=0.5)
        assert "the data plane does not move" in fixture.problems(), fixture.status()
        assert fixture.guideway.cli("status", check=False).stdout.startswith("NOT WELL")
    finally:
        fixture.guideway.dataplane.signal(signal.SIGCONT)
    fixture.wait_well()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0


def test_a_change_without_one_worker_is_not_in_force(fixture):
    """Whether the worker sleeps or is amid a burst when it stops."""
    with Frozen(fixture.worker(1)) as frozen:
        changed = fixture.guideway.cli("backend", "weight", "web", "b1", "50", check=False)
        fixture.wait_problem("worker-stuck", frozen.since)
        assert "worker 1 does not move" in fixture.problems(), fixture.status()
        output = changed.stdout + changed.stderr
        assert "not yet in force: worker 1 of the data plane has not taken" in output, output
        wait_until(lambda: "has not taken generation" in fixture.problems(), "the change is named")
        status = fixture.status()
        assert status["dataplane_generation"] != status["wanted_generation"], status
        # The manager goes on: counters come, and what comes later waits.
        assert fixture.guideway.stats()["balanced"] is True
        changed = fixture.guideway.cli("backend", "weight", "web", "b1", "60", check=False)
        assert "not yet in force: worker 1" in changed.stdout + changed.stderr, changed
        assert "worker_stuck{worker=\"1\"} 1" in fixture.metrics(), fixture.metrics()
    fixture.wait_well()
    assert fixture.guideway.backends("web")["b1"]["weight"] == 60
    fixture.guideway.cli("backend", "weight", "web", "b1", "100")
    fixture.guideway.wait_in_step()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0


def test_a_new_control_plane_waits_for_a_stuck_worker(fixture):
    """It must not take the tables that it finds for tables in force."""
    with Frozen(fixture.worker(0)):
        fixture.guideway.cli("backend", "weight", "web", "b2", "50", check=False)
        fixture.guideway.controlplane.stop()
        fixture.guideway.start_controlplane()
        wait_until(lambda: "worker 0 of the data plane has not taken" in fixture.problems(),
                   "the new control plane names the worker")
    fixture.wait_well()
    fixture.guideway.cli("backend", "weight", "web", "b2", "100")
    fixture.guideway.wait_in_step()


def test_a_stopped_control_plane_is_named_by_the_data_plane(fixture):
    fixture.guideway.controlplane.signal(signal.SIGSTOP)
    since = time.monotonic()
    try:
        fixture.wait_named("controlplane_hung 1", since, fixture.metrics)
        fixture.wait_named("does not move: forwarding goes on", since,
                           fixture.guideway.dataplane.log)
        assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0
    finally:
        fixture.guideway.controlplane.signal(signal.SIGCONT)
    wait_until(lambda: "controlplane_hung 0" in fixture.metrics(), "it moves again")
    assert "moves again" in fixture.guideway.dataplane.log()
    fixture.wait_well()


def test_a_hung_control_plane_is_replaced_and_ends(fixture):
    """No two masters: the old one ends when it wakes up, and leaves the new one's socket alone."""
    old = fixture.guideway.controlplane
    old.signal(signal.SIGSTOP)
    new = fixture.lab.process("controlplane-2", GUIDEWAY, *old.command)
    try:
        new.start(ready="ready", timeout_s=30)
        fixture.guideway.controlplane = new
        fixture.guideway.wait_in_step()
        assert "replaced by process" in fixture.guideway.dataplane.log()
    finally:
        old.signal(signal.SIGCONT)
    wait_until(lambda: not old.running(), "the old one has ended")
    assert old.stop() == 1, old.log()
    assert "has taken the place of this one" in old.log(), old.log()
    fixture.wait_well()
    assert os.path.exists(fixture.guideway.socket)
    fixture.guideway.cli("backend", "weight", "web", "b3", "100")
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0


def test_sigterm_ends_a_data_plane_with_a_stuck_worker(fixture):
    with Frozen(fixture.worker(1)):
        fixture.guideway.dataplane.signal(signal.SIGTERM)
        wait_until(lambda: "worker 1 does not stop" in fixture.guideway.dataplane.log(),
                   "the data plane names the worker", 15)
    wait_until(lambda: not fixture.guideway.dataplane.running(), "the data plane has ended")
    assert fixture.guideway.dataplane.stop() == 1
    fixture.guideway.start_dataplane()
    fixture.guideway.wait_serving()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0
