#!/usr/bin/env python3
"""promtool on what is exported, on the alert rules, and on their test.

usage: promtool_test.py SOURCE_ROOT WATCH_TEST_SERVER
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, SERVER = pathlib.Path(sys.argv[1]), sys.argv[2]
RULES = ROOT / "controlplane/metrics/alerts.yaml"


class PromtoolTest(unittest.TestCase):
    def promtool(self, *arguments, **options):
        program = shutil.which("promtool")
        self.assertTrue(program, "promtool is not installed (scripts/setup installs prometheus)")
        return subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False, **options)

    def test_metrics(self):
        text = subprocess.run([SERVER, "--metrics"], capture_output=True, text=True, check=True).stdout
        result = self.promtool("check", "metrics", input=text)
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        # The tool does find what is wrong.
        worse = self.promtool("check", "metrics", input=text.replace("guideway_drops_total", "guideway_drops"))
        self.assertNotEqual(worse.returncode, 0)

    def test_rules(self):
        result = self.promtool("check", "rules", str(RULES))
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_rule_tests(self):
        with tempfile.TemporaryDirectory() as directory:
            for file in (RULES, ROOT / "tests/unit/metrics/alerts_test.yaml"):
                shutil.copy(file, directory)
            result = self.promtool("test", "rules", "alerts_test.yaml", cwd=directory)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
