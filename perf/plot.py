#!/usr/bin/python3
"""The end-to-end figures for docs/performance.md: Markdown tables, and bars as SVG.

usage: plot.py RESULTS            prints the tables of a results file (perf/results/end_to_end.jsonl)
       plot.py --update RESULTS   puts them between the markers of docs/performance.md, and writes
                                  docs/performance-end-to-end.svg

Reads what scripts/bench writes: JSON lines, the first one of the machine.
"""

import argparse
import html
import json
import pathlib
import sys

import lines
import rows

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE, PICTURE = "performance.md", "performance-end-to-end.svg"
BEGIN, END = "<!-- end to end: begin -->", "<!-- end to end: end -->"


class PlotError(Exception):
    """What is told without a stack."""


def read(text):
    """(machine, {row: Figure}) of a results file. PlotError if it is none or end-to-end rows are missing."""
    first, _, rest = text.partition("\n")
    try:
        machine = json.loads(first)
        machine["machine"], machine["kernel"], machine["commit"], machine["date"]
    except (ValueError, TypeError, KeyError) as error:
        raise PlotError(f"the first line does not describe a machine: {error!r}") from error
    figures, problems = lines.read(rest.splitlines())
    missing = [row.name for row in rows.of_group("end_to_end") if row.name not in figures]
    if problems or missing:
        raise PlotError("; ".join([*problems, *(f"no row {name}" for name in missing)]))
    return machine, figures


class Results:
    """The figures by variant and metric."""

    def __init__(self, figures):
        self._figures = figures

    def figure(self, variant, metric):
        return self._figures[rows.end_to_end_name(variant, metric)]

    def value(self, variant, metric):
        return self.figure(variant, metric).value

    def part(self, variant, metric, name):
        """A further value of a figure: of machine_us_per_request, who had it."""
        return self.figure(variant, metric).line[name]


def _whole(value):
    return f"{value:,.0f}"


def _spread(figure):
    """`61,265 ±3%`: the median and half the distance of the extremes."""
    return f"{_whole(figure.value)} ±{100 * figure.spread():.0f}%"


def _table(head, body):
    """Markdown; the first column to the left, figures to the right."""
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for cells in body:
        yield f"| {' | '.join(cells)} |"


def _speed_cells(results, variant):
    for load in ("", "close_"):
        yield _spread(results.figure(variant, f"{load}requests_per_s"))
        yield _whole(results.value(variant, f"{load}p50_us"))
        yield _whole(results.value(variant, f"{load}p99_us"))
    for direction in ("upload", "download"):
        yield _spread(results.figure(variant, f"{direction}_mbit_per_s"))


def _cost_cells(results, variant):
    for load in ("", "close_"):
        metric = f"{load}machine_us_per_request"
        whole = results.value(variant, metric)
        yield f"{whole:.1f}"
        yield "" if variant == "direct" else f"{whole - results.value('direct', metric):+.1f}"
        yield f"{results.value(variant, f'{load}balancer_us_per_request'):.1f}"
        for who in ("client", "servers", "rest"):
            yield f"{results.part(variant, metric, who):.1f}"


def _paced_cells(results, variant):
    yield _whole(results.value(variant, "paced_requests_per_s"))
    yield _whole(results.value(variant, "paced_p50_us"))
    yield _whole(results.value(variant, "paced_p99_us"))
    yield f"{results.value(variant, 'paced_machine_us_per_request'):.0f}"
    yield f"{results.value(variant, 'paced_balancer_us_per_request'):.0f}"
    yield f"{results.value(variant, 'idle_cores'):.2f}"


def _tables(results):
    """[(caption, head, function that makes a variant's cells)] as Markdown lines."""
    keep, close = "keep-alive", "connection a request"
    parts = ("over direct", "balancer's processes", "client", "servers", "rest")
    for caption, head, cells in (
            ("Speed: requests a second, latency in us, throughput in Mbit/s; median of the rounds, ± half the "
             "distance of the extremes.",
             (f"{keep}: requests/s", "p50", "p99", f"{close}: requests/s", "p50", "p99", "to the servers",
              "from the servers"), _speed_cells),
            ("CPU time of a request in us, on all cores together.",
             (f"{keep}: machine", *parts, f"{close}: machine", *parts), _cost_cells),
            ("2000 requests a second with keep-alive, latency and CPU time in us; cores that the balancer's "
             "processes take without any traffic.",
             ("requests/s", "p50", "p99", "machine", "balancer's processes", "idle: cores"), _paced_cells)):
        yield ""
        yield caption
        yield ""
        yield from _table(("", *head), ([title, *cells(results, name)]
                                        for name, title in rows.END_TO_END_VARIANTS.items()))


