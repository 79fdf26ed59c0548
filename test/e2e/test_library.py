"""The shared object itself: size, dependencies, memory, threads, C programs."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np
import pytest

import transom
from conftest import ROOT, make_bert, reference, rms_error
from transom import compiler


def test_size_and_dependencies(minilm):
    assert os.path.getsize(minilm) < 300_000
    listing = subprocess.run(
        ["ldd", minilm], capture_output=True, text=True, check=True
    ).stdout
    names = {
        line.split()[0].split("/")[-1].split(".so")[0] for line in listing.splitlines()
    }
    assert names <= {"linux-vdso", "libc", "libm", "libpthread", "ld-linux-x86-64"}


def test_exports_only_its_own_names(minilm):
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", minilm],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    assert "transom_entry" in names and "model_run" in names
    assert all(n == "transom_entry" or n.startswith("model_") for n in names)


def test_embedded_weights(tmp_path, tiny):
    make_bert(tmp_path / "m")
    library = tmp_path / "libmodel.so"
    subprocess.run(
        [compiler(), "compile", tmp_path / "m", "-o", library, "--embed-weights"],
        check=True,
    )
    assert not (tmp_path / "model.weights").exists()
    ids = [[1, 2, 3]]
    np.testing.assert_array_equal(
        transom.load(library)(input_ids=ids)["pooler_output"],
        transom.load(tiny[1])(input_ids=ids)["pooler_output"],
    )


def test_two_sessions_on_two_threads(tiny):
    """Same numbers as alone, run at the same time from several threads."""
    model, path = tiny
    libraries = [transom.load(path, threads=1), transom.load(path, threads=2)]
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 97, (3, 5 + i)) for i in range(8)]
    want = [libraries[0](input_ids=b)["last_hidden_state"] for b in batches]

    def work(i):
        for _ in range(30):
            got = libraries[i % 2](input_ids=batches[i])["last_hidden_state"]
            np.testing.assert_array_equal(got, want[i])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


MEMORY = """
import resource, sys
import numpy as np, transom
library = transom.load(sys.argv[1], threads=2)
rng = np.random.default_rng(0)
def once(batch, length):
    library(input_ids=rng.integers(0, 97, (batch, length)))
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
for _ in range(20):
    once(16, 64)
for _ in range(500):
    once(int(rng.integers(0, 17)), int(rng.integers(1, 65)))
before = rss()
for _ in range(10000):
    once(int(rng.integers(0, 17)), int(rng.integers(1, 65)))
