#!/usr/bin/python3
"""Two processes exchange real packets: the packet generator and what is measured. Prints JSON lines.

usage: run.py [TARGET...] [--rounds N] [--trial-seconds S] ...     (root; a tree built with -Dperf=true)

targets, all but testpmd by default:
  floor     the generator's own echo: what memif alone can do
  testpmd   DPDK's test program in io mode, where it is installed (package dpdk-dev)
  guideway  data plane and control plane, 1000 flows, IPIP
  million   the same with 1,000,000 flows

Targets take turns, round by round, each started anew. The generator has one CPU, the program that is
measured another one; manager, control plane and this script share the generator's. Text goes to
stderr; everything is ended and removed in any case.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from lab import configuration  # noqa: E402  (needs the path above)
from lab.process import LabError, Process, run, wait_until  # noqa: E402

BUILD = pathlib.Path(os.environ.get("GUIDEWAY_BUILD", ROOT / "build"))
GENERATOR = BUILD / "perf" / "generator" / "guideway-generator"
DATAPLANE = BUILD / "dataplane" / "guideway-dataplane"
CONTROLPLANE = BUILD / "controlplane" / "guideway-controlplane"
CLI = BUILD / "controlplane" / "cli" / "guideway"
PORT_MAC, GATEWAY_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
VIPS, BACKENDS, SLOTS = 16, 100, 65537
IPIP_BYTES = 20
FLOW_CAPACITY = 1 << 22
LATENCIES = ("p50", "p90", "p99", "p99_9", "max")
FEW_LATENCIES = ("p50", "p99")  # of all targets but guideway
# Warm-up of a million flows, drains and interruptions come on top of the trials.
_SLACK_S = 120
_START_S = 30
BARE = ("floor", "testpmd")  # send back what they get
TARGETS = (*BARE, "guideway", "million")
FEW_FLOWS, MANY_FLOWS = 1000, 1_000_000
# A round in which the processes were without CPU for a larger share of the time is repeated.
MOST_INTERRUPTED, TRIES = 0.05, 4


def say(text):
    print(text, file=sys.stderr, flush=True)


def guideway_config():
    """16 VIPs in front of 100 backends behind a static gateway, without probes."""
    return {
        "flow_hash_secret": "a secret of the whole lab",
        "settle_time": "0s",
        "ports": [{"name": "net_memif0",
                   "static_gateway": {"mac": GATEWAY_MAC, "source_ipv4": "198.18.0.1"}}],
        "pools": [{"name": "web", "encapsulation": "ipip", "table_size": SLOTS,
                   "backends": [{"name": f"b{i}", "address": f"198.18.1.{i + 1}"} for i in range(BACKENDS)]}],
        "vips": [{"name": f"v{i}", "address": f"203.0.113.{i + 1}", "port": 80, "protocol": "tcp", "pool": "web"}
                 for i in range(VIPS)]}


class Bench:
    """A temporary directory and the processes in it. A context manager: at its end all is gone."""

    def __init__(self, options):
        self.options = options
        self.processes = []
        self._stack = contextlib.ExitStack()
        self.directory = tempfile.mkdtemp(prefix="guideway-generator-")
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        root = "/dev/hugepages" if os.path.ismount("/dev/hugepages") else "/dev/shm"
        self.flow_directory = f"{root}/guideway-generator-{os.getpid()}"
        self._stack.callback(shutil.rmtree, self.flow_directory, ignore_errors=True)
        self.memif = f"{self.directory}/memif.sock"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def start(self, name, *arguments, ready):
        process = Process(name, None, arguments, f"{self.directory}/{name}.log")
        self._stack.callback(process.stop)
        self.processes.append(process)
        return process.start(ready=ready, timeout_s=_START_S)

    def start_floor(self):
        self.start("echo", GENERATOR, "--mode=echo", f"--socket={self.memif}", f"--cpu={self.options.cpu}",
                   ready="ready")

    def start_testpmd(self):
        program = shutil.which("dpdk-testpmd")
        if program is None:
            raise LabError("dpdk-testpmd is not installed (package dpdk-dev)")
        own, cpu = self.options.generator_cpu, self.options.cpu
        # Lcore 0 prints, lcore 1 forwards. Line by line, or nobody would see that it is ready.
        self.start("testpmd", "stdbuf", "-oL", program, f"--lcores=0@{own},1@{cpu}", "--in-memory", "--no-pci",
                   "--no-telemetry", f"--vdev=net_memif0,role=server,socket-abstract=no,socket={self.memif}",
                   "--", "--forward-mode=io", "--burst=32", "--stats-period=3600", "--disable-link-check",
                   ready="io packet forwarding")

    def start_guideway(self):
        own, cpu = self.options.generator_cpu, self.options.cpu
        channel, config = f"{self.directory}/channel.sock", f"{self.directory}/guideway.yaml"
        pathlib.Path(config).write_text(configuration.to_yaml(guideway_config()) + "\n", encoding="ascii")
        os.makedirs(self.flow_directory, mode=0o700)
        self.start("dataplane", DATAPLANE, f"--worker_cpus={cpu}", f"--manager_cpu={own}", f"--channel={channel}",
                   f"--port=vdev:net_memif0,role=server,socket-abstract=no,socket={self.memif},mac={PORT_MAC}",
                   f"--flow_table_directory={self.flow_directory}", f"--flows={FLOW_CAPACITY}", ready="ready")
        self.start("controlplane", "taskset", "-c", own, CONTROLPLANE, "--config", config, "--metrics_address=",
                   f"--dataplane_socket={channel}", f"--socket={self.directory}/api.sock",
                   f"--state_directory={self.directory}/state", ready="ready")
        wait_until(self.in_force, "the data plane has its tables", _START_S, poll_s=0.05)

    def cli(self, *words):
        # Exit code 4: status says that something is not well.
        done = run(CLI, "--socket", f"{self.directory}/api.sock", "-o", "json", *words, check=False)
        if done.returncode not in (0, 4):
            raise LabError(f"{' '.join(words)} exited with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def in_force(self):
        status = self.cli("status")
        return (status.get("dataplane_connected") and not status.get("settling")
                and int(status["wanted_generation"]) > 0
                and status["dataplane_generation"] == status["wanted_generation"])

    def check_accounting(self, records):
        """The data plane has received what the generator put into the ring, and accounts for all."""
        stats = self.cli("stats")
        accepted = sum(r["offered"] - r["rejected"] for r in records if "offered" in r)
        returned = sum(r["received"] for r in records if "received" in r)
        say(f"data plane: received {stats['received_packets']}, forwarded {stats['forwarded_packets']}, "
            f"drops {stats['drops']}; generator: put in {accepted}, got back {returned}")
        if not stats["balanced"] or stats["received_packets"] != accepted:
            raise LabError(f"the data plane received {stats['received_packets']} packets, but {accepted} were sent")
        if stats["forwarded_packets"] != returned:
            raise LabError(f"the data plane forwarded {stats['forwarded_packets']} packets, {returned} came")

    def measure(self, flows, outer_bytes):
        """The records of a run of the generator."""
        o = self.options
        trials = o.trials + 1 + len(o.loads.split(","))
        command = [GENERATOR, f"--socket={self.memif}", f"--cpu={o.generator_cpu}", f"--flows={flows}",
                   f"--outer_bytes={outer_bytes}", f"--vips={VIPS}", f"--destination_mac={PORT_MAC}",
                   f"--ring_log2={o.ring_log2}", f"--buffer_bytes={o.buffer_bytes}", "--runs=1",
                   f"--trial_seconds={o.trial_seconds}", f"--trials={o.trials}", f"--attempts={o.attempts}",
                   f"--loss_threshold={o.loss_threshold}", f"--loads={o.loads}"]
        deadline = trials * o.trial_seconds * 4 + _SLACK_S
        generator = self._stack.enter_context(subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self._stack.callback(generator.kill)
        watchdog = threading.Timer(deadline, generator.kill)
        watchdog.start()
        records = list(self.read_records(generator.stdout))
        watchdog.cancel()
        if not records or records.pop()["kind"] != "end":
            raise LabError(f"the generator ended early, or was not through after {deadline:.0f} s")
        return records

    def read_records(self, lines):
        for line in lines:
            if self.options.verbose:
                say(line.rstrip())
            record = json.loads(line)
            yield record
            if record["kind"] == "end":
                return

    def stop(self):
        """Ends what is measured, in order. The generator waits for that: see its main.cc."""
        for process in reversed(self.processes):
            code = process.stop()
            if code != 0:
                raise LabError(f"{process.name} ended with {code}:\n{process.log()[-2000:]}")


def row(name, unit, values, **more):
    """A line of results: the median, least and greatest of the rounds' values."""
    return {"row": name, "unit": unit, "value": round(statistics.median(values), 4), "low": min(values),
            "high": max(values), "runs": len(values), **more}


