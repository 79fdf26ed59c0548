"""Ids that compiled models generate are those of transformers' generate."""

import json

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import ROOT, rms_error
from models import make, pad

MODELS = ROOT / "examples" / "models"

# Class in transformers: sizes that are not round numbers.
RANDOM = {
    "GPT2LMHeadModel": dict(
        vocab_size=97, n_embd=60, n_layer=2, n_head=5, n_positions=40
    ),
    "OpenAIGPTLMHeadModel": dict(
        vocab_size=61, n_embd=36, n_layer=3, n_head=3, n_positions=33
    ),
    "LlamaForCausalLM": dict(
        vocab_size=89, hidden_size=60, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=3, intermediate_size=70, max_position_embeddings=40,
    ),
}  # fmt: skip
TOKENS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)

OPTIONS = [
    {},
    {"max_new_tokens": 12},
    {"max_length": 24},
    {"min_new_tokens": 6, "max_new_tokens": 10, "eos_token_id": [2, 7, 9, 30]},
    {"repetition_penalty": 1.7, "max_new_tokens": 12},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 12},
    {"bad_words_ids": [[11], [5, 6]], "max_new_tokens": 12},
    {"num_beams": 3, "max_new_tokens": 8},
    {"num_beams": 4, "num_return_sequences": 3, "max_new_tokens": 8},
    {
        "num_beams": 3, "length_penalty": 2.0, "early_stopping": True,
        "max_new_tokens": 9,
    },
    {
        "num_beams": 3, "length_penalty": 0.0, "early_stopping": "never",
        "max_new_tokens": 9,
    },
    {
        "num_beams": 2, "no_repeat_ngram_size": 3, "repetition_penalty": 1.3,
        "max_length": 25,
    },
]  # fmt: skip


def reference(model, ids, mask=None, **options):
    if mask is not None:
        mask = torch.as_tensor(mask)
    result = model.generate(torch.as_tensor(ids), attention_mask=mask, **options)
    return result.numpy()


def left_padded(lengths, vocabulary, padding=0, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(5, vocabulary, n) for n in lengths]
    mask = pad([np.ones(n) for n in lengths], 0, left=True)
    return rows, pad(rows, padding, left=True), mask


@pytest.fixture(scope="module", params=RANDOM)
def pair(request, tmp_path_factory, compile_folder):
    """(transformers' model, its library) of random parameters."""
    folder = tmp_path_factory.mktemp("random")
    model = make(folder, request.param, **TOKENS, **RANDOM[request.param])
    return model, transom.load(compile_folder(folder))


@pytest.fixture(scope="module")
def speech(compile_folder):
    """(transformers' model, its library, its tokenizer) of a trained GPT-2."""
    folder = MODELS / "gpt2-shakespeare"
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    return model, transom.load(compile_folder(folder)), tokenizer


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_random_models(options, pair):
    model, library = pair
    rows, ids, mask = left_padded([7, 1, 13, 12], model.config.vocab_size)
    # Ids that are padding and no end need no mask.
    want = reference(model, ids, mask, **options)
    got = library.generate(ids, attention_mask=mask, **options)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(library.generate(input_ids=ids, **options), want)
    # Alone, without padding; and side by side, in lists.
    copies = options.get("num_return_sequences", 1)
    if "max_length" in options:
        return
    together = library.generate(rows, **options)
    for i, row in enumerate(rows):
        want = reference(model, row[None], **options)
        np.testing.assert_array_equal(library.generate(row[None], **options), want)
        for one, other in zip(together[i * copies :], want):
            assert one.tolist() == other[: len(one)].tolist()
            assert (other[len(one) :] == 0).all()


BEAMS = [
    {"max_new_tokens": 40},
    {"num_beams": 4, "max_new_tokens": 30},
    {
        "num_beams": 5, "num_return_sequences": 5, "early_stopping": True,
        "max_new_tokens": 20,
    },
    {
        "num_beams": 3, "no_repeat_ngram_size": 3, "length_penalty": 0.5,
        "max_new_tokens": 40,
    },
    {"repetition_penalty": 1.2, "max_new_tokens": 60},
]  # fmt: skip
PROMPTS = ["First Citizen:\n", "O", "ROMEO:\nWhat light through yonder", "KING"]


@pytest.mark.parametrize("options", BEAMS, ids=str)
def test_trained_model(options, speech):
    model, library, tokenizer = speech
    batch = tokenizer(PROMPTS, padding=True, return_tensors="np")
    want = reference(model, batch["input_ids"], batch["attention_mask"], **options)
    got = library.generate(
        batch["input_ids"], attention_mask=batch["attention_mask"], **options
    )
    np.testing.assert_array_equal(got, want)


