#!/usr/bin/env python3
"""Puts lit tests into the generated reference of passes.

A description has lines such as `(* example test/passes/x.mlir @function *)`. Each
becomes that function, and what the test's CHECK lines say becomes of it. Fails if
a marker leads nowhere, or if a pass has no example.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKER = re.compile(r"^\(\* example (\S+) (@\w+) \*\)$", re.M)


CHECK = re.compile(r"^// CHECK(-NEXT|-SAME|-LABEL|-DAG)?:")


def fence(lines):
    text = textwrap.dedent("\n".join(line.rstrip() for line in lines))
    return "```mlir\n" + text + "\n```"


def readable(lines):
    """CHECK lines without FileCheck's patterns: %[[X:.+]] and %[[X]] are %x."""
    aligned = any(line.startswith("// CHECK:   ") for line in lines)
    for line in lines:
        line = CHECK.sub(lambda match: " " * len(match[0]) * aligned, line)
        line = re.sub(r"\[\[\$?(\w+)(:.*?[+*])?\]\]", lambda m: m[1].lower(), line)
        line = re.sub(r"%?\{\{.*?\}\}", "..", line)
        if not line.strip().startswith(("@", "(")):  # The function's own name.
            yield line


def example(path, name):
    """An op of a test (a function, a kernel) with what stands above it: weights,
    and CHECK lines."""
    lines = (ROOT / path).read_text().splitlines()
    head = re.compile(rf"( *)[\w.]+ {name}\(")
    heads = [(i, head.match(line)) for i, line in enumerate(lines) if head.match(line)]
    if not heads:
        sys.exit(f"{path} has no {name}")
    begin, match = heads[0]
    end = lines.index(match[1] + "}", begin) + 1
    first = begin
    while (
        first > 0
        and lines[first - 1]
        and lines[first - 1] not in ("// -----", "module {")
    ):
        first -= 1
    above = lines[first:begin]
    checks = [line for line in above if CHECK.match(line)]
    text = fence([line for line in above if line[:2] != "//"] + lines[begin:end])
    return text + "\n\nbecomes\n\n" + fence(readable(checks)) if checks else text


def main():
    path = pathlib.Path(sys.argv[1])
    text = path.read_text()
    for section in text.split("\n### ")[1:]:
        if not MARKER.search(section):
            sys.exit(f"{section.splitlines()[0]} has no example of its lit test")
    path.write_text(MARKER.sub(lambda match: example(match[1], match[2]), text))


if __name__ == "__main__":
    main()
