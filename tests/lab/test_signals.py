"""Signals and logs of the running daemons: nothing but SIGTERM, SIGINT and a crash ends them."""

import os
import re
import signal
import subprocess

from lab import client, fixtures
from lab.guideway import CONTROLPLANE, DATAPLANE
from lab.process import wait_until
from lab.topology import GUIDEWAY, VIP

FIXTURES = [fixtures.SEGMENT]
_LIST = os.path.join(os.path.dirname(__file__), "..", "..", "lib", "base", "signals.def")


def harmless():
    """Signals after which a daemon runs on."""
    with open(_LIST, encoding="ascii") as file:
        rows = re.findall(r"^GW_SIGNAL\((\w+), (\w+), ", file.read(), re.MULTILINE)
    return [getattr(signal, name) for name, action in rows
            if action in ("kNote", "kIgnore", "kKernel") and hasattr(signal, name)]


class Fixture(fixtures.Running):
    """The usual one."""

    def restart_into(self, process, reader):
        """Starts the daemon with its log going to `reader`, a shell command. Returns its Popen."""
        process.stop()
        log = subprocess.Popen(["sh", "-c", reader], stdin=subprocess.PIPE, start_new_session=True,
                               stdout=subprocess.DEVNULL)
        namespace = self.lab.network.name(GUIDEWAY)
        daemon = subprocess.Popen(["ip", "netns", "exec", namespace, *process.command],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=log.stdin, start_new_session=True)
        log.stdin.close()
        return daemon, log

    def serves_with_lost_lines(self, name):
        what = {"dataplane": "data plane", "controlplane": "control plane"}[name]
        wait_until(lambda: f"lines of the {what}'s log were lost" in
                   self.guideway.cli("status", check=False).stdout, "lost lines are named", 40)
        wait_until(lambda: client.http_requests(self.lab, VIP[4], 20).failed == 0, "it serves", 40)

    def serves(self):
        wait_until(lambda: self.guideway.cli("status", check=False).stdout, "the API answers", 40)
        wait_until(lambda: client.http_requests(self.lab, VIP[4], 5).failed == 0,
                   "requests are answered", timeout_s=40)
        assert client.http_requests(self.lab, VIP[4], 20).failed == 0


def _end(*processes):
    for process in processes:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def test_signals_that_end_nobody(fixture):
    for process in (fixture.guideway.dataplane, fixture.guideway.controlplane):
        for number in harmless():
            process.signal(number)
        wait_until(lambda: "SIGUSR2: there is nothing to do" in process.log(),  # noqa: B023
                   f"{process.name} has seen them")
        assert process.running(), process.log()
    assert "SIGHUP: there is nothing to do" in fixture.guideway.dataplane.log()
    assert client.http_requests(fixture.lab, VIP[4], 20).failed == 0


def _with_reader(fixture, reader):
    """Both daemons in turn write their log to this reader, and go on serving."""
    for name in ("dataplane", "controlplane"):
        process = getattr(fixture.guideway, name)
        daemon, log = fixture.restart_into(process, reader)
        try:
            fixture.serves()
            for _ in range(50):
                daemon.send_signal(signal.SIGUSR1)
            fixture.serves()
            assert daemon.poll() is None, f"{name} has ended with {daemon.returncode}"
            _end(daemon)
            assert daemon.returncode == 0, daemon.returncode
        finally:
            _end(log, daemon)
            getattr(fixture.guideway, f"start_{name}")()
            fixture.guideway.wait_serving()


def test_a_reader_of_the_log_that_ends_early(fixture):
    _with_reader(fixture, "exec head -3")


def test_a_reader_of_the_log_that_reads_nothing(fixture):
    # The rest of the pipe's room is taken before the daemon writes its first line.
    _with_reader(fixture, "exec sleep 300")


def test_a_full_disk_under_the_log(fixture):
    for name, program in (("dataplane", DATAPLANE), ("controlplane", CONTROLPLANE)):
        process = getattr(fixture.guideway, name)
        assert program in process.command
        process.stop()
        with open("/dev/full", "wb") as full:
            daemon = subprocess.Popen(
                ["ip", "netns", "exec", fixture.lab.network.name(GUIDEWAY), *process.command],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=full,
                start_new_session=True)
        try:
            fixture.serves_with_lost_lines(name)
        finally:
            _end(daemon)
            getattr(fixture.guideway, f"start_{name}")()
            fixture.guideway.wait_serving()
