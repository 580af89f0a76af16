#!/usr/bin/python3
"""The demo of second chance: 200 downloads run while a backend is drained or added, and Guideway
forgets all flows.

usage: demo_gue.py     called by scripts/demo --gue, which builds first

The last line is "demo: N downloads, N broken"; exit code 0 if none was.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import configuration, guideway, topology  # noqa: E402
from lab.backends import Backends  # noqa: E402
from lab.decap import Decap  # noqa: E402
from lab.process import LabError  # noqa: E402
from lab.second_chance import ALL, DOWNLOADS, GuePool  # noqa: E402


def _show(number, title, pool, before, after):
    """Returns how many downloads broke with second chance."""
    print(f"{number}. {title} while {DOWNLOADS} downloads run, then the data plane restarts and "
          "forgets all flows", flush=True)
    broken = {}
    for second_chance, name in ((True, "with second chance   "), (False, "without, to compare  ")):
        reasons = pool.broken_by(second_chance, before, after)
        broken[second_chance] = sum(reasons.values())
        print(f"   {name} {DOWNLOADS - broken[second_chance]:3} byte-exact, "
              f"{broken[second_chance]} broken", flush=True)
    return broken[True]


def main():
    topology.end_in_order_on_signals()
    print("Lab: client - router - segment with the Guideway host and backends b1, b2, b3, which run "
          "guideway-decap; GUE over IPv4, VIPs of both families")
    downloads = broken = 0
    try:
        with topology.lab() as lab:
            try:
                config = configuration.tunnels(lab)
                backends = Backends(lab, Decap)
                running = guideway.Guideway(lab, config).start()
                pool = GuePool(lab, backends, running, config)
                for number, (title, before, after) in enumerate((
                        ("b2 is drained", ALL, {**ALL, "b2": "drained"}),
                        ("b3 is added", {"b1": "enabled", "b2": "enabled"}, ALL)), 1):
                    broken += _show(number, title, pool, before, after)
                    downloads += DOWNLOADS
                running.stop()
            except Exception:
                lab.dump_logs()
                raise
    except (LabError, KeyboardInterrupt) as error:
        print(f"demo: failed: {error or 'interrupted'}", file=sys.stderr)
        return 1
    print(f"demo: {downloads} downloads, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
