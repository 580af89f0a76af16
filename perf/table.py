"""Figures as text for people: one line a row."""

import rows
import verdict


def number(value):
    """Four digits, and none behind the point that say nothing."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _line(title, value, unit, spread, floor, bar, judged):
    return f"{title:52} {value:>9} {unit:9} {spread:>15} {floor:>7} {bar:>8}  {judged}".rstrip()


def head():
    return _line("row", "net", "", "least..greatest", "floor", "bar", "")


def _of_figure(title, figure, unit, bar, judged):
    spread = f"{number(figure.low)}..{number(figure.high)}" if figure.runs > 1 else ""
    return _line(title, number(figure.value), unit, spread, number(figure.floor), number(bar), judged)


def of_group(group, figures):
    """The lines of the group's rows in their order, then figures that perf/rows.py does not know."""
    for row in rows.of_group(group):
        judged = verdict.verdict(row, figures)
        if row.name in figures:
            yield _of_figure(row.title, figures[row.name], row.unit, verdict.bar_of(row, figures), judged)
        else:
            yield _line(row.title, "", row.unit, "", "", number(verdict.bar_of(row, figures)), judged)
    for name, figure in figures.items():
        if name not in rows.BY_NAME:
            yield _of_figure(name, figure, figure.unit, None, "not in perf/rows.py")


def count(figures):
    """`31 rows: 20 met, 4 short, 7 without a bar`, of rows that were measured."""
    judged = [verdict.verdict(row, figures) for row in rows.ROWS if row.name in figures]
    met = sum(word == "met" for word in judged)
    short = sum(word.startswith("short") for word in judged)
    return f"{len(judged)} rows: {met} met, {short} short, {len(judged) - met - short} without a bar"
