"""JSON lines of benchmark programs and of perf/results, read and written.

A figure's line: {"row": NAME, "unit": UNIT, "value": MEDIAN, "low": LEAST, "high": GREATEST, "runs": N},
"floor" where one was subtracted, and whatever else the program says. The first line of a results file
is of the machine: {"machine": ..., "commit": ...}.
"""

import dataclasses
import json
import math
import re
from typing import Optional

_NAME = re.compile(r"[a-z0-9_]+")


@dataclasses.dataclass(frozen=True)
class Figure:
    """Median, least and greatest of `runs` runs, net of `floor` if there is one."""
    row: str
    unit: str
    value: float
    low: float
    high: float
    runs: int
    floor: Optional[float]
    line: dict = dataclasses.field(compare=False, repr=False)

    def spread(self):
        """Half the distance of the extremes as a part of the value; 0 if that is 0."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else 0.0


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def _object(line):
    """The line's JSON object; ValueError if it is none."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def figure_of(line):
    """The Figure of one line. ValueError says what is wrong with it."""
    value = _object(line)
    missing = {"row", "unit", "value"} - value.keys()
    if missing:
        raise ValueError(f"no {', '.join(sorted(missing))}")
    if not isinstance(value["row"], str) or not _NAME.fullmatch(value["row"]):
        raise ValueError(f"{value['row']!r} is no name of a row")
    median = _number(value["value"])
    low, high = _number(value.get("low", median)), _number(value.get("high", median))
    if not low <= median <= high:
        raise ValueError(f"{median} is not between {low} and {high}")
    floor = value.get("floor")
    return Figure(value["row"], str(value["unit"]), median, low, high, int(_number(value.get("runs", 1))),
                  None if floor is None else _number(floor), value)


def read(lines):
    """({row: Figure}, [what was wrong]) of a program's output. Empty lines and lines of a machine are
    passed over; of a row that comes twice the last counts."""
    figures, problems = {}, []
    for line in lines:
        line = line.strip()
        if not line:
            continue
        try:
            if "machine" in _object(line):
                continue
            figure = figure_of(line)
        except ValueError as error:
            problems.append(f"not a figure ({error}): {line[:100]}")
            continue
        figures[figure.row] = figure
    return figures, problems


def write(path, machine, figures):
    """A results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [machine, *(figure.line for figure in figures)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
