"""Compiles the C examples of the pages with the header that users get.

    check_c_examples.py ROOT FOLDER

The examples of a page are one program: each may use what those before it
declare. FOLDER receives the programs, and a header for each library that they
name.
"""

import pathlib
import re
import subprocess
import sys

PAGES = ("docs/c-api.md", "docs/generation.md")
PROGRAMS = ("examples/embed.c",)
COMPILE = ("cc", "-std=c11", "-pedantic", "-Wall", "-Wno-unused", "-Werror",
           "-fsyntax-only")  # fmt: skip

# What examples take as given.
GIVEN = "int enough(void *user);\n"
PARAMETERS = (
    "transom_session *session, transom_generation_options generation, void *user"
)


def program(page):
    """One function of all examples; those that define functions stand before it."""
    includes, functions, body = ["#include <stdio.h>"], [], []
    for text in re.findall(r"^```c\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        includes += re.findall(r"^#include .*", text, re.MULTILINE)
        text = re.sub(r"^#include .*", "", text, flags=re.MULTILINE)
        # A scope for each, within that of the one before: names may come again.
        (functions if text.startswith("static") else body).append(text)
    scopes = "".join(f"{{\n{text}" for text in body) + "}" * len(body)
    return includes, functions, f"void example({PARAMETERS}) {{\n{scopes}\n}}\n"


def main(root, folder):
    folder.mkdir(parents=True, exist_ok=True)
    header = (root / "runtime/transom.h").read_text(encoding="utf-8")
    template = (root / "runtime/NAME.h.in").read_text(encoding="utf-8")
    functions = "|".join(["open", *re.findall(r"FUNCTION\((\w+)\)", header)])
    failed = False
    for name in (*PAGES, *PROGRAMS):
        text = (root / name).read_text(encoding="utf-8")
        calls = re.findall(rf"\b([A-Za-z]\w*?)_(?:{functions})\(", text)
        libraries = sorted(set(calls))
        for library in libraries:
            own = template.replace("@NAME@", library)
            (folder / f"{library}.h").write_text(
                header + own.replace("@GUARD@", library.upper()), encoding="utf-8"
            )
        if name in PAGES:
            includes, before, example = program(text)
            includes += [f'#include "{library}.h"' for library in libraries]
            text = "\n".join([*includes, GIVEN, *before, example])
        source = folder / pathlib.PurePath(name).with_suffix(".c").name
        source.write_text(text, encoding="utf-8")
        result = subprocess.run([*COMPILE, f"-I{folder}", source])
        if result.returncode:
            print(f"{name}: its C examples don't compile", file=sys.stderr)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
