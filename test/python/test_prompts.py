"""Prompts as a caller gives them, and what decoders begin with."""

import pathlib
import types

import numpy as np
import pytest
import torch
import transformers

from transom._generation_config import Settings, merge
from transom._prompts import Prompts


def settings(**given):
    return Settings.of(merge({}, None, given))


def library(has_encoder):
    return types.SimpleNamespace(
        has_encoder=has_encoder, path=pathlib.Path("libmodel.so")
    )


def prompts_of(ids, mask, own, begun=None, begun_mask=None, encoder=False):
    return Prompts.of(library(encoder), ids, mask, begun, begun_mask, own)


def lists(rows):
    return [row.tolist() for row in rows]


def test_prompts():
    own = settings(pad_token_id=0, eos_token_id=2, bos_token_id=1)
    ids = [[0, 0, 5], [0, 6, 7]]
    # By a mask, by an id, and at the right as well.
    for given, mask in ((ids, [[0, 0, 1], [0, 1, 1]]), (np.array(ids), None)):
        prompts = prompts_of(given, mask, own).rows
        assert lists(prompts.rows) == [[5], [6, 7]]
        assert prompts.padded == 3
        got = prompts.extended([np.array([8]), np.array([9, 2])], 1, 0)
        assert got.dtype == np.int64
        assert got.tolist() == [[0, 0, 5, 8, 0], [0, 6, 7, 9, 2]]
    assert lists(prompts_of([[5, 0]], None, own).rows.rows) == [[5]]
    # An id that ends sequences is not padding.
    same = settings(pad_token_id=2, eos_token_id=2)
    assert lists(prompts_of([[2, 5]], None, same).rows.rows) == [[2, 5]]
    ragged = prompts_of([[5], [6, 7]], None, own).rows
    assert ragged.padded is None
    got = ragged.extended([np.array([8]), np.array([9, 2])], 1, 0)
    assert lists(got) == [[5, 8], [6, 7, 9, 2]]
    alone = prompts_of(None, None, own)
    assert lists(alone.rows.rows) == [[1]] and alone.encoder_rows is None
    (prompt,) = alone.each()
    assert prompt.encoder_tokens is None and prompt.input_ids.tolist() == [1]


@pytest.mark.parametrize(
    "ids, mask, text",
    [
        (None, None, "bos_token_id"),
        ([[0, 0]], [[0, 0]], r"input_ids\[0\]: expects one token or more"),
        ([5, 6], None, "flat list"),
        ([[5], [6, 7]], [[1], [1, 1]], "attention_mask: goes with"),
        ([[5, 6]], [[1]], "attention_mask: expects the shape"),
    ],
)
def test_prompts_refuse(ids, mask, text):
    with pytest.raises(ValueError, match=text):
        prompts_of(ids, mask, settings())


@pytest.fixture(scope="module")
def reference():
    config = transformers.T5Config(
        vocab_size=11, d_model=4, d_kv=2, d_ff=4, num_layers=1, num_heads=2
    )
    return transformers.T5ForConditionalGeneration(config)


@pytest.mark.parametrize(
    "start, begun, mask",
    [
        (3, None, None),
        ([3, 4], None, None),
        (3, [[3, 5], [3, 6]], None),
        (3, [[5, 5], [6, 6]], None),
        # One row that begins with it is enough.
        (3, [[5, 5], [3, 6]], None),
        ([5, 6], [[5, 5], [7, 6]], None),
        # Its padding counts as a beginning.
        (0, [[0, 5], [7, 6]], [[0, 1], [1, 1]]),
        (3, [[0, 5], [7, 6]], [[0, 1], [1, 1]]),
        (0, [[0, 0], [7, 6]], None),
    ],
)
def test_a_decoder_begins_as_in_transformers(start, begun, mask, reference):
    sources = [[8, 9, 1], [8, 1]]
    options = {} if begun is None else {"decoder_input_ids": torch.tensor(begun)}
    if mask is not None:
        options["decoder_attention_mask"] = torch.tensor(mask)
    want, more = reference._prepare_decoder_input_ids_for_generation(
        2, "input_ids", dict(options), torch.tensor(start)
    )
    own = settings(decoder_start_token_id=start, pad_token_id=0)
    got = prompts_of(sources, None, own, begun, mask, encoder=True)
    assert got.rows.array.tolist() == want.tolist()
    there = more.get("decoder_attention_mask", torch.ones_like(want)).bool()
    for prompt, row, kept, source in zip(got.each(), want, there, sources):
        assert prompt.tokens.tolist() == row[kept].tolist()
        assert prompt.input_ids.tolist() == prompt.encoder_tokens.tolist() == source


def test_decoders_begin_at_unequal_lengths():
    own = settings(decoder_start_token_id=3)
    got = prompts_of([[8, 1], [9, 1]], None, own, [[3, 5], [7], [3]][:2], None, True)
    # Each row stands for itself.
    assert lists(got.rows.rows) == [[3, 5], [3, 7]]
    assert got.rows.padded is None
    # The padding of sources has nothing to do with it.
    own = settings(pad_token_id=0, bos_token_id=3)
    got = prompts_of([[8, 1, 0], [9, 6, 1]], None, own, encoder=True)
    assert lists(got.encoder_rows) == [[8, 1], [9, 6, 1]]
    assert got.rows.padded == 1 and lists(got.rows.rows) == [[3], [3]]


@pytest.mark.parametrize(
    "encoder, begun, mask, start, text",
    [
        (True, None, None, None, "^decoder_start_token_id: is needed"),
        (
            True,
            [[5]],
            None,
            3,
            "^decoder_input_ids: expects as many rows as .* 2, got 1",
        ),
        (True, [[5], []], None, None, r"^decoder_input_ids\[1\]: expects one token"),
        (True, [[5], [6]], [[1]], 3, "^decoder_attention_mask: expects the shape"),
        (True, None, None, [3, 4, 5], "^decoder_start_token_id: expects one id, or"),
        (False, [[5], [6]], None, 3, "^decoder_input_ids: expects a model with an enc"),
        (False, None, [[1], [1]], 3, "^decoder_attention_mask: expects a model with"),
    ],
)
def test_decoder_refuses(encoder, begun, mask, start, text):
    own = settings(decoder_start_token_id=start)
    with pytest.raises(ValueError, match=text):
        prompts_of([[8, 1], [9, 1]], None, own, begun, mask, encoder)
