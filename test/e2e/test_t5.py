"""T5 and its relatives against transformers: random models of odd shapes, with
lengths beyond the distances that buckets tell apart, ragged and padded."""

import functools
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers

import models
import transom
from conftest import ROOT, rms_error
from models import (
    T5_TOLERANCE,
    check_default_tokens,
    make,
    pad,
    reference,
)  # fmt: skip

MODELS = ROOT / "examples" / "models"

check = functools.partial(models.check, tolerance=T5_TOLERANCE)
check_model = functools.partial(models.check_model, tolerance=T5_TOLERANCE)

# Heads are not as wide as the model divided by their number; distances beyond
# 11 share a bucket.
SIZES = dict(
    vocab_size=97, d_model=60, d_kv=12, d_ff=72, num_layers=2, num_heads=3,
    num_decoder_layers=1, relative_attention_num_buckets=10,
    relative_attention_max_distance=11, pad_token_id=0, eos_token_id=1,
    decoder_start_token_id=0, num_labels=3,
)  # fmt: skip

# What feed_forward_proj can be, and the relatives.
ENCODERS = {
    "T5 relu": ("T5EncoderModel", dict(feed_forward_proj="relu")),
    "T5 gated-gelu": ("T5EncoderModel", dict(feed_forward_proj="gated-gelu")),
    "T5 gated-silu": (
        "T5EncoderModel",
        dict(feed_forward_proj="gated-silu", relative_attention_num_buckets=32,
             relative_attention_max_distance=128, num_layers=1),
    ),
    "MT5": ("MT5EncoderModel", {}),
    "UMT5": ("UMT5EncoderModel", {}),
}  # fmt: skip


def build(folder, compile_folder, name, **config):
    model = make(folder, name, **{**SIZES, **config})
    return model, transom.load(compile_folder(folder))


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder(name, tmp_path, compile_folder):
    cls, config = ENCODERS[name]
    model, library = build(tmp_path, compile_folder, cls, **config)
    assert library.task == "feature-extraction"
    check_model(model, library, ["last_hidden_state"])
    # One long sequence: far beyond the last bucket.
    ids = np.random.default_rng(3).integers(5, 97, (1, 301))
    want = reference(model, ["last_hidden_state"], input_ids=ids)
    check(library(input_ids=ids), want, np.ones(ids.shape))


@pytest.mark.parametrize(
    "name", ["T5ForTokenClassification", "UMT5ForTokenClassification"]
)
def test_token_classification(name, tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, name)
    assert library.task == "token-classification"
    check_model(model, library, ["logits"])


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    "buckets, distance", [(32, 128), (32, 20), (6, 100), (64, 256), (11, 37)]
)
def test_buckets(bidirectional, buckets, distance, tmp_path):
    """Every distance falls into the bucket that transformers computes in float32."""
    distances = np.arange(-300, 301) if bidirectional else np.arange(-300, 1)
    want = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket(
        torch.tensor(distances), bidirectional, buckets, distance
    ).numpy()
    kind = "bidirectional " if bidirectional else ""
    path = tmp_path / "bias.mlir"
    path.write_text(f"""
      transformer.weight @t from [#transformer.source<"t">] : tensor<{buckets}x1xf32>
      func.func @f(%q: tensor<?x1x?x4xf32>, %x: tensor<?x?x4xf32>) -> tensor<?x1x?x4xf32> {{
        %t = transformer.get_weight @t : tensor<{buckets}x1xf32>
        %b = transformer.relative_bias %t, %x, %x {kind}max_distance {distance}
            : tensor<{buckets}x1xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<1x1x?x?xf32>
        %y = transformer.attention %q, %q, %q bias %b scale 1.0
            : tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>, tensor<1x1x?x?xf32>
            -> tensor<?x1x?x4xf32>
        return %y : tensor<?x1x?x4xf32>
      }}""")
    first, columns = folded_bias(path)
    places = np.clip(distances - first, 0, len(columns) - 1)
    np.testing.assert_array_equal(np.array(columns)[places], want)


