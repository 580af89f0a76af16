#!/usr/bin/env python3
"""The status page in a headless Chromium: what it shows, that it asks nobody else, that nothing that
servers say becomes markup, in light and in dark.

usage: page_test.py WATCH_TEST_SERVER
"""
import subprocess
import sys
import unittest

from browser import Browser

SERVER = sys.argv[1]
# Resolves when the page has been filled so many times, or is 30 s late.
FILLED = """new Promise((done, late) => {
  const look = () => Number(document.body.dataset.updates || 0) >= %d ? done(true) : setTimeout(look, 50);
  look();
  setTimeout(() => late(new Error('not filled')), 30000);
})"""


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.origin = f"http://127.0.0.1:{int(cls.server.stdout.readline())}/"
        cls.browser = Browser().__enter__()
        cls.addClassCleanup(cls.stop)
        for domain in ("Network", "Runtime", "Log"):
            cls.browser.page(domain + ".enable")
        cls.browser.navigate(cls.origin)
        cls.browser.evaluate(FILLED % 1)

    @classmethod
    def stop(cls):
        cls.browser.__exit__()
        cls.server.communicate(timeout=10)
        cls.server.stdout.close()

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({selector!r}).innerText")

    def row(self, name):
        """The cells of the table row whose first cell is `name`."""
        cells = self.browser.evaluate(
            "[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
            f".find(cells => cells[0] === {name!r})")
        self.assertIsNotNone(cells, name)
        return cells

    def test_names_and_health(self):
        self.assertIn("data plane connected, generation 16", self.text("#summary"))
        self.assertIn("NOT WELL", self.text("#summary"))
        self.assertIn("1 of 3 backends healthy, 1 not probed, 1 unreachable, 1 not meant to take flows",
                      self.text("#summary"))
        self.assertIn("pool web: unhealthy: web-2", self.text("#problems"))
        self.assertIn("state file: No space left on device", self.text("#problems"))
        self.assertEqual(self.row("site")[1:3], ["[2001:db8::1]:443 tcp", "web"])
        self.assertEqual(self.row("web-1")[1:7],
                         ["10.0.0.1", "enabled", "healthy", "connected", "1 min", "25.0 %"])
        self.assertEqual(self.row("web-2")[3], "unhealthy")
        self.assertEqual(self.row("web-3")[2:4], ["drained", "unknown"])
        self.assertEqual(self.row("idle-1")[3], "no probe")
        self.assertEqual(self.row("no_backend")[2], str(2000 + self.drop_index("no_backend")))
        self.assertEqual(self.text("details[data-pool=web] summary"),
                         "web: 1 of 2 backends healthy, 1 unreachable, 1 not meant to take flows, "
                         "table fedcba9876543210")

    def drop_index(self, name):
        drops = self.browser.evaluate("fetch('status.json').then(a => a.json()).then(s => s.stats.drops)")
        return [drop["name"] for drop in drops].index(name)

    def test_reasons_are_text(self):
        reason = self.row("web-2")[4]
        self.assertIn("<img src=x onerror=\"document.title='owned'\"> </script>", reason)
        self.assertEqual(self.browser.evaluate("document.title"), "Guideway")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img, script:not([src])').length"), 0)

    def test_rates_and_graphs(self):
        self.browser.evaluate(FILLED % 3)
        # As accurate as the moments at which the samples were taken on a loaded machine.
        rate, unit = self.row("site")[3].split()
        self.assertEqual(unit, "M")
        self.assertAlmostEqual(float(rate), 1.25, delta=0.4)
        self.assertEqual(self.row("web-2")[7:10], ["0", "0 bit/s", "0"])
        paths = self.browser.evaluate(
            "[...document.querySelectorAll('td svg path')].map(path => path.getAttribute('d'))")
        self.assertGreaterEqual(len(paths), 4)
        for path in paths:
            self.assertRegex(path, r"^M[0-9.]+ [0-9.]+(L[0-9.]+ [0-9.]+)+$")

    def test_asks_nobody_else(self):
        self.browser.evaluate(FILLED % 2)
        asked = {event["request"]["url"] for method, event in self.browser.events
                 if method == "Network.requestWillBeSent"}
        self.assertIn(self.origin + "status.json", asked)
        self.assertIn(self.origin + "page.js", asked)
        for url in asked:
            self.assertTrue(url.startswith(self.origin) or url.startswith("data:"), url)
        # Content-Security-Policy violations and script errors would be here.
        complaints = [event for method, event in self.browser.events
                      if method == "Runtime.exceptionThrown" or
                      (method == "Log.entryAdded" and event["entry"]["level"] == "error")]
        self.assertEqual(complaints, [])

    def test_the_policy_holds(self):
        # What a script that had got in would try.
        got = self.browser.evaluate(
            "fetch('http://127.0.0.2:9/').then(() => 'sent', error => error.message)"
            ".then(text => new Promise(done => setTimeout(() => done(text), 0)))")
        self.assertNotEqual(got, "sent")
        blocked = [event for method, event in self.browser.events
                   if method == "Log.entryAdded" and "Content Security Policy" in event["entry"]["text"]]
        self.assertTrue(blocked)
        self.browser.events[:] = [(method, event) for method, event in self.browser.events
                                  if method != "Log.entryAdded" and
                                  "127.0.0.2" not in str(event.get("request", ""))]

    def contrast(self, selector):
        """WCAG contrast of an element's colour on the page's background."""
        return self.browser.evaluate("""(() => {
          const light = (css) => {
            const parts = css.match(/[0-9.]+/g).slice(0, 3).map((c) => c / 255)
              .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const text = light(getComputedStyle(document.querySelector('%s')).color);
          const back = light(getComputedStyle(document.body).backgroundColor);
          return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
        })()""" % selector)

    def test_light_and_dark(self):
        backs = []
        for scheme in ("light", "dark"):
            self.browser.page("Emulation.setEmulatedMedia",
                              features=[{"name": "prefers-color-scheme", "value": scheme}])
            backs.append(self.browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            for selector in ("body", "th", "td.healthy", "td.unhealthy", "td.unknown", "#problems li", "footer"):
                with self.subTest(scheme=scheme, selector=selector):
                    self.assertGreaterEqual(self.contrast(selector), 4.5)
        self.assertNotEqual(*backs)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
