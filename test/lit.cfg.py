"""How the .mlir and .test files of this folder are run.

Tools come from the build tree, FileCheck, not and split-file from LLVM, all
through PATH. Besides lit's own substitutions: %source (root of the tree),
%binary (the build tree), %python (with the packages of requirements-test.txt).
"""

import importlib.util
import os

import lit.formats

config.name = "Transom"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "e2e", "python", "unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.transom_binary, "test")

tools = os.path.join(config.transom_binary, "bin")
config.environment["PATH"] = os.pathsep.join(
    [tools, config.llvm_tools, os.environ["PATH"]]
)
for name in ("ASAN_OPTIONS", "PYTHONPATH", "TSAN_OPTIONS", "HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.environment["FILECHECK_OPTS"] = "--dump-input=fail --enable-var-scope"

config.substitutions += [
    ("%source", config.transom_source),
    ("%binary", config.transom_binary),
    ("%python", config.python),
]

# `REQUIRES: transformers`: the reference is installed.
if importlib.util.find_spec("transformers"):
    config.available_features.add("transformers")

# `REQUIRES: avx512_bf16` and the like: the flags of the machine.
try:
    with open("/proc/cpuinfo") as cpuinfo:
        flags = next((x for x in cpuinfo if x.startswith(("flags", "Features"))), "")
    config.available_features.update(flags.partition(":")[2].split())
except OSError:
    pass
