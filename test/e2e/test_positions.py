"""Logits at the positions that are asked for: bitwise those of all tokens, in
every form of a batch and of positions, at the cost of these rows alone."""

import time

import numpy as np
import pytest
import transformers

import transom
from conftest import ROOT

VOCABULARY = 20011


@pytest.fixture(scope="module")
def library(compile_folder):
    folder = ROOT / "examples" / "models" / "bert-shakespeare"
    return transom.load(compile_folder(folder, task="fill-mask"))


@pytest.fixture(scope="module")
def pretraining(compile_folder):
    folder = ROOT / "examples" / "models" / "bert-shakespeare"
    return transom.load(compile_folder(folder, task="pretraining"))


def make_batch(seed, sequences, length):
    """Ids and a mask with holes, token 0 among them."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 2000, (sequences, length))
    mask = (rng.random((sequences, length)) < 0.7).astype(int)
    mask[:, length // 2] = 1
    mask[0, 0] = 0
    return ids, mask


def test_metadata(library, pretraining):
    assert library.inputs["output_positions"]["dims"] == ["output_positions"]
    assert library.outputs["logits"]["dims"] == ["output_positions", 2048]
    assert pretraining.outputs["prediction_logits"]["dims"] == [
        "output_positions",
        2048,
    ]
    assert pretraining.outputs["seq_relationship_logits"]["dims"] == ["sequences", 2]


# Every variant of the kernels, by the number of rows, gives the same bits.
@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 33, None])
def test_rows_are_those_of_all_tokens(library, count):
    ids, mask = make_batch(1, 6, 31)
    everything = library(ids, attention_mask=mask)["logits"]
    assert (everything[mask == 0] == 0).all()
    rng = np.random.default_rng(2)
    pairs = rng.permutation(np.argwhere(mask))[:count]
    want = everything[tuple(pairs.T)]
    flat = pairs @ [31, 1]
    for form in (
        pairs, pairs.astype(np.int32), [tuple(pair) for pair in pairs],
        flat, flat.astype(np.uint8), list(flat),
    ):  # fmt: skip
        got = library(ids, attention_mask=mask, output_positions=form)["logits"]
        np.testing.assert_array_equal(got, want)


def test_positions_of_each_sequence(library):
    ids, mask = make_batch(3, 5, 17)
    everything = library(ids, attention_mask=mask)["logits"]
    columns = [list(np.flatnonzero(row)[::-2]) for row in mask]
    columns[2] = []
    got = library(ids, attention_mask=mask, output_positions=columns)["logits"]
    assert len(got) == 5 and got[2].shape == (0, 2048)
    for row, at in enumerate(columns):
        np.testing.assert_array_equal(got[row], everything[row, at])


def test_sequences_of_unequal_length(library):
    rng = np.random.default_rng(4)
    rows = [list(rng.integers(5, 2000, n)) for n in (5, 0, 9, 3)]
    holes = [[1] * 5, [], [0, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1]]
    packed = {
        "input_ids": np.concatenate(rows).astype(int),
        "sequence_offsets": [0, 5, 5, 14, 17],
    }
    for inputs in ({"input_ids": rows}, {"input_ids": rows, "attention_mask": holes}):
        everything = library(**inputs)["logits"]
        want = [everything[2][7], everything[0][4], everything[3][0]]
        for form in ([(2, 7), (0, 4), (3, 0)], [12, 4, 14]):
            got = library(**inputs, output_positions=form)["logits"]
            np.testing.assert_array_equal(got, want)
        got = library(**inputs, output_positions=[[4], [], [7, 1], [0]])["logits"]
        np.testing.assert_array_equal(got[2], everything[2][[7, 1]])
    everything = library(**packed)["logits"]
    for form in ([(2, 7), (0, 4), (3, 0)], [12, 4, 14]):
        got = library(**packed, output_positions=form)["logits"]
        np.testing.assert_array_equal(got, everything[[12, 4, 14]])


def test_no_positions(library):
    assert library([[2, 7, 3]], output_positions=[])["logits"].shape == (0, 2048)
    assert library([], output_positions=[])["logits"].shape == (0, 2048)
    got = library([[2, 7, 3], [4]], output_positions=[[], []])["logits"]
    assert [rows.shape for rows in got] == [(0, 2048), (0, 2048)]


def test_beside_other_outputs(pretraining):
    """The pooler reads token 0, which is masked, and is not a position."""
    ids, mask = make_batch(5, 4, 13)
    everything = pretraining(ids, attention_mask=mask)
    pairs = np.argwhere(mask)[3:9]
    got = pretraining(ids, attention_mask=mask, output_positions=pairs)
    np.testing.assert_array_equal(
        got["prediction_logits"], everything["prediction_logits"][tuple(pairs.T)]
    )
    np.testing.assert_array_equal(
        got["seq_relationship_logits"], everything["seq_relationship_logits"]
    )
    one = pretraining(ids, attention_mask=mask, outputs=["seq_relationship_logits"])
    np.testing.assert_array_equal(
        one["seq_relationship_logits"], everything["seq_relationship_logits"]
    )


@pytest.mark.parametrize(
    "positions, error, message",
    [
        ([6], ValueError, r"number 0: expected a token's index in \[0, 6\), got 6"),
        ([0, -1], ValueError, r"1: expected a token's index in \[0, 6\), got -1"),
        ([0, 5], ValueError,
         r"number 1: expected a token that is there, got 5 "
         r"\(sequence 1, position 2\), which 'attention_mask' hides"),
        ([(0, 3)], ValueError, r"expects a column in \[0, 3\) of sequence 0, got 3"),
        ([(0, -1)], ValueError, r"expects a column in \[0, 3\) of sequence 0, got -1"),
        ([(0, 0), (2, 0)], ValueError,
         r"output_positions\[1\]: expects a row in \[0, 2\), got 2"),
        ([[0]], ValueError, "expects a list for each of the 2 sequences, got 1; write"),
        ([[0], [3]], ValueError, r"expects a column in \[0, 3\) of sequence 1, got 3"),
        (np.zeros((2, 3), int), ValueError, r"the shape \[count, 2\], got \[2, 3\]"),
        (3, ValueError, r"the shape \[count\] or \[count, 2\], got \[\]"),
        ([0.5], TypeError, "expects integer values, got float64"),
    ],
)  # fmt: skip
def test_refuses(library, positions, error, message):
    inputs = {
        "input_ids": [[2, 7, 3], [2, 3, 0]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
    }
    with pytest.raises(error, match=message):
        library(**inputs, output_positions=positions)
    assert library(**inputs, output_positions=[0])["logits"].shape == (1, 2048)


def test_fill_mask_asks_for_its_masks(library, monkeypatch):
    asked = []
    forward = library.program("forward")
    run = forward.run

    def record(session, tensors, *rest):
        asked.append(tensors["output_positions"].tolist())
        run(session, tensors, *rest)

    monkeypatch.setattr(forward, "run", record)
    fill = transom.pipeline("fill-mask", library)
    theirs = transformers.pipeline(
        "fill-mask", str(ROOT / "examples" / "models" / "bert-shakespeare")
    )
    texts = ["my [MASK] lord", "i [MASK] to the [MASK]"]
    for got, want in zip(fill(texts), theirs(texts)):
        if isinstance(want[0], dict):
            got, want = [got], [want]
        for mine, other in zip(got, want):
            assert [a["token"] for a in mine] == [a["token"] for a in other]
            np.testing.assert_allclose(
                [a["score"] for a in mine], [a["score"] for a in other], rtol=1e-4
            )
    assert [len(positions) for positions in asked] == [3]


def test_models_without_them(tiny):
    _, path = tiny
    with pytest.raises(TypeError, match='has no input "output_positions"'):
        transom.load(path)([[2, 7, 3]], output_positions=[0])


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_costs_what_is_asked_for(tmp_path, compile_folder):
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=1,
        num_attention_heads=4, intermediate_size=128, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    library = transom.load(compile_folder(tmp_path))
    ids = np.random.default_rng(0).integers(5, VOCABULARY, (32, 64))

    def seconds(**options):
        begin = time.perf_counter()
        library(ids, **options)
        return time.perf_counter() - begin

    # Weights are in memory once all of them have been read.
    library(ids[:1, :2], output_positions=[0])
    before = resident()
    few = min(seconds(output_positions=np.arange(32) * 64) for _ in range(3))
    grown = resident() - before
    everything = min(seconds() for _ in range(2))
    # Logits of all tokens: 164 MB for the caller, as much in the arena.
    assert grown < 24 << 20
    assert few < everything / 2
