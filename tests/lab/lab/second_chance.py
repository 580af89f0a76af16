"""Long connections through a GUE pool while its backends change and Guideway forgets its flows."""

from lab import client, configuration
from lab.topology import BACKENDS, FAMILIES, TUNNEL_VIP

POOL = "tunnel4"
DOWNLOADS = 200
ALL = dict.fromkeys(BACKENDS, "enabled")


class GuePool:
    """The pool behind the tunnel VIPs. Borrows the lab, its backends and Guideway."""

    def __init__(self, lab, backends, guideway, config):
        self._lab = lab
        self._backends = backends
        self._guideway = guideway
        self._config = config

    def apply(self, second_chance, states):
        """The pool's backends and their states; the others are not in it."""
        pool = next(pool for pool in self._config["pools"] if pool["name"] == POOL)
        # Without probes: one that comes late on a busy machine would be a change of its own.
        pool.update(configuration.pool(self._lab, POOL, "gue", backends=tuple(states)))
        pool.pop("probe", None)
        pool["gue"] = {"second_chance": second_chance}
        for backend in pool["backends"]:
            backend["state"] = states[backend["name"]]
        self._guideway.apply(self._config)

    def start_downloads(self):
        """Returns when all run."""
        return client.SlowDownloads(self._lab, self._backends.slow_sha256,
                                    [TUNNEL_VIP[family] for family in FAMILIES], DOWNLOADS).start()

    def forget_flows(self):
        self._guideway.restart_dataplane("--forget_flows")

    def broken_by(self, second_chance, before, after):
        """How many downloads fail, by reason, if the pool becomes `after` while they run, and then
        all flows are forgotten."""
        self.apply(second_chance, before)
        downloads = self.start_downloads()
        if after != before:
            self.apply(second_chance, after)
        self.forget_flows()
        assert downloads.running(), "the downloads ended before the restart was over"
        return downloads.broken()
