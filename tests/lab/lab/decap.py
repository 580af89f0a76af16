"""guideway-decap on the lab's backends, in place of the lab's own decapsulation."""

import json
import os
import re

from lab.backends import L3DSR_DSCP
from lab.guideway import BUILD
from lab.process import LabError
from lab.topology import FAMILIES, TUNNEL_VIP

DECAP = os.path.join(BUILD, "dataplane", "decap", "guideway-decap")


class Decap:
    """The tool in one backend's namespace. Balancers and the other backends may send it tunnels."""

    def __init__(self, lab, name):
        if not os.access(DECAP, os.X_OK):
            raise LabError(f"{DECAP} is missing; build it with scripts/build")
        self._lab = lab
        self._name = name
        networks = [re.sub(r"[0-9a-f]+$", "0/24" if family == 4 else "/64",
                           lab.backend_address(name, family)) for family in FAMILIES]
        options = [word for network in networks for word in ("--from", network)]
        options += [word for family in FAMILIES
                    for word in ("--l3dsr", f"{L3DSR_DSCP}={TUNNEL_VIP[family]}")]
        self._run = [DECAP, "run", "--interface", "eth0", *options]
        self.process = lab.process(f"{name}-decap", name, *self._run)

    def start(self):
        self.process.start(ready="attached")

    def command(self, lab):
        """What start() runs, for those who want its output elsewhere."""
        return ["ip", "netns", "exec", lab.network.name(self._name), *self._run]

    def tool(self, command, *arguments, interface="eth0", check=True):
        return self._lab.execute(self._name, DECAP, command, "--interface", interface, *arguments,
                                 check=check)

    def stats(self):
        """Packets by verdict."""
        return json.loads(self.tool("stats", "-o", "json").stdout)["verdicts"]
