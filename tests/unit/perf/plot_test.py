#!/usr/bin/env python3
"""Tables and picture of the end-to-end figures, and how they come into the page.

usage: plot_test.py SOURCE_ROOT
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from figures import ROOT
import plot
import rows

MACHINE = {"machine": "Test CPU, 2 CPUs", "kernel": "6.1", "commit": "abc", "date": "2026-01-02T03:04:05+00:00"}
SVG = "{http://www.w3.org/2000/svg}"
PAGE = f"# Page\n\nbefore\n\n{plot.BEGIN}\nold\n{plot.END}\n\nafter\n"


def line_of(row, value):
    return {"row": row.name, "unit": row.unit, "value": value, "low": 0.9 * value, "high": 1.1 * value, "runs": 3,
            "client": 7.25, "servers": 8.25, "rest": 0.25}


def results(values=(), leave_out=()):
    """A results file: every row is 100 but those in `values`."""
    made = [MACHINE, *(line_of(row, dict(values).get(row.name, 100)) for row in rows.of_group("end_to_end")
                       if row.name not in leave_out)]
    return "".join(json.dumps(line) + "\n" for line in made)


def cells(text, title, table):
    """The cells of a variant in one of the tables, counted from 0."""
    found = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in found[table].strip("|").split("|")][1:]


class ReadTest(unittest.TestCase):
    def test_a_row_that_is_missing_is_named(self):
        with self.assertRaisesRegex(plot.PlotError, "no row e2e_nginx_close_p99_us"):
            plot.read(results(leave_out=["e2e_nginx_close_p99_us"]))

    def test_the_first_line_is_the_machine(self):
        with self.assertRaisesRegex(plot.PlotError, "first line"):
            plot.read(results().partition("\n")[2])
        self.assertEqual(plot.read(results())[0], MACHINE)

    def test_a_line_that_is_no_figure(self):
        with self.assertRaisesRegex(plot.PlotError, "not a figure"):
            plot.read(results() + '{"row": "e2e_x"}\n')


class MarkdownTest(unittest.TestCase):
    def setUp(self):
        machine, figures = plot.read(results({
            "e2e_haproxy_requests_per_s": 54321, "e2e_haproxy_close_requests_per_s": 1234,
            "e2e_haproxy_p99_us": 777, "e2e_haproxy_upload_mbit_per_s": 2500,
            "e2e_haproxy_machine_us_per_request": 142.5, "e2e_haproxy_close_machine_us_per_request": 90,
            "e2e_haproxy_balancer_us_per_request": 33, "e2e_haproxy_idle_cores": 0.125}))
        self.text = "\n".join(plot.markdown(machine, figures))

    def test_every_variant_is_in_every_table(self):
        for title in rows.END_TO_END_VARIANTS.values():
            for table in range(3):
                self.assertTrue(cells(self.text, title, table), title)

    def test_speed(self):
        self.assertEqual(cells(self.text, "HAProxy, TCP mode", 0),
                         ["54,321 ±10%", "100", "777", "1,234 ±10%", "100", "100", "2,500 ±10%", "100 ±10%"])

    def test_cost_is_compared_with_direct(self):
        self.assertEqual(cells(self.text, "HAProxy, TCP mode", 1),
                         ["142.5", "+42.5", "33.0", "7.2", "8.2", "0.2", "90.0", "-10.0", "100.0", "7.2", "8.2", "0.2"])
        self.assertEqual(cells(self.text, "direct", 1)[1], "")

    def test_the_paced_load(self):
        self.assertEqual(cells(self.text, "HAProxy, TCP mode", 2), ["100", "100", "100", "100", "100", "0.12"])

    def test_the_machine_is_named(self):
        self.assertIn("Test CPU, 2 CPUs; Linux 6.1; commit abc; 2026-01-02; 3 rounds.", self.text)

    def test_all_lines_of_a_table_have_as_many_cells(self):
        for table in self.text.split("\n\n"):
            if table.startswith("|"):
                self.assertEqual(len({line.count("|") for line in table.splitlines()}), 1, table)


class SvgTest(unittest.TestCase):
    def setUp(self):
        _, figures = plot.read(results({"e2e_direct_requests_per_s": 200, "e2e_nginx_requests_per_s": 50}))
        self.root = ElementTree.fromstring(plot.svg(figures))

    def bars(self):
        return self.root.findall(f"{SVG}rect")

    def test_a_bar_for_each_variant_in_each_panel(self):
        self.assertEqual(len(self.bars()), 4 * len(rows.END_TO_END_VARIANTS))
        self.assertEqual(sum(bar.get("class") == "own" for bar in self.bars()), 4 * 2)

    def test_lengths_are_in_proportion_to_the_values(self):
        length = dict(zip(rows.END_TO_END_VARIANTS, (float(bar.get("width")) for bar in self.bars())))
        self.assertAlmostEqual(length["direct"] / length["nginx"], 4, places=1)
        self.assertAlmostEqual(length["direct"] / length["haproxy"], 2, places=1)

    def test_the_line_goes_from_the_least_to_the_greatest(self):
        spreads = [line for line in self.root.findall(f"{SVG}line") if line.get("class") == "line"]
        self.assertEqual(len(spreads), len(self.bars()))
        for bar, line in zip(self.bars(), spreads):
            length = float(bar.get("width"))
            ends = [float(line.get(end)) - float(bar.get("x")) for end in ("x1", "x2")]
            self.assertAlmostEqual(ends[0], 0.9 * length, delta=0.2)
            self.assertAlmostEqual(ends[1], 1.1 * length, delta=0.2)

    def test_nothing_is_outside_of_the_picture(self):
        width, height = int(self.root.get("width")), int(self.root.get("height"))
        for bar in self.bars():
            right = float(bar.get("x")) + float(bar.get("width"))
            self.assertLess(right, width)
            self.assertLess(float(bar.get("y")) + float(bar.get("height")), height)

    def test_readable_in_light_and_dark(self):
        style = self.root.find(f"{SVG}style").text
        self.assertIn("prefers-color-scheme: dark", style)
        used = {element.get("class") for element in self.root.iter() if element.get("class")}
        for name in used:
            self.assertIn(f".{name} ", style)


class UpdateTest(unittest.TestCase):
    def update(self, page, text=None):
        """(exit code, page, picture or None) after --update."""
        with tempfile.TemporaryDirectory() as name:
            docs = pathlib.Path(name)
            (docs / "results").write_text(results() if text is None else text, encoding="utf-8")
            (docs / plot.PAGE).write_text(page, encoding="utf-8")
            done = subprocess.run([sys.executable, ROOT / "perf" / "plot.py", "--update", "--docs", docs,
                                   docs / "results"], capture_output=True, text=True, check=False)
            picture = docs / plot.PICTURE
            return (done.returncode, (docs / plot.PAGE).read_text(encoding="utf-8"),
                    picture.read_text(encoding="utf-8") if picture.exists() else None)

    def test_what_is_between_the_markers_is_replaced(self):
        code, page, picture = self.update(PAGE)
        self.assertEqual(code, 0)
        self.assertTrue(page.startswith(f"# Page\n\nbefore\n\n{plot.BEGIN}\n![") and page.endswith("\nafter\n"), page)
        self.assertNotIn("old", page)
        self.assertTrue(picture.startswith("<svg "))
        self.assertEqual(self.update(page)[1], page, "a second time changes nothing")

    def test_a_page_without_markers_stays(self):
        for page in ("# Page\n", PAGE.replace("old", plot.BEGIN), PAGE.replace("old", plot.END), PAGE.replace(plot.END, "")):
            self.assertEqual(self.update(page), (1, page, None))

    def test_results_that_are_not_whole_change_nothing(self):
        self.assertEqual(self.update(PAGE, results(leave_out=["e2e_direct_p50_us"])), (1, PAGE, None))


class CommittedTest(unittest.TestCase):
    def test_page_and_picture_are_of_the_committed_results(self):
        machine, figures = plot.read((ROOT / "perf/results/end_to_end.jsonl").read_text(encoding="utf-8"))
        page = (ROOT / "docs" / plot.PAGE).read_text(encoding="utf-8")
        self.assertEqual(plot.replaced(page, "\n".join(plot.markdown(machine, figures))), page,
                         "perf/plot.py --update perf/results/end_to_end.jsonl")
        self.assertEqual((ROOT / "docs" / plot.PICTURE).read_text(encoding="utf-8"), plot.svg(figures))


if __name__ == "__main__":
    unittest.main()
