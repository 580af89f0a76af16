#!/usr/bin/env python3
"""Fails if docs/host.md and lib/base/signals.def disagree about what a signal does.

usage: signals_test.py SOURCE_ROOT
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
WORDS = {"kStop": "ends in order", "kReload": "reads the configuration file again",
         "kNote": "logs that it came", "kIgnore": "nothing", "kCore": "ends at once, with a core",
         "kKernel": "nothing"}

defined = re.findall(r"^GW_SIGNAL\((\w+), (\w+), (\w+)\)", (ROOT / "lib/base/signals.def").read_text(),
                     re.MULTILINE)
section = (ROOT / "docs/host.md").read_text().split("\n## Signals", 1)[1].split("\n## ", 1)[0]
rows = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines() if line.startswith("| SIG")]
wrong = []
for name, forwarder, controlplane in defined:
    mine = [row for row in rows if name in re.findall(r"SIG\w+", row[0])]
    if len(mine) != 1:
        wrong.append(f"{name} is in {len(mine)} rows")
        continue
    for column, action in ((1, forwarder), (2, controlplane)):
        if not mine[0][column].startswith(WORDS[action]):
            wrong.append(f"{name}: the page says {mine[0][column]!r}, the program does {WORDS[action]!r}")
unknown = {name for row in rows for name in re.findall(r"SIG\w+", row[0])} - {row[0] for row in defined}
wrong += [f"{name} is only in the page" for name in unknown - {"SIGKILL", "SIGSTOP", "SIGRTMIN", "SIGRTMAX"}]
print("\n".join(wrong))
sys.exit(bool(wrong) or not defined)
