"""Guideway's two daemons and its CLI in a lab."""

import json
import os
import re

from lab import configuration
from lab.process import LabError, run, wait_until
from lab.topology import GUIDEWAY

_ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("GUIDEWAY_BUILD", os.path.join(_ROOT, "build"))
DATAPLANE = os.path.join(BUILD, "dataplane", "guideway-dataplane")
CONTROLPLANE = os.path.join(BUILD, "controlplane", "guideway-controlplane")
CLI = os.path.join(BUILD, "controlplane", "cli", "guideway")
_RESOLVED = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}$")  # a next hop that has its MAC address
# Freed memory is overwritten at once: who uses it still, crashes here and not at the operator's.
_STRICT_MALLOC = ("env", "MALLOC_PERTURB_=90", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0")
_START_S = 30  # two cores, several processes


class Guideway:
    """Both daemons on the lab's Guideway host. check() asserts that every packet is accounted for."""

    def __init__(self, lab, config, workers=1, ports=None, strict_malloc=True):
        for program in (DATAPLANE, CONTROLPLANE, CLI):
            if not os.access(program, os.X_OK):
                raise LabError(f"{program} is missing; build it with scripts/build")
        self.lab = lab
        self.config_path = f"{lab.directory}/guideway.yaml"
        self.channel = f"{lab.directory}/dataplane.sock"
        self.socket = f"{lab.directory}/api.sock"
        self.write_config(config)
        ports = ports or [f"--port={interface}" for interface in lab.interfaces]
        strict = _STRICT_MALLOC if strict_malloc else ()
        self.dataplane = lab.process(
            "dataplane", GUIDEWAY, *strict, DATAPLANE, *ports, f"--workers={workers}", "--idle=adaptive",
            f"--channel={self.channel}", f"--flow_table_directory={lab.flow_directory}",
            "--flows=65536")
        self.controlplane = lab.process(
            "controlplane", GUIDEWAY, *strict, CONTROLPLANE, "--config", self.config_path,
            f"--dataplane_socket={self.channel}", f"--socket={self.socket}",
            f"--state_directory={lab.directory}/state")

    def write_config(self, config):
        with open(self.config_path, "w", encoding="ascii") as file:
            file.write(configuration.to_yaml(config) + "\n")

    def start(self):
        self.start_dataplane()
        self.start_controlplane()
        self.wait_serving()
        return self

    def start_dataplane(self):
        self.dataplane.start(ready="ready", timeout_s=_START_S)

    def restart_dataplane(self, *flags):
        """Ends and starts it, once with more flags, and waits until it has its tables."""
        self.dataplane.stop()
        self.dataplane.start(ready="ready", timeout_s=_START_S, more_arguments=flags)
        self.wait_in_step()

    def start_controlplane(self):
        self.controlplane.start(ready="ready", timeout_s=_START_S)

    def apply(self, config):
        """Puts it in force, also what needs force, and waits until it serves."""
        self.write_config(config)
        self.cli("apply", "-f", self.config_path, "--force")
        self.wait_serving()

    def cli(self, *arguments, check=True):
        return self.lab.execute(GUIDEWAY, CLI, "--socket", self.socket, *arguments, check=check)

    def json(self, *arguments):
        return json.loads(self.cli("-o", "json", *arguments).stdout)

    def status(self):
        """Exit code 4 is no failure: something is not well, and the answer says what."""
        done = self.cli("-o", "json", "status", check=False)
        if done.returncode not in (0, 4):
            raise LabError(f"status exited with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_in_step(self, timeout_s=20):
        """The data plane has the newest tables and all backends' first probes are over."""
        def in_step():
            status = self.status()
            return (status.get("dataplane_connected") and not status.get("settling")
                    and int(status["wanted_generation"]) > 0
                    and status["dataplane_generation"] == status["wanted_generation"])
        wait_until(in_step, "the data plane has the newest tables", timeout_s, poll_s=0.05)

    def wait_serving(self, timeout_s=30):
        """Every backend answers its probes and has a next hop, and the data plane knows."""
        def serving():
            entries = self.json("backend", "list")
            return all(entry["health"] in ("healthy", "unprobed")
                       and _RESOLVED.search(entry["next_hop"]) for entry in entries)
        wait_until(serving, "all backends are healthy and have a next hop", timeout_s, poll_s=0.05)
        self.wait_in_step()

    def stats(self):
        """Counters by name, "drops" by reason, "drop_total", "balanced" and "ports"."""
        return self.json("stats")

    def backends(self, pool):
        """{name: address, weight, state, health, share, packets ...} of a pool's backends."""
        return {entry["name"]: entry for entry in self.json("pool", "show", pool)["backends"]}

    def health(self, pool, backend):
        """"healthy", "unhealthy", "unknown" or "unprobed"."""
        return self.backends(pool)[backend]["health"]

    def wait_health(self, pool, backend, health, timeout_s=10):
        """The backend has that health and the data plane the tables that follow from it."""
        wait_until(lambda: self.health(pool, backend) == health, f"{backend} is {health}",
                   timeout_s, poll_s=0.05)
        self.wait_in_step()

    def check_balance(self):
        """received = forwarded + to kernel + answered + drops, exactly."""
        stats = self.stats()
        accounted = (stats["forwarded_packets"] + stats["to_kernel_packets"]
                     + stats["answered_packets"] + sum(stats["drops"].values()))
        assert stats["received_packets"] == accounted, stats
        assert stats["balanced"] is True, stats
        return stats

    def vip_stats(self, address, protocol):
        """The part of stats() that is one VIP's."""
        name = next(vip["name"] for vip in self.json("vip", "list")
                    if vip["address"] == address and vip["protocol"] == protocol)
        return next(vip for vip in self.stats()["vips"] if vip["name"] == name)

    def check_vip_sums(self):
        """Each verdict and drop reason, summed over the VIPs and no VIP, is the total. To be called
        when nobody sends."""
        stats = self.stats()
        rows = [*stats["vips"], stats["no_vip"]]
        totals = {"packets": "forwarded_packets", "to_kernel_packets": "to_kernel_packets",
                  "answered_packets": "answered_packets", "drop_total": "drop_total"}
        for name, total in totals.items():
            assert sum(row[name] for row in rows) == stats[total], (name, stats)
        for reason, total in stats["drops"].items():
            assert sum(row["drops"].get(reason, 0) for row in rows) == total, (reason, stats)

    def stop(self):
        """Both end by SIGTERM with 0."""
        for process in (self.controlplane, self.dataplane):
            if process.running():
                code = process.stop()
                if code != 0:
                    raise LabError(f"{process.name} ended with {code}:\n{process.log()}")


def processor_time_s(pid):
    """CPU time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def host_interface_packets(lab, interface="eth0"):
    """(received, sent) packets of an interface of the Guideway host."""
    link = json.loads(run("ip", "-j", "-s", "-n", lab.network.name(GUIDEWAY), "link", "show",
                          interface).stdout)[0]
    return link["stats64"]["rx"]["packets"], link["stats64"]["tx"]["packets"]
