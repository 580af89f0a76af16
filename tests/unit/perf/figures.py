"""What the tests of perf/ have in common: its modules can be imported, figures are made by hand.

Imported first; takes SOURCE_ROOT off the command line.
"""

import pathlib
import sys

ROOT = pathlib.Path(sys.argv.pop(1))
sys.path.insert(0, str(ROOT / "perf"))

import lines  # noqa: E402  (needs the path above)
import rows  # noqa: E402


def figure(name, value, floor=None, low=None, high=None, runs=7, unit="ns"):
    return lines.Figure(name, unit, value, value if low is None else low, value if high is None else high, runs,
                        floor, {"row": name, "unit": unit, "value": value})


def by_name(*figures):
    return {one.row: one for one in figures}


def lower(name="r", bar=10.0, **more):
    return rows.Row("micro", name, "", more.pop("unit", "ns"), bar, **more)


def higher(name="r", bar=1.9, **more):
    return rows.Row("micro", name, "", more.pop("unit", "x"), bar, higher_is_better=True, **more)
