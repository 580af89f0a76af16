#!/usr/bin/python3
"""Compiles every header alone, with the flags of a source file of its folder.

A header that its own source includes first, which the build has compiled, has been compiled alone
there.

usage: check_headers.py BUILD_DIRECTORY
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys

from compile_commands import ROOT, our_commands, without_files


def included_first(sources):
    """The headers that a source of the same name includes before anything else."""
    found = set()
    for source in sources:
        header = str(source.with_suffix(".h"))
        first = re.search(r'^#include\s+["<]([^">]+)', (ROOT / source).read_text(), re.MULTILINE)
        if first and first.group(1) == header:
            found.add(header)
    return found


def flags_by_folder(commands):
    """{folder: (directory, arguments)}: one compile command for each folder with sources."""
    found = {}
    for source, directory, arguments in commands:
        folder = source.parent
        # Of several the one with the most dependencies: DPDK is not given to every library.
        if folder not in found or len(arguments) > len(found[folder][1]):
            found[folder] = (directory, arguments)
    return found


def compile_bpf_alone(header):
    """The same for what only BPF programs include."""
    multiarch = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True,
                               text=True).stdout.strip()
    done = subprocess.run(["clang", "-target", "bpf", f"-I{ROOT}", f"-I/usr/include/{multiarch}",
                           "-fsyntax-only", "-x", "c", "-"], text=True,
                          input=f'#include "{header}"\n', capture_output=True, check=False)
    return done.stderr if done.returncode else ""


def compile_alone(header, directory, arguments):
    """Error text, empty if it compiles."""
    if header.endswith(".bpf.h"):
        return compile_bpf_alone(header)
    # Included from an empty file: a header that is the main file warns about its own pragmas.
    done = subprocess.run([*without_files(arguments), "-fsyntax-only", "-x", "c++", "-"], cwd=directory, text=True,
                          input=f'#include "{header}"\n', capture_output=True, check=False)
    return done.stderr if done.returncode else ""


def main():
    build = (ROOT / sys.argv[1]).resolve()
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                              "*.h"], cwd=ROOT, check=True, capture_output=True, text=True)
    commands = our_commands(build)
    folders = flags_by_folder(commands)
    if not folders:
        sys.exit(f"{build}: no compile commands")
    done = included_first(source for source, _, _ in commands)
    jobs = []
    for header in sorted(set(listing.stdout.split()) - done):
        folder = pathlib.Path(header).parent
        if folder not in folders and any((ROOT / folder).glob("*.cc")):
            # Not part of this build (perf/micro): whatever its sources need, somebody's have it.
            jobs.append((header, *max(folders.values(), key=lambda command: len(command[1]))))
            continue
        # Contract-only folders have no source: any folder's flags that lie nearest will do.
        candidates = sorted(folders, key=lambda f: -len(set(f.parents) & set(folder.parents))
                            - (10 if f == folder else 0))
        jobs.append((header, *folders[candidates[0]]))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        errors = [e for e in pool.map(lambda job: compile_alone(*job), jobs) if e]
    print("\n".join(errors) if errors else
          f"{len(jobs)} headers compile alone, {len(done)} as the first of their source")
    sys.exit(1 if errors or not jobs else 0)


if __name__ == "__main__":
    main()
