#!/usr/bin/env python3
"""What counts as worse than the committed results.

usage: check_test.py SOURCE_ROOT
"""

import unittest

from figures import by_name, figure, higher, lower
import check
import verdict


class RegressionTest(unittest.TestCase):
    def test_net_is_compared_as_a_part_of_the_floor(self):
        before = figure("r", 20, floor=10)
        self.assertFalse(verdict.is_regression(lower(), before, figure("r", 22.9, floor=10)))
        self.assertTrue(verdict.is_regression(lower(), before, figure("r", 23.1, floor=10)))
        # A machine that is half as fast; then one where only the load balancer is.
        self.assertFalse(verdict.is_regression(lower(), before, figure("r", 40, floor=20)))
        self.assertTrue(verdict.is_regression(lower(), before, figure("r", 20, floor=5)))
        self.assertAlmostEqual(verdict.worse_by(lower(), before, figure("r", 10, floor=10)), -0.5)

    def test_without_floor_the_values(self):
        self.assertTrue(verdict.is_regression(higher(), figure("r", 2.0), figure("r", 1.69)))
        self.assertFalse(verdict.is_regression(higher(), figure("r", 2.0), figure("r", 1.71)))
        self.assertFalse(verdict.is_regression(higher(), figure("r", 2.0), figure("r", 3)))
        self.assertFalse(verdict.is_regression(lower(), figure("r", 0), figure("r", 0)))

    def test_a_percentage_has_to_keep_its_bar(self):
        row = higher(bar=99.9, unit="percent")
        self.assertTrue(verdict.is_regression(row, figure("r", 100), figure("r", 99.8)))
        self.assertFalse(verdict.is_regression(row, figure("r", 100), figure("r", 99.9)))
        self.assertFalse(verdict.is_regression(row, figure("r", 98), figure("r", 97)))

    def test_the_better_of_two(self):
        one, two = figure("r", 20, floor=10), figure("r", 19, floor=10)
        self.assertIs(verdict.better_of(lower(), one, two), two)
        self.assertIs(verdict.better_of(lower(), two, one), two)
        self.assertIs(verdict.better_of(higher(), figure("r", 1.9), one), one)


class CheckTest(unittest.TestCase):
    BEFORE = by_name(figure("mixed", 30, floor=10), figure("vip_miss", 8, floor=10))

    def run_check(self, *measured):
        """What check() says if one call of the program after the other prints these figures, and which
        rows it was asked for."""
        asked, answers = [], list(measured)

        def measure(names):
            asked.append(names)
            return by_name(*answers.pop(0))

        good, after = check.check(measure, self.BEFORE)
        self.assertEqual(answers, [])
        return good, after, asked

    def test_all_as_before(self):
        good, _, asked = self.run_check([figure("mixed", 31, floor=10), figure("vip_miss", 8, floor=10)])
        self.assertTrue(good)
        self.assertEqual(asked, [[]])

    def test_what_fails_once_is_noise(self):
        good, after, asked = self.run_check([figure("mixed", 40, floor=10), figure("vip_miss", 8, floor=10)],
                                            [figure("mixed", 31, floor=10)])
        self.assertTrue(good)
        self.assertEqual(asked, [[], ["mixed"]])
        self.assertEqual(after["mixed"].value, 31)

    def test_what_fails_twice_fails(self):
        good, after, _ = self.run_check([figure("mixed", 40, floor=10), figure("vip_miss", 8, floor=10)],
                                        [figure("mixed", 41, floor=10)])
        self.assertFalse(good)
        self.assertEqual(after["mixed"].value, 40)

    def test_what_is_not_measured_fails(self):
        good, after, asked = self.run_check([figure("mixed", 30, floor=10)], [figure("mixed", 30, floor=10)])
        self.assertFalse(good)
        self.assertEqual(asked[1], ["vip_miss"])
        self.assertTrue(any("FAILED: not measured" in line for line in check.report(self.BEFORE, after)))

    def test_report_has_a_line_for_each_row(self):
        after = by_name(figure("mixed", 36, floor=10), figure("vip_miss", 7, floor=10), figure("new", 1))
        text = list(check.report(self.BEFORE, after))
        self.assertEqual(len(text), 3)
        self.assertRegex(text[1], r"no VIP.* 0\.8 +0\.7 +12\.5% +better +ok$")
        self.assertRegex(text[2], r"mixed.* 3 +3\.6 +20\.0% +worse +FAILED$")


if __name__ == "__main__":
    unittest.main()
