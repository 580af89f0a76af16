#!/usr/bin/env python3
"""The end-to-end comparison without a lab: its rows, and that a wrong way of the packets is found.

usage: end_to_end_test.py SOURCE_ROOT
"""

import sys
import types
import unittest

from figures import ROOT
import lines
import rows

sys.path[:0] = [str(ROOT / "perf" / "end_to_end"), str(ROOT / "tests" / "lab")]

from lab.process import LabError  # noqa: E402  (needs the path above)
import load  # noqa: E402
import run  # noqa: E402
import variants  # noqa: E402


def turn(value):
    """What a turn gives, with the same value for all metrics."""
    return {metric: (value, {"client": 2 * value, "other_programs": value / 1000})
            for metric in rows.END_TO_END_METRICS}


class RowsTest(unittest.TestCase):
    def test_rows_are_those_of_perf_rows(self):
        names = [row["row"] for variant in variants.ALL for row in run.rows_of(variant.name, [turn(1)])]
        self.assertEqual(names, [row.name for row in rows.of_group("end_to_end")])

    def test_median_and_extremes(self):
        row = next(run.rows_of("direct", [turn(30), turn(1), turn(5)]))
        self.assertEqual(row, {"row": "e2e_direct_requests_per_s", "unit": "1/s", "value": 5, "low": 1, "high": 30,
                               "runs": 3, "client": 10, "other_programs": 0.03})

    def test_rows_are_figures_of_the_units_of_perf_rows(self):
        for row in run.rows_of("haproxy", [turn(1.5)]):
            figure = lines.Figure(row["row"], row["unit"], 1.5, 1.5, 1.5, 1, None, {})
            self.assertEqual(figure.unit, rows.BY_NAME[figure.row].unit)


class WayTest(unittest.TestCase):
    """1000 requests to three servers."""

    EVEN = {"b1": 334, "b2": 334, "b3": 334}

    @staticmethod
    def check(name, answered, packets):
        load._check_way(types.SimpleNamespace(name=name), "keepalive", 1000, answered, packets)

    def test_right(self):
        self.check("direct", self.EVEN, [4, 4])
        self.check("haproxy", self.EVEN, [2000, 2000])

    def test_requests_that_no_server_has_seen(self):
        with self.assertRaisesRegex(LabError, "the servers answered"):
            self.check("haproxy", {"b1": 300, "b2": 300, "b3": 300}, [2000, 2000])

    def test_a_server_without_its_part(self):
        with self.assertRaisesRegex(LabError, "unequal"):
            self.check("haproxy", {"b1": 700, "b2": 300, "b3": 1}, [2000, 2000])

    def test_requests_that_do_not_pass_the_balancer(self):
        for packets in ([900, 2000], [2000, 900]):
            with self.assertRaisesRegex(LabError, "to and from the balancer"):
                self.check("guideway_l2", self.EVEN, packets)

    def test_direct_that_passes_the_balancer(self):
        with self.assertRaisesRegex(LabError, "passed the balancer"):
            self.check("direct", self.EVEN, [1000, 0])


if __name__ == "__main__":
    unittest.main()
