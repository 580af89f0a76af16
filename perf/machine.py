"""The first line of a results file: what the figures were taken on and of."""

import datetime
import os
import platform
import re
import subprocess


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        text = file.read()
    model = re.search(r"model name\s*: (.*)", text)
    megahertz = re.search(r"cpu MHz\s*: (\d+)", text)
    name = model.group(1).strip() if model else platform.machine()
    return f"{name}, {megahertz.group(1)} MHz" if megahertz else name


def _memory_gib():
    with open("/proc/meminfo", encoding="ascii") as file:
        return round(int(file.readline().split()[1]) / 2 ** 20)


def commit(root, revision="HEAD"):
    return _output("git", "-C", root, "rev-parse", "--short=12", revision + "^{commit}")


def describe(root):
    """A commit with `+` is one with changes that are not committed."""
    changed = _output("git", "-C", root, "status", "--porcelain", "--untracked-files=no", "--", ".",
                      ":!perf/results")
    compiler = os.environ.get("CXX", "g++").split()[-1]
    return {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {_memory_gib()} GiB",
        "kernel": platform.release(),
        "commit": commit(root) + ("+" if changed else ""),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "compiler": _output(compiler, "--version").splitlines()[0],
        "load": round(os.getloadavg()[0], 2),
    }
