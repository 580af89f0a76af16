"""scripts/bench --check: the micro rows against the committed results."""

import pathlib

import groups
import lines
import rows
import table
import verdict

COMMITTED = pathlib.Path(__file__).resolve().parent / "results" / "micro.jsonl"


def failing(before, after):
    """The rows that are measured on both sides and have become worse than allowed; rows that have not
    been measured again are failing, too."""
    return [row for row in rows.ROWS if row.name in before
            and (row.name not in after or verdict.is_regression(row, before[row.name], after[row.name]))]


def merge(first, second):
    """Row by row the better of two measurements of this machine."""
    merged = dict(first)
    for name, figure in second.items():
        known = name in first and name in rows.BY_NAME
        merged[name] = verdict.better_of(rows.BY_NAME[name], first[name], figure) if known else figure
    return merged


def report(before, after):
    """One line for each row of the committed results."""
    failed = {row.name for row in failing(before, after)}
    yield f"{'row':52} {'committed':>10} {'now':>10} {'change':>8}   (net / floor)"
    for row in rows.ROWS:
        if row.name not in before:
            continue
        if row.name not in after:
            yield f"{row.title:52} {table.number(verdict.cost(before[row.name])):>10}   FAILED: not measured"
            continue
        old, new = verdict.cost(before[row.name]), verdict.cost(after[row.name])
        worse = 100 * verdict.worse_by(row, before[row.name], after[row.name])
        word = "FAILED" if row.name in failed else "ok"
        yield (f"{row.title:52} {table.number(old):>10} {table.number(new):>10} "
               f"{abs(worse):>6.1f}%   {'worse' if worse > 0 else 'better'}   {word}")


def check(measure, before):
    """(True if no row has become worse than allowed, figures). `measure(names)` measures rows, [] all.
    What fails is measured once more and counts only if it fails again."""
    after = measure([])
    again = failing(before, after)
    if again:
        after = merge(after, measure([row.name for row in again]))
    return not failing(before, after), after


def run():
    """Builds, measures, prints. False if a row has become worse than allowed."""
    if not COMMITTED.exists():
        raise groups.BenchError(f"{COMMITTED.relative_to(groups.ROOT)} is missing: scripts/bench micro --save")
    with open(COMMITTED, encoding="utf-8") as file:
        before, problems = lines.read(file)
    if problems:
        raise groups.BenchError(f"{COMMITTED.relative_to(groups.ROOT)}: {problems[0]}")
    micro = groups.ALL["micro"]
    build = groups.build_groups([micro], groups.ROOT)
    good, after = check(lambda names: groups.run_group(micro, build, names), before)
    print("\n".join(report(before, after)))
    allowed = f"{verdict.WORSE_ALLOWED:.0%}"
    print(f"check: no row is more than {allowed} worse" if good else f"check: rows are more than {allowed} worse")
    return good