def markdown(machine, figures):
    """What stands between the markers."""
    runs = min(figure.runs for figure in figures.values())
    yield f"![Requests a second and CPU time of a request, by variant]({PICTURE})"
    yield from _tables(Results(figures))
    yield ""
    yield (f"{machine['machine']}; Linux {machine['kernel']}; commit {machine['commit']}; "
           f"{machine['date'][:10]}; {runs} rounds.")


# The picture: panels in two columns, one bar a variant.
_PANELS = (("Requests a second, keep-alive", "requests_per_s", "{:,.0f}"),
           ("Requests a second, a connection each", "close_requests_per_s", "{:,.0f}"),
           ("CPU time of a request, keep-alive, us", "machine_us_per_request", "{:.1f}"),
           ("CPU time of a request, a connection each, us", "close_machine_us_per_request", "{:.0f}"))
_WIDTH, _MARGIN, _NAMES, _BAR, _STEP, _HEAD, _VALUE = 960, 16, 136, 16, 26, 34, 66
_COLUMN = _WIDTH // 2
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.bar { fill: #8c959f; }
.own { fill: #0969da; }
.line { stroke: #24292f; stroke-width: 1; }
.direct { stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .bar { fill: #6e7681; }
  .own { fill: #4493f8; }
  .line { stroke: #e6edf3; }
  .direct { stroke: #9198a1; }
}"""


def _text(x, y, words, css="", anchor="start"):
    named = f' class="{css}"' if css else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named} text-anchor="{anchor}">{html.escape(words)}</text>'


def _panel(results, left, top, panel):
    """A title, and for each variant its name, bar, spread and value; a dashed line where direct ends."""
    title, metric, form = panel
    start = left + _NAMES
    greatest = max(results.figure(variant, metric).high for variant in rows.END_TO_END_VARIANTS)
    scale = (_COLUMN - _MARGIN - _NAMES - _VALUE) / greatest
    yield _text(left, top + 14, title, "title")
    for index, (variant, name) in enumerate(rows.END_TO_END_VARIANTS.items()):
        figure = results.figure(variant, metric)
        y = top + _HEAD + index * _STEP
        middle = y + _BAR / 2
        css = "own" if variant.startswith("guideway") else "bar"
        yield _text(start - 8, y + 13, name, anchor="end")
        yield f'<rect x="{start}" y="{y}" width="{figure.value * scale:.1f}" height="{_BAR}" class="{css}"/>'
        low, high = (start + value * scale for value in (figure.low, figure.high))
        yield f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" class="line"/>'
        yield _text(start + figure.high * scale + 6, y + 13, form.format(figure.value))
    x = start + results.value("direct", metric) * scale
    bottom = top + _HEAD + len(rows.END_TO_END_VARIANTS) * _STEP - _STEP + _BAR
    yield f'<line x1="{x:.1f}" y1="{top + _HEAD - 4}" x2="{x:.1f}" y2="{bottom + 4}" class="direct"/>'


def svg(figures):
    """The whole picture as text."""
    results = Results(figures)
    height_of_panel = _HEAD + len(rows.END_TO_END_VARIANTS) * _STEP + 14
    height = _MARGIN + 2 * height_of_panel
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
             f'viewBox="0 0 {_WIDTH} {height}" role="img">',
             "<title>Requests a second and CPU time of a request, by variant</title>", f"<style>\n{_STYLE}\n</style>"]
    for index, panel in enumerate(_PANELS):
        left = _MARGIN + index % 2 * _COLUMN
        parts += _panel(results, left, _MARGIN + index // 2 * height_of_panel, panel)
    return "\n".join([*parts, "</svg>"]) + "\n"


def replaced(page, text):
    """The page with `text` between its markers. PlotError if it does not have each once, in order."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise PlotError(f"{PAGE}: not one `{BEGIN}` before one `{END}`")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=pathlib.Path, help="a results file")
    parser.add_argument("--update", action="store_true", help="write page and picture instead of printing")
    parser.add_argument("--docs", type=pathlib.Path, default=DOCS, help="where they are (docs/)")
    arguments = parser.parse_args()
    try:
        machine, figures = read(arguments.results.read_text(encoding="utf-8"))
        text = "\n".join(markdown(machine, figures))
        if not arguments.update:
            print(text)
            return 0
        page = arguments.docs / PAGE
        page.write_text(replaced(page.read_text(encoding="utf-8"), text), encoding="utf-8")
        (arguments.docs / PICTURE).write_text(svg(figures), encoding="utf-8")
    except (PlotError, OSError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
