#!/usr/bin/env python3
"""Alert rules and dashboard name only metrics, labels and drop reasons that exist.

usage: names_test.py SOURCE_ROOT METRICS_PAGE
"""
import json
import pathlib
import re
import sys
import unittest

ROOT, PAGE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
FOLDER = ROOT / "controlplane" / "metrics"
_METRIC = re.compile(r"\bguideway_\w+")
_SELECTOR = re.compile(r"\b(guideway_\w+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"')
# Given by Prometheus.
_ADDED = {"instance", "job", "le"}


def metrics():
    """{name: labels} of all that is exported, with the series of histograms."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\| `(guideway_\w+)` \| (\w+) \| ([^|]*) \|", line)
        if not match:
            continue
        name, kind, labels = match.groups()
        labels = set(re.findall(r"\w+", labels))
        for suffix in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
            found[name + suffix] = labels
    return found


def reasons():
    text = (ROOT / "lib/stats/drop_reasons.def").read_text(encoding="utf-8")
    return set(re.findall(r"^GW_DROP_REASON\((\w+)", text, re.MULTILINE))


def expressions(node):
    """Every query of the dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


class NamesTest(unittest.TestCase):
    def check(self, text, known):
        names = _METRIC.findall(text)
        self.assertEqual(set(names) - set(known), set())
        for name, selector in _SELECTOR.findall(text):
            for label, _, value in _MATCHER.findall(selector):
                self.assertIn(label, known[name] | _ADDED, f"{name}: {text}")
                if label == "reason":
                    self.assertEqual(set(value.split("|")) - reasons(), set(), text)
        return len(names)

    def test_page_has_metrics(self):
        self.assertGreater(len(metrics()), 60)
        self.assertGreater(len(reasons()), 20)

    def test_alerts(self):
        text = (FOLDER / "alerts.yaml").read_text(encoding="utf-8")
        self.assertGreaterEqual(self.check(text, metrics()), 15)

    def test_every_alert_is_tested(self):
        rules = (FOLDER / "alerts.yaml").read_text(encoding="utf-8")
        tests = (ROOT / "tests/unit/metrics/alerts_test.yaml").read_text(encoding="utf-8")
        for alert in re.findall(r"alert: (\w+)", rules):
            # With an alert that is expected, not only with none.
            self.assertRegex(tests, rf"alertname: {alert}\n    exp_alerts:\n")

    def test_dashboard(self):
        known = metrics()
        dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
        self.assertGreater(sum(self.check(text, known) for text in expressions(dashboard)), 25)
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                self.assertTrue(panel["targets"], panel["title"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
