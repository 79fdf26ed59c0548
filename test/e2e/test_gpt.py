"""GPT's relatives against transformers: random models of odd shapes, ragged and
padded at either side, and the trained models of examples/models."""

import json
import subprocess

import numpy as np
import pytest
import torch

import transom
from conftest import ROOT, rms_error
from models import check, check_default_tokens, check_model, make, reference

TRAINED = ROOT / "examples" / "models"

GPT = dict(vocab_size=97, n_embd=60, n_layer=2, n_head=5, n_positions=40)
GPT2 = dict(GPT, n_inner=111)

# Two query heads share a key head.
LLAMA = dict(
    vocab_size=97, hidden_size=60, num_hidden_layers=2, num_attention_heads=6,
    num_key_value_heads=3, intermediate_size=111, max_position_embeddings=40,
)  # fmt: skip

# Class in transformers: task, outputs, sizes.
MODELS = {
    "OpenAIGPTModel": ("feature-extraction", ["last_hidden_state"], GPT),
    "OpenAIGPTLMHeadModel": ("text-generation", ["logits"], GPT),
    "OpenAIGPTForSequenceClassification": ("text-classification", ["logits"], GPT),
    "GPT2Model": ("feature-extraction", ["last_hidden_state"], GPT2),
    "GPT2LMHeadModel": ("text-generation", ["logits"], GPT2),
    "GPT2ForSequenceClassification": ("text-classification", ["logits"], GPT2),
    "GPT2ForTokenClassification": ("token-classification", ["logits"], GPT2),
    "GPT2ForQuestionAnswering": (
        "question-answering", ["start_logits", "end_logits"], GPT2,
    ),
    "LlamaModel": ("feature-extraction", ["last_hidden_state"], LLAMA),
    "LlamaForCausalLM": ("text-generation", ["logits"], LLAMA),
    "LlamaForSequenceClassification": ("text-classification", ["logits"], LLAMA),
    "LlamaForTokenClassification": ("token-classification", ["logits"], LLAMA),
    "LlamaForQuestionAnswering": (
        "question-answering", ["start_logits", "end_logits"], LLAMA,
    ),
}  # fmt: skip


