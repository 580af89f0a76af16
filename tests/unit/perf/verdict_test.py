#!/usr/bin/env python3
"""Bars, what is met and what is short of them, ratios and their noise.

usage: verdict_test.py SOURCE_ROOT
"""

import unittest

from figures import by_name, figure, higher, lower
import groups
import rows
import table
import verdict


class RowsTest(unittest.TestCase):
    def test_rows_are_whole(self):
        self.assertEqual(len(rows.BY_NAME), len(rows.ROWS), "a name stands twice")
        for row in rows.ROWS:
            self.assertRegex(row.name, r"^[a-z0-9_]+$")
            self.assertIn(row.group, groups.ALL)
            if row.times is not None:
                other = rows.BY_NAME[row.times]
                self.assertEqual((other.group, other.unit), (row.group, row.unit), row.name)
                self.assertIsNotNone(row.bar, row.name)

    def test_bars_are_those_that_were_set(self):
        bars = {row.name: row.bar for row in rows.ROWS if row.times is None}
        self.assertEqual([bars[f"known_ipv4_ipip_{count}"] for count in ("1", "1k", "100k", "1m", "4m")],
                         [12, 15, 18, 25, 32])
        self.assertEqual([bars[name] for name in ("new_flows_1m", "syn_flood_full", "vip_miss", "mixed")],
                         [40, 45, 10, 30])
        self.assertEqual([bars[name] for name in ("maglev_65537_1000", "maglev_655373_1000",
                                                  "health_to_last_worker_p99")], [0.6, 10, 2])


class BarTest(unittest.TestCase):
    def test_lower_is_better(self):
        self.assertEqual(verdict.verdict(lower(), by_name(figure("r", 10))), "met")
        self.assertEqual(verdict.verdict(lower(), by_name(figure("r", 12.1))), "short by 21%")
        self.assertEqual(verdict.verdict(lower(), by_name(figure("r", 10.02))), "short by 0.2%")

    def test_higher_is_better(self):
        self.assertEqual(verdict.verdict(higher(), by_name(figure("r", 1.9))), "met")
        self.assertEqual(verdict.verdict(higher(), by_name(figure("r", 1.52))), "short by 20%")

    def test_a_bar_that_is_a_multiple_of_another_row(self):
        row = lower(bar=1.2, times="other")
        self.assertEqual(verdict.bar_of(row, by_name(figure("other", 20))), 24)
        self.assertEqual(verdict.verdict(row, by_name(figure("r", 24), figure("other", 20))), "met")
        self.assertEqual(verdict.verdict(row, by_name(figure("r", 30), figure("other", 20))), "short by 25%")
        self.assertEqual(verdict.verdict(row, by_name(figure("r", 30))), "other not measured")

    def test_without_bar_or_figure(self):
        self.assertEqual(verdict.verdict(lower(bar=None), by_name(figure("r", 3))), "")
        self.assertEqual(verdict.verdict(lower(), {}), "not measured")

    def test_a_bar_of_nothing(self):
        row = lower(bar=0, unit="downloads")
        self.assertEqual(verdict.verdict(row, by_name(figure("r", 0))), "met")
        self.assertEqual(verdict.verdict(row, by_name(figure("r", 3))), "short by 3 downloads")


class RatioTest(unittest.TestCase):
    def test_median_and_noise(self):
        pairs = [(figure("r", 10), figure("r", value)) for value in (9, 8, 12)]
        ratio, noise = verdict.ratio_and_noise(pairs)
        self.assertAlmostEqual(ratio, 0.9)
        self.assertAlmostEqual(noise, 0.3)

    def test_the_spread_of_the_runs_is_noise(self):
        pair = (figure("r", 10, low=8, high=12), figure("r", 5))
        ratio, noise = verdict.ratio_and_noise([pair])
        self.assertAlmostEqual(ratio, 0.5)
        self.assertAlmostEqual(noise, 0.5 * 0.2)
        self.assertAlmostEqual(verdict.ratio_and_noise([pair] * 4)[1], 0.5 * 0.2 / 2)

    def test_rounds_that_agree_leave_some_noise(self):
        self.assertEqual(verdict.ratio_and_noise([(figure("r", 10), figure("r", 10))] * 3), (1, 0.01))

    def test_nothing_has_no_ratio(self):
        self.assertIsNone(verdict.ratio_and_noise([(figure("r", 0), figure("r", 1))]))

    def test_change(self):
        self.assertEqual(verdict.change(lower(), 0.9, 0.05), "better")
        self.assertEqual(verdict.change(lower(), 1.1, 0.05), "worse")
        self.assertEqual(verdict.change(lower(), 1.1, 0.1000001), "same")
        self.assertEqual(verdict.change(higher(), 1.1, 0.05), "better")
        self.assertEqual(verdict.change(higher(), 0.9, 0.05), "worse")


class TableTest(unittest.TestCase):
    def test_every_row_of_the_group_is_there(self):
        figures = by_name(figure("known_ipv4_ipip_1", 13.2, floor=10.1, low=13, high=14), figure("new_row", 1))
        text = list(table.of_group("micro", figures))
        self.assertEqual(len(text), len(rows.of_group("micro")) + 1)
        self.assertRegex(text[0], r"IPv4 known, IPIP, 1 flow +13\.2 ns +13\.\.14 +10\.1 +12 +short by 10%$")
        self.assertTrue(text[1].endswith("not measured"), text[1])
        self.assertTrue(text[-1].startswith("new_row") and text[-1].endswith("not in perf/rows.py"), text[-1])

    def test_count(self):
        figures = by_name(figure("known_ipv4_ipip_1", 12), figure("known_ipv4_ipip_1k", 16),
                          figure("maglev_65537_100", 1))
        self.assertEqual(table.count(figures), "3 rows: 1 met, 1 short, 1 without a bar")


if __name__ == "__main__":
    unittest.main()
