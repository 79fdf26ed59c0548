"""Ids that compiled encoder-decoders generate are those of transformers' generate."""

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import ROOT, rms_error
from models import make, pad

MODELS = ROOT / "examples" / "models"

# Class in transformers: sizes that are not round numbers. Distances beyond 11
# share a bucket. A decoder of more layers is nothing for transformers' cache.
SIZES = dict(
    vocab_size=97, d_model=60, d_kv=12, d_ff=72, num_layers=2, num_heads=3,
    num_decoder_layers=2, relative_attention_num_buckets=10,
    relative_attention_max_distance=11, pad_token_id=0, eos_token_id=1,
    decoder_start_token_id=0,
)  # fmt: skip
RANDOM = {
    "T5ForConditionalGeneration": {},
    "MT5ForConditionalGeneration": dict(tie_word_embeddings=False),
    "UMT5ForConditionalGeneration": {},
}

OPTIONS = [
    {},
    {"max_new_tokens": 12},
    {"max_length": 17},
    {"min_new_tokens": 6, "max_new_tokens": 10, "eos_token_id": [1, 7, 9, 30]},
    {"min_length": 8, "max_length": 12, "eos_token_id": [1, 7, 9, 30]},
    {"repetition_penalty": 1.7, "max_new_tokens": 12},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 12},
    {"bad_words_ids": [[11], [5, 6]], "max_new_tokens": 12},
    {"forced_bos_token_id": 42, "max_new_tokens": 5},
    {"forced_eos_token_id": 1, "max_new_tokens": 7},
    {"forced_bos_token_id": 0, "forced_eos_token_id": [3, 1], "max_length": 6},
    {"decoder_start_token_id": 8, "max_new_tokens": 6},
    {"num_beams": 2, "max_new_tokens": 8},
    {
        "num_beams": 3, "forced_bos_token_id": 9, "forced_eos_token_id": 1,
        "max_length": 9,
    },
    {"num_beams": 4, "num_return_sequences": 3, "max_new_tokens": 8},
    {
        "num_beams": 5, "length_penalty": 2.0, "early_stopping": True,
        "max_new_tokens": 9, "eos_token_id": [1, 7, 9, 30, 31, 32],
    },
    {
        "num_beams": 3, "length_penalty": 0.0, "early_stopping": "never",
        "max_new_tokens": 9, "eos_token_id": [1, 7, 9, 30, 31, 32],
    },
    {
        "num_beams": 2, "no_repeat_ngram_size": 3, "repetition_penalty": 1.3,
        "max_length": 25,
    },
    # Far beyond the distances that the decoder's buckets tell apart.
    {"max_new_tokens": 60, "eos_token_id": None},
]  # fmt: skip


def reference(model, ids, mask=None, **options):
    tensors = {
        name: torch.as_tensor(np.asarray(options.pop(name)))
        for name in ("decoder_input_ids", "decoder_attention_mask")
        if name in options
    }
    if mask is not None:
        mask = torch.as_tensor(mask)
    ids = torch.as_tensor(np.asarray(ids))
    return model.generate(ids, attention_mask=mask, **tensors, **options).numpy()


def sources(lengths, vocabulary, seed=0):
    """Rows of random ids, the same padded at the right, and its mask."""
    rng = np.random.default_rng(seed)
    rows = [np.append(rng.integers(5, vocabulary, n - 1), 1) for n in lengths]
    return rows, pad(rows, 0), pad([np.ones(n) for n in lengths], 0)


@pytest.fixture(scope="module", params=RANDOM)
def pair(request, tmp_path_factory, compile_folder):
    """(transformers' model, its library) of random parameters."""
    folder = tmp_path_factory.mktemp("random")
    model = make(folder, request.param, **{**SIZES, **RANDOM[request.param]})
    return model, transom.load(compile_folder(folder))


