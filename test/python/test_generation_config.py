"""Arguments of generate: transformers' names, defaults and precedence."""

import ctypes
import dataclasses

import numpy as np
import pytest
import tokenizers
import transformers

from conftest import MODELS
from transom._generation_config import (
    _DEFAULTS,
    _IGNORED,
    _UNSUPPORTED,
    Settings,
    merge,
)
from transom._options import Request
from transom._prompts import Prompt
from transom._stopping_criteria import StopStrings
from transom._tokenizer import TextStream, Tokenizer

OURS = {"seed", "stop_sequences", "tokenizer"}


def settings(**given):
    return Settings.of(merge({}, None, given))


def options(own, padded=None):
    """What the library is given for a prompt of one token."""
    request = Request([Prompt(np.array([5]))], own, own.lengths([1], padded, None))
    # The arrays that they point to must live as long as they do.
    request.options.request = request
    return request.options


def ids_at(pointer, count, ctype=ctypes.c_int32):
    return (ctype * count).from_address(pointer)[:]


@pytest.fixture(scope="module")
def reference():
    config = transformers.GPT2Config(
        vocab_size=11, n_embd=4, n_layer=1, n_head=1, n_positions=8
    )
    return transformers.GPT2LMHeadModel(config)


@pytest.mark.parametrize(
    "model, config, given",
    [
        ({}, None, {}),
        ({}, None, {"top_k": 3, "num_beams": 2}),
        ({"top_k": 7, "do_sample": True, "eos_token_id": [1, 2]}, None, {}),
        ({"top_k": 7, "top_p": 0.5}, {"top_k": 6}, {}),
        ({"top_k": 7, "eos_token_id": 5}, {"top_p": 0.5}, {"top_k": None}),
        ({"max_new_tokens": 9, "pad_token_id": 3}, {"max_length": 5}, {}),
        ({"eos_token_id": 5}, None, {"eos_token_id": None}),
    ],
)
def test_precedence_is_that_of_transformers(model, config, given, reference):
    theirs = transformers.GenerationConfig(**model)
    reference.generation_config = theirs
    whole = config and transformers.GenerationConfig(**config)
    want, _ = reference._prepare_generation_config(whole, **given)
    for form in (config, whole):
        got = merge(model, form, given)
        for name in _DEFAULTS.keys() - OURS - {"max_length"}:
            # Where None and a default say the same.
            assert (got[name] or 0) == (getattr(want, name) or 0), name
        # transformers' 20 counts new tokens unless it is set.
        assert got["max_length"] == (config or {}).get("max_length")


def test_every_argument_of_transformers_is_known():
    names = set(vars(transformers.GenerationConfig()))
    known = _DEFAULTS.keys() | _IGNORED | _UNSUPPORTED.keys()
    assert names - known <= {"_original_object_hash", "continuous_batching_config"}
    defaults = transformers.GenerationConfig._get_default_generation_params()
    for name, value in defaults.items():
        if name in _UNSUPPORTED:
            merge({}, None, {name: value})


@pytest.mark.parametrize("name", _UNSUPPORTED)
def test_unsupported_is_named(name):
    merge({}, None, {name: None})
    with pytest.raises(ValueError, match=f"^{name}: is not supported, got 'x'"):
        merge({}, None, {name: "x"})
    with pytest.raises(ValueError, match=f"^generation_config.json: {name}: "):
        merge({name: "x"}, None, {})
    # Who knows what the model's file says may say otherwise.
    merge({name: "x"}, None, {name: None})


