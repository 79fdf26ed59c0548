"""What GPT-1 is fine-tuned on, trained for a moment, compiled and asked."""

import json
import subprocess
import sys

import pytest

from conftest import ROOT

TASKS = ["text-classification", "entailment", "text-similarity", "multiple-choice"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    program = ROOT / "examples" / "fine_tuning.py"
    folder = tmp_path_factory.mktemp("tuned")
    result = subprocess.run(
        [sys.executable, program, folder, "--steps=4"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_library_and_torch_answer_alike(results):
    assert [result["task"] for result in results] == TASKS
    for result in results:
        assert result["held_out"] > 10
        assert result["agrees_with_torch"] == 1
