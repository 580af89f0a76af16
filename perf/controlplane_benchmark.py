#!/usr/bin/python3
"""The control plane at its largest: start, health changes, flapping. Prints each figure as a JSON line.

usage: controlplane_benchmark.py [--seconds SECONDS]     (root; a built tree; 60 s of flapping)

The lab of the tests with 1000 VIPs, 1000 pools and 10,000 backends of slots 65537 each; b1 has all
their addresses. A start counts from both daemons' exec to the first answer to a client through the
last VIP. A health change counts from the probe's verdict to the moment when every worker uses the
tables that follow from it, as the control plane measures it itself (`guideway -o json status`). That
is the channel's latency and what comes before it: compiling, the tables' way into shared memory,
the data plane's check of them, the last worker's quiescent point. Each figure is of one run.
Backends that flap change ten times a second; the downloads go to b2 and b3, in a pool of which ten
more backends flap.
"""

import argparse
import ipaddress
import json
import os
import pathlib
import socket
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from lab import backends, configuration, topology  # noqa: E402  (needs the path above)
from lab.guideway import BUILD, CLI, CONTROLPLANE, DATAPLANE, processor_time_s  # noqa: E402
from lab.process import LabError, wait_until  # noqa: E402
from lab.topology import CLIENT, GUIDEWAY, ROUTER, VIP  # noqa: E402

POOLS, BACKENDS_OF_POOL, SLOTS = 1000, 10, 65537
FLAPPING_POOLS = 100
FLAPPING = FLAPPING_POOLS * BACKENDS_OF_POOL
CHANGES = 300
DOWNLOADS = 60
STEADY_PORT, FLAPPING_PORT = 81, 82
FIRST_VIP = ipaddress.ip_address("203.0.120.0")
FIRST_BACKEND = ipaddress.ip_address("10.1.0.0")
_SERVER = os.path.join(BUILD, "perf", "flapping_server")
_CLIENT = ROOT / "tests" / "lab" / "lab" / "downloads_client.py"
_FAST = {"type": "tcp", "port": FLAPPING_PORT, "interval": "100ms", "timeout": "100ms", "rise": 1, "fall": 1}
_SLOW = {"type": "tcp", "port": STEADY_PORT, "interval": "5s", "timeout": "3s", "rise": 1, "fall": 1}


def backend_address(pool, number):
    return str(FIRST_BACKEND + pool * BACKENDS_OF_POOL + number)


def make_config(lab, fast_pools):
    """POOLS pools with a VIP each, the first `fast_pools` of them probed ten times a second; and the
    lab's own, which has the second pool's backends, too."""
    config = configuration.l2(lab, probe=_FAST, backends=("b2", "b3"))
    for i in range(POOLS):
        config["pools"].append({
            "name": f"p{i}", "encapsulation": "ipip", "table_size": SLOTS, "probe": _FAST if i < fast_pools else _SLOW,
            "backends": [{"name": f"p{n}", "address": backend_address(i, n)}
                         for n in range(BACKENDS_OF_POOL)]})
        config["vips"].append({"name": f"v{i}", "address": str(FIRST_VIP + i), "port": 80,
                               "protocol": "tcp", "pool": f"p{i}"})
    config["pools"][0]["encapsulation"] = "ipip"
    config["pools"][0]["backends"] += config["pools"][2]["backends"]
    return config


