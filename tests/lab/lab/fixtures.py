"""The usual fixture of a test file: a lab with backends, a running Guideway and its bookkeeping."""

import json

from lab import configuration
from lab.backends import Backends, L3DSR_DSCP
from lab.guideway import Guideway
from lab.process import LabError, wait_until
from lab.topology import BACKENDS, VIP

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
