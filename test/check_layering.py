"""Checks the #include lines of the tree against its layers.

    check_layering.py ROOT

Prints one line for each include that points the wrong way and fails if there
is any. A file that includes a neighbour includes it by its path from the root.
"""

import pathlib
import re
import sys

FOLDERS = (
    "bench",
    "codegen",
    "frontends",
    "ir",
    "passes",
    "runtime",
    "targets",
    "tools",
    "verify",
)

# folder -> what of our own tree and of our libraries it may include.
MAY = {
    "runtime": {"runtime"},
    "ir": {"ir", "LLVM", "MLIR"},
    "frontends": {"frontends", "ir", "LLVM", "MLIR"},
    "passes": {"passes", "ir", "LLVM", "MLIR"},
    "targets": {"targets", "LLVM"},
    "codegen": {"codegen", "ir", "runtime", "targets", "LLVM", "MLIR"},
    "verify": {"verify", "ir", "passes", "runtime", "LLVM", "MLIR"},
    "tools": {
        "tools",
        "codegen",
        "frontends",
        "ir",
        "passes",
        "runtime",
        "targets",
        "verify",
        "LLVM",
        "MLIR",
        "LLD",
    },
}
# Narrower or wider than their folder.
MAY["codegen/formats"] = MAY["codegen"] | {"Halide"}
MAY["codegen/kernels"] = MAY["codegen"] | {"Halide"}
MAY["codegen/link"] = MAY["codegen"] | {"LLD"}

# The C++ headers that need neither exceptions nor the C++ library's objects.
RUNTIME_CXX = set(
    """
    algorithm array atomic bit cassert cctype cerrno cfloat cinttypes climits cmath
    csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime initializer_list
    limits new numeric type_traits utility
    """.split()
)

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def owner(header):
    """The library or folder of ours that a header belongs to, or None."""
    if re.fullmatch(r"Halide\w*\.h", header):
        return "Halide"
    top = header.split("/")[0]
    libraries = {
        "mlir": "MLIR",
        "mlir-c": "MLIR",
        "llvm": "LLVM",
        "llvm-c": "LLVM",
        "clang": "Clang",
        "lld": "LLD",
    }
    if top in libraries:
        return libraries[top]
    return top if "/" in header and top in FOLDERS else None


def complaint(folder, header, angled):
    layer = folder.split("/")[0]
    allowed = MAY.get("/".join(folder.split("/")[:2]), MAY[layer])
    to = owner(header)
    if to is not None and to not in allowed:
        return f"{layer}/ may not include {to}" + ("/" if to in FOLDERS else "")
    # The contract, and the lists that it is made of.
    contract = ("runtime/abi.h", "runtime/transom.h")
    is_contract = header in contract or header.endswith(".def")
    if layer == "codegen" and to == "runtime" and not is_contract:
        return "codegen/ may include no header of runtime/ but abi.h and transom.h"
    if layer == "verify" and to == "runtime" and header != "runtime/transom.h":
        return "verify/ may include no header of runtime/ but runtime/transom.h"
    is_cxx = angled and re.fullmatch(r"\w+", header)
    if layer == "runtime" and is_cxx and header not in RUNTIME_CXX:
        return f"runtime/ may not include C++ header <{header}>"
    return None


def main(root):
    broken = 0
    for layer in MAY:
        if "/" in layer:
            continue
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".c", ".td"):
                continue
            name = path.relative_to(root).as_posix()
            lines = path.read_text(encoding="utf-8").splitlines()
            for number, line in enumerate(lines, 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                folder = name.rsplit("/", 1)[0]
                why = complaint(folder, found[2], found[1] == "<")
                if why:
                    broken += 1
                    print(f"{name}:{number}: {why}", file=sys.stderr)
    if broken:
        print(f"{broken} broken", file=sys.stderr)
    return 1 if broken else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
