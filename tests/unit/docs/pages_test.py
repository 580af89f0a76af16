#!/usr/bin/env python3
"""The pages: links lead somewhere, commands are as docs/cli.md has them, every alert is explained.

usage: pages_test.py SOURCE_ROOT
"""

import pathlib
import re
import shlex
import sys
import unittest

ROOT = pathlib.Path(sys.argv[1])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("perf/*.md")])
_FENCE = re.compile(r"^ *```", re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`(guideway [^`]+)`")
_USAGE = re.compile(r"^    (guideway .+)$", re.MULTILINE)
# What every command takes, and whether a value follows.
_COMMON = {"-h": False, "--help": False, "--version": False, "--socket": True, "-o": True,
           "--output": True, "-f": True, "--file": True, "--keep-going": False}


def parts(path):
    """(prose, code) of a page: what is outside of its fences, and inside."""
    pieces = _FENCE.split(path.read_text(encoding="utf-8"))
    return "\n".join(pieces[0::2]), "\n".join(pieces[1::2])


def anchor(heading):
    """As GitHub makes it."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors(path):
    return {anchor(heading) for heading in _HEADING.findall(parts(path)[0])}


class Command:
    """One line of usage in cli.md."""

    def __init__(self, usage):
        self.options = {}
        self.least = self.most = 0
        self.path = []
        for token in re.findall(r"\[--?[^]]*\]\]|\[[^]]*\]|\S+", usage):
            inner = token.strip("[]").split()
            if inner[0].startswith("-"):
                self.options[inner[0]] = len(inner) > 1
            elif token[0] == "[" or token.isupper() or "|" in token:
                self.most += 1
                self.least += token[0] != "["
            else:
                self.path.append(token)


COMMANDS = {tuple(command.path): command
            for command in map(Command, _USAGE.findall((ROOT / "docs/cli.md").read_text("utf-8")))}
NOUNS = {path[:2] for path in COMMANDS if len(path) > 2}


def words_of(line):
    """The words of a command up to a comment, redirection or pipe."""
    line = re.split(r"\s+(?:[>|;]|\d?>|&&)", line)[0]
    return shlex.split(line, comments=True)


def problem(words, whole):
    """What is wrong with a command, or None. With `whole` no argument may be missing."""
    length = max((n for n in (1, 2, 3) if tuple(words[:n]) in COMMANDS), default=0)
    if tuple(words[:2]) in NOUNS and length < 3:
        return None if not whole and words[2:] in ([], ["..."]) else "no such command"
    if length < 2 and not (len(words) > 1 and words[1].startswith("-")):
        return "no such command"
    command = COMMANDS[tuple(words[:length])]
    count, rest = 0, words[length:]
    while rest:
        word = rest.pop(0)
        if word == "...":
            return None
        if not re.match(r"--?[a-z]", word):
            count += 1
            continue
        name = word.split("=")[0]
        known = {**_COMMON, **command.options}
        if name not in known:
            return f"no option {name}"
        optional = name == "--watch"
        if known[name] and "=" not in word and rest and not (optional and rest[0][0] == "-"):
            rest.pop(0)
    if count > command.most and command.most < 1:
        return "too many arguments"
    file_by_option = "-f" in words or "--file" in words
    if whole and count < command.least and not file_by_option:
        return "an argument is missing"
    return None


def commands_in(path):
    """[(line, whole)]: of code blocks, and of `spans` in the text."""
    prose, code = parts(path)
    code = re.sub(r"\\\n\s*", " ", code)
    for line in code.splitlines():
        match = re.match(r"^\s*(?:\$ )?(guideway [a-z-].*)$", line)
        if match:
            yield match.group(1), True
    for span in _SPAN.findall(prose):
        yield span, False


class PagesTest(unittest.TestCase):
    def test_links(self):
        broken = []
        for page in PAGES:
            for link in _LINK.findall(parts(page)[0]):
                if re.match(r"[a-z]+:", link):
                    continue
                file, _, fragment = link.partition("#")
                target = (page.parent / file).resolve() if file else page
                if not target.exists():
                    broken.append(f"{page.relative_to(ROOT)}: {link}: no such file")
                elif fragment and fragment not in anchors(target):
                    broken.append(f"{page.relative_to(ROOT)}: {link}: no such heading")
        self.assertEqual(broken, [])

    def test_every_page_is_linked(self):
        linked = set()
        for page in PAGES:
            linked |= {(page.parent / link.partition("#")[0]).resolve()
                       for link in _LINK.findall(parts(page)[0])}
        pages = set((ROOT / "docs").glob("*.md"))
        self.assertEqual({page.name for page in pages if page.resolve() not in linked}, set())

    def test_commands(self):
        wrong, seen = [], 0
        for page in PAGES:
            if page.name == "cli.md":
                continue
            for line, whole in commands_in(page):
                seen += 1
                what = problem(words_of(line), whole)
                if what:
                    wrong.append(f"{page.relative_to(ROOT)}: {line}: {what}")
        self.assertGreater(seen, 50)
        self.assertEqual(wrong, [])

    def test_wrong_commands_are_found(self):
        for line in ("guideway backend drian web web-1", "guideway frobnicate",
                     "guideway backend drain web", "guideway status --wait",
                     "guideway history 3", "guideway apply new.yaml --confirm 5m"):
            self.assertIsNotNone(problem(words_of(line), True), line)

    def test_every_alert_is_explained(self):
        rules = (ROOT / "controlplane/metrics/alerts.yaml").read_text(encoding="utf-8")
        table = "\n".join(line for line in parts(ROOT / "docs/monitoring.md")[0].splitlines()
                          if line.startswith("| `Guideway"))
        self.assertEqual(set(re.findall(r"alert: (\w+)", rules)),
                         set(re.findall(r"`(Guideway\w+)`", table)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