def loss_free(records):
    return [r["loss_free_mpps"] for r in records if r["kind"] == "loss_free"]


def rows_of(target, records):
    """Rates of the searches, and what packets took at each load."""
    prefix = "generator" if target == "guideway" else f"generator_{target}"
    rate = f"{prefix}_mpps" if target in BARE else f"{prefix}_loss_free_mpps"
    yield row(rate, "Mpps", loss_free(records),
              limits=sorted({r["limit"] for r in records if r["kind"] == "loss_free"}))
    yield row(f"{prefix}_saturated_mpps", "Mpps",
              [r["received_mpps"] for r in records if r["kind"] == "saturated"])
    loads = [r for r in records if r["kind"] == "load"]
    for percent in sorted({r["load_percent"] for r in loads}):
        of_load = [r for r in loads if r["load_percent"] == percent]
        more = {"offered_mpps": statistics.median(r["offered_mpps"] for r in of_load),
                "lost": sum(r["lost"] for r in of_load), "packets": sum(r["offered"] for r in of_load),
                "interruptions": sum(r["interruptions"] for r in of_load),
                "max_with_interruptions_us": max(r["max_with_interruptions_us"] for r in of_load)}
        for latency in LATENCIES if target == "guideway" else FEW_LATENCIES:
            yield row(f"{prefix}_latency_{percent:g}_{latency}_us", "us", [r[f"{latency}_us"] for r in of_load],
                      **(more if latency == "p50" else {}))


