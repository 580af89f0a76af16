"""What the tests of the program guideway-controlplane stand on: it runs in a directory of its own.

The programs are the arguments of the test: GUIDEWAY_CONTROLPLANE GUIDEWAY.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

DAEMON, CLI = sys.argv[1], sys.argv[2]
# With AddressSanitizer the program is several times as slow and reserves terabytes of addresses.
with open(DAEMON, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
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


class DaemonFixture(unittest.TestCase):
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
