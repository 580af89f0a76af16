#!/usr/bin/env python3
"""The systemd units that the pages show: systemd takes them, and they do not give up.

systemd stops restarting a service after five starts in ten seconds unless it is told otherwise, so a NIC
or a file that comes a minute late would mean no service for good.

usage: units_test.py SOURCE_ROOT
"""

import configparser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv[1])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXPECTED = {"guideway-dataplane", "guideway-controlplane", "guideway-decap"}
_EXEC = re.compile(r"^(Exec\w+=)(\S+)", re.MULTILINE)
_FIRST_RESTART_S, _LAST_RESTART_S = 1, 10  # quick enough to be there, slow enough to leave the CPU alone


def units():
    """{page and program: text} of all units on the pages."""
    found = {}
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if "[Unit]" not in block:
                continue
            program = re.search(r"^ExecStart=\S*/(\S+)", block, re.MULTILINE).group(1)
            found[f"{page.relative_to(ROOT)}: {program}"] = block
    return found


def problems(text):
    """What is wrong with a unit, in words."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    unit, service = parser["Unit"], parser["Service"]
    wrong = []
    # In [Service] systemd ignores it.
    if unit.get("StartLimitIntervalSec") != "0":
        wrong.append("gives up after five quick starts: no StartLimitIntervalSec=0 in [Unit]")
    if service.get("Restart") not in ("always", "on-failure"):
        wrong.append("is not restarted")
    seconds = service.get("RestartSec", "0.1")
    if not seconds.isdigit() or not _FIRST_RESTART_S <= int(seconds) <= _LAST_RESTART_S:
        wrong.append(f"RestartSec={seconds}: {_FIRST_RESTART_S} to {_LAST_RESTART_S} are reasonable")
    if "WantedBy" not in parser["Install"]:
        wrong.append("cannot be enabled")
    for relation in ("Requires", "BindsTo", "PartOf"):
        if relation in unit:
            wrong.append(f"{relation}: ends with another unit")
    return wrong


class UnitsTest(unittest.TestCase):
    def test_every_service_has_a_unit(self):
        self.assertEqual({name.split(": ")[1] for name in units()}, _EXPECTED)

    def test_they_do_not_give_up(self):
        wrong = [f"{name}: {what}" for name, text in units().items() for what in problems(text)]
        self.assertEqual(wrong, [])

    def test_wrong_units_are_found(self):
        for text in units().values():
            for pattern, replacement in (("StartLimitIntervalSec=0\n", ""), ("RestartSec=1", ""),
                                         ("Restart=", "#"), ("WantedBy", "Wanted"),
                                         (r"\[Service\]", "BindsTo=x.device\n[Service]")):
                changed = re.sub(pattern, replacement, text)
                self.assertNotEqual(changed, text, pattern)
                self.assertNotEqual(problems(changed), [], pattern)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_takes_them(self):
        for name, text in units().items():
            with self.subTest(name), tempfile.TemporaryDirectory() as directory:
                # Guideway need not be installed here.
                path = pathlib.Path(directory, f"{name.split(': ')[1]}.service")
                path.write_text(_EXEC.sub(r"\1/bin/true", text), encoding="utf-8")
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], text=True,
                                      capture_output=True, check=False)
                said = [line for line in done.stderr.splitlines() if path.name in line]
                self.assertEqual((done.returncode, said), (0, []), done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