@pytest.fixture(scope="module")
def sounds(compile_folder):
    """(transformers' model, its library, its tokenizer) of a trained T5, which
    says how words are pronounced."""
    folder = MODELS / "t5-g2p"
    # Its weights are stored as float16.
    model = transformers.T5ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return model, transom.load(compile_folder(folder)), tokenizer


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_random_models(options, pair):
    model, library = pair
    # The last one is far longer than the distances that buckets tell apart.
    rows, ids, mask = sources([7, 1, 13, 50], model.config.vocab_size)
    want = reference(model, ids, mask, **options)
    got = library.generate(ids, attention_mask=mask, **options)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, want)
    # Ids that are padding and no end need no mask; nor do lists, padded nowhere.
    np.testing.assert_array_equal(library.generate(input_ids=ids, **options), want)
    np.testing.assert_array_equal(library.generate(rows, **options), want)
    # At the other side, and alone.
    left = pad(rows, 0, left=True)
    np.testing.assert_array_equal(library.generate(left, **options), want)
    for row in rows[:2]:
        np.testing.assert_array_equal(
            library.generate(row[None], **options),
            reference(model, row[None], **options),
        )


BEGINNINGS = [
    # With the start, and without.
    ([[0, 5, 6], [0, 7, 8]], None),
    ([[5, 6], [7, 8]], None),
    ([[5, 6], [0, 8]], None),
    # Padded at the left.
    ([[0, 0, 6], [0, 7, 8]], [[0, 0, 1], [1, 1, 1]]),
]


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"max_length": 9}], ids=str)
@pytest.mark.parametrize("begun, begun_mask", BEGINNINGS)
def test_what_a_decoder_begins_with(begun, begun_mask, options, pair):
    model, library = pair
    rows, ids, mask = sources([7, 4], model.config.vocab_size)
    options = {**options, "decoder_input_ids": begun}
    if begun_mask is not None:
        options["decoder_attention_mask"] = begun_mask
    want = reference(model, ids, mask, **options)
    got = library.generate(ids, attention_mask=mask, **options)
    np.testing.assert_array_equal(got, want)


def test_decoders_that_begin_at_unequal_lengths(pair):
    model, library = pair
    rows, *_ = sources([7, 4, 9], model.config.vocab_size)
    begun = [[0, 5, 6, 7], [0], [0, 8]]
    for options in ({}, {"num_beams": 4, "num_return_sequences": 2}):
        options["max_new_tokens"] = 6
        copies = options.get("num_return_sequences", 1)
        got = library.generate(rows, decoder_input_ids=begun, **options)
        assert len(got) == 3 * copies
        for i, (row, beginning) in enumerate(zip(rows, begun)):
            want = reference(model, row[None], decoder_input_ids=[beginning], **options)
            for one, other in zip(got[i * copies :], want):
                assert one.tolist() == other[: len(one)].tolist()
                assert (other[len(one) :] == 0).all()


WORDS = [
    "hello",
    "a",
    "shakespeare",
    "o'clock",
    "antidisestablishmentarianism",
    "tower",
]
BEAMS = [
    {},
    {"num_beams": 2},
    {"num_beams": 4, "length_penalty": 0.5},
    {"num_beams": 5, "num_return_sequences": 5, "early_stopping": True},
    {"num_beams": 3, "length_penalty": -1.0, "min_length": 6},
    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2},
]


def spelled(tokenizer, words=WORDS):
    return tokenizer([f"pronounce: {word}" for word in words], padding=True,
                     return_tensors="np")  # fmt: skip


@pytest.mark.parametrize("options", BEAMS, ids=str)
def test_trained_model(options, sounds):
    model, library, tokenizer = sounds
    batch = spelled(tokenizer)
    want = reference(model, batch["input_ids"], batch["attention_mask"], **options)
    got = library.generate(
        batch["input_ids"], attention_mask=batch["attention_mask"], **options
    )
    np.testing.assert_array_equal(got, want)


def test_a_word_is_pronounced(sounds):
    _, library, tokenizer = sounds
    (ids,) = library.generate(tokenizer(["pronounce: hello"])["input_ids"])
    assert tokenizer.decode(ids, skip_special_tokens=True) == "HH EH1 L OW0"


