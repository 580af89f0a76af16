#!/usr/bin/env python3
"""The program guideway-controlplane from outside: flags, signals, sockets, exit codes.

usage: daemon_test.py GUIDEWAY_CONTROLPLANE GUIDEWAY
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from daemon_fixture import (BUSY_HOST, CLI, Daemon, DaemonFixture, LOOPBACK_ONLY, NO_NETWORK, PROBED_YAML, SANITIZED,
                            YAML, run)


class DaemonTest(DaemonFixture):
    def test_bad_flags_and_files(self):
        state = ["--state_directory", self.directory + "/state"]
        self.refused("unknown command line flag 'frob'", "--frob")
        self.refused("--config: FILE is missing")
        self.refused("unexpected argument extra", "--config", "x", "extra")
        self.refused("/nonexistent.yaml", "--config", "/nonexistent.yaml", *state)
        self.write(YAML + "frob: 1\n")
        self.refused("config.yaml:8:1: frob: unknown field", "--config",
                     self.directory + "/config.yaml", *state)

    def test_version(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertIn("version", result.stdout)

    def test_stops_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start()
            self.assertEqual(daemon.cli("pool", "list").returncode, 0)
            self.assertEqual(daemon.stop(number), 0)
            self.assertFalse(os.path.exists(daemon.socket))
            self.assertEqual(daemon.cli("pool", "list").returncode, 3)

    def test_closed_standard_descriptors(self):
        for closed in ("2>&-", "0<&- 1>&- 2>&-"):
            daemon = Daemon(self.directory, network=[*NO_NETWORK, "sh", "-c", f'exec "$@" {closed}', "sh"])
            self.addCleanup(daemon.watchdog.cancel)
            self.addCleanup(daemon.process.stderr.close)
            self.addCleanup(daemon.process.kill)
            while daemon.cli("pool", "list").returncode and daemon.process.poll() is None:
                time.sleep(0.05)
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(timeout=10), 0)

    def test_sighup_all_or_nothing(self):
        daemon = self.start()
        self.write(YAML.replace("10.0.0.1}", "10.0.0.1, weight: 7}"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("SIGHUP: configuration version 2")
        self.assertIn("weight: 7", daemon.cli("config", "show").stdout)
        self.write(YAML + "frob: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("SIGHUP: the configuration stays as it is")
        self.assertIn("weight: 7", daemon.cli("config", "show").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_stopped_daemon(self):
        daemon = self.start()
        # The watchdog and the CLI's own 20 s are above the deadline of 10 s.
        daemon.process.send_signal(signal.SIGSTOP)
        result = daemon.cli("status")
        daemon.process.send_signal(signal.SIGCONT)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(result.stderr, f"guideway: guideway-controlplane at {daemon.socket} does "
                         "not answer within 10 s (is it stopped or stuck?)\n")
        self.assertEqual(daemon.cli("pool", "list").returncode, 0)
        self.assertEqual(daemon.stop(), 0)

    def in_network(self, pid, *command):
        """Output of a command in the daemon's network namespace."""
        nsenter = ["nsenter", "--net", f"--target={pid}"] + ([] if os.geteuid() == 0 else ["--user"])
        result = subprocess.run([*nsenter, *command], capture_output=True, text=True, timeout=20,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_metrics_and_page(self):
        self.refused("--metrics_address: '9487' is not ADDRESS:PORT", "--config",
                     self.directory + "/config.yaml", "--state_directory", self.directory + "/state",
                     "--metrics_address=9487")
        # It cannot listen on an address that is not there: works, says so, and tries again.
        daemon = self.start("--metrics_address=198.51.100.1:9487", network=LOOPBACK_ONLY)
        pid = daemon.process.pid
        self.assertIn("--metrics_address: cannot listen on 198.51.100.1:9487", daemon.cli("status").stdout)
        self.in_network(pid, "ip", "address", "add", "198.51.100.1/32", "dev", "lo")
        daemon.wait_for("metrics and status page on http://198.51.100.1:9487")
        self.assertNotIn("--metrics_address", daemon.cli("status").stdout)

        def get(path):
            return self.in_network(pid, "curl", "-sSf", "http://198.51.100.1:9487/" + path)

        metrics = get("metrics")
        self.assertIn('guideway_pool_backends{pool="web",health="unreachable"} 1', metrics)
        self.assertIn('guideway_problems{kind="dataplane-disconnected",severity="critical"} 1', metrics)
        self.assertIn("guideway_dataplane_connected 0", metrics)
        self.assertEqual(json.loads(get("status.json"))["pools"][0]["backends"][0]["name"], "web-1")
        self.assertIn("<title>Guideway</title>", get(""))
        answer = self.in_network(pid, "curl", "-sS", "-w", "%{http_code}", "http://198.51.100.1:9487/healthz")
        self.assertTrue(answer.startswith("NOT WELL: the data plane is not connected"), answer)
        self.assertTrue(answer.endswith("503"), answer)
        self.assertEqual(daemon.stop(), 0)

    def watching(self, daemon):
        """`guideway watch` that has had its first event. On a loaded host it may be too slow for the handshake."""
        for _ in range(3):
            watch = subprocess.Popen([CLI, "--socket", daemon.socket, "watch"], stdout=subprocess.PIPE, text=True)
            self.addCleanup(watch.stdout.close)
            self.addCleanup(watch.wait)
            self.addCleanup(watch.kill)
            if watch.stdout.readline():
                return watch
        self.fail("guideway watch does not connect")

    def test_a_refused_file_shows_everywhere(self):
        daemon = self.start("--metrics_address=127.0.0.1:9487", network=LOOPBACK_ONLY)
        pid = daemon.process.pid
        watch = self.watching(daemon)
        self.write(YAML + "frob: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("problem config-file-refused")
        where = "config.yaml:8:1: frob: unknown field"
        self.assertTrue(any(where in line for line in watch.stdout), "watch has ended without a word")
        status = daemon.cli("status")
        self.assertEqual(status.returncode, 4)
        self.assertIn(where, status.stdout)
        url = "http://127.0.0.1:9487/"
        self.assertIn('guideway_problems{kind="config-file-refused",severity="critical"} 1',
                      self.in_network(pid, "curl", "-sSf", url + "metrics"))
        page = json.loads(self.in_network(pid, "curl", "-sSf", url + "status.json"))
        self.assertTrue(any(where in problem["text"] for problem in page["problems"]), page)
        health = self.in_network(pid, "curl", "-sS", "-w", "%{http_code}", url + "healthz")
        self.assertIn(where, health)
        self.assertTrue(health.endswith("503"), health)
        self.write(YAML)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("no longer a problem: config-file-refused")
        self.assertNotIn(where, daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)

    def test_metrics_can_be_switched_off(self):
        daemon = self.start("--metrics_address=")
        self.assertNotIn("status page", "".join(daemon.log))
        self.assertNotIn("--metrics_address", daemon.cli("status").stdout)
        self.assertEqual(daemon.stop(), 0)

    def make_certificates(self):
        """One that signs itself, for everything."""
        key, certificate = self.directory + "/key.pem", self.directory + "/certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=api",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return [f"--tls_key={key}", f"--tls_cert={certificate}", f"--tls_client_ca={certificate}"]

    def test_idle_connections_leave_descriptors_for_probes(self):
        self.write(PROBED_YAML)
        daemon = self.start("--listen=127.0.0.1:9488", *self.make_certificates(),
                            "--tls_read_names=api",
                            network=["prlimit", "--nofile=1024:1024", *NO_NETWORK, "sh", "-c",
                                     "ip link set lo up && ip address add 10.0.0.1/32 dev lo && "
                                     'exec "$@"', "sh"])
        enter = ["nsenter", "--net", f"--target={daemon.process.pid}"]
        host = subprocess.Popen(
            [*enter, *([] if os.geteuid() == 0 else ["--user"]), sys.executable, "-c", BUSY_HOST,
             "9488", "1100", "900"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(host.kill)
        watchdog = threading.Timer(30, host.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)

        def wait_for(word):
            for line in host.stdout:
                if line.startswith(word):
                    return line
            raise AssertionError(f"no {word!r} came")

        wait_for("serves")
        wait_for("probes")
        host.stdin.write("go\n")
        host.stdin.flush()
        wait_for("closed")
        wait_for("probes")
        wait_for("probes")
        status = daemon.cli("status").stdout
        self.assertIn("the API refuses connections on 127.0.0.1:9488", status)
        self.assertNotIn("not probed", status)
        listing = daemon.cli("backend", "list").stdout
        self.assertIn("HTTP status 200", listing)
        self.assertNotIn("unhealthy", listing)
        host.kill()
        host.wait()
        host.stdin.close()
        host.stdout.close()
        self.assertEqual(daemon.stop(), 0)

    def test_second_daemon_is_refused(self):
        daemon = self.start()
        arguments = ["--config", self.directory + "/config.yaml", "--socket", daemon.socket]
        self.refused("is in use by another control plane", *arguments, "--state_directory",
                     self.directory + "/state")
        self.refused(f"process {daemon.process.pid} is listening on it", *arguments,
                     "--state_directory", self.directory + "/other")
        self.assertEqual(daemon.cli("pool", "list").returncode, 0)
        self.assertEqual(daemon.stop(), 0)

    def test_stops_within_a_second(self):
        """Beside 8000 backends whose probes wait for answers, and somebody who watches."""
        pools = "".join(
            f"- name: pool-{i}\n  table_size: 1021\n  probe: {{type: grpc, port: 9}}\n  backends:\n" + "".join(
                f"  - {{name: b{n}, address: 10.{i // 250}.{i % 250}.{n + 1}}}\n" for n in range(8))
            for i in range(100 if SANITIZED else 1000))
        self.write(f"flow_hash_secret: 0123456789abcdef\npools:\n{pools}vips: []\n")
        silent = ("ip link set lo up && ip link add here type veth peer there && ip link set there up && "
                  'ip link set here up && ip address add 10.255.255.1/8 dev here && exec "$@"')
        daemon = self.start(network=[*NO_NETWORK, "sh", "-c", silent, "sh"])
        with subprocess.Popen([CLI, "--socket", daemon.socket, "watch"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as watcher:
            self.assertTrue(watcher.stdout.readline())
            daemon.wait_for("cannot be reached")
            began = time.monotonic()
            self.assertEqual(daemon.stop(), 0)
            took = time.monotonic() - began
            watcher.communicate()
        self.assertLess(took, 1.5)  # 0.8 s where nobody else needs the processors
        self.assertFalse(os.path.exists(daemon.socket))
        self.assertTrue(os.path.exists(self.directory + "/state/health-verdicts"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