print(rss() - before)
"""


def test_memory_is_flat_over_random_shapes(tiny):
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, tiny[1]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Python's own allocator moves by some pages.
    assert int(result.stdout) < 2 << 20


def build_c(tmp_path, source, *libraries, flags=()):
    program = tmp_path / "program"
    subprocess.run(
        ["cc", "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", source,
         *flags, "-o", program, *libraries, "-lm", "-lpthread"],
        check=True,
    )  # fmt: skip
    return program


def test_c_example(tmp_path):
    """examples/embed.c with the generated header gives the same numbers."""
    model = make_bert(tmp_path / "m")
    path = tmp_path / "libencoder.so"
    transom.compile(tmp_path / "m", path)
    program = build_c(
        tmp_path,
        ROOT / "examples" / "embed.c",
        path,
        flags=["-I", tmp_path, f"-Wl,-rpath,{tmp_path}"],
    )
    result = subprocess.run(
        [program, "1", "2", "3", "4"], capture_output=True, text=True, check=True
    )
    numbers = np.array([float(w) for w in result.stdout.split()])
    hidden = reference(model, [[1, 2, 3, 4]])["last_hidden_state"][0].mean(0)
    hidden /= np.linalg.norm(hidden)
    assert rms_error(numbers, hidden) < 2e-5


TWO = r"""
#include "first.h"
#include "second.h"
#include <stdio.h>
int main(void) {
  transom_model *a = NULL, *b = NULL;
  transom_session *s = NULL, *t = NULL;
  int32_t ids[] = {1, 2, 3};
  float x[64], y[48];
  if (first_open(NULL, &a) || second_open(NULL, &b)) {
    fprintf(stderr, "%s%s\n", first_error(), second_error());
    return 1;
  }
  if (first_session_create(a, NULL, &s) || second_session_create(b, NULL, &t))
    return 2;
  transom_tensor input = {"input_ids", ids, sizeof ids, TRANSOM_INT32, 2, {1, 3}};
  transom_tensor u = {"pooler_output", x, sizeof x, TRANSOM_FLOAT32, 2, {0}};
  transom_tensor v = {"pooler_output", y, sizeof y, TRANSOM_FLOAT32, 2, {0}};
  if (first_run(s, &input, 1, &u, 1) || second_run(t, &input, 1, &v, 1)) return 3;
  for (int i = 0; i < 64; i++) printf("%.9g ", x[i]);
  for (int i = 0; i < 48; i++) printf("%.9g ", y[i]);
  first_session_destroy(s);
  second_session_destroy(t);
  first_close(a);
  second_close(b);
  return 0;
}
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_two_models_in_one_program(kind, tmp_path):
    first = make_bert(tmp_path / "m1", seed=1)
    second = make_bert(tmp_path / "m2", seed=2, hidden_size=48)
    suffix = {"shared": "so", "static": "a"}[kind]
    for name, folder in (("first", "m1"), ("second", "m2")):
        subprocess.run(
            [compiler(), "compile", tmp_path / folder, f"--emit={kind}",
             "-o", tmp_path / f"lib{name}.{suffix}"],
            check=True,
        )  # fmt: skip
    source = tmp_path / "two.c"
    source.write_text(TWO)
    program = build_c(
        tmp_path, source, tmp_path / f"libfirst.{suffix}",
        tmp_path / f"libsecond.{suffix}",
        flags=["-I", tmp_path, f"-Wl,-rpath,{tmp_path}"],
    )  # fmt: skip
    result = subprocess.run([program], capture_output=True, text=True, check=True)
    numbers = np.array([float(w) for w in result.stdout.split()])
    for got, model in ((numbers[:64], first), (numbers[64:], second)):
        want = reference(model, [[1, 2, 3]])["pooler_output"][0]
        assert rms_error(got, want) < 2e-5


def test_compile_memory_is_bounded(tmp_path):
    """Peak memory stays under the weights' size and 300 MB."""
    make_bert(tmp_path / "m", hidden_size=512, num_attention_heads=8,
              intermediate_size=2048, num_hidden_layers=12)  # fmt: skip
    weights = os.path.getsize(tmp_path / "m" / "model.safetensors")
    result = subprocess.run(
        ["/usr/bin/env", "python3", "-c",
         "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
         "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)",
         compiler(), "compile", tmp_path / "m", "-o", tmp_path / "libm.so"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(result.stdout.split()[-1]) < weights + 300_000_000


def test_default_threads(tiny):
    """Affinity, then TRANSOM_NUM_THREADS over OMP_NUM_THREADS."""
    script = "import sys, transom; print(transom.load(sys.argv[1]).threads)"

    def threads(*prefix, **environment):
        clean = {
            k: v for k, v in os.environ.items()
            if k not in ("OMP_NUM_THREADS", "TRANSOM_NUM_THREADS")
        }  # fmt: skip
        return int(
            subprocess.run(
                [*prefix, sys.executable, "-c", script, tiny[1]],
                env={**clean, **environment},
                capture_output=True, text=True, check=True,
            ).stdout
        )  # fmt: skip

    assert threads() <= len(os.sched_getaffinity(0))
    assert threads("taskset", "-c", "0") == 1
    assert threads(OMP_NUM_THREADS="3") == 3
    assert threads(OMP_NUM_THREADS="3", TRANSOM_NUM_THREADS="1") == 1
