#!/usr/bin/python3
"""The project's own rules for its text files. Prints `path:line: rule` and exits 1 if any is broken.

usage: lint_rules.py            checks the files that git knows
       lint_rules.py --selftest shows each rule a file that breaks it
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CPP = (".cc", ".h")
# Folders whose files run for every packet.
HOT = ("dataplane/path/", "dataplane/worker/", "lib/flow/", "lib/net/", "lib/hash/flow_hash")
# A .proto is a reference: half of it is comments.
HOT_LINES, OTHER_LINES, SCHEMA_LINES = 200, 400, 900
# Prose and data may be long.
LENGTH_EXEMPT = (".md", ".yaml", ".txt", "LICENSE")
DPDK_FOLDERS = ("dataplane/worker/", "dataplane/ports/", "dataplane/manager/", "tests/", "perf/")
LAYERS = (
    ("lib/", ("dataplane/", "controlplane/")),
    ("dataplane/", ("controlplane/",)),
    ("controlplane/", ("dataplane/",)),
)
# SipHash is defined on little-endian words.
BYTE_ORDER_FOLDERS = ("lib/net/", "lib/hash/siphash.h", "tests/")
_SWAP = re.compile(r"\b(ntohs|ntohl|htons|htonl|be(?:16|32|64)toh|htobe(?:16|32|64)|"
                   r"rte_(?:be|cpu)_to_(?:be|cpu)_\d+|__builtin_bswap\d+)\s*\(")
_DPDK = re.compile(r"#include [<\"]rte_")
_INCLUDE = re.compile(r"#include \"([^\"]+)\"")
# Where developers' checkouts and homes are.
_PLACES = "|".join(("home", "root", "work", "Users", "tmp/wt"))
_MACHINE_PATH = re.compile(rf"(?<![\w.$}}/])/(?:{_PLACES})/\w")
_GUARD_START = re.compile(r"#ifndef (\S+)")


def guard_of(path):
    return "GUIDEWAY_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"


def is_hot(path):
    return path.startswith(HOT) and path.endswith(CPP)


def check_length(path, lines):
    if path.endswith(LENGTH_EXEMPT):
        return
    limit = HOT_LINES if is_hot(path) else OTHER_LINES
    if path.endswith(".proto"):
        limit = SCHEMA_LINES
    if len(lines) > limit:
        yield limit, f"{len(lines)} lines, at most {limit}"


def check_byte_order(path, lines):
    if not path.endswith(CPP) or path.startswith(BYTE_ORDER_FOLDERS):
        return
    for number, line in enumerate(lines, 1):
        if _SWAP.search(line.split("//")[0]):
            yield number, "byte order only through lib/net/big_endian.h"


def check_includes(path, lines):
    if not path.endswith(CPP):
        return
    for number, line in enumerate(lines, 1):
        if _DPDK.match(line) and not path.startswith(DPDK_FOLDERS):
            yield number, f"DPDK only in {' '.join(DPDK_FOLDERS)}"
        included = _INCLUDE.match(line)
        if not included:
            continue
        for layer, forbidden in LAYERS:
            if path.startswith(layer) and included.group(1).startswith(forbidden):
                yield number, f"{layer} must not use {included.group(1)}"


def check_first_comment(path, lines):
    own_header = path.endswith(".cc") and (ROOT / path).with_suffix(".h").exists()
    if (path.endswith(CPP) and not own_header and lines
            and not lines[0].startswith(("//", "/*", "#!"))):
        yield 1, "the first line is a comment that says what the file is for"
    if path.endswith(".py") and lines and not any(line.startswith('"""') for line in lines[:2]):
        yield 1, "the file begins with a docstring that says what it is for"


def check_guard(path, lines):
    # BPF shares plain C headers.
    if not path.endswith(".h") or any("GUIDEWAY_NO_GUARD" in line for line in lines):
        return
    found = [m.group(1) for m in map(_GUARD_START.match, lines) if m]
    if guard_of(path) not in found:
        yield 1, f"include guard {guard_of(path)}"


def check_text(path, lines):
    for number, line in enumerate(lines, 1):
        if _MACHINE_PATH.search(line):
            yield number, "path of one machine"
        if line != line.rstrip() and not path.endswith(".md"):
            yield number, "space at the end of the line"
        if "\t" in line and path.endswith(CPP + (".py", ".proto")):
            yield number, "tab"


RULES = (check_length, check_byte_order, check_includes, check_first_comment, check_guard,
         check_text)


def check(path, text):
    """[(line, what)] for one file, path relative to the root."""
    lines = text.splitlines()
    return [found for rule in RULES for found in rule(path, lines)]


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                              "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                             text=True).stdout
    return sorted(set(listing.split("\0")) - {""})


def selftest():
    bad = {
        "dataplane/path/x.cc": ("// x\n" * 201, "201 lines"),
        "controlplane/x.cc": ("// x\nint y = ntohs(3);\n", "byte order"),
        "lib/net/x.h": ("// x\n#ifndef WRONG_H_\n", "include guard GUIDEWAY_LIB_NET_X_H_"),
        "lib/x.cc": ('// x\n#include "dataplane/path/path.h"\n', "must not use"),
        "dataplane/x.cc": ('// x\n#include "controlplane/a.h"\n', "must not use"),
        "controlplane/y.cc": ('// x\n#include "dataplane/a.h"\n', "must not use"),
        "dataplane/tables/x.cc": ("// x\n#include <rte_eal.h>\n", "DPDK only"),
        "lib/y.cc": ("int y;\n", "first line is a comment"),
        "docs/x.md": ("see /" + "home/me/x\n", "path of one machine"),
        "scripts/x": ("x \n", "space at the end"),
        "lib/z.cc": ("// x\n\tint y;\n", "tab"),
        "tests/x.py": ("import os\n", "docstring"),
    }
    broken = [f"{path}: not found: {what}" for path, (text, what) in bad.items()
              if not any(what in found for _, found in check(path, text))]
    good = {"lib/net/x.h": "// x\n#ifndef GUIDEWAY_LIB_NET_X_H_\n", "dataplane/worker/x.cc":
            '// ntohs(\n#include <rte_eal.h>\n#include "lib/net/x.h"\n'}
    broken += [f"{path}: {check(path, text)}" for path, text in good.items() if check(path, text)]
    return broken


def main():
    if sys.argv[1:] == ["--selftest"]:
        problems = selftest()
    else:
        problems = []
        for path in tracked():
            try:
                text = (ROOT / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue
            problems += [f"{path}:{line}: {what}" for line, what in check(path, text)]
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
