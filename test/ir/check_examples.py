"""Takes every example of pages on the dialects through transom-opt.

Each parses and verifies, and what is printed, custom and generic, parses again
to the same.

    check_examples.py TRANSOM_OPT PAGE.md ...

An example uses values and symbols that it doesn't define. Values become
arguments of a function, with the types that the example gives to operands;
symbols come from `symbols` below.
"""

import re
import subprocess
import sys

TYPE = r"!kernel\.buffer<tensor<[^>]*>[^>]*>|tensor<[^>]*>|\bf32\b"

symbols = """
transformer.weight @layer.0.query.weight from [#transformer.source<"w">]
    : tensor<768x768xf32>
kernel.define private @linear_768x3072(
    %x: tensor<?x768xf32>, %w: tensor<3072x768xf32>, %b: tensor<3072xf32>)
    -> tensor<?x3072xf32> rows 0 weights [1, 2] {
  %0 = transformer.linear %x, %w bias %b : tensor<?x768xf32>,
      tensor<3072x768xf32>, tensor<3072xf32> -> tensor<?x3072xf32>
  kernel.yield %0 : tensor<?x3072xf32>
}
kernel.define private @append_cache_1x64(
    %c: tensor<?x256xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>,
    %s: tensor<?xi32>) -> tensor<?x256xf32> rows 1 weights [] {
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 0
      : tensor<?x256xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>
  kernel.yield %0 : tensor<?x256xf32>
}
transformer.weight @word from [#transformer.source<"word">]
    : tensor<30522x768xf32>
kernel.define private @embedding_768(
    %ids: tensor<?xi32>, %table: tensor<30522x768xf32>) -> tensor<?x768xf32>
    rows 0 weights [1] {
  %0 = transformer.embedding %ids, %table : tensor<?xi32>,
      tensor<30522x768xf32> -> tensor<?x768xf32>
  kernel.yield %0 : tensor<?x768xf32>
}
"""

# Terminators stand in the region of their parent.
parents = {
    "transformer.yield": """func.func @f(%t: tensor<f32>) {{
  %y = transformer.elementwise %t : tensor<f32> -> tensor<f32> {{
  ^bb0({arguments}):
    {example}
  }}
  return
}}""",
    "kernel.yield": """kernel.define private @f({arguments}) -> {types}
    rows 0 weights [] {{
  {example}
}}""",
    "kernel.return": """kernel.program @f({arguments}) -> {types}
    arena [0, 0, 0, 0] {{
  {example}
}}""",
}


def statements(example):
    """The example's operations: a line that isn't indented begins one."""
    return re.split(r"\n(?=[^\s}^])", example.strip())


def arguments_of(example):
    """Names and types of the values that the example uses but doesn't define."""
    found = {}
    defined = set()
    for statement in statements(example):
        head = re.split(r"\{\s*\n", statement)[0]  # Without a region.
        results, _, op = head.rpartition(" = ")
        operands, _, types = op.partition(" : ")
        for name, kind in zip(re.findall(r"%\w+", operands), re.findall(TYPE, types)):
            if name not in defined:
                found[name] = kind
        defined.update(re.findall(r"%\w+", results))
    return found


def wrap(example):
    if example.startswith("#"):
        lines = example.splitlines()
        return "".join(
            f"module attributes {{test.a = {line}}} {{}}\n" for line in lines
        )
    if example.startswith("!"):
        lines = enumerate(example.splitlines())
        return "".join(f"func.func private @f{i}({line})\n" for i, line in lines)
    if re.match(r"transformer\.weight |kernel\.define ", example):
        return example
    if example.startswith("kernel.program "):
        return symbols + example
    values = arguments_of(example)
    parent = parents.get(
        example.split()[0], "func.func @f({arguments}) {{\n{example}\nreturn\n}}"
    )
    return symbols + parent.format(
        arguments=", ".join(f"{name}: {kind}" for name, kind in values.items()),
        types=", ".join(values.values()),
        example=example,
    )


def round_trip(transom_opt, text):
    """What is wrong with it, or nothing."""

    def run(source, *flags):
        return subprocess.run(
            [transom_opt, *flags], input=source, capture_output=True, text=True
        )

    first = run(text)
    if first.returncode:
        return first.stderr
    for flags in ([], ["--mlir-print-op-generic"]):
        printed = run(first.stdout, *flags)
        again = run(printed.stdout)
        if again.returncode or again.stdout != first.stdout:
            return f"{first.stdout}does not round-trip:\n{again.stderr}{again.stdout}"
    return ""


def main(transom_opt, *pages):
    count = failures = 0
    for page in pages:
        section = "?"
        with open(page, encoding="utf-8") as file:
            text = file.read()
        for match in re.finditer(
            r"^#+ ([^\n]*)$|^```mlir\n(.*?)^```", text, re.M | re.S
        ):
            if match[1]:
                section = match[1]
                continue
            count += 1
            complaint = round_trip(transom_opt, wrap(match[2].strip()))
            if complaint:
                failures += 1
                print(f"{page}: {section}\n{complaint}")
    print(f"{count} examples, {failures} broken")
    return 1 if failures or not count else 0


sys.exit(main(*sys.argv[1:]))