class Bench:
    """The lab with both daemons. Everything ends with the lab."""

    def __init__(self, lab):
        self.lab = lab
        self.socket = f"{lab.directory}/api.sock"
        net = lab.network
        net.route(ROUTER, f"{FIRST_VIP}/22", "via", lab.guideway_address())
        net.ip("b1", "route", "add", "local", f"{FIRST_VIP}/22", "dev", "lo")
        net.route(GUIDEWAY, "10.1.0.0/16", "via", lab.backend_address("b1"))
        net.ip("b1", "route", "add", "local", "10.1.0.0/16", "dev", "lo")
        self.backends = backends.Backends(lab)
        self.control = f"{lab.directory}/flapping.sock"
        for host, count in (("b1", FLAPPING), ("b2", 0), ("b3", 0)):
            steady, flapping = (STEADY_PORT, FLAPPING_PORT) if count else (FLAPPING_PORT, STEADY_PORT)
            control = self.control if count else f"{lab.directory}/{host}.sock"
            lab.process(f"{host}-flapping-server", host, _SERVER, control, steady, flapping,
                        FIRST_BACKEND, count).start(ready="ready")
        self.path = f"{lab.directory}/guideway.yaml"
        self.write_config(1)
        channel = f"{lab.directory}/dataplane.sock"
        self.dataplane = lab.process("dataplane", GUIDEWAY, DATAPLANE, "--port=eth0", "--workers=1",
                                     "--idle=adaptive", f"--channel={channel}",
                                     f"--flow_table_directory={lab.flow_directory}", "--flows=65536")
        self.controlplane = lab.process("controlplane", GUIDEWAY, CONTROLPLANE, "--config", self.path,
                                        f"--dataplane_socket={channel}", f"--socket={self.socket}",
                                        f"--state_directory={lab.directory}/state")

    def write_config(self, fast_pools):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(configuration.to_yaml(make_config(self.lab, fast_pools)) + "\n")

    def cli(self, *words):
        return self.lab.execute(GUIDEWAY, CLI, "--socket", self.socket, *words).stdout

    def status(self):
        # Exit code 4: something is not well, as when backends flap.
        done = self.lab.execute(GUIDEWAY, CLI, "--socket", self.socket, "-o", "json", "status", check=False)
        if done.returncode not in (0, 4):
            raise LabError(f"status exited with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def answers(self, address):
        return self.lab.execute(CLIENT, "curl", "-s", "-m", 1, "-o", "/dev/null", f"http://{address}/",
                                check=False).returncode == 0

    def make(self, state, count):
        """The first `count` backends "flap" or are "down"; the others are up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
            control.sendto(f"{state} {count}".encode(), self.control)

    def health_changes(self):
        return int(self.status()["update_latency"].get("health_changes", 0))

    def healthy(self):
        return sum(backend["health"] == "healthy"
                   for backend in json.loads(self.cli("-o", "json", "backend", "list")))

    def in_force(self):
        status = self.status()
        return status["dataplane_generation"] == status["wanted_generation"]

    def resident_mib(self, process):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def row(name, value, unit, **more):
    print(json.dumps({"row": name, "unit": unit, "value": round(value, 4), "runs": 1, **more}), flush=True)


def measure_start(bench):
    began = time.monotonic()
    bench.dataplane.start()
    wait_until(lambda: os.path.exists(f"{bench.lab.directory}/dataplane.sock"), "the channel's socket", 20,
               poll_s=0.005)
    bench.controlplane.start()
    wait_until(lambda: bench.answers(FIRST_VIP + POOLS - 1), "the last VIP answers", 120, poll_s=0.01)
    row("start_to_forwarding", time.monotonic() - began, "s")


def measure_first_round(bench):
    count = POOLS * BACKENDS_OF_POOL + BACKENDS_OF_POOL + 2
    began = time.monotonic()
    wait_until(lambda: bench.healthy() == count and not bench.status().get("settling"),
               "all backends are healthy", 120)
    row("start_to_all_known", time.monotonic() - began, "s")


def measure_changes(bench):
    """One backend's health changes, again and again, nothing else."""
    wait_until(bench.in_force, "the tables are in force", 60)
    first = bench.health_changes()
    bench.make("flap", 1)
    # Asking costs the control plane time, too: seldom.
    wait_until(lambda: bench.health_changes() >= first + CHANGES, f"{CHANGES} changes", 120, poll_s=5)
    bench.make("flap", 0)
    latency = bench.status()["update_latency"]
    row("health_to_last_worker_median", int(latency["median_us"]) / 1000, "ms", changes=CHANGES)
    row("health_to_last_worker_p99", int(latency["p99_us"]) / 1000, "ms", changes=CHANGES)


def start_downloads(bench, seconds):
    """One file for each, which takes a third longer than the flapping."""
    sha256 = backends.make_file(f"{bench.lab.directory}/files", "long", seconds * 40_000)
    downloads = bench.lab.process("downloads", CLIENT, sys.executable, _CLIENT, DOWNLOADS, sha256,
                                  "/slow/long", VIP[4], VIP[6])
    return downloads.start(ready="all run", timeout_s=30)


def measure_flapping(bench, seconds):
    """All backends of FLAPPING_POOLS, under running downloads."""
    count = bench.healthy()
    bench.write_config(FLAPPING_POOLS)
    began = time.monotonic()
    bench.cli("apply", "-f", bench.path)
    row("apply_other_probes", time.monotonic() - began, "s")
    bench.make("down", 2 * BACKENDS_OF_POOL)  # so that the downloads go to b2 and b3
    wait_until(lambda: bench.healthy() == count - 3 * BACKENDS_OF_POOL, "the backends are down", 30)
    downloads = start_downloads(bench, seconds)
    bench.make("flap", FLAPPING)
    planes = (bench.controlplane, bench.dataplane)
    before, memory, used = bench.status(), [], [processor_time_s(plane.pid) for plane in planes]
    for _ in range(seconds // 5):
        time.sleep(5)  # between samples
        memory.append([bench.resident_mib(plane) for plane in planes])
    after = bench.status()
    used = [processor_time_s(plane.pid) - old for plane, old in zip(planes, used)]
    bench.make("flap", 0)
    wait_until(lambda: not downloads.running(), "the downloads ended", seconds + 60)
    result = json.loads(downloads.log().splitlines()[-1])
    changes = int(after["update_latency"]["health_changes"]) - int(before["update_latency"]["health_changes"])
    sent = int(after["dataplane_generation"]) - int(before["dataplane_generation"])
    growth = [last - first for first, last in zip(memory[0], memory[-1])]
    row("flapping_changes_per_second", changes / seconds, "1/s", seconds=seconds)
    row("flapping_tables_per_second", sent / seconds, "1/s")
    row("flapping_to_last_worker_p99", int(after["update_latency"]["p99_us"]) / 1000, "ms")
    for plane, grown, took in zip(("controlplane", "dataplane"), growth, used):
        row(f"flapping_{plane}_growth", grown, "MiB")
        row(f"flapping_{plane}_processor", 100 * took / seconds, "percent")
    row("flapping_downloads_broken", DOWNLOADS - result["right"], "downloads", of=DOWNLOADS)
    print(result["broken"] or "", end="", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long the backends flap")
    arguments = parser.parse_args()
    topology.end_in_order_on_signals()
    with topology.lab() as lab:
        bench = Bench(lab)
        try:
            measure_start(bench)
            measure_first_round(bench)
            measure_changes(bench)
            measure_flapping(bench, arguments.seconds)
        except Exception:
            print(json.dumps(bench.status(), indent=1)[:2000], file=sys.stderr)
            lab.dump_logs(lines=8)
            raise


if __name__ == "__main__":
    sys.exit(main())