def folded_bias(path):
    """What fold-relative-bias makes of the one relative bias of a file: the first
    distance, and the bucket of each."""
    compiler = pathlib.Path(transom.compiler())
    command = [
        str(compiler.with_name("transom-opt")),
        "--transom-fold-relative-bias",
        str(path),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    columns = re.search(r"columns \[([\d, ]+)\]", text).group(1)
    first = re.search(r"distance_bias %\S+ from (-?\d+)", text).group(1)
    return int(first), [int(column) for column in columns.split(",")]


def test_tokens_that_do_not_follow_one_another(tmp_path, compile_folder):
    """Packed, they would be closer together than transformers says."""
    _, library = build(tmp_path, compile_folder, "T5EncoderModel", num_layers=1)
    ids = [[5, 6, 7, 8]]
    library(input_ids=ids, attention_mask=[[0, 1, 1, 0]])
    with pytest.raises(ValueError, match="attention_mask', sequence 0, position 2"):
        library(input_ids=ids, attention_mask=[[1, 1, 0, 1]])


def test_length_2048(tmp_path, compile_folder):
    """Of which a bias [heads, length, length] would take 48 MB."""
    model, library = build(tmp_path, compile_folder, "T5EncoderModel", num_layers=1)
    ids = np.random.default_rng(4).integers(5, 97, (1, 2048))
    want = reference(model, ["last_hidden_state"], input_ids=ids)
    check(library(input_ids=ids), want, np.ones(ids.shape))


@pytest.mark.parametrize(
    "name",
    [
        "T5EncoderModel",
        "UMT5ForTokenClassification",
        "T5ForConditionalGeneration",
        "T5ForSequenceClassification",
    ],  # fmt: skip
)
def test_every_stage(name, tmp_path):
    """`transom verify`: passes and library against the definition."""
    make(tmp_path, name, **SIZES)
    command = [transom.compiler(), "verify", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


SEQ2SEQ = {
    "T5Model": ("feature-extraction", ["last_hidden_state"], {}),
    "T5ForConditionalGeneration": ("text2text-generation", ["logits"], {}),
    "T5ForQuestionAnswering": (
        "question-answering", ["start_logits", "end_logits"], dict(num_labels=2),
    ),
    "MT5ForConditionalGeneration": ("text2text-generation", ["logits"], {}),
    "UMT5ForConditionalGeneration": (
        "text2text-generation", ["logits"], dict(num_decoder_layers=3),
    ),
}  # fmt: skip


def seq2seq_inputs(seed=0):
    """Sources and what a decoder reads, some much longer than the others."""
    rng = np.random.default_rng(seed)
    sources = [rng.integers(5, 97, n) for n in (7, 1, 40, 12)]
    targets = [rng.integers(5, 97, n) for n in (3, 29, 1, 8)]
    return sources, targets


def check_seq2seq(model, library, outputs):
    outputs = [*outputs, "encoder_last_hidden_state"]
    assert list(library.outputs) == outputs
    sources, targets = seq2seq_inputs()
    ones = [[np.ones(len(row), int) for row in rows] for rows in (sources, targets)]
    for left in (False, True):
        inputs = dict(
            input_ids=pad(sources, 0, left), attention_mask=pad(ones[0], 0, left),
            decoder_input_ids=pad(targets, 0, left),
            decoder_attention_mask=pad(ones[1], 0, left),
        )  # fmt: skip
        want, got = reference(model, outputs, **inputs), library(**inputs)
        assert list(got) == outputs
        for name in outputs:
            kind = "attention_mask" if "encoder" in name else "decoder_attention_mask"
            check({name: got[name]}, {name: want[name]}, inputs[kind])
    # Ragged, and each alone, to the bit.
    together = library(input_ids=sources, decoder_input_ids=targets)
    for i in range(len(sources)):
        alone = dict(input_ids=[sources[i]], decoder_input_ids=[targets[i]])
        got = library(**alone)
        want = reference(model, outputs, **alone)
        for name in outputs:
            check({name: got[name]}, {name: want[name]}, np.ones(want[name].shape[:2]))
            np.testing.assert_array_equal(together[name][i], got[name][0])


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_seq2seq(name, tmp_path, compile_folder):
    task, outputs, config = SEQ2SEQ[name]
    model, library = build(tmp_path, compile_folder, name, **config)
    assert library.task == task
    check_seq2seq(model, library, outputs)


@pytest.mark.parametrize("family", ["T5", "MT5", "UMT5"])
def test_tokens_that_config_json_does_not_name(family, tmp_path, compile_folder):
    model = make(tmp_path, f"{family}ForConditionalGeneration", **SIZES)
    check_default_tokens(model, tmp_path, compile_folder)


CLASSIFIER = ["logits", "encoder_last_hidden_state"]


def check_class(model, library, **inputs):
    want, got = reference(model, CLASSIFIER, **inputs), library(**inputs)
    assert list(got) == CLASSIFIER
    assert rms_error(got["logits"], want["logits"]) <= T5_TOLERANCE
    mask = inputs.get("attention_mask", np.ones(np.shape(inputs["input_ids"])))
    states = "encoder_last_hidden_state"
    check({states: got[states]}, {states: want[states]}, mask)
    return got


def end_sources():
    """Of each source the id 1 stands at the end, and once before."""
    sources, _ = seq2seq_inputs()
    return [np.concatenate([[1], row, [1]]) for row in sources]


@pytest.mark.parametrize(
    "name",
    ["T5ForSequenceClassification", "MT5ForSequenceClassification",
     "UMT5ForSequenceClassification"],
)  # fmt: skip
def test_sequence_classification(name, tmp_path, compile_folder):
    """The decoder reads the source, and a class is read where that ends."""
    model, library = build(tmp_path, compile_folder, name, num_decoder_layers=2)
    assert library.task == "text-classification"
    sources = end_sources()
    ones = [np.ones(len(row), int) for row in sources]
    for left in (False, True):
        inputs = dict(
            input_ids=pad(sources, 0, left), attention_mask=pad(ones, 0, left)
        )
        padded = check_class(model, library, **inputs)
        check_class(model, library, input_ids=inputs["input_ids"])
        check_class(
            model, library, **inputs, decoder_attention_mask=inputs["attention_mask"]
        )
        decoder = np.random.default_rng(7).integers(5, 97, inputs["input_ids"].shape)
        check_class(model, library, **inputs, decoder_input_ids=decoder)
        if not left:  # What follows the place that is read does not count.
            for row, want in zip(sources, padded["logits"]):
                alone = check_class(model, library, input_ids=[row])
                np.testing.assert_array_equal(alone["logits"][0], want)
    together = library(input_ids=sources)["logits"]
    for row, logits in zip(sources, together):
        np.testing.assert_array_equal(library(input_ids=[row])["logits"][0], logits)
    offsets = np.cumsum([0, *map(len, sources)])
    flat = library(input_ids=np.concatenate(sources), encoder_offsets=offsets)
    np.testing.assert_array_equal(flat["logits"], together)


def test_class_at_another_token(tmp_path, compile_folder):
    model, library = build(tmp_path, compile_folder, "T5ForSequenceClassification")
    got = library(input_ids=[[5, 1, 7, 1], [8, 9, 1, 0]], last_token=[1, 2])["logits"]
    for row, logits in zip(([5, 1], [8, 9, 1]), got):
        # The encoder sees all of a source, the decoder what it has read.
        whole = [5, 1, 7, 1] if row == [5, 1] else [8, 9, 1, 0]
        decoder = [0, *whole[: len(row) - 1]]
        padded = decoder + [0] * (4 - len(row))
        ids = np.array([whole])
        hidden = model.transformer(
            input_ids=torch.tensor(ids), decoder_input_ids=torch.tensor([padded])
        ).last_hidden_state[:, len(row) - 1]
        want = model.classification_head(hidden).detach().numpy()
        assert rms_error(logits[None], want) <= T5_TOLERANCE


def test_class_of_a_source_that_does_not_end(tmp_path, compile_folder):
    _, library = build(tmp_path, compile_folder, "T5ForSequenceClassification")
    with pytest.raises(
        ValueError, match="sequence 1: expected an encoder input with the id 1, .* none"
    ):
        library(input_ids=[[5, 1], [6, 7]])
    with pytest.raises(
        ValueError, match="sequence 0: expected more than 1 tokens, .* got 1"
    ):
        library(input_ids=[[5, 1]], decoder_input_ids=[[0]])
    with pytest.raises(
        ValueError, match="decoder_attention_mask: .* of input_ids, \\[1, 2\\]"
    ):
        library(input_ids=[[5, 1]], decoder_attention_mask=[[1]])
    with pytest.raises(
        ValueError, match="'sequence_offsets' belongs to 'decoder_input_ids'"
    ):
        library(input_ids=[5, 1], encoder_offsets=[0, 2], sequence_offsets=[0, 2])


def test_answers_of_what_the_source_is(tmp_path, compile_folder):
    """Without ids of its own the decoder reads the source, padding included."""
    name, outputs = "T5ForQuestionAnswering", ["start_logits", "end_logits"]
    model, library = build(
        tmp_path, compile_folder, name, num_labels=2, decoder_start_token_id=3
    )
    sources, _ = seq2seq_inputs()
    ones = [np.ones(len(row), int) for row in sources]
    for left in (False, True):
        inputs = dict(
            input_ids=pad(sources, 0, left), attention_mask=pad(ones, 0, left)
        )
        want = reference(model, outputs, **inputs)
        got = library(**inputs, outputs=outputs)
        check(got, want, np.ones(inputs["input_ids"].shape))
    together = library(input_ids=sources, outputs=outputs)
    for i, row in enumerate(sources):
        want = reference(model, outputs, input_ids=[row])
        check(
            {k: rows[i][None] for k, rows in together.items()},
            want,
            np.ones((1, len(row))),
        )


def test_answers_without_a_known_start(tmp_path, compile_folder):
    """transformers cannot make the decoder's ids then."""
    make(tmp_path, "T5ForQuestionAnswering", **{**SIZES, "num_labels": 2})
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["decoder_start_token_id"]
    path.write_text(json.dumps(config))
    library = transom.load(compile_folder(tmp_path))
    with pytest.raises(TypeError, match='expects the input "decoder_input_ids"'):
        library(input_ids=[[5, 6]])
    assert library(input_ids=[[5, 6]], decoder_input_ids=[[5]])


def test_untied_words(tmp_path, compile_folder):
    """What transformers 5 writes for T5 1.1: a matrix of its own, no scaling."""
    make(tmp_path, "T5ForConditionalGeneration", **SIZES)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["scale_decoder_outputs"]
    path.write_text(json.dumps({**config, "tie_word_embeddings": False}))
    tensors = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    rng = np.random.default_rng(1)
    tensors["lm_head.weight"] = rng.standard_normal((97, 60)).astype(np.float32)
    safetensors.numpy.save_file(
        tensors, tmp_path / "model.safetensors", {"format": "pt"}
    )
    model = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert not model.config.scale_decoder_outputs
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    check_seq2seq(model, transom.load(compile_folder(tmp_path)), ["logits"])


def test_positions_of_a_decoder(tmp_path, compile_folder):
    _, library = build(tmp_path, compile_folder, "T5ForConditionalGeneration")
    sources, targets = seq2seq_inputs()
    inputs = dict(input_ids=sources, decoder_input_ids=targets, outputs=["logits"])
    every = library(**inputs)["logits"]
    last = library(**inputs, output_positions=[[len(row) - 1] for row in targets])[
        "logits"
    ]
    for rows, row in zip(every, last):
        np.testing.assert_array_equal(rows[-1:], row)


def test_sources_and_sequences_that_do_not_match(tmp_path, compile_folder):
    _, library = build(tmp_path, compile_folder, "T5Model")
    with pytest.raises(
        ValueError, match="an encoder input for each of the 2 sequences .*, got 1"
    ):
        library(input_ids=[[5, 6]], decoder_input_ids=[[5], [6]])
    with pytest.raises(TypeError, match='expects the input "decoder_input_ids"'):
        library(input_ids=[[5, 6]])
    with pytest.raises(TypeError, match='expects the input "input_ids"'):
        library(decoder_input_ids=[[5, 6]])


def test_trained(compile_folder):
    """A trained model: its logits, and what it answers."""
    folder = MODELS / "t5-g2p"
    model = transformers.T5ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    library = transom.load(compile_folder(folder))
    # "pronounce: ..." of four words, and what the model says of them.
    sources = [
        [4, 3, 5, 14, 19, 50, 37, 1],
        [4, 3, 5, 8, 15, 90, 61, 8, 1],
        [4, 3, 123, 152, 15, 39, 37, 8, 1],
        [4, 3, 5, 98, 16, 135, 8, 47, 17, 72, 17, 59, 1],
    ]
    targets = [
        [0, 11, 122, 23],
        [0, 10, 35, 13, 6, 9, 22],
        [0, 13, 32, 20, 31, 6, 9, 23, 22],
        [0, 56, 102, 13, 10, 31, 35, 12, 24, 6, 7],
    ]
    together = library(input_ids=sources, decoder_input_ids=targets)["logits"]
    for source, target, logits in zip(sources, targets, together):
        inputs = dict(input_ids=[source], decoder_input_ids=[target])
        want = reference(model, ["logits"], **inputs)["logits"][0]
        assert rms_error(logits, want) <= T5_TOLERANCE
        assert logits.argmax(-1).tolist() == [*target[1:], 1]
