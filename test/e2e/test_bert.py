"""BertModel against transformers: configurations, lengths, masks, batches."""

import json
import pathlib

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import ROOT, make_bert, reference, rms_error

# Error over rms; the measured ones are 4e-6 to 6e-6, of MiniLM 2e-5.
TOLERANCE = 2e-5
MINILM_TOLERANCE = 5e-5

CONFIGURATIONS = {
    "plain": {},
    "odd widths": dict(hidden_size=60, num_attention_heads=5, intermediate_size=111),
    "one head": dict(hidden_size=48, num_attention_heads=1),
    "one layer": dict(num_hidden_layers=1),
    "head dim 1": dict(hidden_size=8, num_attention_heads=8, intermediate_size=1),
    "wide heads": dict(hidden_size=160, num_attention_heads=1),
    "many heads": dict(hidden_size=96, num_attention_heads=24),
    "relu": dict(hidden_act="relu"),
    "silu": dict(hidden_act="silu"),
    "gelu_new": dict(hidden_act="gelu_new"),
    "gelu_pytorch_tanh": dict(hidden_act="gelu_pytorch_tanh"),
    "large epsilon": dict(layer_norm_eps=0.1),
    "one token type": dict(type_vocab_size=1),
    "five token types": dict(type_vocab_size=5),
    "one word": dict(vocab_size=1),
}


def random_batch(model, batch, length, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, model.config.vocab_size, (batch, length))
    types = rng.integers(0, model.config.type_vocab_size, (batch, length))
    return ids, types


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("target", ["host", "haswell"])
def test_configuration(name, target, tmp_path, compile_folder):
    model = make_bert(tmp_path, **CONFIGURATIONS[name])
    library = transom.load(compile_folder(tmp_path, target=target))
    for batch, length in [(1, 1), (3, 17)]:
        ids, types = random_batch(model, batch, length)
        want = reference(model, ids, token_type_ids=types)
        got = library(input_ids=ids, token_type_ids=types)
        assert set(got) == {"last_hidden_state", "pooler_output"}
        for output in want:
            assert got[output].dtype == np.float32
            assert rms_error(got[output], want[output]) <= TOLERANCE, output


@pytest.mark.parametrize("length", [1, 2, 5, 16, 31, 64, 127, 512, 640])
def test_length(length, tmp_path_factory, compile_folder, request):
    cached = getattr(test_length, "cached", None)
    if cached is None:
        folder = tmp_path_factory.mktemp("long")
        model = make_bert(folder, max_position_embeddings=700)
        cached = test_length.cached = (model, transom.load(compile_folder(folder)))
    model, library = cached
    ids, _ = random_batch(model, 2, length)
    want = reference(model, ids)
    got = library(input_ids=ids)
    for output in want:
        assert rms_error(got[output], want[output]) <= TOLERANCE, output


def test_without_pooler(tmp_path, compile_folder):
    model = make_bert(tmp_path, pooler=False)
    library = transom.load(compile_folder(tmp_path))
    ids, _ = random_batch(model, 2, 9)
    got = library(input_ids=ids)
    assert set(got) == {"last_hidden_state"}
    want = reference(model, ids)["last_hidden_state"]
    assert rms_error(got["last_hidden_state"], want) <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_stored_type(dtype, tmp_path, compile_folder):
    """Half-width checkpoints are widened exactly, so the bound stays."""
    model = make_bert(tmp_path, dtype=dtype)
    library = transom.load(compile_folder(tmp_path))
    ids, _ = random_batch(model, 2, 9)
    got, want = library(input_ids=ids), reference(model, ids)
    for output in want:
        assert rms_error(got[output], want[output]) <= TOLERANCE, output