def test_unknown_is_a_type_error():
    with pytest.raises(TypeError, match='no argument "num_beam"; is "num_beams" meant'):
        merge({}, None, {"num_beam": 3})
    with pytest.raises(TypeError, match="generation_config: expects a dict"):
        merge({}, 3, {})
    # What a model's file has beyond transformers' arguments concerns others.
    assert merge({"chat_format": "chatml"}, None, {}) == merge({}, None, {})


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        # As float32 they are 0, which to a library is "not given", or infinite.
        {"temperature": 1e-46},
        {"temperature": 1e39},
        {"repetition_penalty": 1e-46},
        {"typical_p": 1e-46},
        {"temperature": "hot"},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_p": 1.5},
        {"min_p": -0.1},
        {"typical_p": 0.0},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 0.5},
        {"max_new_tokens": 0},
        {"max_new_tokens": True},
        {"max_new_tokens": 2**31},
        {"min_new_tokens": -1},
        {"num_beams": 0},
        {"num_beams": 2, "num_return_sequences": 3},
        {"repetition_penalty": 0},
        {"no_repeat_ngram_size": -1},
        {"prompt_lookup_num_tokens": 0},
        {"early_stopping": "always"},
        {"early_stopping": 3},
        {"eos_token_id": "</s>"},
        {"eos_token_id": [-1]},
        {"bad_words_ids": [3]},
        {"bad_words_ids": [[]]},
        {"bad_words_ids": "no"},
        {"stop_sequences": [[1.5]]},
        {"stop_strings": [3], "tokenizer": 1},
        {"stop_strings": "x"},
        {"max_time": -1},
        {"pad_token_id": 2**31},
        {"decoder_start_token_id": -1},
        {"forced_bos_token_id": 1.5},
        {"forced_eos_token_id": [1, -2]},
    ],
)
def test_values_out_of_range_are_named(given):
    name = list(given)[-1] if "tokenizer" not in given else "stop_strings"
    with pytest.raises(ValueError, match=name):
        settings(do_sample="num_beams" not in given, **given)


def test_greedy_has_one_sequence():
    with pytest.raises(ValueError, match="num_return_sequences"):
        settings(num_return_sequences=2)


