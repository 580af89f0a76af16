"""The usual fixture of a test file: a lab with backends, a running Guideway and its bookkeeping."""

from lab import configuration
from lab.backends import Backends
from lab.guideway import Guideway
from lab.process import LabError

SEGMENT = ("segment", {})
TWO_PORT = ("two-port", {"two_port": True})


class Running:
    """Backends, both daemons, all backends healthy. Subclasses choose the configuration."""

    def __init__(self, lab, config=None):
        self.lab = lab
        self.backends = Backends(lab)
        self.config = config or configuration.l2(lab)
        self.guideway = Guideway(lab, self.config).start()

    def check(self):
        """After every case: both daemons run and every packet is accounted for."""
        for process in (self.guideway.dataplane, self.guideway.controlplane):
            if not process.running():
                raise LabError(f"{process.name} has ended")
        self.guideway.check_balance()

    def close(self):
        self.guideway.stop()
