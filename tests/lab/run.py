#!/usr/bin/python3
"""Runs the lab tests: one standing lab for the cases of a fixture, rebuilt after a failure.

usage: run.py [--list] [--long] [NAME...]     NAME: a file (test_dsr), a case, or part of either

--long: the cases that take minutes instead, tests/lab/long_*.py

A file tests/lab/test_X.py has FIXTURES = [(name, keyword arguments of topology.lab)], a class
Fixture(lab) with check() (run after every case: the counters balance) and close(), and cases:
functions test_*(fixture). Prints PASS or FAIL for each; the last line is the sum.
"""

import importlib
import os
import pathlib
import re
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lab import topology  # noqa: E402  (needs the path above)


class Result:
    passed = 0
    failed = 0


def cases_of(module):
    """In the order of the file."""
    found = [(name, value) for name, value in vars(module).items() if name.startswith("test_")]
    return sorted(found, key=lambda case: case[1].__code__.co_firstlineno)


def run_case(title, function, fixture, lab, result):
    """True if it passed."""
    started = time.monotonic()
    try:
        function(fixture)
        fixture.check()
    except Exception:  # any failure of a case is a result, not the end of the run
        print(f"FAIL {title}", flush=True)
        traceback.print_exc()
        lab.dump_logs()
        result.failed += 1
        return False
    print(f"PASS {title} ({time.monotonic() - started:.1f} s)", flush=True)
    result.passed += 1
    return True


def run_fixture(module, fixture_name, arguments, cases, result):
    """Runs the cases; each failure costs a new lab for the rest."""
    rest = list(cases)
    while rest:
        with topology.lab(**arguments) as lab:
            fixture = None
            try:
                fixture = module.Fixture(lab)
            except Exception:
                print(f"FAIL {module.__name__}/{fixture_name}: the lab does not come up", flush=True)
                traceback.print_exc()
                lab.dump_logs()
                result.failed += len(rest)
                return
            while rest:
                name, function = rest.pop(0)
                title = f"{module.__name__}/{fixture_name}/{name.removeprefix('test_')}"
                if not run_case(title, function, fixture, lab, result):
                    break
            fixture.close()


def selected(pattern, *names):
    return not pattern or any(re.search(re.escape(part), name) for part in pattern for name in names)


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return 0
    topology.end_in_order_on_signals()
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    result = Result()
    for path in sorted(HERE.glob("long_*.py" if "--long" in sys.argv else "test_*.py")):
        module = importlib.import_module(path.stem)
        only = getattr(module, "ONLY", {})
        for fixture_name, arguments in module.FIXTURES:
            cases = [(name, function) for name, function in cases_of(module)
                     if selected(wanted, path.stem, name)
                     and fixture_name in only.get(name, [fixture_name])]
            if "--list" in sys.argv:
                for name, _ in cases:
                    print(f"{path.stem}/{fixture_name}/{name}")
            elif cases:
                run_fixture(module, fixture_name, arguments, cases, result)
    if "--list" in sys.argv:
        return 0
    if result.passed + result.failed == 0:
        print(f"no case is called {' or '.join(wanted)}", file=sys.stderr)
        return 2
    print(f"{result.passed} passed, {result.failed} failed", flush=True)
    return 1 if result.failed else 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
