#!/usr/bin/env python3
"""Holds the tables of docs/life-of-a-packet.md against the tests that they name.

usage: packet_table.py GOLDEN-PACKETS    (made by make_golden.py)

A table whose last column is "tests" names in every row at least one test; every name is one or more
tests' (with * and ? as in file names). A counter in the column "counter" is on the list of counters or
drop reasons, and one of the row's tests shows it: a packet case by its verdict, a unit or lab test
by naming it. Every drop reason and every verdict's counter is in some row.
"""

import fnmatch
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "life-of-a-packet.md"
_VERDICTS = {"forwarded_packets", "answered_packets", "to_kernel_packets"}


def packet_cases(path):
    """Case -> counters that its packets move."""
    cases = {}
    for line in pathlib.Path(path).read_text().splitlines():
        word, *rest = line.split()
        if word == "case":
            shown = cases.setdefault(rest[0], set())
        elif word == "counters":
            shown |= {counter.partition("=")[0] for counter in rest}
    return cases


def source_cases(folder, suffix, pattern):
    """Name of a test -> words of the file that it is in."""
    cases = {}
    for path in sorted((ROOT / "tests" / folder).rglob("*" + suffix)):
        text = path.read_text()
        for name in re.findall(pattern, text, re.M):
            cases[name] = set(re.findall(r"\w+", text))
    return cases


def listed(name):
    return set(re.findall(r"^GW_\w+\((\w+),", (ROOT / "lib/stats" / name).read_text(), re.M))


def tables(text):
    """Yields (column names, [(line number, cells)])."""
    header, rows = None, []
    for number, line in enumerate(text.splitlines() + [""], 1):
        if not line.startswith("|"):
            if header:
                yield header, rows
            header, rows = None, []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
        elif not set(line) <= set("|-"):
            rows.append((number, cells))


def check_row(columns, cells, known, counters, seen):
    row = dict(zip(columns, cells))
    named = re.findall(r"`([^`]+)`", row.get("counter", ""))
    shown = set()
    for part in filter(None, row["tests"].split(";")):
        kind, *patterns = re.split(r"`([^`]+)`", part.strip())
        for pattern in patterns[::2]:
            matching = fnmatch.filter(known.get(kind.strip(), {}), pattern)
            if not matching:
                yield f"no {kind.strip()} test is called {pattern}"
            for name in matching:
                shown |= known[kind.strip()][name]
    if not row["tests"] and "](#" not in row.get("what happens", ""):
        yield "names no test"
    for counter in named:
        if counter not in counters:
            yield f"no counter or drop reason is called {counter}"
        elif counter not in shown:
            yield f"no test that it names shows {counter}"
    seen.update(named)


def check(page, known):
    reasons, counters = listed("drop_reasons.def"), listed("counters.def")
    seen, rows_checked = set(), 0
    for columns, rows in tables(page):
        if columns[-1] != "tests":
            continue
        for number, cells in rows:
            rows_checked += 1
            for complaint in check_row(columns, cells, known, reasons | counters, seen):
                yield f"{PAGE.name}:{number}: {complaint}"
    for name in sorted((reasons | _VERDICTS) - seen):
        yield f"{PAGE.name}: {name} is in no table"
    if not rows_checked:
        yield f"{PAGE.name}: no table has a column of tests"


def main():
    known = {
        "packet": packet_cases(sys.argv[1]),
        "unit": source_cases("unit", ".cc", r'^TEST_CASE\("([^"]+)"'),
        "lab": source_cases("lab", ".py", r"^def (test_\w+)\("),
    }
    complaints = list(check(PAGE.read_text(), known))
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
