#!/usr/bin/env python3
"""The program guideway-controlplane and its files: crashes, damage, full disks, wrong configurations.

usage: daemon_state_test.py GUIDEWAY_CONTROLPLANE GUIDEWAY
"""
import glob
import json
import os
import signal
import socket
import sys
import unittest

from daemon_fixture import Daemon, DaemonFixture, NO_NETWORK, SANITIZED, YAML


def put_directory(path):
    os.mkdir(path)


def put_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def put_loop(path):
    os.symlink(path, path)


def put_nothing(path):
    with open(path, "wb"):
        pass


# What may lie in a file's place, and what is said of it.
MISPLACED = ((os.mkfifo, "is a FIFO"), (put_directory, "is a directory"), (put_socket, "is a socket"),
             (put_loop, "is a symbolic link"), (put_nothing, "is empty"))


class DaemonStateTest(DaemonFixture):
    def test_edits_outlast_a_crash(self):
        daemon = self.start()
        self.assertEqual(daemon.cli("backend", "weight", "web", "web-1", "9").returncode, 0)
        daemon.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(daemon.socket))
        daemon = self.start()
        self.assertIn("weight: 9", daemon.cli("config", "show").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_unconfirmed_version_outlasts_a_crash(self):
        daemon = self.start()
        with open(self.directory + "/new.yaml", "w", encoding="utf-8") as file:
            file.write(YAML.replace("10.0.0.1}", "10.0.0.1, weight: 7}"))
        applied = daemon.cli("apply", self.directory + "/new.yaml", "--confirm-within", "3s")
        self.assertEqual(applied.returncode, 0, applied.stderr)
        self.assertIn("version 2 is rolled back in 3s unless", applied.stdout)
        self.assertIn("version 2 is rolled back to 1 in ", daemon.cli("status").stdout)
        daemon.stop(signal.SIGKILL)
        daemon = self.start()
        daemon.wait_for("version 2 was not confirmed within 3s: back to version 1")
        # The log line comes before the change is over.
        self.assertIn("weight: 100", daemon.cli("config", "show").stdout)
        self.assertIn("rolled back: version 2", daemon.cli("status").stdout)
        with open(self.directory + "/state/audit.log", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        self.assertEqual([record["action"] for record in records], ["start", "Apply", "start", "rollback"])
        self.assertEqual(records[1]["uid"], os.geteuid())
        self.assertNotIn("uid", records[3])
        self.assertEqual(daemon.stop(), 0)

    def test_damaged_version(self):
        daemon = self.start()
        for weight in ("5", "6"):
            self.assertEqual(daemon.cli("backend", "weight", "web", "web-1", weight).returncode, 0)
        self.assertEqual(daemon.stop(), 0)
        for name in ("0000000003", "newest.copy"):
            with open(self.directory + "/state/versions/" + name, "r+b") as file:
                file.truncate(100)
        daemon = self.start()
        self.assertIn("weight: 5", daemon.cli("config", "show").stdout)
        self.assertIn("warning state-damaged: ", daemon.cli("status").stdout)
        self.assertIn("version 2 was the last good one", "".join(daemon.log))
        self.assertEqual(daemon.stop(), 0)

    def test_full_disk(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        # In the way of every new file, for root, too.
        os.mkdir(self.directory + "/state/versions/next.new")
        daemon = self.start()
        status = daemon.cli("status")
        self.assertIn("next.new: Is a directory", status.stdout)
        self.assertIn("warning state-not-kept: ", status.stdout)
        self.assertEqual(status.returncode, 4)
        problems = json.loads(daemon.cli("status", "-o", "json").stdout)["problems"]
        self.assertTrue(any("next.new" in problem["text"] for problem in problems), problems)
        refused = daemon.cli("backend", "weight", "web", "web-1", "9")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cannot keep the configuration: open", refused.stderr)
        self.assertEqual(len(refused.stderr.splitlines()), 1)
        self.assertNotIn("weight: 9", daemon.cli("config", "show").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_shrunken_file(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        self.write(YAML.split("pools:")[0])
        daemon = self.start()
        self.assertIn("not taken at the start: no VIP is left", "".join(daemon.log))
        self.assertIn("not taken at the start", daemon.cli("status").stdout)
        self.assertIn("web-1", daemon.cli("config", "show").stdout)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.start("--force_config")
        self.assertNotIn("web-1", daemon.cli("config", "show").stdout)
        self.assertEqual(daemon.stop(), 0)

    def problems(self, daemon):
        """Kind -> text of each problem that the status names."""
        shown = json.loads(daemon.cli("status", "-o", "json").stdout)["problems"]
        return "\n".join(problem if isinstance(problem, str) else f"{problem['kind']}: {problem['text']}"
                         for problem in shown)

    @staticmethod
    def write_flags(path, *lines):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def restarted(self, *flags):
        """A daemon that was started anew and works."""
        daemon = self.start(*flags)
        self.assertIn("weight: 7", daemon.cli("config", "show").stdout)
        return daemon

    def with_weight_7(self):
        daemon = self.start()
        self.assertEqual(daemon.cli("backend", "weight", "web", "web-1", "7").returncode, 0)
        self.assertEqual(daemon.cli("backend", "force-health", "web", "web-1", "healthy").returncode, 0)
        self.assertEqual(daemon.stop(), 0)

    def test_broken_file_beside_kept_versions(self):
        self.with_weight_7()
        self.write(YAML[:len(YAML) // 2])
        daemon = self.restarted()
        self.assertIn("config.yaml:", self.problems(daemon))
        self.write(YAML.replace("10.0.0.1}", "10.0.0.1, weight: 8}"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("SIGHUP: configuration version")
        self.assertIn("weight: 8", daemon.cli("config", "show").stdout)
        self.assertNotIn("config.yaml", self.problems(daemon))
        self.write(YAML + "frob: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("SIGHUP: the configuration stays as it is")
        self.assertIn("config.yaml:8:1: frob: unknown field", self.problems(daemon))
        self.assertEqual(daemon.stop(), 0)

    def test_missing_file_and_bad_flags_beside_kept_versions(self):
        self.with_weight_7()
        os.remove(self.directory + "/config.yaml")
        daemon = self.restarted("--frob=1", "--probe_mark=0", "--probe_table=many", "--read_group=no-such-group",
                                "--listen=127.0.0.1:1", "--metrics_address=9487", "stray")
        problems = self.problems(daemon)
        for text in ("config.yaml: No such file", "unknown command line flag 'frob'", "--probe_mark: must not be 0",
                     "--probe_table: 'many' makes no sense", "--read_group: there is no group no-such-group",
                     "--listen needs --tls_cert", "--metrics_address: '9487' is not ADDRESS:PORT",
                     "unexpected argument stray"):
            self.assertIn(text, problems)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.restarted("--config=")
        self.assertIn("--config: FILE is missing", self.problems(daemon))
        self.assertEqual(daemon.stop(), 0)

    def test_files_and_variables_of_flags_beside_kept_versions(self):
        self.with_weight_7()
        path = self.directory + "/flags"
        other = self.directory + "/other-flags"
        self.write_flags(other, f"--probe_table=2000\n--flagfile={other}")
        self.write_flags(path, "# ours", "", "--frob=1", "--probe_mark=0", f"--flagfile={other}", "other-program",
                         "--probe_table=many", "nobody guideway-control*", "--probe_table=seven", "--listen")
        os.environ["FLAGS_probe_mark"] = "none"
        os.environ["FLAGS_tryfromenv"] = "tryfromenv"
        daemon = self.restarted(f"--flagfile={path},{self.directory}/not-there", "--fromenv=not_set,probe_mark",
                                "--tryfromenv=not_set_either,tryfromenv")
        del os.environ["FLAGS_probe_mark"], os.environ["FLAGS_tryfromenv"]
        problems = self.problems(daemon)
        for text in ("unknown command line flag 'frob'", "--probe_mark: must not be 0",
                     "--flagfile: " + other + ": is nested too deep", "--probe_table: 'seven' makes no sense",
                     "--listen: its value is missing", "not-there: No such file",
                     "--tryfromenv: is nested too deep",
                     "--fromenv: FLAGS_not_set: is not in the environment", "--probe_mark: 'none' makes no sense"):
            self.assertIn(text, problems)
        for text in ("many", "not_set_either"):
            self.assertNotIn(text, problems)
        self.assertEqual(daemon.stop(), 0)

    def test_anything_in_the_place_of_state_files(self):
        self.with_weight_7()
        names = ("backend-indices", "vip-indices", "health-overrides", "audit.log", "start-attempts",
                 "versions/0000000002")
        for put, said in MISPLACED:
            paths = [f"{self.directory}/state/{name}" for name in names]
            for path in paths:
                if os.path.exists(path):
                    os.remove(path)
                put(path)
            with self.subTest(put=put.__name__):
                daemon = self.restarted("--metrics_address=")
                problems = self.problems(daemon)
                for path in paths:
                    if not (path.endswith("audit.log") and put is put_nothing):
                        self.assertIn(f"{path}: {said}", problems)
                self.assertIn("forced", daemon.cli("status").stdout)
                self.assertEqual(daemon.stop(), 0)
            # What was not replaced by a good file is put away by hand.
            for left in [f"{self.directory}/state/audit.log",
                         *glob.glob(f"{self.directory}/state/**/*.damaged", recursive=True)]:
                if os.path.isdir(left) and not os.path.islink(left):
                    os.rmdir(left)
                else:
                    os.remove(left)

    @unittest.skipIf(SANITIZED, "memory cannot be bounded")
    def test_configuration_that_kills_the_process(self):
        self.with_weight_7()
        pools = "".join(f"- name: p{i}\n  table_size: 1048573\n  backends: [{{name: b, address: 10.0.1.1}}]\n"
                        for i in range(600))
        self.write(YAML.replace("pools:\n", "pools:\n" + pools))
        # As a host without memory.
        little = [*NO_NETWORK, "prlimit", f"--as={2 << 30}"]
        for _ in range(3):
            daemon = Daemon(self.directory, "--metrics_address=", network=little)
            self.addCleanup(daemon.process.stderr.close)
            daemon.log = daemon.process.stderr.readlines()
            self.assertLess(daemon.process.wait(), 0, daemon.log)
            daemon.watchdog.cancel()
        daemon = self.start("--metrics_address=", network=little)
        self.assertIn("weight: 7", daemon.cli("config", "show").stdout)
        self.assertIn("failed 3 starts in a row before its tables were in force: back to version 2",
                      self.problems(daemon))
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
