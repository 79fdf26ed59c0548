"""Steps of compiled encoder-decoders: what a source is encoded to serves all steps
of its sequence, and of no other."""

import numpy as np
import pytest

import transom
from conftest import ROOT, rms_error
from models import make

# Bias by distance up to 40, heads of 20 (padded to 32 in the cache), more layers
# in the decoder than in the encoder; scores, which nothing scales, of moderate size.
SIZES = dict(
    vocab_size=97, d_model=60, d_kv=20, d_ff=72, num_layers=1, num_heads=3,
    num_decoder_layers=3, relative_attention_num_buckets=12,
    relative_attention_max_distance=40, initializer_factor=0.5,
)  # fmt: skip
RANDOM = {
    "T5ForConditionalGeneration": {},
    "UMT5ForConditionalGeneration": dict(feed_forward_proj="gated-silu"),
}


@pytest.fixture(scope="module", params=[*RANDOM, "trained"])
def folder(request, tmp_path_factory):
    if request.param == "trained":
        return ROOT / "examples" / "models" / "t5-g2p"
    folder = tmp_path_factory.mktemp(request.param)
    make(folder, request.param, **SIZES, **RANDOM[request.param])
    return folder


@pytest.fixture(scope="module")
def library(folder, compile_folder):
    return transom.load(compile_folder(folder))


def random_ids(length, seed):
    return np.random.default_rng(seed).integers(2, 97, length)


def whole(library, source, ids):
    """Logits of all tokens, computed in one step."""
    with library.sequences() as sequences:
        one = sequences.add()
        sequences.encode({one: source})
        return sequences.step({one: ids}, output_positions="all")["logits"][0]


def test_one_step_is_forward(library):
    # Both beyond the greatest distance, and a past of more than one part.
    source, ids = random_ids(70, 1), random_ids(300, 2)
    want = library(input_ids=source[None], decoder_input_ids=ids[None])
    assert rms_error(whole(library, source, ids), want["logits"][0]) <= 1e-5
    with library.sequences() as sequences:
        one = sequences.add()
        encoded = sequences.encode({one: source})["encoder_last_hidden_state"][0]
    np.testing.assert_array_equal(encoded, want["encoder_last_hidden_state"][0])


@pytest.mark.parametrize("seed", range(3))
def test_any_split_is_the_same(library, seed):
    source, ids = random_ids(35, seed), random_ids(290, seed + 10)
    want = whole(library, source, ids)
    rng = np.random.default_rng(seed)
    with library.sequences() as sequences:
        one, begin = sequences.add(), 0
        sequences.encode({one: source})
        while begin < len(ids):
            end = begin + int(rng.integers(1, 1 + rng.choice([1, 1, 20, 100])))
            part = sequences.step({one: ids[begin:end]}, output_positions="all")
            np.testing.assert_array_equal(part["logits"][0], want[begin:end])
            begin = end


def test_sources_of_others_make_no_difference(library):
    lengths = [1, 33, 16, 17, 0, 100]
    sources = [random_ids(n, n) for n in lengths]
    rows = [random_ids(40, n + 1) for n in lengths]
    wants = [whole(library, *pair) for pair in zip(sources, rows)]
    with library.sequences() as sequences:
        numbers = [sequences.add() for _ in lengths]
        sequences.encode(dict(zip(numbers[:4], sources)))
        # Some are at their tokens when the others' sources come.
        first = sequences.step({numbers[2]: rows[2][:5]}, output_positions="all")
        np.testing.assert_array_equal(first["logits"][0], wants[2][:5])
        sequences.encode(dict(zip(numbers[4:], sources[4:])))
        parts = dict(zip(numbers, rows))
        parts[numbers[2]] = rows[2][5:]
        got = sequences.step(parts, output_positions="all")["logits"]
        for i, logits in enumerate(got):
            np.testing.assert_array_equal(logits, wants[i][5 if i == 2 else 0 :])


def test_forks_have_the_source(library):
    source, ids, other = random_ids(35, 1), random_ids(20, 2), random_ids(20, 3)
    with library.sequences() as sequences:
        one = sequences.add()
        sequences.encode({one: source})
        sequences.step({one: ids})
        two, three = sequences.fork(one, 7), sequences.fork(one, 0)
        sequences.free(one)
        # What was freed is taken by another source.
        sequences.encode({sequences.add(): random_ids(35, 9)})
        got = sequences.step({three: other, two: other}, output_positions="all")[
            "logits"
        ]
        np.testing.assert_array_equal(got[0], whole(library, source, other))
        want = whole(library, source, np.concatenate([ids[:7], other]))
        np.testing.assert_array_equal(got[1], want[7:])
        sequences.truncate(two, 3)
        got = sequences.step({two: other[:2]})["logits"]
        want = whole(library, source, np.concatenate([ids[:3], other[:2]]))
        np.testing.assert_array_equal(got[0], want[-1])


def test_threads_make_no_difference(folder, compile_folder):
    path = compile_folder(folder)
    one, two = (transom.load(path, threads=n) for n in (1, 2))
    source, ids = random_ids(70, 4), random_ids(280, 5)
    np.testing.assert_array_equal(whole(one, source, ids), whole(two, source, ids))


def test_refusals(library):
    with library.sequences() as sequences:
        one = sequences.add()
        with pytest.raises(ValueError, match=f"sequence {one}.*encode"):
            sequences.step({one: [5]})
        bound = library.inputs["input_ids"]["bound"]
        with pytest.raises(ValueError, match="encode: input 'input_ids', sequence 0"):
            sequences.encode({one: [bound]})
        sequences.encode({one: [5, 1]})
        sequences.step({one: [0]})
        with pytest.raises(ValueError, match=f"sequence {one}"):
            sequences.encode({one: [5, 1]})
        assert sequences.length(one) == 1