def measure_target(target, options):
    """The records of one round."""
    with contextlib.ExitStack() as stack:
        if options.lock:
            fcntl.flock(stack.enter_context(open(options.lock, "ab")), fcntl.LOCK_EX)
        bench = stack.enter_context(Bench(options))
        if target in BARE:
            bench.start_floor() if target == "floor" else bench.start_testpmd()
            records = bench.measure(FEW_FLOWS, 0)
        else:
            bench.start_guideway()
            records = bench.measure(MANY_FLOWS if target == "million" else FEW_FLOWS, IPIP_BYTES)
            bench.check_accounting(records)
        bench.stop()
        return records


def interrupted_share(records, options):
    """Of a trial's time, the median: overload makes interruptions longer, for lost packets are waited for."""
    trials = [r["interrupted_ms"] for r in records if r["kind"] in ("saturated", "trial", "load")]
    return statistics.median(trials) / 1000 / options.trial_seconds


def measure_quietly(target, options):
    """A round; again if the processes had lost their CPUs for too long. After the last try, as it is."""
    for left in reversed(range(TRIES)):
        records = measure_target(target, options)
        share = interrupted_share(records, options)
        quiet = share <= MOST_INTERRUPTED
        say(f"  {loss_free(records)[-1]:.2f} Mpps without loss, interrupted for {share:.1%} of the time"
            f"{'' if quiet or not left else ': again'}")
        if quiet:
            break
    return records


def measure(targets, options):
    records = {target: [] for target in targets}
    for number in range(options.rounds):
        for target in targets:
            say(f"round {number + 1} of {options.rounds}: {target}")
            records[target] += measure_quietly(target, options)
    for target in targets:
        for line in rows_of(target, records[target]):
            print(json.dumps(line), flush=True)
    if "floor" in targets and "guideway" in targets:
        pairs = zip(loss_free(records["guideway"]), loss_free(records["floor"]))
        shares = [round(ours / floor, 4) for ours, floor in pairs if floor > 0]
        if shares:
            print(json.dumps(row("generator_share_of_floor", "x", shares)), flush=True)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--rounds", type=int, default=5, help="searches, each followed by the loads (5)")
    parser.add_argument("--trial-seconds", type=float, default=2, help="length of a trial (2)")
    parser.add_argument("--trials", type=int, default=9, help="most trials of a search (9)")
    parser.add_argument("--attempts", type=int, default=1, help="trials that a rate must fail (1)")
    parser.add_argument("--loss-threshold", type=float, default=0, help="share that may be lost (0)")
    parser.add_argument("--loads", default="10,50,90", help="percent of the loss-free rate (10,50,90)")
    parser.add_argument("--ring-log2", type=int, default=11, help="slots of the rings, as power of two (11)")
    parser.add_argument("--buffer-bytes", type=int, default=2048, help="bytes of a slot (2048)")
    parser.add_argument("--cpu", type=int, default=1, help="CPU of what is measured (1)")
    parser.add_argument("--generator-cpu", type=int, default=0, help="CPU of everything else (0)")
    parser.add_argument("--lock", metavar="FILE", help="hold this lock (flock) while a target runs")
    parser.add_argument("--verbose", action="store_true", help="all trials, on stderr")
    options = parser.parse_args(words)
    unknown = [target for target in options.targets if target not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    return options


def main():
    options = parse(sys.argv[1:])
    # The stack above is unwound for these, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        measure(options.targets or [target for target in TARGETS if target != "testpmd"], options)
    except LabError as error:
        sys.exit(f"run.py: {error}")


if __name__ == "__main__":
    main()
