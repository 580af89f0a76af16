#!/usr/bin/python3
"""Sums up meson's testlog.json by single test cases; the last line is "N passed, N failed".

usage: summarize.py TESTLOG.json

Understands Catch2 and Python's unittest; any other program counts as one test. A program that ends
badly counts as one failure at least, whatever it printed.
"""

import json
import re
import sys

_GOOD = {"OK", "EXPECTEDFAIL"}


def cases(output):
    """(passed, failed, skipped) by a test program's output, or None."""
    found = re.search(r"All tests passed \(.*?in (\d+) test cases?\)", output)
    if found:
        return int(found.group(1)), 0, 0
    found = re.search(r"test cases: +(\d+)((?: *\| *\d+ \w+(?: \w+)*)*)", output)
    if found:
        failed = re.search(r"(\d+) failed", found.group(2))
        failures = int(failed.group(1)) if failed else 0
        return int(found.group(1)) - failures, failures, 0
    found = re.search(r"Ran (\d+) tests? in", output)
    if found:
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", output))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", output))
        return int(found.group(1)) - bad - skipped, bad, skipped
    return None


def result(entry):
    """(passed, failed, skipped) of one program."""
    if entry["result"] == "SKIP":
        return 0, 0, 1
    counted = cases(entry.get("stdout", "") + entry.get("stderr", ""))
    if entry["result"] in _GOOD:
        return counted or (1, 0, 0)
    passed, failed, skipped = counted or (0, 1, 0)
    return passed, max(failed, 1), skipped


def main():
    total = [0, 0, 0]
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                numbers = result(entry)
                total = [a + b for a, b in zip(total, numbers)]
                if numbers[1]:
                    print(f"FAIL {entry['name']} ({entry['result'].lower()})")
    except FileNotFoundError:
        print("no test was run")
        total[1] += 1
    extra = f", {total[2]} skipped" if total[2] else ""
    print(f"{total[0]} passed, {total[1]} failed{extra}")


if __name__ == "__main__":
    main()
