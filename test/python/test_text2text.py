"""Pipelines from text to text: the answers of transformers 4.57, recorded by
record_text2text.py, since version 5 has no such pipelines; and what is our own."""

import json
import pathlib

import pytest

import transom
from conftest import MODELS
from record_text2text import TASKS, TEXTS, WORDS, with_tasks
from test_text_generation import run

RECORDED = json.loads(
    (pathlib.Path(__file__).resolve().parent / "text2text.json").read_text()
)


@pytest.fixture(scope="module")
def library(compiled, tmp_path_factory):
    """A T5 that says how words are pronounced, with several tasks."""
    folder = with_tasks(tmp_path_factory.mktemp("tasks") / "model")
    return compiled(folder, "text2text-generation")


@pytest.mark.parametrize(
    "case", RECORDED["cases"], ids=lambda case: f"{case['task']} {case['options']}"
)
@pytest.mark.filterwarnings("ignore:translation:UserWarning")
def test_is_transformers_pipeline(case, library):
    pipe = transom.pipeline(case["task"], library)
    assert pipe(case["texts"], **case["options"]) == case["answer"]


def test_forms_of_items(library):
    pronounce = transom.pipeline(
        "text2text-generation", library, prefix="pronounce: ", num_beams=1
    )
    want = [answer["generated_text"] for answer in pronounce(WORDS)]
    assert want[:2] == ["HH EH1 L OW0", "T AW1 ER0"]
    # One text alone is a list of its sequences, and so is each of an iterator.
    assert pronounce(WORDS[0]) == [{"generated_text": want[0]}]
    assert [a[0]["generated_text"] for a in pronounce(iter(WORDS))] == want
    assert pronounce({"text": WORDS[0]}) == pronounce(WORDS[0])
    assert pronounce(WORDS, batch_size=2) == pronounce(WORDS)
    # Named texts are written as T5 was trained.
    plain = transom.pipeline("text2text-generation", library, num_beams=1)
    assert plain({"pronounce": "hello"}) == pronounce("hello")
    assert plain({"a": "x", "b": "y"}) == plain("a: x b: y")
    for item in (3, {}, {"text": 3}, ["hello"]):
        with pytest.raises(ValueError, match="expects a text, or a dict of texts"):
            pronounce([item])


def test_subtasks(library):
    pipe = transom.pipeline("text2text-generation", library)
    answers = {
        name: transom.pipeline(name, library)(WORDS)
        for name in ("summarization", "translation_en_to_sounds")
    }
    for name, want in answers.items():
        got = [a["generated_text"] for a in pipe(WORDS, subtask=name)]
        assert got == [next(iter(answer.values())) for answer in want]
    # What is said in the call, or when it is made, comes first.
    summarize = transom.pipeline("summarization", library, min_length=0, num_beams=4)
    assert summarize(WORDS[4]) == [{"summary_text": "EY1"}]
    assert summarize(WORDS[4], min_length=5) != summarize(WORDS[4])
    assert summarize(TEXTS[4], prefix="") == summarize(WORDS[4])
    # max_length counts the start, and gives way to the model's max_new_tokens.
    options = {"max_length": 3, "max_new_tokens": None}
    (ids,) = summarize(WORDS[3], return_tensors=True, **options)
    assert len(ids["summary_token_ids"]) == 3
    with pytest.raises(ValueError, match="^subtask: expects one of .*summarization, "):
        transom.pipeline("text2text-generation", library, subtask="cola")


def test_languages(library):
    translate = transom.pipeline(
        "translation", library, src_lang="en", tgt_lang="sounds"
    )
    want = transom.pipeline("translation_en_to_sounds", library)(WORDS)
    assert translate(WORDS) == want
    # Its prefix is none that the model knows, so its answers are others.
    other = translate(WORDS, tgt_lang="de")
    assert all(one != another for one, another in zip(other, want))
    with pytest.warns(UserWarning, match="translation_en_to_de is meant"):
        assert transom.pipeline("translation", library)(WORDS) == other
    for options in ({"src_lang": "en"}, {"tgt_lang": "en"}):
        with pytest.raises(ValueError, match="src_lang, tgt_lang: expects both"):
            transom.pipeline("translation", library, **options)
    with pytest.raises(ValueError, match="; got 'translation_en_to_fr'"):
        transom.pipeline("translation_en_to_fr", library)
    with pytest.raises(
        ValueError, match="^task: expects one of .*translation_XX_to_YY"
    ):
        transom.pipeline("translation_en_fr", library)


def test_decoder_begins(library):
    pipe = transom.pipeline("text2text-generation", library)
    (whole,) = pipe(TEXTS[1], return_tensors=True)
    ids = whole["generated_token_ids"]
    begun = {"decoder_input_ids": [ids[:3]]}
    assert pipe(TEXTS[1], return_tensors=True, **begun) == [whole]
    assert pipe(TEXTS[1], **begun) == [{"generated_text": "T AW1 ER0"}]
    # Without the start, which is put before it.
    begun = {"decoder_input_ids": [ids[1:3]]}
    assert pipe(TEXTS[1], return_tensors=True, **begun) == [whole]


