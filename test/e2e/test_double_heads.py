"""GPT's models with double heads against transformers: words at every token, and
a number for each sequence, read at a token that the caller may choose."""

import subprocess

import numpy as np
import pytest
import torch

import transom
from conftest import rms_error
from models import TOLERANCE, check, make, pad, random_inputs, reference
from test_gpt import GPT, GPT2

SIZES = {"OpenAIGPTDoubleHeadsModel": GPT, "GPT2DoubleHeadsModel": GPT2}
OUTPUTS = ["logits", "mc_logits"]
LENGTHS = [7, 1, 13, 12, 2, 2]


def build(folder, compile_folder, name, **config):
    settings = dict(num_labels=3, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model = make(folder, name, **{**settings, **SIZES[name], **config})
    library = transom.load(compile_folder(folder))
    assert library.task == "double-heads"
    assert list(library.outputs) == OUTPUTS
    return model, library


def padded_inputs(model, left):
    """Rows of ids, padded, and for each the position of its last token."""
    rows = random_inputs(model, LENGTHS)["input_ids"]
    mask = pad([np.ones(n) for n in LENGTHS], 0, left)
    inputs = {"input_ids": pad(rows, 0, left), "attention_mask": mask}
    columns = np.arange(mask.shape[1])
    return inputs, (mask * columns).max(-1)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_chosen_tokens(name, left, tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, name)
    inputs, last = padded_inputs(model, left)
    rng = np.random.default_rng(5)
    some = [rng.choice(np.flatnonzero(row)) for row in inputs["attention_mask"]]
    for places in (last, np.array(some), np.array(some, np.int32)):
        inputs["mc_token_ids"] = places
        got = library(**inputs)
        want = reference(model, OUTPUTS, **{**inputs, "mc_token_ids": np.int64(places)})
        check(got, want, inputs["attention_mask"])
        # The same without padding: positions are those in a row.
        shift = inputs["attention_mask"].argmax(-1)
        rows = [
            row[m == 1] for row, m in zip(inputs["input_ids"], inputs["attention_mask"])
        ]
        if not left:  # At the left, positions of words would be others.
            alone = library(input_ids=rows, mc_token_ids=(places - shift).tolist())
            np.testing.assert_array_equal(alone["mc_logits"], got["mc_logits"])


@pytest.mark.parametrize("name", SIZES)
def test_last_tokens_by_default(name, tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, name)
    rows = random_inputs(model, LENGTHS)["input_ids"]
    together = library(input_ids=rows)
    for i, row in enumerate(rows):
        got = library(input_ids=[row])
        check(got, reference(model, OUTPUTS, input_ids=[row]), np.ones((1, len(row))))
        for output in OUTPUTS:
            np.testing.assert_array_equal(together[output][i], got[output][0])
    inputs, _ = padded_inputs(model, left=True)
    check(
        library(**inputs), reference(model, OUTPUTS, **inputs), inputs["attention_mask"]
    )
    inputs, _ = padded_inputs(model, left=False)
    with pytest.raises(
        ValueError, match="sequence 0: expected a mask that keeps the last"
    ):
        library(**inputs)


@pytest.mark.parametrize("name", SIZES)
def test_choices(name, tmp_path, compile_folder):
    """[batch, choices, length], in and out, and nested lists."""
    model, library = build(tmp_path, compile_folder, name)
    flat, last = padded_inputs(model, left=False)
    flat["mc_token_ids"] = last
    nested = {key: value.reshape(2, 3, *value.shape[1:]) for key, value in flat.items()}
    got = library(**nested)
    # Not all classes of transformers take a mask of this shape; nothing reads padding.
    del nested["attention_mask"]
    want = reference(model, OUTPUTS, **nested)
    assert got["logits"].shape == want["logits"].shape == (2, 3, 13, 97)
    assert got["mc_logits"].shape == want["mc_logits"].shape == (2, 3)
    assert rms_error(got["mc_logits"], want["mc_logits"]) <= TOLERANCE
    for output, array in library(**flat).items():
        np.testing.assert_array_equal(got[output].reshape(array.shape), array)

    rows = random_inputs(model, LENGTHS)["input_ids"]
    lists = library(input_ids=[rows[:3], rows[3:]])
    np.testing.assert_array_equal(lists["mc_logits"], got["mc_logits"])
    np.testing.assert_array_equal(lists["logits"][1][0], got["logits"][1, 0, :12])
    # As many choices as each example has.
    uneven = library(input_ids=[rows[:1], rows[1:]], mc_token_ids=[last[:1], last[1:]])
    np.testing.assert_array_equal(
        np.concatenate(uneven["mc_logits"]), got["mc_logits"].ravel()
    )
    assert [len(example) for example in uneven["logits"]] == [1, 5]
    with pytest.raises(
        ValueError, match=r"mc_token_ids: .* each choice, \[3, 3\] of them, got"
    ):
        library(**{**nested, "mc_token_ids": last})
    with pytest.raises(
        ValueError, match="mc_token_ids: .* each of the 6 sequences, got 5"
    ):
        library(**{**flat, "mc_token_ids": last[:5]})


@pytest.mark.parametrize(
    "options",
    [
        dict(summary_activation="tanh"),
        dict(summary_activation="gelu_new", summary_proj_to_labels=False),
        dict(summary_use_proj=False),
        dict(summary_first_dropout=0.5),
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("name", SIZES)
def test_summary(name, options, tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, name, **options)
    inputs, inputs_last = padded_inputs(model, left=False)
    inputs["mc_token_ids"] = inputs_last
    check(
        library(**inputs), reference(model, OUTPUTS, **inputs), inputs["attention_mask"]
    )


@pytest.mark.parametrize(
    "kind, place", [("last", "last_token"), ("first", "first_token")]
)
def test_summary_of_a_fixed_token(kind, place, tmp_path, compile_folder):
    """transformers takes it, whatever mc_token_ids are."""
    model, library = build(
        tmp_path, compile_folder, "GPT2DoubleHeadsModel", summary_type=kind
    )
    inputs, last = padded_inputs(model, left=kind == "last")
    want = reference(model, OUTPUTS, **inputs, mc_token_ids=last)
    check(library(**inputs), want, inputs["attention_mask"])
    with pytest.raises(
        TypeError, match=f'has no input "mc_token_ids"; it has .*{place}'
    ):
        library(**inputs, mc_token_ids=last)


@pytest.mark.parametrize("name", SIZES)
def test_every_stage(name, tmp_path):
    """`transom verify`: passes, library and step against the definition."""
    make(tmp_path, name, pad_token_id=0, **SIZES[name])
    command = [transom.compiler(), "verify", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_places_where_no_token_is(tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, "GPT2DoubleHeadsModel")
    ids, mask = [[5, 6, 7], [8, 9, 10]], [[1, 1, 1], [1, 1, 0]]
    for place in (3, -1):
        with pytest.raises(
            ValueError,
            match=rf"'mc_token_ids', sequence 1: .* position in \[0, 3\), got {place}",
        ):
            library(input_ids=ids, mc_token_ids=[0, place])
    with pytest.raises(ValueError, match="'mc_token_ids', sequence 1: .* hides"):
        library(input_ids=ids, attention_mask=mask, mc_token_ids=[0, 2])
    with pytest.raises(TypeError, match="mc_token_ids: expects integer values"):
        library(input_ids=ids, mc_token_ids=[0.5, 1])


def test_classifiers_take_a_place_too(tmp_path, compile_folder):
    """Another token than the last one that is not padding."""
    model = make(
        tmp_path, "GPT2ForSequenceClassification", pad_token_id=0, num_labels=3, **GPT2
    )
    library = transom.load(compile_folder(tmp_path))
    ids = np.array([[5, 6, 7, 8], [9, 10, 11, 12]])
    got = library(input_ids=ids, last_token=[1, 2])["logits"]
    for row, end, logits in zip(ids, (2, 3), got):
        want = reference(model, ["logits"], input_ids=[row[:end]])["logits"]
        assert rms_error(logits[None], want) <= TOLERANCE


def test_generation(tmp_path, compile_folder):
    """The language model of both continues texts."""
    model, library = build(tmp_path, compile_folder, "GPT2DoubleHeadsModel")
    ids = np.array([[5, 6, 7, 8], [9, 10, 11, 12]])
    want = model.generate(
        torch.tensor(ids), attention_mask=torch.ones_like(torch.tensor(ids)),
        max_new_tokens=9, do_sample=False,
    )  # fmt: skip
    got = library.generate(ids, max_new_tokens=9, do_sample=False)
    np.testing.assert_array_equal(got, want.numpy())
