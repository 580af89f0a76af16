"""scripts/bench --compare REV: another revision and this tree by turns, in one run."""

import contextlib
import shutil
import statistics
import subprocess
import sys

import groups
import machine
import rows
import table
import verdict


def _git(*arguments):
    return subprocess.run(["git", "-C", groups.ROOT, *arguments], check=False, capture_output=True, text=True)


@contextlib.contextmanager
def worktree(revision):
    """The revision's files, below the build directory; gone afterwards."""
    commit = _git("rev-parse", "--verify", "--quiet", "--short=12", revision + "^{commit}").stdout.strip()
    if not commit:
        raise groups.BenchError(f"{revision} is no revision of this repository")
    path = groups.ROOT / groups.BUILD / f"compare-{commit}"
    _git("worktree", "remove", "--force", path)  # of a run that was killed
    path.parent.mkdir(exist_ok=True)
    added = _git("worktree", "add", "--detach", "--force", path, commit)
    if added.returncode != 0:
        raise groups.BenchError(f"git worktree: {added.stderr.strip()}")
    try:
        yield path
    finally:
        _git("worktree", "remove", "--force", path)


def prepare(path, revision, wanted):
    """Builds the revision. One without these benchmarks gets those of this tree."""
    own = all(group.exists(path) for group in wanted)
    if not own:
        print(f"compare: {revision} lacks benchmarks: those of this tree are built there", file=sys.stderr)
        shutil.rmtree(path / "perf")
        shutil.copytree(groups.ROOT / "perf", path / "perf")
    # Older ones build all that there is.
    shutil.copy2(groups.ROOT / "scripts" / "build", path / "scripts" / "build")
    try:
        return groups.build_groups(wanted, path)
    except groups.BenchError as error:
        what = "does not build" if own else "does not build with this tree's benchmarks: cannot be compared"
        raise groups.BenchError(f"{revision} {what}") from error


def _both(group, builds, order, arguments):
    figures = {i: groups.run_group(group, builds[i], arguments) for i in order}
    return {name: (figures[0][name], figures[1][name]) for name in figures[0].keys() & figures[1].keys()}


def _round(group, builds, order, arguments):
    """{row: (Figure of the first build, Figure of the second)}. Row by row where the program can: what else
    the machine does lasts longer than a row, and meets both then."""
    if not group.lists_rows:
        return _both(group, builds, order, arguments)
    second = set(groups.list_rows(group, builds[1]))
    pairs = {}
    for name in groups.list_rows(group, builds[0]):
        if name in second and name not in pairs:  # it came with another that begins like it
            pairs.update(_both(group, builds, order, (*arguments, name)))
    return pairs


def measure(wanted, builds, rounds, arguments):
    """{row: [(Figure of the first build, Figure of the second)]}, of rows that both have in each round.
    Who begins changes from round to round."""
    pairs = {}
    for number in range(rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for group in wanted:
            for name, pair in _round(group, builds, order, arguments.get(group.name, ())).items():
                pairs.setdefault(name, []).append(pair)
        print(f"compare: round {number + 1} of {rounds}", file=sys.stderr)
    return {name: rounds_of_row for name, rounds_of_row in pairs.items() if len(rounds_of_row) == rounds}


def report(revision, pairs):
    """One line a row: medians over the rounds."""
    yield f"{'row':52} {revision[:12]:>12} {'this tree':>12} {'ratio':>7} {'noise':>7}"
    for row in rows.ROWS:
        if row.name not in pairs:
            continue
        before, after = (statistics.median(figure.value for figure in side) for side in zip(*pairs[row.name]))
        found = verdict.ratio_and_noise(pairs[row.name])
        line = f"{row.title:52} {table.number(before):>12} {table.number(after):>12} "
        if found is None:
            yield line + "      -"
            continue
        ratio, noise = found
        yield line + f"{ratio:>7.3f} {f'±{noise:.3f}':>7}  {verdict.change(row, ratio, noise)}"


def run(revision, wanted, rounds, arguments):
    """Compares and prints."""
    with worktree(revision) as path:
        builds = (prepare(path, revision, wanted), groups.build_groups(wanted, groups.ROOT))
        pairs = measure(wanted, builds, rounds, arguments)
    print(f"{machine.describe(groups.ROOT)['machine']}; {rounds} rounds; ratio of this tree to {revision}, "
          "within noise: same")
    print("\n".join(report(revision, pairs)))