def test_sharded(tmp_path, compile_folder):
    model = make_bert(tmp_path, shards="50KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    library = transom.load(compile_folder(tmp_path))
    ids, _ = random_batch(model, 2, 9)
    got, want = library(input_ids=ids), reference(model, ids)
    assert rms_error(got["pooler_output"], want["pooler_output"]) <= TOLERANCE


MASKS = {
    "right": [[1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0]],
    "left": [[0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]],
    "holed": [[1, 0, 1, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 1, 1]],
}


@pytest.mark.parametrize("name", MASKS)
def test_mask(name, tiny):
    """Masked positions come back as zeros; the others as transformers', also
    what the pooler reads at a masked first position."""
    model, path = tiny
    mask = np.array(MASKS[name])
    ids, types = random_batch(model, *mask.shape)
    want = reference(model, ids, mask, token_type_ids=types)
    got = transom.load(path)(input_ids=ids, attention_mask=mask, token_type_ids=types)
    hidden = got["last_hidden_state"]
    assert (hidden[mask == 0] == 0).all()
    assert (
        rms_error(hidden[mask == 1], want["last_hidden_state"][mask == 1]) <= TOLERANCE
    )
    assert rms_error(got["pooler_output"], want["pooler_output"]) <= TOLERANCE


def test_position_ids(tiny):
    model, path = tiny
    ids, _ = random_batch(model, 2, 6)
    positions = np.array([[5, 4, 3, 2, 1, 0], [63, 0, 63, 7, 7, 1]])
    want = reference(model, ids, position_ids=positions)
    got = transom.load(path)(input_ids=ids, position_ids=positions)
    for output in want:
        assert rms_error(got[output], want[output]) <= TOLERANCE, output


def test_ragged_is_what_each_sentence_is_alone(tiny):
    """Lists of unequal length: equal to transformers, bitwise equal to each
    sentence alone, whatever the order and the thread count."""
    model, path = tiny
    rng = np.random.default_rng(3)
    lengths = [1, 64, 2, 33, 16, 7, 64, 5]
    sentences = [rng.integers(0, 97, n).tolist() for n in lengths]
    library = transom.load(path, threads=2)
    together = library(input_ids=sentences)
    assert [len(h) for h in together["last_hidden_state"]] == lengths
    one_thread = transom.load(path, threads=1)
    backwards = one_thread(input_ids=sentences[::-1])
    for i, sentence in enumerate(sentences):
        want = reference(model, [sentence])
        alone = library(input_ids=[sentence])
        hidden = together["last_hidden_state"][i]
        assert rms_error(hidden, want["last_hidden_state"][0]) <= TOLERANCE
        np.testing.assert_array_equal(hidden, alone["last_hidden_state"][0])
        np.testing.assert_array_equal(hidden, backwards["last_hidden_state"][-1 - i])
        for other in (alone["pooler_output"][0], backwards["pooler_output"][-1 - i]):
            np.testing.assert_array_equal(together["pooler_output"][i], other)


def test_padded_is_bitwise_what_ragged_is(tiny):
    _, path = tiny
    library = transom.load(path)
    rng = np.random.default_rng(4)
    lengths = [3, 9, 1, 6]
    ids = rng.integers(0, 97, (4, 9))
    mask = (np.arange(9)[None, :] < np.array(lengths)[:, None]).astype(np.int64)
    padded = library(input_ids=ids, attention_mask=mask)
    ragged = library(input_ids=[ids[i, :n] for i, n in enumerate(lengths)])
    for i, n in enumerate(lengths):
        np.testing.assert_array_equal(
            padded["last_hidden_state"][i, :n], ragged["last_hidden_state"][i]
        )
    np.testing.assert_array_equal(padded["pooler_output"], ragged["pooler_output"])


def test_threads_and_batch_do_not_change_a_bit(minilm):
    """On a real model's widths, where every kernel variant has its turn."""
    rng = np.random.default_rng(5)
    sentences = [rng.integers(1000, 30000, n) for n in (1, 3, 12, 40, 129, 300)]
    one, two = transom.load(minilm, threads=1), transom.load(minilm, threads=2)
    batch = two(input_ids=sentences)["last_hidden_state"]
    for sentence, hidden in zip(sentences, batch):
        np.testing.assert_array_equal(
            one(input_ids=[sentence])["last_hidden_state"][0], hidden
        )


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint64]
)
def test_integer_types(dtype, tiny):
    _, path = tiny
    library = transom.load(path)
    ids = np.array([[1, 2, 3, 96]])
    np.testing.assert_array_equal(
        library(input_ids=ids.astype(dtype))["pooler_output"],
        library(input_ids=ids)["pooler_output"],
    )