def test_scores_of_beams(sounds):
    model, library, tokenizer = sounds
    ids = spelled(tokenizer, ["hello"])["input_ids"]
    options = dict(num_beams=4, num_return_sequences=4, length_penalty=1.5)
    want = model.generate(
        torch.as_tensor(ids), return_dict_in_generate=True, output_scores=True,
        **options,
    )  # fmt: skip
    got = library.generate(ids, return_dict_in_generate=True, **options)
    np.testing.assert_array_equal(got.sequences, want.sequences)
    np.testing.assert_allclose(got.sequences_scores, want.sequences_scores, atol=1e-4)


def test_samples_are_reproducible(sounds):
    _, library, tokenizer = sounds
    rows = [tokenizer(f"pronounce: {word}")["input_ids"] for word in WORDS]
    options = {"do_sample": True, "temperature": 1.5, "num_return_sequences": 2}
    one = library.generate(rows, seed=5, **options)
    np.testing.assert_array_equal(library.generate(rows, seed=5, **options), one)
    other = library.generate(rows, seed=6, **options)
    assert one.shape != other.shape or (one != other).any()
    # The rest of the batch changes nothing.
    alone = library.generate(rows[:1], seed=5, **options)
    assert (one[:2, : alone.shape[1]] == alone).all()
    assert (one[:2, alone.shape[1] :] == 0).all()


def test_draws_follow_the_distribution(sounds):
    """The share of each first token among many draws is its probability."""
    model, library, tokenizer = sounds
    ids = spelled(tokenizer, ["read"])["input_ids"]
    logits = model(
        input_ids=torch.as_tensor(ids), decoder_input_ids=torch.tensor([[0]])
    ).logits[0, -1]
    want = torch.softmax(logits / 2, -1).numpy()
    count = 4096
    draws = library.generate(
        np.repeat(ids, 4, 0), do_sample=True, temperature=2.0, top_k=0,
        max_new_tokens=1, seed=1, num_return_sequences=count // 4,
    )  # fmt: skip
    got = np.bincount(draws[:, 1], minlength=len(want)) / count
    assert np.abs(got - want).max() < 5 * np.sqrt(0.25 / count)


def test_streams(sounds):
    model, library, tokenizer = sounds
    ids = spelled(tokenizer, ["shakespeare"])["input_ids"]
    want = reference(model, ids)[0].tolist()
    for prompt in (ids, ids[0], ids[0].tolist()):
        assert list(library.generate_stream(prompt)) == want[1:]
    stream = library.generate_stream(ids[0], decoder_input_ids=want[:4])
    assert list(stream) == want[4:]

    class Recorder(transformers.generation.streamers.BaseStreamer):
        calls = []

        def put(self, value):
            self.calls += value.reshape(-1).tolist()

        def end(self):
            self.calls.append("end")

    library.generate(ids, streamer=Recorder())
    assert Recorder.calls == [*want, "end"]


def test_stop_strings(sounds):
    model, library, tokenizer = sounds
    batch = spelled(tokenizer)
    options = {"stop_strings": ["L", "AW"], "tokenizer": tokenizer}
    want = reference(model, batch["input_ids"], batch["attention_mask"], **options)
    got = library.generate(**batch, **options)
    np.testing.assert_array_equal(got, want)


def test_engine(sounds):
    _, library, tokenizer = sounds
    rows = [tokenizer(f"pronounce: {word}")["input_ids"] for word in WORDS]
    want = [library.generate([row])[0].tolist() for row in rows]
    with library.engine(max_num_seqs=3, max_num_batched_tokens=8) as engine:
        numbers = [engine.submit(row) for row in rows[:2]]
        tokens = {number: [] for number in numbers}
        for steps, event in enumerate(engine):
            tokens[event.request] += event.tokens
            if steps == 2:
                for row in rows[2:]:
                    numbers.append(engine.submit(row))
                    tokens[numbers[-1]] = []
                begun = engine.submit(rows[0], decoder_input_ids=want[0][:3])
                tokens[begun] = []
        assert [[0, *tokens[number]] for number in numbers] == want
        assert tokens[begun] == want[0][3:]
        with pytest.raises(ValueError, match="decoder_input_ids"):
            engine.submit(rows[0], decoder_input_ids=[[0]])


