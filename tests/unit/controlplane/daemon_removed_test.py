#!/usr/bin/env python3
"""The program guideway-controlplane when somebody removes its files or takes its backends out.

usage: daemon_removed_test.py GUIDEWAY_CONTROLPLANE GUIDEWAY
"""
import os
import shutil
import signal
import sys
import time
import unittest

from daemon_fixture import DaemonFixture, NO_NETWORK, PROBED_YAML


def wait_until(condition, what):
    """For what the log does not tell."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"after 10 s still not: {what}")
        time.sleep(0.02)


class DaemonRemovedTest(DaemonFixture):
    def state(self, name):
        return f"{self.directory}/state/{name}"

    def started(self):
        daemon = self.start()
        wait_until(lambda: os.path.exists(self.state("backend-indices.copy")), "indices are kept")
        return daemon

    def test_the_socket(self):
        daemon = self.start()
        os.unlink(daemon.socket)
        daemon.wait_for("was removed; it is made anew")
        self.assertEqual(daemon.cli("config", "show").returncode, 0)
        self.assertNotIn("api-listener", daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.socket))

    def test_the_state_directory(self):
        daemon = self.started()
        self.assertEqual(daemon.cli("backend", "weight", "web", "web-1", "9").returncode, 0)
        # At once: what is deleted bit by bit is written to meanwhile.
        os.rename(self.state(""), self.directory + "/removed")
        shutil.rmtree(self.directory + "/removed", ignore_errors=True)
        for name in ("lock", "versions/0000000002", "backend-indices", "backend-indices.copy", "vip-indices"):
            wait_until(lambda: os.path.exists(self.state(name)), f"{name} is there again")
        config = self.directory + "/config.yaml"
        self.refused("is in use by another control plane", "--config", config, "--socket",
                     self.directory + "/other.sock", "--state_directory", self.state(""))
        daemon.stop(signal.SIGKILL)
        for text in ("lock: was removed", "version 2 was removed", "files of indices were removed"):
            self.assertIn(text, "".join(daemon.log))
        daemon = self.start()
        self.assertIn("weight: 9", daemon.cli("config", "show").stdout)
        self.assertNotIn("state-damaged", daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_both_files_of_indices(self):
        daemon = self.started()
        self.assertNotIn("state-damaged", daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)
        for name in ("backend-indices", "backend-indices.copy"):
            os.unlink(self.state(name))
        daemon = self.started()
        self.assertIn("backend-indices and its copy are gone; backends get new indices",
                      daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_backends_that_this_host_cannot_probe(self):
        """Those that are to take no flows are no trouble."""
        self.write(PROBED_YAML.replace("- {name: web-1, address: 10.0.0.1}",
                                       "- {name: web-1, address: 10.0.0.1}\n"
                                       "  - {name: web-2, address: 10.0.0.2}"))
        daemon = self.start(network=NO_NETWORK)

        def said():
            return [line for line in daemon.cli("status").stdout.splitlines() if "probes-not-run" in line]
        wait_until(lambda: said() and "2 backends are not probed" in said()[0], "both are named")
        daemon.cli("backend", "drain", "web", "web-1")
        wait_until(lambda: "1 backend is not probed, health stays as it is: web/web-2 " in said()[0],
                   "the drained one is not")
        daemon.cli("backend", "weight", "web", "web-2", "0")
        wait_until(lambda: not said(), "nor is the one of weight 0")
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
