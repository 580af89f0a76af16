#!/usr/bin/env python3
"""The program guideway-controlplane from outside: flags, files, signals, sockets, exit codes.

usage: daemon_test.py GUIDEWAY_CONTROLPLANE GUIDEWAY
"""
import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

DAEMON, CLI = sys.argv[1], sys.argv[2]
# Without a network the daemon can ask nobody about the backends' made-up addresses.
NO_NETWORK = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
LOOPBACK_ONLY = [*NO_NETWORK, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
YAML = """flow_hash_secret: 0123456789abcdef
pools:
- name: web
  backends:
  - {name: web-1, address: 10.0.0.1}
vips:
- {name: site, address: 192.0.2.1, port: 443, protocol: tcp, pool: web}
"""
PROBED_YAML = """flow_hash_secret: 0123456789abcdef
pools:
- name: web
  probe: {type: http, port: 8080, path: /, interval: 200ms, timeout: 200ms, rise: 2, fall: 2}
  backends:
  - {name: web-1, address: 10.0.0.1}
vips:
- {name: site, address: 192.0.2.1, port: 443, protocol: tcp, pool: web}
"""
# An HTTP server on port 8080, beside as many idle connections as asked for. Says how many of these
# were closed, as soon as it is so many, and then each time that ten probes have come.
BUSY_HOST = """
import http.server, resource, select, socket, sys, threading
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
port, count, closed_at_least = (int(word) for word in sys.argv[1:])
probes = 0

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global probes
        self.send_response(200)
        self.end_headers()
        probes += 1
        if not probes % 10:
            print("probes", probes, flush=True)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("10.0.0.1", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("serves", flush=True)
sys.stdin.readline()
idle = {}
waiting = select.poll()
for _ in range(count):
    connection = socket.create_connection(("127.0.0.1", port))
    idle[connection.fileno()] = connection
    waiting.register(connection, select.POLLIN)
closed = 0
while closed < closed_at_least:
    for number, _ in waiting.poll():
        waiting.unregister(number)
        closed += 1
print("closed", closed, flush=True)
sys.stdin.readline()
"""


class Daemon:
    """One run; its log is read line by line, so tests wait for events and not for time."""

    def __init__(self, directory, *flags, network=()):
        self.socket = directory + "/api.sock"
        self.process = subprocess.Popen(
            [*(network or NO_NETWORK), DAEMON, "--config", directory + "/config.yaml", "--socket", self.socket,
             "--state_directory", directory + "/state", "--dataplane_socket",
             directory + "/dataplane.sock", *flags], stderr=subprocess.PIPE, text=True)
        self.log = []
        # A daemon that says nothing must not hang the test.
        self.watchdog = threading.Timer(20, self.process.kill)
        self.watchdog.start()

    def wait_for(self, text):
        for line in self.process.stderr:
            self.log.append(line)
            if text in line:
                return
        raise AssertionError(f"'{text}' not in the log:\n" + "".join(self.log))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.log += self.process.stderr.readlines()
        self.watchdog.cancel()
        return self.process.wait()

    def cli(self, *arguments):
        return subprocess.run([CLI, "--socket", self.socket, *arguments], capture_output=True,
                              text=True, timeout=20, check=False)


def run(*arguments):
    return subprocess.run([*NO_NETWORK, DAEMON, *arguments], capture_output=True, text=True, timeout=20,
                          check=False)


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


class DaemonTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = holder.name
        self.write(YAML)

    def write(self, text):
        with open(self.directory + "/config.yaml", "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, *flags, **options):
        daemon = Daemon(self.directory, *flags, **options)
        self.addCleanup(daemon.watchdog.cancel)
        self.addCleanup(daemon.process.stderr.close)
        self.addCleanup(daemon.process.kill)
        daemon.wait_for("ready, API on")
        return daemon

    def refused(self, text, *arguments):
        result = run(*arguments)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(text, result.stderr)

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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
