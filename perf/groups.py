"""The groups of rows: which program measures each, and how it is built and run."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import lines

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = "build-bench"
_DAEMONS = ("dataplane/guideway-dataplane", "controlplane/guideway-controlplane", "controlplane/cli/guideway")


@dataclasses.dataclass(frozen=True)
class Group:
    """`program` is a target of the build, or a Python script of perf/; `source` is there if the group is;
    `setup`: what scripts/setup has to be told; `lists_rows`: the program takes rows (and whatever begins
    like them), and --list."""
    name: str
    program: str
    source: str
    targets: tuple
    setup: tuple = ()
    lists_rows: bool = False

    def exists(self, root):
        return (root / self.source).exists()

    def is_script(self):
        return self.program.endswith(".py")

    def command(self, build, arguments=()):
        start = [sys.executable, str(ROOT / self.program)] if self.is_script() else [str(build / self.program)]
        return [*start, *arguments]


def _program(name, source, **more):
    return Group(name, f"perf/{source}", f"perf/micro/{source}.cc", (f"perf/{source}",), **more)


ALL = {group.name: group for group in (
    _program("micro", "packet_benchmark", lists_rows=True),
    _program("builder", "builder_benchmark"),
    _program("flow_table", "flow_table_benchmark"),
    Group("controlplane", "perf/controlplane_benchmark.py", "perf/controlplane_benchmark.py",
          (*_DAEMONS, "perf/flapping_server")),
    Group("generator", "perf/generator/run.py", "perf/generator/run.py",
          (*_DAEMONS, "perf/generator/guideway-generator")),
    Group("end_to_end", "perf/end_to_end/run.py", "perf/end_to_end/run.py",
          (*_DAEMONS, "dataplane/decap/guideway-decap"), setup=("--bench",)),
)}


class BenchError(Exception):
    """What is told without a stack."""


def run_group(group, build, arguments=()):
    """{row: Figure} of one run of the group's program. BenchError if it fails; what it says on stderr
    goes to the terminal."""
    command = group.command(build, arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                          env={**os.environ, "GUIDEWAY_BUILD": str(build)}) as process:
        figures, problems = lines.read(process.stdout)
    for problem in problems:
        print(f"{group.name}: {problem}", file=sys.stderr)
    if process.returncode != 0:
        raise BenchError(f"{group.name}: {' '.join(command)} ended with status {process.returncode}")
    if not figures:
        raise BenchError(f"{group.name}: {' '.join(command)} printed no figure")
    return figures


def list_rows(group, build):
    """The rows that the program of a group with `lists_rows` can be asked for."""
    done = subprocess.run(group.command(build, ("--list",)), check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BenchError(f"{group.name}: --list ended with status {done.returncode}")
    return done.stdout.split()


def set_up(wanted):
    """Packages and hugepages that the groups need."""
    options = sorted({option for group in wanted for option in group.setup})
    if subprocess.run([ROOT / "scripts" / "setup", *options], check=False, stdout=sys.__stderr__).returncode != 0:
        raise BenchError("the machine is not set up")


def build_groups(wanted, root):
    """Builds what the groups need in `root`; the build directory."""
    targets = sorted({target for group in wanted for target in group.targets})
    done = subprocess.run([root / "scripts" / "build", BUILD, "-Dperf=true", "--", *targets], check=False,
                          stdout=sys.__stderr__)
    if done.returncode != 0:
        raise BenchError(f"{root} does not build")
    return root / BUILD
