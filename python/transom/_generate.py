"""Tokens that follow prompts: at once, and one after the other."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from transom import _abi
from transom._engine import stream_prompt
from transom._generation_config import Lengths, Settings
from transom._model import Model
from transom._options import Request
from transom._prompts import Ids, Prompt, Prompts
from transom._stopping_criteria import StoppingCriteria


@dataclasses.dataclass(frozen=True)
class Generated:
    """What `generate` gives with return_dict_in_generate.

    Attributes:
        sequences: ids, prompts included.
        sequences_scores: [batch * num_return_sequences], the sum of a beam's
            log-probabilities over its length to the power of length_penalty;
            None without beams.
    """

    sequences: Ids
    sequences_scores: np.ndarray | None


class _Callback:
    """What is done in a call as soon as a token is known."""

    def __init__(self, criteria: Sequence[StoppingCriteria], streamer: Any):
        self.error: BaseException | None = None
        self.streamer = streamer
        #: Of each request.
        self.criteria = criteria
        #: Of sequences that were ended here: their tokens.
        self.ended: dict[int, int] = {}
        self.counts: collections.Counter[int] = collections.Counter()
        # Python's own signals, Ctrl-C among them, are seen here, too.
        self.function = _abi.GenerationCallback(self._call)

    def _call(self, user: int | None, pointer: Any) -> int:
        # What is raised in a callback would be lost.
        try:
            return self.error is not None or self.sees(pointer.contents)
        except BaseException as error:
            self.error = error
            return 1

    def sees(self, event: _abi.GenerationEvent) -> bool:
        """Whether the event's request is to end."""
        for token in event.tokens[: event.num_tokens]:
            self.counts[event.request] += 1
            if self.streamer is not None:
                self.streamer.put(np.array([token]))
            if self.criteria[event.request].ends_with(token):
                self.ended[event.request] = self.counts[event.request]
                return True
        return False


def generate(
    model: Model,
    input_ids: Any,
    attention_mask: Any,
    decoder_input_ids: Any,
    decoder_attention_mask: Any,
    generation_config: Any,
    streamer: Any,
    given: Mapping[str, Any],
) -> Ids | Generated:
    """See `Library.generate`."""
    settings = Settings.of_call(model, generation_config, given)
    prompts = Prompts.of(
        model,
        input_ids,
        attention_mask,
        decoder_input_ids,
        decoder_attention_mask,
        settings,
    )
    rows = prompts.rows
    copies = settings.num_return_sequences
    _check_combinations(settings, len(rows.rows) * copies, streamer)
    eos, pad = settings.eos_token_id, settings.pad_token_id or 0
    if settings.num_beams > 1 and eos:
        # So does transformers: to it the id 0 is none where beams are padded.
        pad = pad or eos[0]
    if not rows.rows:
        return _result(settings, rows.extended([], copies, pad), None)
    counts = [len(row) for row in rows.rows]
    lengths = settings.lengths(counts, rows.padded, model.max_positions)
    per_prompt = settings.requests_per_prompt
    requests = [prompt for prompt in prompts.each() for _ in range(per_prompt)]
    callback = _Callback([StoppingCriteria(settings, p) for p in requests], streamer)
    if streamer is not None:
        streamer.put(np.stack(rows.rows))
    sequences, scores = _run(model, requests, settings, lengths, callback)
    if callback.error is not None:
        raise callback.error
    if streamer is not None:
        streamer.end()
    return _result(settings, rows.extended(sequences, copies, pad), scores)


def _check_combinations(settings: Settings, sequences: int, streamer: Any) -> None:
    if settings.num_beams > 1:
        for name, value in (
            ("streamer", streamer),
            ("stop_strings", settings.stop_strings or None),
            ("max_time", settings.max_time),
        ):
            if value is not None:
                raise ValueError(f"{name}: expects num_beams=1; beams end together")
    if streamer is not None and sequences != 1:
        raise ValueError(f"streamer: expects one sequence, got {sequences}")


def _result(
    settings: Settings, sequences: Ids, scores: np.ndarray | None
) -> Ids | Generated:
    if not settings.return_dict_in_generate:
        return sequences
    return Generated(sequences, scores if settings.num_beams > 1 else None)


def _run(
    model: Model,
    prompts: Sequence[Prompt],
    settings: Settings,
    lengths: Lengths,
    callback: _Callback,
) -> tuple[list[np.ndarray], np.ndarray]:
    """The new tokens of each sequence, and scores."""
    most = lengths.most
    if model.max_positions is not None:
        most = min(most, model.max_positions + 1)  # The library refuses more.
    count = len(prompts) * settings.sequences_per_request
    request = Request(prompts, settings, lengths, model.vocabulary)
    tokens = np.zeros((count, most), np.int32)
    counts = np.zeros(count, np.int64)
    scores = np.zeros(count, np.float32)
    results = _abi.Generated(
        tokens=tokens.ctypes.data,
        row_tokens=most,
        lengths=counts.ctypes.data,
        scores=scores.ctypes.data,
    )
    with model.session() as session:
        model.check(
            model.entry.generate(
                session.handle,
                ctypes.byref(request.prompts),
                ctypes.byref(request.options),
                callback.function,
                None,
                ctypes.byref(results),
            )
        )
    if settings.sequences_per_request == 1:
        for row, length in callback.ended.items():
            counts[row] = min(counts[row], length)
    return [row[:length] for row, length in zip(tokens, counts)], scores


def stream(
    model: Model,
    input_ids: Any,
    attention_mask: Any,
    decoder_input_ids: Any,
    generation_config: Any,
    given: Mapping[str, Any],
) -> Iterator[int]:
    """See `Library.generate_stream`."""
    settings = Settings.of_call(model, generation_config, given)
    settings.check_streamed()
    prompts = Prompts.of(
        model,
        _one_row(input_ids),
        attention_mask,
        _one_row(decoder_input_ids),
        None,
        settings,
    )
    each = prompts.each()
    if len(each) != 1:
        raise ValueError(f"input_ids: expects one prompt, got {len(each)}")
    return stream_prompt(model, each[0], settings, prompts.rows.padded)


def _one_row(ids: Any) -> Any:
    """`[length]` as `[1, length]`."""
    flat = isinstance(ids, (list, tuple)) or np.ndim(ids) == 1
    return [ids] if flat and all(np.ndim(token) == 0 for token in ids) else ids