def test_stop_sequence(library):
    pipe = transom.pipeline("text2text-generation", library, num_beams=1)
    assert pipe(TEXTS[0], stop_sequence="EH1") == [{"generated_text": "HH EH1"}]
    with pytest.warns(UserWarning, match="stop_sequence: 'EH1 L' is 2 tokens"):
        assert pipe(TEXTS[0], stop_sequence="EH1 L") == [{"generated_text": "HH EH1"}]


def test_samples(library):
    pipe = transom.pipeline(
        "text2text-generation", library, do_sample=True, num_beams=1, temperature=1.5
    )
    one = pipe(TEXTS, seed=4, num_return_sequences=2)
    assert pipe(TEXTS, seed=4, num_return_sequences=2, batch_size=1) == one
    assert pipe(TEXTS, seed=5, num_return_sequences=2) != one


def test_stream(library):
    pipe = transom.pipeline("text2text-generation", library)
    for text in TEXTS:
        want = pipe(text, num_beams=1)[0]["generated_text"]
        pieces = list(pipe.stream(text))
        assert "".join(pieces) == want and len(pieces) >= len(want.split())
    with pytest.raises(ValueError, match="num_beams"):
        pipe.stream(TEXTS[0], num_beams=2)


@pytest.mark.parametrize(
    "text, step, number",
    [
        ("3.2", True, 3.2),
        ("3.2", 0.2, 3.2),
        # What is written with one more digit, or between two multiples.
        ("3.14", 0.2, 3.2),
        ("0.6000001", 0.2, 0.6),
        ("3.14", True, 3.14),
        (" -0.3", 0.5, -0.5),
        ("5", 1, 5.0),
        ("1e308", 0.2, 1e308),
        ("entailment", 0.2, None),
        ("", True, None),
        ("3.2.1", True, None),
        ("nan", True, None),
        ("inf", 0.2, None),
    ],
)
def test_answers_that_are_numbers(text, step, number, library, monkeypatch):
    pipe = transom.pipeline("text2text-generation", library)
    monkeypatch.setattr(pipe.tokenizer, "decode", lambda *_: text)
    (answer,) = pipe(TEXTS[0], number=step, num_beams=1)
    assert answer == {"generated_text": text, "number": number}
    assert pipe(TEXTS[0], num_beams=1) == [{"generated_text": text}]


def test_a_subtask_may_have_numbers(library, monkeypatch):
    pipe = transom.pipeline("text2text-generation", library, num_beams=1)
    tasks = {"stsb": {**TASKS["summarization"], "number": 0.2}}
    monkeypatch.setitem(library.config, "task_specific_params", tasks)
    assert pipe(WORDS[0], subtask="stsb")[0]["number"] is None
    assert "number" not in pipe(WORDS[0], subtask="stsb", number=False)[0]
    assert "number" not in pipe(WORDS[0])[0]
    for step in (-1, float("inf")):
        with pytest.raises(ValueError, match="^number: expects True, False or a step"):
            pipe(WORDS[0], number=step)


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"num_beam": 2}, TypeError, "num_beam"),
        (
            {"encoder_repetition_penalty": 2.0},
            ValueError,
            "^encoder_repetition_penalty",
        ),
        ({"truncation": "middle"}, ValueError, "^truncation"),
        ({"stop_sequence": ""}, ValueError, "^stop_sequence: expects a token"),
        ({"decoder_input_ids": [[0], [0]]}, ValueError, "^decoder_input_ids: expects"),
    ],
)
def test_refuses(options, kind, text, library):
    with pytest.raises(kind, match=text):
        transom.pipeline("text2text-generation", library)(TEXTS[0], **options)


def test_other_libraries_are_refused(compiled):
    library = compiled(MODELS / "gpt2-shakespeare", "text-generation")
    for task in ("summarization", "translation_en_to_de", "text2text-generation"):
        with pytest.raises(ValueError, match="compiled for text-generation"):
            transom.pipeline(task, library)


def test_command_line(library):
    lines = "\n".join(WORDS) + "\n"
    result = run(lines, library, task="translation_en_to_sounds")
    assert result.returncode == 0, result.stderr
    got = [json.loads(line) for line in result.stdout.splitlines()]
    want = transom.pipeline("translation_en_to_sounds", library)(WORDS)
    assert got == [[answer] for answer in want]
    result = run("hello\n", library, "--stream", "--option", "prefix=pronounce: ",
                 task="text2text-generation")  # fmt: skip
    assert result.stdout == "HH EH1 L OW0\n", result.stderr
    result = run("", library, task="translation_en")
    assert result.returncode == 1 and "translation_XX_to_YY" in result.stderr
