"""transom-pipeline: lines in, lines of JSON out."""

import json
import subprocess
import sys

import numpy as np
import pytest

import transom
from conftest import MODELS


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    output = tmp_path_factory.mktemp("lib") / "libencoder.so"
    return transom.compile(
        MODELS / "bert-shakespeare", output, task="feature-extraction"
    )


def command(*arguments):
    return [sys.executable, "-m", "transom.pipeline_cli", *map(str, arguments)]


def run(text, *arguments):
    return subprocess.run(
        command(*arguments), input=text, capture_output=True, text=True, timeout=120
    )


LINES = ["my lord", "7", "[MASK] is the question", ""]


def test_texts(library):
    result = run(
        "\n".join(LINES) + "\n", "feature-extraction", library,
        "--option", "pooling=mean", "--batch-size", 3,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    got = [json.loads(line) for line in result.stdout.splitlines()]
    want = transom.pipeline("feature-extraction", library)(LINES, pooling="mean")
    np.testing.assert_array_equal(np.array(got, np.float32), want)


def test_fields(library):
    item = {"source_sentence": "my lord", "sentences": ["my king", "o"]}
    result = run(json.dumps(item) + "\n", "sentence-similarity", library)
    want = transom.pipeline("sentence-similarity", library)(item)
    assert json.loads(result.stdout) == want


def test_answers_come_before_the_input_ends(library):
    with subprocess.Popen(
        command("feature-extraction", library, "--option", "pooling=cls"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in LINES[:2]:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert len(json.loads(process.stdout.readline())) == 128
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    "text, arguments, message",
    [
        ("{x\n", [], "line 1"),
        ("a\n", ["--option", "pooling=most"], "pooling"),
        ("a\n", ["--batch-size", "0"], "batch-size"),
    ],
)
def test_refuses(text, arguments, message, library):
    result = run(text, "feature-extraction", library, *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("transom-pipeline: ") and message in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--batch-size", "1"]])
def test_input_that_is_no_text(arguments, library):
    result = subprocess.run(
        command("feature-extraction", library, "--option", "pooling=cls", *arguments),
        input=b"my lord\ncaf\xe9\no king\n",
        capture_output=True,
        timeout=100,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(b"transom-pipeline: line 2: expects UTF-8: ")
    # What came before it is answered.
    assert len(json.loads(result.stdout)) == 128


def test_missing_library(tmp_path):
    result = run("a\n", "fill-mask", tmp_path / "absent.so")
    assert result.returncode == 1 and "absent.so" in result.stderr
