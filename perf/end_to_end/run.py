#!/usr/bin/python3
"""End to end in the lab: the same client and servers, without a balancer and with each of several.

Every round takes all variants in turn, so that what changes on the machine meanwhile meets them all.
Prints rows as JSON lines; progress goes to stderr. Needs root, a built tree
(GUIDEWAY_BUILD, default build/) and the packages of `scripts/setup --bench`.
"""

import argparse
import fcntl
import json
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "tests" / "lab")]

from lab import topology  # noqa: E402  (needs the path above)
import load  # noqa: E402
import rows  # noqa: E402
import variants  # noqa: E402
from servers import Servers  # noqa: E402

# Other programs' part of the processors from which on a turn is worth nothing.
_FOREIGN_LIMIT = 0.03
_ATTEMPTS = 3
_LONGEST_HOLD_S = 58


class Lock:
    """Alone on the machine, as far as others take the same lock; without a path it does nothing."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="ascii") if path else None  # ends with the process
        self._since = None
        self._longest_turn_s = 0.0
        self._began = None

    def begin_turn(self):
        """Takes the lock, unless it is still held and will not be held for too long by one more turn."""
        if not self._file:
            return
        if self._since and time.monotonic() + self._longest_turn_s > self._since + _LONGEST_HOLD_S:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._since = None
            time.sleep(0.2)  # who waited comes first
        if not self._since:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._since = time.monotonic()
        self._began = time.monotonic()

    def end_turn(self):
        if self._file:
            self._longest_turn_s = max(self._longest_turn_s, time.monotonic() - self._began)


def turn(lab, servers, variant, seconds):
    """All loads on one variant: {row without its prefix: (value, further values)} and the foreign part."""
    values, foreign = {}, 0.0
    load.wrk(lab, variant.vip, "keepalive", 1)  # neighbours, caches, connections of the proxies
    for name in load.WRK_LOADS:
        row, share = load.measured_wrk(lab, servers, variant, name, seconds)
        prefix = "" if name == "keepalive" else f"{name}_"
        values.update({f"{prefix}{metric}": value for metric, value in row.items()})
        foreign = max(foreign, share)
    for name in load.IPERF_LOADS:
        values[f"{name}_mbit_per_s"] = load.iperf(lab, variant.iperf_address, name, max(2, seconds - 2))
    values["idle_cores"] = load.idle_cores(lab, variant.not_counted(), 1)
    return values, foreign


def quiet_turn(lab, servers, variant, seconds, lock):
    """A turn in which nothing else ran on the machine, or the best of several."""
    best = None
    for _ in range(_ATTEMPTS):
        lock.begin_turn()
        variant.start()
        try:
            values, foreign = turn(lab, servers, variant, seconds)
            drops = variant.check()
        finally:
            variant.stop()
        lock.end_turn()
        print(f"{variant.title:20} {values['requests_per_s'][0]:8.0f} "
              f"{values['close_requests_per_s'][0]:8.0f} requests/s, {values['upload_mbit_per_s'][0]:6.0f} "
              f"{values['download_mbit_per_s'][0]:6.0f} Mbit/s, other programs {foreign:.1%}, drops {drops}",
              file=sys.stderr, flush=True)
        if best is None or foreign < best[1]:
            best = values, foreign
        if foreign <= _FOREIGN_LIMIT:
            break
    return best


def rows_of(name, turns):
    """The rows of a variant from its turns [({metric: (value, further values)}, foreign part)]."""
    for metric, unit in rows.END_TO_END_METRICS.items():
        found = [values[metric][0] for values, _ in turns]
        row = {"row": rows.end_to_end_name(name, metric), "unit": unit, "value": round(statistics.median(found), 2),
               "low": round(min(found), 2), "high": round(max(found), 2), "runs": len(found)}
        for further in turns[0][0][metric][1]:
            row[further] = round(statistics.median(values[metric][1][further] for values, _ in turns), 2)
        row["other_programs"] = round(max(foreign for _, foreign in turns), 3)
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each variant (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk (5)")
    parser.add_argument("--lock", metavar="FILE", help="is locked (flock) during turns, for a minute at most")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="only these")
    arguments = parser.parse_args()
    if missing := variants.missing_programs():
        sys.exit(f"missing: {', '.join(missing)} (scripts/setup --bench installs them)")
    names = [made.name for made in variants.ALL]
    if unknown := set(arguments.variants) - set(names):
        sys.exit(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    lock = Lock(arguments.lock)
    topology.end_in_order_on_signals()
    with topology.lab() as lab:
        try:
            variants.prepare(lab)
            servers = Servers(lab)
            chosen = [made(lab) for made in variants.ALL if made.name in (arguments.variants or names)]
            turns = {variant.name: [] for variant in chosen}
            for number in range(arguments.rounds):
                print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
                for variant in chosen:
                    turns[variant.name].append(quiet_turn(lab, servers, variant, arguments.seconds, lock))
        except Exception:
            lab.dump_logs(lines=8)
            raise
    for name, taken in turns.items():
        for row in rows_of(name, taken):
            print(json.dumps(row))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