def test_sequences(pair):
    model, library = pair
    rows, ids, mask = sources([7, 1, 30], model.config.vocab_size)
    target = np.random.default_rng(1).integers(5, 97, (3, 20))
    target[:, 0] = 0
    want = library(input_ids=ids, attention_mask=mask, decoder_input_ids=target)
    with library.sequences() as sequences:
        numbers = [sequences.add() for _ in rows]
        with pytest.raises(ValueError, match="encode"):
            sequences.step({numbers[0]: [0]})
        states = sequences.encode(dict(zip(numbers, rows)))
        assert list(states) == ["encoder_last_hidden_state"]
        name = "encoder_last_hidden_state"
        for got, other, row in zip(states[name], want[name], rows):
            assert rms_error(got, other[: len(row)]) < 1e-5
        first = sequences.step(
            dict(zip(numbers, target[:, :8])), output_positions="all"
        )
        rest = sequences.step(dict(zip(numbers, target[:, 8:])), output_positions="all")
        for i, parts in enumerate(zip(first["logits"], rest["logits"])):
            # A step's attention adds up in another order than that of a call.
            assert rms_error(np.concatenate(parts), want["logits"][i]) < 2e-5
        # A fork reads what the other reads; truncation leaves it.
        fork = sequences.fork(numbers[2], 5)
        sequences.truncate(numbers[2], 5)
        both = sequences.step({fork: target[2, 5:9], numbers[2]: target[2, 5:9]})
        np.testing.assert_array_equal(both["logits"][0], both["logits"][1])
        np.testing.assert_array_equal(both["logits"][0], rest["logits"][2][0])
        with pytest.raises(ValueError):
            sequences.encode({fork: [5, 1]})  # It has tokens.
        # A source of no tokens is one, too.
        empty = sequences.add()
        assert sequences.encode({empty: []})["encoder_last_hidden_state"][0].shape == (
            0, model.config.d_model,
        )  # fmt: skip
        assert np.isfinite(sequences.step({empty: [0]})["logits"]).all()


@pytest.mark.parametrize(
    "options, text",
    [
        ({"encoder_repetition_penalty": 1.5}, "^encoder_repetition_penalty: is not"),
        ({"encoder_no_repeat_ngram_size": 2}, "^encoder_no_repeat_ngram_size: is not"),
        ({"decoder_input_ids": [[0], [0]]}, "^decoder_input_ids: expects as many rows"),
        ({"decoder_input_ids": [[0, 97]]}, "97"),
        ({"forced_bos_token_id": 97}, "97"),
        ({"forced_eos_token_id": [1, 97]}, "97"),
        ({"max_length": 1}, "^max_length: expects more than the 1"),
    ],
    ids=str,
)
def test_refuses(options, text, pair):
    _, library = pair
    with pytest.raises(ValueError, match=text):
        library.generate([[5, 6, 1]], **options)


def test_a_decoder_alone_has_no_source(tmp_path, compile_folder):
    make(tmp_path, "GPT2LMHeadModel", vocab_size=11, n_embd=4, n_layer=1, n_head=1,
         n_positions=8)  # fmt: skip
    library = transom.load(compile_folder(tmp_path))
    for name in ("decoder_input_ids", "decoder_attention_mask"):
        with pytest.raises(ValueError, match=f"^{name}: expects a model with an enc"):
            library.generate([[5]], **{name: [[1]]})
    with pytest.raises(ValueError, match="^decoder_start_token_id: expects a model"):
        library.generate([[5]], decoder_start_token_id=1)
    refused = pytest.raises(ValueError, match='has no program "encode"')
    with library.sequences() as sequences, refused:
        sequences.encode({sequences.add(): [5]})