def build(folder, compile_folder, name, **config):
    """A random model, its library, and the names of their outputs."""
    task, outputs, sizes = MODELS[name]
    labels = 2 if task == "question-answering" else 3
    settings = dict(num_labels=labels, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model = make(folder, name, **{**settings, **sizes, **config})
    library = transom.load(compile_folder(folder))
    assert library.task == task
    assert list(library.outputs) == outputs
    return model, library, outputs


@pytest.mark.parametrize("name", MODELS)
def test_model(name, tmp_path, compile_folder):
    check_model(*build(tmp_path, compile_folder, name))


@pytest.mark.parametrize(
    "name, activation",
    [("GPT2Model", a) for a in ("gelu", "relu", "silu", "swish", "tanh", "gelu_fast")]
    + [("OpenAIGPTModel", a) for a in ("relu", "silu", "swish")],
)
def test_activation(name, activation, tmp_path, compile_folder):
    key = "activation_function" if "GPT2" in name else "afn"
    check_model(*build(tmp_path, compile_folder, name, **{key: activation}))


@pytest.mark.parametrize(
    "options",
    [
        dict(scale_attn_weights=False),
        dict(scale_attn_by_inverse_layer_idx=True),
        dict(
            scale_attn_by_inverse_layer_idx=True,
            reorder_and_upcast_attn=True,
            attn_implementation="eager",
        ),
        dict(n_inner=None, layer_norm_epsilon=1e-3),
        dict(n_embd=51, n_head=3, n_inner=17, n_layer=1),
        dict(n_embd=8, n_head=8, n_positions=13),
    ],
    ids=lambda options: next(iter(options)),
)
def test_option(options, tmp_path, compile_folder):
    check_model(*build(tmp_path, compile_folder, "GPT2Model", **options))


@pytest.mark.parametrize("name", ["OpenAIGPTLMHeadModel", "GPT2LMHeadModel"])
def test_untied_head(name, tmp_path, compile_folder):
    model, *rest = build(tmp_path, compile_folder, name, tie_word_embeddings=False)
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    assert not torch.equal(head.weight, table.weight)
    check_model(model, *rest)


@pytest.mark.parametrize("name", MODELS)
def test_every_stage(name, tmp_path):
    """`transom verify`: passes and library against the definition."""
    task, outputs, sizes = MODELS[name]
    make(tmp_path, name, pad_token_id=0, **sizes)
    command = [transom.compiler(), "verify", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_logits_at_positions(tmp_path, compile_folder):
    _, library, _ = build(tmp_path, compile_folder, "GPT2LMHeadModel")
    ids = [[9, 8, 7], [20, 21], [6, 5, 9, 10]]
    every = library(input_ids=ids)["logits"]
    some = library(input_ids=ids, output_positions=[[2], [], [3, 0]])["logits"]
    np.testing.assert_array_equal(some[0], every[0][[2]])
    assert len(some[1]) == 0
    np.testing.assert_array_equal(some[2], every[2][[3, 0]])


def test_positions_of_left_padding(tmp_path, compile_folder):
    """generate() counts positions from the first token that is there."""
    model, library, outputs = build(tmp_path, compile_folder, "GPT2LMHeadModel")
    inputs = {
        "input_ids": np.array([[0, 0, 9, 8], [5, 6, 7, 8]]),
        "attention_mask": np.array([[0, 0, 1, 1], [1, 1, 1, 1]]),
        "position_ids": np.array([[1, 1, 0, 1], [0, 1, 2, 3]]),
    }
    check(
        library(**inputs), reference(model, outputs, **inputs), inputs["attention_mask"]
    )


def test_no_more_positions_than_there_are(tmp_path, compile_folder):
    _, library, _ = build(tmp_path, compile_folder, "GPT2LMHeadModel")
    assert library(input_ids=[[9] * 40])["logits"].shape == (1, 40, 97)
    with pytest.raises(ValueError, match="length 41 exceeds the maximum 40"):
        library(input_ids=[[9] * 41])


def test_a_token_sees_nothing_that_comes_later(tmp_path, compile_folder):
    _, library, _ = build(tmp_path, compile_folder, "GPT2LMHeadModel")
    ids = np.random.default_rng(0).integers(0, 97, (1, 40))
    whole = library(input_ids=ids)["logits"]
    part = library(input_ids=ids[:, :23])["logits"]
    np.testing.assert_array_equal(whole[:, :23], part)


@pytest.mark.parametrize("name", ["GPT2Model", "GPT2LMHeadModel"])
def test_holes_in_the_mask(name, tmp_path, compile_folder):
    model, library, outputs = build(tmp_path, compile_folder, name)
    mask = np.array([[0, 1, 0, 1, 1, 0], [1, 0, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1]])
    ids = np.random.default_rng(1).integers(3, 97, mask.shape)
    inputs = {"input_ids": ids, "attention_mask": mask}
    check(library(**inputs), reference(model, outputs, **inputs), mask)


@pytest.mark.parametrize(
    "name", ["OpenAIGPTForSequenceClassification", "GPT2ForSequenceClassification"]
)
def test_class_at_the_last_token_that_is_no_padding(name, tmp_path, compile_folder):
    """Padding is known by its id, with a mask or without one."""
    model, library, outputs = build(tmp_path, compile_folder, name, pad_token_id=9)
    ids = np.array([[5, 9, 7, 9, 9], [9, 9, 5, 6, 9], [9] * 5, [5, 6, 7, 8, 10]])
    want = reference(model, outputs, input_ids=ids)
    check(library(input_ids=ids), want, np.ones(ids.shape))
    with pytest.raises(
        ValueError,
        match="sequence 0: expected a mask that keeps the last token that is not "
        "padding, position 2",
    ):
        library(input_ids=ids, attention_mask=ids == 5)


def test_class_without_an_id_of_padding(tmp_path, compile_folder):
    """transformers takes one sequence then, and reads its last token."""
    name = "GPT2ForSequenceClassification"
    model, library, outputs = build(tmp_path, compile_folder, name, pad_token_id=None)
    rows = [[5, 0, 7], [8], [9, 0]]
    together = library(input_ids=rows)["logits"]
    for row, got in zip(rows, together):
        want = reference(model, outputs, input_ids=[row])["logits"]
        assert rms_error(got[None], want) <= 2e-5
    with pytest.raises(ValueError, match="keeps the last token, position 1"):
        library(input_ids=[[5, 6]], attention_mask=[[1, 0]])


def test_metadata_for_generation(tmp_path, compile_folder):
    model, library, _ = build(tmp_path, compile_folder, "GPT2LMHeadModel")
    assert library.metadata["generation_config"]["eos_token_id"] == 2
    assert library.metadata["generation_config"]["pad_token_id"] == 0
    model.generation_config.max_new_tokens = 7
    model.save_pretrained(tmp_path)
    library = transom.load(compile_folder(tmp_path))
    assert library.metadata["generation_config"]["max_new_tokens"] == 7
    library = transom.load(compile_folder(tmp_path, task="feature-extraction"))
    assert "generation_config" not in library.metadata


@pytest.mark.parametrize(
    "name, sizes",
    [
        ("GPT2LMHeadModel", dict(GPT2, vocab_size=50257, n_embd=10)),
        ("OpenAIGPTLMHeadModel", GPT),
        ("LlamaForCausalLM", LLAMA),
    ],
)
def test_tokens_that_config_json_does_not_name(name, sizes, tmp_path, compile_folder):
    model = make(tmp_path, name, **sizes)
    check_default_tokens(model, tmp_path, compile_folder)


@pytest.mark.parametrize("name", ["gpt2-shakespeare"])
def test_recorded(name, compile_folder):
    """The trained models, against numbers that were recorded with them."""
    library = transom.load(compile_folder(TRAINED / name))
    for case in json.loads((TRAINED / name / "expected.json").read_text())["cases"]:
        inputs = {key: np.array(case[key]) for key in ("input_ids", "attention_mask")}
        got, want = library(**inputs)["logits"], case["logits"]
        there = inputs["attention_mask"] == 1
        if isinstance(want, dict):  # A part of a large array.
            assert list(got.shape) == want["shape"]
            assert (got.argmax(-1) == np.array(want["argmax"]))[there].all()
            if "first8" in want:
                got, want = got[..., :8], want["first8"]
            else:
                want = want["full"]
            got, want = got[there], np.array(want)[there]
        # The files round to seven digits.
        assert rms_error(got, np.array(want)) <= 1e-5
