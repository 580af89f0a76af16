"""The usual fixture of a test file: a lab with backends, a running Guideway and its bookkeeping."""

import json

from lab import client, configuration
from lab.backends import Backends, L3DSR_DSCP
from lab.guideway import Guideway
from lab.process import LabError, wait_until
from lab.topology import BACKENDS, GUIDEWAY, VIP

SEGMENT = ("segment", {})
TWO_PORT = ("two-port", {"two_port": True})
TWO_QUEUES = ("two-queues", {"queues": 2})


def problem_lines(guideway):
    """What is wrong, from `guideway -o json status`."""
    status = json.loads(guideway.cli("-o", "json", "status", check=False).stdout)
    lines = [problem["text"] for problem in status.get("problems", [])]
    return lines + [text for text in [*status.get("state_problems", []),
                                      status.get("dataplane_problem", "")] if text]


class Running:
    """Backends, both daemons, all backends healthy. Subclasses choose the configuration."""

    def __init__(self, lab, config=None, workers=1, decap=None):
        self.lab = lab
        self.backends = Backends(lab, decap)
        self.config = config or configuration.l2(lab)
        self.guideway = Guideway(lab, self.config, workers).start()

    def use_tunnels(self, outer, encapsulation="ipip", spread=False, **details):
        """Points the tunnel VIPs at the pool whose backends have addresses of this family."""
        for pool in self.config["pools"]:
            if pool["name"].startswith("tunnel"):
                for key in ("gue", "dscp", *configuration.SOURCE_PREFIXES):
                    pool.pop(key, None)
                pool["encapsulation"] = encapsulation
                if details:
                    pool["gue"] = details
                if encapsulation == "l3dsr":
                    pool["dscp"] = L3DSR_DSCP
                if spread:
                    pool.update(configuration.SOURCE_PREFIXES)
        for vip in self.config["vips"]:
            if vip["name"].startswith("tunnel"):
                # L3DSR serves each VIP by backends of its own family.
                vip["pool"] = f"tunnel{outer or vip['name'][len('tunnel')]}"
        self.guideway.apply(self.config)

    def check(self):
        """After every case: both daemons run and every packet is accounted for."""
        for process in (self.guideway.dataplane, self.guideway.controlplane):
            if not process.running():
                raise LabError(f"{process.name} has ended")
        self.guideway.check_balance()

    def serving(self):
        """Which backend serves the running download: no other connection may run."""
        def found():
            for name in BACKENDS:
                sockets = self.lab.execute(name, "ss", "-Htn", "state", "established", "sport", "=",
                                           ":80", "src", VIP[4]).stdout
                if sockets.strip():
                    return name
            return None
        return wait_until(found, "a backend serves the download")

    def close(self):
        self.guideway.stop()


class Probed(Running):
    """Probes as the case wants them, and a firewall on the Guideway host that traffic does not go by."""

    def probe(self, probe, **pool):
        config = configuration.l2(self.lab, probe=probe)
        config["pools"][0].update(pool)
        self.guideway.apply(config)
        self.wait_all("healthy", timeout_s=30)

    def cut(self, rule, verdict="drop"):
        """Drops what the host itself sends and the rule fits."""
        self.lab.execute(GUIDEWAY, "nft", "add table inet cut; add chain inet cut out "
                         "{ type filter hook output priority 0; }; "
                         f"add rule inet cut out {rule} {verdict}")

    def mend(self):
        self.lab.execute(GUIDEWAY, "nft", "delete table inet cut")

    def wait_all(self, health, names=BACKENDS, timeout_s=20):
        for name in names:
            self.guideway.wait_health("web", name, health, timeout_s)

    def problems(self):
        return "; ".join(str(problem) for problem in self.guideway.status()["problems"])

    def downloads(self, count, path="/slow/slow"):
        return client.SlowDownloads(self.lab, self.backends.slow_sha256, list(VIP.values()), count,
                                    path).start()