def test_outputs_asked_for(tiny):
    _, path = tiny
    library = transom.load(path)
    ids = [[1, 2, 3]]
    both = library(input_ids=ids)
    for name in both:
        only = library(input_ids=ids, outputs=[name])
        assert list(only) == [name]
        np.testing.assert_array_equal(only[name][0], both[name][0])


def test_empty_batch(tiny):
    model, path = tiny
    library = transom.load(path)
    got = library(input_ids=np.zeros((0, 5), np.int64))
    assert got["last_hidden_state"].shape == (0, 5, 64)
    assert got["pooler_output"].shape == (0, 64)
    assert library(input_ids=[])["last_hidden_state"] == []


def test_minilm_recorded(minilm):
    """The published model against recorded reference outputs."""
    recorded = json.loads(
        pathlib.Path(__file__).with_name("minilm-expected.json").read_text()
    )
    got = transom.load(minilm)(
        input_ids=np.array(recorded["input_ids"]),
        attention_mask=np.array(recorded["attention_mask"]),
        token_type_ids=np.array(recorded["token_type_ids"]),
    )
    hidden, pooled = got["last_hidden_state"], got["pooler_output"]
    # The file rounds to seven digits of values around 0.3.
    np.testing.assert_allclose(
        hidden[:, 0, :8], recorded["last_hidden_cls_first8"], atol=3e-6
    )
    np.testing.assert_allclose(
        pooled[:, :8], recorded["pooler_output_first8"], atol=3e-6
    )
    mask = np.array(recorded["attention_mask"])[:, :, None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(mean[:, :8], recorded["embedding_first8"], atol=2e-6)
    np.testing.assert_allclose(mean @ mean.T, recorded["cosine_matrix"], atol=2e-6)


def test_minilm(minilm, minilm_folder):
    model = transformers.BertModel.from_pretrained(minilm_folder).eval()
    library = transom.load(minilm)
    rng = np.random.default_rng(6)
    ids = rng.integers(1000, 30000, (4, 200))
    mask = (np.arange(200)[None, :] < np.array([200, 57, 1, 128])[:, None]).astype(int)
    want = reference(model, ids, mask)
    got = library(input_ids=ids, attention_mask=mask)
    m = mask == 1
    assert (
        rms_error(got["last_hidden_state"][m], want["last_hidden_state"][m])
        <= TOLERANCE
    )
    assert rms_error(got["pooler_output"], want["pooler_output"]) <= TOLERANCE


def test_encoder_of_a_trained_checkpoint(compile_folder):
    """The encoder is taken out of BertForPreTraining (names begin with bert.)."""
    folder = ROOT / "examples" / "models" / "bert-shakespeare"
    model = transformers.BertModel.from_pretrained(folder).eval()
    path = compile_folder(folder, task="feature-extraction")
    recorded = json.loads((folder / "expected.json").read_text())["cases"]
    for case in recorded:
        ids, mask = np.array(case["input_ids"]), np.array(case["attention_mask"])
        types = np.array(case["token_type_ids"])
        want = reference(model, ids, mask, token_type_ids=types)
        got = transom.load(path)(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        )
        m = mask == 1
        assert (
            rms_error(got["last_hidden_state"][m], want["last_hidden_state"][m])
            <= TOLERANCE
        )
        assert rms_error(got["pooler_output"], want["pooler_output"]) <= TOLERANCE
