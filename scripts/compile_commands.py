"""The compile commands of the project's own sources, from a build's compile_commands.json."""

import json
import pathlib
import shlex

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Flags that name outputs or dependencies of the original compilation.
_WITH_VALUE = {"-o", "-MF", "-MQ", "-MT"}
_ALONE = {"-MD", "-c"}


def our_commands(build):
    """[(source below ROOT, directory, arguments)]: the compile commands of what nobody generated."""
    found = []
    for command in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(command["directory"]) / command["file"]).resolve()
        if source.is_relative_to(ROOT) and build not in source.parents:
            found.append((source.relative_to(ROOT), command["directory"],
                          shlex.split(command["command"])))
    return found


def without_files(arguments):
    """A compile command without its source, its outputs and what it says of dependencies."""
    kept, skip = [], False
    for argument in arguments:
        if skip or argument in _WITH_VALUE:
            skip = not skip
        elif argument not in _ALONE and not argument.endswith(".cc"):
            kept.append(argument)
    return kept
