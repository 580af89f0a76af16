#!/usr/bin/env python3
"""Figures are read from JSON lines, and nothing else is taken for one.

usage: lines_test.py SOURCE_ROOT
"""

import json
import pathlib
import tempfile
import unittest

import figures  # noqa: F401  (finds perf/)
import lines

GOOD = '{"row": "mixed", "unit": "ns", "value": 30.5, "low": 29, "high": 31, "runs": 9, "floor": 10, "gross": 40.5}'


class LinesTest(unittest.TestCase):
    def test_a_figure(self):
        figure = lines.figure_of(GOOD)
        self.assertEqual((figure.row, figure.unit, figure.value, figure.low, figure.high, figure.runs, figure.floor),
                         ("mixed", "ns", 30.5, 29, 31, 9, 10))
        self.assertEqual(figure.line["gross"], 40.5)
        self.assertAlmostEqual(figure.spread(), 1 / 30.5)

    def test_a_single_run_has_no_spread(self):
        figure = lines.figure_of('{"row": "a", "unit": "s", "value": 3}')
        self.assertEqual((figure.low, figure.high, figure.runs, figure.floor), (3, 3, 1, None))
        self.assertEqual(figure.spread(), 0)
        self.assertEqual(lines.figure_of('{"row": "a", "unit": "s", "value": 0}').spread(), 0)

    def test_garbage_is_named_and_the_rest_is_read(self):
        garbage = ["warning: something", "{", "[1, 2]", "3", '{"row": "a"}', '{"row": "a", "unit": "ns"}',
                   '{"row": "A b", "unit": "ns", "value": 1}', '{"row": 3, "unit": "ns", "value": 1}',
                   '{"row": "a", "unit": "ns", "value": "1"}', '{"row": "a", "unit": "ns", "value": true}',
                   '{"row": "a", "unit": "ns", "value": NaN}', '{"row": "a", "unit": "ns", "value": 1, "low": Infinity}',
                   '{"row": "a", "unit": "ns", "value": 5, "low": 6, "high": 7}',
                   '{"row": "a", "unit": "ns", "value": 5, "floor": "x"}', '{"row": "a-b", "unit": "ns", "value": 1}',
                   '{"row": "a", "unit": "ns", "value": -Infinity}',
                   '{"row": "a", "unit": "ns", "value": 1, "floor": NaN}']
        found, problems = lines.read([*garbage, "", GOOD, "\n"])
        self.assertEqual(list(found), ["mixed"])
        self.assertEqual(len(problems), len(garbage), problems)
        for problem, line in zip(problems, garbage):
            self.assertIn(line, problem)

    def test_the_last_of_a_row_counts(self):
        found, _ = lines.read([GOOD, GOOD.replace("30.5", "29.5")])
        self.assertEqual(found["mixed"].value, 29.5)

    def test_a_results_file_is_read_as_it_was_written(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "results" / "micro.jsonl"
            lines.write(path, {"machine": "m", "commit": "c"}, [lines.figure_of(GOOD)])
            text = path.read_text(encoding="utf-8").splitlines()
            self.assertEqual(json.loads(text[0]), {"machine": "m", "commit": "c"})
            found, problems = lines.read(text)
        self.assertEqual(problems, [])
        self.assertEqual(found["mixed"].line, json.loads(GOOD))


if __name__ == "__main__":
    unittest.main()
