"""Commands and long-running processes: logs, deadlines, never a fixed sleep."""

import os
import signal
import subprocess
import time

POLL_S = 0.02


class LabError(Exception):
    """What is wrong, in words for the operator."""


def run(*arguments, check=True, timeout_s=60, **options):
    """Runs a command to its end and returns it with its output as text."""
    done = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=timeout_s, check=False, **options)
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(str(a) for a in arguments)}` exited with {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()}")
    return done


def wait_until(condition, what, timeout_s=10.0, poll_s=POLL_S):
    """Returns the first true result of condition(); LabError names `what` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise LabError(f"after {timeout_s:g} s still not: {what}")
        time.sleep(poll_s)


class Process:
    """A process in a namespace (None: this one) with its output in a log file.

    Owned by one thread. Starting again after its end appends to the same log.
    """

    def __init__(self, name, namespace, arguments, log_path):
        self.name = name
        self._arguments = self.command = [str(a) for a in arguments]
        if namespace:
            self._arguments = ["ip", "netns", "exec", namespace] + self._arguments
        self.log_path = log_path
        self._popen = None
        self._log_start = 0

    def start(self, ready=None, timeout_s=20, more_arguments=()):
        """Starts it, this time with `more_arguments` at the end; with `ready`, waits for that text in
        the log or for its early end."""
        self._log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            # A session of its own: Ctrl-C reaches the lab only, which then stops it in order.
            self._popen = subprocess.Popen([*self._arguments, *more_arguments], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
        if ready:
            wait_until(lambda: ready in self.log() or not self.running(),
                       f"{self.name} is ready (see {self.log_path})", timeout_s)
            if ready not in self.log():
                raise LabError(f"{self.name} ended with {self._popen.poll()}:\n{self.log()}")
        return self

    def log(self):
        """What it wrote since its last start."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def kill(self):
        """SIGKILL, and waits for the end."""
        self._popen.kill()
        self._popen.wait(timeout=10)

    def signal(self, number):
        self._popen.send_signal(number)

    def stop(self, timeout_s=10):
        """SIGTERM; SIGKILL after the deadline. Returns the exit code (negative: signal)."""
        if self._popen is None:
            return None
        if self.running():
            self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.returncode
