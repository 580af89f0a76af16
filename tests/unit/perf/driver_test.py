#!/usr/bin/env python3
"""scripts/bench with a program that prints lines: running, comparing two revisions, what goes wrong.

usage: driver_test.py SOURCE_ROOT
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import figures  # finds perf/
import bench
import compare
import groups

# Stands for the compiler: what is built is the source.
_BUILD = """#!/bin/sh
cd "$(dirname "$0")/.." && mkdir -p "$1/perf" && cp perf/micro/program.cc "$1/perf/program"
"""


def program(value, more="", status=0):
    line = json.dumps({"row": "mixed", "unit": "ns", "value": value, "low": value, "high": value, "runs": 7, "floor": 10})
    return f"#!/bin/sh\necho '{line}'\n{more}\nexit {status}\n"


class Repository(unittest.TestCase):
    """A repository with two revisions of a program, the second one twice as fast."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.git("init", "-q")
        self.git("config", "user.email", "nobody@example.com")
        self.git("config", "user.name", "nobody")
        self.file("scripts/build", _BUILD)
        self.file("perf/README.md", "")
        self.commit("nothing")
        self.file("perf/micro/program.cc", program(40))
        self.commit("slow")
        self.file("perf/micro/program.cc", program(20))
        self.commit("fast")
        self.group = groups.Group("micro", "perf/program", "perf/micro/program.cc", ("perf/program",))
        for name, value in (("ROOT", self.root), ("ALL", {"micro": self.group})):
            patch = mock.patch.object(groups, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def git(self, *arguments):
        return subprocess.run(["git", "-C", self.root, *arguments], check=True, capture_output=True, text=True).stdout

    def file(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)

    def commit(self, tag):
        self.git("add", "-A")
        self.git("commit", "-qm", tag)
        self.git("tag", tag)

    def run_in(self, function, *arguments):
        """(result, stdout, stderr)"""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            result = function(*arguments)
        return result, out.getvalue(), err.getvalue()


class RunTest(Repository):
    def test_figures_are_printed_and_kept(self):
        with mock.patch.object(bench, "RESULTS", self.root / "perf/results"):
            good, out, _ = self.run_in(bench.measure, [self.group], True, {})
        self.assertTrue(good)
        self.assertRegex(out, r"mixed.* 20 ns .* 10 +30  met")
        self.assertIn("1 rows: 1 met, 0 short", out)
        for path in ("perf/results/micro.jsonl", "build-bench/results.jsonl"):
            written = [json.loads(line) for line in (self.root / path).read_text(encoding="utf-8").splitlines()]
            self.assertEqual(written[0]["commit"], self.git("rev-parse", "--short=12", "HEAD").strip())
            self.assertEqual(sorted(written[0]), ["commit", "compiler", "date", "kernel", "load", "machine"])
            self.assertEqual(written[1]["row"], "mixed")

    def test_changes_that_are_not_committed_show(self):
        self.file("perf/micro/program.cc", program(21))
        with mock.patch.object(bench, "RESULTS", self.root / "perf/results"):
            self.run_in(bench.measure, [self.group], True, {})
        machine = json.loads((self.root / "perf/results/micro.jsonl").read_text(encoding="utf-8").splitlines()[0])
        self.assertTrue(machine["commit"].endswith("+"), machine)

    def test_a_program_that_fails_is_no_result(self):
        self.file("perf/micro/program.cc", program(20, status=3))
        with mock.patch.object(bench, "RESULTS", self.root / "perf/results"):
            good, _, err = self.run_in(bench.measure, [self.group], True, {})
        self.assertFalse(good)
        self.assertIn("ended with status 3", err)
        self.assertFalse((self.root / "perf/results/micro.jsonl").exists())

    def test_garbage_is_told_and_passed_over(self):
        self.file("perf/micro/program.cc", program(20, more="echo nonsense"))
        build = groups.build_groups([self.group], self.root)
        found, _, err = self.run_in(groups.run_group, self.group, build)
        self.assertEqual(found["mixed"].value, 20)
        self.assertIn("nonsense", err)

    def test_no_figure_is_an_error(self):
        self.file("perf/micro/program.cc", "#!/bin/sh\n")
        build = groups.build_groups([self.group], self.root)
        with self.assertRaisesRegex(groups.BenchError, "printed no figure"):
            groups.run_group(self.group, build)

    def test_groups(self):
        absent = groups.Group("generator", "perf/g/run.py", "perf/g/run.py", ())
        groups.ALL["generator"] = absent
        self.assertEqual(bench.wanted_groups([]), [self.group])
        self.assertEqual(bench.wanted_groups(["micro", "micro"]), [self.group])
        with self.assertRaisesRegex(groups.BenchError, "perf/g/run.py is missing"):
            bench.wanted_groups(["generator"])

    def test_wrong_usage(self):
        for words in (["nonsense"], ["--check", "micro"], ["--compare", "HEAD", "--save"], ["--rounds", "0"]):
            with contextlib.redirect_stderr(io.StringIO()) as err, self.assertRaises(SystemExit) as ended:
                bench.parse(words)
            self.assertEqual(ended.exception.code, 2, words)
            self.assertIn("error:", err.getvalue())


class CompareTest(Repository):
    def compare(self, revision, rounds=3):
        _, out, err = self.run_in(compare.run, revision, [self.group], rounds, {})
        self.assertEqual(list((self.root / "build-bench").glob("compare-*")), [], "the worktree is left")
        self.assertEqual(len(self.git("worktree", "list").splitlines()), 1)
        return out, err

    def test_ratio(self):
        out, _ = self.compare("slow")
        self.assertRegex(out, r"mixed.* 40 +20 +0\.500 +±0\.010  better")

    def test_the_same_twice(self):
        self.assertRegex(self.compare("fast")[0], r"mixed.* 20 +20 +1\.000 +±0\.010  same")

    def test_a_revision_without_the_benchmark_gets_it(self):
        out, err = self.compare("nothing", rounds=1)
        self.assertIn("those of this tree are built there", err)
        self.assertRegex(out, r"mixed.* 20 +20 +1\.000")

    def test_rows_of_one_side_only_are_left_out(self):
        self.file("perf/micro/program.cc", program(20, more="""echo '{"row": "vip_miss", "unit": "ns", "value": 1}'"""))
        out, _ = self.compare("slow", rounds=1)
        self.assertIn("mixed", out)
        self.assertNotIn("no VIP", out)

    def test_no_revision(self):
        with self.assertRaisesRegex(groups.BenchError, "nowhere is no revision"):
            self.compare("nowhere")

    def test_a_revision_that_does_not_build(self):
        self.file("scripts/build", _BUILD + "[ ! -f broken ]\n")
        self.file("broken", "")
        self.commit("broken")
        (self.root / "broken").unlink()
        with self.assertRaisesRegex(groups.BenchError, "broken does not build"):
            self.compare("broken")
        self.assertEqual(list((self.root / "build-bench").glob("compare-*")), [])

    def test_row_by_row_where_the_program_can(self):
        listing = dataclasses.replace(self.group, lists_rows=True)
        listed = {"old": ["mixed", "mixed_more", "vip_miss", "gone"], "new": ["mixed", "mixed_more", "vip_miss"]}
        asked = []

        def run_group(_, build, arguments):
            asked.append((build, *arguments))
            begins = [name for name in listed[build] if name.startswith(arguments[0])]
            return figures.by_name(*(figures.figure(name, 1) for name in begins))

        with mock.patch.object(groups, "run_group", run_group), \
                mock.patch.object(groups, "list_rows", lambda _, build: listed[build]):
            pairs, _, _ = self.run_in(compare.measure, [listing], ("old", "new"), 2, {})
        self.assertEqual(asked[:4], [("old", "mixed"), ("new", "mixed"), ("old", "vip_miss"), ("new", "vip_miss")])
        self.assertEqual(asked[4:6], [("new", "mixed"), ("old", "mixed")])
        self.assertEqual(len(asked), 8)
        self.assertEqual({name: len(rounds) for name, rounds in pairs.items()},
                         {"mixed": 2, "mixed_more": 2, "vip_miss": 2})

    def test_a_row_that_is_missing_in_a_round_is_left_out(self):
        answers = [["mixed", "vip_miss"], ["mixed", "vip_miss"], ["mixed", "vip_miss"], ["mixed"]]
        with mock.patch.object(groups, "run_group", lambda *_: figures.by_name(
                *(figures.figure(name, 1) for name in answers.pop(0)))):
            pairs, _, _ = self.run_in(compare.measure, [self.group], ("old", "new"), 2, {})
        self.assertEqual(list(pairs), ["mixed"])

    def test_listing(self):
        self.file("perf/micro/program.cc", "#!/bin/sh\n[ $1 = --list ] && echo mixed && echo vip_miss\n")
        build = groups.build_groups([self.group], self.root)
        self.assertEqual(groups.list_rows(self.group, build), ["mixed", "vip_miss"])
        self.file("build-bench/perf/program", "#!/bin/sh\nexit 1\n")
        with self.assertRaisesRegex(groups.BenchError, "--list ended with status 1"):
            groups.list_rows(self.group, build)

    def test_both_are_measured_by_turns(self):
        turns = []
        with mock.patch.object(groups, "run_group", side_effect=lambda group, build, words: turns.append(
                build.parent == self.root) or {}):
            self.run_in(compare.measure, [self.group], (self.root / "other/build-bench", self.root / "build-bench"), 2,
                        {})
        self.assertEqual(turns, [False, True, True, False])


if __name__ == "__main__":
    sys.exit(unittest.main())
