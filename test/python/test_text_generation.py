"""pipeline("text-generation") and the command line, beside transformers' pipeline."""

import json
import subprocess
import sys

import pytest
import transformers

import transom
from conftest import MODELS

TEXTS = ["First Citizen:\n", "ROMEO:\nO", "KING RICHARD III:\nA horse, a horse"]
GREEDY = {"do_sample": False, "max_new_tokens": 20}


@pytest.fixture(scope="module")
def library(compiled):
    return compiled(MODELS / "gpt2-shakespeare", "text-generation")


@pytest.fixture(scope="module")
def pair(library):
    theirs = transformers.pipeline(
        "text-generation", model=str(MODELS / "gpt2-shakespeare"), device="cpu"
    )
    return transom.pipeline("text-generation", library), theirs


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"return_full_text": False},
        {"return_tensors": True},
        {"num_beams": 3, "num_return_sequences": 2},
        {"prefix": "JULIET:\nAy me!\n\n"},
        {"stop_sequence": "\n\n", "max_new_tokens": 60},
        {"stop_sequence": ["the", "."], "max_new_tokens": 60},
        {"max_new_tokens": None, "max_length": 30},
        {"repetition_penalty": 1.5, "eos_token_id": [199, 0]},
        {"handle_long_generation": "hole", "max_new_tokens": 248},
        {"truncation": True, "max_length": 32, "max_new_tokens": None},
    ],
    ids=str,
)
def test_is_transformers_pipeline(options, pair):
    ours, theirs = pair
    options = {**GREEDY, **options}
    used = {k: v for k, v in options.items() if v is not None}
    for item in (TEXTS[0], TEXTS, TEXTS[:1]):
        assert ours(item, **options) == theirs(item, **used)


def test_a_text_without_tokens_begins_with_bos(pair):
    ours, theirs = pair
    assert ours("", **GREEDY) == theirs("", **GREEDY)


def test_samples(library):
    write = transom.pipeline("text-generation", library, max_new_tokens=12, seed=4)
    one = write(TEXTS, num_return_sequences=2)
    assert write(TEXTS, num_return_sequences=2) == one
    assert write(TEXTS, num_return_sequences=2, seed=5) != one
    # However many go through the model at a time.
    assert write(TEXTS, num_return_sequences=2, batch_size=1) == one
    # The same text twice is drawn twice.
    first, second = write([TEXTS[0]] * 2)
    assert first != second
    # Nothing that is not asked for goes beyond what the model can do.
    long = transom.pipeline("text-generation", library, seed=1, eos_token_id=None)
    ids = long(TEXTS[0], return_tensors=True)[0]["generated_token_ids"]
    assert len(ids) == library.max_positions + 1


def test_stream(library):
    write = transom.pipeline("text-generation", library, **GREEDY)
    for text in TEXTS:
        want = write(text, return_full_text=False)[0]["generated_text"]
        pieces = list(write.stream({"text": text}))
        assert "".join(pieces) == want and len(pieces) > 10
    want = write(TEXTS[0], stop_sequence="am a", return_full_text=False)
    stream = write.stream(TEXTS[0], stop_sequence="am a")
    assert "".join(stream) == want[0]["generated_text"]
    stream = write.stream(TEXTS[0], max_new_tokens=200)
    next(stream)
    stream.close()
    with pytest.raises(ValueError, match="num_beams"):
        write.stream(TEXTS[0], num_beams=2)


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"num_beam": 2}, TypeError, "num_beam"),
        ({"guidance_scale": 2.0}, ValueError, "guidance_scale: is not supported"),
        ({"handle_long_generation": "cut"}, ValueError, "handle_long_generation"),
        ({"max_new_tokens": 300}, ValueError, "256"),
        ({"temperature": 0.0, "do_sample": True}, ValueError, "temperature"),
    ],
)
def test_refuses(options, kind, text, pair, library):
    ours, _ = pair
    with pytest.raises(kind, match=text):
        ours(TEXTS[0], **options)
    with pytest.raises(ValueError, match="expects a text"):
        ours([{"role": "user", "content": "O"}])


def run(text, library, *arguments, task="text-generation"):
    command = [sys.executable, "-m", "transom.pipeline_cli", task]
    return subprocess.run(
        [*command, str(library.path), *arguments],
        input=text, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


OPTIONS = ["--option", "do_sample=false", "--option", "max-new-tokens=20"]


def test_command_line(library, pair):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS) + "O\n"
    result = run(lines, library, *OPTIONS)
    assert result.returncode == 0, result.stderr
    got = [json.loads(line) for line in result.stdout.splitlines()]
    assert got == pair[0]([*TEXTS, "O"], **GREEDY)


def test_command_line_streams(library, pair):
    lines = json.dumps({"text": TEXTS[0]}) + "\nO\n"
    result = run(lines, library, "--stream", *OPTIONS)
    assert result.returncode == 0, result.stderr
    answers = pair[0]([TEXTS[0], "O"], return_full_text=False, **GREEDY)
    assert result.stdout == "".join(a[0]["generated_text"] + "\n" for a in answers)
    result = run("O\n", library, "--stream", "--option", "max_new_tokens=300")
    assert result.returncode == 1 and "256" in result.stderr
