#!/usr/bin/env python3
"""`guideway top` and `guideway shell` on a pseudo-terminal.

usage: terminal_test.py GUIDEWAY_CONTROLPLANE GUIDEWAY
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon_fixture import CLI, YAML, Daemon  # pylint: disable=wrong-import-position

_ENTER, _LEAVE = "\x1b[?1049h", "\x1b[?1049l"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_S = 20


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, rows, columns, *arguments, **environment):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            # With sanitizers: libedit never frees its copies of what el_set() is given.
            os.environ.update(TERM="xterm", ASAN_OPTIONS="detect_leaks=0", **environment)
            os.execv(arguments[0], arguments)
        self.output = ""
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, found):
        """Reads until `found`, a text or a predicate over the output since the last call, is there."""
        check = found if callable(found) else lambda output: found in output
        end = time.monotonic() + _PATIENCE_S
        while not check(self.output):
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{found} not in {self.output!r}")
            try:
                read = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                read = b""
            if not read:
                raise AssertionError(f"ended; {found} not in {self.output!r}")
            self.output += read.decode()
        end = len(self.output)
        if not callable(found):  # what comes behind it is for the next call
            end = self.output.index(found) + len(found)
        seen, self.output = self.output[:end], self.output[end:]
        return seen

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_until_ctrl_c_is_a_key(self):
        """libedit shows the prompt first; until it has set the terminal Ctrl-C is a signal."""
        end = time.monotonic() + _PATIENCE_S
        while termios.tcgetattr(self.master)[3] & termios.ISIG:
            if time.monotonic() > end:
                raise AssertionError("Ctrl-C stays a signal")
            time.sleep(0.002)  # nothing tells

    def finish(self):
        """The rest of the output and the exit code."""
        rest = self.output
        end = time.monotonic() + _PATIENCE_S
        while select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
            try:
                read = os.read(self.master, 65536)
            except OSError:
                break
            if not read:
                break
            rest += read.decode()
        os.close(self.master)
        return rest, os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class TerminalTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = holder.name
        with open(self.directory + "/config.yaml", "w", encoding="utf-8") as file:
            file.write(YAML)
        self.daemon = Daemon(self.directory)
        self.daemon.watchdog.cancel()
        self.addCleanup(self.daemon.process.stderr.close)
        self.addCleanup(self.daemon.process.wait)
        self.addCleanup(self.daemon.process.kill)
        self.daemon.wait_for("ready, API on")

    def start(self, rows, columns, *arguments):
        return Terminal(rows, columns, CLI, "--socket", self.daemon.socket, *arguments,
                        HOME=self.directory)

    def lines(self, frame):
        """The lines of the last whole page in `frame`."""
        page = frame.split("\x1b[H")[-1].split("\x1b[J")[0]
        return [_SEQUENCE.sub("", line) for line in page.split("\r\n")][:-1]

    def test_top(self):
        terminal = self.start(24, 100, "top", "--interval", "0.2")
        frame = terminal.wait_for(lambda text: text.count("\x1b[J") >= 2)
        self.assertIn(_ENTER, frame)
        lines = self.lines(frame)
        self.assertTrue(lines[0].startswith("guideway top: 0 packets/s"), lines)
        self.assertTrue(any(line.startswith("site ") for line in lines), lines)
        self.assertTrue(any(line.startswith("web   web-1") for line in lines), lines)
        terminal.type("q")
        rest, code = terminal.finish()
        self.assertTrue(rest.endswith(_LEAVE), repr(rest))
        self.assertEqual(code, 0)

    def test_top_follows_the_size(self):
        # An interval that never ends: what is drawn is drawn because of the size.
        terminal = self.start(24, 100, "top", "--interval", "1000")
        terminal.wait_for("\x1b[J")
        terminal.resize(5, 30)
        lines = self.lines(terminal.wait_for("\x1b[J"))
        self.assertLessEqual(len(lines), 4, lines)
        self.assertLessEqual(max(map(len, lines)), 30, lines)
        terminal.resize(24, 100)
        lines = self.lines(terminal.wait_for("\x1b[J"))
        self.assertGreater(max(map(len, lines)), 30, lines)
        terminal.type("\x03")
        self.assertEqual(terminal.finish()[1], 0)

    def test_top_gives_the_terminal_back_when_it_is_ended(self):
        terminal = self.start(24, 100, "top")
        terminal.wait_for("\x1b[J")
        os.kill(terminal.pid, signal.SIGTERM)
        rest, code = terminal.finish()
        self.assertTrue(rest.endswith(_LEAVE), repr(rest))
        self.assertEqual(code, 0)

    def test_shell(self):
        terminal = self.start(24, 100, "shell")
        terminal.wait_for("guideway> ")
        terminal.type("pool list\r")
        self.assertIn("web", terminal.wait_for(lambda text: text.count("guideway> ") >= 1
                                               and "65537" in text))
        terminal.type("backend weight w\tw\t 7\r")  # both names are the daemon's
        terminal.wait_for("weight 100 -> 7")
        terminal.wait_for("guideway> ")
        terminal.wait_until_ctrl_c_is_a_key()
        terminal.type("nonsense\x03pool lis\t\r")  # Ctrl-C forgets a line
        terminal.wait_for("65537")
        terminal.wait_for("guideway> ")
        terminal.type("pool frob\r")
        terminal.wait_for("unknown command \"frob\"")
        terminal.wait_for("guideway> ")
        terminal.type("exit\r")
        self.assertEqual(terminal.finish()[1], 0)
        self.assertIn("weight: 7", self.daemon.cli("config", "show").stdout)
        # The next one knows what was typed.
        history = self.directory + "/.guideway_history"
        self.assertEqual(os.stat(history).st_mode & 0o777, 0o600)
        terminal = self.start(24, 100, "shell")
        terminal.wait_for("guideway> ")
        terminal.type("\x1b[A\x1b[A")  # "exit", and the one before it
        terminal.wait_for("pool frob")
        terminal.type("\x03\x04")
        self.assertEqual(terminal.finish()[1], 0)

    def test_shell_without_a_terminal(self):
        done = os.popen(f"printf 'pool list\\npool frob\\npool list\\n' | {CLI} --socket "
                        f"{self.daemon.socket} shell 2>&1")
        text = done.read()
        self.assertEqual(os.waitstatus_to_exitcode(done.close() or 0), 2, text)
        self.assertIn("standard input:2: unknown command", text)
        self.assertEqual(text.count("65537"), 1, text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
