"""The usual fixture of a test file: a lab with backends, a running Guideway and its bookkeeping."""

from lab import configuration
from lab.backends import Backends
from lab.guideway import Guideway
from lab.process import LabError, wait_until
from lab.topology import BACKENDS, VIP

SEGMENT = ("segment", {})
TWO_PORT = ("two-port", {"two_port": True})
TWO_QUEUES = ("two-queues", {"queues": 2})


class Running:
    """Backends, both daemons, all backends healthy. Subclasses choose the configuration."""

    def __init__(self, lab, config=None, workers=1, decap=None):
        self.lab = lab
        self.backends = Backends(lab, decap)
        self.config = config or configuration.l2(lab)
        self.guideway = Guideway(lab, self.config, workers).start()

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