def test_recorded_ids(speech):
    _, library, _ = speech
    recorded = json.loads((MODELS / "gpt2-shakespeare" / "expected.json").read_text())
    for case in recorded["cases"]:
        padded = case.get("generation_input_ids_left_padded", case["input_ids"])
        mask = case.get("generation_attention_mask", case["attention_mask"])
        got = library.generate(padded, attention_mask=mask, max_new_tokens=40)
        np.testing.assert_array_equal(got, case["greedy_ids"])


def test_up_to_the_last_position(pair):
    model, library = pair
    limit = model.config.max_position_embeddings  # An alias of GPT's n_positions.
    ids = np.arange(5, 15)[None]
    # The last token is never read, so it needs no position.
    options = {"max_new_tokens": limit - 10 + 1, "eos_token_id": None}
    want = reference(model, ids, **options, pad_token_id=0)
    got = library.generate(ids, **options)
    assert got.shape == (1, limit + 1)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        library.generate(ids, num_beams=2, **options),
        reference(model, ids, num_beams=2, **options, pad_token_id=0),
    )
    options["max_new_tokens"] += 1
    for more in ({}, {"num_beams": 2}):
        with pytest.raises(ValueError, match=str(limit)):
            library.generate(ids, **options, **more)
    with pytest.raises(ValueError, match=str(limit)):
        list(library.generate_stream(ids, **options))
    # And the library goes on.
    assert library.generate(ids, max_new_tokens=1).shape == (1, 11)


def test_prompt_lookup_changes_nothing(speech):
    _, library, tokenizer = speech
    ids = tokenizer(["MENENIUS:\nMy lord, my lord, my lord,"])["input_ids"]
    want = library.generate(ids, max_new_tokens=100)
    got = library.generate(ids, max_new_tokens=100, prompt_lookup_num_tokens=5)
    np.testing.assert_array_equal(got, want)


def test_streams(speech):
    model, library, tokenizer = speech
    ids = np.array(tokenizer(["First Citizen:\n"])["input_ids"])
    want = reference(model, ids, max_new_tokens=30)[0]
    for prompt in (ids, ids[0], ids[0].tolist()):
        got = list(library.generate_stream(prompt, max_new_tokens=30))
        assert got == want[ids.shape[1] :].tolist()
    # Who stops reading stops the generation, and the library goes on.
    stream = library.generate_stream(ids, max_new_tokens=200)
    first = [next(stream) for _ in range(3)]
    assert first == got[:3]
    stream.close()
    assert list(stream) == []
    again = list(library.generate_stream(ids, max_new_tokens=3))
    assert again == first


class Recorder(transformers.generation.streamers.BaseStreamer):
    def __init__(self, most=None):
        self.calls, self.most = [], most

    def put(self, value):
        self.calls.append(value.tolist())
        if len(self.calls) == self.most:
            raise KeyboardInterrupt

    def end(self):
        self.calls.append("end")


def test_streamer(speech, capsys):
    model, library, tokenizer = speech
    ids = np.array(tokenizer(["First Citizen:\n"])["input_ids"])
    ours, theirs = Recorder(), Recorder()
    library.generate(ids, streamer=ours, max_new_tokens=5)
    reference(model, ids, streamer=theirs, max_new_tokens=5)
    assert ours.calls == theirs.calls
    printer = transformers.TextStreamer(tokenizer)
    library.generate(ids, streamer=printer, max_new_tokens=5)
    assert capsys.readouterr().out.startswith("First Citizen:\n")
    # What it raises comes through, and nothing is left behind.
    broken = Recorder(4)
    with pytest.raises(KeyboardInterrupt):
        library.generate(ids, streamer=broken, max_new_tokens=200)
    assert len(broken.calls) == 4
    assert library.generate(ids, max_new_tokens=2).shape == (1, ids.shape[1] + 2)
    with pytest.raises(ValueError, match="streamer"):
        library.generate(ids, streamer=ours, num_beams=2)
    with pytest.raises(ValueError, match="streamer: expects one sequence, got 2"):
        library.generate([[5], [6]], streamer=ours)


def test_stop_strings(speech):
    model, library, tokenizer = speech
    batch = tokenizer(PROMPTS, padding=True, return_tensors="np")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    options = {"stop_strings": ["\n\n", "of the"], "tokenizer": tokenizer}
    want = reference(model, ids, mask, max_new_tokens=60, **options)
    got = library.generate(ids, attention_mask=mask, max_new_tokens=60, **options)
    np.testing.assert_array_equal(got, want)
    draws = library.generate(
        ids[:1], attention_mask=mask[:1], max_new_tokens=60, do_sample=True, seed=3,
        num_return_sequences=4, **options,
    )  # fmt: skip
    for row in draws:
        text = tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True)
        for string in options["stop_strings"]:
            assert string not in text[: -len(string) - 8]