def test_options():
    own = settings(
        do_sample=True, seed=2**64 - 1, top_p=0.0, top_k=None, eos_token_id=[4, 5],
        bad_words_ids=[[1, 2], [3]],
    )  # fmt: skip
    got = options(own)
    assert got.seed == 2**64 - 1 and got.top_k == 0
    assert 0 < got.top_p < 1e-20 and got.num_eos_token_ids == 2
    assert ids_at(got.eos_token_ids, 2) == [4, 5]
    assert own.pad_token_id == 4 and got.bad_words_ids.count == 2
    assert ids_at(got.bad_words_ids.tokens, 3) == [1, 2, 3]
    assert ids_at(got.bad_words_ids.offsets, 3, ctypes.c_int64) == [0, 2, 3]
    assert options(settings()).num_eos_token_ids == -1
    assert options(settings(do_sample=True)).top_k == 50
    # Without sampling they have no part in it, whatever their values.
    assert options(settings(top_k=3)).top_k == 0
    assert options(settings(temperature=0.0)).temperature == 0.0
    for penalty in (0.0, 1e-46):
        own = settings(num_beams=2, length_penalty=penalty)
        assert options(own).length_penalty > 0
    drawn = {settings(do_sample=True).seed for _ in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(
    "given, name",
    [
        ({"eos_token_id": [3, 9]}, "eos_token_id"),
        ({"forced_bos_token_id": 9}, "forced_bos_token_id"),
        ({"forced_eos_token_id": 9}, "forced_eos_token_id"),
        ({"bad_words_ids": [[1], [2, 9]]}, r"bad_words_ids\[1\]"),
        ({"stop_sequences": [[9]]}, r"stop_sequences\[0\]"),
        ({}, r"input_ids\[0\]"),
    ],
)
def test_ids_outside_the_vocabulary_are_named(given, name):
    own = settings(**given)
    lengths = own.lengths([1], None, None)
    prompts = [Prompt(np.array([5 if given else 9]))]
    Request(prompts, own, lengths, vocabulary=10)
    with pytest.raises(
        ValueError, match=rf"^{name}: expects token ids in \[0, 9\), got 9"
    ):
        Request(prompts, own, lengths, vocabulary=9)


def test_settings_are_frozen():
    own = settings(do_sample=True, seed=3, num_return_sequences=4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.stream = 1
    apart = dataclasses.replace(own, stream=7)
    assert options(apart).stream == 7 and options(own).stream == 0
    # Where text ends a sequence, each is a request.
    assert options(own).num_return_sequences == 4 and own.requests_per_prompt == 1
    strings = dataclasses.replace(own, stop_strings=["x"])
    assert options(strings).num_return_sequences == 1
    assert strings.requests_per_prompt == strings.num_return_sequences == 4


@pytest.mark.parametrize(
    "given, counts, padded, most, new, whole, least",
    [
        # Padding counts for max_length and min_length, as in transformers.
        ({}, [3, 5], 5, 20, 20, 0, 0),
        ({}, [3, 5], None, 20, 0, 0, 0),
        ({}, [58, 60], 60, 4, 4, 0, 0),
        ({"max_new_tokens": 7}, [3, 5], 5, 7, 7, 0, 0),
        ({"max_length": 9}, [3, 5], 5, 4, 4, 0, 0),
        ({"max_length": 9}, [3, 5], None, 6, 0, 9, 0),
        ({"max_length": 9, "max_new_tokens": 2}, [3, 5], None, 2, 2, 0, 0),
        ({"min_length": 9}, [3, 5], 5, 20, 20, 0, 4),
        ({"min_new_tokens": 30}, [3], None, 20, 0, 0, 20),
    ],
)
def test_lengths(given, counts, padded, most, new, whole, least):
    got = settings(**given).lengths(counts, padded, 64)
    assert got.most == most
    assert (got.max_new_tokens, got.max_length) == (new, whole)
    assert got.min_new_tokens == least


def test_forced_tokens():
    own = settings(forced_bos_token_id=0, forced_eos_token_id=[7, 8])
    # transformers counts a prompt's padding: only one of one token is followed
    # by the forced one.
    for padded, has in ((None, 1), (1, 1), (3, 0)):
        got = options(own, padded)
        assert got.has_forced_bos_token_id == has and got.forced_bos_token_id == 0
    assert got.num_forced_eos_token_ids == 2
    assert ids_at(got.forced_eos_token_ids, 2) == [7, 8]
    assert options(settings(forced_eos_token_id=7)).num_forced_eos_token_ids == 1
    none = options(settings())
    assert not none.has_forced_bos_token_id and not none.num_forced_eos_token_ids


def test_task_specific_parameters_come_after_the_models():
    model, task = {"top_k": 7, "num_beams": 2}, {"num_beams": 3, "prefix": "x"}
    got = merge(model, {"top_p": 0.5}, {}, {"num_beams": 4, "top_k": 9}, task)
    assert (got["top_k"], got["num_beams"], got["top_p"]) == (7, 3, 0.5)
    assert merge(model, None, {"num_beams": 5}, None, task)["num_beams"] == 5
    assert merge(model, {"num_beams": 6}, {}, None, task)["num_beams"] == 6
    with pytest.raises(ValueError, match="^config.json: task_specific_params: dola"):
        merge({}, None, {}, None, {"dola_layers": "high"})


def test_no_room_for_a_new_token():
    for padded in (None, 5):
        with pytest.raises(ValueError, match="max_length: expects more than the 5"):
            settings(max_length=5).lengths([3, 5], padded, 64)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(MODELS / "gpt2-shakespeare")


def test_stop_strings(tokenizer):
    def ends_after(strings, prompt, text):
        (first, second) = tokenizer.encode([prompt, text])
        stop = StopStrings(strings, tokenizer, np.array(first.ids))
        for token in second.ids:
            if stop.ends_with(token):
                return tokenizer.decode(stop.tokens)
        return None

    assert ends_after(["\n\n"], "A", "ROMEO:\nO\n\nJULIET").endswith("O\n\n")
    assert ends_after(["x", "ULI"], "A", "JULIET it").startswith("AJULI")
    # It may begin in the prompt, but not end there.
    assert ends_after(["A\n\nB"], "A\n", "\nB C").endswith("A\n\nB")
    assert ends_after(["A\n"], "A\n", "B C") is None
    # Far from the prompt, longer than what is looked at.
    far = "my lord, " * 60 + "STOP now"
    assert ends_after(["STOP"], "A" * 50, far).endswith("STOP")
    assert ends_after(["my lord my"], "A", "my lord, " * 60) is None


def text_of(tokenizer):
    return lambda ids: tokenizer.decode(ids, True)


def test_text_stream(tokenizer):
    text = "First Citizen:\nI am née, 漢字 🙂 and\n\nso"
    (encoding,) = tokenizer.encode([text])
    for cut in (0, 3, 20):
        stream = TextStream(text_of(tokenizer), encoding.ids[:cut])
        pieces = [stream.put(token) for token in encoding.ids[cut:]]
        assert not any("\ufffd" in piece for piece in pieces)
        whole = "".join(pieces) + stream.end()
        assert tokenizer.decode(encoding.ids[:cut]).rstrip("\ufffd") + whole == text
    # A character that never ends comes at the end.
    stream = TextStream(text_of(tokenizer), [])
    half = tokenizer.encode(["é"])[0].ids[:-1]
    assert [stream.put(token) for token in half] == [""] * len(half)
    assert "\ufffd" in stream.end() or not half


def test_text_stream_of_words():
    tokenizer = Tokenizer(MODELS / "gpt1-speaker")
    (encoding,) = tokenizer.encode(["my lord, i am undone"], add_special_tokens=False)
    stream = TextStream(text_of(tokenizer), encoding.ids[:2])
    pieces = [stream.put(token) for token in encoding.ids[2:]] + [stream.end()]
    whole = tokenizer.decode(encoding.ids)
    assert tokenizer.decode(encoding.ids[:2]) + "".join(pieces) == whole


@pytest.fixture(scope="module")
def bytes_tokenizer(tmp_path_factory):
    """As LLaMA's: what no piece has is written as bytes."""
    folder = tmp_path_factory.mktemp("bytes")
    pieces = ["<unk>", *(f"<0x{i:02X}>" for i in range(256)), "▁", *"abcdelmnost"]
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            {piece: i for i, piece in enumerate(pieces)},
            [],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    backend.normalizer = tokenizers.normalizers.Sequence(
        [
            tokenizers.normalizers.Prepend("▁"),
            tokenizers.normalizers.Replace(" ", "▁"),
        ]
    )
    backend.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    backend.save(str(folder / "tokenizer.json"))
    return Tokenizer(folder)


FOREIGN = [
    "漢字漢字漢字漢字漢字漢字",
    "한국어 문장이 여기에 있다",
    "🙂🙃🙂🙃 so 🙂👍🏽",
    "mn née 漢a字",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_streams_of_bytes(bytes_tokenizer, text):
    (encoding,) = bytes_tokenizer.encode([text])
    ids = encoding.ids
    assert bytes_tokenizer.decode(ids) == text
    for cut in range(len(ids)):
        before = bytes_tokenizer.decode(ids[:cut])
        stream = TextStream(text_of(bytes_tokenizer), ids[:cut])
        pieces = [stream.put(token) for token in ids[cut:]] + [stream.end()]
        assert not any("\ufffd" in piece for piece in pieces)
        if "\ufffd" not in before:  # The prompt ends with a character.
            assert before + "".join(pieces) == text


@pytest.mark.parametrize("text", FOREIGN)
def test_stop_strings_of_bytes(bytes_tokenizer, text):
    """Each character ends the sequence as soon as it is there, far from the prompt."""
    whole = "mn " * 30 + text
    ids = bytes_tokenizer.encode([whole])[0].ids
    for begin in (1, 3, len(ids) - 3 * len(text.encode()) // 4):
        for stop in {text[-1], text[-2:], text[len(text) // 2 :]}:
            criterion = StopStrings([stop], bytes_tokenizer, np.array(ids[:begin]))
            seen = next(
                (i for i, t in enumerate(ids[begin:], 1) if criterion.ends_with(t)),
                None,
            )
            # By decoding everything.
            old = bytes_tokenizer.decode(ids[:begin]).rstrip("\ufffd")
            want = next(
                (
                    i
                    for i in range(1, len(ids) - begin + 1)
                    if bytes_tokenizer.decode(ids[: begin + i]).find(
                        stop, max(0, len(old) - len(stop) + 1)
                    )
                    >= 0
                ),
                None,
            )
            assert seen == want is not None, (begin, stop)
