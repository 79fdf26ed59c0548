"""Steps of compiled models: however tokens come, in one prompt or one by one, with
whom, on how many threads, the logits are the same to the bit."""

import subprocess

import numpy as np
import pytest

import transom
from conftest import ROOT, rms_error
from models import make, reference

TRAINED = ROOT / "examples" / "models" / "gpt2-shakespeare"

SIZES = dict(vocab_size=97, num_hidden_layers=2, max_position_embeddings=400)
# Heads of 12 (padded to 16 in the cache) and of 64; rotated ones of 10, two of
# which share a key head.
MODELS = {
    "OpenAIGPTLMHeadModel": dict(n_embd=60, n_head=5),
    "GPT2LMHeadModel": dict(n_embd=192, n_head=3, n_inner=111),
    "LlamaForCausalLM": dict(
        hidden_size=60, num_attention_heads=6, num_key_value_heads=3,
        intermediate_size=70,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=[*MODELS, "trained"])
def folder(request, tmp_path_factory):
    if request.param == "trained":
        return TRAINED
    folder = tmp_path_factory.mktemp(request.param)
    make(folder, request.param, **SIZES, **MODELS[request.param])
    return folder


@pytest.fixture(scope="module")
def library(folder, compile_folder):
    return transom.load(compile_folder(folder))


def random_ids(library, length, seed=0):
    rng = np.random.default_rng(seed)
    bound = library.inputs["input_ids"]["bound"]
    return rng.integers(0, bound, length)


def limit(library):
    return library.inputs["position_ids"]["bound"]


def whole(library, ids):
    """Logits of all tokens, computed in one step."""
    with library.sequences() as sequences:
        one = sequences.add()
        return sequences.step({one: ids}, output_positions="all")["logits"][0]


def splits(length, seed):
    """Ends of the parts of a random division: many of one token, some long."""
    rng = np.random.default_rng(seed)
    end, ends = 0, []
    while end < length:
        end = min(length, end + int(rng.integers(1, 1 + rng.choice([1, 1, 20, 200]))))
        ends.append(end)
    return ends


def test_one_step_is_forward(library):
    ids = random_ids(library, min(300, limit(library)))
    got = whole(library, ids)
    want = library(input_ids=ids[None])["logits"][0]
    assert rms_error(got, want) <= 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_any_split_is_the_same(library, seed):
    # Beyond 256 keys, where sums of attention are merged.
    ids = random_ids(library, min(330, limit(library)), seed)
    want = whole(library, ids)
    with library.sequences() as sequences:
        one, begin = sequences.add(), 0
        for end in splits(len(ids), seed):
            part = sequences.step({one: ids[begin:end]}, output_positions="all")
            np.testing.assert_array_equal(part["logits"][0], want[begin:end])
            begin = end
        assert sequences.length(one) == len(ids)


def test_token_by_token_is_the_same(library):
    ids = random_ids(library, min(290, limit(library)), 7)
    want = whole(library, ids)
    with library.sequences() as sequences:
        one = sequences.add()
        for i, token in enumerate(ids):
            got = sequences.step({one: [token]})["logits"]
            np.testing.assert_array_equal(got[0], want[i])


def test_others_in_the_step_make_no_difference(library):
    lengths = [1, 16, 17, 100, min(280, limit(library)), 33]
    rows = [random_ids(library, n, seed) for seed, n in enumerate(lengths)]
    wants = [whole(library, row) for row in rows]
    ends = [[0, *splits(n, seed)] for seed, n in enumerate(lengths)]
    with library.sequences() as sequences:
        numbers = [sequences.add() for _ in rows]
        for turn in range(max(map(len, ends)) - 1):
            live = [s for s in range(len(rows)) if turn + 1 < len(ends[s])]
            # In another order each time.
            live = live[turn % len(live) :] + live[: turn % len(live)]
            parts = {s: slice(*ends[s][turn : turn + 2]) for s in live}
            got = sequences.step(
                {numbers[s]: rows[s][part] for s, part in parts.items()},
                output_positions="all",
            )["logits"]
            for logits, (s, part) in zip(got, parts.items()):
                np.testing.assert_array_equal(logits, wants[s][part])


def test_forks_and_shorter_sequences(library):
    ids, other = random_ids(library, 60, 1), random_ids(library, 60, 2)
    with library.sequences() as sequences:
        one = sequences.add()
        sequences.step({one: ids})
        two = sequences.fork(one, 25)
        # Both in the block of the fork, then what one had is gone.
        got = sequences.step({one: other[:3], two: other}, output_positions="all")[
            "logits"
        ]
        want = whole(library, np.concatenate([ids, other[:3]]))
        np.testing.assert_array_equal(got[0], want[60:])
        want = whole(library, np.concatenate([ids[:25], other]))
        np.testing.assert_array_equal(got[1], want[25:])
        sequences.truncate(one, 20)
        got = sequences.step({one: other[5:9]}, output_positions="all")["logits"]
        want = whole(library, np.concatenate([ids[:20], other[5:9]]))
        np.testing.assert_array_equal(got[0], want[20:])
        # What came before is as it was.
        got = sequences.step({two: ids[:2]})["logits"]
        want = whole(library, np.concatenate([ids[:25], other, ids[:2]]))
        np.testing.assert_array_equal(got[0], want[-1])


def test_threads_make_no_difference(folder, compile_folder):
    path = compile_folder(folder)
    one, two = (transom.load(path, threads=n) for n in (1, 2))
    ids = random_ids(one, min(300, limit(one)))
    np.testing.assert_array_equal(whole(one, ids), whole(two, ids))


def test_positions(library):
    ids = random_ids(library, 40)
    want = whole(library, ids)
    with library.sequences() as sequences:
        one, two = sequences.add(), sequences.add()
        got = sequences.step(
            {one: ids, two: ids[:5]}, output_positions=[[3, 39, 3], [4]]
        )
        np.testing.assert_array_equal(got["logits"][0], want[[3, 39, 3]])
        np.testing.assert_array_equal(got["logits"][1], want[[4]])


def test_ids_that_c_would_cut(library):
    with library.sequences() as sequences:
        one = sequences.add()
        sequences.step({one: [5, 6, 7]})
        for call in (
            lambda: sequences.step({one + 2**64: [8]}),
            lambda: sequences.fork(one + 2**64),
            lambda: sequences.fork(one, 2**64 + 1),
            lambda: sequences.truncate(one, 2**64 + 1),
            lambda: sequences.free(one + 2**64),
            lambda: sequences.length(one + 2**64),
        ):
            with pytest.raises(ValueError, match=r"expects less than 2\*\*63, got"):
                call()
        assert sequences.length(one) == 3


def test_refusals_leave_lengths(library):
    most = limit(library)
    ids = random_ids(library, most)
    with library.sequences() as sequences:
        one, two = sequences.add(), sequences.add()
        sequences.step({one: ids[:-1]})
        with pytest.raises(
            ValueError,
            match=f"step: sequence {one}: {most - 1} tokens and 2 new ones exceed "
            f"the maximum {most} .of 'position_ids'.",
        ):
            sequences.step({two: ids[:5], one: ids[:2]})
        with pytest.raises(ValueError, match="step: input 'input_ids', sequence 0"):
            sequences.step({two: [library.inputs["input_ids"]["bound"]]})
        assert sequences.length(one) == most - 1
        assert sequences.length(two) == 0
        got = sequences.step({one: ids[-1:]})["logits"]
        np.testing.assert_array_equal(got[0], whole(library, ids)[-1])


def test_header_and_info(tmp_path, compile_folder):
    make(tmp_path, "GPT2LMHeadModel", **SIZES, **MODELS["GPT2LMHeadModel"])
    path = compile_folder(tmp_path)
    header = path.with_name("model.h").read_text()
    assert "model: tensors of model_step\n" in header
    assert (
        " *   sequences  int32 or int64 [sequences], those of the session, " in header
    )
    assert "FUNCTION(step)" in header
    assert "transom_##function##_function model_##function" in header
    command = [transom.compiler(), "info", str(path)]
    info = subprocess.run(command, capture_output=True, text=True, check=True)
    # Keys and values of 2 layers of 192 columns.
    assert (
        f"cache     {2 * 2 * 192 * 4} bytes a token, in blocks of 16\n" in info.stdout
    )


def test_the_cache_can_be_full(folder, compile_folder):
    library = transom.load(compile_folder(folder), cache_tokens=48)
    ids = random_ids(library, 48)
    want = whole(library, ids)
    with library.sequences() as sequences:
        one, two = sequences.add(), sequences.add()
        sequences.step({one: ids[:32]})
        with pytest.raises(MemoryError, match="step: no memory for more tokens in "):
            sequences.step({two: ids[:17]})
        sequences.step({two: ids[:16]})
        with pytest.raises(MemoryError):
            sequences.step({one: ids[32:]})
        sequences.free(two)
        got = sequences.step({one: ids[32:]}, output_positions="all")["logits"]
        np.testing.assert_array_equal(got[0], want[32:])


def test_transformers(tmp_path, compile_folder):
    """Tokens one by one, against a model that sees them all."""
    sizes = {**SIZES, **MODELS["GPT2LMHeadModel"]}
    model = make(tmp_path, "GPT2LMHeadModel", **sizes)
    library = transom.load(compile_folder(tmp_path))
    ids = random_ids(library, 300)
    want = reference(model, ["logits"], input_ids=ids[None])["logits"][0]
    with library.sequences() as sequences:
        one = sequences.add()
        got = np.concatenate(
            [sequences.step({one: [token]})["logits"] for token in ids]
        )
    assert rms_error(got, want) <= 2e-5