def test_samples_are_reproducible(speech):
    _, library, tokenizer = speech
    ids = [tokenizer(text)["input_ids"] for text in PROMPTS]
    options = {"do_sample": True, "max_new_tokens": 20, "temperature": 0.9}
    one = library.generate(ids, seed=5, **options)
    two = library.generate(ids, seed=5, **options)
    other = library.generate(ids, seed=6, **options)
    assert all((a == b).all() for a, b in zip(one, two))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(one, other))
    # The rest of the batch changes nothing.
    alone = library.generate(ids[:1], seed=5, **options)
    assert alone[0].tolist() == one[0].tolist()


def test_scores_of_beams(speech):
    model, library, tokenizer = speech
    ids = np.array(tokenizer(["First Citizen:\n"])["input_ids"])
    options = dict(num_beams=4, num_return_sequences=4, max_new_tokens=12)
    want = model.generate(
        torch.as_tensor(ids), return_dict_in_generate=True, output_scores=True,
        **options,
    )  # fmt: skip
    got = library.generate(ids, return_dict_in_generate=True, **options)
    np.testing.assert_array_equal(got.sequences, want.sequences)
    np.testing.assert_allclose(got.sequences_scores, want.sequences_scores, atol=1e-4)
    assert library.generate(ids, return_dict_in_generate=True).sequences_scores is None


def test_engine(speech):
    _, library, tokenizer = speech
    prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]
    whole = [library.generate([ids], max_new_tokens=15)[0] for ids in prompts]
    want = [row[len(ids) :] for row, ids in zip(whole, prompts)]
    with library.engine(max_num_seqs=3) as engine:
        # Two at first; others come, and one goes, while they are at work.
        numbers = [engine.submit(ids, max_new_tokens=15) for ids in prompts[:2]]
        tokens = {number: [] for number in numbers}
        finish = {}
        for steps, event in enumerate(engine, 1):
            tokens[event.request] += event.tokens
            if event.finish:
                finish[event.request] = event.finish
            if steps == 5:
                for ids in prompts[2:]:
                    numbers.append(engine.submit(ids, max_new_tokens=15))
                    tokens[numbers[-1]] = []
                extra = engine.submit(prompts[0], max_new_tokens=200)
                tokens[extra] = []
                engine.cancel(extra)
        assert finish.pop(extra) == "cancelled"
        for number, row in zip(numbers, want):
            assert tokens[number] == row.tolist()
            assert finish[number] in ("eos", "length")
        with pytest.raises(ValueError, match="num_beam"):
            engine.submit([5], num_beams=0)
        with pytest.raises(ValueError):
            engine.submit([10**6], max_new_tokens=2)
        # C would take it for the first request.
        with pytest.raises(ValueError, match=r"^request: expects less than 2\*\*63"):
            engine.cancel(2**64 + numbers[0])
    with pytest.raises(ValueError, match=r"^max_num_seqs: expects less than 2\*\*31"):
        library.engine(max_num_seqs=2**32 + 1)
    with pytest.raises(ValueError, match="closed"):
        engine.step()


def test_sequences(speech):
    _, library, _ = speech
    ids = np.random.default_rng(0).integers(1, 1024, 50)
    with library.sequences() as sequences:
        first = sequences.add()
        assert sequences.length(first) == 0
        (whole,) = sequences.step({first: ids}, output_positions="all")["logits"]
        # A step's attention adds up in another order than that of a call.
        assert rms_error(whole, library(input_ids=ids[None])["logits"][0]) < 2e-5
        one = sequences.add()
        (rows,) = sequences.step({one: ids[:20]}, output_positions="all")["logits"]
        rows = list(rows)
        other = sequences.fork(one, 10)
        # Both continue where they are, in one step.
        both = sequences.step({one: ids[20:21], other: ids[10:30]})["logits"]
        rows.append(both[0])
        np.testing.assert_array_equal(both[1], whole[29])
        for token in ids[21:]:
            rows.append(sequences.step({one: [token]})["logits"][0])
        assert sequences.length(one) == 50
        np.testing.assert_array_equal(np.stack(rows), whole)
        sequences.truncate(one, 5)
        some = sequences.step({one: ids[5:9]}, output_positions=[[0, 3]])["logits"]
        np.testing.assert_array_equal(some[0], whole[[5, 8]])
        with pytest.raises(ValueError, match="256"):
            sequences.step({one: np.ones(250, int)})
        assert sequences.length(one) == 9
        sequences.free(other)
        for call in (sequences.length, sequences.free, sequences.fork):
            with pytest.raises(ValueError):
                call(other)
        with pytest.raises(ValueError, match="at least one"):
            sequences.step({one: []})
        with pytest.raises(ValueError, match="output_positions"):
            sequences.step({one: [5]}, output_positions=[[1]])
    with pytest.raises(ValueError, match="closed"):
        sequences.add()
