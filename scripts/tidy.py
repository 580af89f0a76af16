#!/usr/bin/env python3
"""Runs clang-tidy on all sources of the product, joined: dozens are read as one.

Most of clang-tidy's time goes into the headers that every source includes, so joined sources take a
tenth of it. Sources whose names or headers clash with others' are joined apart from these.
usage: scripts/tidy.py BUILD_DIRECTORY [FOLDER...]"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from compile_commands import ROOT, our_commands, without_files

FOLDERS = ("lib", "dataplane", "controlplane")
MOST_JOINED = 25
# GCC's own flags are unknown to clang.
UNKNOWN = ["-Wno-unknown-warning-option", "-Wno-unused-command-line-argument"]
ARGUMENTS = ["-quiet", *(f"--extra-arg={flag}" for flag in UNKNOWN),
             # As in .clang-tidy, and the sources, which are not the main file here.
             r"--header-filter=\.\./(lib|dataplane|controlplane)/.*\.(h|cc)$"]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Joined:
    """Sources that are compiled with the same flags."""

    def __init__(self, directory, flags, sources):
        self.directory, self.flags, self.sources = directory, flags, sources

    def write(self, scratch):
        """Makes a source that includes all of them, with its own compile command; its path."""
        folder = tempfile.mkdtemp(dir=scratch)
        joined = os.path.join(folder, "joined.cc")
        with open(joined, "w", encoding="utf-8") as out:
            out.writelines(f'#include "{source}"\n' for source in self.sources)
        with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as out:
            json.dump([{"directory": self.directory, "file": joined,
                        "arguments": [*self.flags, "-c", joined]}], out)
        return joined

    def clashing(self, joined):
        """Those sources that do not compile behind the ones before them."""
        done = subprocess.run(["clang++-14", *self.flags[1:], *UNKNOWN, "-fsyntax-only",
                               "-fno-color-diagnostics", "-ferror-limit=0", joined],
                              cwd=self.directory, text=True, capture_output=True, check=False)
        found, source = set(), None
        for line in done.stderr.splitlines():
            place = re.match(r"(?:In file included from )?(\S+?\.cc):\d+:", line)
            if place and os.path.normpath(place[1]) in self.sources:
                source = os.path.normpath(place[1])
            if re.search(r": (fatal )?error: ", line) and source:
                found.add(source)
        return found if done.returncode != 0 else set()

    def joinable(self, scratch):
        """Splits them until all parts compile, or are single sources."""
        if len(self.sources) == 1:
            return [self]
        clashing = self.clashing(self.write(scratch))
        if not clashing:
            return [self]
        kept = [source for source in self.sources if source not in clashing]
        parts = [kept, sorted(clashing)] if kept else [[source] for source in self.sources]
        return [part for sources in parts for part in
                Joined(self.directory, self.flags, sources).joinable(scratch)]

    def check(self, scratch):
        """The lines of what clang-tidy finds."""
        joined = self.write(scratch)
        done = subprocess.run(["clang-tidy-14", "-p", os.path.dirname(joined),
                               f"--config-file={ROOT}/.clang-tidy", *ARGUMENTS, joined],
                              text=True, capture_output=True, check=False)
        lines = [_COLOUR.sub("", line) for line in done.stdout.splitlines()]
        found = [line for line in lines if re.search(r"(warning|error): ", line)]
        if done.returncode != 0 and not found:
            found = (done.stdout + done.stderr).splitlines()[-20:]
        return found


def flags_of(arguments):
    """What sources must have in common to be joined. They name headers from the top, so their own
    folders need not be searched."""
    return tuple(flag for flag in without_files(arguments) if flag != "ccache"
                 and not re.match(rf"-I(\.\./)?({'|'.join(FOLDERS)})(/|$)", flag))


def all_joined(build, folders):
    groups = {}
    for source, directory, arguments in our_commands(build):
        if source.suffix == ".cc" and str(source).startswith(tuple(f"{f}/" for f in folders)):
            sources = groups.setdefault((directory, flags_of(arguments)), set())
            sources.add(os.path.relpath(ROOT / source, directory))
    joined = []
    for (directory, flags), sources in sorted(groups.items()):
        ordered = sorted(sources)  # neighbours include the same headers
        size = -(-len(ordered) // -(-len(ordered) // MOST_JOINED))
        joined += [Joined(directory, flags, ordered[first:first + size])
                   for first in range(0, len(ordered), size)]
    return joined


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    scratch = build / "tidy"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    work = all_joined(build, sys.argv[2:] or FOLDERS)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        parts = [part for split in pool.map(lambda joined: joined.joinable(scratch), work)
                 for part in split]
        # The longest first, so that none is left alone at the end.
        parts.sort(key=lambda joined: -len(joined.sources))
        found = [line for lines in pool.map(lambda joined: joined.check(scratch), parts)
                 for line in lines]
    for line in sorted(set(found)):
        print(line)
    sources = {source for joined in parts for source in joined.sources}
    print(f"{len(sources)} sources joined into {len(parts)}, {len(set(found))} findings")
    return 1 if found or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
