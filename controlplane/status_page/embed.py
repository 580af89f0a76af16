#!/usr/bin/env python3
"""Writes the source that holds the files of the status page.

usage: embed.py OUTPUT.cc FILE...      index.html becomes "/", others "/NAME"
"""
import pathlib
import sys

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def literal(data):
    """C++ string literals, a line of the file each."""
    lines = []
    for line in data.splitlines(keepends=True):
        lines.append('"' + "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?'
                                   else f"\\{byte:03o}" for byte in line) + '"')
    return "\n    ".join(lines)


def main():
    output, files = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
    entries = []
    for file in files:
        data = file.read_bytes()
        path = "/" if file.name == "index.html" else "/" + file.name
        entries.append(f'  {{"{path}", "{TYPES[file.suffix]}; charset=utf-8", std::string_view(\n'
                       f"    {literal(data)}, {len(data)})}},\n")
    pathlib.Path(output).write_text(
        '// Made by embed.py.\n#include "controlplane/status_page/files.h"\n\n'
        "namespace guideway {\n\nconst StatusPageFile* FindStatusPageFile(const std::string& path) {\n"
        "  static constexpr StatusPageFile kFiles[] = {\n" + "".join(entries) + "  };\n"
        "  for (const StatusPageFile& file : kFiles) {\n"
        "    if (path == file.path) return &file;\n  }\n  return nullptr;\n}\n\n"
        "}  // namespace guideway\n", encoding="utf-8")


if __name__ == "__main__":
    main()
