"""examples/evaluate.py reproduces the scores that the models came with.

The bounds are those of the draws: pairs and masks are drawn anew, and chunks are
cut by our own rule; labels of single texts are the same to the last.
"""

import json
import math
import subprocess
import sys

import pytest

import transom
from conftest import ROOT

MODELS, DATA = ROOT / "examples" / "models", ROOT / "examples" / "data"


def evaluate(task, model, data, tmp_path, *options):
    library = tmp_path / "libmodel.so"
    transom.compile(MODELS / model, library)
    program = [sys.executable, ROOT / "examples" / "evaluate.py"]
    result = subprocess.run(
        [*program, task, library, DATA / data, *options],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    recorded = json.loads((MODELS / model / "scores.json").read_text())
    return json.loads(result.stdout), recorded


def test_pretraining(tmp_path):
    got, recorded = evaluate(
        "pretraining", "bert-shakespeare", "speeches-heldout.jsonl", tmp_path
    )
    # Three standard errors of the difference of two draws of 16,000 tokens.
    assert abs(got["mlm_accuracy"] - recorded["heldout_mlm_accuracy"]) < 0.014
    assert abs(got["mlm_loss"] - recorded["heldout_mlm_loss"]) < 0.1
    # The head is at chance; so it must be here.
    assert abs(got["nsp_accuracy"] - 0.5) < 0.04
    assert got["nsp_pairs"] == recorded["nsp_pairs_scored"]


@pytest.mark.parametrize("model", ["bert-speaker", "gpt1-speaker"])
def test_classification(model, tmp_path):
    got, recorded = evaluate("classify", model, "speaker-heldout.tsv", tmp_path)
    assert got["texts"] == recorded["held_out"]
    assert round(got["accuracy"], 4) == recorded["heldout_accuracy"]


def test_capitals(tmp_path):
    got, recorded = evaluate(
        "capitals", "bert-truecase", "speeches-heldout.jsonl", tmp_path
    )
    assert got["accuracy"] == pytest.approx(recorded["all"]["accuracy"], abs=0.004)
    assert got["f1"] == pytest.approx(recorded["all"]["cap_f1"], abs=0.03)


def test_answers(tmp_path):
    got, recorded = evaluate(
        "who-speaks", "bert-who", "speeches-heldout.jsonl", tmp_path
    )
    # Questions too long for the model are left out here.
    assert got["exact_span"] == pytest.approx(recorded["heldout_exact_span"], abs=0.02)


def test_perplexity(tmp_path):
    got, recorded = evaluate(
        "perplexity", "gpt2-shakespeare", "speeches-heldout.jsonl", tmp_path,
        "--names", "--overlap=128", "--last=49408",
    )  # fmt: skip
    # The file lacks the speeches without words that were scored then.
    assert got["tokens"] == recorded["held_out_tokens_scored"]
    assert got["perplexity"] == pytest.approx(
        math.exp(recorded["heldout_nats_per_token"]), rel=0.005
    )


def test_windows_score_each_token_once(tmp_path, monkeypatch):
    """But the first of a window, if windows do not overlap."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from evaluate import windows_of

    assert list(windows_of(10, 4, 0, 0)) == [(0, 1, 4), (4, 5, 8), (8, 9, 10)]
    assert list(windows_of(9, 4, 0, 0)) == [(0, 1, 4), (4, 5, 8)]
    overlapping = [(0, 1, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)]
    assert list(windows_of(10, 4, 2, 0)) == overlapping
    assert list(windows_of(10, 4, 2, 5)) == [(3, 5, 7), (5, 7, 9), (7, 9, 10)]
    assert list(windows_of(1, 4, 2, 0)) == []
