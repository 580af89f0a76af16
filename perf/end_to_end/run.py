#!/usr/bin/python3
"""End to end in the lab: the same client and servers, without a balancer and with each of several.

Every round takes all variants in turn, so that what changes on the machine meanwhile meets them all.
Prints rows as JSON lines; progress goes to stderr. Needs root, a built tree
(GUIDEWAY_BUILD, default build/) and the packages of `scripts/setup --bench`.
"""

import argparse
import fcntl
import functools
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

# Other programs' part of the processors above which a run is worth nothing.
_FOREIGN_LIMIT = 0.03
_ATTEMPTS = 6
_QUIET_S = 3  # how long a run waits for others to end
_LONGEST_HOLD_S = 58


class Lock:
    """Alone on the machine, as far as others take the same lock; without a path it does nothing."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="ascii") if path else None  # ends with the process
        self._since = None

    def take(self, seconds):
        """For so long, and it may be held already: not longer than _LONGEST_HOLD_S without a pause."""
        if not self._file:
            return
        if self._since and time.monotonic() + seconds > self._since + _LONGEST_HOLD_S:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._since = None
            time.sleep(0.2)  # who waited comes first
        if not self._since:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._since = time.monotonic()


def quietly(lab, lock, seconds, measure):
    """What measure() gives, ({metric: (value, further values)}, foreign part), from a run in which nothing
    else ran on the machine, or the best of several; the foreign part is a further value of each metric."""
    best = None
    for _ in range(_ATTEMPTS):
        lock.take(seconds + _QUIET_S)
        load.wait_quiet(lab, _FOREIGN_LIMIT, _QUIET_S)
        found, foreign = measure()
        if best is None or foreign < best[1]:
            best = found, foreign
        if foreign <= _FOREIGN_LIMIT:
            break
    return {metric: (value, {**further, "other_programs": best[1]}) for metric, (value, further) in best[0].items()}


def turn(lab, servers, variant, seconds, lock):
    """All loads on one variant: {metric: (value, further values)}."""
    rest_s = max(2, seconds - 2)
    measures = [functools.partial(load.measured_wrk, lab, servers, variant, name, seconds) for name in load.WRK_LOADS]
    measures += [functools.partial(load.measured_iperf, lab, variant, name, rest_s) for name in load.IPERF_LOADS]
    measures.append(functools.partial(load.idle, lab, variant, rest_s))
    lock.take(seconds + 2)
    load.wrk(lab, variant.vip, "keepalive", 1)  # neighbours, caches, connections of the proxies
    values = {}
    for measure in measures:
        values.update(quietly(lab, lock, seconds + 1, measure))
    foreign = max(further["other_programs"] for _, further in values.values())
    print(f"{variant.title:20} {values['requests_per_s'][0]:8.0f} "
          f"{values['close_requests_per_s'][0]:8.0f} requests/s, {values['upload_mbit_per_s'][0]:6.0f} "
          f"{values['download_mbit_per_s'][0]:6.0f} Mbit/s, other programs {foreign:.1%}",
          file=sys.stderr, flush=True)
    return values


def whole_turn(lab, servers, variant, seconds, lock):
    """With start, check and end of the variant."""
    lock.take(5)
    variant.start()
    try:
        found = turn(lab, servers, variant, seconds, lock)
        drops = variant.check()
        if drops:
            print(f"  dropped packets: {drops}", file=sys.stderr)
    finally:
        variant.stop()
    return found


def rows_of(name, turns):
    """The rows of a variant from its turns [{metric: (value, further values)}]; `other_programs` is the
    greatest part of the machine that others had in one of the runs."""
    for metric, unit in rows.END_TO_END_METRICS.items():
        found = [turn_values[metric][0] for turn_values in turns]
        further = [turn_values[metric][1] for turn_values in turns]
        row = {"row": rows.end_to_end_name(name, metric), "unit": unit, "value": round(statistics.median(found), 2),
               "low": round(min(found), 2), "high": round(max(found), 2), "runs": len(found)}
        for key in further[0]:
            row[key] = round(statistics.median(one[key] for one in further), 2)
        row["other_programs"] = round(max(one["other_programs"] for one in further), 3)
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each variant (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk (5)")
    parser.add_argument("--lock", metavar="FILE", help="is locked (flock) during runs, for a minute at most")
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
                    turns[variant.name].append(whole_turn(lab, servers, variant, arguments.seconds, lock))
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
