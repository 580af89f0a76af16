#!/usr/bin/python3
"""Runs benchmarks and prints each figure with its bar; perf/README.md says how they measure.

usage: scripts/bench [GROUP...] [--save] [--seconds SECONDS]
       scripts/bench --compare REVISION [GROUP...] [--rounds ROUNDS]
       scripts/bench --check

groups: micro, builder, flow_table, controlplane, generator, end_to_end; all of them without a name.
Root; 200 free hugepages. Figures go to build-bench/results.jsonl, with --save to perf/results, too.
"""

import argparse
import pathlib
import sys

import check
import compare
import groups
import lines
import machine
import table

RESULTS = pathlib.Path(__file__).resolve().parent / "results"


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    parser.add_argument("group", nargs="*", metavar="GROUP")
    parser.add_argument("--save", action="store_true", help="write the figures to perf/results")
    parser.add_argument("--seconds", type=int, help="how long backends flap in controlplane (60)")
    parser.add_argument("--compare", metavar="REVISION", help="measure another revision, too, and print ratios")
    parser.add_argument("--rounds", type=int, default=3, help="how often with --compare (3)")
    parser.add_argument("--check", action="store_true",
                        help="compare micro with perf/results/micro.jsonl; 1 if a row is 15%% worse")
    arguments = parser.parse_args(words)
    if arguments.check and (arguments.compare or arguments.group or arguments.save):
        parser.error("--check goes alone")
    if arguments.compare and arguments.save:
        parser.error("--compare saves nothing")
    unknown = [name for name in arguments.group if name not in groups.ALL]
    if unknown:
        parser.error(f"no group {unknown[0]}; there are {', '.join(groups.ALL)}")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    return arguments


def wanted_groups(names):
    """Those named, or all that are there."""
    missing = [name for name in names if not groups.ALL[name].exists(groups.ROOT)]
    if missing:
        raise groups.BenchError(f"{missing[0]}: {groups.ALL[missing[0]].source} is missing")
    if names:
        return [groups.ALL[name] for name in dict.fromkeys(names)]
    return [group for group in groups.ALL.values() if group.exists(groups.ROOT)]


def measure(wanted, save, arguments):
    """Runs the groups, prints their tables. True if all have run to their end."""
    build = groups.build_groups(wanted, groups.ROOT)
    described = machine.describe(groups.ROOT)
    print(", ".join(f"{name} {value}" for name, value in described.items()))
    figures, failures = {}, []
    for group in wanted:
        try:
            found = groups.run_group(group, build, arguments.get(group.name, ()))
        except groups.BenchError as error:
            failures.append(error)
            continue
        print(f"\n{group.name}\n{table.head()}")
        print("\n".join(table.of_group(group.name, found)), flush=True)
        figures.update(found)
        if save:
            lines.write(RESULTS / f"{group.name}.jsonl", described, found.values())
    lines.write(build / "results.jsonl", described, figures.values())
    print(f"\n{table.count(figures)}")
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return not failures


def main():
    arguments = parse(sys.argv[1:])
    more = {"controlplane": ("--seconds", str(arguments.seconds))} if arguments.seconds else {}
    try:
        wanted = wanted_groups(["micro"] if arguments.check else arguments.group)
        groups.set_up(wanted)
        if arguments.check:
            return 0 if check.run() else 1
        if arguments.compare:
            compare.run(arguments.compare, wanted, arguments.rounds, more)
            return 0
        return 0 if measure(wanted, arguments.save, more) else 1
    except groups.BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
