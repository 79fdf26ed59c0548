"""transom.load and calls of what it returns.

Over the libraries that stand in for compiled ones, test/unit/runtime/Library.c:
last_hidden_state is [id, id + 1, id + 2, id + 3] (encoder), or 100 times the id
and the same (second), for ids below 1000.
"""

import pathlib
import shutil
import threading

import numpy as np
import pytest

import transom

FAKES = (
    pathlib.Path(transom.compiler()).resolve().parents[1]
    / "test"
    / "unit"
    / "runtime"
    / "libraries"
)
COLUMNS = np.arange(4, dtype=np.float32)


def expected(ids):
    return np.asarray(ids, np.float32)[..., None] + COLUMNS


@pytest.fixture
def encoder(tmp_path):
    """libencoder.so in a folder of its own, with its weights."""
    shutil.copy(FAKES / "libencoder.so", tmp_path)
    shutil.copy(FAKES / "encoder.weights", tmp_path)
    return tmp_path / "libencoder.so"


@pytest.fixture
def model(encoder):
    model = transom.load(encoder)
    yield model
    model.close()


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_takes_any_integers(model, dtype):
    ids = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    states = model(input_ids=ids)["last_hidden_state"]
    assert states.dtype == np.float32
    np.testing.assert_array_equal(states, expected(ids))


def test_takes_lists_and_strided_arrays(model):
    for ids in (
        [[1, 2], [3, 4]],
        np.arange(24).reshape(4, 6)[::2, ::3],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ):
        np.testing.assert_array_equal(model(ids)["last_hidden_state"], expected(ids))


@pytest.mark.parametrize(
    "mask",
    [
        [[1, 1, 0], [0, 1, 1]],
        np.array([[True, True, False], [False, True, True]]),
    ],
)
def test_masked_tokens_are_zeros(model, mask):
    # What is masked may be anything, even out of range.
    states = model([[1, 2, 5000], [-9, 5, 6]], attention_mask=mask)["last_hidden_state"]
    np.testing.assert_array_equal(states[0, :2], expected([1, 2]))
    np.testing.assert_array_equal(states[1, 1:], expected([5, 6]))
    assert not states[0, 2].any() and not states[1, 0].any()


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        lambda rows: [np.array(row, np.int16) for row in rows],
    ],
)
def test_ragged_in_ragged_out(model, make):
    rows = [[1, 2, 3], [4], [], [5, 6]]
    states = model(make(rows))["last_hidden_state"]
    assert [s.shape for s in states] == [(3, 4), (1, 4), (0, 4), (2, 4)]
    for state, row in zip(states, rows):
        np.testing.assert_array_equal(state, expected(row).reshape(-1, 4))


@pytest.mark.parametrize(
    "ids",
    [
        [[]],
        [[], []],
        np.empty((0, 7), np.int64),
        np.empty((3, 0), np.int32),
    ],
)
def test_empty_batches_are_no_failure(model, ids):
    states = model(ids)["last_hidden_state"]
    assert np.shape(states) == (*np.shape(ids), 4)


def test_no_sequences_are_no_failure(model):
    assert len(model([])["last_hidden_state"]) == 0


def test_results_are_the_callers(model):
    first = model([[1, 2]])["last_hidden_state"]
    model([[7, 8]])
    np.testing.assert_array_equal(first, expected([[1, 2]]))
    assert model([[1]], outputs=[]) == {}


@pytest.mark.parametrize(
    "ids, error, message",
    [
        ([1, 2, 3], ValueError, "got a flat list"),
        (3, ValueError, r"expects the shape \[batch, length\], got \[\]"),
        ([[[1]]], ValueError, r"expects the shape \[batch, length\], got \[1, 1, 1"),
        ([[1.5]], TypeError, "expects integer values, got float64"),
        ([["a"]], TypeError, "expects integer values, got <U1"),
        ([[1, 2], [3.5]], TypeError, "expects integer values, got float64"),
        (np.array([[2**63]], np.uint64), ValueError, r"expects values below 2\*\*63"),
        (
            [[1, 1000]],
            ValueError,
            r"run: input 'input_ids', sequence 0, position 1: "
            r"expected a value in \[0, 1000\), got 1000",
        ),
    ],
)
def test_refuses_other_shapes_types_and_values(model, ids, error, message):
    with pytest.raises(error, match=message):
        model(ids)
    # And it stays usable.
    np.testing.assert_array_equal(model([[1]])["last_hidden_state"], expected([[1]]))


def test_refuses_other_names_and_lengths(model):
    with pytest.raises(ValueError, match='has no output "logits"'):
        model([[1]], outputs=["logits"])
    with pytest.raises(TypeError, match='has no input "token_type_ids"'):
        model([[1]], token_type_ids=[[0]])
    with pytest.raises(
        ValueError, match="attention_mask: expects the shape of input_ids"
    ):
        model([[1, 2]], attention_mask=[[1, 1], [1, 1]])


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"threads": 2**32 + 1},
            r"^threads: expects less than 2\*\*31, got ",
        ),
        ({"max_tokens": 2**64 + 5}, r"^max_tokens: expects less than 2\*\*63"),
        ({"cache_tokens": 2**63}, r"^cache_tokens: expects less than 2\*\*63"),
    ],
)
def test_options_that_c_would_cut(options, message, encoder):
    with pytest.raises(ValueError, match=message):
        transom.load(encoder, **options)
    with pytest.raises(TypeError, match="expects an integer, got 1.5"):
        transom.load(encoder, **dict.fromkeys(options, 1.5))


def test_threads_call_one_model(model):
    failures = []

    def work(seed):
        random = np.random.default_rng(seed)
        try:
            for _ in range(100):
                ids = random.integers(0, 1000, random.integers(1, 9, 2))
                np.testing.assert_array_equal(
                    model(ids)["last_hidden_state"], expected(ids)
                )
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_two_models_at_once(encoder):
    one, two = transom.load(encoder), transom.load(FAKES / "libsecond.so")
    assert one([[3]])["last_hidden_state"][0, 0, 0] == 3
    assert two([[3]])["last_hidden_state"][0, 0, 0] == 300


def test_wrong_libraries(encoder, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.so: no such library"):
        transom.load(tmp_path / "none.so")
    text = tmp_path / "text.so"
    text.write_text("no library")
    with pytest.raises(OSError, match="text.so: expected a shared library"):
        transom.load(text)
    import _ctypes

    with pytest.raises(OSError, match='it has no symbol "transom_entry"'):
        transom.load(_ctypes.__file__)
    encoder.with_name("encoder.weights").unlink()
    with pytest.raises(OSError, match="encoder.weights"):
        transom.load(encoder)
